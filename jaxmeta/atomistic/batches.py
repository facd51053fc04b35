"""Batch: many systems as one, the shape in which models and compiled programs take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.atomistic.neighbors.options import NeighborListOptions, check_length
from jaxmeta.atomistic.neighbors.pairs import Pairs
from jaxmeta.core import PADDING, DynamicLabels, Labels, TensorMap
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, compose


@final
class Centers(eqx.Module):
    """Atoms of one type whose environments a model looks at.

    Arguments:
        rows: int32, their rows among the atoms of the batch; where there is padding, the
            number of these rows.
        samples: labels ``system, atom`` of them.
    """

    rows: Any
    samples: Labels | DynamicLabels


@final
class Batch(eqx.Module):
    """Systems one after another: rows of atoms, rows of pairs, and what belongs to which.

    A pytree that goes through `jax.jit`, `jax.grad` and `jax.vmap`; `to_batch` makes one
    of systems. Its labels are static, so that results are those of these
    very systems, or dynamic, with room to spare, so that one compiled program serves all
    batches of a `Room`. Rows of atoms that are padding have type -1 and belong to no
    system; a pair that is padding has the number of rows of atoms as both its atoms.

    Arguments:
        positions: (atoms, 3).
        cells: (systems, 3, 3), one vector a row; zero along axes that are not periodic.
        pbc: (systems, 3), truth values.
        types: (atoms,), int32.
        owners: (atoms,), int32: the row of the system of each atom.
        systems: labels ``system`` of the rows of systems.
        atoms: labels ``system, atom`` of the rows of atoms.
        pairs: by what was asked of it, each list of pairs.
        centers: by type, the atoms of this type whose environments a model looks at: all
            of them, or the selected ones.
        data: extra inputs of all systems, by name.
    """

    positions: Any
    cells: Any
    pbc: Any
    types: Any
    owners: Any
    systems: Labels | DynamicLabels
    atoms: Labels | DynamicLabels
    pairs: dict[NeighborListOptions, Pairs]
    centers: dict[int, Centers]
    data: dict[str, TensorMap]

    @property
    def is_dynamic(self) -> bool:
        """Whether there may be padding."""
        return isinstance(self.atoms, DynamicLabels)

    @property
    def n_atoms(self) -> Any:
        """How many rows of atoms there are, padding among them (or a symbol)."""
        return self.positions.shape[0]

    @property
    def n_systems(self) -> Any:
        """How many rows of systems there are, padding among them (or a symbol)."""
        return self.cells.shape[0]

    def pairs_within(self, cutoff: float, *, full: bool = True) -> Pairs:
        """The list of pairs for this cutoff: that of the smallest cutoff that suffices.

        It may hold pairs that are further apart than the cutoff.

        Raises:
            MissingError: when no list reaches so far.
            InvalidError: for what is no length; InvalidTypeError for what is no number.
        """
        check_bool("Batch.pairs_within", "full", full)
        cutoff = check_length("Batch.pairs_within", "cutoff", cutoff)
        enough = [
            options
            for options in self.pairs
            if options.full_list == full and options.cutoff >= cutoff
        ]
        if not enough:
            _refuse_cutoff(cutoff, full, self.pairs)
        return self.pairs[min(enough, key=lambda options: options.cutoff)]

    def vectors(self, pairs: Pairs) -> Any:
        """From the first atom of each pair to the second, shape (pairs, 3).

        Values: ``positions[second] - positions[first] + shifts @ cell``, with the cell of
        their system. Pairs that are padding get a constant vector, outside any cutoff.

        Raises:
            InvalidTypeError: for what is no list of pairs.
        """
        _check_class("Batch.vectors", pairs, Pairs)
        if self.n_systems == 1:  # nothing to look up
            return pairs.vectors(self.positions, self.cells[0])
        owners = jnp.asarray(self.owners)
        return pairs.vectors(self.positions, self.cells, owners)

    def strained(self, strain: Any) -> Batch:
        """The same systems, deformed: positions and cells times ``1 + strain``.

        Arguments:
            strain: (systems, 3, 3), of the dtype of the positions; rows of vectors are
                multiplied from the right.

        Raises:
            InvalidError: for another shape; InvalidTypeError for another dtype.
        """
        _check_strain(strain, self)
        deformation = strain + jnp.eye(3, dtype=strain.dtype)[None]
        of_atoms = deformation.at[self.owners].get(mode="fill", fill_value=0)
        positions = jnp.einsum("ia,iab->ib", self.positions, of_atoms)
        cells = jnp.einsum("sca,sab->scb", self.cells, deformation)
        return self.replace(positions=positions, cells=cells)

    def replace(self, **fields: Any) -> Batch:
        """The same batch with other fields, which are not checked."""
        batch = object.__new__(Batch)
        for name in self.__dataclass_fields__:
            object.__setattr__(batch, name, fields.get(name, getattr(self, name)))
        return batch

    def select(self, atoms: Labels) -> Batch:
        """The same batch, where only the atoms selected have environments.

        All atoms stay neighbours. Per-atom results are those of the selected atoms; sums
        over atoms are sums over them.

        Arguments:
            atoms: labels with names ``system, atom``.

        Raises:
            InvalidError: for other names, and inside traced functions.
            MissingError: for an atom that is not in the batch.
            InvalidTypeError: for what are no labels.
        """
        _check_class("Batch.select", atoms, Labels)
        _check_known(self)
        there = self.atoms if isinstance(self.atoms, Labels) else self.atoms.to_labels()
        if atoms.names != there.names:
            raise InvalidError(
                compose(
                    "Batch.select: atoms are selected by system and atom.",
                    f"found the names {atoms.names}",
                )
            )
        selected = np.zeros(self.n_atoms, bool)
        selected[_rows_of(there, atoms)] = True
        return self.replace(
            centers={t: _kept(each, selected) for t, each in self.centers.items()}
        )


def check_batch(where: str, given: Any, remedy: str = "") -> Batch:
    """The argument, if it is a batch.

    Raises:
        InvalidTypeError: for what is none.
    """
    if not isinstance(given, Batch):
        raise InvalidTypeError(
            compose(
                f"{where}: the argument must be a Batch.",
                f"found {type(given).__name__}",
                remedy=remedy or "to_batch(systems, cutoff) makes one.",
            )
        )
    return given


def _check_class(where: str, given: Any, wanted: type) -> None:
    if not isinstance(given, wanted):
        raise InvalidTypeError(
            compose(
                f"{where}: the argument must be {wanted.__name__}.",
                f"found {type(given).__name__}",
            )
        )


def _check_strain(strain: Any, batch: Batch) -> None:
    wanted = (batch.n_systems, 3, 3)
    if np.shape(strain) != wanted:
        raise InvalidError(
            compose(
                "Batch.strained: there is a strain for each system.",
                f"found shape {np.shape(strain)}, expected {wanted}",
            )
        )
    dtype = getattr(strain, "dtype", None)
    if dtype != batch.positions.dtype:
        raise InvalidTypeError(
            compose(
                "Batch.strained: the strain has another dtype than the positions.",
                f"found {dtype or type(strain).__name__} and {batch.positions.dtype}",
            )
        )


def _check_known(batch: Batch) -> None:
    """Refuse to choose among atoms that are not known, as in compiled functions."""
    rows = [each.rows for each in batch.centers.values()]
    if any(isinstance(array, Tracer) for array in [batch.types, *rows]):
        raise InvalidError(
            compose(
                "Batch.select: which atoms there are is traced by JAX.",
                remedy="select outside of the compiled function, and give it the result.",
            )
        )


def _rows_of(there: Labels, atoms: Labels) -> np.ndarray:
    rows = there._index.find(atoms.values)
    if (rows < 0).any():
        system, atom = atoms.values[np.flatnonzero(rows < 0)[0]]
        raise MissingError(
            compose(
                "Batch.select: an atom is not in the batch.",
                f"found (system={system}, atom={atom})",
            )
        )
    return rows


def _kept(centers: Centers, selected: np.ndarray) -> Centers:
    """Those that are selected, with room for as many as before if there was room."""
    found, n_atoms = np.asarray(centers.rows), len(selected)
    is_kept = np.append(selected, False)[np.minimum(found, n_atoms)]
    samples = centers.samples
    labels = samples.values[is_kept] if isinstance(samples, Labels) else samples.values
    if isinstance(samples, Labels):
        kept = Labels(samples.names, labels, assume_unique=True)
        return Centers(jnp.asarray(found[is_kept]), kept)
    rows = np.full_like(found, n_atoms)
    rows[: is_kept.sum()] = found[is_kept]
    values = np.full((len(found), 2), PADDING, np.int32)
    values[: is_kept.sum()] = np.asarray(labels)[is_kept]
    return Centers(jnp.asarray(rows), DynamicLabels(samples.names, jnp.asarray(values)))


def _refuse_cutoff(
    cutoff: float, full: bool, there: Mapping[NeighborListOptions, Any]
) -> None:
    kind = "full" if full else "half"
    found = ", ".join(
        f"{'full' if options.full_list else 'half'} up to {options.cutoff}"
        for options in there
    )
    raise MissingError(
        compose(
            f"Batch: there is no {kind} list of neighbours up to {cutoff}.",
            f"the lists there are: {found or 'none'}",
            remedy=f"to_batch(systems, cutoff={cutoff}) makes one that suffices.",
        )
    )
