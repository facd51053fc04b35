"""KVectors: waves that fit into the cells of a batch, found on the host."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.batching import rounded_up
from jaxmeta.core import PADDING
from jaxmeta.errors import InvalidError, MissingError, compose


# Sums over waves are made a piece at a time: this many waves of each system.
PIECE = 128

# More waves take gigabytes; most often a unit is wrong then.
_MOST = 2**26


@final
class KVectors(eqx.Module):
    """The waves of each system of a batch, and its atoms: a pytree of two arrays.

    Arguments:
        steps: int32 of shape (systems, waves, 3): multiples of the reciprocal vectors, one
            of each two that are opposite; zero for padding. The number of waves is a
            multiple of some hundred.
        atoms: int32 of shape (systems, atoms): the rows of the atoms of each system; for
            padding the number of rows of atoms.
    """

    steps: Any
    atoms: Any


class Waves(NamedTuple):
    """Waves of systems as numbers that have derivatives.

    Arguments:
        vectors: (systems, waves, 3), an inverse length; constant for padding.
        norms: (systems, waves).
        used: (systems, waves), whether it is no padding.
        volumes: (systems,).
    """

    vectors: Any
    norms: Any
    used: Any
    volumes: Any


def k_vectors(where: str, batch: Batch, limit: float) -> KVectors:
    """All waves with wave numbers below a limit, one of each two that are opposite.

    Raises:
        MissingError: in traced functions, where cells are not known.
        InvalidError: for systems that are not periodic along all three axes, and for too
            many waves, or none.
    """
    given = (batch.cells, batch.pbc, batch.systems.values, batch.owners)
    if any(isinstance(each, Tracer) for each in given):
        raise MissingError(
            compose(
                f"{where}: which waves there are can not be found in a traced function.",
                remedy="give them: k_vectors = calculator.k_vectors(batch) outside, then "
                "calculator(batch, k_vectors=k_vectors).",
            )
        )
    cells, pbc, labels, owners = (np.asarray(each) for each in given)
    real = labels[:, 0] != PADDING
    _check_periodic(where, pbc, real)
    found = [_half_sphere(where, cell, limit) for cell in cells[real].astype(float)]
    n_waves = max((len(each) for each in found), default=0)
    n_waves = rounded_up(n_waves) if batch.is_dynamic else n_waves
    n_waves = -(-max(n_waves, 1) // PIECE) * PIECE if n_waves > PIECE else max(n_waves, 1)
    steps = np.zeros((len(cells), n_waves, 3), np.int32)
    for row, each in zip(np.flatnonzero(real), found, strict=True):
        steps[row, : len(each)] = each
    return KVectors(jnp.asarray(steps), jnp.asarray(_atoms_of(batch, owners)))


def waves_of(k_vectors: KVectors, cells: Any) -> Waves:
    """Waves from the cells, (systems, 3, 3), zero for padding."""
    there = jnp.abs(cells).sum(axis=(1, 2)) > 0
    cells = jnp.where(there[:, None, None], cells, jnp.eye(3, dtype=cells.dtype)[None])
    reciprocal = 2 * np.pi * jnp.swapaxes(jnp.linalg.inv(cells), 1, 2)
    steps = jnp.asarray(k_vectors.steps).astype(cells.dtype)
    used = jnp.any(steps != 0, axis=-1) & there[:, None]
    vectors = jnp.einsum(
        "skn,sna->ska", steps, reciprocal, precision=jax.lax.Precision.HIGHEST
    )
    # Zeros would have no direction, and no derivative of their norm.
    vectors = jnp.where(used[..., None], vectors, jnp.ones((), cells.dtype))
    norms = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
    return Waves(vectors, norms, used, jnp.abs(jnp.linalg.det(cells)))


def _half_sphere(where: str, cell: np.ndarray, limit: float) -> np.ndarray:
    """Steps of the waves below the limit: of two opposite ones the first."""
    most = np.floor(limit * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(int)
    count = int(np.prod(2.0 * most + 1))
    if count > _MOST:
        raise InvalidError(
            compose(
                f"{where}: there are too many waves.",
                f"about {count // 2}, up to {limit}, in the cell {cell.tolist()}",
                remedy="check units; a larger smearing needs fewer waves.",
            )
        )
    axes = [np.arange(-each, each + 1, dtype=np.int32) for each in most]
    steps = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    steps = steps[count // 2 + 1 :]  # the middle one is zero
    squares = ((steps @ (2 * np.pi * np.linalg.inv(cell).T)) ** 2).sum(axis=1)
    found = steps[squares < limit**2]
    if not len(found):
        raise InvalidError(
            compose(
                f"{where}: there is no wave below the k_cutoff.",
                f"it is {limit}, the cell {cell.tolist()}",
                remedy="give a larger k_cutoff, or repeat the cell.",
            )
        )
    return found


def _atoms_of(batch: Batch, owners: np.ndarray) -> np.ndarray:
    used = np.flatnonzero(owners < batch.n_systems)
    sizes = np.bincount(owners[used], minlength=batch.n_systems)
    most = int(sizes.max(initial=1))
    width = rounded_up(most) if batch.is_dynamic else most
    atoms = np.full((batch.n_systems, width), batch.n_atoms, np.int32)
    column = np.arange(len(used)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    atoms[owners[used], column] = used
    return atoms


def _check_periodic(where: str, pbc: np.ndarray, real: np.ndarray) -> None:
    open_ones = np.flatnonzero(real & ~pbc.all(axis=1))
    if len(open_ones):
        raise InvalidError(
            compose(
                f"{where}: systems must be periodic along all three vectors of the cell.",
                f"system {open_ones[0]} has pbc {pbc[open_ones[0]].tolist()}",
                remedy="put it into a large cell, with pbc=True.",
            )
        )
