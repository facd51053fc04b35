"""Features and targets as linear equations: a row for each value and each derivative."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import DynamicLabels, TensorBlock, TensorMap
from jaxmeta.core.gradients._second_order import refuse_nested
from jaxmeta.core.layouts._differences import (
    block_name,
    check_same_block,
    check_same_labels,
    matched_keys,
)
from jaxmeta.core.layouts._precision import (
    check_host_arrays,
    check_inexact,
    check_same_dtype,
)
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    NotEqualError,
    choices,
    compose,
)
from jaxmeta.learn._matching import VALUES, Pair, check_capacities
from jaxmeta.learn._terms import Faults
from jaxmeta.learn.ridge._row_weights import Weight, part_of, row_weights
from jaxmeta.operations._arguments import check_map


class System(NamedTuple):
    """The equations ``left · w = right`` of one block, as matrices.

    Arguments:
        name: of the block, for messages.
        left: features, of shape (rows, features).
        right: targets, of shape (rows, targets); zero where there is no reference.
        weights: of the squared residuals, of shape (rows,); zero where nothing counts.
        owners: for each row the position of its sample among those of the values, of
            shape (rows,); on the host, -1 throughout where samples are dynamic.
        parameters: names with the numbers of their rows, in order.
    """

    name: str
    left: Any
    right: Any
    weights: Any
    owners: np.ndarray
    parameters: tuple[tuple[str, int], ...]


def check_features(operation: str, X: Any, y: Any) -> None:
    """Refuse what are no two maps of real numbers of one dtype that solvers take."""
    for tensor in (check_map(operation, X), check_map(operation, y)):
        check_inexact(operation, tensor, "the weights")
    check_same_dtype(operation, X, y, ("X", "y"))
    check_host_arrays((*X._leaves, *y._leaves))
    dtype = X.dtype if y.dtype is None else y.dtype
    if dtype is None:
        return
    if jnp.issubdtype(dtype, np.complexfloating) or jnp.finfo(dtype).bits < 32:
        raise InvalidTypeError(
            compose(
                f"{operation}: the values are {dtype}, which these equations do not take.",
                remedy="give real numbers of 32 or 64 bits: tensor.to(dtype=...).",
            )
        )


def systems(
    operation: str, X: TensorMap, y: TensorMap, sample_weight: Any, sizes: Any
) -> list[System]:
    """The equations of all blocks, in the order of the keys of X.

    Raises:
        NotEqualError: where keys, samples or components differ; left is X, right is y.
        MissingError: for a gradient that X lacks and that has a weight.
    """
    check_features(operation, X, y)
    _check_depth(operation, y, sample_weight)
    positions = matched_keys(operation, X._layout, y._layout)
    weights = row_weights(operation, sample_weight, y, sizes)
    return [
        _system(operation, block_name(X.keys, i), X[i], y[position], weights[position])
        for i, position in enumerate(positions)
    ]


def _check_depth(operation: str, y: TensorMap, sample_weight: Any) -> None:
    """Refuse gradients of gradients that would count."""
    named = isinstance(sample_weight, Mapping)
    for index, layout in enumerate(y._layout.blocks):
        for parameter, gradient in layout.gradients:
            for inner, _ in gradient.gradients:
                if not named or f"{parameter}/{inner}" in sample_weight:
                    name = f"gradient {parameter!r} of {block_name(y.keys, index)}"
                    refuse_nested(operation, name, inner)


def _system(
    operation: str, name: str, x: TensorBlock, y: TensorBlock, weights: dict[str, Weight]
) -> System:
    if not weights:
        raise InvalidError(
            compose(f"{operation}: all weights of {name} are zero: nothing counts.")
        )
    labels, faults = ("samples", "components"), Faults(operation)
    check_same_block(operation, name, x._layout, y._layout, labels, gradients=False)
    parts = [
        _part(operation, name, parameter, x, y, weight, faults)
        for parameter, weight in weights.items()
    ]
    left, right, counts = _assembled(parts)
    owners = [_owners(parameter, part_of(y, parameter)) for parameter in weights]
    return System(
        name,
        left,
        faults.guard(right),
        counts,
        np.concatenate(owners),
        tuple(
            (parameter, len(own)) for parameter, own in zip(weights, owners, strict=True)
        ),
    )


def _check_gradient(operation: str, name: str, parameter: str, x: TensorBlock) -> None:
    if parameter != VALUES and not x.has_gradient(parameter):
        raise MissingError(
            compose(
                f"{operation}: X has no gradient {parameter!r}, y has one.",
                f"in {name} of X {choices(parameter, x.gradients_list())}",
                remedy=f"compute X with it, or remove_gradients(y, {parameter!r}).",
            )
        )


class _Part(NamedTuple):
    """The rows of one parameter, before they are put in place."""

    left: Any
    right: Any
    found: Any
    mask: Any
    weight: Weight


def _part(
    operation: str,
    name: str,
    parameter: str,
    x: TensorBlock,
    y: TensorBlock,
    weight: Weight,
    faults: Faults,
) -> _Part:
    """Check the labels of one parameter, and find its rows."""
    _check_gradient(operation, name, parameter, x)
    label = name if parameter == VALUES else f"gradient {parameter!r} of {name}"
    left, right = part_of(x, parameter), part_of(y, parameter)
    check_capacities(operation, label, left, right)
    faults.compare_all([[Pair(label, 0, left, right)]])
    _check_known(operation, label, right)
    found = places(operation, label, parameter, left, right)
    samples = right.samples
    mask = samples.mask if isinstance(samples, DynamicLabels) else None
    return _Part(left.values, right.values, found, mask, weight)


@jax.jit
def _assembled(parts: list[_Part]) -> tuple[Any, Any, Any]:
    """All rows as matrices: left, right, weights. One program, not one an operation."""
    left, right, weights = zip(*map(_rows, parts), strict=True)
    return jnp.concatenate(left), jnp.concatenate(right), jnp.concatenate(weights)


def _rows(part: _Part) -> tuple[Any, Any, Any]:
    left = in_place(part.left, part.found)
    left, right = (
        jnp.asarray(a).reshape(prod(a.shape[:-1]), a.shape[-1]) for a in (left, part.right)
    )
    rows, targets = right.shape
    there = ~jnp.isnan(right).all(axis=1) if targets else jnp.ones(rows, bool)
    if part.mask is not None:
        there &= jnp.repeat(part.mask, rows // max(part.mask.shape[0], 1))
    weights = jnp.where(there, part.weight.of_rows(rows, right.dtype), 0.0)
    return left, jnp.where(there[:, None], right, 0.0), weights


def _owners(parameter: str, part: TensorBlock) -> np.ndarray:
    """The position of the sample of the values that each row belongs to."""
    samples, rows = part.samples, prod(part.shape[:-1])
    if isinstance(samples, DynamicLabels):
        return np.full(rows, -1)
    first = np.arange(len(samples)) if parameter == VALUES else samples["sample"]
    return np.repeat(first, rows // max(len(samples), 1))


def _check_known(operation: str, name: str, part: TensorBlock) -> None:
    """Refuse rows of which only some targets are known, where that can be seen."""
    if isinstance(part.values, Tracer) or part.shape[-1] < 2:
        return
    unknown = np.isnan(np.asarray(part.values))
    if (unknown.any(axis=-1) != unknown.all(axis=-1)).any():
        raise InvalidError(
            compose(
                f"{operation}: rows of {name} are NaN for some properties, not for all.",
                remedy="fit the properties one by one: slice() them.",
            )
        )


def places(
    operation: str, name: str, parameter: str, x: TensorBlock, y: TensorBlock
) -> np.ndarray | None:
    """Where the rows of `y` stand in `x`, -1 for nowhere; None where they are the same.

    A row of a gradient that is not there is zero, rows of values have to be there.
    """
    own, wanted = x.samples, y.samples
    dynamic = isinstance(own, DynamicLabels) or isinstance(wanted, DynamicLabels)
    labels = ("samples", "components") if dynamic else ("components",)
    check_same_block(operation, name, x._layout, y._layout, labels, gradients=False)
    if isinstance(own, DynamicLabels) or isinstance(wanted, DynamicLabels):
        return None
    if own is wanted:
        return None
    if parameter == VALUES or own.names != wanted.names:
        check_same_labels(operation, name, "samples", own, wanted)
    if (wanted._index.find(own.values) < 0).any():
        raise NotEqualError(
            compose(
                f"{operation}: X has rows in {name} that y has not.",
                f"the first is {next(iter(own.difference(wanted))).print()}",
                remedy="give y a row for each row of X; NaN where there is no reference.",
            )
        )
    return own._index.find(wanted.values)


def in_place(values: Any, found: Any) -> Any:
    """The rows found, zero where there are none."""
    values = jnp.asarray(values)
    if found is None:
        return values
    if not values.shape[0]:
        return jnp.zeros((found.shape[0], *values.shape[1:]), values.dtype)
    there = (found >= 0).reshape(-1, *[1] * (values.ndim - 1))
    return jnp.where(there, values[jnp.maximum(found, 0)], 0.0)
