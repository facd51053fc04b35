"""The weights of a loss, and the numbers of atoms that errors are divided by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
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
        if _is_real(weight.dtype):
            return weight
        raise InvalidTypeError(
            compose(
                f"{operation}: the weight of {name!r} must be a real number.",
                f"found {weight.dtype}",
            )
        )
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
    if not _is_real(sizes.dtype):
        raise InvalidTypeError(
            compose(f"{where}: sizes must be real.", f"{name} has {sizes.dtype} values")
        )
    return sizes.values[:, 0], sizes


def _of_array(operation: str, sizes: Any, target: TensorMap, index: int) -> Any:
    rows, name = target.block_by_id(index).shape[0], block_name(target.keys, index)
    wrong = f"{operation}: sizes= must have one number for each sample."
    try:
        array = sizes if isinstance(sizes, jax.Array) else np.asarray(sizes)
    except (TypeError, ValueError) as error:
        raise InvalidError(
            compose(
                wrong,
                f"found what is no array, a {type(sizes).__name__}",
                remedy="give an array; jnp.stack(...) makes one of numbers of JAX.",
            )
        ) from error
    if array.shape != (rows,) or not _is_real(array.dtype):
        raise InvalidError(
            compose(
                wrong,
                f"found {array.dtype} of shape {array.shape}; {name} has {rows} samples",
                remedy="give a TensorMap where blocks have different samples.",
            )
        )
    return array


def _is_real(dtype: Any) -> bool:
    """Whether it is one of integers or floating point numbers, truth values aside."""
    return jnp.issubdtype(dtype, np.integer) or jnp.issubdtype(dtype, np.floating)
