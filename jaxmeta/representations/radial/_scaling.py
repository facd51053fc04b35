"""What radial integrals are multiplied with: smoothing at the cutoff, and scaling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.representations._hypers import Cutoff, ShiftedCosine, Willatt2018


Scale = Callable[[Any], Any]


def scale_of(cutoff: Cutoff, scaling: Willatt2018 | None) -> Scale:
    """Their product as a function of distances, zero at the cutoff radius and beyond."""

    def scale(r: Any) -> Any:
        # Both `where` are needed: a derivative of what is not chosen must be finite too.
        outside = r >= cutoff.radius
        r = jnp.where(outside, 0.0, r)
        found = _smoothing(cutoff, r)
        if scaling is not None:
            power = (r / scaling.scale) ** scaling.exponent
            found = found * (scaling.rate / (scaling.rate + power))
        return jnp.where(outside, 0.0, found)

    return scale


def _smoothing(cutoff: Cutoff, r: Any) -> Any:
    smoothing = cutoff.smoothing
    if not isinstance(smoothing, ShiftedCosine):
        return jnp.ones_like(r)
    start = cutoff.radius - smoothing.width
    phase = (math.pi / smoothing.width) * (r - start)
    return jnp.where(r <= start, 1.0, 0.5 + 0.5 * jnp.cos(phase))


def derivative_of(scale: Scale, order: int) -> Scale:
    """The derivative of some order of a function of single numbers."""
    for _ in range(order):
        scale = _derivative(scale)
    return scale


def _derivative(scale: Scale) -> Scale:
    return lambda r: jax.jvp(scale, (r,), (jnp.ones_like(r),))[1]


def scale_of_center(cutoff: Cutoff) -> float:
    """The smoothing at distance zero, below 1 where it is wider than the cutoff radius."""
    width = getattr(cutoff.smoothing, "width", 0.0)
    if width <= cutoff.radius:
        return 1.0
    return 0.5 + 0.5 * math.cos(math.pi * (width - cutoff.radius) / width)
