r"""Smeared power laws in reciprocal space.

The transform of :math:`\gamma(p/2, r^2 / 2 \sigma^2) / (\Gamma(p/2) r^p)` is
:math:`\pi^{3/2} (2 / k)^{3 - p}\, \Gamma(\frac{3 - p}{2}, \sigma^2 k^2 / 2) / \Gamma(p/2)`.

Source: NIST Digital Library of Mathematical Functions, 8.2 and 8.8.2.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.representations._hypers import SmearedPowerLaw


def transformed(density: SmearedPowerLaw, k: Any) -> Any:
    """The Fourier transform at wave numbers above zero."""
    width, power = density.smearing, density.exponent
    x = (width * k) ** 2 / 2
    if power == 0:
        return (4 * math.pi * width**2) ** 0.75 * jnp.exp(-x)
    factor = math.pi**1.5 * 2.0 ** (3 - power) / math.gamma(power / 2)
    return factor * k ** (power - 3) * _upper_gamma(3 - power, x)


def transformed_at_zero(density: SmearedPowerLaw) -> float:
    """The limit for long waves, zero where there is none and a neutral background."""
    width, power = density.smearing, density.exponent
    if power == 0:
        return (4 * math.pi * width**2) ** 0.75
    if power <= 3:
        return 0.0
    factor = math.pi**1.5 / math.gamma(power / 2)
    return factor * 2 / (power - 3) * (2 * width**2) ** ((3 - power) / 2)


def _upper_gamma(twice: int, x: Any) -> Any:
    """The incomplete gamma function of half a number, 2 or less, and x above zero."""
    if twice == 2:
        return jnp.exp(-x)
    if twice == 1:
        return math.sqrt(math.pi) * jax.scipy.special.erfc(jnp.sqrt(x))
    if twice == 0:
        return jax.scipy.special.exp1(x)
    a = twice / 2
    return (_upper_gamma(twice + 2, x) - x**a * jnp.exp(-x)) / a
