"""Errors of predictions as numbers of the host: by block, by gradient, or overall.

What counts is what counts for a loss: see `losses`. Everything is computed in double
precision, whatever the maps hold.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from jaxmeta.core import PADDING, DynamicLabels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidTypeError, NotEqualError, compose
from jaxmeta.learn._matching import (
    VALUES,
    Pair,
    chains,
    check_maps,
    check_parameter,
    parameters_of,
)
from jaxmeta.learn._weights import sizes_of


@dataclasses.dataclass(frozen=True)
class Errors:
    """How far predictions are from their references.

    Arguments:
        rmse: the root mean squared error.
        mae: the mean absolute error.
        r2: the coefficient of determination, see `r2`.
        count: how many entries were compared. Without any the others are NaN.
    """

    rmse: float
    mae: float
    r2: float
    count: int


def metrics(
    prediction: TensorMap, target: TensorMap, *, sizes: Any = None
) -> dict[tuple[str, str], Errors]:
    """All errors, for each block and for its values and each of its gradients.

    Arguments:
        prediction: a map of real numbers, with static or dynamic samples.
        target: a map with the same labels and dtype; NaN where there is no reference.
        sizes: numbers of atoms, by which the values are divided; as for `mse`.

    Returns:
        `Errors` by the text of a key and the name of a parameter: ``"values"``, and each
        gradient that both maps have. The blocks come in the order of the prediction.

    Raises:
        NotEqualError: when keys, labels or capacities differ, also of dynamic samples.
        InvalidError: for sizes of another shape.
        InvalidTypeError: for other arguments, integers, complex numbers, dtypes that
            differ, or traced values: use losses inside transformed functions.

    Example:
        >>> from jaxmeta.core import Labels
        >>> systems, n = Labels.range("system", 2), Labels.range("energy", 1)
        >>> block = TensorBlock(np.array([[1.0], [-3.0]]), systems, [], n)
        >>> target = TensorMap(Labels("center_type", [[8]]), [block])
        >>> block = TensorBlock(np.array([[1.0], [-1.0]]), systems, [], n)
        >>> table = metrics(TensorMap(target.keys, [block]), target)
        >>> table["(center_type=8)", "values"].mae
        1.0
    """
    _check("metrics", prediction, target, sizes)
    common = [p for p in parameters_of(prediction) if p in parameters_of(target)]
    by_parameter = {
        parameter: _parts("metrics", prediction, target, parameter, sizes)
        for parameter in common
    }
    return {
        (key.print(), parameter): _errors([by_parameter[parameter][i]])
        for i, key in enumerate(prediction.keys)
        for parameter in common
    }


def rmse(
    prediction: TensorMap,
    target: TensorMap,
    parameter: str = VALUES,
    *,
    sizes: Any = None,
) -> float:
    """The root mean squared error over all entries of all blocks.

    Arguments:
        prediction: as for `metrics`.
        target: as for `metrics`.
        parameter: ``"values"``, or the name of a gradient as in `mse`.
        sizes: as for `metrics`.

    Returns:
        A number; NaN where nothing can be compared.

    Raises:
        MissingError: for a gradient that one of the maps lacks.

    All other errors are those of `metrics`.

    Example:
        >>> from jaxmeta.core import Labels
        >>> systems, n = Labels.range("system", 2), Labels.range("energy", 1)
        >>> block = TensorBlock(np.array([[3.0], [3.0]]), systems, [], n)
        >>> prediction = TensorMap(Labels.single(), [block])
        >>> rmse(prediction, prediction), rmse(prediction, 0.0 * prediction)
        (0.0, 3.0)
    """
    return _overall("rmse", prediction, target, parameter, sizes).rmse


def r2(
    prediction: TensorMap,
    target: TensorMap,
    parameter: str = VALUES,
    *,
    sizes: Any = None,
) -> float:
    r"""The coefficient of determination over all entries of all blocks.

    It is :math:`1 - \sum e^2 / \sum (y - \langle y \rangle)^2` with references :math:`y`,
    whose mean is one number for all entries: 1 for a perfect prediction, 0 for one that
    is no better than the mean. References that do not vary have none: NaN.

    Arguments, result and errors are those of `rmse`.

    Example:
        >>> from jaxmeta.core import Labels
        >>> systems, n = Labels.range("system", 2), Labels.range("energy", 1)
        >>> block = TensorBlock(np.array([[1.0], [3.0]]), systems, [], n)
        >>> target = TensorMap(Labels.single(), [block])
        >>> r2(target, target), r2(0.0 * target + 2.0, target)
        (1.0, 0.0)
    """
    return _overall("r2", prediction, target, parameter, sizes).r2


def _overall(
    operation: str, prediction: TensorMap, target: TensorMap, parameter: str, sizes: Any
) -> Errors:
    _check(operation, prediction, target, sizes)
    check_parameter(operation, parameter)
    return _errors(_parts(operation, prediction, target, parameter, sizes))


def _check(operation: str, prediction: Any, target: Any, sizes: Any) -> None:
    check_maps(operation, prediction, target)
    given = {"values": (*prediction._leaves, *target._leaves)}
    given["sizes"] = tuple(jax.tree.leaves(sizes))
    for what, leaves in given.items():
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            raise InvalidTypeError(
                compose(
                    f"{operation}: the {what} are traced by JAX, metrics are numbers.",
                    remedy="call it outside of transformed functions; inside of them use "
                    "mse, mae or huber.",
                )
            )


# The errors and the references of one block, flat, of the entries that count.
_Part = tuple[np.ndarray, np.ndarray]


def _parts(
    operation: str, prediction: TensorMap, target: TensorMap, parameter: str, sizes: Any
) -> list[_Part]:
    found = chains(operation, prediction, target, parameter)
    for chain in found:
        for pair in chain:
            _check_rows(operation, pair.name, pair.prediction, pair.target)
    if parameter != VALUES:
        return [_part(chain[-1], None) for chain in found]
    divisors = sizes_of(operation, sizes, target)
    for chain in found:
        _, block = divisors[chain[-1].position]
        if block is not None:
            name = f"{chain[-1].name} (sizes=)"
            _check_rows(operation, name, chain[-1].target, block)
    return [_part(chain[-1], divisors[chain[-1].position][0]) for chain in found]


def _check_rows(operation: str, name: str, left: TensorBlock, right: TensorBlock) -> None:
    """Compare dynamic samples, which metadata do not."""
    own, other = left.samples, right.samples
    if not isinstance(own, DynamicLabels) or not isinstance(other, DynamicLabels):
        return
    rows, others = np.asarray(own.values), np.asarray(other.values)
    unequal = np.flatnonzero((rows != others).any(axis=1))
    if unequal.size:
        row = int(unequal[0])
        raise NotEqualError(
            compose(
                f"{operation}: the samples of {name} differ.",
                f"first difference at row {row}: left has {_shown(own, rows[row])}, right "
                f"has {_shown(other, others[row])}",
                remedy="both need the same rows in the same order.",
            )
        )


def _shown(labels: DynamicLabels, row: np.ndarray) -> str:
    if (row == PADDING).all():
        return "padding"
    entries = zip(labels.names, row.tolist(), strict=True)
    return f"({', '.join(f'{name}={value}' for name, value in entries)})"


def _part(pair: Pair, sizes: Any) -> _Part:
    prediction = np.asarray(pair.prediction.values).astype(np.float64)
    target = np.asarray(pair.target.values).astype(np.float64)
    samples = pair.target.samples
    rows = np.ones(target.shape[0], bool)
    if isinstance(samples, DynamicLabels):
        rows &= np.asarray(samples.mask)
    known = ~np.isnan(target)  # before a size that is no number makes it look unknown
    if sizes is not None:
        divisors = np.asarray(sizes).astype(np.float64)
        rows &= divisors != 0
        divisors = np.where(rows, divisors, 1.0).reshape(-1, *[1] * (target.ndim - 1))
        prediction, target = prediction / divisors, target / divisors
    known &= rows.reshape(-1, *[1] * (target.ndim - 1))
    return prediction[known] - target[known], target[known]


def _errors(parts: Sequence[_Part]) -> Errors:
    errors = np.concatenate([np.zeros(0), *(part[0] for part in parts)])
    references = np.concatenate([np.zeros(0), *(part[1] for part in parts)])
    if not errors.size:
        return Errors(math.nan, math.nan, math.nan, 0)
    squares = float(np.sum(errors**2))
    # What rounding of the mean leaves of references that are the same is no spread.
    varies = bool((references != references[0]).any())
    spread = float(np.sum((references - references.mean()) ** 2)) if varies else 0.0
    return Errors(
        rmse=math.sqrt(squares / errors.size),
        mae=float(np.mean(np.abs(errors))),
        r2=1.0 - squares / spread if spread else math.nan,
        count=errors.size,
    )
