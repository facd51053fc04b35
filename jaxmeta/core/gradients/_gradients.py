"""The one rule that carries explicit gradients through a function of values.

A row-wise function maps each sample's array on its own. The gradient row ``g`` that
belongs to the value row ``sample[g]`` is then the derivative of the function at that
value row, in the direction of the gradient row: a Jacobian-vector product. A gradient row
of a gradient is the derivative of that product, along the gradient row by the other
parameter and the given mixed one. No operation has a gradient formula of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


Array = Any
Function = Callable[..., Array]


def push_forward(
    function: Function,
    values: Sequence[Array],
    tangents: Sequence[Array | None],
    extra_axes: int,
) -> Array:
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
    of_moving = _of_some(function, values, moving)
    at = tuple(values[i] for i in moving)

    def derivative(*directions: Array) -> Array:
        return jax.jvp(of_moving, at, directions)[1]

    for _ in range(extra_axes):
        derivative = jax.vmap(derivative, in_axes=1, out_axes=1)
    return derivative(*[tangents[i] for i in moving])


def push_forward_twice(
    function: Function,
    values: Sequence[Array],
    tangents: Sequence[Array | None],
    others: Sequence[Array | None],
    mixed: Sequence[Array | None],
    extra_axes: tuple[int, int],
) -> Array:
    r"""The gradient rows of gradients of ``function(*values)``.

    With the parameters :math:`x` and :math:`y`, row by row: :math:`\partial_y \partial_x
    f = f''[\partial_x v, \partial_y v] + f'[\partial_y \partial_x v]`.

    Arguments:
        function: as in `push_forward`.
        values: for each argument, its value rows.
        tangents: its gradient rows by x, ``(rows, *extra x, *components, properties)``.
        others: its gradient rows by y, ``(rows, *extra y, *components, properties)``.
        mixed: the gradient rows by y of those by x, ``(rows, *extra y, *extra x,
            *components, properties)``.
        extra_axes: how many extra components x and y have.
    """
    x, y = extra_axes
    given = list(zip(tangents, others, mixed, strict=True))
    moving = [i for i, rows in enumerate(given) if any(r is not None for r in rows)]
    of_moving = _of_some(function, values, moving)
    at = tuple(values[i] for i in moving)

    def slope(value: Any, direction: Any) -> Array:
        return jax.jvp(of_moving, value, direction)[1]

    def derivative(along_x: Any, along_y: Any, along_both: Any) -> Array:
        complete = [_or_zero(at, along) for along in (along_x, along_y, along_both)]
        return jax.jvp(slope, (at, complete[0]), (complete[1], complete[2]))[1]

    for _ in range(x):
        derivative = jax.vmap(derivative, in_axes=(1, None, 1), out_axes=1)
    for _ in range(y):
        derivative = jax.vmap(derivative, in_axes=(None, 1, 1), out_axes=1)
    return derivative(
        *[tuple(rows[i] for i in moving) for rows in (tangents, others, mixed)]
    )


def _or_zero(at: Sequence[Array], along: Sequence[Array | None]) -> tuple[Array, ...]:
    return tuple(
        jnp.zeros_like(value) if tangent is None else tangent
        for value, tangent in zip(at, along, strict=True)
    )


def mapped(
    function: Function,
    arguments: Sequence[Array | None],
    linear: Sequence[bool],
    extra_axes: int,
) -> Array:
    """A linear function of gradient rows, whose extra components it does not know.

    Arguments:
        function: as in `push_forward`; linear in some arguments taken together.
        arguments: gradient rows for those, value rows for the others; None is zero.
        linear: in which arguments the function is linear.
        extra_axes: how many extra components the gradient rows have.
    """
    present = [i for i, argument in enumerate(arguments) if argument is not None]
    axes = tuple(1 if linear[i] else None for i in present)
    moving: Array = next(arguments[i] for i in present if linear[i])
    zero = np.zeros((), moving.dtype)
    of_present = _of_some(function, [zero] * len(arguments), present)
    for _ in range(extra_axes):
        of_present = jax.vmap(of_present, in_axes=axes, out_axes=1)
    return of_present(*[arguments[i] for i in present])


def _of_some(function: Function, values: Sequence[Array], some: Sequence[int]) -> Function:
    """The function of some of its arguments, the others held."""

    def of_some(*arguments: Array) -> Array:
        complete = list(values)
        for i, argument in zip(some, arguments, strict=True):
            complete[i] = argument
        return function(*complete)

    return of_some
