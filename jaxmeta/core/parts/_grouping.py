"""Blocks taken apart by rows, where every row belongs to one part.

The rule is that of a rearrangement: a gradient row goes where its sample went. But all
parts are found together, so that the work grows with the rows, not with rows times parts.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np

from jaxmeta.core.gradients._rearrangement import (
    index_array,
    is_identity,
    moved_samples,
    static_samples,
)
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, block_layout
from jaxmeta.core.parts._taking import Planned
from jaxmeta.core.plans._kernels import take_rows
from jaxmeta.core.plans._plans import Step, keep


def grouped(
    operation: str, part: BlockLayout, leaf: int, group: np.ndarray, count: int
) -> list[Planned]:
    """The parts of a block, each with the rows of one group in their order.

    Arguments:
        operation: for messages.
        part: with static samples, in its gradients too.
        leaf: where its leaves begin.
        group: which of the `count` groups each row belongs to.
        count: how many groups there are; some may have no row.
    """
    table = static_samples(part, operation).values
    return _level(operation, part, leaf, _Rows(table, group, count))


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Samples, as they are in the parts, and which of the parts they belong to."""

    table: np.ndarray
    group: np.ndarray
    count: int

    @cached_property
    def positions(self) -> list[np.ndarray]:
        return positions_of(self.group, self.count)

    def of_gradient(self, samples: Labels) -> _Rows:
        """The rows of a gradient: each goes where its sample went."""
        rank = np.empty(len(self.group), np.int64)
        for kept in self.positions:
            rank[kept] = np.arange(len(kept))
        parent = samples.values[:, 0]
        return _Rows(moved_samples(rank, samples), self.group[parent], self.count)


def _level(operation: str, part: BlockLayout, leaf: int, rows: _Rows) -> list[Planned]:
    """The parts of values, or of a gradient."""
    below = []
    for name, gradient in part.gradients:
        own = rows.of_gradient(static_samples(gradient, operation))
        below.append(_level(operation, gradient, leaf + part.offsets[name], own))
    parts = []
    for number, kept in enumerate(rows.positions):
        samples = Labels(part.sample_names, rows.table[kept], assume_unique=True)
        gradients = []
        steps = [_step(leaf, kept, len(rows.group))]
        for (name, _), planned in zip(part.gradients, below, strict=True):
            gradients.append((name, planned[number][0]))
            steps += planned[number][1]
        inner = part.components, part.properties, tuple(gradients)
        parts.append((block_layout(samples, *inner), steps))
    return parts


def _step(leaf: int, kept: np.ndarray, size: int) -> Step:
    if is_identity(kept, size):
        return keep(leaf)
    return Step(take_rows, (leaf,), (index_array(kept),))


def positions_of(group: np.ndarray, count: int) -> list[np.ndarray]:
    """For each group, the positions that belong to it, in order."""
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=count))
    return np.split(order, ends)[:count]
