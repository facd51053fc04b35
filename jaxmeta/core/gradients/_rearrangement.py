"""Rearrangement: one rule for all operations that move, drop, merge or join samples.

An operation says, for each input block, which row of the result every row goes to (-1:
nowhere). The same is then true of the gradients, and of their gradients: a gradient row
belongs to the row of its parent that ``sample`` names, so its new ``sample`` is where
that row went. Rows of a gradient that become equal are merged (reductions), or stand for
the same row in several blocks (properties side by side).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Dynamic, Gradients, block_layout
from jaxmeta.core.plans._plans import Step
from jaxmeta.core.rows._rows import unique_rows
from jaxmeta.errors import DynamicSamplesError, compose


@dataclasses.dataclass(frozen=True)
class Source:
    """An input block: its layout, where its leaves begin, where its rows go."""

    layout: BlockLayout
    leaf: int
    target: np.ndarray

    @property
    def rows(self) -> int:
        """How many rows the input has."""
        return self.target.shape[0]


# Rows that become equal are merged and then sorted, or merged into the first of them; or
# it is known that none become equal, and they stay as they come.
Order: TypeAlias = Literal["sorted", "first", "distinct"]

# (sources, rows of the result, for each of them the row of the outermost result)
Combine: TypeAlias = Callable[[Sequence[Source], int, np.ndarray], Step]


@dataclasses.dataclass(frozen=True)
class Rearrangement:
    """What an operation does to rows: how leaves are combined, and in which order.

    Arguments:
        combine: makes the step for one leaf of the result.
        properties: of the result.
        order: of the gradient rows.
    """

    combine: Combine
    properties: Labels
    order: Order

    def block(
        self, sources: Sequence[Source], samples: Labels
    ) -> tuple[BlockLayout, list[Step]]:
        """The block with these samples that the sources make, and its steps."""
        return self._level(sources, samples, np.arange(len(samples)))

    def _level(
        self, sources: Sequence[Source], samples: Labels, root: np.ndarray
    ) -> tuple[BlockLayout, list[Step]]:
        steps = [self.combine(sources, len(samples), root)]
        gradients: list[tuple[str, BlockLayout]] = []
        for name, _ in sources[0].layout.gradients:
            layout, below = self._gradient(sources, name, root)
            gradients.append((name, layout))
            steps += below
        return self._layout(sources[0].layout, samples, tuple(gradients)), steps

    def _layout(
        self, like: BlockLayout, samples: Labels, gradients: Gradients
    ) -> BlockLayout:
        return block_layout(samples, like.components, self.properties, gradients)

    def _gradient(
        self, sources: Sequence[Source], name: str, root: np.ndarray
    ) -> tuple[BlockLayout, list[Step]]:
        layouts = [source.layout.gradient_layouts[name] for source in sources]
        tables = [
            moved_samples(source.target, static_samples(layout, "gradient"))
            for source, layout in zip(sources, layouts, strict=True)
        ]
        names = layouts[0].sample_names
        samples, targets = merged(names, tables, self.order)
        below = [
            Source(layout, source.leaf + source.layout.offsets[name], target)
            for source, layout, target in zip(sources, layouts, targets, strict=True)
        ]
        return self._level(below, samples, root[samples.values[:, 0]])


def moved_samples(target: np.ndarray, samples: Labels) -> np.ndarray:
    """Gradient samples with ``sample`` replaced by where that row went."""
    table = np.array(samples.values)
    table[:, 0] = target[table[:, 0]]
    return table


def merged(
    names: Sequence[str], tables: Sequence[np.ndarray], order: Order
) -> tuple[Labels, list[np.ndarray]]:
    """The distinct rows of all tables (rows that begin with -1 dropped).

    Returns the labels in the wanted order, and for each table the position of its rows
    in them, -1 for those that were dropped.
    """
    kept = [table[:, 0] >= 0 for table in tables]
    rows = np.concatenate([t[k] for t, k in zip(tables, kept, strict=True)])
    inverse = np.arange(len(rows))
    if order != "distinct":
        rows, inverse = unique_rows(rows)
    if order == "first":
        rows, inverse = _by_appearance(rows, inverse)
    targets = []
    start = 0
    for keep in kept:
        target = np.full(keep.shape, -1)
        count = int(keep.sum())
        target[keep] = inverse[start : start + count]
        start += count
        targets.append(target)
    return Labels(names, rows, assume_unique=True), targets


def _by_appearance(rows: np.ndarray, inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted unique rows and their inverse, put in order of first appearance."""
    first = np.full(rows.shape[0], inverse.shape[0])
    np.minimum.at(first, inverse, np.arange(inverse.shape[0]))
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.shape[0])
    return rows[order], rank[inverse]


def gathered(target: np.ndarray, rows: int, absent: int) -> np.ndarray:
    """For each row of the result, the input row that goes there; `absent` if none does."""
    source = np.full(rows, absent)
    valid = target >= 0
    source[target[valid]] = np.flatnonzero(valid)
    return index_array(source)


def index_array(positions: np.ndarray) -> np.ndarray:
    """Positions as the int32 that kernels are compiled for."""
    return np.ascontiguousarray(positions, np.int32)


def is_identity(positions: np.ndarray, size: int) -> bool:
    """Whether the positions are 0, 1, 2, ... up to `size`: then nothing needs to move."""
    return positions.shape[0] == size and bool((positions == np.arange(size)).all())


def static_samples(layout: BlockLayout, operation: str) -> Labels:
    """The samples of a layout, which an operation must know outside traced programs."""
    if isinstance(layout.samples, Dynamic):
        raise DynamicSamplesError(
            compose(
                f"{operation}: the samples {list(layout.samples.names)} are dynamic.",
                "which rows there are is only known when the program runs",
                remedy="unpad(tensor) outside the traced function gives static samples.",
            )
        )
    return layout.samples


def with_properties(own: BlockLayout, properties: Labels, operation: str) -> BlockLayout:
    """The layout with other properties, in the gradients too."""
    static_samples(own, operation)
    gradients = tuple(
        (name, with_properties(gradient, properties, operation))
        for name, gradient in own.gradients
    )
    return block_layout(own.samples, own.components, properties, gradients)
