"""Blocks from arrays, arrays from labels.

Known deviations from metatensor: a string is one name; no names at all for the samples or
properties are refused in words; arrays that are none are refused in words.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import assert_same_block, labels_there

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
)


NAMES = [
    {},
    {"sample_names": ["a", "b"]},
    {"property_names": ["y", "z"]},
    {"sample_names": ["a", "b"], "property_names": ["x", "y", "z"]},
    {"sample_names": ["a"], "component_names": ["b", "c", "d"], "property_names": ["e"]},
    {"sample_names": ["a", "b"], "component_names": [], "property_names": ["c", "d", "e"]},
]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("rows", [0, 2])
def test_blocks_as_metatensor(names: dict[str, Any], rows: int) -> None:
    array = np.arange(rows * 30.0).reshape(rows, 3, 5, 1, 2)
    theirs = mts.block_from_array(array, **names)
    assert_same_block(jm.block_from_array(array, **names), theirs)
    ours = jm.block_from_array(jnp.asarray(array), **names)
    assert_same_block(ours, theirs)
    assert isinstance(ours.values, jax.Array)


def test_names_may_stand_in_the_order_of_metatensor() -> None:
    array = np.ones((2, 3, 4))
    theirs = mts.block_from_array(array, ["a"], ["b"], ["c"])
    assert_same_block(jm.block_from_array(array, ["a"], ["b"], ["c"]), theirs)
    assert_same_block(jm.block_from_array(array, "a", "b", "c"), theirs)
    assert jm.block_from_array(np.ones((2, 3)), "system").samples.names == ["system"]


def test_arrays_are_kept_as_they_are() -> None:
    array = np.ones((2, 3), np.float32)
    assert jm.block_from_array(array).values is array
    grouped = jm.block_from_array(np.ones((2, 3, 4)), ["a", "b"])
    assert isinstance(grouped.values, np.ndarray)
    device = jnp.ones((2, 3), np.int32)
    assert jm.block_from_array(device).values is device
    shape = jax.ShapeDtypeStruct((2, 3, 4), np.float32)
    assert jm.block_from_array(shape).shape == (2, 3, 4)
    assert jm.block_from_array(shape, ["a", "b"]).shape == (6, 4)


def test_blocks_of_traced_arrays() -> None:
    array = jnp.arange(24.0).reshape(2, 3, 4)
    expected = jm.block_from_array(array, ["a", "b"])
    assert jax.jit(lambda x: jm.block_from_array(x, ["a", "b"]))(array) == expected
    several = jax.vmap(jm.block_from_array)(array)
    assert several.values.shape == array.shape
    assert several.samples == Labels.range("sample", 3)
    slope = jax.grad(lambda x: jnp.sum(jm.block_from_array(x, ["a", "b"]).values ** 2))
    np.testing.assert_array_equal(slope(array), 2 * array)


@pytest.mark.parametrize(
    ("shape", "names", "told"),
    [
        ((3,), {}, r"shape \(3,\), that is 1 axes\n.*components \[\].*reshape"),
        ((), {}, r"shape \(\), that is 0 axes"),
        ((2, 3), {"sample_names": ["a", "b"]}, r"samples \['a', 'b'\]"),
        ((2, 3), {"component_names": ["a"]}, r"components \['a'\]"),
        ((2, 3, 4), {"component_names": []}, r"components \[\]"),
        ((2, 3), {"sample_names": []}, r"samples \[\]"),
        ((2, 3), {"property_names": []}, r"properties \[\]"),
    ],
)
def test_names_that_do_not_fit(shape: Any, names: Any, told: str) -> None:
    with pytest.raises(InvalidError, match=rf"(?s)^block_from_array: the names.*{told}"):
        jm.block_from_array(np.ones(shape), **names)


def test_other_arrays_and_names_that_are_refused(wrong_types: None) -> None:
    with pytest.raises(InvalidTypeError, match=r"^block_from_array: the array .*\n.*list"):
        jm.block_from_array([[1.0]])
    with pytest.raises(InvalidError, match=r"^block_from_array: '1a' is not a valid name"):
        jm.block_from_array(np.ones((2, 3)), ["1a"])
    with pytest.raises(InvalidError, match=r"^block_from_array: every dimension needs a"):
        jm.block_from_array(np.ones((2, 3, 4)), ["a", "a"])
    with pytest.raises(InvalidTypeError, match=r"^block_from_array: the names must be"):
        jm.block_from_array(np.ones((2, 3)), 5)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"^TensorBlock: .* a plain array"):
        jm.block_from_array(np.ma.ones((2, 3)))


# one_hot --------------------------------------------------------------------------------


@st.composite
def values_and_choices(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    choices = draw(st.lists(st.integers(-(2**31), 2**31 - 1), unique=True, max_size=6))
    values = st.lists(st.sampled_from(choices), max_size=20) if choices else st.just([])
    return draw(values), choices


@given(drawn=values_and_choices())
def test_one_hot_as_metatensor(drawn: Any) -> None:
    values, choices = drawn
    rows = np.array([*enumerate(values)], np.int32).reshape(-1, 2)
    labels = Labels(["atom", "type"], rows)
    dimension = Labels("type", np.array(choices, np.int32).reshape(-1, 1))
    ours = jm.one_hot(labels, dimension)
    theirs = mts.one_hot(labels_there(labels), labels_there(dimension))
    assert isinstance(ours, jax.Array)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


ATOMS = Labels(["atom", "type"], [[0, 6], [1, 9], [2, 7]])
TYPES = Labels("type", [[1], [6]])


def test_one_hot_under_jit() -> None:
    atoms = Labels(["atom", "type"], [[0, 6], [1, 1]])
    expected = jm.one_hot(atoms, TYPES)
    np.testing.assert_array_equal(jax.jit(lambda: jm.one_hot(atoms, TYPES))(), expected)


def test_what_one_hot_refuses(wrong_types: None) -> None:
    told = r"^one_hot: .* no entry type=9\.\n.*row 1 .*\(atom=1, type=9\)\n.*2 of 3 rows"
    with pytest.raises(MissingError, match=told):
        jm.one_hot(ATOMS, TYPES)
    with pytest.raises(MissingError, match=r"^one_hot: .* 'types'\.\n.*mean 'type'"):
        jm.one_hot(ATOMS, Labels("types", [[1]]))
    with pytest.raises(InvalidError, match=r"^one_hot: .*\n.*\['atom', 'type'\]"):
        jm.one_hot(ATOMS, ATOMS)
    with pytest.raises(DynamicSamplesError, match=r"^one_hot: .*\n.*\n.*to_labels"):
        jm.one_hot(DynamicLabels.from_labels(ATOMS), TYPES)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"^one_hot: labels must be Labels"):
        jm.one_hot([[1]], TYPES)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"^one_hot: dimension must be Labels"):
        jm.one_hot(ATOMS, "type")  # type: ignore[arg-type]
