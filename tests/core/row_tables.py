"""Tables of rows for the tests of their kernel."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np


Row = tuple[int, ...]
EXTREMES = (-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 2, 2**31 - 1)
INTEGERS = st.one_of(
    st.integers(0, 3), st.sampled_from(EXTREMES), st.integers(-(2**31), 2**31 - 1)
)


def as_table(rows: list[Row], columns: int) -> np.ndarray:
    return np.array(rows, np.int32).reshape(len(rows), columns)


def as_rows(table: np.ndarray) -> list[Row]:
    return [tuple(row) for row in table.tolist()]


@st.composite
def tables(draw: st.DrawFn, count: int = 1) -> tuple[np.ndarray, ...]:
    """Tables of as many columns that share many rows, each with rows that repeat."""
    columns = draw(st.sampled_from([0, 1, 1, 2, 2, 3, 4, 5, 8]))
    integers = draw(st.sampled_from([st.integers(0, 2), INTEGERS]))
    row = st.tuples(*[integers] * columns)
    pool = draw(st.lists(row, min_size=1, max_size=8))
    rows = st.lists(st.one_of(st.sampled_from(pool), row), max_size=25)
    return tuple(as_table(draw(rows), columns) for _ in range(count))


def without_repeats(table: np.ndarray) -> np.ndarray:
    return as_table(list(dict.fromkeys(as_rows(table))), table.shape[1])


@st.composite
def unique_tables(draw: st.DrawFn, count: int = 1) -> tuple[np.ndarray, ...]:
    return tuple(without_repeats(table) for table in draw(tables(count)))


def wide_table(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Unique rows over all of int32, so that no packed key of them fits into 63 bits."""
    values = rng.integers(-(2**31), 2**31, (rows, columns)).astype(np.int32)
    values[:, 0] = rng.permutation(rows)
    return values
