"""The products of two densities that rotations leave alone."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from jaxmeta.representations._densities import Channels
from jaxmeta.representations._gradient_rows import Terms
from jaxmeta.representations.harmonics import spherical_harmonics
from jaxmeta.representations.radial.table import RadialTable


def invariants(left: Any, right: Any, channels: Channels) -> Any:
    """Products of two densities, summed over m, times (-1)^l and by the root of 2 l + 1.

    Arguments:
        left: coefficients, shape (centers, channels.size).
        right: others of the same centers.

    Returns:
        Shape (centers, properties), properties by l, n of the left, n of the right one.
    """
    parts = []
    for (o3_lambda, x), (_, y) in zip(
        channels.parts(left), channels.parts(right), strict=True
    ):
        # As a matrix product this is several times slower: the matrices are small.
        product = jnp.sum(x[..., :, None] * y[..., None, :], axis=1) * _factor(o3_lambda)
        parts.append(product.reshape(*product.shape[:1], -1))
    return jnp.concatenate(parts, axis=-1)


def _factor(o3_lambda: int) -> float:
    return (-1) ** o3_lambda / math.sqrt(2 * o3_lambda + 1)


def products_with(
    table: RadialTable, channels: Channels, vectors: Any, others: Any, terms: Terms
) -> Any:
    """What a neighbour in one density adds to its product with the other one.

    The product is one of radial functions with the other density along the direction of
    the neighbour. So its derivatives have few terms too.

    Arguments:
        table: the radial integrals.
        channels: how densities are laid out.
        vectors: from center to neighbour, shape (pairs, 3).
        others: the coefficients of the other density, shape (pairs, channels.size).
        terms: in which of both densities the neighbour is; in both it adds twice.

    Returns:
        Shape (pairs, properties), as of `invariants`.
    """
    radial = table(jnp.sqrt(jnp.sum(vectors**2, axis=-1)))
    angular = spherical_harmonics(vectors, channels.max_angular)
    first, second = (
        each.astype(vectors.dtype)[:, None, None]
        for each in (terms.in_first, terms.in_second)
    )
    in_one = first + second - 2 * first * second
    scale = 1 + (math.sqrt(2) - 1) * in_one
    parts, begin = [], 0
    for o3_lambda, other in channels.parts(others):
        n = other.shape[-1]
        along = jnp.einsum(
            "pm,pmn->pn", angular[:, o3_lambda**2 : (o3_lambda + 1) ** 2], other
        )
        product = radial[:, begin : begin + n, None] * along[:, None, :]
        both = scale * (first * product + second * jnp.swapaxes(product, 1, 2))
        parts.append((both * _factor(o3_lambda)).reshape(-1, n * n))
        begin += n
    return jnp.concatenate(parts, axis=-1)
