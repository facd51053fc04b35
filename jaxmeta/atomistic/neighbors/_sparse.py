"""Lists of systems that are mostly empty, or repeat along some axes only, in numpy.

Atoms are sorted into bins that are as wide as the cutoff, and only bins with atoms are
kept. So room costs nothing, while vesin has all bins, or few and wide ones.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxmeta.atomistic.neighbors._boxes import completed, heights


# Bins along one axis, so that those of three fit into one integer.
_MOST_BINS = 2**20

_AT_ONCE = 2**20


def sparse_pairs(
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    cutoff: float,
    full_list: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of atoms, shape (pairs, 2), and shifts, shape (pairs, 3), in no order."""
    atoms, shifts = [np.zeros((0, 2), np.int64)], [np.zeros((0, 3), np.int32)]
    if not len(positions):
        return atoms[0], shifts[0]
    bins = _sorted_into_bins(positions, cell, pbc.tolist(), cutoff)
    for first, second, steps in _candidates(bins):
        apart = positions[second] - positions[first]
        for axis in np.flatnonzero(pbc):
            apart += steps[:, axis, None] * cell[axis]
        near = (apart * apart).sum(axis=1) < cutoff * cutoff
        near &= (first != second) | steps.any(axis=1)
        if not full_list:
            near &= in_half(first, second, steps)
        atoms.append(np.stack([first[near], second[near]], axis=1))
        shifts.append(steps[near].astype(np.int32))
    return np.concatenate(atoms), np.concatenate(shifts)


def in_half(first: np.ndarray, second: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Which pairs of a full list half lists have: bool of shape (pairs,)."""
    a, b, c = shifts.T
    total = a + b + c
    later = (total > 0) | ((total == 0) & ((c > 0) | ((c == 0) & (b > 0))))
    return (first < second) | ((first == second) & later)


class _Bins(NamedTuple):
    """Atoms in the order of their bins.

    Arguments:
        numbers: of bins along each axis.
        reach: how many bins away neighbours may be, along each axis.
        pbc: which axes repeat.
        bins: of each atom, shape (atoms, 3).
        cells: in which cell each atom is, shape (atoms, 3).
        order: the atoms by their bin.
        codes: the bins of these as one integer, in order.
    """

    numbers: np.ndarray
    reach: np.ndarray
    pbc: list[bool]
    bins: np.ndarray
    cells: np.ndarray
    order: np.ndarray
    codes: np.ndarray

    def code(self, bins: np.ndarray) -> np.ndarray:
        """Bins, shape (..., 3), as one integer each."""
        x, y, z = np.moveaxis(bins, -1, 0)
        return (x * self.numbers[1] + y) * self.numbers[2] + z


def _sorted_into_bins(
    positions: np.ndarray, cell: np.ndarray, pbc: list[bool], cutoff: float
) -> _Bins:
    box = completed(cell, pbc)
    places = positions @ np.linalg.inv(box)
    cells = np.where(pbc, np.floor(places), 0)
    places -= np.where(pbc, cells, places.min(axis=0))
    # Axes that do not repeat have lengths as places, and begin at zero.
    tall = np.where(pbc, heights(box), np.maximum(places.max(axis=0), cutoff))
    numbers = np.clip(np.floor(tall / cutoff), 1, _MOST_BINS).astype(np.int64)
    reach = np.ceil(cutoff / (tall / numbers) * (1 + 1e-12)).astype(np.int64)
    scale = np.where(pbc, numbers, numbers / tall)
    bins = np.minimum((places * scale).astype(np.int64), numbers - 1)
    none = np.zeros(0, np.int64)
    found = _Bins(numbers, reach, pbc, bins, cells.astype(np.int64), none, none)
    codes = found.code(bins)
    order = np.argsort(codes, kind="stable")
    return found._replace(order=order, codes=codes[order])


def _candidates(bins: _Bins) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """First atoms, second atoms and shifts of pairs in bins that are near, in parts."""
    around = [range(-reach, reach + 1) for reach in bins.reach.tolist()]
    steps = itertools.product(*around)
    few = max(1, _AT_ONCE // max(1, len(bins.order)))
    for _ in range(0, math.prod(map(len, around)), few):
        yield from _around(bins, np.array(list(itertools.islice(steps, few))))


def _around(
    bins: _Bins, steps: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The candidates in bins that are some steps away."""
    target = bins.bins + steps[:, None]
    shifts = np.where(bins.pbc, target // bins.numbers, 0)
    target -= shifts * bins.numbers
    there = ((target >= 0) & (target < bins.numbers)).all(axis=-1)
    codes = np.where(there, bins.code(target), -1).ravel()
    begins = np.searchsorted(bins.codes, codes, "left")
    counts = np.searchsorted(bins.codes, codes, "right") - begins
    used = np.flatnonzero(counts)
    ends = np.cumsum(counts[used])
    parts = np.arange(0, ends[-1] if len(ends) else 0, _AT_ONCE)
    for rows in np.split(used, np.searchsorted(ends, parts[1:], "right")):
        number = counts[rows]
        before = np.repeat(np.cumsum(number) - number, number)
        places = np.repeat(begins[rows], number) + np.arange(len(before)) - before
        second = bins.order[places]
        first = np.repeat(rows % len(bins.order), number)
        shift = np.repeat(shifts.reshape(-1, 3)[rows], number, axis=0)
        yield first, second, shift + bins.cells[first] - bins.cells[second]
