"""The plan of keys_to_properties."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core.gradients._arrangements import SideBySide
from jaxmeta.core.gradients._destinations import (
    Destination,
    check_capacities,
    rows_into,
)
from jaxmeta.core.gradients._dynamic_rearrangement import Beside
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import Rearrangement, Source, static_samples
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import BlockLayout, Layout, layout
from jaxmeta.core.moves import _move_checks as checks
from jaxmeta.core.moves._dynamic_moves import side_by_side
from jaxmeta.core.moves._key_groups import key_groups, merged_rows, moved_columns
from jaxmeta.core.plans._plans import Plan, Step
from jaxmeta.core.plans._results import plan_of
from jaxmeta.core.rows._rows import unique_rows


_OPERATION = "keys_to_properties"


def plan(
    own: Layout,
    names: tuple[str, ...],
    wanted: Labels | None,
    fill: complex,
    sort: bool,
    asked: Destination,
) -> Plan[Any]:
    """Blocks that differ in some key dimensions, side by side."""
    check_capacities(_OPERATION, asked, own)
    move = _Move(own, names, wanted, fill, sort, asked)
    keys, groups = key_groups(own.keys, names)
    blocks = []
    steps: list[Step] = []
    for group in groups:
        block, below = move.block(group)
        blocks.append(block)
        steps += below
    return plan_of(own, layout(keys, tuple(blocks)), steps)


@dataclasses.dataclass(frozen=True)
class _Move:
    """What moves: the names of keys, the keys that are wanted, and the samples."""

    own: Layout
    names: tuple[str, ...]
    wanted: Labels | None
    fill: complex
    sort: bool
    asked: Destination

    def block(self, group: list[int]) -> tuple[BlockLayout, list[Step]]:
        """The block that some blocks become."""
        keys = self.own.keys
        operands = [Operand(self.own.blocks[i], self.own.offsets[i]) for i in group]
        parts = [operand.layout for operand in operands]
        checks.same_components(_OPERATION, keys, group, parts)
        checks.no_clash(_OPERATION, "properties", parts[0].properties._names, self.names)
        moved = moved_columns(keys, self.names)[group]
        rows, pieces = _pieces(keys, group, moved, self.wanted, parts)
        properties = _joined_properties(self.names, rows, [p for p, _ in pieces])
        order, widths = [i for _, i in pieces], [len(p) for p, _ in pieces]
        if any(part.dynamic for part in parts):
            beside = Beside(tuple(order), tuple(widths), self.fill)
            return side_by_side(
                _OPERATION,
                operands,
                properties,
                beside,
                self.sort,
                self.asked,
                self.own.size,
            )
        # Every block has a say in the samples, also one whose key is not wanted.
        samples, targets = self._samples(group, parts)
        sources = [
            Source(operand.layout, operand.leaf, target)
            for operand, target in zip(operands, targets, strict=True)
        ]
        arrangement = SideBySide(order, widths, self.fill)
        return Rearrangement(arrangement, properties, "sorted").block(sources, samples)

    def _samples(
        self, group: list[int], parts: list[BlockLayout]
    ) -> tuple[Labels, list[np.ndarray]]:
        """The samples of the result, and where the rows of each block are in them."""
        if self.asked.into is None:
            return samples_union(parts, _OPERATION, self.sort)
        found = []
        for i, part in zip(group, parts, strict=True):
            own, name = static_samples(part, _OPERATION), block_name(self.own.keys, i)
            found.append(rows_into(_OPERATION, name, own, own.names, self.asked))
        return found[0][0], [rows for _, rows in found]


def _pieces(
    keys: Labels,
    group: list[int],
    own_keys: np.ndarray,
    wanted: Labels | None,
    parts: list[BlockLayout],
) -> tuple[np.ndarray, list[tuple[Labels, int]]]:
    """The moved keys in order, and for each its properties and its block (-1: none)."""
    if wanted is None:
        return own_keys, [(part.properties, i) for i, part in enumerate(parts)]
    checks.same_properties(_OPERATION, keys, group, parts)
    position = {tuple(row): i for i, row in enumerate(own_keys.tolist())}
    found = [position.get(tuple(row), -1) for row in wanted.values.tolist()]
    return wanted.values, [(parts[0].properties, i) for i in found]


def _joined_properties(
    names: tuple[str, ...], keys: np.ndarray, properties: list[Labels]
) -> Labels:
    tables = [
        np.concatenate([np.broadcast_to(key, (len(p), len(key))), p.values], axis=1)
        for key, p in zip(keys, properties, strict=True)
    ]
    return Labels((*names, *properties[0]._names), np.concatenate(tables))


def samples_union(
    parts: Sequence[BlockLayout], operation: str, sort: bool
) -> tuple[Labels, list[np.ndarray]]:
    """The union of the samples of several blocks, and where the rows of each are."""
    all_samples = [static_samples(part, operation) for part in parts]
    first = all_samples[0]
    if all(samples is first for samples in all_samples):
        if not sort:
            return first, [np.arange(len(first))] * len(parts)
        all_samples = [first]
    stacked = np.concatenate([samples.values for samples in all_samples])
    if sort:
        rows, target = unique_rows(stacked)
        union = Labels(first._names, rows, assume_unique=True)
    else:
        union, target = merged_rows(first._names, stacked)
    ends = np.cumsum([len(samples) for samples in all_samples])[:-1]
    targets = np.split(target, ends)
    return union, targets if len(targets) == len(parts) else targets * len(parts)
