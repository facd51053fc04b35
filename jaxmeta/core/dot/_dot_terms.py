"""The arrays of dot: products, and the terms that the gradients of products consist of."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import jax.numpy as jnp

from jaxmeta.core.plans._kernels import fill_rows, take_rows


def product(left: Any, right: Any) -> Any:
    """Kernel: the scalar products of all rows of two arrays."""
    return jnp.matmul(left, right.T)


@dataclasses.dataclass(frozen=True)
class Constant:
    """A term whose right side is no derivative: a product, of which rows are taken.

    Arguments:
        left: the place of the left array among those of the kernel.
        right: that of the right one, of shape ``(samples, properties)``.
        rows: the place, among the index arrays, of the row to take for each row of the
            result; None for all rows as they are. Past the end is zero.
    """

    left: int
    right: int
    rows: int | None


@dataclasses.dataclass(frozen=True)
class Moving:
    """A term whose right side is a derivative, with rows that belong to its samples.

    Arguments:
        left: the place of the left array among those of the kernel.
        right: that of the right one, of shape ``(rows, *components, properties)``.
        table: the place, among the index arrays, of the right row of each choice and
            sample of the right side, past the end where there is none; None for all rows
            as they are.
        partly: whether there are choices and samples without a row.
        shape: how many choices there are, and samples of the right side.
        order: the axes of the result among ``(left rows, *components of the left side,
            choices, samples, *components of the right side)``.
        rows: the place of the pair of left row and choice to take for each row of the
            result; None for all pairs as they are. Past the end is zero.
    """

    left: int
    right: int
    table: int | None
    partly: bool
    shape: tuple[int, int]
    order: tuple[int, ...]
    rows: int | None


Term: TypeAlias = Constant | Moving


@dataclasses.dataclass(frozen=True)
class Sum:
    """The terms of a gradient, and how many arrays the kernel gets before the tables."""

    terms: tuple[Term, ...]
    arrays: int


def sum_of_terms(*arguments: Any) -> Any:
    """Kernel: the rows of a gradient of a product."""
    *rest, form = arguments
    arrays, tables = rest[: form.arrays], rest[form.arrays :]
    found = [_term(term, arrays, tables) for term in form.terms]
    total = found[0]
    for term in found[1:]:
        total = total + term
    return total


def no_rows(values: Any, shape: tuple[int, ...]) -> Any:
    """Kernel: a gradient without rows."""
    return jnp.zeros(shape, values.dtype)


def _term(term: Term, arrays: list[Any], tables: list[Any]) -> Any:
    left, right = arrays[term.left], arrays[term.right]
    if isinstance(term, Constant):
        found = product(left, right)
    else:
        table = None if term.table is None else tables[term.table]
        found = _pairs(term, left, right, table)
    return found if term.rows is None else fill_rows(found, tables[term.rows], 0)


def _pairs(term: Moving, left: Any, right: Any, table: Any) -> Any:
    """The term for each pair of a left row and a choice."""
    axis = left.ndim - 1
    if term.partly:
        # First every left row times every right one, then zeros for those that are not
        # there: these are never more numbers than the result has, which the right side
        # might have if the zeros were put in there.
        zero = jnp.zeros((1, *right.shape[1:]), right.dtype)
        right = jnp.concatenate([right, zero])
        found = jnp.take(_products(left, right), table, axis=axis, mode="clip")
    else:
        found = _products(left, right if table is None else take_rows(right, table))
    shape = found.shape
    found = found.reshape(*shape[:axis], *term.shape, *shape[axis + 1 :])
    found = found.transpose(term.order)
    return found.reshape(found.shape[0] * found.shape[1], *found.shape[2:])


def _products(left: Any, right: Any) -> Any:
    return jnp.tensordot(left, right, ((-1,), (-1,)))
