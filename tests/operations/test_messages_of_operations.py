"""What an operation says about metadata that do not fit: where, what, and the remedy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from operations.examples import Recipe, random_map

import jaxmeta as jm
from jaxmeta import JaxmetaError, Labels, TensorBlock, TensorMap


GOOD = random_map(Recipe(rows=(4, 4)))
PLAIN = jm.remove_gradients(GOOD)


def _changed(tensor: TensorMap, **parts: Any) -> TensorMap:
    """The same map with other labels in its first block."""
    return TensorMap(tensor.keys, [_block(tensor[0], **parts), *list(tensor)[1:]])


def _block(block: TensorBlock, **parts: Any) -> TensorBlock:
    samples = parts.get("samples", block.samples)
    properties = parts.get("properties", block.properties)
    return TensorBlock(block.values, samples, block.components, properties)


def _rows(labels: Any, order: Any = slice(None), shift: int = 0) -> Labels:
    return Labels(labels.names, np.asarray(labels.values)[order] + shift)


def _components(shift: int) -> TensorMap:
    tensor = random_map(Recipe(components=(3,), gradients=()))
    blocks = [
        TensorBlock(
            b.values, b.samples, [_rows(c, shift=shift) for c in b.components], b.properties
        )
        for b in tensor
    ]
    return TensorMap(tensor.keys, blocks)


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """A second operand that does not fit GOOD or PLAIN, and what is said about it."""

    left: TensorMap
    right: TensorMap
    says: tuple[str, ...]


SAMPLES = PLAIN[0].samples
KEY = GOOD.keys.entry(0).print()
MISMATCHES = {
    "keys": Mismatch(
        PLAIN,
        TensorMap(_rows(PLAIN.keys, shift=1), list(PLAIN)),
        ("the keys differ.", "only left has (center=", "only right has (center=",
         "filter_blocks()"),
    ),
    "names of keys": Mismatch(
        PLAIN,
        TensorMap(Labels(["x", "y", "z"], PLAIN.keys.values), list(PLAIN)),
        ("the keys differ.", "left has the names ['center', 'neighbor', 'sigma']",
         "right has ['x', 'y', 'z']", "rename_dimension()"),
    ),
    "samples": Mismatch(
        PLAIN,
        _changed(PLAIN, samples=_rows(SAMPLES, shift=2)),
        (f"the samples of block {KEY} differ.", "left has 4 entries, right has 4",
         f"first difference at row 0: {SAMPLES.entry(0).print()} vs (system=",
         "slice() both"),
    ),
    "order of samples": Mismatch(
        PLAIN,
        _changed(PLAIN, samples=_rows(SAMPLES, [0, 1, 3, 2])),
        ("first difference at row 2", "the same entries in another order: sort() both"),
    ),
    "properties": Mismatch(
        PLAIN,
        _changed(PLAIN, properties=_rows(PLAIN[0].properties, shift=5)),
        (f"the properties of block {KEY} differ.", "first difference at row 0",
         "slice() both"),
    ),
    "components": Mismatch(
        _components(0), _components(4),
        ("components 'component_0' of block (center=", "row 0"),
    ),
    "dtype": Mismatch(
        PLAIN, PLAIN.to(dtype=np.float32), ("float64", "float32", "tensor.to(dtype=...)"),
    ),
}  # fmt: skip
OPERATIONS: dict[str, Callable[[TensorMap, TensorMap], Any]] = {
    "add": jm.add,
    "subtract": jm.subtract,
    "multiply": jm.multiply,
    "divide": jm.divide,
    "lstsq": lambda a, b: jm.lstsq(a, b, rcond=None),
    "solve": jm.solve,
    "equal": jm.equal_raise,
    "allclose": jm.allclose_raise,
    "equal_metadata": jm.equal_metadata_raise,
    "join": lambda a, b: jm.join([a, b], "samples", add_dimension="part"),
    "dot": jm.dot,
}
# What an operation does not look at, or refuses before.
FREE = {
    "join": {"samples", "order of samples"},
    "dot": {"samples", "order of samples", "components"},
    "equal_metadata": {"dtype"},
    "equal": {"dtype"},
    "allclose": {"dtype"},
    "lstsq": {"properties"},
    "solve": {"properties"},
}
CASES = [
    (operation, mismatch)
    for operation in OPERATIONS
    for mismatch in MISMATCHES
    if mismatch not in FREE.get(operation, ())
]


@pytest.mark.parametrize(("operation", "mismatch"), CASES)
def test_mismatched_metadata(operation: str, mismatch: str) -> None:
    case = MISMATCHES[mismatch]
    with pytest.raises(JaxmetaError) as caught:
        OPERATIONS[operation](case.left, case.right)
    text = str(caught.value)
    if (operation, mismatch) == ("join", "dtype"):
        assert text.startswith(
            "join: all must have the same dtype.\n  found float32, float64"
        )
        return
    assert [part for part in case.says if part not in text] == [], text
    assert_house_form(text, operation)


def assert_house_form(text: str, operation: str) -> None:
    """One line of what and where that ends in a full stop; facts and remedy, indented."""
    what, *rest = text.splitlines()
    assert what.startswith(f"{operation}: "), text
    assert what.endswith("."), text
    assert rest, text
    assert all(line.startswith("  ") for line in rest), text


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
@pytest.mark.parametrize(
    "operation", ["lstsq", "solve", "equal", "allclose", "equal_metadata"]
)
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
