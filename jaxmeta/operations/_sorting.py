"""Blocks in the order of their labels: the plan of `sort`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import Labels
from jaxmeta.core.gradients._rearrangement import (
    index_array,
    is_identity,
    moved_samples,
    static_samples,
)
from jaxmeta.core.layouts._layout import BlockLayout, block_layout
from jaxmeta.core.plans._plans import Step, keep
from jaxmeta.core.rows._rows import sorted_order


@dataclasses.dataclass(frozen=True)
class _Sorted:
    """Labels in order, and how they got there: which row comes, where each row went."""

    labels: Labels
    order: np.ndarray
    target: np.ndarray
    moved: bool


class Sorting:
    """Sorts blocks, and the gradients below them; equal labels are sorted once."""

    def __init__(self, operation: str, axes: frozenset[str], descending: bool) -> None:
        self.operation = operation
        self.axes = axes
        self.descending = descending
        self.known: dict[tuple[Labels, int | None], _Sorted] = {}

    def block(
        self, part: BlockLayout, leaf: int, parent: np.ndarray | None = None
    ) -> tuple[BlockLayout, list[Step]]:
        """The sorted block and its steps; `parent` says where the parent's rows went."""
        found = self._found(part, parent)
        steps = [_step(leaf, found)]
        if part.dynamic:
            steps.append(keep(leaf + 1))
        rows = found[0].target if 0 in found else None
        gradients = []
        for name, gradient in part.gradients:
            result, below = self.block(gradient, leaf + part.offsets[name], rows)
            gradients.append((name, result))
            steps += below
        axes: list[Any] = [part.samples, *part.components, part.properties]
        for axis, ordered in found.items():
            axes[axis] = ordered.labels
        samples, *components, properties = axes
        return block_layout(samples, tuple(components), properties, tuple(gradients)), steps

    def _found(self, part: BlockLayout, parent: np.ndarray | None) -> dict[int, _Sorted]:
        """The sorted labels of each axis that is to be sorted."""
        found = {}
        if "samples" in self.axes:
            found[0] = self._sorted(static_samples(part, self.operation), parent)
        if "components" in self.axes:
            for axis, component in enumerate(part.components, start=1):
                found[axis] = self._sorted(component)
        if "properties" in self.axes:
            found[1 + len(part.components)] = self._sorted(part.properties)
        return found

    def _sorted(self, labels: Labels, parent: np.ndarray | None = None) -> _Sorted:
        # The targets are kept with what is known, so that their ids stay their own.
        key = (labels, None if parent is None else id(parent))
        if key not in self.known:
            table = labels.values if parent is None else moved_samples(parent, labels)
            self.known[key] = _ordered(labels.names, table, self.descending)
        return self.known[key]


def _ordered(names: Sequence[str], table: np.ndarray, descending: bool) -> _Sorted:
    order = sorted_order(table, descending)
    target = np.empty_like(order)
    target[order] = np.arange(len(order))
    labels = Labels(names, table[order], assume_unique=True)
    return _Sorted(labels, index_array(order), target, not is_identity(order, len(order)))


def _step(leaf: int, found: dict[int, _Sorted]) -> Step:
    moved = {axis: ordered.order for axis, ordered in found.items() if ordered.moved}
    if not moved:
        return keep(leaf)
    return Step(reorder, (leaf,), tuple(moved.values()), (tuple(moved),))


def reorder(x: Any, *arguments: Any) -> Any:
    """An array with some axes in another order.

    The arguments are one index of all positions for each of the axes, then static: which
    axes.
    """
    *orders, axes = arguments
    for axis, order in zip(axes, orders, strict=True):
        where = (*[slice(None)] * axis, order)
        # No position comes twice, so that derivatives may be scattered, not added.
        x = x.at[where].get(mode="promise_in_bounds", unique_indices=True)
    return x
