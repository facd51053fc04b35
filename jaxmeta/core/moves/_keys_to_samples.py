"""The plan of keys_to_samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta.core.gradients._arrangements import Stacked
from jaxmeta.core.gradients._destinations import Destination, check_capacities
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import (
    Rearrangement,
    Source,
    index_array,
    static_samples,
)
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Layout, layout
from jaxmeta.core.moves import _move_checks as checks
from jaxmeta.core.moves._dynamic_moves import stacked
from jaxmeta.core.moves._key_groups import key_groups, moved_columns
from jaxmeta.core.plans._plans import Plan, Step
from jaxmeta.core.plans._results import plan_of
from jaxmeta.core.rows._rows import sorted_order


def plan(
    own: Layout, names: tuple[str, ...], fill: complex, sort: bool, asked: Destination
) -> Plan[Any]:
    """Blocks that differ in some key dimensions, row under row."""
    operation = "keys_to_samples"
    check_capacities(operation, asked, own)
    keys, groups = key_groups(own.keys, names)
    moved = moved_columns(own.keys, names)
    blocks = []
    steps: list[Step] = []
    for group in groups:
        parts = [own.blocks[i] for i in group]
        checks.same_components(operation, own.keys, group, parts)
        checks.no_clash(operation, "samples", parts[0].sample_names, names)
        operands = [
            Operand(part, own.offsets[i]) for part, i in zip(parts, group, strict=True)
        ]
        if any(part.dynamic for part in parts):
            block, below = stacked(
                operation,
                operands,
                (*parts[0].sample_names, *names),
                [tuple(key) for key in moved[group].tolist()],
                _union([part.properties for part in parts]),
                fill,
                sort,
                asked,
            )
        else:
            block, below = _static(operands, moved[group], names, fill, sort)
        blocks.append(block)
        steps += below
    return plan_of(own, layout(keys, tuple(blocks)), steps)


def _static(
    operands: list[Operand],
    moved: np.ndarray,
    names: tuple[str, ...],
    fill: complex,
    sort: bool,
) -> tuple[BlockLayout, list[Step]]:
    parts = [operand.layout for operand in operands]
    samples, targets = _stacked_samples(parts, moved, names, sort)
    sources = [
        Source(operand.layout, operand.leaf, target)
        for operand, target in zip(operands, targets, strict=True)
    ]
    properties, columns = _union([part.properties for part in parts])
    rearrangement = Rearrangement(Stacked(columns, fill), properties, "sorted")
    return rearrangement.block(sources, samples)


def _stacked_samples(
    parts: list[BlockLayout], moved: np.ndarray, names: tuple[str, ...], sort: bool
) -> tuple[Labels, list[np.ndarray]]:
    tables = []
    for part, key in zip(parts, moved, strict=True):
        values = static_samples(part, "keys_to_samples").values
        repeated = np.broadcast_to(key, (len(values), len(key)))
        tables.append(np.concatenate([values, repeated], axis=1))
    stacked = np.concatenate(tables)
    all_names = (*parts[0].sample_names, *names)
    order = sorted_order(stacked) if sort else np.arange(len(stacked))
    target = np.empty_like(order)
    target[order] = np.arange(len(order))
    ends = np.cumsum([len(table) for table in tables])[:-1]
    return Labels(all_names, stacked[order]), np.split(target, ends)


def _union(all_labels: list[Labels]) -> tuple[Labels, list[np.ndarray] | None]:
    """The union of several labels, and for each the position of every entry in it.

    The positions are those to take from: past the end where a labels lacks the entry.
    None when all labels are the same.
    """
    first = all_labels[0]
    if all(labels is first for labels in all_labels):
        return first, None
    union = first
    for labels in all_labels[1:]:
        union = union.union(labels)
    columns = []
    for labels in all_labels:
        found = labels._index.find(union.values)
        columns.append(index_array(np.where(found < 0, len(labels), found)))
    return union, columns
