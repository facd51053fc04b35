"""Joins along samples and properties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import block_there, map_there
from operations.examples import (
    Recipe,
    random_map,
    recipes,
    share,
    with_other_numbers,
    with_other_values,
)
from operations.jacobian import assert_exact
from operations.peer import assert_agree, assert_blocks_agree, map_here
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, NotEqualError


AXES = st.sampled_from(["samples", "properties"])


@share(2)
@given(recipe=recipes(), axis=AXES, count=st.integers(1, 3))
def test_with_a_new_dimension_as_metatensor(recipe: Recipe, axis: str, count: int) -> None:
    first = random_map(recipe)
    several = [first, *[with_other_numbers(first, i) for i in range(1, count)]]
    theirs = mts.join([map_there(t) for t in several], axis, add_dimension="part")
    if count == 1:
        # There, a single map is returned without the dimension.
        for block in jm.join(several, axis, add_dimension="part"):
            assert getattr(block, axis).names[-1] == "part"
        return
    assert_agree(jm.join(several, axis, add_dimension="part"), theirs)


@share(6)
@given(recipe=recipes(nested=True), axis=AXES)
def test_gradients(recipe: Recipe, axis: str) -> None:
    left = random_map(recipe)
    right = with_other_values(left, recipe)
    assert_exact(lambda *a: jm.join(a, axis, add_dimension="part"), left, right)


@share(8)
@given(recipe=recipes())
def test_gradient_rows_side_by_side_are_the_union_as_metatensor(recipe: Recipe) -> None:
    left = random_map(recipe)
    right = with_other_values(left, recipe)
    theirs = mts.join([map_there(left), map_there(right)], "properties", add_dimension="p")
    ours = jm.join([left, right], "properties", add_dimension="p")
    for key, block, other in zip(ours.keys, ours, theirs.blocks(), strict=True):
        assert_blocks_agree(block, other, gradients=False, where=key.print())
        for name, gradient in block.gradients():
            rows = np.asarray(gradient.samples.values)
            there = other.gradient(name)
            order = [there.samples.position(row) for row in rows]
            assert sorted(order) == list(range(len(there.samples)))
            np.testing.assert_array_equal(gradient.values, there.values[order])


def _parts(tensor: TensorMap, axis: str) -> list[TensorMap]:
    """A map cut in two along an axis."""
    sizes = [len(block) if axis == "samples" else 2 for block in tensor]
    assert len(set(sizes)) == 1
    halves = ([*range(sizes[0] // 2)], [*range(sizes[0] // 2, sizes[0])])
    return [jm.slice(tensor, axis, half) for half in halves]


@pytest.mark.parametrize("axis", ["samples", "properties"])
@pytest.mark.parametrize("nested", [False, True])
def test_what_was_cut_is_joined_again(axis: str, nested: bool) -> None:
    tensor = random_map(Recipe(rows=(4, 4), components=(3,), nested=nested))
    joined = jm.join(_parts(tensor, axis), axis)
    assert jm.equal_metadata(joined, tensor, check_gradients=False)
    zero = jm.subtract(joined, tensor)
    assert all(not np.asarray(leaf).any() for leaf in zero._leaves)


def test_different_property_names_as_metatensor() -> None:
    left = random_map(Recipe(components=(3,)))
    right = TensorMap(left.keys, [_renamed(block) for block in left])
    theirs = mts.join([map_there(left), map_there(right)], "properties")
    assert_agree(jm.join([left, right], "properties"), theirs)


def _renamed(block: TensorBlock) -> TensorBlock:
    properties = Labels(["q"], np.arange(2)[:, None])
    gradients = {
        name: TensorBlock(g.values, g.samples, g.components, properties)
        for name, g in block.gradients()
    }
    return TensorBlock(block.values, block.samples, block.components, properties, gradients)


@pytest.mark.parametrize("different_keys", ["union", "intersection"])
def test_different_keys_as_metatensor(different_keys: str) -> None:
    both = random_map(Recipe(rows=(4, 1, 4)))
    left = TensorMap(_some(both.keys, [0, 1]), [both[0], both[1]])
    right = TensorMap(_some(both.keys, [2, 1]), [both[2], both[1]])
    options: Any = {"different_keys": different_keys, "add_dimension": "part"}
    theirs = mts.join([map_there(left), map_there(right)], "samples", **options)
    ours = jm.join([left, right], "samples", **options)
    for key, block in ours.items():
        there = theirs.block({n: key[n] for n in key.names})
        assert_blocks_agree(block, there, where=key.print())
    assert len(ours) == len(theirs) == {"union": 3, "intersection": 1}[different_keys]


def _some(labels: Labels, rows: list[int]) -> Labels:
    return Labels(labels.names, labels.values[rows])


def test_the_keys_keep_the_order_of_the_first_map() -> None:
    tensor = random_map(Recipe(rows=(4, 1, 4)))
    other = TensorMap(
        _some(tensor.keys, [2, 0, 1]), [tensor[i] for i in (2, 0, 1)], tensor.info()
    )
    straight = jm.join([tensor, tensor], "samples", add_dimension="part")
    assert jm.join([tensor, other], "samples", add_dimension="part").keys == tensor.keys
    assert jm.equal(straight, jm.join([tensor, other], "samples", add_dimension="part"))


FILES = [
    "feat_soap_ps_ethanol2_pos",
    pytest.param("feat_spex_ethanol5_pos", marks=pytest.mark.long),
]


@pytest.mark.parametrize("file", FILES)
def test_real_descriptors_as_metatensor(file: str, data_folder: Path) -> None:
    theirs = mts.load(data_folder / f"{file}.mts")
    ours = map_here(theirs)
    for axis in ("samples", "properties"):
        there = mts.join([theirs, theirs], axis, add_dimension="part")
        assert_agree(jm.join([ours, ours], axis, add_dimension="part"), there)


@pytest.mark.parametrize("axis", ["samples", "properties"])
def test_blocks_alone(axis: str) -> None:
    block = random_map(Recipe(components=(3,)))[0]
    theirs = mts.join_blocks([block_there(block)] * 2, axis, add_dimension="part")
    assert_blocks_agree(jm.join_blocks([block] * 2, axis, add_dimension="part"), theirs)


def test_a_single_one_is_returned_as_it_is() -> None:
    tensor = random_map(Recipe())
    assert jm.join([tensor], "samples") is tensor
    assert jm.join_blocks([tensor[0]], "properties").values is tensor[0].values


def test_what_is_refused() -> None:
    tensor = random_map(Recipe(rows=(4,)))
    with pytest.raises(
        InvalidError, match=r"(?s)the joined samples of block.*add_dimension="
    ):
        jm.join([tensor, tensor], "samples")
    with untyped(), pytest.raises(InvalidTypeError, match="must be a list"):
        jm.join(tensor, "samples")  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="nothing to join"):
        jm.join([], "samples")
    with pytest.raises(InvalidTypeError, match="float32, float64"):
        jm.join([tensor, tensor.to(dtype=np.float32)], "samples")
    with untyped(), pytest.raises(InvalidTypeError, match="must be a TensorMap"):
        jm.join([tensor, tensor[0]], "samples")  # type: ignore[list-item]
    with pytest.raises(InvalidError, match="no axis 'components'"):
        jm.join([tensor, tensor], "components")
    with untyped(), pytest.raises(InvalidError, match="no different_keys 'some'"):
        jm.join([tensor, tensor], "samples", different_keys="some")  # type: ignore
    with pytest.raises(NotEqualError, match="gradients"):
        jm.join([tensor, jm.remove_gradients(tensor)], "samples", add_dimension="p")


@pytest.mark.parametrize("different_keys", ["error", "union", "intersection"])
def test_keys_of_other_names_are_told(different_keys: str) -> None:
    block = jm.TensorBlock(
        jnp.ones((1, 1)), jm.Labels.range("s", 1), [], jm.Labels.range("n", 1)
    )
    maps = [jm.TensorMap(jm.Labels(name, [[0]]), [block]) for name in ("a", "b")]
    with pytest.raises(jm.NotEqualError, match="join: the keys differ"):
        jm.join(maps, "samples", different_keys=different_keys)


def _of(keys: list[int], name: str, gradients: bool = False) -> TensorMap:
    tensor = TensorMap(
        Labels("k", [[key] for key in keys]),
        [
            TensorBlock(jnp.ones((2, 2)), Labels.range("s", 2), [], Labels.range(name, 2))
            for _ in keys
        ],
    )
    return tensor if not gradients else TensorMap(tensor.keys, [_moving(b) for b in tensor])


def _moving(block: TensorBlock) -> TensorBlock:
    below = Labels(["sample", "atom"], [[1, 0]])
    gradient = TensorBlock(jnp.ones((1, 2)), below, [], block.properties)
    return block.with_gradient("positions", gradient)


@pytest.mark.parametrize("axis", ["samples", "properties"])
def test_a_union_whose_blocks_would_differ_is_refused(axis: str) -> None:
    """Blocks of other keys are in no block together, but in one map."""
    moving, still = _of([0], "n", gradients=True), _of([1], "n")
    with pytest.raises(InvalidError) as raised:
        jm.join([moving, still], axis, different_keys="union")
    assert str(raised.value) == (
        "join: all blocks must have the same gradient names.\n"
        "  block (k=0) has ['positions'], block (k=1) has []"
    )


def test_properties_are_renamed_in_all_blocks_or_in_none() -> None:
    joined = jm.join([_of([0, 1], "n"), _of([1, 2], "m")], "properties", "union")
    names = [block.properties.names for block in joined]
    assert names == [["joined_index", "property"]] * 3
    assert joined[0].properties.values.tolist() == [[0, 0], [0, 1]]
    assert joined[2].properties.values.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize("name", [["part"], 3, {"part"}, np.array("part")])
def test_a_dimension_to_add_is_a_name(name: Any, wrong_types: None) -> None:
    tensor = _of([0], "n")
    for join, data in ((jm.join, tensor), (jm.join_blocks, tensor[0])):
        with pytest.raises(InvalidTypeError, match=r"^join.*: add_dimension= must be"):
            join([data, data], "samples", add_dimension=name)
