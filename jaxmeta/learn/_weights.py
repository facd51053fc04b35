"""The weights of a loss, and the numbers of atoms that errors are divided by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import block_name, check_same_block, matched_keys
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose
from jaxmeta.learn._matching import VALUES, check_capacities, parameters_of
from jaxmeta.operations._arguments import check_number


def checked_weights(operation: str, weights: Any, target: TensorMap) -> dict[str, Any]:
    """The weights that are not zero, by parameter: of the values alone by default."""
    if weights is None:
        return {VALUES: 1.0}
    if not isinstance(weights, Mapping) or not weights:
        raise InvalidTypeError(
            compose(
                f"{operation}: weights= must be a dictionary of weights by name.",
                f"found {weights!r:.100}",
                remedy='for instance {"values": 1.0, "positions": 10.0}.',
            )
        )
    found = {
        name: _checked_weight(operation, name, weight) for name, weight in weights.items()
    }
    used = {name: weight for name, weight in found.items() if _may_count(weight)}
    for name in used:
        _check_known(operation, name, target)
    return used


def _may_count(weight: Any) -> bool:
    return isinstance(weight, jax.Array) or weight != 0


def _checked_weight(operation: str, name: Any, weight: Any) -> Any:
    if isinstance(weight, jax.Array) and weight.ndim == 0:
        # Also where it is no tracer: it may be one in the next call.
        return weight
    return check_number(operation, f"the weight of {name!r}", weight)


def _check_known(operation: str, name: Any, target: TensorMap) -> None:
    known = parameters_of(target)
    if len(target) and name not in known:
        raise MissingError(
            compose(
                f"{operation}: the target has no gradient {name!r}, which has a weight.",
                choices(name, known),
                remedy="leave it out of weights=, or give a target that has it.",
            )
        )


# Numbers of atoms ------------------------------------------------------------------------


def sizes_of(operation: str, sizes: Any, target: TensorMap) -> list[tuple[Any, Any]]:
    """For each block of the target an array with a size for each row, or None.

    The second of each pair is the block with the sizes, if it is one with labels.
    """
    if sizes is None:
        return [(None, None)] * len(target)
    if isinstance(sizes, TensorMap):
        positions = matched_keys(f"{operation} (sizes=)", target._layout, sizes._layout)
        return [
            _of_block(operation, sizes.block_by_id(position), target, i)
            for i, position in enumerate(positions)
        ]
    return [(_of_array(operation, sizes, target, i), None) for i in range(len(target))]


def _of_block(
    operation: str, sizes: TensorBlock, target: TensorMap, index: int
) -> tuple[Any, TensorBlock]:
    name = block_name(target.keys, index)
    block = target.block_by_id(index)
    where = f"{operation} (sizes=)"
    check_same_block(
        where, name, block._layout, sizes._layout, ("samples",), gradients=False
    )
    check_capacities(where, name, block, sizes)
    if len(sizes.shape) != 2 or sizes.shape[1] != 1:
        raise InvalidError(
            compose(
                f"{where}: a size is one number for each sample.",
                f"{name} has values of shape {sizes.shape}",
                remedy="give a map with one property and no component.",
            )
        )
    return sizes.values[:, 0], sizes


def _of_array(operation: str, sizes: Any, target: TensorMap, index: int) -> Any:
    array = sizes if isinstance(sizes, jax.Array) else np.asarray(sizes)
    rows = target.block_by_id(index).shape[0]
    if array.ndim != 1 or array.shape[0] != rows or array.dtype.kind not in "iuf":
        raise InvalidError(
            compose(
                f"{operation}: sizes= must have one number for each sample.",
                f"found {array.dtype} of shape {array.shape}; "
                f"{block_name(target.keys, index)} has {rows} samples",
                remedy="give a TensorMap where blocks have different samples.",
            )
        )
    return array
