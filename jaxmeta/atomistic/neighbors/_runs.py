"""Runs of atoms: where the neighbours of an atom are, when atoms are sorted by bins.

The bins of one column along the third axis stand one after another, so that all
candidates in a column are one run of atoms. A column that repeats is as one without end:
places below zero, and from its number of atoms on, are in the cells before and after.

The same code runs in numpy, to find capacities, and in JAX.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.atomistic.neighbors._boxes import completed, inverse


class Grid(NamedTuple):
    """What is static about bins.

    Arguments:
        bins: how many there are along each axis.
        reach: how many bins away neighbours may be, along each axis.
        pbc: which axes repeat.
    """

    bins: tuple[int, int, int]
    reach: tuple[int, int, int]
    pbc: tuple[bool, bool, bool]

    @property
    def columns(self) -> np.ndarray:
        """Steps to the columns that are near, shape (columns, 2)."""
        around = [range(-reach, reach + 1) for reach in self.reach[:2]]
        return np.array(list(itertools.product(*around)), np.int32)


class Sorted(NamedTuple):
    """Atoms in their bins.

    Arguments:
        positions: of the atoms, moved into the cell, shape (atoms, 3).
        box: three vectors, those of axes that do not repeat completed.
        cells: which cell each atom was in, int32 of shape (atoms, 3).
        bins: of each atom, int32 of shape (atoms, 3).
        order: the atoms by their bins.
        begins: where each bin begins in this order, and where the last one ends.
        share: the smallest of how far the bins in reach extend, beside the cutoff; at
            least 1 if all neighbours are in reach.
    """

    positions: Any
    box: Any
    cells: Any
    bins: Any
    order: Any
    begins: Any
    share: Any


def sorted_atoms(positions: Any, cell: Any, cutoff: float, grid: Grid, xp: Any) -> Sorted:
    """Atoms by their bins; `xp` is numpy or jax.numpy."""
    box = completed(cell, grid.pbc, xp)
    inverted = inverse(box, xp)
    x, y, z = (positions[:, axis, None] * inverted[axis][None] for axis in range(3))
    places = x + y + z
    repeats = np.array(grid.pbc)[None]
    cells = xp.where(repeats, xp.floor(places), xp.zeros_like(places))
    low = xp.where(repeats[0], xp.zeros_like(places[0]), places.min(axis=0))
    places = places - cells - low[None]
    wide, share = _widths(places, inverted, cutoff, grid, xp)
    most = np.array(grid.bins, np.int32)[None] - 1
    found = xp.clip((places / wide[None]).astype(np.int32), 0, most)
    moved = positions
    for axis in range(3):
        moved = moved - cells[:, axis, None] * box[axis][None]
    code = (found[:, 0] * grid.bins[1] + found[:, 1]) * grid.bins[2] + found[:, 2]
    order = xp.argsort(code, stable=True).astype(np.int32)
    edges = xp.arange(int(np.prod(grid.bins)) + 1, dtype=np.int32)
    begins = xp.searchsorted(code[order], edges).astype(np.int32)
    return Sorted(moved, box, cells.astype(np.int32), found, order, begins, share)


def _widths(
    places: Any, inverted: Any, cutoff: float, grid: Grid, xp: Any
) -> tuple[Any, Any]:
    """Widths of bins, as places are counted, and how far they reach."""
    tall: Any = 1 / xp.linalg.norm(inverted, axis=0)
    wide: list[Any] = []
    shares: list[Any] = []
    for axis, (bins, reach) in enumerate(zip(grid.bins, grid.reach, strict=True)):
        if grid.pbc[axis]:
            wide.append(xp.ones_like(tall[axis]) / bins)
            shares.append(tall[axis] * (reach / bins / cutoff))
        else:  # places are lengths; bins grow with what they have to hold
            wide.append(xp.maximum(places[:, axis].max() / bins, cutoff / reach))
    share = xp.stack(shares).min() if shares else xp.ones_like(tall[0])
    return xp.stack(wide), share


class Runs(NamedTuple):
    """Of each atom and each column around it, one run of candidates.

    Arguments:
        begins: the first place in the column, int32 of shape (atoms, columns).
        lengths: how many candidates there are; none in columns that are not there.
        columns: where the column begins among the sorted atoms.
        totals: how many atoms the column has.
        cells: steps of cells to the column along the first two axes, shape (2, atoms,
            columns).
    """

    begins: Any
    lengths: Any
    columns: Any
    totals: Any
    cells: Any


def runs_of(atoms: Sorted, grid: Grid, xp: Any) -> Runs:
    """The runs that have all neighbours of all atoms; `xp` is numpy or jax.numpy."""
    codes, there, cells = [], True, []
    for axis in range(2):
        bins = atoms.bins[:, axis, None] + grid.columns[None, :, axis]
        code, steps, inside = _wrapped(bins, grid, axis, xp)
        codes.append(code)
        cells.append(steps)
        there = there & inside
    column = (codes[0] * grid.bins[1] + codes[1]) * grid.bins[2]
    begin = atoms.begins[column]
    total = atoms.begins[column + grid.bins[2]] - begin
    low = atoms.bins[:, 2, None] - grid.reach[2]
    first = _place(low, column, begin, total, atoms, grid, xp)
    last = _place(low + 2 * grid.reach[2] + 1, column, begin, total, atoms, grid, xp)
    lengths = xp.where(there, last - first, xp.zeros_like(first))
    return Runs(first, lengths, begin, total, xp.stack(cells))


def _wrapped(bins: Any, grid: Grid, axis: int, xp: Any) -> tuple[Any, Any, Any]:
    """Bins within the grid, the cells that they are in, and whether they are there."""
    number = grid.bins[axis]
    if grid.pbc[axis]:
        steps = bins // number
        return bins - steps * number, steps, xp.ones_like(bins, dtype=bool)
    inside = (bins >= 0) & (bins < number)
    return xp.clip(bins, 0, number - 1), xp.zeros_like(bins), inside


def _place(
    bins: Any, column: Any, begin: Any, total: Any, atoms: Sorted, grid: Grid, xp: Any
) -> Any:
    """Where a bin of a column begins, as a place in this column."""
    number = grid.bins[2]
    if not grid.pbc[2]:
        return atoms.begins[column + xp.clip(bins, 0, number)] - begin
    steps = bins // number
    return steps * total + atoms.begins[column + bins - steps * number] - begin
