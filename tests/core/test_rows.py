"""Packing, order, uniqueness and look-up of rows, against Python's own containers."""

from __future__ import annotations

import threading

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from row_tables import Row, as_rows, as_table, tables, unique_tables, wide_table

from jaxmeta.core.rows import _rows_hash
from jaxmeta.core.rows._row_index import RowIndex
from jaxmeta.core.rows._rows import (
    Packing,
    first_duplicate,
    is_sorted,
    sorted_order,
    unique_rows,
)
from jaxmeta.core.rows._rows_dense import DenseTable
from jaxmeta.core.rows._rows_hash import HashTable, row_hashes, row_words


class TestPacking:
    @given(tables())
    def test_keys_are_distinct_ordered_and_in_range(self, drawn):
        (table,) = drawn
        packing = Packing.of(table)
        assume(packing.size <= 2**63)
        keys = packing.keys(table).tolist()
        rows = as_rows(table)
        assert all(0 <= key < packing.size for key in keys)
        assert sorted(range(len(rows)), key=rows.__getitem__) == sorted(
            range(len(rows)), key=keys.__getitem__
        )
        assert len(set(keys)) == len(set(rows))
        assert keys == [packing.key(row) for row in rows]

    def test_the_whole_of_two_int32_columns_less_one_value(self):
        packing = Packing((-(2**31), -(2**31)), (2**31 - 1, -1))
        rows = as_table([(-(2**31), -(2**31)), (0, -1), (2**31 - 1, -1)], 2)
        assert packing.size == 2**63
        assert packing.keys(rows).tolist() == [0, 2**62 + 2**31 - 1, 2**63 - 1]

    def test_rows_outside(self):
        packing = Packing((0, 5), (3, 6))
        rows = as_table([(0, 5), (4, 5), (3, 7), (-1, 9), (3, 6)], 2)
        outside = packing.outside(rows, Packing.of(rows))
        assert outside is not None
        assert outside.tolist() == [False, True, True, True, False]
        assert packing.outside(rows[:1], Packing.of(rows[:1])) is None
        assert [packing.key(row) is None for row in as_rows(rows)] == outside.tolist()

    @given(tables())
    def test_parts_fit_and_cover_all_columns_in_order(self, drawn):
        (table,) = drawn
        packing = Packing.of(table)
        parts = list(packing.split())
        assert [column for part in parts for column in part] == list(range(table.shape[1]))
        assert all(packing.columns(part).size <= 2**63 for part in parts)


class TestOrder:
    @given(tables(), st.booleans())
    def test_stable_and_lexicographic(self, drawn, descending):
        (table,) = drawn
        rows = as_rows(table)
        sign = -1 if descending else 1
        expected = sorted(range(len(rows)), key=lambda i: [sign * v for v in rows[i]])
        order = sorted_order(table, descending=descending)
        assert order.dtype == np.int64
        assert order.tolist() == expected

    @given(tables())
    def test_is_sorted(self, drawn):
        (table,) = drawn
        rows = as_rows(table)
        assert is_sorted(table) == (rows == sorted(rows))
        assert is_sorted(table, strictly=True) == (rows == sorted(set(rows)))

    @pytest.mark.parametrize("row", [0, 15, 900, 2**14 - 1, 2**14, 39_998])
    @pytest.mark.parametrize("column", [0, 1, 2])
    def test_one_disorder_is_seen_wherever_it_is(self, row, column):
        table = np.zeros((40_000, 3), np.int32)
        table[:, column] = np.arange(40_000)
        assert is_sorted(table, strictly=True)
        table[[row, row + 1]] = table[[row + 1, row]]
        assert not is_sorted(table)
        assert np.array_equal(table[sorted_order(table), column], np.arange(40_000))
        table[row] = table[row + 1] = (5, 5, row)
        assert first_duplicate(table) == (row + 1, row)

    @pytest.mark.parametrize("columns", [1, 2, 3, 8])
    def test_large_tables_agree_with_lexsort(self, rng, columns):
        values = wide_table(rng, 5000, columns)
        values[:, 0] %= 70
        expected = np.lexsort(values.T[::-1])
        assert np.array_equal(sorted_order(values), expected)


class TestUnique:
    @given(tables())
    def test_sorted_unique_rows_and_inverse(self, drawn):
        (table,) = drawn
        rows, inverse = unique_rows(table)
        assert rows.dtype == np.int32
        assert rows.shape[1] == table.shape[1]
        assert inverse.dtype == np.int64
        assert as_rows(rows) == sorted(set(as_rows(table)))
        assert np.array_equal(rows[inverse], table)

    @pytest.mark.parametrize("high", [5, 2**31])
    def test_large_tables_agree_with_numpy(self, rng, high):
        pool = rng.integers(-high, high, (3000, 3)).astype(np.int32)
        table = pool[rng.integers(0, 3000, 10_000)]
        expected, positions = np.unique(table, axis=0, return_inverse=True)
        rows, inverse = unique_rows(table)
        assert np.array_equal(rows, expected)
        assert np.array_equal(inverse, positions.ravel())

    @given(tables())
    def test_first_duplicate(self, drawn):
        (table,) = drawn
        seen: dict[Row, int] = {}
        expected = None
        for number, row in enumerate(as_rows(table)):
            if row in seen:
                expected = (number, seen[row])
                break
            seen[row] = number
        assert first_duplicate(table) == expected

    @pytest.mark.parametrize("columns", [1, 2, 3, 4, 8])
    def test_one_repeated_row_among_many(self, rng, columns):
        values = wide_table(rng, 20_000, columns)
        assert first_duplicate(values) is None
        values[15_321] = values[77]
        values[19_000] = values[15_322]
        assert first_duplicate(values) == (15_321, 77)

    def test_a_table_of_one_row_repeated(self):
        values = np.full((50_000, 2), 7, np.int32)
        assert first_duplicate(values) == (1, 0)


