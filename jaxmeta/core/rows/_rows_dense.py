"""A table of positions for rows that fill a good part of their column ranges."""

from __future__ import annotations

import numpy as np

from jaxmeta.core.rows._rows import Packing


class DenseTable:
    """Positions of the rows of a table by their content: one slot for each possible row.

    Arguments:
        values: int32 of shape (rows, columns).
        packing: the code of these rows; its size is the memory taken, in 32-bit integers.

    Example:
        >>> values = np.array([[5, 1], [2, 2]], np.int32)
        >>> table = DenseTable(values, Packing.of(values))
        >>> rows = np.array([[2, 2], [9, 9], [5, 1]], np.int32)
        >>> table.find(rows, Packing.of(rows))
        array([ 1, -1,  0])
    """

    __slots__ = ("_packing", "_slots")

    def __init__(self, values: np.ndarray, packing: Packing) -> None:
        self._packing = packing
        # One slot more than there are keys: the one of everything out of range.
        self._slots = np.full(packing.size + 1, -1, np.int32)
        self._slots[packing.keys(values)] = np.arange(len(values), dtype=np.int32)

    def find(self, rows: np.ndarray, ranges: Packing) -> np.ndarray:
        """The position (int64) of each of these rows, -1 where it is not there."""
        keys = self._packing.keys(rows)
        outside = self._packing.outside(rows, ranges)
        if outside is not None:
            keys[outside] = self._packing.size
        return self._slots.take(keys, mode="clip").astype(np.int64)

    def position(self, row: tuple[int, ...]) -> int | None:
        """The position of one row, None where it is not there."""
        key = self._packing.key(row)
        found = -1 if key is None else int(self._slots[key])
        return None if found < 0 else found
