"""Tables of int32 rows: packing into one integer per row, order, uniqueness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from jaxmeta.core.rows._rows_hash import HashTable, row_hashes, row_words


_DIGIT = 16
_PIECE = 2**14
_KEY_BITS = 63


@dataclass(frozen=True)
class Packing:
    """A mixed-radix code: rows within these column ranges become distinct integers.

    Keys run from 0 to ``size - 1`` and are ordered as the rows are, lexicographically.

    Arguments:
        lows: the smallest value of each column.
        highs: the largest value of each column.

    Example:
        >>> packing = Packing((0, -1), (2, 1))
        >>> packing.keys(np.array([[0, -1], [0, 1], [2, 1]], np.int32))
        array([0, 2, 8])
    """

    lows: tuple[int, ...]
    highs: tuple[int, ...]

    @staticmethod
    def of(values: np.ndarray) -> Packing:
        """The tightest code for the rows of this table (any code where it has none)."""
        # Column by column: a reduction over the long axis of a narrow table is far slower.
        columns = values.T if len(values) else np.zeros((values.shape[1], 1), np.int32)
        return Packing(
            tuple(int(column.min()) for column in columns),
            tuple(int(column.max()) for column in columns),
        )

    @property
    def spans(self) -> tuple[int, ...]:
        """How many values each column can take."""
        return tuple(
            high - low + 1 for low, high in zip(self.lows, self.highs, strict=True)
        )

    @property
    def size(self) -> int:
        """How many different keys there are; may be beyond what int64 holds."""
        return prod(self.spans)

    def keys(self, values: np.ndarray) -> np.ndarray:
        """One int64 key per row; rows outside the ranges give meaningless keys."""
        keys = np.zeros(len(values), np.int64)
        origin = 0
        for column, low, span in zip(values.T, self.lows, self.spans, strict=True):
            # The sum may wrap around on the way; arithmetic modulo 2**64 brings it back.
            keys *= span
            keys += column
            origin = origin * span + low
        keys -= (origin + 2**63) % 2**64 - 2**63
        return keys

    def key(self, row: tuple[int, ...]) -> int | None:
        """The key of one row, None where it is outside the ranges."""
        key = 0
        for value, low, high in zip(row, self.lows, self.highs, strict=True):
            if not low <= value <= high:
                return None
            key = key * (high - low + 1) + int(value) - low
        return key

    def columns(self, columns: Sequence[int]) -> Packing:
        """The code for some of the columns."""
        return Packing(
            tuple(self.lows[column] for column in columns),
            tuple(self.highs[column] for column in columns),
        )

    def outside(self, values: np.ndarray, ranges: Packing) -> np.ndarray | None:
        """Which rows these ranges do not hold; None where the rows' own ranges tell."""
        outside = None
        for j, (low, high) in enumerate(zip(self.lows, self.highs, strict=True)):
            if ranges.lows[j] < low or ranges.highs[j] > high:
                column = values[:, j]
                beyond = (column < low) | (column > high)
                outside = beyond if outside is None else outside | beyond
        return outside

    def split(self) -> Iterator[range]:
        """Runs of neighbouring columns, as long as their keys still fit into int64."""
        start, size = 0, 1
        for column, span in enumerate(self.spans):
            if size * span > 2**_KEY_BITS:
                yield range(start, column)
                start, size = column, 1
            size *= span
        yield range(start, len(self.lows))


def is_sorted(values: np.ndarray, strictly: bool = False) -> bool:
    """Whether every row is lexicographically above the one before it (or equal to it)."""
    head = values[:16].tolist()
    # In pieces, so that what each step leaves is still in the cache for the next.
    pieces = (values[start : start + _PIECE + 1] for start in range(0, len(values), _PIECE))
    return head == sorted(head) and all(_ascends(piece, strictly) for piece in pieces)


