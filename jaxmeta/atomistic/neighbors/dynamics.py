"""NeighborList: a list on the host that follows atoms as they move."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.atomistic.neighbors._boxes import (
    Structures,
    check_longest,
    completed,
    structures,
)
from jaxmeta.atomistic.neighbors.lists import MOST_PAIRS, neighbor_pairs
from jaxmeta.atomistic.neighbors.options import NeighborListOptions, check_length
from jaxmeta.atomistic.neighbors.pairs import Pairs
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


_WHERE = "NeighborList"

# Short lists would grow by a few pairs at a time, each with a program of its own.
_FEWEST = 64


class NeighborList:
    r"""Pairs within a cutoff, step by step, made anew only when atoms have moved far.

    Pairs up to the cutoff and a skin are found once. At every step those within the
    cutoff are chosen of them, so that models get no pair too many. The list is made anew
    when a pair that it does not have could have come within the cutoff: when an atom has
    moved by more than half the skin, beside the motion of all atoms together and the
    deformation of the cell. With :math:`F` for this deformation, :math:`u_i` for what is
    left of the motion of an atom, and the smallest singular value :math:`\sigma` of
    :math:`F`, the list holds while :math:`\sigma (cutoff + skin) - 2 \max_i |u_i| \ge
    cutoff`.

    Pairs are padded to a capacity that grows in steps, so that few programs are compiled.

    Arguments:
        cutoff: in the unit of the positions, or what a model asks for.
        skin: how much farther pairs are kept, not negative; in the same unit.
        full_list: whether the list is full. By default what the options say, else True.
        capacity: rows of every list. By default as many as it takes.
        growth: how much more rows there are whenever there are too few, above 1; at
            first there are 64.
        length_unit: the unit of positions and cell, for the cutoff of options.
        max_pairs: a list for which many more are expected is refused.

    Raises:
        InvalidError: for lengths and capacities out of range.
        InvalidTypeError: for arguments of other types.

    Example:
        >>> neighbors = NeighborList(2.0, skin=0.5, capacity=6)
        >>> chain = np.array([[0.0, 0, 0], [0, 0, 1.5], [0, 0, 3]])
        >>> neighbors.update(chain, np.zeros((3, 3)), False).first.tolist()
        [0, 1, 1, 2, 3, 3]
        >>> moved = chain + [[0, 0, 0], [0, 0, 0], [0, 0, 0.2]]
        >>> neighbors.update(moved, np.zeros((3, 3)), False).first.tolist()
        [0, 1, 1, 2, 3, 3]
        >>> neighbors.builds
        1
    """

    def __init__(
        self,
        cutoff: float | NeighborListOptions,
        skin: float = 1.0,
        *,
        full_list: bool | None = None,
        capacity: int | None = None,
        growth: float = 1.1,
        length_unit: str = "",
        max_pairs: int = MOST_PAIRS,
    ) -> None:
        full = None if full_list is None else check_bool(_WHERE, "full_list", full_list)
        if isinstance(cutoff, NeighborListOptions):
            self.cutoff = cutoff.engine_cutoff(length_unit)
            self.full_list = cutoff.full_list if full is None else full
        else:
            self.cutoff = check_length(_WHERE, "cutoff", cutoff)
            self.full_list = True if full is None else full
        self.skin = 0.0 if _is_zero(skin) else check_length(_WHERE, "skin", skin)
        check_longest(_WHERE, self.cutoff + self.skin)
        self._capacity = None if capacity is None else _checked_capacity(capacity)
        self._growth = _checked_growth(growth)
        self._max_pairs = max_pairs
        self._rows = _FEWEST
        self._kept: _Kept | None = None
        self.builds = 0  # how often the list was made

    def update(self, positions: Any, cell: Any, pbc: Any) -> Pairs:
        """The pairs within the cutoff now, as arrays of JAX with padding.

        Arguments:
            positions: shape (atoms, 3), on the host.
            cell: three vectors, one in each row, shape (3, 3).
            pbc: along which vectors of the cell the system repeats: three truth values,
                or one for all.

        Returns:
            Pairs, ordered as those of `neighbor_pairs`.

        Raises:
            InvalidError: as `neighbor_pairs`, and where the capacity is too small; the
                message says how many pairs there are.
            InvalidTypeError: as `neighbor_pairs`.
        """
        given = structures(f"{_WHERE}.update", positions, cell, pbc)
        if self._kept is None or not self._kept.holds(given, self.cutoff, self.skin):
            self._kept = self._made(given)
        found = self._kept.within(given, self.cutoff)
        return found.padded(self._room(len(found)), len(given.positions))

    def _made(self, given: Structures) -> _Kept:
        self.builds += 1
        if self._kept is None or len(self._kept.given.positions) != len(given.positions):
            self._rows = _FEWEST
        pairs = neighbor_pairs(
            given.positions,
            given.cells[0],
            given.pbc[0],
            self.cutoff + self.skin,
            full_list=self.full_list,
            max_pairs=self._max_pairs,
        )
        atoms = pairs.first.astype(np.intp), pairs.second.astype(np.intp)
        return _Kept(given, pairs, *atoms, _offsets(pairs, given))

    def _room(self, number: int) -> int:
        """Rows with room for so many pairs."""
        if self._capacity is not None:
            if number > self._capacity:
                raise InvalidError(
                    compose(
                        f"{_WHERE}.update: the capacity is too small.",
                        f"there are {number} pairs, the capacity is {self._capacity}",
                        remedy=f"give a capacity of at least {number}.",
                    )
                )
            return self._capacity
        if number > self._rows:
            step = math.ceil(math.log(number) / math.log(self._growth))
            self._rows = max(math.ceil(self._growth**step), number)
        return self._rows


class _Kept(NamedTuple):
    """A longer list, and the positions that it was made for.

    Arguments:
        given: these positions.
        pairs: the list.
        first: its first atoms, as integers that numpy takes rows by.
        second: the same.
        offsets: vectors between the cells of each pair, shape (3, pairs); None where all
            pairs are within one cell.
    """

    given: Structures
    pairs: Pairs
    first: np.ndarray
    second: np.ndarray
    offsets: np.ndarray | None

    def holds(self, now: Structures, cutoff: float, skin: float) -> bool:
        """Whether all pairs within the cutoff are still among those kept."""
        then = self.given
        same = len(then.positions) == len(now.positions)
        if not same or (then.pbc != now.pbc).any():
            return False
        if not len(now.positions):
            return True
        pbc = now.pbc[0].tolist()
        before, after = (completed(one.cells[0], pbc) for one in (then, now))
        strain = np.linalg.solve(before, after)
        moved = now.positions - then.positions @ strain
        moved -= moved.mean(axis=0)  # motion of all atoms together changes no pair
        farthest = math.sqrt((moved * moved).sum(axis=1).max())
        smallest = np.linalg.svd(strain, compute_uv=False)[-1]
        # Roundings are far smaller than this.
        return bool(smallest * (cutoff + skin) - 2 * farthest >= cutoff * (1 + 1e-12))

    def within(self, now: Structures, cutoff: float) -> Pairs:
        """Those of the kept pairs that are within the cutoff now."""
        offsets = self.offsets
        if offsets is not None and (now.cells != self.given.cells).any():
            offsets = _offsets(self.pairs, now)
        square = np.zeros(len(self.first))
        for x in range(3):
            column = np.ascontiguousarray(now.positions[:, x])
            apart = column[self.second]
            apart -= column[self.first]
            if offsets is not None:
                apart += offsets[x]
            apart *= apart
            square += apart
        near = np.flatnonzero(square < cutoff * cutoff)
        kept = self.pairs
        shifts = np.take(kept.shifts, near, axis=0)
        return Pairs(kept.first[near], kept.second[near], shifts)


def _offsets(pairs: Pairs, given: Structures) -> np.ndarray | None:
    if not pairs.shifts.any():
        return None
    return np.ascontiguousarray((pairs.shifts @ given.cells[0]).T)


def _is_zero(skin: Any) -> bool:
    return isinstance(skin, int | float) and not isinstance(skin, bool) and skin == 0


def _checked_capacity(given: Any) -> int:
    if not isinstance(given, int | np.integer) or isinstance(given, bool):
        raise InvalidTypeError(
            compose(f"{_WHERE}: the capacity is an integer.", f"found {given!r:.100}")
        )
    if given < 1:
        raise InvalidError(
            compose(f"{_WHERE}: the capacity is at least 1.", f"found {given}")
        )
    return int(given)


def _checked_growth(given: Any) -> float:
    growth = check_length(_WHERE, "growth", given)
    if not growth > 1:
        raise InvalidError(compose(f"{_WHERE}: the growth is above 1.", f"found {growth}"))
    return growth
