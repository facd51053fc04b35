"""Moves of metadata between keys, samples, components and properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import _move_checks as checks
from jaxmeta.core._kernels import (
    components_last,
    join_properties,
    stack_filled_rows,
    stack_rows,
)
from jaxmeta.core._labels import Labels
from jaxmeta.core._layout import BlockLayout, Layout, block_layout, layout
from jaxmeta.core._plans import Plan, Step, plan_for
from jaxmeta.core._rearrangement import (
    Rearrangement,
    Source,
    gathered,
    index_array,
    is_identity,
    merged,
    static_samples,
)
from jaxmeta.core._results import bare, block_by_block, plan_of, run
from jaxmeta.core._rows import sorted_order, unique_rows


def keys_to_samples(tensor: Any, keys: Any, fill_value: float, sort: bool) -> Any:
    """See `TensorMap.keys_to_samples`."""
    names, _ = checks.keys_to_move("keys_to_samples", tensor.keys, keys, entries=False)
    fill = checks.fill_value("keys_to_samples", tensor, fill_value)
    plan = plan_for(bare(tensor._layout), _plan_samples, names, fill, bool(sort))
    return run(plan, tensor)


def keys_to_properties(tensor: Any, keys: Any, fill_value: float, sort: bool) -> Any:
    """See `TensorMap.keys_to_properties`."""
    operation = "keys_to_properties"
    names, wanted = checks.keys_to_move(operation, tensor.keys, keys, entries=True)
    fill = checks.fill_value(operation, tensor, fill_value)
    plan = plan_for(bare(tensor._layout), _plan_properties, names, wanted, fill, bool(sort))
    return run(plan, tensor)


def components_to_properties(tensor: Any, dimensions: str | Sequence[str]) -> Any:
    """See `TensorMap.components_to_properties`."""
    names = checks.components_to_move(tensor, dimensions)
    if not names:
        return tensor
    # One after the other, each goes in front of those before it.
    return run(plan_for(bare(tensor._layout), _plan_components, names[::-1]), tensor)


# Keys -----------------------------------------------------------------------------


def _groups(keys: Labels, names: tuple[str, ...]) -> tuple[Labels, list[list[int]]]:
    """The keys that remain, in order of first appearance, and the blocks of each."""
    columns = [i for i, name in enumerate(keys._names) if name not in names]
    if not columns:
        return Labels.single(), [list(range(len(keys)))]
    rest, targets = merged_rows(
        tuple(keys._names[i] for i in columns), keys.values[:, columns]
    )
    groups: list[list[int]] = [[] for _ in range(len(rest))]
    for block, group in enumerate(targets):
        groups[int(group)].append(block)
    return rest, groups


def merged_rows(names: tuple[str, ...], table: np.ndarray) -> tuple[Labels, np.ndarray]:
    """The distinct rows of a table by first appearance, and where each row is."""
    # `merged` drops rows that begin with -1, which is an honest label here.
    marked = np.concatenate([np.zeros((len(table), 1), np.int32), table], axis=1)
    labels, (target,) = merged(("_row", *names), [marked], "first")
    return Labels(names, labels.values[:, 1:], assume_unique=True), target


def _moved_columns(keys: Labels, names: tuple[str, ...]) -> np.ndarray:
    return keys.values[:, [keys._names.index(name) for name in names]]


# keys_to_samples ------------------------------------------------------------------


def _plan_samples(
    own: Layout, names: tuple[str, ...], fill: complex, sort: bool
) -> Plan[Any]:
    operation = "keys_to_samples"
    keys, groups = _groups(own.keys, names)
    moved = _moved_columns(own.keys, names)
    blocks = []
    steps: list[Step] = []
    for group in groups if len(own.keys) else []:
        parts = [own.blocks[i] for i in group]
        checks.same_components(operation, own.keys, group, parts)
        checks.no_clash(operation, "samples", parts[0].sample_names, names)
        samples, targets = _stacked_samples(parts, moved[group], names, sort)
        sources = [
            Source(part, own.offsets[i], target)
            for part, i, target in zip(parts, group, targets, strict=True)
        ]
        properties, columns = _union([part.properties for part in parts])
        rearrangement = Rearrangement(_Stack(columns, fill), properties, "sorted")
        block, below = rearrangement.block(sources, samples)
        blocks.append(block)
        steps += below
    return plan_of(own, layout(keys if blocks else _no_keys(keys), tuple(blocks)), steps)


def _no_keys(keys: Labels) -> Labels:
    return Labels.empty(keys._names)


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


class _Stack:
    """Blocks under each other; blocks that lack some properties are filled."""

    def __init__(self, columns: list[np.ndarray] | None, fill: complex) -> None:
        self.columns = columns
        self.fill = fill

    def __call__(self, sources: Sequence[Source], rows: int, root: np.ndarray) -> Step:
        leaves = tuple(source.leaf for source in sources)
        order = np.empty(rows, np.int64)
        order[np.concatenate([source.target for source in sources])] = np.arange(rows)
        if self.columns is None:
            if is_identity(order, rows):
                return Step(stack_rows, leaves, (), (False,))
            return Step(stack_rows, leaves, (index_array(order),), (True,))
        index = (*self.columns, index_array(order))
        return Step(stack_filled_rows, leaves, index, (len(leaves), self.fill))


# keys_to_properties ---------------------------------------------------------------


def _plan_properties(
    own: Layout,
    names: tuple[str, ...],
    wanted: Labels | None,
    fill: complex,
    sort: bool,
) -> Plan[Any]:
    keys, groups = _groups(own.keys, names)
    moved = _moved_columns(own.keys, names)
    blocks = []
    steps: list[Step] = []
    for group in groups if len(own.keys) else []:
        block, below = _side_by_side(own, group, moved, names, wanted, fill, sort)
        blocks.append(block)
        steps += below
    return plan_of(own, layout(keys if blocks else _no_keys(keys), tuple(blocks)), steps)


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


class SideBySide:
    """Blocks beside each other; rows that a block lacks are filled."""

    def __init__(self, order: Sequence[int], widths: list[int], fill: complex) -> None:
        self.order = order
        self.widths = widths
        self.fill = fill

    def __call__(self, sources: Sequence[Source], rows: int, root: np.ndarray) -> Step:
        # Without any wanted block, the first one still tells the shape.
        used = sorted({i for i in self.order if i >= 0}) or [0]
        index: list[np.ndarray] = []
        places: dict[int, tuple[int, int]] = {}
        for array, i in enumerate(used):
            source = sources[i]
            place = -1
            if not is_identity(source.target, rows):
                place = len(index)
                index.append(index_array(gathered(source.target, rows, source.rows)))
            places[i] = (array, place)
        pieces = tuple(
            (*places.get(i, (-1, -1)), width)
            for i, width in zip(self.order, self.widths, strict=True)
        )
        leaves = tuple(sources[i].leaf for i in used)
        return self._step(leaves, tuple(index), pieces)

    def _step(self, leaves: Any, index: Any, pieces: Any) -> Step:
        # Index positions count after the arrays in the kernel's arguments.
        shifted = tuple((a, i if i < 0 else i + len(leaves), w) for a, i, w in pieces)
        return Step(join_properties, leaves, index, (shifted, self.fill))


# components_to_properties ---------------------------------------------------------


def _plan_components(own: Layout, names: tuple[str, ...]) -> Plan[Any]:
    def plan_block(
        part: BlockLayout, leaf: int, name: str
    ) -> tuple[BlockLayout, list[Step]]:
        moved = [c for c in part.components if c._names[0] in names]
        moved.sort(key=lambda labels: names.index(labels._names[0]))
        properties = _folded_properties(moved, part.properties)
        return _fold(part, leaf, names, properties)

    return plan_of(own, *block_by_block(own, plan_block))


def _folded_properties(moved: list[Labels], properties: Labels) -> Labels:
    sizes = [len(labels) for labels in moved]
    grid = np.indices((*sizes, len(properties))).reshape(len(sizes) + 1, -1)
    columns = [labels.values[grid[i], 0] for i, labels in enumerate(moved)]
    table = np.concatenate([np.stack(columns, axis=1), properties.values[grid[-1]]], axis=1)
    return Labels((*[m._names[0] for m in moved], *properties._names), table, True)


def _fold(
    part: BlockLayout, leaf: int, names: tuple[str, ...], properties: Labels
) -> tuple[BlockLayout, list[Step]]:
    own_names = [labels._names[0] for labels in part.components]
    axes = tuple(1 + own_names.index(name) for name in names)
    static_samples(part, "components_to_properties")
    steps = [Step(components_last, (leaf,), (), (axes,))]
    gradients = []
    for name, gradient in part.gradients:
        result, below = _fold(gradient, leaf + part.offsets[name], names, properties)
        gradients.append((name, result))
        steps += below
    kept = tuple(c for c in part.components if c._names[0] not in names)
    return block_layout(part.samples, kept, properties, tuple(gradients)), steps
