"""The check of explicit gradients with all that operations may take and give."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap, pad
from jaxmeta.errors import (
    FailedCheckError,
    InvalidError,
    InvalidTypeError,
    JaxmetaError,
    PrecisionError,
)
from jaxmeta.testing import Recipe, assert_exact_gradients, random_block, random_map
from jaxmeta.testing.strategies import pairs, tensors


BLOCK = random_block(Recipe(rows=(4,)))
TENSOR = random_map(Recipe(rows=(4, 0)))


def test_the_result_is_given_back() -> None:
    result = assert_exact_gradients(lambda t: 3 * t, TENSOR)
    assert jm.equal(result, 3 * TENSOR)


@settings(max_examples=2)
@given(pairs(order=2, rows=(4, 1), components=()))
def test_two_maps(pair: tuple[TensorMap, TensorMap]) -> None:
    assert_exact_gradients(lambda a, b: 2 * a - b, *pair)
    assert_exact_gradients(lambda a, b: a * b, *pair)


@settings(max_examples=2)
@given(tensors(order=3, rows=(4,), components=(), density=0.6))
def test_linear_operations_at_third_order(tensor: TensorMap) -> None:
    assert_exact_gradients(lambda a: jm.sum_over_samples(a, "atom"), tensor)


def test_blocks_and_lists() -> None:
    assert_exact_gradients(lambda b: jm.sum_over_samples_block(b, "atom"), BLOCK)
    assert_exact_gradients(lambda b, t: [b, jm.slice(t, "samples", []), b], BLOCK, TENSOR)
    assert_exact_gradients(lambda t: (t,), TENSOR)
    gradient = BLOCK.gradient("positions")
    wrong = BLOCK.with_gradient("positions", gradient.with_values(2 * gradient.values))
    with pytest.raises(FailedCheckError, match=r"\n  \[1\] the block, row \d "):
        assert_exact_gradients(lambda b: [b, wrong], BLOCK, values=lambda b: [b, b])


def test_values_that_nothing_influences() -> None:
    assert_exact_gradients(lambda t: t * 0 + 5, TENSOR)
    constant = jm.remove_gradients(TENSOR)
    assert_exact_gradients(lambda _: constant, TENSOR)
    with pytest.raises(FailedCheckError, match=r"expected 0\.0"):
        assert_exact_gradients(lambda t: t, TENSOR, values=lambda _: constant)


def test_maps_without_blocks() -> None:
    empty = TensorMap(Labels.empty("k"), [])
    assert_exact_gradients(lambda t: t, empty)
    assert_exact_gradients(lambda _: empty, TENSOR)
    assert_exact_gradients(lambda a, b: b, empty, TENSOR)
    bare = jm.remove_gradients(TENSOR)
    assert_exact_gradients(lambda _: bare, empty)
    with pytest.raises(FailedCheckError, match=r"expected 0\.0"):
        assert_exact_gradients(lambda _: TENSOR, empty)


def test_a_gradient_without_rows_beside_one_with_rows() -> None:
    tensor = random_map(Recipe(rows=(1,), gradients=("positions", "strain")))
    counts = {name: len(g.samples) for name, g in tensor[0].gradients()}
    assert counts == {"positions": 2, "strain": 0}
    assert_exact_gradients(lambda t: t * t, tensor)
    with pytest.raises(FailedCheckError, match="by positions"):
        assert_exact_gradients(lambda t: _gradients_times(2, t), tensor)


# Numbers --------------------------------------------------------------------------------


def conjugate(tensor: Any) -> Any:
    return jax.tree.map(jnp.conj, tensor)


def magnitude(tensor: TensorMap) -> TensorMap:
    """Of complex values, with real gradients by the chain rule."""
    (block,) = tensor
    size = jnp.abs(block.values)
    gradients = {}
    for name, gradient in block.gradients():
        rows = np.asarray(gradient.samples.values)[:, 0]
        product = gradient.values * jnp.conj(block.values)[rows][:, None]
        values = product.real / size[rows][:, None]
        gradients[name] = TensorBlock(
            values, gradient.samples, gradient.components, gradient.properties
        )
    block = TensorBlock(size, block.samples, [], block.properties, gradients)
    return TensorMap(tensor.keys, [block])


def _conjugates_of_gradients(tensor: TensorMap) -> list[Any]:
    """The same values, but with other derivatives."""
    values = [block.values for block in tensor]
    return [jax.lax.stop_gradient(x + jnp.conj(x)) - jnp.conj(x) for x in values]


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
def test_complex_numbers(dtype: str) -> None:
    tensor = random_map(Recipe(rows=(4,), dtype=dtype))
    assert_exact_gradients(lambda t: t * t, tensor)
    # Neither has a complex derivative, but both have derivatives by real parameters.
    assert_exact_gradients(conjugate, tensor)
    assert_exact_gradients(magnitude, tensor)
    with pytest.raises(FailedCheckError, match=r"expected .*j\), found .*j\)"):
        assert_exact_gradients(lambda t: t, tensor, values=_conjugates_of_gradients)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_other_precisions(dtype: str) -> None:
    tensor = random_map(Recipe(rows=(4,), dtype=dtype))
    assert_exact_gradients(lambda t: t * t, tensor)
    assert_exact_gradients(lambda t: t.to(dtype="float64"), tensor, dtype="float64")
    with pytest.raises(FailedCheckError, match=f"has float64, expected {dtype}"):
        assert_exact_gradients(lambda t: t.to(dtype="float64"), tensor)
    with pytest.raises(FailedCheckError, match="by positions"):
        assert_exact_gradients(lambda t: _gradients_times(1.1, t), tensor)


def _gradients_times(factor: float, tensor: TensorMap) -> TensorMap:
    leaves, tree = jax.tree.flatten(tensor)
    changed = [x if i == 0 else x * factor for i, x in enumerate(leaves)]
    return jax.tree.unflatten(tree, changed)


def test_tolerances() -> None:
    for name in ("rtol", "atol"):
        other = {"rtol": 0.0, "atol": 0.0}
        tensor = random_map(Recipe(rows=(4,)))
        wrong = {**other, name: 1e-3}
        assert_exact_gradients(lambda t: _gradients_times(1 + 1e-4, t), tensor, **wrong)
        with pytest.raises(FailedCheckError):
            assert_exact_gradients(lambda t: _gradients_times(1.01, t), tensor, **wrong)


# Dynamic samples ------------------------------------------------------------------------


PADDED = pad(TENSOR, {"samples": 5, "positions": 9})


def test_dynamic_samples() -> None:
    assert_exact_gradients(lambda t: t, PADDED)
    with pytest.raises(FailedCheckError, match=r"block .*, row \d of the values\n"):
        assert_exact_gradients(lambda t: t, PADDED, values=lambda t: _gradients_off(t))


def _gradients_off(tensor: TensorMap) -> list[Any]:
    return [jax.lax.stop_gradient(block.values) for block in tensor]


def test_dynamic_rows_of_samples_that_are_not_there_are_found() -> None:
    def wrong(tensor: TensorMap) -> TensorMap:
        leaves = list(tensor._leaves)
        if len(leaves) > 4:
            leaves[3] = leaves[3].at[0, 0].set(17)
        return TensorMap._view(tensor._layout, tuple(leaves))

    with pytest.raises(FailedCheckError, match="none that could be built"):
        assert_exact_gradients(wrong, PADDED)


# What is refused ------------------------------------------------------------------------


INTEGERS = random_map(Recipe(dtype="int32"))
REFUSED: dict[str, tuple[Any, type[JaxmetaError], str]] = {
    "integers": (lambda: check(INTEGERS), InvalidTypeError, "of the arguments has int32"),
    "integers as a result": (
        lambda: assert_exact_gradients(lambda _: INTEGERS, TENSOR),
        InvalidTypeError,
        "of the result has int32",
    ),
    "nothing": (lambda: check(), InvalidError, "no map or block to check with"),
    "an order of none": (lambda: check(TENSOR, order=0), InvalidError, "found 0"),
    "an array": (lambda: check(TENSOR, np.ones(2)), InvalidTypeError, "close over"),
    "an array as a result": (
        lambda: assert_exact_gradients(lambda t: t[0].values, TENSOR),
        InvalidTypeError,
        "only maps and blocks have explicit gradients",
    ),
}


def check(*tensors: Any, **options: Any) -> None:
    assert_exact_gradients(lambda t, *_: t, *tensors, **options)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with untyped(), pytest.raises(error, match=message) as caught:
        call()
    assert not isinstance(caught.value, AssertionError)


def test_double_precision_without_x64_is_refused() -> None:
    tensor = TENSOR.to(arrays="numpy")
    with jax.enable_x64(False), pytest.raises(PrecisionError, match="without x64"):
        check(tensor)
