"""The products of two densities that rotations leave alone."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.native.choice import in_use
from jaxmeta.native.densities import products
from jaxmeta.representations._densities import Channels


def power_spectra(densities: Any, channels: Channels) -> Any:
    """Products of the densities of two types around each center, summed over m.

    They are multiplied by (-1)^l, divided by the root of 2 l + 1; and multiplied by the
    root of two where the types differ, as each such pair stands for two.

    Arguments:
        densities: coefficients, shape (centers, types, channels.size).
        channels: what these are.

    Returns:
        Shape (pairs of types, centers, properties): pairs by first, then second type, which
        is not below the first; properties by l, n of the first, n of the second one.
    """
    return (_native if in_use(densities.dtype) else _by_parts)(channels, densities)


def _by_parts(channels: Channels, densities: Any) -> Any:
    first, second = np.triu_indices(densities.shape[1])
    twice = np.where(first == second, 1.0, math.sqrt(2))[None, :, None, None]
    parts = []
    for o3_lambda, part in channels.parts(densities):
        x, y = part[:, first], part[:, second]
        factor = (-1) ** o3_lambda / math.sqrt(2 * o3_lambda + 1) * twice
        # As a matrix product this is several times slower: the matrices are small.
        product = jnp.sum(x[..., :, None] * y[..., None, :], axis=-3)
        product = product * jnp.asarray(factor, product.dtype)
        n, k = product.shape[-2:]  # there may be no rows
        parts.append(product.reshape(*product.shape[:-2], n * k))
    return jnp.concatenate(parts, axis=-1).swapaxes(0, 1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _native(channels: Channels, densities: Any) -> Any:
    return products(channels.radial, densities)


def _kept(channels: Channels, densities: Any) -> tuple[Any, Any]:
    return _native(channels, densities), densities


def _pulled(channels: Channels, densities: Any, cotangent: Any) -> tuple[Any]:
    return jax.vjp(functools.partial(_by_parts, channels), densities)[1](cotangent)


_native.defvjp(_kept, _pulled)
