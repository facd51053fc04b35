"""Moves of maps with gradients of gradients, which metatensor refuses: by brute force.

The oracle files every number under its labels alone: the sample of the values, the rows
of the gradients on the way to it (without ``sample``, which is a position), components
and property. It moves the key among these labels in plain Python.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from strategies import tensors

from jaxmeta import TensorBlock, TensorMap


Row = frozenset[tuple[str, int]]
Rows = tuple[Row, ...]  # the sample, then one row per gradient on the way
Line = tuple[str, Rows, Row]  # gradient, rows, components
Number = tuple[str, Rows, Row, Row, Any]  # the same, the property, the number


def row_of(names: list[str], values: Any) -> Row:
    return frozenset(zip(names, map(int, values), strict=True))


def rows_of(block: TensorBlock, parents: list[Rows] | None) -> list[Rows]:
    names, table = block.samples.names, block.samples.values.tolist()
    if parents is None:
        return [(row_of(names, row),) for row in table]
    return [(*parents[row[0]], row_of(names[1:], row[1:])) for row in table]


def all_rows(
    block: TensorBlock, parents: list[Rows] | None = None, level: str = "values"
) -> Iterator[tuple[str, TensorBlock, list[Rows]]]:
    """Every gradient of every depth, with what its rows mean."""
    own = rows_of(block, parents)
    yield level, block, own
    for name, gradient in block.gradients():
        yield from all_rows(gradient, own, f"{level}/{name}")


def lines_of(block: TensorBlock) -> Iterator[tuple[Line, Any]]:
    """What every line along the properties means, and its numbers."""
    for level, part, rows in all_rows(block):
        axes = [[row_of(c.names, v) for v in c.values] for c in part.components]
        values = np.asarray(part.values)
        values = values.reshape(np.prod(values.shape[:-1], dtype=int), values.shape[-1])
        labels = itertools.product(rows, itertools.product(*axes))
        for (where, component), line in zip(labels, values, strict=True):
            yield (level, where, frozenset().union(*component)), line


def columns_of(block: TensorBlock) -> list[Row]:
    return [row_of(block.properties.names, v) for v in block.properties.values]


def numbers_of(tensor: TensorMap) -> dict[Row, list[Number]]:
    return {
        row_of(key.names, key.values): [
            (*line, column, value)
            for line, values in lines_of(block)
            for column, value in zip(columns_of(block), values, strict=True)
        ]
        for key, block in tensor.items()
    }


def moved_by_hand(
    tensor: TensorMap, names: list[str], fill: float, to_samples: bool
) -> dict[Row, set[Number]]:
    there: dict[Row, dict[Any, Any]] = defaultdict(dict)
    lines: dict[Row, set[Line]] = defaultdict(set)
    columns: dict[Row, set[Row]] = defaultdict(set)
    for entry, block in tensor.items():
        key = row_of(entry.names, entry.values)
        moved = frozenset((n, v) for n, v in key if n in names)
        rest = key - moved or row_of(["_"], [0])
        own = [column if to_samples else column | moved for column in columns_of(block)]
        columns[rest] |= set(own)
        for (level, (first, *below), component), values in lines_of(block):
            line = (level, (first | moved if to_samples else first, *below), component)
            lines[rest].add(line)
            there[rest] |= {(*line, c): v for c, v in zip(own, values, strict=True)}
    return {
        rest: {
            (*line, column, there[rest].get((*line, column), fill))
            for line in lines[rest]
            for column in columns[rest]
        }
        for rest in columns
    }


def check(tensor: TensorMap, found: TensorMap, expected: dict[Row, set[Number]]) -> None:
    got = numbers_of(found)
    assert set(got) == set(expected)
    for key, numbers in got.items():
        assert len(numbers) == len(set(numbers))  # no label stands twice
        assert set(numbers) == expected[key]
    for block in found:
        for level, part, _ in all_rows(block):
            rows = part.samples.values.tolist()
            assert rows == sorted(rows), level


MOVED = st.sampled_from([["k"], ["l"], ["k", "l"]])


@settings(max_examples=10)
@given(tensors(nested=True), MOVED, st.sampled_from([0, -200]))
def test_keys_to_samples(tensor: TensorMap, names: list[str], fill: int) -> None:
    found = tensor.keys_to_samples(names, fill_value=fill)
    check(tensor, found, moved_by_hand(tensor, names, fill, to_samples=True))


@settings(max_examples=10)
@given(tensors(nested=True), MOVED, st.sampled_from([0, -200]))
def test_keys_to_properties(tensor: TensorMap, names: list[str], fill: int) -> None:
    found = tensor.keys_to_properties(names, fill_value=fill)
    check(tensor, found, moved_by_hand(tensor, names, fill, to_samples=False))


@settings(max_examples=10)
@given(tensors(nested=True))
def test_unsorted_samples_have_the_same_content(tensor: TensorMap) -> None:
    moves: list[Callable[..., TensorMap]] = [
        tensor.keys_to_samples,
        tensor.keys_to_properties,
    ]
    for move in moves:
        unsorted = numbers_of(move("l", sort_samples=False))
        for key, numbers in numbers_of(move("l")).items():
            assert set(unsorted[key]) == set(numbers)
