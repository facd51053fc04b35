"""Gradients of gradients of row-wise functions that are not linear.

With a gradient by x that has a gradient by y, row by row: the derivative by y of the
gradient by x is ``f''[dx v, dy v] + f'[dy dx v]``. So it takes the gradient of the values
by y as well, and it has rows that its operands need not have: one for each pair of rows
of the two gradients that belong to the same sample.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jaxmeta.core.gradients._gradient_steps import (
    Inputs,
    second_order,
    side_rows,
    value_form,
)
from jaxmeta.core.gradients._levels import Level
from jaxmeta.core.gradients._rearrangement import merged
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, block_layout
from jaxmeta.core.plans._plans import Step
from jaxmeta.errors import NestedGradientsError, compose


def second_order_gradient(
    known: RowFunction,
    top: Level,
    by_x: Level,
    parameter: str,
    axes: tuple[tuple[Labels, ...], Labels],
) -> tuple[BlockLayout, Step]:
    """The gradient by a parameter of a gradient of the result.

    Arguments:
        known: the function.
        top: the values.
        by_x: their gradient that has a gradient by the parameter.
        parameter: the name of that.
        axes: components and properties of the result's gradient by x.
    """
    mixed = by_x.gradient(known.operation, parameter)
    by_y = _matching(known.operation, top, mixed, parameter)
    if mixed.parameters:
        refuse_nested(known.operation, mixed.name, mixed.parameters[0])
    samples, old_rows = _rows(known, by_x, by_y, mixed)
    step = _step(known, top, (by_x, by_y, mixed), samples, old_rows)
    layout = block_layout(samples, (*mixed.extra, *axes[0]), axes[1])
    return layout, step


def refuse_nested(operation: str, name: str, parameter: str) -> None:
    """Stop where a gradient of a gradient would not be exact."""
    raise NestedGradientsError(
        compose(
            f"{operation}: gradients of gradients are not exact here at this depth.",
            f"the {name} has a gradient {parameter!r}",
            remedy="remove_gradients() drops gradients.",
        )
    )


def _matching(operation: str, top: Level, mixed: Level, parameter: str) -> Level:
    """The gradient of the values by the parameter of a gradient of a gradient."""
    for side, values in zip(mixed.sides, top.sides, strict=True):
        if side is not None and values is not None and values.gradient(parameter) is None:
            raise NestedGradientsError(
                compose(
                    f"{operation}: gradients of gradients need those of the values too.",
                    f"there is the {mixed.name}, but no gradient {parameter!r} of the "
                    f"values of {top.name}",
                    remedy=f"give the values a gradient {parameter!r} too (without rows, "
                    "if it is zero), or drop gradients by remove_gradients().",
                )
            )
    by_y = top.gradient(operation, parameter)
    own = mixed.samples.names[1:], [labels.values.tolist() for labels in mixed.extra]
    other = by_y.samples.names[1:], [labels.values.tolist() for labels in by_y.extra]
    if own != other:
        raise NestedGradientsError(
            compose(
                f"{operation}: two gradients by {parameter!r} have different labels.",
                f"the {mixed.name} has the sample names {own[0]} and the extra components "
                f"{own[1]}",
                f"the {by_y.name} has the sample names {other[0]} and the extra components "
                f"{other[1]}",
                remedy="the chain rule of second order needs both by the same parameter.",
            )
        )
    return by_y


def _rows(
    known: RowFunction, by_x: Level, by_y: Level, mixed: Level
) -> tuple[Labels, np.ndarray]:
    """The rows of the result: those given, then those of pairs of first derivatives.

    Returns them, and which of them the given ones are: the first ones.
    """
    tables = [np.array(mixed.samples.values)]
    for i, side_x in enumerate(by_x.sides):
        for j, side_y in enumerate(by_y.sides):
            if side_x is not None and side_y is not None and known.couples(i, j):
                tables.append(_paired(by_x, by_y, by_x.targets[i], by_y.targets[j]))
    samples, _ = merged(mixed.samples.names, tables, "first")
    return samples, np.arange(len(mixed.samples))


def _paired(by_x: Level, by_y: Level, x_rows: np.ndarray, y_rows: np.ndarray) -> np.ndarray:
    """Samples of a gradient by y of the gradient by x, for some rows of both."""
    x, y = pairs_of_equal(by_x.root[x_rows], by_y.root[y_rows])
    rest = by_y.samples.values[y_rows[y], 1:]
    return np.concatenate([x_rows[x][:, None].astype(np.int32), rest], axis=1)


def pairs_of_equal(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions of all pairs of equal numbers, ordered by the left one.

    >>> pairs_of_equal(np.array([3, 1, 3]), np.array([3, 0, 3]))
    (array([0, 0, 2, 2]), array([0, 2, 0, 2]))
    """
    order = np.argsort(right, kind="stable")
    first = np.searchsorted(right[order], left, "left")
    counts = np.searchsorted(right[order], left, "right") - first
    ends = np.cumsum(counts)
    own = np.repeat(np.arange(len(left)), counts)
    place = np.arange(len(own)) - np.repeat(ends - counts, counts)
    return own, order[first[own] + place]


def _step(
    known: RowFunction,
    top: Level,
    levels: tuple[Level, Level, Level],
    samples: Labels,
    given: np.ndarray,
) -> Step:
    by_x, by_y, mixed = levels
    x = samples.values[:, 0]
    root = by_x.root[x]
    at_y = np.concatenate([root[:, None].astype(np.int32), samples.values[:, 1:]], axis=1)
    y = by_y.samples._index.find(at_y)
    both = np.full(len(samples), -1)
    both[given] = np.arange(len(given))
    inputs = Inputs()
    form = value_form(inputs, known, top, root, len(by_x.extra))
    form = dataclasses.replace(
        form,
        tangents=side_rows(inputs, by_x, x),
        others=side_rows(inputs, by_y, y),
        mixed=side_rows(inputs, mixed, both),
        extra_others=len(by_y.extra),
    )
    return inputs.step(second_order, form)
