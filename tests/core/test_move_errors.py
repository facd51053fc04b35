"""What the moves of keys and components refuse, and how they say it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import pytest
from test_block_constructor import SYSTEMS, M, N, block, gradient

from jaxmeta import JaxmetaError, Labels, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError


pytestmark = pytest.mark.usefixtures("wrong_types")

KEYS = Labels(["center_type", "l"], [[1, 0], [8, 0], [8, 1]])
OTHER_M = Labels("m", [[0], [1], [5]])


def tensor(**changed: Any) -> TensorMap:
    """The second block has some parts changed."""
    return TensorMap(KEYS, [block(), block(**changed), block()])


def whole(dtype: str) -> TensorMap:
    return tensor().to(dtype=dtype)


def other_gradients() -> TensorMap:
    xyz = Labels("xyz", [[0], [1], [3]])
    return tensor_of(gradient(), gradient(components=[xyz, M]))


def tensor_of(*gradients: Any) -> TensorMap:
    keys = Labels("k", [[i] for i in range(len(gradients))])
    return TensorMap(keys, [block(gradients={"x": g}) for g in gradients])


KEYS_WITH_ENTRIES = Labels("center_type", [[1]])

CASES: dict[str, tuple[Callable[[], Any], type[JaxmetaError], str]] = {
    "an unknown key to samples": (
        lambda: tensor().keys_to_samples("centre_type"),
        MissingError,
        "^keys_to_samples: the keys have no dimension 'centre_type'.*"
        "did you mean 'center_type'",
    ),
    "an unknown key to properties": (
        lambda: tensor().keys_to_properties(["l", "x"]),
        MissingError,
        "^keys_to_properties: the keys have no dimension 'x'",
    ),
    "an unknown name in Labels": (
        lambda: tensor().keys_to_properties(Labels("x", [[0]])),
        MissingError,
        "no dimension 'x'",
    ),
    "a key twice": (
        lambda: tensor().keys_to_samples(["l", "l"]),
        InvalidError,
        "^keys_to_samples: every dimension needs a name of its own",
    ),
    "a number for a key": (
        lambda: tensor().keys_to_samples(3),  # type: ignore[arg-type]
        InvalidTypeError,
        "names must be a string",
    ),
    "entries to samples": (
        lambda: tensor().keys_to_samples(KEYS_WITH_ENTRIES),
        InvalidError,
        r"entries can not be moved to samples.*1 entries of \['center_type'\].*only the",
    ),
    "a name that the samples have": (
        lambda: TensorMap(SYSTEMS, [block(), block()]).keys_to_samples("system"),
        InvalidError,
        r"samples have the dimension 'system' already.*rename_dimension",
    ),
    "a name that the properties have": (
        lambda: TensorMap(N, [block(), block()]).keys_to_properties("n"),
        InvalidError,
        "properties have the dimension 'n' already",
    ),
    "components that differ, to samples": (
        lambda: tensor(components=[OTHER_M]).keys_to_samples("center_type"),
        InvalidError,
        r"components 'm' of block \(center_type=1, l=0\) \(left\) and block "
        r"\(center_type=8, l=0\) \(right\) differ.*row 2: \(m=2\) vs \(m=5\).*stay apart",
    ),
    "components that differ, to properties": (
        lambda: tensor(components=[OTHER_M]).keys_to_properties("center_type"),
        InvalidError,
        "^keys_to_properties: the components 'm'",
    ),
    "components of gradients that differ": (
        lambda: other_gradients().keys_to_samples("k"),
        InvalidError,
        "components 'xyz' in gradient 'x'.*\\(xyz=2\\) vs \\(xyz=3\\)",
    ),
    "fixed keys and properties that differ": (
        lambda: tensor(properties=Labels("n", [[4], [5]])).keys_to_properties(
            KEYS_WITH_ENTRIES
        ),
        InvalidError,
        r"properties of block .*\(n=0\) vs \(n=4\).*need equal properties",
    ),
    "a fill value that is text": (
        lambda: tensor().keys_to_samples("l", fill_value="0"),  # type: ignore[arg-type]
        InvalidTypeError,
        "fill value must be a number.*'0'",
    ),
    "a complex fill value": (
        lambda: tensor().keys_to_samples("l", fill_value=1j),  # type: ignore[arg-type]
        InvalidError,
        r"values are float64, the fill value is 1j",
    ),
    "a broken fill value": (
        lambda: whole("int32").keys_to_properties("l", fill_value=0.5),
        InvalidError,
        r"values are int32, the fill value is 0\.5",
    ),
    "a fill value that is too large": (
        lambda: whole("int8").keys_to_properties("l", fill_value=300),
        InvalidError,
        "values are int8, the fill value is 300",
    ),
    "an infinite fill value": (
        lambda: whole("int32").keys_to_samples("l", fill_value=float("inf")),
        InvalidError,
        "values are int32, the fill value is inf",
    ),
    "no number for whole numbers": (
        lambda: whole("int32").keys_to_samples("l", fill_value=float("nan")),
        InvalidError,
        "values are int32, the fill value is nan",
    ),
    "a fill value for bools": (
        lambda: tensor_of_bools().keys_to_samples("k", fill_value=2),
        InvalidError,
        "values are bool, the fill value is 2",
    ),
    "an unknown component": (
        lambda: tensor().components_to_properties("mu"),
        MissingError,
        "^components_to_properties: there is no component 'mu'.*did you mean 'm'",
    ),
    "components of a map without any": (
        lambda: tensor_of_bools().components_to_properties("m"),
        MissingError,
        "no component 'm'.*there are no names here",
    ),
    "a component that the properties have": (
        lambda: TensorMap(
            Labels.single(), [block(properties=Labels.range("m", 2))]
        ).components_to_properties("m"),
        InvalidError,
        "properties have the dimension 'm' already",
    ),
}


def tensor_of_bools() -> TensorMap:
    one = block(values=jnp.zeros((2, 2), bool), components=[])
    return TensorMap(Labels("k", [[0], [1]]), [one, one])


@pytest.mark.parametrize("case", CASES)
def test_refused(case: str) -> None:
    call, kind, message = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


def test_blocks_that_stay_apart_may_differ() -> None:
    keys = Labels(["a", "b"], [[0, 0], [1, 0], [0, 1]])
    found = TensorMap(keys, [block(), block(components=[OTHER_M]), block()])
    moved = found.keys_to_samples("b")
    assert moved.keys == Labels("a", [[0], [1]])
    assert [b.components for b in moved] == [[M], [OTHER_M]]
    assert [len(b) for b in moved] == [4, 2]
