r"""Densities of all atoms and their images, from sums over waves.

With the structure factors :math:`S_a(k) = \sum_{j \in a} e^{-i k r_j}` of atoms of type a,
the coefficients around atom i are :math:`\frac{4 \pi}{V} \sum_k i^l\, \hat g(k) I_{nl}(k)
Y_{lm}(\hat k)\, e^{i k r_i} S_a(k)`. Opposite waves add up to cosines where l is even, and
to sines where it is odd.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.representations._densities import Channels, products
from jaxmeta.representations._hypers import SmearedPowerLaw
from jaxmeta.representations._k_vectors import PIECE, Waves
from jaxmeta.representations._power_law import transformed, transformed_at_zero
from jaxmeta.representations.harmonics import spherical_harmonics
from jaxmeta.representations.radial.table import RadialTable


_Y00 = 1 / math.sqrt(4 * math.pi)
_BEST = jax.lax.Precision.HIGHEST


class Atoms(NamedTuple):
    """The atoms of each system.

    Arguments:
        positions: (systems, atoms, 3).
        of_types: (systems, atoms, types), 1 for the type that an atom has, else 0; 0 for
            padding.
    """

    positions: Any
    of_types: Any


def weights_of(
    waves: Waves, table: RadialTable, channels: Channels, density: SmearedPowerLaw
) -> Any:
    """What each wave is worth in each coefficient, (systems, waves, channels.size)."""
    shape = waves.norms.shape
    radial = table(waves.norms).reshape(-1, len(table.channels))
    angular = spherical_harmonics(waves.vectors, channels.max_angular)
    both = products(channels, radial, angular.reshape(radial.shape[0], -1))
    factor = 8 * math.pi / waves.volumes[:, None] * transformed(density, waves.norms)
    factor = jnp.where(waves.used, factor, jnp.zeros((), factor.dtype))
    return both.reshape(*shape, -1) * factor[..., None] * _signs(channels, factor.dtype)


def coefficients(atoms: Atoms, waves: Waves, weights: Any, channels: Channels) -> Any:
    """The coefficients around all atoms, (systems, atoms, types, channels.size)."""
    real = atoms.of_types.sum(axis=-1)[..., None]
    even = _is_even(channels)

    def of_piece(total: Any, piece: Any) -> tuple[Any, None]:
        vectors, of_waves = piece
        phases = jnp.einsum("sax,skx->sak", atoms.positions, vectors, precision=_BEST)
        cosine, sine = jnp.cos(phases) * real, jnp.sin(phases) * real
        factors = [
            jnp.einsum("sat,sak->stk", atoms.of_types, wave, precision=_BEST)
            for wave in (cosine, sine)
        ]
        together = _product(cosine, factors[0]) + _product(sine, factors[1])
        apart = _product(sine, factors[0]) - _product(cosine, factors[1])
        sums = [
            jnp.einsum("satk,skc->satc", wave, of_waves[..., which], precision=_BEST)
            for wave, which in ((together, even), (apart, ~even))
        ]
        return total + _in_order(sums, even), None

    shape = (*atoms.of_types.shape, channels.size)
    return _over_waves(of_piece, jnp.zeros(shape, weights.dtype), waves, weights)


def derivatives(atoms: Atoms, waves: Waves, weights: Any, channels: Channels) -> Any:
    """What the second of two atoms adds, by its position: (systems, a, a, 3, size).

    Zero where both are one.
    """
    even, real = _is_even(channels), atoms.of_types.sum(axis=-1)
    others = (
        real[:, :, None]
        * real[:, None]
        * (1 - jnp.eye(real.shape[1], dtype=real.dtype))[None]
    )

    def of_piece(total: Any, piece: Any) -> tuple[Any, None]:
        vectors, of_waves = piece
        phases = jnp.einsum("sax,skx->sak", atoms.positions, vectors, precision=_BEST)
        phases = phases[:, :, None] - phases[:, None]
        slopes = vectors[..., None] * of_waves[:, :, None]
        sums = [
            jnp.einsum("sabk,skxc->sabxc", wave, slopes[..., which], precision=_BEST)
            for wave, which in ((jnp.sin(phases), even), (-jnp.cos(phases), ~even))
        ]
        return total + _in_order(sums, even), None

    shape = (*others.shape, 3, channels.size)
    zeros = jnp.zeros(shape, weights.dtype)
    return _over_waves(of_piece, zeros, waves, weights) * others[..., None, None]


def of_no_wave(
    atoms: Atoms, waves: Waves, table_at_zero: Any, density: SmearedPowerLaw
) -> Any:
    """What the constant part of densities adds in degree 0, (systems, types, n)."""
    factor = 4 * math.pi * _Y00 * transformed_at_zero(density) / waves.volumes
    counts = atoms.of_types.sum(axis=1)
    return (factor[:, None] * counts)[..., None] * table_at_zero[None, None]


def _over_waves(
    function: Callable[..., Any], zeros: Any, waves: Waves, weights: Any
) -> Any:
    pieces = _cut(waves.vectors), _cut(weights)
    # Waves are made again for derivatives: kept, they would be most of the memory.
    return jax.lax.scan(jax.checkpoint(function), zeros, pieces)[0]


def _cut(array: Any) -> Any:
    size = min(PIECE, array.shape[1])
    parts = array.reshape(array.shape[0], -1, size, array.shape[2])
    return jnp.moveaxis(parts, 1, 0)


def _product(wave: Any, factor: Any) -> Any:
    return wave[:, :, None] * factor[:, None]


def _is_even(channels: Channels) -> np.ndarray:
    """Whether the degree of each coefficient is even."""
    return _degrees(channels) % 2 == 0


def _in_order(parts: list[Any], even: np.ndarray) -> Any:
    """Even and odd coefficients, each in order, as all of them in order."""
    back = np.argsort(np.concatenate([np.flatnonzero(even), np.flatnonzero(~even)]))
    return jnp.concatenate(parts, axis=-1)[..., back]


def _degrees(channels: Channels) -> np.ndarray:
    return np.concatenate([np.full((2 * l + 1) * n, l) for l, n in channels.radial])  # noqa: E741


def _signs(channels: Channels, dtype: Any) -> Any:
    """Half of what i^l times opposite waves is: 1, -1, -1, 1, and so on."""
    degrees = _degrees(channels)
    return jnp.asarray((-1.0) ** ((degrees + 1) // 2), dtype)[None, None]
