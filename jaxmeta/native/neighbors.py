"""Lists of neighbours on the host, by a library of its own: XLA has no part in it."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from jaxmeta.errors import MissingError, compose
from jaxmeta.native._compiler import library
from jaxmeta.native.choice import is_wanted


_POINTER, _INDEX = ctypes.c_void_p, ctypes.c_int64


def finds_neighbors() -> bool:
    """Whether `neighbors` can be called; the first time it is compiled, in seconds."""
    return is_wanted() and _library() is not None


def neighbors(
    sizes: np.ndarray,
    positions: np.ndarray,
    boxes: np.ndarray,
    pbc: np.ndarray,
    ranks: np.ndarray,
    cutoff: float,
    full_list: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of systems one after another, by first atom, rank of the second, and shift.

    Half lists have ``first < second``, and of the two pairs of an atom with one of its own
    images that with the larger sum of shifts (at equal sums, the larger last one, then the
    larger second one).

    Arguments:
        sizes: the number of atoms of each system.
        positions: of all atoms, shape (atoms, 3), finite.
        boxes: three independent vectors for each system, shape (systems, 3, 3); those
            along which it does not repeat are normal to all others, and of length one.
        pbc: along which vectors systems repeat, bool of shape (systems, 3).
        ranks: of all atoms, a permutation.
        cutoff: distances are below.
        full_list: each pair from both sides, or once.

    Returns:
        Arrays of int32: first and second atoms, shape (pairs,), and shifts, (pairs, 3).
    """
    found = _library()
    assert found is not None
    given = [
        np.ascontiguousarray(sizes, np.int64),
        np.ascontiguousarray(positions, np.float64),
        np.ascontiguousarray(boxes, np.float64),
        np.linalg.inv(boxes),
        np.ascontiguousarray(pbc, np.uint8),
        np.ascontiguousarray(ranks, np.int32),
    ]
    pointers = [array.ctypes.data for array in given]
    result = found.neighbors_find(len(sizes), *pointers, cutoff, full_list)
    if not result:
        raise MemoryError(compose("neighbors: the list does not fit into memory."))
    n_pairs = found.neighbors_count(result)
    first, second = np.empty(n_pairs, np.int32), np.empty(n_pairs, np.int32)
    shifts = np.empty((n_pairs, 3), np.int32)
    arrays = (array.ctypes.data for array in (first, second, shifts))
    found.neighbors_take(result, *arrays)
    return first, second, shifts


@functools.cache
def _library() -> Any:
    """The functions, or None where they can not be compiled."""
    try:
        found = ctypes.CDLL(str(library("neighbors")))
        find, count, take = (
            getattr(found, f"neighbors_{name}") for name in ("find", "count", "take")
        )
    except (MissingError, OSError, AttributeError):
        return None
    find.argtypes = [_INDEX, *[_POINTER] * 6, ctypes.c_double, ctypes.c_int]
    find.restype = _POINTER
    count.argtypes, count.restype = [_POINTER], _INDEX
    take.argtypes, take.restype = [_POINTER] * 4, None
    return found
