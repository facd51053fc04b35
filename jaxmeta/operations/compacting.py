"""Dynamic samples with less room: rows one after another, padding behind them."""

from __future__ import annotations

from typing import Any, TypeVar

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.gradients._destinations import (
    Capacity,
    Destination,
    check_capacities,
    destination,
)
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.parts._taking import Planned, whole
from jaxmeta.core.plans._plans import Plan, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, plan_of, run
from jaxmeta.operations._arguments import check_tensor
from jaxmeta.operations._dynamic_selection import compacted


T = TypeVar("T", TensorMap, TensorBlock)


def compact(data: T, capacity: Capacity | None = None) -> T:
    """Move the rows of dynamic samples together, and their padding to the end.

    After `slice` and `join` there is padding between rows. What comes after it is faster
    with less of it: `capacity` says how much room is left, inside a compiled program.

    Values and gradients: the same rows in the same order, at any depth; ``sample`` is
    renumbered. Static samples have no padding: they stay as they are.

    Arguments:
        data: a map or a block.
        capacity: room for the samples, or a dictionary with room for ``"samples"`` and for
            gradients by name; as much as there was for those not named.

    Raises:
        MissingError: for a gradient that is not there.
        InvalidTypeError: for data and capacities of another kind.
        DeviceCheckError: when a program runs in which rows exceed `capacity`.

    Example:
        >>> import jax.numpy as jnp
        >>> import jaxmeta as jm
        >>> rows, n = jm.Labels.range("s", 3), jm.Labels.range("n", 1)
        >>> block = TensorBlock(jnp.arange(3.0)[:, None], rows, [], n)
        >>> last = jm.slice_block(jm.pad(block, 4), "samples", jm.Labels("s", [[2]]))
        >>> last.values.ravel().tolist()
        [0.0, 0.0, 2.0, 0.0]
        >>> compact(last, 2).values.ravel().tolist()
        [2.0, 0.0]
    """
    operation = "compact"
    check_tensor(operation, data)
    asked, _ = destination(operation, capacity=capacity)
    return run(plan_for(bare(data._layout), _plan, operation, asked), data)


def _plan(own: Any, operation: str, asked: Destination) -> Plan[Any]:
    check_capacities(operation, asked, own)

    def plan_block(part: BlockLayout, leaf: int, name: str) -> Planned:
        if not part.dynamic:
            return whole(part, leaf)
        return compacted(operation, Operand(part, leaf), asked)

    return plan_of(own, *block_by_block(own, plan_block))
