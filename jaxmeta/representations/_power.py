"""The products of two densities that rotations leave alone."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.native.choice import in_use
from jaxmeta.native.densities import products
from jaxmeta.representations._densities import Channels


def invariants(left: Any, right: Any, channels: Channels) -> Any:
    """Products of two densities, summed over m, times (-1)^l and by the root of 2 l + 1.

    Arguments:
        left: coefficients, shape (..., channels.size).
        right: others of the same shape.

    Returns:
        Shape (..., properties), properties by l, n of the left, n of the right one.
    """
    return (_native if in_use(left.dtype) else _by_parts)(channels, left, right)


def _by_parts(channels: Channels, left: Any, right: Any) -> Any:
    parts = []
    for (o3_lambda, x), (_, y) in zip(
        channels.parts(left), channels.parts(right), strict=True
    ):
        factor = (-1) ** o3_lambda / math.sqrt(2 * o3_lambda + 1)
        # As a matrix product this is several times slower: the matrices are small.
        product = jnp.sum(x[..., :, None] * y[..., None, :], axis=-3) * factor
        n, k = product.shape[-2:]  # there may be no rows
        parts.append(product.reshape(*product.shape[:-2], n * k))
    return jnp.concatenate(parts, axis=-1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _native(channels: Channels, left: Any, right: Any) -> Any:
    shape, size = left.shape[:-1], channels.size
    rows = (each.reshape(math.prod(shape), size) for each in (left, right))
    found = products(channels.radial, *rows)
    return found.reshape(*shape, found.shape[-1])


def _kept(channels: Channels, left: Any, right: Any) -> tuple[Any, Any]:
    return _native(channels, left, right), (left, right)


def _pulled(channels: Channels, kept: Any, cotangent: Any) -> tuple[Any, Any]:
    _, pull = jax.vjp(functools.partial(_by_parts, channels), *kept)
    return pull(cotangent)


_native.defvjp(_kept, _pulled)