def _ascends(values: np.ndarray, strictly: bool) -> bool:
    tied = np.ones(max(len(values) - 1, 0), bool)
    undecided = None
    for column in values.T:
        column = np.ascontiguousarray(column)
        before, after = column[:-1], column[1:]
        if undecided is not None:
            before, after = before.take(undecided), after.take(undecided)
        # Counting is many times faster than `any`.
        if np.count_nonzero(tied & (before > after)):
            return False
        tied &= before == after
        if np.count_nonzero(tied) * 8 < len(tied):
            still = tied.nonzero()[0]
            if not len(still):
                return True
            undecided = still if undecided is None else undecided.take(still)
            tied = np.ones(len(undecided), bool)
    return not strictly or not np.count_nonzero(tied)


def sorted_order(values: np.ndarray, descending: bool = False) -> np.ndarray:
    """Positions (int64) that sort the rows lexicographically; equal rows keep their order.

    >>> sorted_order(np.array([[1, 0], [-1, 5], [1, -2]], np.int32))
    array([1, 2, 0])
    """
    order = np.arange(len(values))
    if not descending and is_sorted(values):
        return order
    ranges = Packing.of(values)
    for columns in reversed(list(ranges.split())):
        packing = ranges.columns(columns)
        keys = packing.keys(values[:, columns.start : columns.stop])
        if descending:
            np.subtract(packing.size - 1, keys, out=keys)
        order = _sorted_by_digits(keys, (packing.size - 1).bit_length(), order)
    return order


def _sorted_by_digits(keys: np.ndarray, bits: int, order: np.ndarray) -> np.ndarray:
    # numpy sorts 16-bit integers by radix: a few of these passes beat one sort of 64-bit
    # keys, by far where its vectorised sort is slow (AVX-512 code on AMD Zen 4).
    for shift in range(0, bits, _DIGIT):
        digits = (keys >> shift).astype(np.uint16)
        order = order.take(np.argsort(digits.take(order), kind="stable"))
    return order


def unique_rows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows in lexicographic order, and which of them each row is.

    Returns:
        int32 of shape (different rows, columns), and int64 of shape (rows,).

    >>> rows, inverse = unique_rows(np.array([[3, 0], [1, 5], [3, 0]], np.int32))
    >>> rows.tolist(), inverse
    ([[1, 5], [3, 0]], array([1, 0, 1]))
    """
    packing = Packing.of(values)
    if packing.size <= 8 * len(values):
        return _unique_by_table(values, packing)
    order = sorted_order(values)
    ordered = values.take(order, axis=0)
    new = np.zeros(len(values), bool)
    new[:1] = True
    for column in ordered.T:
        new[1:] |= column[1:] != column[:-1]
    inverse = np.empty(len(values), np.int64)
    inverse[order] = np.cumsum(new) - 1
    return ordered[new], inverse


def _unique_by_table(values: np.ndarray, packing: Packing) -> tuple[np.ndarray, np.ndarray]:
    keys = packing.keys(values)
    table = np.full(packing.size, -1)
    table[keys] = np.arange(len(values))
    found = np.flatnonzero(table >= 0)
    rows = values.take(table.take(found), axis=0)
    table[found] = np.arange(len(found))
    return rows, table.take(keys)


def first_duplicate(values: np.ndarray) -> tuple[int, int] | None:
    """The first row that repeats an earlier one, and that earlier row; None if unique.

    >>> first_duplicate(np.array([[1, 2], [3, 4], [1, 2]], np.int32))
    (2, 0)
    """
    if values.shape[1] == 0:
        return (1, 0) if len(values) > 1 else None
    if is_sorted(values, strictly=True):
        return None
    words = row_words(values)
    if not HashTable(words, row_hashes(words)).repeats:
        return None
    _, inverse = unique_rows(values)
    rows = np.arange(len(values))
    first = np.empty(int(inverse.max()) + 1, np.int64)
    first[inverse[::-1]] = rows[::-1]  # of several, the last assignment stays
    earlier = first.take(inverse)
    row = int(np.argmax(earlier != rows))
    return row, int(earlier[row])