class TestHashTable:
    @pytest.mark.parametrize("rows", [2**15 - 1, 2**15, 50_000])
    @pytest.mark.parametrize("columns", [1, 2, 3, 4, 7, 8])
    def test_finds_every_row_and_no_other(self, rng, columns, rows):
        values = wide_table(rng, 60_000, columns)
        present, absent = values[:rows], values[rows:]
        table = HashTable(row_words(present), row_hashes(row_words(present)))
        assert not table.repeats
        order = rng.permutation(len(values))
        words = row_words(values[order])
        expected = np.where(order < len(present), order, -1)
        assert np.array_equal(table.find(words, row_hashes(words)), expected)
        assert [table.position(row) for row in as_rows(present[:50])] == list(range(50))
        assert [table.position(row) for row in as_rows(absent[:50])] == [None] * 50

    def test_rows_with_one_hash_are_still_told_apart(self, monkeypatch):
        monkeypatch.setattr(_rows_hash, "_LEVELS", 3)
        values = np.arange(40, dtype=np.int32).reshape(-1, 2)
        words, same = row_words(values), np.zeros(20, np.uint64)
        table = HashTable(words, same)
        assert not table.repeats
        assert np.array_equal(table.find(words, same), np.arange(20))
        others = row_words(values + 100)
        assert np.array_equal(table.find(others, same), np.full(20, -1))

    def test_the_single_hash_is_the_same(self, rng):
        for columns in (1, 2, 3, 4, 5, 8):
            values = wide_table(rng, 30, columns)
            words = row_words(values)
            table = HashTable(words, row_hashes(words))
            positions = [table.position(row) for row in as_rows(values)]
            assert positions == list(range(30))
            assert table.position((2**31,) * columns) is None

    def test_repeated_rows_are_noticed_and_do_not_hang(self, rng):
        values = wide_table(rng, 1000, 4).repeat(20, axis=0)
        words = row_words(values)
        table = HashTable(words, row_hashes(words))
        assert table.repeats
        found = table.find(words, row_hashes(words))
        assert np.array_equal(values[found], values)


class TestRowIndex:
    @given(unique_tables(2))
    def test_find_and_position(self, drawn):
        table, sought = drawn
        positions = {row: i for i, row in enumerate(as_rows(table))}
        index = RowIndex(table)
        found = index.find(sought)
        assert found.dtype == np.int64
        assert found.tolist() == [positions.get(row, -1) for row in as_rows(sought)]
        for row in as_rows(sought) + as_rows(table):
            assert index.position(row) == positions.get(row)
            if len(table):
                assert index.table.position(row) == positions.get(row)

    @given(unique_tables(2), st.data())
    def test_select(self, drawn, data):
        table, other = drawn
        columns = data.draw(st.permutations(range(table.shape[1])))
        columns = columns[: data.draw(st.integers(0, table.shape[1]))]
        rows = other[:, columns]
        chosen = set(as_rows(rows))
        expected = [i for i, row in enumerate(as_rows(table[:, columns])) if row in chosen]
        expected = expected if columns else list(range(len(table)))
        selected = RowIndex(table).select(columns, rows)
        assert selected.dtype == np.int64
        assert selected.tolist() == expected

    @pytest.mark.parametrize("spread", [1, 10**6])
    @pytest.mark.parametrize("count", [1, 3, 40, 2000])
    def test_select_in_large_tables(self, rng, spread, count):
        table = wide_table(rng, 3000, 3)
        table[:, 0] = table[:, 0] // 10 * spread
        table[:, 1] %= 7
        for columns in ([0], [1, 0], [0, 1]):
            rows = table[rng.permutation(3000)[:count]][:, columns]
            rows = np.concatenate([rows, rows + 10**7])
            chosen = set(as_rows(rows))
            expected = [i for i, r in enumerate(as_rows(table[:, columns])) if r in chosen]
            assert RowIndex(table).select(columns, rows).tolist() == expected

    @pytest.mark.parametrize("spread", [1, 10**4])
    def test_large_tables_use_no_dict(self, rng, spread):
        grid = np.indices((150, 100)).reshape(2, -1).T.astype(np.int32) * spread
        table = grid[rng.permutation(len(grid))]
        index = RowIndex(table)
        assert isinstance(index.table, DenseTable if spread == 1 else HashTable)
        for i, row in enumerate(as_rows(table[:100])):
            assert index.position(row) == i
        assert index.position((150 * spread, 0)) is None
        assert index.position((0, 2**31)) is None
        assert index.position((0, -(2**40))) is None

    def test_values_out_of_int32_are_not_found(self):
        index = RowIndex(as_table([(0, 2**31 - 1), (-1, -(2**31))], 2))
        assert index.position((0, 2**31 - 1)) == 0
        assert index.position((2**32, 2**31 - 1)) is None
        assert index.position((-1, 2**31)) is None

    def test_read_only_and_strided_tables(self, rng):
        whole = wide_table(rng, 500, 6)
        table = whole[::2, :3]
        frozen = np.frombuffer(table.tobytes(), np.int32).reshape(table.shape)
        assert np.array_equal(RowIndex(frozen).find(table), np.arange(250))
        assert np.array_equal(RowIndex(table).find(whole[:, :3])[::2], np.arange(250))

    def test_threads_agree(self, rng):
        table = wide_table(rng, 20_000, 4)
        order = rng.permutation(20_000)
        index = RowIndex(table)
        start = threading.Barrier(4)
        found: list[np.ndarray] = []

        def look() -> None:
            start.wait()
            found.append(index.find(table[order]))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert all(np.array_equal(positions, order) for positions in found)
