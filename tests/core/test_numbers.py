"""Numbers that the values can not hold are refused, never made into others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError


def values(dtype: Any) -> TensorMap:
    block = TensorBlock(
        jnp.ones((2, 2), dtype), Labels.range("s", 2), [], Labels.range("n", 2)
    )
    return TensorMap(Labels.range("k", 1), [block])


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a scalar that would be infinite": (
        lambda: values(jnp.float32) + 1e300,
        "too large for the values",
    ),
    "a power with an exponent of unknown sign": (
        lambda: values(jnp.int32) ** np.array(-1, np.int32),
        "the values are int32, the result would not be",
    ),
    "a difference of bools": (
        lambda: values(jnp.bool_) - values(jnp.bool_),
        "the values are bools, which have no difference",
    ),
    "a power of bools": (
        lambda: values(jnp.bool_) ** True,
        "pow: the values are bools, which have no power",
    ),
    "a number minus bools": (
        lambda: True - values(jnp.bool_),
        "subtract: the values are bools, which have no difference",
    ),
    "bools of another sign": (
        lambda: -values(jnp.bool_),
        "negative: the values are bool, which has no negative ones",
    ),
    "unsigned integers of another sign": (
        lambda: -values(jnp.uint8),
        "negative: the values are uint8, which has no negative ones",
    ),
    "a negative factor of unsigned integers": (
        lambda: values(jnp.uint8) * -1,
        "multiply: the scalar does not fit the values.\n  the values are uint8, which has "
        "no negative ones; found -1",
    ),
    "a negative number before unsigned integers": (
        lambda: np.int64(-2) * values(jnp.uint32),
        "uint32, which has no negative ones; found -2",
    ),
    "a difference that can only be negative": (
        lambda: values(jnp.uint8) + -256,
        "uint8, which has no negative ones; found -256",
    ),
    "an integer that is too large": (
        lambda: values(jnp.int8) * 128,
        "the values are int8, from -128 to 127; found 128",
    ),
    "a sum of bools": (
        lambda: jm.sum_over_samples(values(jnp.bool_), "s"),
        "the values are bools",
    ),
    "a cut-off that is no number": (
        lambda: jm.lstsq(values(float), values(float), rcond=float("nan")),
        "rcond must be None, or a number that is not negative",
    ),
    "a cut-off below zero": (
        lambda: jm.lstsq(values(float), values(float), rcond=-1.0),
        "rcond must be None, or a number that is not negative",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    operation, message = REFUSED[what]
    with pytest.raises(InvalidTypeError, match=message):
        operation()


def test_infinity_and_nan_are_numbers() -> None:
    tensor = values(jnp.float32)
    assert np.isinf((tensor + np.inf)[0].values).all()
    assert np.isnan((tensor * np.nan)[0].values).all()
    assert ((tensor * 3e38)[0].values == jnp.float32(3e38)).all()


def test_a_fill_value_that_would_be_infinite() -> None:
    with pytest.raises(InvalidError, match="can not hold the fill value"):
        values(jnp.float32).keys_to_properties("k", fill_value=1e300)


@pytest.mark.parametrize(
    "array",
    [
        np.ones((1, 1), ">f8" if np.little_endian else "<f8"),
        np.ones((1, 1), np.longdouble),
        np.ma.masked_array(np.ones((1, 1)), True),
    ],
    ids=["swapped bytes", "long double", "masked"],
)
def test_arrays_that_jax_can_not_hold(array: np.ndarray) -> None:
    with pytest.raises(InvalidTypeError, match="TensorBlock: "):
        TensorBlock(array, Labels.range("s", 1), [], Labels.range("n", 1))


def test_traced_exponents_of_floating_point_values() -> None:
    squared = jax.jit(lambda t, e: t**e)(values(float) * 3.0, jnp.asarray(2.0))
    np.testing.assert_allclose(squared[0].values, 9.0)


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.uint32, jnp.uint64])
def test_unsigned_integers_less_a_number(dtype: Any) -> None:
    """Negative numbers may be added: the sum is right wherever it is not negative."""
    largest = int(jnp.iinfo(dtype).max)
    tensor = values(dtype)
    for result, expected in (
        (5 - tensor, 4),
        (tensor - 1, 0),
        (tensor * largest + -largest, 0),
        (tensor * 0 + largest - largest, 0),
        (largest - tensor, largest - 1),
    ):
        assert result.dtype == dtype
        assert set(np.asarray(result[0].values).ravel().tolist()) == {expected}


def test_large_unsigned_integers_without_x64() -> None:
    """JAX takes Python integers for 32 bits with a sign; the values have none."""
    with jax.enable_x64(False):
        tensor = values(jnp.uint32)
        largest = 2**32 - 1
        for result in (tensor * largest, largest - 0 * tensor, tensor - 1 + largest):
            assert np.asarray(result[0].values).ravel().tolist() == [largest] * 4
            assert result.dtype == jnp.uint32


def test_a_number_minus_a_map_of_gradients() -> None:
    n = Labels.range("n", 2)
    rows = Labels("sample", [[1]])
    below = TensorBlock(jnp.ones((1, 2), jnp.int8), rows, [], n)
    block = TensorBlock(
        jnp.ones((2, 2), jnp.int8), Labels.range("s", 2), [], n, {"x": below}
    )
    result = (100 - TensorMap(Labels.single(), [block]))[0]
    assert set(np.asarray(result.values).ravel().tolist()) == {99}
    assert result.gradient("x").values.tolist() == [[-1, -1]]
