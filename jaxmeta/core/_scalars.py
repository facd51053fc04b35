"""Functions of a tensor and one scalar, and elementwise functions of one tensor."""

from __future__ import annotations

import cmath
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core._gradients import push_forward, value_rows
from jaxmeta.core._layout import BlockLayout
from jaxmeta.core._plans import Plan, Step, keep, plan_for
from jaxmeta.core._rearrangement import index_array, is_identity, static_samples
from jaxmeta.core._results import bare, block_by_block, plan_of, run
from jaxmeta.errors import InvalidTypeError, NestedGradientsError, compose


# How gradients follow: not at all, by the same function, or by its derivative.
SHIFT, LINEAR, NONLINEAR = "shift", "linear", "nonlinear"

# Kinds of Python numbers, and the dtypes that stay what they are beside them.
_COMBINED_WITH: dict[type, type] = {
    bool: np.bool_,
    int: np.number,
    float: np.inexact,
    complex: np.complexfloating,
}


def apply(
    operation: str, function: Callable[..., Any], tensor: Any, scalar: Any, rule: str
) -> Any:
    """``function(values, scalar)`` on every block, gradients by `rule`."""
    scalar = _checked(operation, tensor, scalar)
    plan = plan_for(bare(tensor._layout), _plan, operation, function, rule)
    return run(plan, tensor, extra=(scalar,))


def _plan(own: Any, operation: str, function: Callable[..., Any], rule: str) -> Plan[Any]:
    scalar = own.size if isinstance(own, BlockLayout) else own.offsets[-1]

    def plan_block(layout: BlockLayout, leaf: int, name: str) -> tuple[Any, list[Step]]:
        static_samples(layout, operation)
        values = Step(function, (leaf, scalar))
        if rule == SHIFT:
            rest = [keep(leaf + i) for i in range(1, layout.size)]
        elif rule == LINEAR:
            rest = [Step(function, (leaf + i, scalar)) for i in range(1, layout.size)]
        else:
            rest = _derivatives(operation, function, layout, leaf, scalar, name)
        return layout, [values, *rest]

    return plan_of(own, *block_by_block(own, plan_block))


def _derivatives(
    operation: str,
    function: Callable[..., Any],
    layout: BlockLayout,
    leaf: int,
    scalar: int,
    name: str,
) -> list[Step]:
    steps = []
    for parameter, gradient in layout.gradients:
        refuse_nested(operation, name, parameter, gradient)
        rows, moved = parent_rows(layout, gradient, operation)
        inputs = (leaf, leaf + layout.offsets[parameter], scalar)
        extra = len(gradient.components) - len(layout.components)
        steps.append(Step(_derivative, inputs, rows, (function, extra, moved)))
    return steps


def _derivative(values: Any, gradient: Any, scalar: Any, *rest: Any) -> Any:
    *rows, function, extra, moved = rest
    at = value_rows(values, rows[0] if moved else None)
    return push_forward(function, (at, scalar), (gradient, None), extra)


def parent_rows(
    layout: BlockLayout, gradient: BlockLayout, operation: str
) -> tuple[tuple[np.ndarray, ...], bool]:
    """The value row of each gradient row as an index, none if they are the same rows."""
    rows = static_samples(gradient, operation).column("sample")
    if is_identity(rows, len(static_samples(layout, operation))):
        return (), False
    return (index_array(rows),), True


def refuse_nested(operation: str, block: str, name: str, gradient: BlockLayout) -> None:
    """Stop where gradients of gradients would not be exact."""
    if gradient.gradients:
        inner = gradient.gradients[0][0]
        raise NestedGradientsError(
            compose(
                f"{operation}: gradients of gradients are not exact in this operation yet.",
                f"{block} has the gradient {inner!r} of its gradient {name!r}",
                remedy=f"remove_gradients(tensor, {name!r}) drops them.",
            )
        )


def _checked(operation: str, tensor: Any, scalar: Any) -> Any:
    """The scalar, in a form that keeps the dtype of the tensor."""
    if isinstance(scalar, np.generic):
        scalar = scalar.item()
    if isinstance(scalar, int | float | complex):
        return scalar if tensor.dtype is None else _number(operation, tensor.dtype, scalar)
    if isinstance(scalar, np.ndarray | jax.Array) and scalar.shape == ():
        if tensor.dtype is not None and scalar.dtype != tensor.dtype:
            raise InvalidTypeError(
                compose(
                    f"{operation}: the scalar has another dtype than the tensor.",
                    f"the scalar has {scalar.dtype}, the tensor {tensor.dtype}",
                    remedy="convert one of them, or use a Python number.",
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


def _number(operation: str, dtype: Any, scalar: Any) -> Any:
    """The scalar as a plain Python number beside which this dtype stays what it is."""
    kind = type(scalar)
    if kind not in _COMBINED_WITH:
        kind = next(kind for kind in _COMBINED_WITH if isinstance(scalar, kind))
    if kind is bool and dtype != np.bool_:
        kind = int
    number = kind(scalar)
    fitting = _fitting(dtype, kind)
    if fitting is None:
        return _held(operation, dtype, number)
    if number in fitting:
        return number
    raise InvalidTypeError(
        compose(
            f"{operation}: the result would have another dtype than the tensor.",
            f"the tensor has {dtype}, the scalar is {scalar!r}",
            remedy="convert on purpose first: tensor.to(dtype=...).",
        )
    )


def _held(operation: str, dtype: Any, number: complex) -> complex:
    """The number, if the dtype does not make infinity of it."""
    if abs(number) <= _largest(dtype) or not cmath.isfinite(number):
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


@cache
def _fitting(dtype: Any, kind: type) -> range | None:
    """Which numbers of a kind leave the dtype as it is; None for all of them."""
    if not jnp.issubdtype(dtype, _COMBINED_WITH[kind]):
        return range(0)
    if kind is int and jnp.issubdtype(dtype, np.integer):
        # Beyond it JAX wraps around. Negative ones are right for unsigned values, too.
        largest = int(jnp.iinfo(dtype).max)
        return range(-largest - 1, largest + 1)
    return None
