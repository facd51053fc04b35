"""Every method of Labels against metatensor's, on arbitrary names and rows."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import hypothesis.strategies as st
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from metatensor_oracle import labels_here, labels_there, outcome
from strategies import NAMES, SMALL, labels, names, rows
from typed_calls import untyped

from jaxmeta import JaxmetaError, Labels, LabelsEntry


def assert_same_labels(ours: Labels, theirs: mts.Labels) -> None:
    assert ours.names == list(theirs.names)
    np.testing.assert_array_equal(ours.values, np.asarray(theirs.values))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Labels, Labels]:
    """Two labels with the same names and often with common rows."""
    found = draw(names())
    mine = draw(rows(len(found), wide=False))
    theirs = draw(rows(len(found), wide=False))
    if draw(st.booleans()) and len(mine):
        theirs = np.unique(np.concatenate([theirs, mine[:3]]), axis=0)[::-1]
    with untyped():
        return Labels(found, mine), Labels(found, theirs)


@given(labels())
def test_content(ours: Labels) -> None:
    theirs = labels_there(ours)
    assert_same_labels(ours, theirs)
    assert len(ours) == len(theirs)
    assert ours.device == theirs.device == "cpu"
    assert ours.to(device="cpu") is ours
    for name in ours.names:
        np.testing.assert_array_equal(ours.column(name), theirs.column(name))
        np.testing.assert_array_equal(ours[name], theirs[name])
    entries = list(ours)
    for i in range(len(ours)):
        for entry in (ours.entry(i), ours[i], ours[i - len(ours)], entries[i]):
            assert entry == LabelsEntry(theirs[i].names, np.asarray(theirs[i].values))
            assert entry.print() == theirs[i].print()
            assert repr(entry) == repr(theirs[i])


# metatensor takes bools as well; here they are refused, as any dtype that is no integer.
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64])
def test_any_integer_dtype_gives_the_same_labels(dtype: Any) -> None:
    values = np.array([[1, 0], [0, 1]])
    assert Labels(["a", "b"], values.astype(dtype)) == Labels(["a", "b"], values)


def test_values_are_copied_and_read_only() -> None:
    values = np.array([[1, 2], [3, 4]], np.int32)
    found = Labels(["a", "b"], values)
    values[0, 0] = 9
    assert found.values.tolist() == [[1, 2], [3, 4]]
    for array in (found.values, found["a"], found.entry(0).values):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    found.names.append("c")
    assert found.names == ["a", "b"]


def test_layout_of_memory_and_nested_lists_do_not_matter() -> None:
    values = np.arange(12).reshape(3, 4)
    expected = Labels(list("abcd"), values)
    assert Labels(tuple("abcd"), np.asfortranarray(values)) == expected
    assert Labels(list("abcd"), values.tolist()) == expected
    assert Labels(list("abcd"), np.repeat(values, 2, axis=0)[::2]) == expected


def test_special_labels() -> None:
    assert_same_labels(Labels.single(), mts.Labels.single())
    assert_same_labels(Labels.range("n", 4), mts.Labels.range("n", 4))
    assert_same_labels(Labels.range("n", 0), mts.Labels.range("n", 0))
    assert_same_labels(Labels.empty(["a", "b"]), mts.Labels.empty(["a", "b"]))
    assert Labels.range("n", 4) == Labels("n", [[0], [1], [2], [3]])
    assert Labels("n", []) == Labels.empty("n") == Labels(["n"], np.zeros((0, 1), int))


def test_labels_without_dimensions() -> None:
    empty = Labels("", np.zeros((0, 0), int))
    one = Labels([], np.zeros((1, 0), int))
    two = Labels([], np.zeros((2, 0), int))  # as samples of two unnamed rows
    assert len(two) == len(labels_there(two)) == 2
    assert two != one
    assert (empty.names, len(empty), len(one)) == ([], 0, 1)
    assert empty != one
    assert one.entry(0) == LabelsEntry([], [])
    assert (one.position([]), empty.position([])) == (0, None)
    assert one.append("a", [7]) == Labels("a", [[7]])


@given(labels(), st.data())
def test_position(ours: Labels, data: st.DataObject) -> None:
    theirs = labels_there(ours)
    wanted = [tuple(row) for row in ours.values.tolist()]
    wanted.append(data.draw(st.tuples(*[SMALL] * len(ours.names))))
    for row in wanted:
        expected = theirs.position(list(row))
        forms = (row, list(row), np.array(row), LabelsEntry(ours.names, row))
        assert [ours.position(form) for form in forms] == [expected] * 4
        assert all((form in ours) == (expected is not None) for form in forms)


@given(pairs())
def test_equality_and_hash(pair: tuple[Labels, Labels]) -> None:
    a, b = pair
    assert (a == b) == (labels_there(a) == labels_there(b))
    assert (a != b) == (labels_there(a) != labels_there(b))
    again = Labels(a.names, np.array(a.values, np.int64))
    assert (again == a, hash(again)) == (True, hash(a))
    assert copy.copy(a) is copy.deepcopy(a) is pickle.loads(pickle.dumps(a)) is a
    assert (a == 3, a != 3, a == None) == (False, True, False)  # noqa: E711


@given(pairs())
def test_set_algebra(pair: tuple[Labels, Labels]) -> None:
    a, b = pair
    there = (labels_there(a), labels_there(b))
    for operation in ("union", "intersection", "difference"):
        ours, *mappings = getattr(a, f"{operation}_and_mapping")(b)
        theirs, *expected = getattr(there[0], f"{operation}_and_mapping")(there[1])
        assert_same_labels(ours, theirs)
        assert getattr(a, operation)(b) is ours
        assert len(mappings) == len(expected)
        for mapping, other in zip(mappings, expected, strict=True):
            assert mapping.dtype == np.int64
            np.testing.assert_array_equal(mapping, np.asarray(other))


@given(labels(), st.data())
def test_select(ours: Labels, data: st.DataObject) -> None:
    subset = data.draw(st.permutations(ours.names))
    subset = subset[: data.draw(st.integers(1, len(subset)))]
    columns = [ours.names.index(name) for name in subset]
    pool = [tuple(row) for row in ours.values[:, columns].tolist()]
    pool.append(tuple(range(len(columns))))
    chosen = data.draw(st.lists(st.sampled_from(pool), unique=True))
    table = np.array(chosen, np.int32).reshape(-1, len(columns))
    selection = Labels(subset, table)
    expected = labels_there(ours).select(labels_there(selection))
    found = ours.select(selection)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_order_of_a_selection() -> None:
    ours = Labels("a", [[5], [3], [1]])
    assert ours.select(Labels("a", [[1], [5], [9]])).tolist() == [2, 0]
    two = ours.append("b", [0, 0, 0])
    assert two.select(Labels("a", [[1], [5], [9]])).tolist() == [0, 2]
    assert two.select(Labels(["b", "a"], [[0, 1], [0, 5]])).tolist() == [0, 2]
    assert two.select(Labels([], np.zeros((0, 0), int))).tolist() == [0, 1, 2]
    assert two.select(Labels.empty("a")).tolist() == []


@given(labels(), st.sampled_from(NAMES), st.data())
def test_changed_copies(ours: Labels, name: str, data: st.DataObject) -> None:
    theirs = labels_there(ours)
    index = data.draw(st.integers(0, len(ours.names)))
    order = data.draw(st.permutations(range(len(ours.names))))
    column = np.arange(len(ours))[::-1].copy()
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("insert", (index, name, column)),
        ("permute", (order,)),
        ("remove", (name,)),
        ("rename", (ours.names[-1], name)),
        ("rename", (name, "new")),
    ]
    for method, arguments in calls:
        if method == "remove" and len(ours.names) == 1 and name in ours.names:
            continue
        expected = outcome(getattr(theirs, method), *arguments)
        found = outcome(getattr(ours, method), *arguments)
        if isinstance(expected, Exception):
            assert isinstance(found, JaxmetaError), (method, arguments, expected)
        else:
            assert_same_labels(found, expected)
            assert found == labels_here(expected)


@given(labels())
def test_append_is_insert_at_the_end(ours: Labels) -> None:
    column = np.arange(len(ours))
    found = ours.append("new", column)
    assert found == ours.insert(len(ours.names), "new", column)
    assert found.remove("new") == ours
    if len(ours.names) > 1:
        assert found.names == [*ours.names, "new"]
        assert ours.insert(-1, "new", column).names[-2:] == ["new", ours.names[-1]]


@given(labels(), st.integers(2, 9), st.integers(0, 5))
def test_print(ours: Labels, most: int, indent: int) -> None:
    theirs = labels_there(ours)
    for count in (-1, most):
        expected = theirs.print(max_entries=count, indent=indent)
        found = ours.print(max_entries=count, indent=indent)
        assert [line.split() for line in found.splitlines()] == [
            line.split() for line in expected.splitlines()
        ]
