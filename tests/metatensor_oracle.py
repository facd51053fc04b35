"""metatensor as an oracle: the same data there and here, compared entry by entry."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import metatensor as mts
import numpy as np

from jaxmeta import Labels, TensorBlock, TensorMap


def labels_there(labels: Labels) -> mts.Labels:
    return mts.Labels(labels.names, np.array(labels.values))


def labels_here(labels: mts.Labels) -> Labels:
    return Labels(list(labels.names), np.asarray(labels.values))


def block_there(block: TensorBlock) -> mts.TensorBlock:
    result = mts.TensorBlock(
        np.array(block.values),
        labels_there(block.samples),
        [labels_there(component) for component in block.components],
        labels_there(block.properties),
    )
    for name, gradient in block.gradients():
        result.add_gradient(name, block_there(gradient))
    return result


def block_here(block: mts.TensorBlock) -> TensorBlock:
    return TensorBlock(
        jnp.asarray(np.array(block.values)),
        labels_here(block.samples),
        [labels_here(component) for component in block.components],
        labels_here(block.properties),
        {name: block_here(gradient) for name, gradient in block.gradients()},
    )


def map_there(tensor: TensorMap) -> mts.TensorMap:
    return mts.TensorMap(labels_there(tensor.keys), [block_there(b) for b in tensor])


def assert_same_block(ours: TensorBlock, theirs: mts.TensorBlock, where: str = "") -> None:
    """Equal labels in equal order, equal values, in gradients of any depth too."""
    assert ours.samples == labels_here(theirs.samples), where
    assert ours.components == [labels_here(c) for c in theirs.components], where
    assert ours.properties == labels_here(theirs.properties), where
    assert ours.dtype == theirs.values.dtype, where
    np.testing.assert_array_equal(np.asarray(ours.values), theirs.values, err_msg=where)
    assert ours.gradients_list() == sorted(theirs.gradients_list()), where
    for name, gradient in ours.gradients():
        assert_same_block(gradient, theirs.gradient(name), f"{where}/{name}")


def assert_same_map(ours: TensorMap, theirs: mts.TensorMap) -> None:
    """Equal keys in equal order, and equal blocks."""
    assert ours.keys == labels_here(theirs.keys)
    for key, block, other in zip(ours.keys, ours, theirs.blocks(), strict=True):
        assert_same_block(block, other, repr(key))


def outcome(function: Any, *arguments: Any, **options: Any) -> Any:
    """What a call gives, or the exception that it raises."""
    try:
        return function(*arguments, **options)
    except Exception as error:  # the oracle's errors are of many kinds
        return error
