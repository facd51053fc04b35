"""What all potentials have in common: energies of atoms, and of the systems they form."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic.batches import Batch, check_batch
from jaxmeta.atomistic.neighbors.options import NeighborListOptions
from jaxmeta.core import PADDING, DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.plans._compilable import Compilable
from jaxmeta.errors import InvalidError, choices, compose


ENERGY = Labels.range("energy", 1)
_REMEDY = "to_batch(systems, potential.requested_neighbor_lists()) makes one."


class Potential(Compilable):
    """A function from batches of systems to their energies, as sums over atoms.

    A pytree whose leaves are its parameters: in compiled functions it is an argument, as in
    ``jax.jit(lambda potential, batch: potential(batch))``. In ``jax.jit(potential)`` the
    parameters are constants.

    Called with a `Batch` it gives a map with one block: key ``_``, samples ``system``,
    property ``energy``; with ``per_atom=True`` the samples are ``system, atom``. Forces and
    stresses are those of `jaxmeta.atomistic.evaluate`. Of selected atoms (`Batch.select`)
    only their own energies count. A subclass has `cutoff_radius` and `atomic_energies`.
    """

    @property
    @abc.abstractmethod
    def cutoff_radius(self) -> float:
        """How far an atom sees, in the unit of the positions."""

    @abc.abstractmethod
    def atomic_energies(self, batch: Batch) -> Any:
        """The energies of all rows of atoms, shape (atoms,), in the dtype of the positions.

        What stands in rows of padding does not count.
        """

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        """The lists of pairs that batches need: ``to_batch(systems, these)``."""
        name = type(self).__name__
        return [NeighborListOptions(self.cutoff_radius, requestors=(name,))]

    def __call__(self, batch: Batch, *, per_atom: bool = False) -> TensorMap:
        """The energies of systems, or of their atoms.

        Arguments:
            batch: with the neighbour lists that are requested.
            per_atom: whether to give a row for each atom.

        Raises:
            InvalidTypeError: for what is no batch, or no truth value.
            InvalidError: for types of atoms that the potential does not know.
            MissingError: where the batch has no list of pairs that reaches far enough.
        """
        check_bool(type(self).__name__, "per_atom", per_atom)
        check_batch(type(self).__name__, batch, _REMEDY)
        energies = self.atomic_energies(batch)
        values, samples = (rows_of_atoms if per_atom else _of_systems)(batch, energies)
        block = TensorBlock(values[:, None], samples, [], ENERGY)
        return TensorMap(Labels.single(), [block])


def known_kinds(where: str, batch: Batch, types: Sequence[int]) -> Any:
    """The positions of the types of all atoms among those known, shape (atoms,).

    Those known are in ascending order.

    Raises:
        InvalidError: for types of the batch that are not among them.
        InvalidTypeError: for what is no batch.
    """
    check_batch(where, batch, _REMEDY)
    for each in batch.centers:
        if each not in types:
            raise InvalidError(
                compose(
                    f"{where}: there are atoms of type {each}, which it does not know.",
                    choices(each, types),
                    remedy="use a potential that was made for these types.",
                )
            )
    array = jnp.asarray(batch.types)
    found = jnp.zeros(array.shape, jnp.int32)
    for position, each in enumerate(types[1:], 1):
        found = jnp.where(array == each, jnp.int32(position), found)
    return found


def _chosen(batch: Batch) -> Any:
    """Which rows of atoms have environments: padding has none."""
    chosen = jnp.zeros(batch.n_atoms, bool)
    for centers in batch.centers.values():
        chosen = chosen.at[jnp.asarray(centers.rows)].set(True, mode="drop")
    return chosen


def _of_systems(batch: Batch, energies: Any) -> tuple[Any, Labels | DynamicLabels]:
    of_chosen = jnp.where(_chosen(batch), energies, jnp.zeros((), energies.dtype))
    sums = jnp.zeros(batch.n_systems, energies.dtype)
    return sums.at[jnp.asarray(batch.owners)].add(of_chosen, mode="drop"), batch.systems


def rows_of_atoms(batch: Batch, array: Any) -> tuple[Any, Labels | DynamicLabels]:
    """What an array (atoms, ...) has for atoms with environments, and their samples."""
    if isinstance(batch.atoms, Labels):
        table = [each.samples.values for each in batch.centers.values()]
        none = np.zeros((0, 2), np.int32)
        rows = np.sort(batch.atoms._index.find(np.concatenate([none, *table])))
        labels = Labels(batch.atoms.names, batch.atoms.values[rows], assume_unique=True)
        return array[rows], labels
    chosen = _chosen(batch)
    order = jnp.argsort(~chosen, stable=True)  # padding comes last
    there = chosen[order]
    mask = there.reshape(-1, *[1] * (array.ndim - 1))
    values = jnp.where(mask, array[order], jnp.zeros((), array.dtype))
    atoms = jnp.where(there[:, None], batch.atoms.values[order], jnp.int32(PADDING))
    return values, DynamicLabels(batch.atoms.names, atoms)
