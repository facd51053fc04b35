"""Plans of reductions over properties and over components, which are row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core.functions._reducing import Kind, over_components, over_properties
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import index_array, is_identity
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.plans._plans import Plan, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, plan_of, run
from jaxmeta.operations._reduction_arguments import (
    check_numbers,
    components_to_reduce,
    dimensions_to_reduce,
    without,
)


_LINEAR = ("sum", "mean")

# How many of the index arrays of groups each kind takes.
_TABLES = {"sum": 1, "mean": 2, "var": 3, "std": 3}


def reduce_properties(
    operation: str, data: Any, names: str | Sequence[str], kind: Kind
) -> Any:
    """A map or block whose properties that differ only in some dimensions became one."""
    own = bare(data._layout)
    found = dimensions_to_reduce(operation, own, "properties", names)
    check_numbers(operation, data, kind)
    return run(plan_for(own, _plan_properties, operation, found, kind), data)


def reduce_components(
    operation: str, data: Any, names: str | Sequence[str] | None, kind: Kind
) -> Any:
    """A map or block without some components."""
    own = bare(data._layout)
    found = components_to_reduce(operation, own, names)
    check_numbers(operation, data, kind)
    return run(plan_for(own, _plan_components, operation, found, kind), data)


def _plan_properties(
    own: Any, operation: str, names: tuple[str, ...], kind: Kind
) -> Plan[Any]:
    linear = frozenset({0} if kind in _LINEAR else ())

    def plan_block(part: BlockLayout, leaf: int, name: str) -> Any:
        properties, target = without(part.properties, names)
        index, size = _groups(target, len(properties), kind)
        known = RowFunction(
            operation,
            over_properties,
            linear,
            index=index,
            static=(kind, len(properties), size),
        )
        axes = part.components, properties
        return rowwise_block(known, name, [Operand(part, leaf)], axes)

    return plan_of(own, *block_by_block(own, plan_block))


def _groups(
    target: np.ndarray, groups: int, kind: Kind
) -> tuple[tuple[np.ndarray, ...], int]:
    """The index arrays of `over_properties`, and the number that all groups have."""
    counts = np.bincount(target, minlength=groups)
    order = np.argsort(target, kind="stable")
    if not groups or (counts == counts[0]).all():
        moved = () if is_identity(order, len(target)) else (index_array(order),)
        return moved, int(counts[0]) if groups else 1
    first = order[np.cumsum(counts) - counts][target]
    needed = (target, counts, first)[: _TABLES[kind]]
    return tuple(map(index_array, needed)), 0


def _plan_components(
    own: Any, operation: str, names: tuple[str, ...] | None, kind: Kind
) -> Plan[Any]:
    linear = frozenset({0} if kind in _LINEAR else ())

    def plan_block(part: BlockLayout, leaf: int, name: str) -> Any:
        existing = part.component_names
        gone = existing if names is None else names
        axes = tuple(1 + i for i, name in enumerate(existing) if name in gone)
        known = RowFunction(operation, over_components, linear, static=(axes, kind))
        kept = tuple(labels for labels in part.components if labels._names[0] not in gone)
        rest = kept, part.properties
        return rowwise_block(known, name, [Operand(part, leaf)], rest)

    return plan_of(own, *block_by_block(own, plan_block))
