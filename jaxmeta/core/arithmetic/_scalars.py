"""Functions of a tensor and one scalar."""

from __future__ import annotations

import cmath
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.layouts._precision import check_differentiable
from jaxmeta.core.plans._plans import Plan, Step, keep, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, plan_of, run
from jaxmeta.errors import InvalidTypeError, compose


# How gradients follow: they stay, with the other sign, by the same function, or by its
# derivative.
SHIFT, REFLECTION, LINEAR, NONLINEAR = "shift", "reflection", "linear", "nonlinear"

_FIRST = frozenset({0})
_KNOWN: dict[str, dict[str, Any]] = {
    SHIFT: {"passes": _FIRST},
    REFLECTION: {},
    LINEAR: {"linear": _FIRST},
    NONLINEAR: {},
}

# Kinds of Python numbers, and the dtypes that stay what they are beside them.
_COMBINED_WITH: dict[type, type] = {
    bool: np.bool_,
    int: np.number,
    float: np.inexact,
    complex: np.complexfloating,
}

_KINDS: dict[type, type] = {
    bool: np.bool_,
    int: np.integer,
    float: np.floating,
    complex: np.complexfloating,
}

# What is right modulo 2**n also with negative numbers that unsigned values have not.
_MODULAR = ("add", "subtract")


def apply(
    operation: str, function: Callable[..., Any], tensor: Any, scalar: Any, rule: str
) -> Any:
    """``function(values, scalar)`` on every block, gradients by `rule`."""
    scalar = checked(operation, tensor, scalar)
    if rule == NONLINEAR:
        check_differentiable(operation, tensor)
    plan = plan_for(bare(tensor._layout), _plan, operation, function, rule)
    return run(plan, tensor, extra=(scalar,))


def _plan(own: Any, operation: str, function: Callable[..., Any], rule: str) -> Plan[Any]:
    scalar = own.size
    known = RowFunction(operation, function, constants=(scalar,), **_KNOWN[rule])

    def plan_block(layout: BlockLayout, leaf: int, name: str) -> tuple[Any, list[Step]]:
        if rule == NONLINEAR or layout.dynamic:
            return rowwise_block(known, name, [Operand(layout, leaf)])
        values = Step(function, (leaf, scalar))
        rest = range(leaf + 1, leaf + layout.size)
        if rule == SHIFT:
            return layout, [values, *[keep(i) for i in rest]]
        if rule == REFLECTION:
            return layout, [values, *[Step(jnp.negative, (i,)) for i in rest]]
        return layout, [values, *[Step(function, (i, scalar)) for i in rest]]

    return plan_of(own, *block_by_block(own, plan_block))


def checked(operation: str, tensor: Any, scalar: Any) -> Any:
    """The scalar, in a form that keeps the dtype of the tensor."""
    if isinstance(scalar, np.generic):
        scalar = scalar.item()
    if isinstance(scalar, int | float | complex):
        return scalar if tensor.dtype is None else _number(operation, tensor.dtype, scalar)
    if isinstance(scalar, np.ndarray | jax.Array) and scalar.shape == ():
        if not _combines(tensor.dtype, scalar):
            raise InvalidTypeError(
                compose(
                    f"{operation}: the scalar has another dtype than the tensor.",
                    f"the scalar has {scalar.dtype}, the tensor {tensor.dtype}",
                    remedy=f"convert one of them, as jnp.asarray(scalar, "
                    f"jnp.{tensor.dtype}), or use a Python number.",
                )
            )
        return scalar
    kind = f"an array of shape {scalar.shape}" if hasattr(scalar, "shape") else repr(scalar)
    raise InvalidTypeError(
        compose(
            f"{operation}: the other operand must be a {type(tensor).__name__} or "
            "a scalar.",
            f"found {kind}, a {type(scalar).__name__}",
            remedy="labelled values are never broadcast; for an array of your own, make a "
            f"{type(tensor).__name__} with the same labels.",
        )
    )


def _combines(dtype: Any, scalar: Any) -> bool:
    """Whether values of a dtype stay what they are beside a scalar array.

    Arguments of compiled functions that were Python numbers are weak: they adapt.
    """
    if dtype is None or scalar.dtype == dtype:
        return True
    if not getattr(scalar, "weak_type", False):
        return False
    kind = next(k for k in _COMBINED_WITH if jnp.issubdtype(scalar.dtype, _KINDS[k]))
    return bool(jnp.issubdtype(dtype, _COMBINED_WITH[kind]))


def _number(operation: str, dtype: Any, scalar: Any) -> Any:
    """The scalar as a plain Python number beside which this dtype stays what it is."""
    kind = type(scalar)
    if kind not in _COMBINED_WITH:
        kind = next(kind for kind in _COMBINED_WITH if isinstance(scalar, kind))
    if kind is bool and dtype != np.bool_:
        kind = int
    number = kind(scalar)
    if kind is int and jnp.issubdtype(dtype, np.integer):
        return _integer(operation, dtype, number)
    if jnp.issubdtype(dtype, _COMBINED_WITH[kind]):
        number = _held(operation, dtype, number)
        # JAX takes integers for 32 bits where it may; powers of integers are exact.
        small = kind is not int or abs(number) < 2**31
        return number if small else float(number.real)
    raise InvalidTypeError(
        compose(
            f"{operation}: the result would have another dtype than the tensor.",
            f"the tensor has {dtype}, the scalar is {scalar!r}",
            remedy="convert on purpose first: tensor.to(dtype=...).",
        )
    )


def _integer(operation: str, dtype: Any, number: int) -> Any:
    """The number, if it can stand beside integers of this dtype."""
    smallest, largest = int(jnp.iinfo(dtype).min), int(jnp.iinfo(dtype).max)
    unsigned = smallest == 0
    # Modulo 2**n, adding a negative number is right wherever the result is not negative.
    fits = -largest if unsigned and operation in _MODULAR else smallest
    if fits <= number <= largest:
        # An array, because JAX takes 32 bits for Python integers while x64 is off.
        held = number % (largest + 1) if unsigned else number
        return np.asarray(held).astype(dtype)
    facts = f"the values are {dtype}, from {smallest} to {largest}; found {number}"
    if unsigned and number < 0:
        facts = f"the values are {dtype}, which has no negative ones; found {number}"
    raise InvalidTypeError(
        compose(
            f"{operation}: the scalar does not fit the values.",
            facts,
            remedy="convert on purpose first: tensor.to(dtype=...).",
        )
    )


def _held(operation: str, dtype: Any, number: complex) -> complex:
    """The number, if the dtype does not make infinity of it."""
    infinite = isinstance(number, float | complex) and not cmath.isfinite(number)
    if infinite or abs(number) <= _largest(dtype):
        return number
    raise InvalidTypeError(
        compose(
            f"{operation}: the scalar is too large for the values.",
            f"the values are {dtype} up to {_largest(dtype):.3g}, the scalar is {number}",
            remedy="convert on purpose first: tensor.to(dtype=...).",
        )
    )


@cache
def _largest(dtype: Any) -> float:
    return float(jnp.finfo(dtype).max) if jnp.issubdtype(dtype, np.inexact) else np.inf
