"""The coefficients of the density of neighbours, on radial functions and harmonics."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.representations._environments import Environments
from jaxmeta.representations._pairwise import over_pairs
from jaxmeta.representations.harmonics import spherical_harmonics_columns
from jaxmeta.representations.radial.table import RadialTable


@dataclasses.dataclass(frozen=True)
class Channels:
    """How the coefficients of one density are laid out in a row: by l, then m, then n.

    Arguments:
        radial: angular momenta, in ascending order, and how many radial functions each of
            them has.
    """

    radial: tuple[tuple[int, int], ...]

    @property
    def max_angular(self) -> int:
        """The largest angular momentum."""
        return self.radial[-1][0]

    @property
    def size(self) -> int:
        """How many coefficients there are."""
        return sum((2 * o3_lambda + 1) * n for o3_lambda, n in self.radial)

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """For each coefficient, which harmonic and which radial function it has."""
        lm, ln, begin = [], [], 0
        for o3_lambda, n in self.radial:
            m = range(o3_lambda**2, (o3_lambda + 1) ** 2)
            lm += [each for each in m for _ in range(n)]
            ln += [each for _ in m for each in range(begin, begin + n)]
            begin += n
        return np.array(lm, np.int32), np.array(ln, np.int32)

    def parts(self, array: Any) -> Iterator[tuple[int, Any]]:
        """By angular momentum, the parts (..., m, n) of an array (..., size)."""
        begin = 0
        for o3_lambda, n in self.radial:
            m = 2 * o3_lambda + 1
            part = array[..., begin : begin + m * n]
            yield o3_lambda, part.reshape(*array.shape[:-1], m, n)
            begin += m * n


def densities(around: Environments, table: RadialTable, channels: Channels) -> Any:
    """Coefficients of the density around each center, by type of neighbour.

    Returns:
        Shape (centers, types, channels.size), without the contribution of the center.
    """
    vectors = around.vectors
    _, sums = over_pairs(
        PairDensity(channels), table, around.rows, vectors, None, around.n_rows
    )
    return sums.reshape(around.n_centers, len(around.types), channels.size)


@dataclasses.dataclass(frozen=True)
class PairDensity:
    """The coefficients of one neighbour: radial functions times harmonics."""

    channels: Channels

    def __call__(self, table: RadialTable, vectors: Any, _: Any) -> tuple[None, Any]:
        """Coefficients of shape (pairs, channels.size), to be added up."""
        # Without the barriers a processor would work out radial functions and harmonics
        # again for each of their products.
        alone = jax.lax.optimization_barrier
        radial = alone(table(jnp.sqrt(jnp.sum(vectors**2, axis=-1))))
        x, y, z = alone(vectors.T)
        angular = spherical_harmonics_columns(x, y, z, self.channels.max_angular)
        lm, ln = self.channels.factors()
        return None, alone(jnp.stack(angular)).T[:, lm] * radial[:, ln]


def with_centers(
    array: Any, around: Environments, table: RadialTable, channels: Channels
) -> Any:
    """The same coefficients, with those of the center itself, at its own type."""
    if channels.radial[0][0] != 0:
        return array
    own = jnp.arange(len(around.types), dtype=jnp.int32)[None] == around.own_types[:, None]
    center = jnp.zeros(channels.size, array.dtype).at[: channels.radial[0][1]]
    contribution = center.set(table.center.astype(array.dtype))
    return array + own[..., None].astype(array.dtype) * contribution[None, None]
