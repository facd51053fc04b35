"""A hash table over the rows of an int32 table, built and read by whole arrays."""

from __future__ import annotations

import operator
import struct
from functools import cache
from typing import NamedTuple

import numpy as np


_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: odd, bits well spread
_WORD = 2**64 - 1
_LEVELS = 32
# Of slots, for each row: the first level is large and should stay in the cache, in those
# below rarely anything should collide.
_BYTES_PER_ROW = 8, 32
_SMALLEST = 64
_ALL_TRUE = {2: (np.uint16, 0x0101), 4: (np.uint32, 0x01010101)}


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
        words: the rows as `row_words` gives them.
        hashes: their hashes as `row_hashes` gives them.

    Example:
        >>> words = row_words(np.array([[5, 1], [2, 2]], np.int32))
        >>> table = HashTable(words, row_hashes(words))
        >>> sought = row_words(np.array([[2, 2], [1, 5], [5, 1]], np.int32))
        >>> table.find(sought, row_hashes(sought))
        array([ 1, -1,  0])
    """

    __slots__ = ("_levels", "_rest", "_words", "repeats")

    repeats: bool
    """Whether some row stands more than once (then `find` gives any of its positions)."""

    def __init__(self, words: np.ndarray, hashes: np.ndarray) -> None:
        self._words = words
        self._levels: list[_Level] = []
        self.repeats = False
        rows = np.arange(len(words), dtype=np.int16 if len(words) < 2**15 else np.int32)
        while len(rows) and len(self._levels) < _LEVELS:
            rows, hashes = self._add_level(rows, hashes)
        # Only rows made to collide get here; Python's dict is safe against them.
        self._rest = {words[row].tobytes(): int(row) for row in rows}

    def _add_level(self, rows: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, ...]:
        slots_per_row = _BYTES_PER_ROW[bool(self._levels)] // rows.itemsize
        bits = (max(slots_per_row * len(rows), _SMALLEST) - 1).bit_length()
        multiplier = pow(_GOLDEN, 2 * len(self._levels), 2**64)
        level = _Level(multiplier, 64 - bits, np.full(1 << bits, -1, rows.dtype))
        self._levels.append(level)
        slots = _slots(level, hashes)
        level.slots[slots] = rows
        winners = level.slots.take(slots)
        lost = (winners != rows).nonzero()[0]
        overwritten = self._words.take(rows.take(lost), axis=0)
        repeated = _equal(overwritten, self._words.take(winners.take(lost), axis=0))
        if repeated.any():
            self.repeats = True
            lost = lost[~repeated]
        return rows.take(lost), hashes.take(lost)

    def find(self, words: np.ndarray, hashes: np.ndarray) -> np.ndarray:
        """The position (int64) of each of these rows, -1 where it is not there."""
        if not self._levels:
            return np.full(len(words), -1)
        seen, below = self._look(self._levels[0], words, hashes)
        found, rows = seen.astype(np.int64), below
        for level in self._levels[1:]:
            if not len(below):
                return found
            words, hashes = words.take(below, axis=0), hashes.take(below)
            seen, below = self._look(level, words, hashes)
            found[rows] = seen
            rows = rows.take(below)
        for row, word in zip(rows, words.take(below, axis=0), strict=True):
            found[row] = self._rest.get(word.tobytes(), -1)
        return found

    def _look(
        self, level: _Level, words: np.ndarray, hashes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions found on one level, -1 elsewhere, and which rows to look for below."""
        seen = level.slots.take(_slots(level, hashes), mode="clip")
        # An empty slot, -1, compares with the last row: never the one that is sought,
        # or the slot would not be empty.
        same = _equal(self._words.take(seen, axis=0), words)
        below = ((seen >= 0) > same).nonzero()[0]
        seen |= same.view(np.int8) - np.int8(1)
        return seen, below

    def position(self, row: tuple[int, ...]) -> int | None:
        """The position of one row, None where it is not there."""
        try:
            packed = struct.pack(f"={len(row)}i", *row)
        except struct.error:  # not a 32-bit integer, so in no table
            return None
        hashed = _row_hash(struct.unpack(_format(len(row)), packed))
        for multiplier, shift, slots in self._levels:
            seen = int(slots[(hashed * multiplier & _WORD) >> shift])
            if seen < 0:
                return None
            if self._words[seen].tobytes() == packed:
                return seen
        return self._rest.get(packed)


def row_words(values: np.ndarray) -> np.ndarray:
    """The rows as 64-bit words where those divide them evenly, else as 32-bit ones."""
    values = np.ascontiguousarray(values)
    words = values.view(np.uint32 if values.shape[1] % 2 else np.uint64)
    return words[:, 0] if words.shape[1] == 1 else words


def row_hashes(words: np.ndarray) -> np.ndarray:
    """One uint64 per row; equal for equal rows, and hardly ever for others."""
    columns = words.T if words.ndim == 2 else words[None]
    hashes = np.zeros(len(words), np.uint64)
    for factor, column in zip(_factors(len(columns)), columns, strict=True):
        hashes += np.multiply(column, np.uint64(factor), dtype=np.uint64)
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(_GOLDEN)
    return hashes


def _row_hash(words: tuple[int, ...]) -> int:
    """The same for the words of one row."""
    hashed = sum(map(operator.mul, _factors(len(words)), words)) & _WORD
    return (hashed ^ hashed >> 32) * _GOLDEN & _WORD


@cache
def _factors(words: int) -> tuple[int, ...]:
    return tuple(pow(_GOLDEN, 2 * power + 1, 2**64) for power in range(words))


@cache
def _format(columns: int) -> str:
    """The words of a row, as `row_words` reads them, in the language of `struct`."""
    return f"={columns}I" if columns % 2 else f"={columns // 2}Q"


def _slots(level: _Level, hashes: np.ndarray) -> np.ndarray:
    if level.multiplier != 1:
        hashes = hashes * np.uint64(level.multiplier)
    return (hashes >> np.uint64(level.shift)).view(np.int64)


def _equal(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if left.ndim == 1:
        return left == right
    if left.shape[1] in _ALL_TRUE:
        # The answers for the words of a row, read as one integer.
        kind, all_true = _ALL_TRUE[left.shape[1]]
        return (left == right).view(kind)[:, 0] == all_true
    equal = left[:, 0] == right[:, 0]
    for column in range(1, left.shape[1]):
        equal &= left[:, column] == right[:, column]
    return equal
