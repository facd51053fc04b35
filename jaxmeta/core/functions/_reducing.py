"""Kernels of reductions: sums, means, variances and norms along rows or other axes.

A kernel takes arrays, then index arrays, then static arguments, and gives one array. An
integer stays what it is in a sum.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp

from jaxmeta.core.plans._kernels import average_rows, sum_rows, take_properties, take_rows


Kind: TypeAlias = Literal["sum", "mean", "var", "std", "norm"]


def squared_modulus(x: Any) -> Any:
    """The squares of real numbers, the squared moduli of complex ones."""
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        return x.real * x.real + x.imag * x.imag
    return x * x


def root(x: Any) -> Any:
    """The square roots; at zero, all derivatives are zero too."""
    zero = x == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, x)))


def centred_rows(x: Any, target: Any, counts: Any, first: Any) -> Any:
    """Rows less the mean of all the rows with the same target.

    Arguments:
        x: the rows.
        target: the row of the means that each row belongs to.
        counts: the number of rows of each mean.
        first: for each row, the first one with the same target.
    """
    # That one is taken away before: a mean of small numbers is rounded little, and rows
    # that are the same become zero. The result does not depend on it.
    moved = x - jax.lax.stop_gradient(take_rows(x, first))
    return moved - take_rows(average_rows(moved, target, counts), target)


def over_properties(x: Any, *arguments: Any) -> Any:
    """Properties reduced group by group.

    The arguments are index arrays, then static: the kind, the number of groups, and the
    number of properties of each. Where all groups have as many, the only index array is
    the order of the properties that puts groups one after another, or there is none if
    they stand so. Otherwise that number is 0, and the index arrays are the group of each
    property, for all but sums the number of properties of each group, and for variances
    the first property of the group of each property.
    """
    *index, kind, groups, size = arguments
    if size:
        ordered = take_properties(x, index[0]) if index else x
        return _along_last(ordered.reshape(*x.shape[:-1], groups, size), kind)
    rows = _over_rows(jnp.moveaxis(x, -1, 0), index, kind, groups)
    return jnp.moveaxis(rows, 0, -1)


def over_components(x: Any, axes: tuple[int, ...], kind: Kind) -> Any:
    """Some component axes reduced."""
    if kind == "sum":
        return jnp.sum(x, axes, promote_integers=False)
    if kind == "mean":
        return jnp.mean(x, axes)
    return _norm(x, axes)


def _norm(x: Any, axes: tuple[int, ...]) -> Any:
    """Roots of sums of squares, of numbers near one: squares of others may not be held."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axes, keepdims=True, initial=0.0))
    scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)
    norms = root(jnp.sum(squared_modulus(x / scale.astype(x.dtype)), axes))
    return norms * jnp.squeeze(scale, axes)


def _along_last(x: Any, kind: Kind) -> Any:
    if kind == "sum":
        return jnp.sum(x, -1, promote_integers=False)
    if kind == "mean":
        return jnp.mean(x, -1)
    moved = x - jax.lax.stop_gradient(x[..., :1])
    centred = moved - jnp.mean(moved, -1, keepdims=True)
    variance = jnp.mean(squared_modulus(centred), -1)
    return root(variance) if kind == "std" else variance


def _over_rows(x: Any, index: list[Any], kind: Kind, groups: int) -> Any:
    if kind == "sum":
        return sum_rows(x, index[0], groups)
    target, counts, *first = index
    if kind == "mean":
        return average_rows(x, target, counts)
    squares = squared_modulus(centred_rows(x, target, counts, first[0]))
    variance = average_rows(squares, target, counts)
    return root(variance) if kind == "std" else variance
