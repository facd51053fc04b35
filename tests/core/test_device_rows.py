"""Rows on the device: where they are and which are distinct, as dictionaries say it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given

from jaxmeta import PADDING
from jaxmeta.core.device._device_rows import (
    Places,
    all_sorted,
    distinct,
    distinct_by_appearance,
    packed,
    positions,
)


LARGEST = PADDING
SMALLEST = -PADDING - 1
# Rows that fit into a grid, and rows that do not: both ways are to be seen.
NUMBERS = {
    "dense": st.integers(-2, 3),
    "sparse": st.sampled_from([SMALLEST, -(10**9), -1, 0, 7, 10**9, LARGEST]),
    "far away": st.integers(LARGEST - 4, LARGEST),
}
ROWS, TABLE = 12, 9
POSITIONS = jax.jit(positions)


def tables(numbers: Any, columns: int, size: int) -> st.SearchStrategy[np.ndarray]:
    row = st.tuples(*[numbers] * columns)
    padding = (PADDING,) * columns
    return st.lists(
        st.one_of(row, row, st.just(padding)), min_size=size, max_size=size
    ).map(lambda rows: np.array(rows, np.int32).reshape(size, columns))


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return jax.jit(function, static_argnums=1)


def used(rows: np.ndarray) -> list[tuple[int, ...]]:
    return [row for row in map(tuple, rows.tolist()) if set(row) != {PADDING}]


@st.composite
def two(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    numbers = NUMBERS[draw(st.sampled_from(sorted(NUMBERS)))]
    columns = draw(st.integers(1, 2))
    return draw(tables(numbers, columns, ROWS)), draw(tables(numbers, columns, TABLE))


@given(two())
def test_positions(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    rows, table = drawn
    seen: dict[tuple[int, ...], int] = {}
    for i, row in enumerate(map(tuple, table.tolist())):
        if row in seen:
            table[i] = PADDING  # each row stands once
        elif set(row) != {PADDING}:
            seen[row] = i
    found = POSITIONS(rows, table)
    assert found.tolist() == [seen.get(tuple(row), TABLE) for row in rows.tolist()]


def check(rows: np.ndarray, places: Places, expected: list[tuple[int, ...]]) -> None:
    """The rows expected, padding behind them, and every row where it belongs."""
    capacity = len(places.labels)
    assert int(places.needed) == len(expected)
    kept = expected[:capacity]
    assert used(np.asarray(places.labels)) == kept
    assert (np.asarray(places.labels)[len(kept) :] == PADDING).all()
    for row, target in zip(map(tuple, rows.tolist()), places.target.tolist(), strict=True):
        if target < capacity:
            assert kept[target] == row
        else:
            assert target == capacity
            assert set(row) == {PADDING} or row in expected[capacity:] or row in kept


SOME: dict[str, tuple[Callable[..., Places], Callable[[list[Any]], list[Any]]]] = {
    "distinct": (distinct, lambda rows: sorted(set(rows))),
    "by appearance": (distinct_by_appearance, lambda rows: list(dict.fromkeys(rows))),
    "sorted": (all_sorted, sorted),
    "packed": (packed, list),
}


@pytest.mark.parametrize("which", SOME)
@given(drawn=two(), capacity=st.sampled_from([3, ROWS]))
def test_places(which: str, drawn: tuple[np.ndarray, np.ndarray], capacity: int) -> None:
    function, expected = SOME[which]
    rows, _ = drawn
    places = compiled(function)(rows, capacity)
    check(rows, places, expected(used(rows)))
    if capacity == ROWS and which != "packed":
        targets = np.asarray(places.target)
        there = (rows != PADDING).any(axis=1)
        assert (targets[there] < ROWS).all()
        assert (targets[~there] == ROWS).all()


def test_nothing_at_all() -> None:
    none = np.zeros((0, 2), np.int32)
    for function, _ in SOME.values():
        places = function(none, 0)
        assert places.labels.shape == (0, 2)
        assert int(places.needed) == 0
    assert positions(none, np.zeros((3, 2), np.int32)).shape == (0,)
    assert positions(np.zeros((2, 1), np.int32), none[:, :1]).tolist() == [0, 0]


@pytest.mark.parametrize("low", [2**30, -(2**30) - 60, LARGEST - 61, SMALLEST])
def test_large_numbers_are_not_rounded(low: int) -> None:
    """Single precision takes all of these for one number."""
    rows = low + np.repeat(np.arange(0, 60, 3), 2).reshape(-1, 2).astype(np.int32)
    assert positions(rows, rows[::-1]).tolist() == list(range(20))[::-1]
    check(rows, distinct(rows, 20), used(rows))


def test_the_widest_box() -> None:
    rows = np.array([[SMALLEST], [LARGEST - 1], [0], [PADDING]], np.int32)
    assert positions(rows, rows[::-1]).tolist() == [3, 2, 1, 4]
    check(rows, distinct(rows, 4), sorted(used(rows)))
