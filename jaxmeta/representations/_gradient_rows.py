"""The rows of explicit gradients: which there are, and which pairs add to which of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.atomistic.batches import Batch
from jaxmeta.core import Labels
from jaxmeta.representations._presence import Group, Presence


# Rows of groups begin at multiples of this: there memory is aligned, so that they can be
# arrays of their own without a copy, whatever numbers a row has.
_ALIGNED = 16


class Terms(NamedTuple):
    """What each neighbour adds to the gradients: one entry for a pair and a group.

    A group with two types of neighbours is a product of two densities. Its derivative has
    the neighbour in one of them, or in either one.

    Arguments:
        pair: int32, the row of the pair.
        row: int32, the row of the gradient by the position of the neighbour.
        center_row: int32, the row of the gradient by the position of the center.
        sample: int32, the sample among those of all groups.
        other: int32, the row of the other density: center and type.
        in_first: 1 if the neighbour is in the first density, else 0.
        in_second: 1 if it is in the second one.
    """

    pair: Any
    row: Any
    center_row: Any
    sample: Any
    other: Any
    in_first: Any
    in_second: Any


class Sizes(NamedTuple):
    """How many rows and samples there are, padding among them: static."""

    rows: int
    samples: int


@dataclasses.dataclass(frozen=True)
class GradientRows:
    """The rows of gradients of all groups, one group after another.

    Arguments:
        samples: where the samples of each group begin, and after the last where they end.
        rows: the same for rows of gradients by positions, with gaps before some.
        labels: (sample, system, atom) of each row, by group.
        terms: what neighbours add to them.
    """

    samples: np.ndarray
    rows: np.ndarray
    labels: list[np.ndarray]
    terms: Terms

    def labels_of(self, name: str, group: int) -> Labels:
        """The samples of one gradient of one group."""
        if name == "strain":
            return Labels.range("sample", int(np.diff(self.samples)[group]))
        names = ["sample", "system", "atom"]
        return Labels(names, self.labels[group], assume_unique=True)

    def slice_of(self, name: str, group: int) -> slice:
        """Where the rows of one gradient of one group are."""
        if name == "strain":
            return slice(*self.samples[group : group + 2].tolist())
        begin = int(self.rows[group])
        return slice(begin, begin + len(self.labels[group]))


def gradient_rows(
    batch: Batch, presence: Presence, groups: Sequence[Group], cutoff: float
) -> GradientRows:
    """All rows of gradients: for each sample its center and its neighbours."""
    around = _Neighbors(batch, presence, cutoff)
    counts, entries = [], []
    for group in groups:
        rows = presence.rows(group)
        entries.append(around.terms(group, rows, sum(counts)))
        counts.append(len(rows))
    samples = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    terms, atoms = (np.concatenate(each, axis=-1) for each in zip(*entries, strict=True))
    return _numbered(samples, terms, atoms, batch)


class _Neighbors:
    """The pairs of a batch, by types of both atoms."""

    def __init__(self, batch: Batch, presence: Presence, cutoff: float) -> None:
        pairs = batch.pairs_within(cutoff)
        first, second = np.asarray(pairs.first), np.asarray(pairs.second)
        real = np.flatnonzero(first < batch.n_atoms)
        self.types = presence.types
        self.first, self.second = first, second
        kinds = np.searchsorted(self.types, np.asarray(batch.types))
        both = kinds[first[real]] * len(self.types) + kinds[second[real]]
        order = np.argsort(both, kind="stable")
        ends = np.cumsum(np.bincount(both, minlength=len(self.types) ** 2))
        self.by_types = np.split(real[order], ends[:-1])
        self.centers = {t: _used(c.rows, batch.n_atoms) for t, c in batch.centers.items()}
        rooms = [batch.centers[t].rows.shape[0] for t in self.types]
        self.begins = np.cumsum([0, *rooms])
        self.n_atoms = batch.n_atoms

    def terms(
        self, group: Group, rows: np.ndarray, before: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The terms of one group, and the atoms (first, second) of each.

        The terms are columns: pair, sample, other, in_first, in_second. A center is its
        own neighbour, by a pair that is none (-1), so that it has a row.
        """
        centers = self.centers[group.center][rows]
        found = [
            self._of(group, number, centers) for number in range(len(self._kinds(group)))
        ]
        alone = np.zeros((4, len(rows)), np.int64)
        alone[0] = -1
        terms = np.concatenate([alone, *(terms for terms, _ in found)], axis=1)
        own = np.stack([centers, centers])
        atoms = np.concatenate([own, *(atoms for _, atoms in found)], axis=1)
        local = np.full(self.n_atoms, -1, np.int64)
        local[centers] = np.arange(len(rows))
        place = np.full(self.n_atoms, 0, np.int64)
        all_centers = self.centers[group.center]
        kind = self.types.index(group.center)
        place[all_centers] = self.begins[kind] + np.arange(len(all_centers))
        sample = local[atoms[0]]
        other = place[atoms[0]] * len(self.types) + terms[1]
        kept = sample >= 0
        columns = np.stack([terms[0], sample + before, other, terms[2], terms[3]])
        return columns[:, kept], atoms[:, kept]

    def _kinds(self, group: Group) -> list[int]:
        return sorted({self.types.index(each) for each in group.neighbors})

    def _of(
        self, group: Group, number: int, centers: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The terms of neighbours of one type: pair, other type, in_first, in_second."""
        kind = self._kinds(group)[number]
        first, last = (
            self.types.index(t) for t in (group.neighbors[0], group.neighbors[-1])
        )
        pairs = self.by_types[self.types.index(group.center) * len(self.types) + kind]
        other = last if kind == first else first
        constants = [[other], [int(kind == first)], [int(kind == last)]]
        terms = np.concatenate([pairs[None], np.repeat(constants, len(pairs), axis=1)])
        return terms, np.stack([self.first[pairs], self.second[pairs]])


def _used(rows: Any, n_atoms: int) -> np.ndarray:
    found = np.asarray(rows)
    return found[found < n_atoms]


def _numbered(
    samples: np.ndarray, terms: np.ndarray, atoms: np.ndarray, batch: Batch
) -> GradientRows:
    """Rows are sorted by sample, then atom."""
    pair, sample, other, in_first, in_second = terms
    codes = sample * batch.n_atoms + atoms[1]
    rows, row = np.unique(codes, return_inverse=True)
    center_row = np.searchsorted(rows, sample * batch.n_atoms + atoms[0])
    of_rows, atom = np.divmod(rows, batch.n_atoms)
    group = np.searchsorted(samples, of_rows, side="right") - 1
    labels = np.asarray(batch.atoms.values)[atom]
    table = np.column_stack([of_rows - samples[group], labels]).astype(np.int32)
    begins = np.searchsorted(of_rows, samples)
    places = _aligned(begins)
    moved = np.arange(len(rows)) + (places - begins)[group]
    real = pair >= 0
    columns = (pair, moved[row], moved[center_row], sample, other, in_first, in_second)
    return GradientRows(
        samples,
        places,
        np.split(table, begins[1:-1]),
        Terms(*(column[real] for column in columns)),
    )


def _aligned(begins: np.ndarray) -> np.ndarray:
    """Where groups begin, and where the last one ends, if each begins at an aligned row."""
    counts = -(-np.diff(begins) // _ALIGNED) * _ALIGNED
    return np.concatenate([[0], np.cumsum(counts)])


def padded(terms: Terms, sizes: Sizes, capacity: int, n_pairs: int) -> Terms:
    """The same with padding, which adds to no row, as arrays of int32."""
    outside = (n_pairs, sizes.rows, sizes.rows, sizes.samples, 0, 0, 0)
    return Terms(
        *(
            np.concatenate(
                [column, np.full(capacity - len(column), value, column.dtype)]
            ).astype(np.int32)
            for column, value in zip(terms, outside, strict=True)
        )
    )
