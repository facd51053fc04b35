"""Derivatives of radial functions, harmonics and their products by the vector of a pair."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.native.rows import PairFactors, density_rows, spectrum_rows
from jaxmeta.representations._densities import Channels
from jaxmeta.representations._gradient_rows import Sizes, Terms
from jaxmeta.representations.harmonics import spherical_harmonics
from jaxmeta.representations.radial.table import RadialTable


class Factors(NamedTuple):
    """What the coefficients of a neighbour are products of, and their derivatives.

    Arguments:
        radial: (pairs, all n of all l).
        angular: (pairs, all m of all l).
        of_radial: derivatives by x, y, z: (pairs, 3, all n of all l).
        of_angular: (pairs, 3, all m of all l).
    """

    radial: Any
    angular: Any
    of_radial: Any
    of_angular: Any


def factors_with_slopes(table: RadialTable, vectors: Any, channels: Channels) -> Factors:
    """All factors, each worked out once: see `factors` of the densities."""
    found = pair_factors(table, vectors, channels)
    return Factors(
        found.radial,
        found.angular.T,
        found.slopes[:, None, :] * found.directions[:, :, None],
        jnp.transpose(found.of_angular, (2, 0, 1)),
    )


def pair_factors(table: RadialTable, vectors: Any, channels: Channels) -> PairFactors:
    """The same for native kernels, which turn columns into rows by themselves."""
    alone = jax.lax.optimization_barrier
    lengths = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
    radial, slope = table.with_derivative(lengths)
    directions = vectors / jnp.where(lengths == 0, 1, lengths)[:, None]
    values, slopes = _harmonics(vectors, channels)
    return PairFactors(alone(radial), alone(slope), directions, values, slopes)


def _harmonics(vectors: Any, channels: Channels) -> tuple[Any, Any]:
    """Harmonics (all m of all l, pairs), and derivatives (3, all m of all l, pairs)."""
    alone = jax.lax.optimization_barrier

    def harmonics(vectors: Any) -> Any:
        return spherical_harmonics(vectors, channels.max_angular, axis=0)

    values, along = jax.linearize(harmonics, alone(vectors))
    axes = jnp.broadcast_to(jnp.eye(3, dtype=vectors.dtype)[:, None], (3, *vectors.shape))
    return alone(values), alone(jax.vmap(along)(axes))


@dataclasses.dataclass(frozen=True)
class DensityTerms:
    """What neighbours add to gradients of densities.

    Arguments:
        table: the radial integrals.
        channels: how densities are laid out.
    """

    table: RadialTable
    channels: Channels

    def __call__(self, vectors: Any, _: Terms) -> Any:
        """Derivatives, shape (pairs, 3, channels.size)."""
        return density_slopes(self.table, self.channels, vectors)

    def native(self, vectors: Any, terms: Terms, sizes: Sizes) -> tuple[Any, Any]:
        """Their sums, by native kernels."""
        found = pair_factors(self.table, vectors, self.channels)
        return density_rows(self.channels.radial, found, vectors, terms, sizes)


@dataclasses.dataclass(frozen=True)
class SpectrumTerms:
    """What neighbours add to gradients of power spectra.

    Arguments:
        table: the radial integrals.
        channels: how densities are laid out.
        densities: of all centers and types, shape (rows, channels.size).
    """

    table: RadialTable
    channels: Channels
    densities: Any

    def __call__(self, vectors: Any, terms: Terms) -> Any:
        """Derivatives, shape (pairs, 3, properties)."""
        others = self.densities.at[terms.other].get(mode="fill", fill_value=0)
        return spectrum_slopes(self.table, self.channels, vectors, others, terms)

    def native(self, vectors: Any, terms: Terms, sizes: Sizes) -> tuple[Any, Any]:
        """Their sums, by native kernels."""
        layout = self.channels.radial
        found = pair_factors(self.table, vectors, self.channels)
        return spectrum_rows(layout, found, vectors, self.densities, terms, sizes)


def density_slopes(table: RadialTable, channels: Channels, vectors: Any) -> Any:
    """Derivatives of the coefficients of neighbours, shape (pairs, 3, channels.size)."""
    found = _alone(factors_with_slopes(table, vectors, channels))
    lm, ln = channels.factors()
    along = found.of_radial[:, :, ln] * found.angular[:, None, lm]
    return along + found.radial[:, None, ln] * found.of_angular[:, :, lm]


def spectrum_slopes(
    table: RadialTable, channels: Channels, vectors: Any, others: Any, terms: Terms
) -> Any:
    """Derivatives of what neighbours add to products of two densities.

    The product is one of radial functions with the other density along the direction of
    the neighbour: few factors, that each number of the result is made of.

    Arguments:
        table: the radial integrals.
        channels: how densities are laid out.
        vectors: from center to neighbour, shape (pairs, 3).
        others: the coefficients of the other density, shape (pairs, channels.size).
        terms: in which of both densities the neighbour is; in both it adds twice.

    Returns:
        Shape (pairs, 3, properties), properties as of `power_spectra`.
    """
    found = factors_with_slopes(table, vectors, channels)
    along, of_along = [], []
    for o3_lambda, other in channels.parts(others):
        m = slice(o3_lambda**2, (o3_lambda + 1) ** 2)
        scaled = other * ((-1) ** o3_lambda / math.sqrt(2 * o3_lambda + 1))
        along.append(jnp.einsum("pm,pmn->pn", found.angular[:, m], scaled))
        of_along.append(jnp.einsum("pam,pmn->pan", found.of_angular[:, :, m], scaled))
    left, right = found.radial[:, None, :], jnp.concatenate(along, axis=-1)[:, None, :]
    of_left, of_right = found.of_radial, jnp.concatenate(of_along, axis=-1)
    left, right, of_left, of_right = _alone((left, right, of_left, of_right))
    first, second = _weights(terms, vectors.dtype)
    one, two = _columns(channels)
    in_first = of_left[..., one] * right[..., two] + left[..., one] * of_right[..., two]
    in_second = of_left[..., two] * right[..., one] + left[..., two] * of_right[..., one]
    return first * in_first + second * in_second


def _alone(tree: Any) -> Any:
    return jax.lax.optimization_barrier(tree)


def _weights(terms: Terms, dtype: Any) -> tuple[Any, Any]:
    """How much each density counts: products of two types count by the root of two."""
    first, second = (
        each.astype(dtype)[:, None, None] for each in (terms.in_first, terms.in_second)
    )
    in_one = first + second - 2 * first * second
    scale = 1 + (math.sqrt(2) - 1) * in_one
    return scale * first, scale * second


def _columns(channels: Channels) -> tuple[np.ndarray, np.ndarray]:
    """For each property, its two radial functions among all of them."""
    one, two, begin = [], [], 0
    for _, n in channels.radial:
        one += [begin + i for i in range(n) for _ in range(n)]
        two += [begin + i for _ in range(n) for i in range(n)]
        begin += n
    return np.array(one, np.int32), np.array(two, np.int32)
