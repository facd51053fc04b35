"""Which rows long-range expansions have: on the host, without padding."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxmeta.atomistic.batches import Batch
from jaxmeta.core import Labels


@dataclasses.dataclass(frozen=True)
class LodeRows:
    """The rows of one type of centers and one of neighbours.

    Arguments:
        types: of centers and of neighbours.
        neighbor: the position of the type of neighbours.
        samples: labels ``system, atom``.
        rows: the row of each center among the atoms.
        gradient_samples: labels ``sample, system, atom``.
        pairs: of each of these rows: the row of the system, the places of the center and of
            the atom in it, and whether the atom is the center.
        is_neighbor: by row of systems and place, whether an atom is of that type.
    """

    types: tuple[int, int]
    neighbor: int
    samples: Labels
    rows: np.ndarray
    gradient_samples: Labels
    pairs: np.ndarray
    is_neighbor: np.ndarray

    def gradient(self, slopes: np.ndarray) -> Any:
        """Rows of gradients, (rows, 3, numbers), of (systems, atoms, atoms, 3, numbers).

        The center moves against all others.
        """
        system, center, atom, own = self.pairs.T
        found = slopes[system, center, atom]
        for row in np.flatnonzero(own):
            others = slopes[system[row], center[row]][self.is_neighbor[system[row]]]
            found[row] = -others.sum(axis=0)
        return found


def lode_rows(batch: Batch, atoms: np.ndarray) -> Iterator[LodeRows]:
    """For all pairs of types that are in one system.

    Arguments:
        batch: outside of traced functions.
        atoms: the rows of the atoms of each system, (systems, atoms).
    """
    labels = np.asarray(batch.atoms.values)
    types = np.append(np.asarray(batch.types), -1)[atoms]
    place = np.zeros(batch.n_atoms + 1, np.int64)
    place[atoms] = np.arange(atoms.shape[1])
    owners = np.asarray(batch.owners)
    known = sorted(batch.centers)
    for center in known:
        found = np.asarray(batch.centers[center].rows)
        found = found[found < batch.n_atoms]
        for number, neighbor in enumerate(known):
            is_neighbor = types == neighbor
            rows = found[is_neighbor.any(axis=1)[owners[found]]]
            if not len(rows):
                continue
            pairs, sample, atom = _pairs(rows, owners, place, is_neighbor, atoms)
            table = np.column_stack([sample, labels[atom]]).astype(np.int32)
            names = ["sample", "system", "atom"]
            yield LodeRows(
                (center, neighbor),
                number,
                Labels(["system", "atom"], labels[rows], assume_unique=True),
                rows,
                Labels(names, table, assume_unique=True),
                pairs,
                is_neighbor,
            )


def _pairs(
    rows: np.ndarray,
    owners: np.ndarray,
    place: np.ndarray,
    is_neighbor: np.ndarray,
    atoms: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each center itself and all neighbours, in the order of atoms."""
    system, center = owners[rows], place[rows]
    there = is_neighbor[system]
    there[np.arange(len(rows)), center] = True
    sample, other = np.nonzero(there)
    own = other == center[sample]
    pairs = np.stack([system[sample], center[sample], other, own], axis=1)
    return pairs, sample, atoms[system[sample], other]
