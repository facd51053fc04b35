"""Derivatives of a function of arrays along curves: dense, and exact at every order.

Let :math:`t_x` be the derivative of all values by :math:`x`, :math:`t_{xy}` that of
:math:`t_x` by :math:`y`, and so on. Along the curve :math:`v + a\\,t_x + b\\,t_y +
ab\\,t_{xy}` the function :math:`f` has the mixed derivative :math:`\\partial_a \\partial_b
= f'[t_{xy}] + f''[t_x, t_y]` at :math:`v`: the chain rule, which need not be written down
for any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import jax
import numpy as np


Arrays: TypeAlias = list[Any]
Function: TypeAlias = Callable[[Arrays], Arrays]

# Tangents that are pushed through the function together.
_TOGETHER = 512


def mixed_derivatives(
    function: Function, values: Arrays, terms: Sequence[Arrays]
) -> list[np.ndarray]:
    """The mixed derivative of highest order of a function, along many curves.

    Arguments:
        function: from arrays to arrays.
        values: the arrays at which the derivatives are taken.
        terms: the coefficients of the curves, for an order of `n` as many as there are
            subsets of `n` variables with a member or more, numbered in binary; each of
            the shapes of the values, behind an axis that counts the curves.

    Returns:
        The derivatives, of the shapes of the function's arrays, behind the same axis.
    """
    count = terms[0][0].shape[0]
    along_all = jax.jit(jax.vmap(partial(_mixed_derivative, function), in_axes=(None, 0)))
    found = []
    for start in range(0, count, _TOGETHER):
        some = [[array[start : start + _TOGETHER] for array in term] for term in terms]
        found.append([np.asarray(array) for array in along_all(values, some)])
    return [np.concatenate(arrays) for arrays in zip(*found, strict=True)]


def _mixed_derivative(function: Function, values: Arrays, terms: Sequence[Arrays]) -> Any:
    order = (len(terms) + 1).bit_length() - 1

    def along_curve(*steps: Any) -> Arrays:
        moved = values
        for number, term in enumerate(terms, start=1):
            factor = math.prod(steps[i] for i in range(order) if number >> i & 1)
            moved = [x + factor * t for x, t in zip(moved, term, strict=True)]
        return function(moved)

    derivative: Callable[..., Any] = along_curve
    for _ in range(order):
        derivative = _by_first(derivative)
    return derivative()


def _by_first(function: Callable[..., Any]) -> Callable[..., Any]:
    """The derivative at zero by the first argument, a function of the others."""

    def derivative(*others: Any) -> Any:
        return jax.jvp(lambda step: function(step, *others), (0.0,), (1.0,))[1]

    return derivative
