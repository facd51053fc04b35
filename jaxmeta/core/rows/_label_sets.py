"""Union, intersection and difference of tables of unique rows, with their mappings."""

from __future__ import annotations

import numpy as np

from jaxmeta.core.rows._row_index import RowIndex


def union(a: RowIndex, b: RowIndex) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All rows of `a`, then those that only `b` has, in its order.

    Returns:
        the rows, and where each row of `a` and of `b` went (int64).
    """
    mapping = _positions(b, within=a)
    new = np.flatnonzero(mapping < 0)
    mapping[new] = np.arange(len(a), len(a) + len(new))
    values = np.concatenate([a.values, b.values.take(new, axis=0)])
    return values, np.arange(len(a)), mapping


def intersection(a: RowIndex, b: RowIndex) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The common rows in the order of the shorter table, of `a` if none is shorter.

    Returns:
        the rows, and where each row of `a` and of `b` went (int64), -1 if nowhere.
    """
    if len(b) < len(a):
        values, mapping_b, mapping_a = intersection(b, a)
        return values, mapping_a, mapping_b
    found = _positions(a, within=b)
    common = np.flatnonzero(found >= 0)
    numbers = np.arange(len(common))
    mapping_b = np.full(len(b), -1)
    mapping_b[found.take(common)] = numbers
    found[common] = numbers
    return a.values.take(common, axis=0), found, mapping_b


def difference(a: RowIndex, b: RowIndex) -> tuple[np.ndarray, np.ndarray]:
    """The rows of `a` that `b` lacks, in their order.

    Returns:
        the rows, and where each row of `a` went (int64), -1 if nowhere.
    """
    kept = np.flatnonzero(_positions(a, within=b) < 0)
    mapping = np.full(len(a), -1)
    mapping[kept] = np.arange(len(kept))
    return a.values.take(kept, axis=0), mapping


def _positions(rows: RowIndex, within: RowIndex) -> np.ndarray:
    """For each of the rows its position within the other table, -1 where absent."""
    # Building a table costs more than reading one, so the built or the shorter is read.
    forward = within.is_built or (not rows.is_built and len(within) <= len(rows))
    if forward:
        return within.find_all(rows)
    found = rows.find_all(within)
    common = np.flatnonzero(found >= 0)
    positions = np.full(len(rows), -1)
    positions[found.take(common)] = common
    return positions
