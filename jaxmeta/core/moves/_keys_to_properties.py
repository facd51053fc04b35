"""The plan of keys_to_properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core.gradients._arrangements import SideBySide
from jaxmeta.core.gradients._rearrangement import Rearrangement, Source, static_samples
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Layout, layout
from jaxmeta.core.moves import _move_checks as checks
from jaxmeta.core.moves._key_groups import key_groups, merged_rows, moved_columns
from jaxmeta.core.plans._plans import Plan, Step
from jaxmeta.core.plans._results import plan_of
from jaxmeta.core.rows._rows import unique_rows


def plan(
    own: Layout,
    names: tuple[str, ...],
    wanted: Labels | None,
    fill: complex,
    sort: bool,
) -> Plan[Any]:
    """Blocks that differ in some key dimensions, side by side."""
    keys, groups = key_groups(own.keys, names)
    moved = moved_columns(own.keys, names)
    blocks = []
    steps: list[Step] = []
    for group in groups:
        block, below = _side_by_side(own, group, moved, names, wanted, fill, sort)
        blocks.append(block)
        steps += below
    return plan_of(own, layout(keys, tuple(blocks)), steps)


def _side_by_side(
    own: Layout,
    group: list[int],
    moved: np.ndarray,
    names: tuple[str, ...],
    wanted: Labels | None,
    fill: complex,
    sort: bool,
) -> tuple[BlockLayout, list[Step]]:
    operation = "keys_to_properties"
    parts = [own.blocks[i] for i in group]
    checks.same_components(operation, own.keys, group, parts)
    checks.no_clash(operation, "properties", parts[0].properties._names, names)
    keys, pieces = _pieces(own, group, moved, names, wanted, parts)
    properties = _joined_properties(names, keys, [p for p, _ in pieces])
    # Every block has a say in the samples, also one whose key is not wanted.
    samples, targets = samples_union(parts, operation, sort)
    sources = [
        Source(part, own.offsets[i], target)
        for part, i, target in zip(parts, group, targets, strict=True)
    ]
    arrangement = SideBySide([i for _, i in pieces], [len(p) for p, _ in pieces], fill)
    return Rearrangement(arrangement, properties, "sorted").block(sources, samples)


def _pieces(
    own: Layout,
    group: list[int],
    moved: np.ndarray,
    names: tuple[str, ...],
    wanted: Labels | None,
    parts: list[BlockLayout],
) -> tuple[np.ndarray, list[tuple[Labels, int]]]:
    """The moved keys in order, and for each its properties and its block (-1: none)."""
    own_keys = moved[group]
    if wanted is None:
        return own_keys, [(part.properties, i) for i, part in enumerate(parts)]
    checks.same_properties("keys_to_properties", own.keys, group, parts)
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
