"""The products of two densities that rotations leave alone."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from jaxmeta.representations._densities import Channels


def invariants(left: Any, right: Any, channels: Channels) -> Any:
    """Products of two densities, summed over m, times (-1)^l and by the root of 2 l + 1.

    Arguments:
        left: coefficients, shape (..., channels.size).
        right: others of the same shape.

    Returns:
        Shape (..., properties), properties by l, n of the left, n of the right one.
    """
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
