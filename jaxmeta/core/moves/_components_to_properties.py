"""The plan of components_to_properties."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Layout, block_layout
from jaxmeta.core.plans._kernels import components_last
from jaxmeta.core.plans._plans import Plan, Step, keep
from jaxmeta.core.plans._results import block_by_block, plan_of


def plan(own: Layout, names: tuple[str, ...]) -> Plan[Any]:
    """Components folded into the properties, the first name counting slowest."""

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
    own_names = part.component_names
    axes = tuple(1 + own_names.index(name) for name in names)
    steps = [Step(components_last, (leaf,), (), (axes,))]
    steps += [keep(leaf + 1)] if part.dynamic else []
    gradients = []
    for name, gradient in part.gradients:
        result, below = _fold(gradient, leaf + part.offsets[name], names, properties)
        gradients.append((name, result))
        steps += below
    kept = tuple(c for c in part.components if c._names[0] not in names)
    return block_layout(part.samples, kept, properties, tuple(gradients)), steps
