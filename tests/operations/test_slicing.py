"""Slices.

Known deviation from metatensor: a position that stands twice is an error here; there it
makes samples that are not unique.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import block_there, labels_there, map_there
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact
from operations.peer import assert_agree, assert_blocks_agree, map_here
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    OutOfRangeError,
)


@st.composite
def entries(draw: st.DrawFn) -> tuple[list[str], np.ndarray]:
    """Some of the samples that may be there, by one name or by both, in any order."""
    both = [["atom", "system"], ["system", "atom"]]
    names = draw(st.sampled_from([["atom"], ["system"], *both]))
    row = st.tuples(*[st.integers(-1, 3)] * len(names))
    rows = draw(st.lists(row, unique=True, max_size=5))
    return names, np.array(rows, np.int32).reshape(-1, len(names))


@share(2)
@given(recipe=recipes(), entries=entries())
def test_samples_by_labels_as_metatensor(recipe: Recipe, entries: Any) -> None:
    tensor, wanted = random_map(recipe), Labels(*entries)
    theirs = mts.slice(map_there(tensor), "samples", labels_there(wanted))
    assert_agree(jm.slice(tensor, "samples", wanted), theirs)


@share(6)
@given(recipe=recipes(nested=True), entries=entries())
def test_gradients_of_samples_by_labels(recipe: Recipe, entries: Any) -> None:
    wanted = Labels(*entries)
    assert_exact(lambda a: jm.slice(a, "samples", wanted), random_map(recipe))


def test_labels_with_all_names_tell_the_order_of_samples_as_in_metatensor() -> None:
    tensor = random_map(Recipe(rows=(4,), gradients=("positions", "strain"), density=1.0))
    order = [2, 0, 3]
    names = tensor.sample_names
    wanted = Labels(names, tensor[0].samples.values[order])
    result = jm.slice(tensor, "samples", wanted)
    assert_agree(result, mts.slice(map_there(tensor), "samples", labels_there(wanted)))
    assert jm.equal(result, jm.slice(tensor, "samples", order))
    # With the names in another order, or for properties, it is a set.
    permuted = Labels(names[::-1], wanted.values[:, ::-1])
    assert jm.equal(
        jm.slice(tensor, "samples", permuted), jm.slice(tensor, "samples", sorted(order))
    )
    properties = Labels(tensor.property_names, tensor[0].properties.values[::-1])
    assert jm.equal(jm.slice(tensor, "properties", properties), tensor)


@pytest.mark.parametrize("positions", [[2, 0], [3, 1, 0, 2], [], np.array([1])])
def test_samples_by_position_as_metatensor(positions: list[int]) -> None:
    tensor = random_map(Recipe(rows=(4, 4), gradients=("positions", "strain")))
    theirs = mts.slice(map_there(tensor), "samples", np.array(positions, np.int64))
    assert_agree(jm.slice(tensor, "samples", positions), theirs)
    assert_exact(lambda a: jm.slice(a, "samples", positions), tensor)


@pytest.mark.parametrize("positions", [[1, 0], [1], [], jnp.array([0])])
def test_properties_by_position_as_metatensor(positions: list[int]) -> None:
    tensor = random_map(Recipe(gradients=("positions", "strain"), components=(3,)))
    theirs = mts.slice(map_there(tensor), "properties", np.array(positions, np.int64))
    assert_agree(jm.slice(tensor, "properties", positions), theirs)
    assert_exact(lambda a: jm.slice(a, "properties", positions), tensor)


@pytest.mark.parametrize("value", [0, 1, 2, 9])
def test_properties_by_labels_as_metatensor(value: int) -> None:
    wanted = Labels("l", [[value]])
    tensor = random_map(Recipe(rows=(4, 0)))
    theirs = mts.slice(map_there(tensor), "properties", labels_there(wanted))
    assert_agree(jm.slice(tensor, "properties", wanted), theirs)
    nested = random_map(Recipe(rows=(4, 0), nested=True))
    assert_exact(lambda a: jm.slice(a, "properties", wanted), nested)


FILES = [
    "feat_soap_ps_ethanol2_pos",
    pytest.param("feat_spex_ethanol5_pos", marks=pytest.mark.long),
]


@pytest.mark.parametrize("file", FILES)
def test_real_descriptors_as_metatensor(file: str, data_folder: Path) -> None:
    theirs = mts.load(data_folder / f"{file}.mts")
    ours = map_here(theirs)
    atoms = Labels("atom", [[1], [3], [0]])
    for axis, wanted in [("samples", atoms), ("properties", [1, 0]), ("properties", [2])]:
        there = labels_there(wanted) if isinstance(wanted, Labels) else np.array(wanted)
        assert_agree(jm.slice(ours, axis, wanted), mts.slice(theirs, axis, there))


def test_blocks_alone() -> None:
    block = random_map(Recipe(rows=(4,)))[0]
    for axis in ("samples", "properties"):
        theirs = mts.slice_block(block_there(block), axis, np.array([1]))
        assert_blocks_agree(jm.slice_block(block, axis, [1]), theirs)


def test_everything_in_order_shares_the_arrays() -> None:
    tensor = random_map(Recipe(rows=(4,)))
    for axis, count in (("samples", 4), ("properties", 2)):
        result = jm.slice(tensor, axis, range(count))
        assert result[0].values is tensor[0].values
        assert jm.equal(result, tensor)


def test_what_is_refused() -> None:
    tensor = random_map(Recipe(rows=(4,)))
    with pytest.raises(InvalidError, match=r"once\.\n  position 2 stands 2 times"):
        jm.slice(tensor, "samples", [2, 0, 2])
    with pytest.raises(InvalidError, match=r"position 0 stands 2 times"):
        jm.slice(tensor, "samples", [0, 1, 0, 1, 1])
    with pytest.raises(OutOfRangeError, match="found 4, there are 4 entries"):
        jm.slice(tensor, "samples", [4])
    with pytest.raises(OutOfRangeError, match="found -1"):
        jm.slice(tensor, "properties", [-1])
    with pytest.raises(MissingError, match="did you mean 'atom'"):
        jm.slice(tensor, "samples", Labels("atoms", [[1]]))
    with pytest.raises(InvalidTypeError, match=r"sel\(samples=\.\.\.\)(.|\n)*flatnonzero"):
        jm.slice(tensor, "samples", np.array([True, False, True, True]))
    with pytest.raises(OutOfRangeError, match="found 9223372036854775807"):
        jm.slice(tensor, "samples", np.array([2**64 - 1], np.uint64))
    with pytest.raises(InvalidTypeError, match="list of positions"):
        jm.slice(tensor, "samples", np.array([1.0]))
    with pytest.raises(InvalidError, match="no axis 'components'"):
        jm.slice(tensor, "components", [0])


def test_positions_that_make_no_array() -> None:
    tensor = random_map(Recipe(rows=(4,)))
    with untyped(), pytest.raises(InvalidError, match=r"^slice: .*different lengths"):
        jm.slice(tensor, "samples", [[0], [1, 2]])  # type: ignore[list-item]
    with untyped(), pytest.raises(InvalidTypeError, match=r"^slice: .*traced by JAX"):
        jax.jit(lambda i: jm.slice(tensor, "samples", [i]))(0)


def test_properties_of_dynamic_samples() -> None:
    tensor = random_map(Recipe(rows=(4, 1)))
    padded = jm.pad(tensor, {"samples": 5, "positions": 13})
    result = jax.jit(lambda t: jm.slice(t, "properties", [1]))(padded)
    assert jm.equal(jm.unpad(result), jm.slice(tensor, "properties", [1]))
    with pytest.raises(DynamicSamplesError, match=r"^slice: the samples"):
        jm.slice(padded, "samples", [1])
