"""Blocks by position, dictionary, entry, labels and keywords; what is not there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmeta import JaxmetaError, Labels, LabelsEntry, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, OutOfRangeError


pytestmark = pytest.mark.usefixtures("wrong_types")

KEYS = Labels(["o3_lambda", "center_type"], [[0, 1], [0, 8], [2, 8], [-1, 1]])


def make(keys: Labels = KEYS) -> TensorMap:
    one = Labels.single()
    return TensorMap(
        keys, [TensorBlock(jnp.full((1, 1), i), one, [], one) for i in range(len(keys))]
    )


TENSOR = make()


def number(block: TensorBlock) -> int:
    return int(block.values[0, 0])


@pytest.mark.parametrize(
    "selection",
    [
        2,
        np.int64(2),
        np.uint8(2),
        np.array(2),
        {"o3_lambda": 2, "center_type": 8},
        {"center_type": 8, "o3_lambda": 2},
        {"o3_lambda": np.int32(2)},
        {"o3_lambda": 2},
        LabelsEntry(["o3_lambda", "center_type"], [2, 8]),
        LabelsEntry(["center_type", "o3_lambda"], [8, 2]),
        LabelsEntry("o3_lambda", [2]),
        KEYS[2],
        Labels("o3_lambda", [[2]]),
        Labels(["center_type", "o3_lambda"], [[8, 2]]),
    ],
)
def test_one_block(selection: Any) -> None:
    assert number(TENSOR.block(selection)) == 2
    assert number(TENSOR[selection]) == 2
    assert [number(b) for b in TENSOR.blocks(selection)] == [2]


def test_one_block_by_keywords() -> None:
    assert number(TENSOR.block(o3_lambda=0, center_type=8)) == 1
    assert number(TENSOR.block(center_type=np.int64(8), o3_lambda=0)) == 1
    assert number(TENSOR.block(o3_lambda=-1)) == 3
    assert number(TENSOR.block({"o3_lambda": 0}, center_type=1)) == 0
    assert number(make(Labels("selection", [[7]])).block(selection=7)) == 0
    assert number(make(Labels("k", [[7]])).block()) == 0


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ({}, [0, 1, 2, 3]),
        ({"center_type": 8}, [1, 2]),
        (LabelsEntry("o3_lambda", [0]), [0, 1]),
        (Labels("center_type", [[8], [1]]), [0, 1, 2, 3]),
        (Labels(["o3_lambda", "center_type"], [[2, 8], [0, 1]]), [2, 0]),
        ([2, 0], [2, 0]),
        ((np.int32(1),), [1]),
        (np.array([3, 3]), [3, 3]),
    ],
)
def test_several_blocks(selection: Any, expected: list[int]) -> None:
    assert [number(b) for b in TENSOR.blocks(selection)] == expected


def test_ways_through_all_blocks() -> None:
    assert len(TENSOR) == 4
    assert [number(b) for b in TENSOR] == [0, 1, 2, 3]
    assert [(key, number(b)) for key, b in TENSOR.items()] == list(
        zip(KEYS, range(4), strict=True)
    )
    assert [number(b) for b in TENSOR.blocks_by_id([3, 1])] == [3, 1]
    assert number(TENSOR.block_by_id(3)) == 3
    assert [number(b) for b in TENSOR.blocks(center_type=1)] == [0, 3]


def test_many_keys() -> None:
    keys = Labels(["a", "b"], [[i // 30, i % 30] for i in range(600)])
    tensor = make(keys)
    for i in (0, 31, 599):
        assert number(tensor.block(a=i // 30, b=i % 30)) == i
        assert number(tensor.block(dict(zip("ab", keys.values[i], strict=True)))) == i
    with pytest.raises(InvalidError) as caught:
        tensor.block(a=3)
    assert "30 blocks match (a=3)" in str(caught.value)
    assert "and 20 more" in str(caught.value)


CASES: dict[str, tuple[Callable[[], Any], type[JaxmetaError], str]] = {
    "nothing by keywords": (
        lambda: TENSOR.block(o3_lambda=9),
        MissingError,
        r"no block matches \(o3_lambda=9\).*\(o3_lambda=0, center_type=1\), ",
    ),
    "nothing by a whole key": (
        lambda: TENSOR.block({"o3_lambda": 2, "center_type": 1}),
        MissingError,
        r"no block matches \(o3_lambda=2, center_type=1\)",
    ),
    "nothing by an entry": (
        lambda: TENSOR.block(LabelsEntry("o3_lambda", [9])),
        MissingError,
        r"no block matches \(o3_lambda=9\)",
    ),
    "nothing by labels": (
        lambda: TENSOR.blocks(Labels("o3_lambda", [[9], [8]])),
        MissingError,
        "no block matches this selection of 2",
    ),
    "several": (
        lambda: TENSOR.block(center_type=8),
        InvalidError,
        r"2 blocks match \(center_type=8\), not one.*\(o3_lambda=0, center_type=8\), "
        r"\(o3_lambda=2, center_type=8\).*tensor\.blocks\(",
    ),
    "all of several": (lambda: TENSOR.block(), InvalidError, r"4 blocks match \(\)"),
    "a mask": (
        lambda: TENSOR.blocks([True, False, False, True]),
        InvalidTypeError,
        r"by position.*found True, a bool.*flatnonzero",
    ),
    "a list of labels for one dimension": (
        lambda: TENSOR.block(o3_lambda=[0], center_type=8),  # type: ignore[arg-type]
        InvalidError,
        "TensorMap: a key: .*one number per entry",
    ),
    "a traced label": (
        lambda: jax.jit(lambda i: TENSOR.block(o3_lambda=i).values)(0),
        InvalidTypeError,
        "TensorMap: a key: the values are traced by JAX, but labels are static",
    ),
    "a traced label in a whole key": (
        lambda: jax.jit(lambda i: TENSOR.block(o3_lambda=i, center_type=8).values)(0),
        InvalidTypeError,
        "TensorMap: a key: the values are traced by JAX, but labels are static",
    ),
    "an empty list": (lambda: TENSOR.blocks([]), MissingError, "this selection of 0"),
    "a wrong name": (
        lambda: TENSOR.block(centre_type=8),
        MissingError,
        "no dimension 'centre_type'.*did you mean 'center_type'",
    ),
    "a wrong name beside a right one": (
        lambda: TENSOR.block({"o3_lambda": 2, "centre_type": 8}),
        MissingError,
        "no dimension 'centre_type'",
    ),
    "a wrong name in labels": (
        lambda: TENSOR.blocks(Labels("lambda", [[0]])),
        MissingError,
        "no dimension 'lambda'.*did you mean 'o3_lambda'",
    ),
    "a position past the end": (
        lambda: TENSOR.block(4),
        OutOfRangeError,
        "no block at position 4.*there are 4 blocks",
    ),
    "a negative position": (lambda: TENSOR.block(-1), OutOfRangeError, "position -1"),
    "a position in a list": (lambda: TENSOR.blocks([0, 7]), OutOfRangeError, "position 7"),
    "a float": (
        lambda: TENSOR.block(1.0),
        InvalidTypeError,
        r"by position, dictionary, LabelsEntry or Labels.*found 1\.0, a float",
    ),
    "text": (lambda: TENSOR["a"], InvalidTypeError, "found 'a', a str"),
    "a float in a dictionary": (
        lambda: TENSOR.block({"o3_lambda": 0.5}),
        InvalidTypeError,
        "a key: label values must be integers",
    ),
    "a number that is no label": (
        lambda: TENSOR.block(o3_lambda=2**40),
        InvalidError,
        "does not fit into int32",
    ),
    "a position and keywords": (
        lambda: TENSOR.block(0, o3_lambda=0),
        InvalidTypeError,
        "either one argument or keyword arguments",
    ),
    "by_id with a dictionary": (
        lambda: TENSOR.blocks_by_id([9]),
        OutOfRangeError,
        "position 9",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_not_there(case: str) -> None:
    call, kind, message = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.startswith(("TensorMap: ", "Labels.select: "))
    assert re.search(message, text, re.DOTALL), text


def test_no_blocks_at_all() -> None:
    empty = make(Labels.empty(["a", "b"]))
    assert empty.blocks() == list(empty) == list(empty.items()) == []
    assert (empty.sample_names, empty.component_names, empty.property_names) == ([], [], [])
    assert (empty.dtype, empty.device, len(empty)) == (None, "cpu", 0)
    for call in (lambda: empty.block(), lambda: empty.block(a=0)):
        with pytest.raises(MissingError, match="there are no blocks"):
            call()
    with pytest.raises(OutOfRangeError, match="there are 0 blocks"):
        empty.block(0)


@pytest.mark.usefixtures("wrong_types")
def test_one_position_is_no_list_of_them() -> None:
    tensor = TensorMap(Labels.empty("k"), [])
    with pytest.raises(InvalidTypeError, match="the positions must be a list"):
        tensor.blocks_by_id(3)  # type: ignore[arg-type]
