"""Parts of blocks and maps: the plan that keeps some entries along each axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmeta.core.gradients._rearrangement import (
    Rearrangement,
    Source,
    gathered,
    index_array,
    is_identity,
    static_samples,
)
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import (
    BlockLayout,
    Gradients,
    Layout,
    Samples,
    block_layout,
    layout,
)
from jaxmeta.core.plans._kernels import take_properties, take_rows
from jaxmeta.core.plans._plans import Step, keep


Planned = tuple[BlockLayout, list[Step]]


@dataclasses.dataclass(frozen=True)
class Kept:
    """Positions to keep along the axes of a block, without repetition.

    None keeps a whole axis, and so does a component that is not mentioned; components go
    by their number in the block. Positions may come in any order.
    """

    samples: np.ndarray | None = None
    components: Mapping[int, np.ndarray] = dataclasses.field(default_factory=dict)
    properties: np.ndarray | None = None

    @classmethod
    def along(cls, axis: str, positions: np.ndarray) -> Kept:
        """Some samples, or some properties, and the whole of the other axes."""
        if axis == "samples":
            return cls(samples=positions)
        return cls(properties=positions)


def take(operation: str, part: BlockLayout, leaf: int, kept: Kept) -> Planned:
    """What a block keeps of its values, and of its gradients at any depth.

    Gradient rows go with their samples, in the order they had. Properties, and the
    components that a gradient has from the values, are those of the values.
    """
    inner = _Inner.of(part, kept)
    if kept.samples is not None:
        samples = static_samples(part, operation)
        if not is_identity(kept.samples, len(samples)):
            target = np.full(len(samples), -1)
            target[kept.samples] = np.arange(len(kept.samples))
            rows = _Taken(inner.some_rows, inner.properties, "distinct", inner)
            return rows.block([Source(part, leaf, target)], some_of(samples, kept.samples))
    return inner.all_rows(part, leaf)


def some_of(labels: Labels, positions: np.ndarray) -> Labels:
    """The entries at some positions; all in order are the labels themselves."""
    if is_identity(positions, len(labels)):
        return labels
    return Labels(labels.names, labels.values[positions], assume_unique=True)


@dataclasses.dataclass(frozen=True)
class _Inner:
    """What is kept along components and properties, in values and gradients alike.

    Axes count from the end: in front of the components of the values, gradients have
    their own.
    """

    components: tuple[Labels, ...]
    properties: Labels
    axes: tuple[int, ...]
    index: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, part: BlockLayout, kept: Kept) -> _Inner:
        labels = [*part.components, part.properties]
        positions: dict[int, np.ndarray | None] = dict(kept.components)
        positions[len(labels) - 1] = kept.properties
        axes, index = [], []
        for number, chosen in sorted(positions.items()):
            if chosen is not None and not is_identity(chosen, len(labels[number])):
                labels[number] = some_of(labels[number], chosen)
                axes.append(number - len(labels))
                index.append(index_array(chosen))
        return cls(tuple(labels[:-1]), labels[-1], tuple(axes), tuple(index))

    def layout(
        self, like: BlockLayout, samples: Samples, gradients: Gradients
    ) -> BlockLayout:
        """The layout of values or of a gradient, whose own components stay."""
        own = like.components[: len(like.components) - len(self.components)]
        return block_layout(samples, own + self.components, self.properties, gradients)

    def all_rows(self, part: BlockLayout, leaf: int) -> Planned:
        """Every sample, static or dynamic."""
        if not self.axes:
            return whole(part, leaf)
        steps = [self._step(leaf), *([keep(leaf + 1)] if part.dynamic else [])]
        gradients = []
        for name, gradient in part.gradients:
            planned, below = self.all_rows(gradient, leaf + part.offsets[name])
            gradients.append((name, planned))
            steps += below
        return self.layout(part, part.samples, tuple(gradients)), steps

    def _step(self, leaf: int) -> Step:
        if self.axes == (-1,):
            return Step(take_properties, (leaf,), self.index, (), keeps_rows=True)
        return Step(take_along, (leaf,), self.index, (self.axes,), keeps_rows=True)

    def some_rows(self, sources: Sequence[Source], rows: int, root: np.ndarray) -> Step:
        """The step for one leaf of a rearrangement."""
        (source,) = sources
        positions = gathered(source.target, rows, absent=source.rows)
        if is_identity(positions, source.rows):
            return self._step(source.leaf) if self.axes else keep(source.leaf)
        if not self.axes:
            return Step(take_rows, (source.leaf,), (positions,))
        axes = (0, *self.axes)
        return Step(take_along, (source.leaf,), (positions, *self.index), (axes,))


@dataclasses.dataclass(frozen=True)
class _Taken(Rearrangement):
    inner: _Inner

    def _layout(
        self, like: BlockLayout, samples: Labels, gradients: Gradients
    ) -> BlockLayout:
        return self.inner.layout(like, samples, gradients)


def take_along(x: Any, *arguments: Any) -> Any:
    """The entries at some positions (all of them valid) along several axes."""
    *indices, axes = arguments
    for axis, index in zip(axes, indices, strict=True):
        x = take_rows(x, index) if axis == 0 else jnp.take(x, index, axis, mode="clip")
    return x


def whole(part: BlockLayout, leaf: int) -> Planned:
    """A block as it is."""
    return part, [keep(leaf + i) for i in range(part.size)]


def some_blocks(
    own: Layout, positions: np.ndarray, planned: Sequence[Planned] | None = None
) -> tuple[Layout, list[Step]]:
    """The blocks at some positions as a map; as they are, or as they are planned."""
    if planned is None:
        planned = [whole(own.blocks[i], own.offsets[i]) for i in positions.tolist()]
    steps = [step for _, below in planned for step in below]
    blocks = tuple(block for block, _ in planned)
    return layout(some_of(own.keys, positions), blocks), steps
