"""Union, intersection and difference of rows, against Python and against metatensor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from row_tables import as_rows, unique_tables, wide_table

from jaxmeta.core.rows import _label_sets
from jaxmeta.core.rows._row_index import RowIndex


def check_union(a: np.ndarray, b: np.ndarray, indices: tuple[RowIndex, RowIndex]) -> None:
    values, mapping_a, mapping_b = _label_sets.union(*indices)
    assert as_rows(values) == list(dict.fromkeys(as_rows(a) + as_rows(b)))
    assert values.dtype == np.int32
    assert values.shape[1] == a.shape[1]
    for mapping in (mapping_a, mapping_b):
        assert mapping.dtype == np.int64
    assert np.array_equal(mapping_a, np.arange(len(a)))
    assert np.array_equal(values[mapping_b], b)


def check_intersection(
    a: np.ndarray, b: np.ndarray, indices: tuple[RowIndex, RowIndex]
) -> None:
    values, mapping_a, mapping_b = _label_sets.intersection(*indices)
    shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
    common = set(as_rows(longer))
    expected = [row for row in as_rows(shorter) if row in common]
    assert as_rows(values) == expected
    assert values.shape[1] == a.shape[1]
    places = {row: i for i, row in enumerate(expected)}
    for table, mapping in ((a, mapping_a), (b, mapping_b)):
        assert mapping.dtype == np.int64
        assert mapping.tolist() == [places.get(row, -1) for row in as_rows(table)]


def check_difference(
    a: np.ndarray, b: np.ndarray, indices: tuple[RowIndex, RowIndex]
) -> None:
    values, mapping = _label_sets.difference(*indices)
    others = set(as_rows(b))
    expected = [row for row in as_rows(a) if row not in others]
    places = {row: i for i, row in enumerate(expected)}
    assert as_rows(values) == expected
    assert values.shape[1] == a.shape[1]
    assert mapping.dtype == np.int64
    assert mapping.tolist() == [places.get(row, -1) for row in as_rows(a)]


CHECKS = [check_union, check_intersection, check_difference]


@pytest.mark.parametrize("check", CHECKS)
@given(drawn=unique_tables(2))
def test_small_tables(check, drawn):
    a, b = drawn
    check(a, b, (RowIndex(a), RowIndex(b)))


@pytest.mark.parametrize("check", CHECKS)
@given(drawn=unique_tables(2))
def test_whichever_side_was_looked_up_before(check, drawn):
    a, b = drawn
    for built_a, built_b in ((True, False), (False, True), (True, True)):
        indices = RowIndex(a), RowIndex(b)
        for index, built in zip(indices, (built_a, built_b), strict=True):
            if built and len(index):
                assert index.table is index.table
        check(a, b, indices)


def pair(
    rng: np.random.Generator, sizes: tuple[int, int], columns: int, spread: int
) -> tuple[np.ndarray, np.ndarray]:
    """Two tables in random order, about a third of whose rows are common."""
    total = sum(sizes) * 3 // 4
    pool = np.indices((total // 50 + 1, 50)).reshape(2, -1).T[:total]
    pool = np.concatenate([pool, np.ones((total, columns - 2), int)], axis=1) * spread
    pool = (pool - spread * 20).astype(np.int32)
    a, b = (pool[rng.permutation(total)[:size]] for size in sizes)
    return a, b


SIZES = [(3000, 3000), (300, 5000), (5000, 300)]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("columns", "spread"), [(2, 1), (3, 1), (2, 9973), (4, 10**6)])
def test_large_tables(rng, check, sizes, columns, spread):
    a, b = pair(rng, sizes, columns, spread)
    check(a, b, (RowIndex(a), RowIndex(b)))


@pytest.mark.parametrize("check", CHECKS)
def test_rows_over_all_of_int32(rng, check):
    pool = wide_table(rng, 6000, 8)
    a, b = pool[:4000], pool[rng.permutation(6000)[:3500]]
    check(a, b, (RowIndex(a), RowIndex(b)))


def labels(table: np.ndarray):
    """The same rows in metatensor, which has no labels without a name for a column."""
    metatensor = pytest.importorskip("metatensor")
    names = [f"column_{j}" for j in range(table.shape[1])]
    return metatensor.Labels(names, table.copy(), assume_unique=True)


def check_against_metatensor(a: np.ndarray, b: np.ndarray) -> None:
    theirs = labels(a), labels(b)
    ours = RowIndex(a), RowIndex(b)
    for name in ("union", "intersection", "difference"):
        expected, *mappings = getattr(theirs[0], f"{name}_and_mapping")(theirs[1])
        values, *found = getattr(_label_sets, name)(*ours)
        assert np.array_equal(values, expected.values)
        assert len(mappings) == len(found)
        for mapping, expected_mapping in zip(found, mappings, strict=True):
            assert np.array_equal(mapping, expected_mapping)
    for row in as_rows(b[:20]):
        assert ours[0].position(row) == theirs[0].position(row)


@given(drawn=unique_tables(2))
def test_small_tables_against_metatensor(drawn):
    assume(drawn[0].shape[1])
    check_against_metatensor(*drawn)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("columns", "spread"), [(2, 1), (2, 9973), (4, 10**6)])
def test_large_tables_against_metatensor(rng, sizes, columns, spread):
    check_against_metatensor(*pair(rng, sizes, columns, spread))


@pytest.mark.parametrize("columns", [[0], [1], [1, 0], [2, 0], [1, 2, 0]])
@pytest.mark.parametrize("spread", [1, 10**6])
def test_select_against_metatensor(rng, columns, spread):
    table, other = pair(rng, (2000, 700), 3, spread)
    rows = np.unique(other[:, columns], axis=0)
    metatensor = pytest.importorskip("metatensor")
    names = [f"column_{j}" for j in columns]
    selection = metatensor.Labels(names, rows, assume_unique=True)
    expected = labels(table).select(selection)
    assert len(expected) > 0
    assert np.array_equal(RowIndex(table).select(columns, rows), expected)
