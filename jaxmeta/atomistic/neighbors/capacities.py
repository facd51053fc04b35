"""CellCapacity: the room that a compiled list of pairs has, found on the host."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxmeta.atomistic.neighbors._boxes import (
    Structures,
    check_longest,
    check_room,
    heights,
    structures,
)
from jaxmeta.atomistic.neighbors._runs import Grid, runs_of, sorted_atoms
from jaxmeta.atomistic.neighbors._sparse import sparse_pairs
from jaxmeta.atomistic.neighbors.lists import MOST_PAIRS
from jaxmeta.atomistic.neighbors.options import check_length
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


# Cells may become this much smaller before capacities have to be found anew.
_SHRINKAGE = 1.05

# One word has the bits of so many candidates.
WORD = 32


@dataclasses.dataclass(frozen=True)
class CellCapacity:
    """How much room `cell_list` has: static, and found by `cell_capacity`.

    Arguments:
        pairs: rows of the list, with padding.
        run: candidates in one column of bins near an atom; more than 32 are a multiple
            of 32.
        bins: along each axis.
        reach: how many bins away neighbours may be, along each axis.

    Raises:
        InvalidTypeError: for what is no integer.
        InvalidError: for numbers below 1, and those of `run` that it can not have.
    """

    pairs: int
    run: int
    bins: tuple[int, int, int]
    reach: tuple[int, int, int]

    def __post_init__(self) -> None:
        for numbers in ((self.pairs, self.run), self.bins, self.reach):
            for number in numbers:
                _check_number(number)
        if len(self.bins) != 3 or len(self.reach) != 3:
            raise InvalidError(
                compose(
                    "CellCapacity: there are three axes.",
                    f"found bins={self.bins}, reach={self.reach}",
                )
            )
        if self.run > WORD and self.run % WORD:
            raise InvalidError(
                compose(
                    "CellCapacity: a run above 32 is a multiple of 32.", f"found {self.run}"
                )
            )


def _check_number(number: Any) -> None:
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidTypeError(
            compose(
                "CellCapacity: capacities are integers.",
                f"found {number!r:.100}, a {type(number).__name__}",
            )
        )
    if number < 1:
        raise InvalidError(
            compose("CellCapacity: capacities are at least 1.", f"found {number}")
        )


def cell_capacity(
    positions: Any,
    cell: Any,
    pbc: Any,
    cutoff: float,
    *,
    full_list: bool = True,
    headroom: float = 1.25,
    max_pairs: int = MOST_PAIRS,
) -> CellCapacity:
    """The room that `cell_list` needs for one configuration, and for others like it.

    Arguments:
        positions: of a typical configuration, shape (atoms, 3), on the host.
        cell: its cell, shape (3, 3).
        pbc: along which vectors of the cell it repeats: three truth values, or one.
        cutoff: of the list.
        full_list: whether the list is full.
        headroom: how much more room there is than this configuration takes. Cells may in
            any case become narrower by five percent.
        max_pairs: a list for which many more are expected is refused.

    Raises:
        InvalidError: as `neighbor_pairs`, and for a headroom below 1.
        InvalidTypeError: as `neighbor_pairs`.

    Example:
        >>> chain = np.array([[0.0, 0, 0], [0, 0, 1]])
        >>> cell_capacity(chain, np.eye(3), False, 2.0, headroom=1.0).pairs
        2
    """
    where = "cell_capacity"
    given = structures(where, positions, cell, pbc)
    wanted = check_length(where, "cutoff", cutoff)
    check_longest(where, wanted)
    if not headroom >= 1 or not math.isfinite(headroom):
        raise InvalidError(
            compose(f"{where}: the headroom is at least 1.", f"found {headroom}")
        )
    check_room(where, given, wanted, max_pairs)
    arrays = given.positions, given.cells[0], given.pbc[0]
    pairs = len(sparse_pairs(*arrays, wanted, full_list)[0])
    room = max(1, math.ceil(pairs * headroom))
    choices = [_choice(given, wanted, reach, headroom) for reach in (1, 2, 3)]
    grid, run = min(choices, key=_cost)
    return CellCapacity(room, run, grid.bins, grid.reach)


def _cost(choice: tuple[Grid, int]) -> tuple[int, int]:
    """Candidates of one atom; with as many, fewer columns."""
    grid, run = choice
    return len(grid.columns) * run, len(grid.columns)


def _choice(
    given: Structures, cutoff: float, reach: int, headroom: float
) -> tuple[Grid, int]:
    """Bins with this reach along the first two axes, and the longest run."""
    cell, pbc = given.cells[0], tuple(given.pbc[0].tolist())
    grid = _grid(given, cutoff, (reach, reach, 4))
    if not len(given.positions):
        return grid, 1
    atoms = sorted_atoms(given.positions, cell, cutoff, grid, np)
    longest = int(runs_of(atoms, grid, np).lengths.max())
    run = math.ceil(longest * headroom) + (headroom > 1)
    assert len(pbc) == 3
    return grid, run if run <= WORD else -(-run // WORD) * WORD


def _grid(given: Structures, cutoff: float, finest: tuple[int, int, int]) -> Grid:
    box, pbc = given.boxes[0], given.pbc[0]
    reduced = given.positions @ np.linalg.inv(box)
    extent = np.ptp(reduced, axis=0) if len(reduced) else np.zeros(3)
    tall = np.where(pbc, heights(box) / _SHRINKAGE, extent)
    bins = np.maximum(1, tall * finest / cutoff).astype(np.int64)
    while bins.prod() > 8 * len(reduced) + 64:  # where most would be empty
        bins[np.argmax(bins)] //= 2
    reach = np.where(pbc, np.ceil(cutoff * bins / tall.clip(1e-300)), finest)
    a, b, c = bins.tolist()
    d, e, f = np.minimum(reach, np.where(pbc, reach, bins)).astype(int).tolist()
    x, y, z = pbc.tolist()
    return Grid((a, b, c), (d, e, f), (x, y, z))
