"""Arguments of the wrong kind end in jaxmeta's own errors, which say what was found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from operations.examples import Recipe, random_map

import jaxmeta as jm
from jaxmeta import JaxmetaError, TensorMap


TENSOR = random_map(Recipe(rows=(4,)))
BLOCK = TENSOR[0]

CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "a tolerance in words": (
        lambda: jm.allclose(TENSOR, TENSOR, rtol="x"),  # type: ignore[arg-type]
        "allclose: rtol must be a number that is not negative.\n  found 'x', a str",
    ),
    "a negative tolerance": (
        lambda: jm.allclose_raise(TENSOR, TENSOR, atol=-1.0),
        "atol must be a number that is not negative.\n  found -1.0",
    ),
    "a tolerance beyond all numbers": (
        lambda: jm.allclose(TENSOR, TENSOR, rtol=10**400),
        "allclose: rtol must be a number that is not negative.\n"
        "  found a larger number than any float, a int",
    ),
    "a word for a truth value": (
        lambda: jm.allclose(TENSOR, TENSOR, equal_nan="no"),  # type: ignore[arg-type]
        "allclose: equal_nan is True or False.\n  found 'no', a str",
    ),
    "a tolerance that is no number": (
        lambda: jm.allclose_block(BLOCK, BLOCK, rtol=float("nan")),
        "found nan",
    ),
    "no axes to check": (
        lambda: jm.equal_metadata(TENSOR, TENSOR, check=None),  # type: ignore[arg-type]
        "equal_metadata: check must be 'all' or a list of axes.\n  found None",
    ),
    "gradients in a list": (
        lambda: BLOCK.gradient(["positions"]),  # type: ignore[arg-type]
        "there is no gradient ['positions'].",
    ),
    "rows in words": (
        lambda: TENSOR.print("all"),  # type: ignore[arg-type]
        "print: the number of rows to show must be an integer.\n  found 'all'",
    ),
    "an array for an axis": (
        lambda: jm.join([TENSOR, TENSOR], axis=np.zeros(2)),  # type: ignore[arg-type]
        "join: there is no axis array([0., 0.]) here.",
    ),
    "an array for an axis to slice": (
        lambda: jm.slice(TENSOR, np.zeros(2), [0]),  # type: ignore[arg-type]
        "slice: there is no axis array([0., 0.]) here.",
    ),
    "an array for a choice": (
        lambda: jm.add(TENSOR, TENSOR, different_keys=np.zeros(2)),  # type: ignore[arg-type]
        "add: there is no different_keys array([0., 0.]) here.",
    ),
    "a number beyond all floats": (
        lambda: TENSOR * 10**400,
        "multiply: the scalar is too large for the values.",
    ),
    "a name in an array": (
        lambda: jm.remove_dimension(TENSOR, "samples", np.ones(3)),  # type: ignore[arg-type]
        "remove_dimension: the samples have no dimension array([1., 1., 1.]).",
    ),
    "gradients that are a number": (
        lambda: jm.remove_gradients(TENSOR, np.array(3)),  # type: ignore[arg-type]
        "remove_gradients: the gradients to remove are a name, or a list of them.",
    ),
    "half precision in a solver": (
        lambda: jm.lstsq(TENSOR.to(dtype=np.float16), TENSOR.to(dtype=np.float16), 0.1),
        "lstsq: the values are float16, which no solver takes.",
    ),
    "a function for values of a dimension": (
        lambda: jm.update_dimension(TENSOR, "samples", "system", len),  # type: ignore[arg-type]
        "update_dimension: the values of a dimension are integers or arrays.\n"
        "  found a function\n"
        "  call it first, for each block: [function(block.samples) for block in tensor].",
    ),
    "a function for a new dimension of the keys": (
        lambda: jm.append_dimension(TENSOR, "keys", "new", len),  # type: ignore[arg-type]
        "append_dimension: the values of a dimension are integers or arrays.\n"
        "  found a function\n  call it first: function(tensor.keys).",
    ),
    "subscripts in a list": (
        lambda: jm.einsum(["s n", "k n"], TENSOR, TENSOR),  # type: ignore[arg-type]
        "einsum: the subscripts must be a string.\n  found list\n"
        '  write for instance "(system atom) m n, k n -> (system atom) m k". '
        "The maps follow, one for each operand.",
    ),
    "operands of einsum in a list": (
        lambda: jm.einsum("s n, k n -> s k", [TENSOR, TENSOR]),  # type: ignore[arg-type]
        "it has 2 operands, 1 maps were given\n"
        "  maps follow the subscripts, one for each operand: einsum(text, A, B).",
    ),
    "a condition that is one bool": (
        lambda: jm.where(True, TENSOR, TENSOR),
        "where: the condition must be a TensorMap or a TensorBlock of bools.\n"
        "  found builtins.bool\n"
        "  mask(predicate, tensor) makes one, as mask(lambda x: x > 0, tensor); "
        "one bool for all values chooses as A if condition else B.",
    ),
    "a condition that is an array": (
        lambda: jm.where(BLOCK.values > 0, BLOCK, 0.0),  # type: ignore[arg-type]
        "where: the condition must be a TensorMap or a TensorBlock of bools.\n  found ",
    ),
    "a capacity beyond all labels": (
        lambda: jm.pad(TENSOR, 10**13),
        "the capacity for the samples is too large.\n  found 10000000000000",
    ),
}


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(("call", "says"), CALLS.values(), ids=CALLS)
def test_the_error_says_what_was_found(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(JaxmetaError) as raised:
        call()
    assert says in str(raised.value)


def test_has_gradient_answers_for_anything(wrong_types: None) -> None:
    assert BLOCK.has_gradient("positions")
    assert not BLOCK.has_gradient(["positions"])  # type: ignore[arg-type]


def test_numpy_numbers_are_numbers(wrong_types: None) -> None:
    assert jm.allclose(TENSOR, TENSOR, rtol=np.float32(0.1), atol=np.int64(0))
    assert isinstance(TENSOR.print(np.int64(2)), str)


@pytest.mark.parametrize("path", ["", "folder/"])
def test_a_path_that_names_no_file(path: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JaxmetaError, match="the path names no file"):
        jm.save(path, TensorMap(TENSOR.keys, list(TENSOR)))
    assert not list(tmp_path.iterdir())


def test_weights_without_properties() -> None:
    none = jm.slice(TENSOR, "properties", [])
    for fit in (lambda x, y: jm.lstsq(x, y, 1e-6), lambda x, y: jm.lstsq(x, y, None)):
        assert fit(none, TENSOR)[0].shape == (2, 0)
        assert fit(TENSOR, none)[0].shape == (0, 2)


def test_large_integers_beside_floats() -> None:
    doubled = jm.remove_gradients(TENSOR) * 2**70
    np.testing.assert_allclose(doubled[0].values, BLOCK.values * 2.0**70, rtol=1e-15)


def test_abs_is_an_operator() -> None:
    assert jm.equal(abs(TENSOR), jm.abs(TENSOR))
