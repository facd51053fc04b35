"""Arithmetic of maps and blocks: under the operators and under `operations.math`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import _dot, _pairs, _scalars
from jaxmeta.core._precision import check_inexact
from jaxmeta.errors import InvalidTypeError, compose


# How explicit gradients go through a function of a tensor and a scalar.
_RULES = {
    "add": _scalars.SHIFT,
    "subtract": _scalars.SHIFT,
    "multiply": _scalars.LINEAR,
    "divide": _scalars.LINEAR,
}
_LINEAR_IN_BOTH = ("add", "subtract")


def add(left: Any, right: Any) -> Any:
    """left + right; a scalar leaves gradients as they are."""
    return _binary("add", jnp.add, left, right)


def subtract(left: Any, right: Any) -> Any:
    """left - right; a scalar leaves gradients as they are."""
    if left.dtype == np.bool_:
        raise InvalidTypeError(
            compose(
                "subtract: the values are bools, which have no difference.",
                remedy="convert on purpose first: tensor.to(dtype=...).",
            )
        )
    return _binary("subtract", jnp.subtract, left, right)


def multiply(left: Any, right: Any) -> Any:
    """left * right, by the product rule."""
    return _binary("multiply", jnp.multiply, left, right)


def divide(left: Any, right: Any) -> Any:
    """left / right, by the quotient rule."""
    check_inexact("divide", left, "the result")
    return _binary("divide", jnp.divide, left, right)


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
    # Of an exponent in an array, which may be traced, nobody knows the sign.
    unknown = isinstance(exponent, np.ndarray | jax.Array)
    if unknown or (isinstance(exponent, int | np.integer) and exponent < 0):
        check_inexact("pow", tensor, "the result")
    return _scalars.apply("pow", jnp.power, tensor, exponent, _scalars.NONLINEAR)


def dot(left: Any, right: Any) -> Any:
    """left @ right.T along the properties, block by block."""
    return _dot.apply(left, right)


def _divided_by(x: Any, scalar: Any) -> Any:
    return jnp.divide(scalar, x)


def _binary(operation: str, function: Callable[..., Any], left: Any, right: Any) -> Any:
    if isinstance(right, type(left)):
        return _pairs.apply(operation, function, left, right, operation in _LINEAR_IN_BOTH)
    return _scalars.apply(operation, function, left, right, _RULES[operation])
