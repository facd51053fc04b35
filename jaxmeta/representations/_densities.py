"""The coefficients of the density of neighbours, on radial functions and harmonics."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.native.choice import in_use
from jaxmeta.native.densities import add_density
from jaxmeta.representations._environments import Environments
from jaxmeta.representations._pairwise import Pulled, SumFunction, over_pairs
from jaxmeta.representations.harmonics import spherical_harmonics
from jaxmeta.representations.radial.table import RadialTable


_PIECE = 2**12


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
    function = (NativeDensity if in_use(vectors.dtype) else PairDensity)(channels)
    _, sums = over_pairs(function, table, around.rows, vectors, None, around.n_rows)
    return sums.reshape(around.n_centers, len(around.types), channels.size)


@dataclasses.dataclass(frozen=True)
class PairDensity:
    """The coefficients of one neighbour, to be added up for its center."""

    channels: Channels

    def __call__(self, table: RadialTable, vectors: Any, _: Any) -> tuple[None, Any]:
        """Nothing that stays with pairs, and coefficients (pairs, channels.size)."""
        radial, angular = factors(table, vectors, self.channels)
        return None, _in_reverse(self.channels, radial, angular)


@dataclasses.dataclass(frozen=True)
class NativeDensity(SumFunction):
    """The same sums by native kernels, which need no more than the factors of products."""

    channels: Channels

    def __call__(
        self, table: RadialTable, rows: Any, vectors: Any, _: Any, onto: Any
    ) -> tuple[None, Any]:
        """Nothing that stays with pairs, and sums (rows, channels.size)."""
        radial, angular = _factors(table, vectors, self.channels)
        return None, add_density(self.channels.radial, onto, radial, angular, rows)

    def zeros(self, table: RadialTable, vectors: Any, _: Any, n_rows: Any) -> Any:
        """Densities of no neighbours."""
        return jnp.zeros((n_rows, self.channels.size), vectors.dtype)

    def piece(self, n_rows: Any) -> int:
        """Their factors fit into the second cache of a core."""
        return _PIECE

    def pullback(self) -> Pulled:
        """By the derivatives of the kernels, and those of the factors."""
        return Pulled(self)


def factors(table: RadialTable, vectors: Any, channels: Channels) -> tuple[Any, Any]:
    """Radial functions (pairs, all n of all l) and harmonics (pairs, all m of all l)."""
    radial, angular = _factors(table, vectors, channels)
    return radial, angular.T


def _factors(table: RadialTable, vectors: Any, channels: Channels) -> tuple[Any, Any]:
    """The same, harmonics as columns: (all m of all l, pairs).

    Without the barriers a processor would work both out again for each of their products.
    """
    alone = jax.lax.optimization_barrier
    radial = alone(table(jnp.sqrt(jnp.sum(vectors**2, axis=-1))))
    angular = spherical_harmonics(alone(vectors), channels.max_angular, axis=0)
    return radial, alone(angular)


def products(channels: Channels, radial: Any, angular: Any) -> Any:
    """Each radial function times each harmonic of its angular momentum."""
    lm, ln = channels.factors()
    return angular[:, lm] * radial[:, ln]


# The same, with a derivative in reverse mode that is made of products and sums of small
# matrices, where that of taking columns would add up columns one by one.
_in_reverse = jax.custom_vjp(products, nondiff_argnums=(0,))


def _kept(channels: Channels, radial: Any, angular: Any) -> tuple[Any, Any]:
    return products(channels, radial, angular), (radial, angular)


def _pulled(channels: Channels, kept: Any, cotangent: Any) -> tuple[Any, Any]:
    radial, angular = kept
    of_radial, of_angular, begin = [], [], 0
    for o3_lambda, part in channels.parts(cotangent):
        n = part.shape[-1]
        y = angular[:, o3_lambda**2 : (o3_lambda + 1) ** 2]
        of_radial.append(jnp.einsum("pmn,pm->pn", part, y))
        of_angular.append(jnp.einsum("pmn,pn->pm", part, radial[:, begin : begin + n]))
        begin += n
    return jnp.concatenate(of_radial, axis=-1), jnp.concatenate(of_angular, axis=-1)


_in_reverse.defvjp(_kept, _pulled)


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
