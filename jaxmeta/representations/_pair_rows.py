"""Which rows blocks of pairs have, in featomic's order: on the host, without padding."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.neighbors.pairs import Pairs
from jaxmeta.core import Labels


NAMES = (
    "system", "first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"
)  # fmt: skip


class PairRows(NamedTuple):
    """The rows of one block.

    Arguments:
        labels: what they are called.
        pair: the row of each pair in the list of pairs; -1 for an atom with itself.
        first: the row of the first atom.
        second: that of the second one.
    """

    labels: Labels
    pair: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def without_own(self) -> PairRows:
        """The same but for atoms with themselves."""
        moving = self.pair >= 0
        if moving.all():
            return self
        labels = Labels(NAMES, self.labels.values[moving], assume_unique=True)
        return PairRows(labels, self.pair[moving], self.first[moving], self.second[moving])


class PairChoice(NamedTuple):
    """Which pairs there are.

    Arguments:
        full: each pair from both sides, else once: the atom of the smaller type is first,
            at equal types the one that comes first.
        own: each atom with itself too.
    """

    full: bool
    own: bool


def pair_rows(
    batch: Batch, pairs: Pairs, near: np.ndarray, choice: PairChoice
) -> dict[tuple[int, int], PairRows]:
    """By types of both atoms, the rows of pairs whose first atom has an environment.

    Rows go from system to system. There pairs are ordered by both atoms and shifts, each
    followed by its reverse, atoms with themselves come last.

    Arguments:
        batch: outside of traced functions.
        pairs: a full list of it.
        near: which of them count.
        choice: which of these, and whether atoms with themselves.
    """
    table, pair = _candidates(batch, pairs, near, choice)
    first, second, shifts = table[:, 0], table[:, 1], table[:, 2:]
    types, atoms = np.asarray(batch.types), np.asarray(batch.atoms.values)
    reverse = is_reverse(first, second, shifts)
    kinds = np.stack([types[first], types[second]], axis=1)
    if not choice.full:
        kept = half(kinds, reverse)
        first, second, shifts, pair = (a[kept] for a in (first, second, shifts, pair))
        reverse, kinds = reverse[kept], kinds[kept]
    order = _order(atoms[first, 0], first, second, shifts, pair, reverse, kinds)
    first, second, shifts, pair = (a[order] for a in (first, second, shifts, pair))
    found, begins = np.unique(kinds[order], axis=0, return_index=True)
    rows = np.column_stack([atoms[first], atoms[second, 1], shifts]).astype(np.int32)
    parts = zip(
        *(np.split(a, begins[1:]) for a in (rows, pair, first, second)), strict=True
    )
    blocks = {}
    for key, (labels, *arrays) in zip(found.tolist(), parts, strict=len(found) > 0):
        blocks[tuple(key)] = PairRows(Labels(NAMES, labels, assume_unique=True), *arrays)
    return blocks


def is_reverse(first: Any, second: Any, shifts: Any) -> Any:
    """Whether a pair is the second one of both that are the same, seen from two sides.

    The first one has ``first < second``; of an atom and its images it has the larger sum
    of shifts, at equal sums the larger last or second shift.
    """
    sums, b, c = shifts.sum(axis=1), shifts[:, 1], shifts[:, 2]
    behind = (sums < 0) | ((sums == 0) & ((c < 0) | ((c == 0) & (b < 0))))
    return (first > second) | ((first == second) & behind)


def half(kinds: Any, reverse: Any) -> Any:
    """Which pairs of a full list are in a half list, by types (pairs, 2) of both atoms."""
    return (kinds[:, 0] < kinds[:, 1]) | ((kinds[:, 0] == kinds[:, 1]) & ~reverse)


def _candidates(
    batch: Batch, pairs: Pairs, near: np.ndarray, choice: PairChoice
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs as rows (first, second, shifts), and their rows in the list."""
    centers = [np.asarray(each.rows) for each in batch.centers.values()]
    chosen = np.zeros(batch.n_atoms + 1, bool)
    chosen[np.concatenate([np.zeros(0, np.int32), *centers])] = True
    chosen[-1] = False
    first = np.asarray(pairs.first)
    pair = np.flatnonzero(near & chosen[np.minimum(first, batch.n_atoms)])
    columns = [first[pair], np.asarray(pairs.second)[pair], np.asarray(pairs.shifts)[pair]]
    table = np.column_stack(columns)
    if not choice.own:
        return table, pair
    own = np.flatnonzero(chosen).astype(np.int32)
    alone = np.column_stack([own, own, np.zeros((len(own), 3), np.int32)])
    return np.concatenate([table, alone]), np.append(pair, np.full(len(own), -1))


def _order(
    system: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    shifts: np.ndarray,
    pair: np.ndarray,
    reverse: np.ndarray,
    kinds: np.ndarray,
) -> np.ndarray:
    low, high = np.where(reverse, second, first), np.where(reverse, first, second)
    a, b, c = np.where(reverse[:, None], -shifts, shifts).T
    return np.lexsort(
        (reverse, c, b, a, high, low, pair < 0, system, kinds[:, 1], kinds[:, 0])
    )
