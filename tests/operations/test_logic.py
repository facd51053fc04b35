"""Equality of metadata and of values."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from metatensor_oracle import block_there, map_there
from operations.examples import (
    Recipe,
    random_map,
    recipes,
    share,
    with_other_numbers,
    with_other_values,
)

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, NotEqualError


def _changes(tensor: TensorMap, recipe: Recipe) -> dict[str, TensorMap]:
    """Maps that differ from one in one respect each, by its name."""
    block = tensor[0]
    other_keys = Labels(tensor.keys.names, np.asarray(tensor.keys.values) + 1)
    return {
        "nothing": TensorMap(tensor.keys, list(tensor)),
        "order of keys": TensorMap(
            Labels(tensor.keys.names, tensor.keys.values[::-1]), list(tensor)[::-1]
        ),
        "keys": TensorMap(other_keys, list(tensor)),
        "values": with_other_numbers(tensor, 3),
        "gradient rows": with_other_values(tensor, recipe),
        "no gradients": jm.remove_gradients(tensor),
        "samples": _relabelled(tensor, samples=True),
        "properties": _relabelled(tensor, properties=True),
        "nan": jax.tree.map(lambda leaf: leaf * jnp.nan, tensor),
        "nearly": 1.0000001 * tensor,
        "rows": TensorMap(tensor.keys, [block] * len(tensor)),
    }


def _relabelled(tensor: TensorMap, samples: bool = False, properties: bool = False) -> Any:
    def shifted(labels: Labels) -> Labels:
        return Labels(labels.names, np.asarray(labels.values) + 10)

    def changed(block: TensorBlock, inner: bool = False) -> TensorBlock:
        return TensorBlock(
            block.values,
            shifted(block.samples) if samples and not inner else block.samples,
            block.components,
            shifted(block.properties) if properties else block.properties,
            {name: changed(g, True) for name, g in block.gradients()},
        )

    return TensorMap(tensor.keys, [changed(block) for block in tensor])


@share(8)
@given(recipe=recipes(min_blocks=2))
def test_maps_are_equal_when_metatensor_says_so(recipe: Recipe) -> None:
    tensor = random_map(recipe)
    for change, other in _changes(tensor, recipe).items():
        here, there = (tensor, other), (map_there(tensor), map_there(other))
        assert jm.equal(*here) is mts.equal(*there), change
        assert jm.equal_metadata(*here) is mts.equal_metadata(*there), change
        assert jm.allclose(*here, rtol=1e-3) is mts.allclose(*there, rtol=1e-3), change
        assert jm.allclose(*here) is mts.allclose(*there), change
        for axis in ("samples", "components", "properties"):
            for gradients in (True, False):
                ours = jm.equal_metadata(*here, axis, gradients)
                theirs = mts.equal_metadata(*there, [axis], gradients)
                assert ours is theirs, (change, axis, gradients)
        blocks, theirs = (
            (tensor[0], other[0]),
            (
                block_there(tensor[0]),
                block_there(other[0]),
            ),
        )
        assert jm.equal_block(*blocks) is mts.equal_block(*theirs), change
        assert jm.allclose_block(*blocks) is mts.allclose_block(*theirs), change
        assert jm.equal_metadata_block(*blocks) is mts.equal_metadata_block(*theirs), change


def test_nan_is_equal_only_when_asked() -> None:
    tensor = jax.tree.map(lambda leaf: leaf.at[0].set(jnp.nan), random_map(Recipe()))
    assert jm.equal(tensor, tensor) is False
    assert jm.allclose(tensor, tensor) is False
    assert jm.allclose(tensor, tensor, equal_nan=True) is True


def test_gradients_of_gradients_count() -> None:
    tensor = random_map(Recipe(nested=True, density=1.0))
    leaves = list(jax.tree.leaves(tensor))
    leaves[2] = leaves[2] + 1.0
    other = jax.tree.unflatten(jax.tree.structure(tensor), leaves)
    assert jm.equal(tensor, tensor) is True
    assert jm.equal(tensor, other) is False
    with pytest.raises(
        NotEqualError, match=r"gradient\('positions'\).gradient\('strain'\)"
    ):
        jm.equal_raise(tensor, other)


def test_another_dtype_is_a_difference() -> None:
    tensor = random_map(Recipe())
    other = tensor.to(dtype=np.float32)
    assert jm.equal(tensor, other) is False
    with pytest.raises(NotEqualError, match=r"float64.*float32"):
        jm.allclose_raise(tensor, other, rtol=1e-3)


RAISING: list[tuple[Any, bool]] = [
    (jm.equal_raise, False),
    (jm.allclose_raise, False),
    (jm.equal_block_raise, True),
    (jm.allclose_block_raise, True),
]


@pytest.mark.parametrize(("operation", "block"), RAISING)
def test_the_first_different_value_is_told(operation: Any, block: bool) -> None:
    tensor = random_map(Recipe(rows=(4,)))
    changed = tensor[0].values.at[2, 1].set(99.0)
    other = TensorMap(tensor.keys, [tensor[0].with_values(changed)])
    operation(*([tensor[0]] * 2 if block else [tensor] * 2))
    with pytest.raises(NotEqualError, match=r"1 of 8 values differ; the first at \(2, 1\)"):
        operation(*([tensor[0], other[0]] if block else [tensor, other]))


def test_traced_values_give_a_traced_answer() -> None:
    tensor = random_map(Recipe())
    for operation in (jm.equal, jm.allclose):
        traced = jax.jit(operation)
        assert traced(tensor, tensor).item() is True
        assert traced(tensor, with_other_numbers(tensor, 1)).item() is False
    with pytest.raises(InvalidTypeError, match=r"use equal\(\) in traced"):
        jax.jit(jm.equal_raise)(tensor, tensor)


def test_different_metadata_are_known_while_tracing() -> None:
    tensor = random_map(Recipe())
    answers = []
    jax.jit(lambda t: answers.append(jm.equal(t, jm.remove_gradients(t))))(tensor)
    assert answers == [False]


def test_an_unknown_axis_is_refused() -> None:
    tensor = random_map(Recipe())
    with pytest.raises(InvalidError, match="no axis 'sample'"):
        jm.equal_metadata(tensor, tensor, "sample")
