"""Arithmetic of maps and blocks: under the operators and under `operations.math`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core.arithmetic import _elementwise, _pairs, _scalars
from jaxmeta.core.dot import _dot
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.layouts._precision import check_inexact
from jaxmeta.core.plans._key_choices import DifferentKeys, check_different_keys
from jaxmeta.errors import InvalidTypeError, compose


_BOTH = frozenset({0, 1})
_ADD = RowFunction("add", jnp.add, _BOTH, passes=_BOTH, alone=("same", "same"))
_SUBTRACT = RowFunction(
    "subtract",
    jnp.subtract,
    _BOTH,
    passes=frozenset({0}),
    alone=("same", "negative"),
)
_MULTIPLY = RowFunction(
    "multiply", jnp.multiply, coupled=frozenset({(0, 1)}), alone=("zero", "zero")
)
_DIVIDE = RowFunction(
    "divide",
    jnp.divide,
    coupled=frozenset({(0, 1), (1, 1)}),
    alone=("undefined", "zero"),
)

# How explicit gradients go through a function of a tensor and a scalar.
_RULES = {
    "add": _scalars.SHIFT,
    "subtract": _scalars.SHIFT,
    "multiply": _scalars.LINEAR,
    "divide": _scalars.LINEAR,
}


def add(left: Any, right: Any, different_keys: DifferentKeys = "error") -> Any:
    """left + right; a scalar leaves gradients as they are."""
    return _binary(_ADD, left, right, different_keys)


def subtract(left: Any, right: Any, different_keys: DifferentKeys = "error") -> Any:
    """left - right; a scalar leaves gradients as they are."""
    _check_no_bools("subtract", left, "difference")
    return _binary(_SUBTRACT, left, right, different_keys)


def subtract_from(scalar: Any, tensor: Any) -> Any:
    """scalar - tensor; gradients change their sign."""
    _check_no_bools("subtract", tensor, "difference")
    return _scalars.apply("subtract", _subtracted_from, tensor, scalar, _scalars.REFLECTION)


def negative(tensor: Any) -> Any:
    """-tensor; not of bools and unsigned integers, which have no other sign."""
    dtype = tensor.dtype
    if dtype is not None and (
        dtype == np.bool_ or jnp.issubdtype(dtype, np.unsignedinteger)
    ):
        raise InvalidTypeError(
            compose(
                f"negative: the values are {dtype}, which has no negative ones.",
                remedy="convert on purpose first: tensor.to(dtype=...).",
            )
        )
    return multiply(tensor, -1)


def multiply(left: Any, right: Any, different_keys: DifferentKeys = "error") -> Any:
    """left * right, by the product rule."""
    return _binary(_MULTIPLY, left, right, different_keys)


def divide(left: Any, right: Any, different_keys: DifferentKeys = "error") -> Any:
    """left / right, by the quotient rule."""
    check_inexact("divide", left, "the result")
    return _binary(_DIVIDE, left, right, different_keys)


def reciprocal(tensor: Any, scalar: Any) -> Any:
    """scalar / tensor."""
    check_inexact("divide", tensor, "the result")
    return _scalars.apply("divide", _divided_by, tensor, scalar, _scalars.NONLINEAR)


def power(tensor: Any, exponent: Any) -> Any:
    """tensor ** exponent, for a scalar exponent."""
    if isinstance(exponent, type(tensor)):
        raise InvalidTypeError(
            compose("pow: the exponent must be a scalar.", "found a TensorMap")
        )
    _check_no_bools("pow", tensor, "power")
    # Of an exponent in an array, which may be traced, nobody knows the sign.
    unknown = isinstance(exponent, np.ndarray | jax.Array)
    if unknown or (isinstance(exponent, int | np.integer) and exponent < 0):
        check_inexact("pow", tensor, "the result")
    number = _scalars.checked("pow", tensor, exponent)
    if isinstance(number, int | float) and abs(number) <= _WHOLE and number == int(number):
        return _elementwise.apply("pow", _whole_power, tensor, (int(number),))
    return _scalars.apply("pow", jnp.power, tensor, exponent, _scalars.NONLINEAR)


def absolute(tensor: Any) -> Any:
    """The absolute values; real ones of complex numbers."""
    return _elementwise.apply("abs", _modulus, tensor)


# Whole exponents up to this are known to the compiler: products of values, without the
# logarithm of a number that may be zero or negative.
_WHOLE = 1024


def _whole_power(x: Any, exponent: int) -> Any:
    return jax.lax.integer_pow(x, exponent)


def _modulus(x: Any) -> Any:
    """The absolute values; at zero, all derivatives are zero."""
    zero = x == 0
    modulus = jnp.abs(jnp.where(zero, jnp.ones((), x.dtype), x))
    return jnp.where(zero, jnp.zeros((), modulus.dtype), modulus)


def dot(left: Any, right: Any, different_keys: DifferentKeys = "error") -> Any:
    """left @ right.T along the properties, block by block."""
    return _dot.apply(left, right, different_keys)


def _divided_by(x: Any, scalar: Any) -> Any:
    return jnp.divide(scalar, x)


def _subtracted_from(x: Any, scalar: Any) -> Any:
    return jnp.subtract(scalar, x)


def _check_no_bools(operation: str, tensor: Any, result: str) -> None:
    if tensor.dtype == np.bool_:
        raise InvalidTypeError(
            compose(
                f"{operation}: the values are bools, which have no {result}.",
                remedy="convert on purpose first: tensor.to(dtype=...).",
            )
        )


def _binary(known: RowFunction, left: Any, right: Any, different_keys: Any) -> Any:
    check_different_keys(known.operation, different_keys)
    if isinstance(right, type(left)):
        return _pairs.apply(known, left, right, different_keys)
    return _scalars.apply(
        known.operation, known.function, left, right, _RULES[known.operation]
    )
