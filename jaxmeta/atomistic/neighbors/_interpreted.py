"""Lists of neighbours without native code: by vesin, and in numpy where it does badly."""

from __future__ import annotations

import numpy as np

from jaxmeta.atomistic.neighbors._boxes import Structures
from jaxmeta.atomistic.neighbors._direct import direct_pairs, is_direct
from jaxmeta.atomistic.neighbors._sparse import sparse_pairs
from jaxmeta.atomistic.neighbors._vesin import is_filled, pairs_by_vesin


def pairs_of_all(
    given: Structures, cutoff: float, full_list: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First atoms, second atoms, and shifts of the pairs of all systems, in no order."""
    none = np.zeros(0, np.int64)
    parts = [(none, none, np.zeros((0, 3), np.int32))]
    for first, second in direct_pairs(given, cutoff, full_list):
        parts.append((first, second, np.zeros((len(first), 3), np.int32)))
    begins = np.cumsum(given.sizes) - given.sizes
    for system in np.flatnonzero(~is_direct(given)).tolist():
        begin = int(begins[system])
        found, shifts = _of_one(given.one(system, begin), cutoff, full_list)
        found = found.astype(np.int64) + begin
        parts.append((found[:, 0], found[:, 1], shifts))
    first, second, shifts = map(np.concatenate, zip(*parts, strict=True))
    return first, second, shifts


def _of_one(
    one: Structures, cutoff: float, full_list: bool
) -> tuple[np.ndarray, np.ndarray]:
    arrays = one.positions, one.cells[0], one.pbc[0]
    by = pairs_by_vesin if is_filled(*arrays, cutoff) else sparse_pairs
    return by(*arrays, cutoff, full_list)
