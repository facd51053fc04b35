"""Lists of one system by vesin, the only file that knows it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from jaxmeta.atomistic.neighbors._boxes import heights
from jaxmeta.errors import MissingExtraError


# vesin 0.6 has bins as wide as the cutoff also where there are no atoms. Above a hundred
# thousand they become wider, or the process ends. Where only some axes repeat, it takes
# seconds for a few atoms that are far apart.
_MOST_BINS = 50_000


def is_filled(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float
) -> bool:
    """Whether vesin does well: atoms fill the cell, which repeats everywhere or nowhere."""
    if pbc.any() and not pbc.all():
        return False
    tall = heights(cell) if pbc.all() else np.ptp(positions, axis=0)
    bins = np.prod(np.maximum(tall / cutoff, 1.0))
    return bool(bins <= _MOST_BINS)


@functools.lru_cache(maxsize=1)
def _calculator(cutoff: float, full_list: bool) -> Any:
    try:
        import vesin
    except ImportError as error:
        room = "jaxmeta.atomistic.neighbors"
        raise MissingExtraError(room, "vesin", "neighbors") from error
    return vesin.NeighborList(cutoff=cutoff, full_list=full_list)


def pairs_by_vesin(
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    cutoff: float,
    full_list: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of atoms, shape (pairs, 2), and shifts, shape (pairs, 3), in no order.

    Half lists have ``first <= second``, and of the two pairs of an atom with one of its
    own images that with the larger sum of shifts (at equal sums, the larger last one,
    then the larger second one).
    """
    calculator = _calculator(cutoff, full_list)
    return calculator.compute(positions, cell, pbc, "PS")
