"""A hash table over the rows of an int32 table, built and read by whole arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: odd, bits well spread
_WORD = 2**64 - 1
_LEVELS = 32
_SMALLEST = 64


class _Level(NamedTuple):
    multiplier: int
    shift: int
    slots: np.ndarray


class HashTable:
    """Positions of the rows of a table by their content, for any ranges of values.

    It is built level by level: every row writes its position into a slot of the level's
    array, the last writer stays, and those that were overwritten go on to the next and
    smaller level. So a level needs no look at what is there before it writes, a row that
    meets an empty slot is in no later level either, and all of it is array operations.

    Arguments:
        values: int32 of shape (rows, columns), at least one column.

    Example:
        >>> table = HashTable(np.array([[5, 1], [2, 2]], np.int32))
        >>> table.find(np.array([[2, 2], [1, 5], [5, 1]], np.int32))
        array([ 1, -1,  0])
    """

    __slots__ = ("_levels", "_rest", "_words", "repeats")

    repeats: bool
    """Whether some row stands more than once (then `find` gives any of its positions)."""

    def __init__(self, values: np.ndarray) -> None:
        self._words = _words(values)
        self._levels: list[_Level] = []
        self.repeats = False
        rest = np.arange(len(values), dtype=np.int32)
        hashes = _hashes(self._words)
        while len(rest) and len(self._levels) < _LEVELS:
            rest, hashes = self._add_level(rest, hashes)
        # Only rows made to collide get here; Python's dict is safe against them.
        self._rest = {self._words[row].tobytes(): int(row) for row in rest}

    def _add_level(self, rows: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, ...]:
        bits = (max(2 * len(rows), _SMALLEST) - 1).bit_length()
        level = _Level(
            pow(_GOLDEN, 2 * len(self._levels) + 3, 2**64),
            64 - bits,
            np.full(1 << bits, -1, np.int32),
        )
        self._levels.append(level)
        slots = _slots(level, hashes)
        level.slots[slots] = rows
        winners = level.slots.take(slots)
        lost = np.flatnonzero(winners != rows)
        rows, winners = rows.take(lost), winners.take(lost)
        twins = _equal(self._words.take(rows, axis=0), self._words.take(winners, axis=0))
        if twins.any():
            self.repeats = True
            rows, lost = rows[~twins], lost[~twins]
        return rows, hashes.take(lost)

    def find(self, rows: np.ndarray) -> np.ndarray:
        """The position (int64) of each of these rows, -1 where it is not there."""
        words = _words(rows)
        found = np.full(len(rows), -1)
        open_rows, hashes = np.arange(len(rows)), _hashes(words)
        for level in self._levels:
            seen = level.slots.take(_slots(level, hashes))
            same = _equal(self._words.take(seen, axis=0), words)
            hits = np.flatnonzero(same)
            found[open_rows.take(hits)] = seen.take(hits)
            others = np.flatnonzero((seen >= 0) > same)
            if not len(others):
                return found
            open_rows, hashes = open_rows.take(others), hashes.take(others)
            words = words.take(others, axis=0)
        for row, word in zip(open_rows, words, strict=True):
            found[row] = self._rest.get(word.tobytes(), -1)
        return found

    def position(self, row: np.ndarray) -> int | None:
        """The position of one row, int32 of shape (1, columns), or None."""
        words = _words(row)
        hashed = int(_hashes(words)[0])
        for multiplier, shift, slots in self._levels:
            seen = int(slots[(hashed * multiplier & _WORD) >> shift])
            if seen < 0:
                return None
            if _equal(self._words[seen : seen + 1], words)[0]:
                return seen
        return self._rest.get(words[0].tobytes())


def _slots(level: _Level, hashes: np.ndarray) -> np.ndarray:
    return (hashes * np.uint64(level.multiplier) >> np.uint64(level.shift)).view(np.int64)


def _words(values: np.ndarray) -> np.ndarray:
    """The rows as 64-bit words where that divides them evenly, else as 32-bit ones."""
    values = np.ascontiguousarray(values)
    words = values.view(np.uint32 if values.shape[1] % 2 else np.uint64)
    return words[:, 0] if words.shape[1] == 1 else words


def _hashes(words: np.ndarray) -> np.ndarray:
    columns = words.T if words.ndim == 2 else words[None]
    hashes = np.zeros(len(words), np.uint64)
    for power, column in enumerate(columns):
        factor = np.uint64(pow(_GOLDEN, 2 * power + 1, 2**64))
        hashes += np.multiply(column, factor, dtype=np.uint64)
    hashes ^= hashes >> np.uint64(32)
    return hashes


def _equal(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if left.ndim == 1:
        return left == right
    equal = left[:, 0] == right[:, 0]
    for column in range(1, left.shape[1]):
        equal &= left[:, column] == right[:, column]
    return equal
