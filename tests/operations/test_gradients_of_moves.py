"""Moves between keys, samples, components and properties carry gradients exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact

from jaxmeta import Labels, TensorBlock, TensorMap


KEYS = st.sampled_from(["neighbor", ["sigma", "center"], ["center", "neighbor", "sigma"]])


def _matching(tensor: TensorMap) -> TensorMap:
    """The same map with the components of its first block everywhere."""
    components = tensor[0].components

    def matching(block: TensorBlock) -> TensorBlock:
        extra = len(block.components) - len(components)
        return TensorBlock(
            block.values,
            block.samples,
            [*block.components[: max(extra, 0)], *components],
            block.properties,
            {name: inner(g) for name, g in block.gradients()},
        )

    def inner(gradient: TensorBlock) -> TensorBlock:
        extra = len(gradient.components) - len(components)
        return TensorBlock(
            gradient.values,
            gradient.samples,
            [*gradient.components[:extra], *components],
            gradient.properties,
            {name: inner(g) for name, g in gradient.gradients()},
        )

    return TensorMap(tensor.keys, [matching(block) for block in tensor])


@pytest.mark.parametrize("move", ["keys_to_samples", "keys_to_properties"])
@pytest.mark.parametrize("nested", [False, True])
@share(10)
@given(data=st.data(), keys=KEYS, sort=st.booleans())
def test_keys(move: str, nested: bool, data: Any, keys: Any, sort: bool) -> None:
    tensor = _matching(random_map(data.draw(recipes(nested=nested))))
    assert_exact(lambda a: getattr(a, move)(keys, sort_samples=sort), tensor)


def test_keys_fixed_by_labels() -> None:
    tensor = random_map(Recipe(rows=(4, 1)))
    properties = tensor[0].properties
    blocks = []
    for block in tensor:
        gradients = {
            name: TensorBlock(g.values, g.samples, g.components, properties)
            for name, g in block.gradients()
        }
        blocks.append(TensorBlock(block.values, block.samples, [], properties, gradients))
    tensor = TensorMap(Labels("k", [[3], [1]]), blocks)
    wanted = Labels("k", [[1], [7], [3]])
    result = assert_exact(lambda a: a.keys_to_properties(wanted), tensor)
    assert result[0].properties["k"].tolist() == [1, 1, 7, 7, 3, 3]
    assert not np.asarray(result[0].values)[:, 2:4].any()


@pytest.mark.parametrize("names", ["component_1", ["component_1", "component_0"]])
def test_components(names: Any) -> None:
    tensor = random_map(Recipe(components=(2, 3), nested=True, rows=(4, 0)))
    result = assert_exact(lambda a: a.components_to_properties(names), tensor)
    moved = [names] if isinstance(names, str) else names
    # As in metatensor, where they are moved one after the other, each to the front.
    assert result.property_names == [*reversed(moved), "n", "l"]
