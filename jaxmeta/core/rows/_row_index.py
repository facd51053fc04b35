"""Looking up rows of a table of unique int32 rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxmeta.core.rows._rows import Packing
from jaxmeta.core.rows._rows_dense import DenseTable
from jaxmeta.core.rows._rows_hash import HashTable, row_hashes, row_words


# A dict costs 1.6 µs a row to build and answers in 0.1 µs: worth it for small tables.
_DICT_ROWS = 10**4
# How large a table by packed key may be, of positions or of flags.
_SLOTS_PER_ROW = 4
_FLAGS_PER_ROW = 16
_ALWAYS_DENSE = 1024
# Comparing all rows with so many one by one is faster than hashing all rows.
_FEW = 16


class RowIndex:
    """Where the rows of one table are; built when first asked, then kept.

    Safe to share between threads: two that build the same thing build the same thing,
    and either one stays.

    Arguments:
        values: unique rows, int32 of shape (rows, columns); must not change any more.

    Example:
        >>> index = RowIndex(np.array([[0, 1], [0, 4], [2, 1]], np.int32))
        >>> index.position((0, 4)), index.find(np.array([[2, 1], [7, 7]], np.int32))
        (1, array([ 2, -1]))
    """

    __slots__ = ("_dict", "_hashes", "_ranges", "_table", "values")

    values: np.ndarray
    """The table itself."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self._ranges: Packing | None = None
        self._hashes: np.ndarray | None = None
        self._table: DenseTable | HashTable | None = None
        self._dict: dict[tuple[int, ...], int] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def ranges(self) -> Packing:
        """The tightest code for the rows."""
        ranges = self._ranges
        if ranges is None:
            ranges = self._ranges = Packing.of(self.values)
        return ranges

    @property
    def hashes(self) -> np.ndarray:
        """One uint64 per row."""
        hashes = self._hashes
        if hashes is None:
            hashes = self._hashes = row_hashes(row_words(self.values))
        return hashes

    @property
    def is_built(self) -> bool:
        """Whether looking up rows costs nothing but the look-up."""
        return self._table is not None

    @property
    def table(self) -> DenseTable | HashTable:
        """What finds the rows: by packed key where that takes little memory, or by hash."""
        table = self._table
        if table is None:
            if self.ranges.size <= _SLOTS_PER_ROW * len(self) + _ALWAYS_DENSE:
                table = DenseTable(self.values, self.ranges)
            else:
                table = HashTable(row_words(self.values), self.hashes)
            self._table = table
        return table

    def find(self, rows: np.ndarray) -> np.ndarray:
        """The position (int64) of each of these rows, -1 where it is not there.

        Arguments:
            rows: int32 of shape (any number, columns).
        """
        return self.find_all(RowIndex(rows))

    def find_all(self, other: RowIndex) -> np.ndarray:
        """The position (int64) of each row of `other` in this table, -1 where absent."""
        if len(self) == 0:
            return np.full(len(other), -1)
        table = self.table
        if isinstance(table, DenseTable):
            return table.find(other.values, other.ranges)
        return table.find(row_words(other.values), other.hashes)

    def position(self, row: tuple[int, ...]) -> int | None:
        """The position of one row, None where it is not there."""
        if self._dict is not None:
            return self._dict.get(row)
        if len(self) <= _DICT_ROWS:
            columns = self.values.T.tolist()
            rows = zip(*columns, strict=True) if columns else iter([()] * len(self))
            self._dict = {row: position for position, row in enumerate(rows)}
            return self._dict.get(row)
        return self.table.position(row)

    def select(self, columns: Sequence[int], rows: np.ndarray) -> np.ndarray:
        """Positions (int64, ascending) of all rows whose columns are among `rows`.

        Arguments:
            columns: which columns of the table to compare, in any order.
            rows: int32 of shape (any number, compared columns). No columns at all
                select everything.
        """
        if len(columns) == 0:
            return np.arange(len(self))
        if sorted(columns) == list(range(self.values.shape[1])):
            found = self.find(rows.take(np.argsort(columns), axis=1))
            return np.unique(found[found >= 0])
        part, ranges = self._columns(columns), self.ranges.columns(columns)
        dense = ranges.size <= _FLAGS_PER_ROW * len(self) + _ALWAYS_DENSE
        if len(rows) <= (1 if dense else _FEW):
            return np.flatnonzero(_among(part, rows))
        if dense:
            return np.flatnonzero(_among_packed(part, rows, ranges))
        return np.flatnonzero(RowIndex(rows).find(part) >= 0)

    def _columns(self, columns: Sequence[int]) -> np.ndarray:
        first, run = columns[0], len(columns)
        if list(columns) == list(range(first, first + run)):
            return self.values[:, first : first + run]
        return self.values[:, list(columns)]


def _among(rows: np.ndarray, few: np.ndarray) -> np.ndarray:
    """Which of the rows are one of the few, comparing all with each."""
    among = np.zeros(len(rows), bool)
    for row in few:
        same = rows[:, 0] == row[0]
        for column, value in zip(rows.T[1:], row[1:], strict=True):
            same &= column == value
        among |= same
    return among


def _among_packed(rows: np.ndarray, some: np.ndarray, ranges: Packing) -> np.ndarray:
    """The same by their keys within these ranges, those of `rows`."""
    keys, outside = ranges.keys(some), ranges.outside(some, Packing.of(some))
    flags = np.zeros(ranges.size, bool)
    flags[keys if outside is None else keys[~outside]] = True
    return flags.take(ranges.keys(rows), mode="clip")
