"""Which block of a target belongs to which of a prediction, down to one parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxmeta.core import DynamicLabels, TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import block_name, check_same_block, matched_keys
from jaxmeta.core.layouts._precision import (
    check_host_arrays,
    check_inexact,
    check_same_dtype,
)
from jaxmeta.errors import InvalidTypeError, MissingError, NotEqualError, choices, compose
from jaxmeta.operations._arguments import check_map


VALUES = "values"


def check_parameter(operation: str, given: Any) -> str:
    """The name of a parameter, which a list of names is not."""
    if not isinstance(given, str):
        raise InvalidTypeError(
            compose(
                f"{operation}: parameter must be a name.",
                f"found {given!r:.100}, a {type(given).__name__}",
                remedy='for instance "values", or "positions".',
            )
        )
    return given


class Pair(NamedTuple):
    """Two blocks with the same labels: values, or gradients by the same parameter.

    Arguments:
        position: of the block among those of the target.
    """

    name: str
    position: int
    prediction: TensorBlock
    target: TensorBlock


def check_maps(operation: str, prediction: Any, target: Any) -> None:
    """Refuse what are no two maps of real numbers of one dtype."""
    check_map(operation, prediction)
    check_map(operation, target)
    check_same_dtype(operation, prediction, target, ("the prediction", "the target"))
    check_inexact(operation, target, "their errors")
    if target.dtype is not None and jnp.issubdtype(target.dtype, np.complexfloating):
        raise InvalidTypeError(
            compose(
                f"{operation}: errors are those of real numbers.",
                f"found {target.dtype} values",
                remedy="compare real and imaginary parts as maps of their own.",
            )
        )


def check_precision(prediction: TensorMap, target: TensorMap) -> None:
    """Refuse numpy arrays that JAX would round."""
    check_host_arrays((*prediction._leaves, *target._leaves))


def parameters_of(tensor: TensorMap) -> list[str]:
    """``values``, and the names of all gradients: ``a/b`` is the one by b of that by a."""
    return _below(tensor.block_by_id(0), VALUES) if len(tensor) else [VALUES]


def _below(block: TensorBlock, parameter: str) -> list[str]:
    prefix = "" if parameter == VALUES else f"{parameter}/"
    found = [parameter]
    for name, gradient in block.gradients():
        found += _below(gradient, prefix + name)
    return found


def chains(
    operation: str, prediction: TensorMap, target: TensorMap, parameter: str
) -> list[list[Pair]]:
    """For each block the pairs from the values down to those of the parameter.

    The labels of all of them must agree: rows of gradients name rows above them.

    Raises:
        NotEqualError: when keys or labels differ.
        MissingError: when one of the maps lacks the parameter.
    """
    positions = matched_keys(operation, prediction._layout, target._layout)
    return [
        _chain(
            operation,
            Pair(
                block_name(prediction.keys, i),
                position,
                prediction.block_by_id(i),
                target.block_by_id(position),
            ),
            [] if parameter == VALUES else parameter.split("/"),
        )
        for i, position in enumerate(positions)
    ]


def _chain(operation: str, first: Pair, names: Sequence[str]) -> list[Pair]:
    pairs = [first]
    _check_labels(operation, first)
    for i, name in enumerate(names):
        above = pairs[-1]
        for side, block in (("prediction", above.prediction), ("target", above.target)):
            if not block.has_gradient(name):
                raise _missing(operation, side, "/".join(names[: i + 1]), above, block)
        inner = Pair(
            f"gradient {name!r} of {above.name}",
            above.position,
            above.prediction.gradient(name),
            above.target.gradient(name),
        )
        _check_labels(operation, inner)
        pairs.append(inner)
    return pairs


def _missing(
    operation: str, side: str, path: str, above: Pair, block: TensorBlock
) -> MissingError:
    remedy = (
        "predict this gradient too, or give it no weight."
        if side == "prediction"
        else "give it no weight, or a target that has it."
    )
    return MissingError(
        compose(
            f"{operation}: the {side} has no gradient {path!r}.",
            f"in {above.name} {choices(path, block.gradients_list())}",
            remedy=remedy,
        )
    )


def _check_labels(operation: str, pair: Pair) -> None:
    """Compare what is static: everything but the rows of dynamic samples."""
    left, right = pair.prediction, pair.target
    check_same_block(operation, pair.name, left._layout, right._layout, gradients=False)
    check_capacities(operation, pair.name, left, right)


def check_capacities(
    operation: str, name: str, left: TensorBlock, right: TensorBlock
) -> None:
    """Refuse dynamic samples with room for different numbers of rows."""
    own, other = left.samples, right.samples
    if not isinstance(own, DynamicLabels) or not isinstance(other, DynamicLabels):
        return
    if own.capacity != other.capacity:
        raise NotEqualError(
            compose(
                f"{operation}: the samples of {name} have different capacities.",
                f"left has room for {own.capacity} rows, right for {other.capacity}",
                remedy="pad() both to the same capacity.",
            )
        )
