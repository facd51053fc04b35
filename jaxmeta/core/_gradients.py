"""The one rule that carries explicit gradients through a function of values.

A row-wise function maps each sample's array on its own. The gradient row ``g`` that
belongs to the value row ``sample[g]`` is then the derivative of the function at that
value row, in the direction of the gradient row: a Jacobian-vector product. No operation
has a gradient formula of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxmeta.core._kernels import fill_rows, take_rows


def push_forward(
    function: Callable[..., Any],
    values: Sequence[Any],
    tangents: Sequence[Any | None],
    extra_axes: int,
) -> Any:
    """The gradient rows of ``function(*values)`` from those of its arguments.

    Arguments:
        function: elementwise, or at least one that treats each row on its own.
        values: for each argument, its value row for each gradient row, of shape
            ``(gradient rows, *components, properties)``, or a scalar.
        tangents: for each argument, its gradient rows, of shape ``(gradient rows, *extra
            components, *components, properties)``; None for an argument that is constant.
        extra_axes: how many extra components there are.
    """
    moving = [i for i, tangent in enumerate(tangents) if tangent is not None]

    def of_moving(*arguments: Any) -> Any:
        complete = list(values)
        for i, argument in zip(moving, arguments, strict=True):
            complete[i] = argument
        return function(*complete)

    def derivative(*directions: Any) -> Any:
        return jax.jvp(of_moving, tuple(values[i] for i in moving), directions)[1]

    for _ in range(extra_axes):
        derivative = jax.vmap(derivative, in_axes=1, out_axes=1)
    return derivative(*[tangents[i] for i in moving])


def value_rows(values: Any, rows: Any | None) -> Any:
    """The value row of each gradient row; None means that they are the same rows."""
    return values if rows is None else take_rows(values, rows)


def gradient_rows(gradient: Any, rows: Any | None) -> Any:
    """Gradient rows where the result has them, zero where this argument has none."""
    return gradient if rows is None else fill_rows(gradient, rows, 0)
