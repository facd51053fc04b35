"""Lists of many small systems without cells: all pairs of systems of one size at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxmeta.atomistic.neighbors._boxes import Structures


# Up to here all pairs are compared; vesin is called for each system that is larger.
SMALL = 40

_AT_ONCE = 2**18


def is_direct(given: Structures) -> np.ndarray:
    """Which systems this file is for: bool of shape (systems,)."""
    return ~given.pbc.any(axis=1) & (given.sizes <= SMALL)


def direct_pairs(
    given: Structures, cutoff: float, full_list: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """First and second atoms, in order within each result: one for each size or more."""
    begins = np.cumsum(given.sizes) - given.sizes
    chosen = is_direct(given)
    for size in np.unique(given.sizes[chosen]).tolist():
        rows = begins[chosen & (given.sizes == size)]
        step = max(1, _AT_ONCE // max(1, size * size))
        for start in range(0, len(rows), step):
            few = rows[start : start + step]
            yield _of_one_size(given.positions, few, size, cutoff, full_list)


def _of_one_size(
    positions: np.ndarray, begins: np.ndarray, size: int, cutoff: float, full_list: bool
) -> tuple[np.ndarray, np.ndarray]:
    atoms = begins[:, None] + np.arange(size)
    squares = np.zeros((len(begins), size, size))
    for axis in range(3):
        x = positions[:, axis][atoms]
        difference = x[:, None, :] - x[:, :, None]
        difference *= difference
        squares += difference
    near = squares < cutoff * cutoff
    near &= ~np.eye(size, dtype=bool) if full_list else np.triu(near[0] | True, 1)
    system, first, second = np.nonzero(near)
    begin = begins[system]
    return begin + first, begin + second
