"""How much every row of a target counts: its values, and each of its gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import block_name, check_same_block, matched_keys
from jaxmeta.core.layouts._precision import check_same_dtype
from jaxmeta.errors import InvalidError, MissingError, choices, compose
from jaxmeta.learn._matching import VALUES, check_capacities
from jaxmeta.learn._weights import checked_weights, sizes_of
from jaxmeta.operations._arguments import check_number


class Weight(NamedTuple):
    """How much rows count, in parts that a program puts together.

    Arguments:
        number: a number, or an array with one for each row of the part.
        sizes: what the errors of each sample are divided by, or None.
    """

    number: Any
    sizes: Any = None

    def of_rows(self, rows: int, dtype: Any) -> Any:
        """The weights as one array of shape (rows,); of size zero nothing counts."""
        weights = jnp.asarray(self.number).astype(dtype)
        weights = jnp.broadcast_to(weights.reshape(-1), (rows,))
        if self.sizes is None:
            return weights
        each = rows // max(self.sizes.shape[0], 1)
        sizes = jnp.repeat(self.sizes.astype(dtype), each)
        there = sizes != 0
        return jnp.where(there, weights / jnp.where(there, sizes, 1.0) ** 2, 0.0)


# For each block: weights by parameter. What has none does not count.
RowWeights = list[dict[str, Weight]]


def row_weights(operation: str, given: Any, y: TensorMap, sizes: Any) -> RowWeights:
    """The weights of all rows that count, in the dtype of the target.

    Arguments:
        operation: for messages.
        given: what the user gave: None, a number, a dictionary or a map.
        y: the target, without gradients of gradients.
        sizes: numbers by which errors of the values are divided, or None.
    """
    if isinstance(given, TensorMap):
        found = _of_map(operation, given, y)
    else:
        found = _of_numbers(operation, given, y)
    if sizes is not None:
        for weights, (divisors, _) in zip(
            found, sizes_of(operation, sizes, y), strict=True
        ):
            _check_numbers(operation, "a size", divisors, _SIZES)
            if VALUES in weights:
                weights[VALUES] = Weight(weights[VALUES].number, divisors)
    return found


def part_of(block: TensorBlock, parameter: str) -> TensorBlock:
    """The block itself for ``values``, else its gradient."""
    return block if parameter == VALUES else block.gradient(parameter)


def _of_numbers(operation: str, given: Any, y: TensorMap) -> RowWeights:
    parameters = [VALUES, *(y[0].gradients_list() if len(y) else [])]
    if isinstance(given, Mapping):
        numbers = checked_weights(operation, given, y)
    else:
        scalar = isinstance(given, jax.Array) and given.ndim == 0
        if given is not None and not scalar:
            given = check_number(operation, "sample_weight", given)
        numbers = dict.fromkeys(parameters, 1.0 if given is None else given)
    for name, number in numbers.items():
        _check_numbers(operation, f"the weight of {name!r}", number, _WEIGHTS)
    # An array may be another number in the next call.
    there = {
        name: Weight(number)
        for name, number in numbers.items()
        if isinstance(number, jax.Array) or number != 0
    }
    return [dict(there) for _ in y]


def _of_map(operation: str, given: TensorMap, y: TensorMap) -> RowWeights:
    where = f"{operation} (sample_weight=)"
    check_same_dtype(where, given, y, ("sample_weight", "y"))
    positions = matched_keys(where, y._layout, given._layout)
    found = []
    for index, position in enumerate(positions):
        name, block = block_name(y.keys, index), y.block_by_id(index)
        weights = given.block_by_id(position)
        found.append({VALUES: _of_part(where, name, weights, block)})
        for parameter in block.gradients_list():
            if not weights.has_gradient(parameter):
                raise _no_weights(where, name, parameter, weights)
            inner = f"gradient {parameter!r} of {name}"
            found[-1][parameter] = _of_part(
                where, inner, weights.gradient(parameter), block.gradient(parameter)
            )
    return found


def _of_part(where: str, name: str, weights: TensorBlock, part: TensorBlock) -> Weight:
    labels = ("samples", "components")
    check_same_block(where, name, weights._layout, part._layout, labels, gradients=False)
    check_capacities(where, name, weights, part)
    if len(weights.properties) != 1:
        raise InvalidError(
            compose(
                f"{where}: a weight is one number for each row.",
                f"{name} has {len(weights.properties)} properties",
                remedy="give a map with one property.",
            )
        )
    _check_numbers(where, f"a weight of {name}", weights.values, _WEIGHTS)
    return Weight(weights.values)


_WEIGHTS = "weights multiply squared residuals: zero leaves a row out."
_SIZES = "sizes= are numbers of atoms: where there are none nothing counts."


def _check_numbers(where: str, what: str, given: Any, remedy: str) -> None:
    """Refuse negative numbers and NaN, which would not count, where that can be seen."""
    if isinstance(given, Tracer):
        return
    found = np.asarray(given)
    wrong = found[~(np.isfinite(found) & (found >= 0))]
    if wrong.size:
        fault = "negative" if wrong[0] < 0 else "not finite"
        raise InvalidError(
            compose(f"{where}: {what} is {fault}.", f"found {wrong[0]}", remedy=remedy)
        )


def _no_weights(
    where: str, name: str, parameter: str, weights: TensorBlock
) -> MissingError:
    return MissingError(
        compose(
            f"{where}: there are no weights for the gradient {parameter!r} of y.",
            f"in {name} {choices(parameter, weights.gradients_list())}",
            remedy="give it weights, zero if it should not count; or "
            "remove_gradients() it from y.",
        )
    )
