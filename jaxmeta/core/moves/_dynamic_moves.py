"""Blocks with dynamic samples that become one: row under row, or side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxmeta.core.device._device_checks import Mode, differ
from jaxmeta.core.device._device_rows import (
    Aligned,
    all_sorted,
    as_they_are,
    distinct,
    distinct_by_appearance,
    packed,
)
from jaxmeta.core.device._journeys import Journey
from jaxmeta.core.gradients._destinations import Destination
from jaxmeta.core.gradients._dynamic_rearrangement import (
    Beside,
    DynamicRearrangement,
    Faults,
    Planned,
    Under,
    in_place,
)
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.labels._labels import Labels


def under_each_other(
    operation: str,
    sources: Sequence[Operand],
    names: tuple[str, ...],
    appended: Sequence[tuple[int, ...]],
    properties: Labels,
) -> Planned:
    """Blocks one under the other as they come, padding between them.

    Arguments:
        operation: for messages.
        sources: the blocks.
        names: of the samples, with the dimensions appended.
        appended: for each block what is appended to its samples.
        properties: of all blocks.
    """
    journey = Journey(as_they_are, as_they_are, tuple(appended))
    faults = Faults(operation, "default")
    rearrangement = DynamicRearrangement(journey, in_place, properties, faults)
    return rearrangement.block(sources, names)


def stacked(
    operation: str,
    sources: Sequence[Operand],
    names: tuple[str, ...],
    appended: Sequence[tuple[int, ...]],
    properties: tuple[Labels, list[np.ndarray] | None],
    fill: complex,
    sort: bool,
    asked: Destination,
) -> Planned:
    """Blocks one under the other, gradient rows in order, and samples if `sort`.

    Samples that are not sorted stay where they are, padding between them, unless there is
    a capacity for them. `properties` are those of the result, and for each block the
    positions of them.
    """
    room = dict(asked.capacities)
    unsorted = packed if "samples" in room else as_they_are
    first = all_sorted if sort else unsorted
    journey = Journey(first, all_sorted, tuple(appended))
    rearrangement = DynamicRearrangement(
        journey,
        Under(fill),
        properties[0],
        asked.faults(operation),
        room,
        columns=tuple(properties[1] or ()),
    )
    return rearrangement.block(sources, names)


def aligned(
    operation: str, sources: Sequence[Operand], properties: Labels, mode: Mode
) -> Planned:
    """Blocks with the same samples beside each other; gradient rows are merged."""
    alone = ((),) * len(sources)
    journey = Journey(Aligned(len(sources)), distinct_by_appearance, alone)
    rearrangement = DynamicRearrangement(
        journey,
        _in_order(sources, 0),
        properties,
        Faults(operation, mode, differ),
    )
    return rearrangement.block(sources, sources[0].layout.sample_names)


def _in_order(sources: Sequence[Operand], fill: complex) -> Beside:
    widths = tuple(len(source.layout.properties) for source in sources)
    return Beside(tuple(range(len(sources))), widths, fill)


def side_by_side(
    operation: str,
    sources: Sequence[Operand],
    properties: Labels,
    arrangement: Beside,
    sort: bool,
    asked: Destination,
    table: int,
) -> Planned:
    """Blocks beside each other, under the union of their samples or those asked for.

    `table` is the leaf where the samples asked for are, if they are dynamic.
    """
    names = sources[0].layout.sample_names
    if asked.into is None:
        finds = distinct if sort else distinct_by_appearance
    else:
        finds = asked.finds(operation, names, names)
    rearrangement = DynamicRearrangement(
        Journey(finds, distinct, ((),) * len(sources)),
        arrangement,
        properties,
        asked.faults(operation),
        dict(asked.capacities),
        asked.table(table),
    )
    return rearrangement.block(sources, asked.names or names)
