"""The order of pairs: by first atom, then by second, then by shifts."""

from __future__ import annotations

import numpy as np


_BITS = 62


def in_order(
    first: np.ndarray, second: np.ndarray, shifts: np.ndarray, ranks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs by first atom, rank of the second atom, and shifts.

    Arguments:
        first: integers of shape (pairs,).
        second: the same.
        shifts: int32 of shape (pairs, 3).
        ranks: of all atoms, a permutation.

    Returns:
        The same as int32.
    """
    if not len(first):
        none = np.zeros(0, np.int32)
        return none, none, np.zeros((0, 3), np.int32)
    keys = ranks[second]
    wide = _width(int(keys.max()))
    low = int(shifts.min())
    deep = _width(int(shifts.max()) - low)
    if 2 * wide + 3 * deep > _BITS:
        order = np.lexsort((*shifts.T[::-1], keys, first))
        rows = first[order], second[order], shifts[order]
        return tuple(array.astype(np.int32) for array in rows)  # type: ignore[return-value]
    return _packed(first, keys, shifts, ranks, (wide, deep, low))


def _width(largest: int) -> int:
    return max(1, largest.bit_length())


def _packed(
    first: np.ndarray,
    keys: np.ndarray,
    shifts: np.ndarray,
    ranks: np.ndarray,
    form: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each pair as one integer: those sort fastest, and are taken apart again."""
    wide, deep, low = form
    packed = first.astype(np.int64)
    packed <<= wide
    packed |= keys.astype(np.int64, copy=False)
    for axis in range(3):
        packed <<= deep
        packed |= shifts[:, axis] - np.int64(low)
    packed.sort()
    found = np.empty_like(shifts)
    for axis in (2, 1, 0):
        found[:, axis] = (packed & ((1 << deep) - 1)) + low
        packed >>= deep
    second = np.argsort(ranks)[packed & ((1 << wide) - 1)]
    packed >>= wide
    return packed.astype(np.int32), second.astype(np.int32), found


def ranks_by_type(types: np.ndarray) -> np.ndarray:
    """The place of each atom among all, by type and then by row."""
    ranks = np.empty(len(types), np.int64)
    ranks[np.argsort(types, kind="stable")] = np.arange(len(types))
    return ranks
