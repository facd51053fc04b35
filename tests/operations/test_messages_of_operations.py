"""What operations say of gradients that differ, and of operands that are no maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from operations.examples import Recipe, random_map
from operations.test_mismatches import assert_house_form

import jaxmeta as jm
from jaxmeta import JaxmetaError, TensorBlock, TensorMap


GOOD = random_map(Recipe(rows=(4, 4)))
PLAIN = jm.remove_gradients(GOOD)


OPERATIONS: dict[str, Callable[[TensorMap, TensorMap], Any]] = {
    "lstsq": lambda a, b: jm.lstsq(a, b, rcond=None),
    "solve": jm.solve,
    "equal": jm.equal_raise,
    "allclose": jm.allclose_raise,
    "equal_metadata": jm.equal_metadata_raise,
}


GRADIENTS = {
    "names": (
        PLAIN,
        ("the gradients of block", "left has ['positions'], right has []",
         "remove_gradients()"),
    ),
    "rows": (
        TensorMap(GOOD.keys, list(random_map(Recipe(rows=(4, 4), density=0.25)))),
        ("samples of gradient 'positions' of block", "entries, right has"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mismatch", GRADIENTS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_mismatched_gradients(operation: str, mismatch: str) -> None:
    right, says = GRADIENTS[mismatch]
    right = _with_labels_of(GOOD, right)
    with pytest.raises(JaxmetaError) as caught:
        OPERATIONS[operation](GOOD, right)
    text = str(caught.value)
    assert [part for part in says if part not in text] == [], text
    assert_house_form(text, operation)


def _with_labels_of(tensor: TensorMap, other: TensorMap) -> TensorMap:
    blocks = []
    for block, there in zip(tensor, other, strict=True):
        gradients = {
            name: TensorBlock(g.values, g.samples, g.components, block.properties)
            for name, g in there.gradients()
        }
        blocks.append(
            TensorBlock(block.values, block.samples, [], block.properties, gradients)
        )
    return TensorMap(tensor.keys, blocks)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
@pytest.mark.parametrize("other", [np.ones(3), "text", None, GOOD[0]])
def test_operands_that_are_neither_map_nor_scalar(name: str, other: Any) -> None:
    with pytest.raises(jm.JaxmetaError) as caught:
        getattr(jm, name)(GOOD, other)
    text = str(caught.value)
    assert "must be a TensorMap or a scalar" in text
    assert type(other).__name__ in text
    assert_house_form(text, name)
