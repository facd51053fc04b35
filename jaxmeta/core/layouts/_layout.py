"""Layouts: the static half of blocks and maps, interned.

A `TensorMap` is a layout and a flat tuple of leaves. The layout knows, for every leaf,
what its axes mean. Equal layouts are one object, so JAX compares them by identity. The
leaves of one block stand in this order: values, values of dynamic samples if there are
any, then the leaves of each gradient, by name.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._memory import Memory


@dataclasses.dataclass(frozen=True)
class Dynamic:
    """What a layout keeps of dynamic samples: the names. The capacity is a shape."""

    names: tuple[str, ...]


Samples: TypeAlias = Labels | Dynamic
Gradients: TypeAlias = tuple[tuple[str, "BlockLayout"], ...]

# Which layout may hold which in what it keeps: see `_memory.py`.
Rank: TypeAlias = tuple[int, int]
_OF_MAPS = sys.maxsize - 1
_BIRTHS = itertools.count()


class BlockLayout:
    """What the axes of one block and of its gradients mean. Make it by `block_layout`."""

    def __init__(
        self,
        samples: Samples,
        components: tuple[Labels, ...],
        properties: Labels,
        gradients: Gradients,
    ) -> None:
        self.samples = samples
        self.components = components
        self.properties = properties
        self.gradients = gradients
        self.dynamic = isinstance(samples, Dynamic)
        # The number of leaves.
        own = 2 if self.dynamic else 1
        self.size = own + sum(gradient.size for _, gradient in gradients)
        depth = max((gradient.rank[0] + 1 for _, gradient in gradients), default=0)
        self.rank: Rank = (depth, -next(_BIRTHS))
        self.plans = Memory()

    @property
    def sample_names(self) -> tuple[str, ...]:
        """Names of the samples, static or dynamic."""
        samples = self.samples
        return samples.names if isinstance(samples, Dynamic) else samples._names

    @cached_property
    def component_names(self) -> tuple[str, ...]:
        """The one name of each component."""
        return tuple([labels._names[0] for labels in self.components])

    @cached_property
    def offsets(self) -> Mapping[str, int]:
        """Where the leaves of each gradient begin among those of the block."""
        offset = 2 if self.dynamic else 1
        offsets = {}
        for name, gradient in self.gradients:
            offsets[name] = offset
            offset += gradient.size
        return offsets

    @cached_property
    def gradient_layouts(self) -> Mapping[str, BlockLayout]:
        """The layout of each gradient."""
        return dict(self.gradients)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """How each leaf is reached from the block, as Python."""
        own = (".values", ".samples.values") if self.dynamic else (".values",)
        nested = (
            f".gradient({name!r}){path}"
            for name, gradient in self.gradients
            for path in gradient.paths
        )
        return (*own, *nested)

    @cached_property
    def shapes(self) -> list[tuple[int, ...]] | None:
        """The shape of each leaf; None where dynamic samples leave it open."""
        if isinstance(self.samples, Dynamic):
            return None
        axes = (self.samples, *self.components, self.properties)
        shapes = [tuple(len(labels) for labels in axes)]
        for _, gradient in self.gradients:
            if gradient.shapes is None:
                return None
            shapes += gradient.shapes
        return shapes

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.samples, self.components, self.properties, self.gradients)
        return block_layout, parts

    def __copy__(self) -> BlockLayout:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> BlockLayout:
        return self

    def __repr__(self) -> str:
        return f"<{self.summary}>"

    @cached_property
    def summary(self) -> str:
        """One short line: JAX prints layouts in its errors about unequal trees."""
        rows = "dynamic" if isinstance(self.samples, Dynamic) else len(self.samples)
        parts = [f"samples {list(self.sample_names)} {rows}"]
        parts += [f"components {c.names} {len(c)}" for c in self.components]
        parts += [f"properties {self.properties.names} {len(self.properties)}"]
        parts += [f"∂{name} ({g.summary})" for name, g in self.gradients]
        return ", ".join(parts)


class Layout:
    """The keys of a map, the layout of each block, and `info`. Make it by `layout`."""

    def __init__(
        self,
        keys: Labels,
        blocks: tuple[BlockLayout, ...],
        info: tuple[tuple[str, str], ...],
    ) -> None:
        self.keys = keys
        self.blocks = blocks
        self.info = info
        self.rank: Rank = (_OF_MAPS + bool(info), -next(_BIRTHS))
        self.plans = Memory()
        # Held, because layouts that nobody holds are freed, and their plans with them.
        self._without_info = layout(keys, blocks) if info else None

    @property
    def bare(self) -> Layout:
        """The same layout without info: what plans depend on, and where they are kept."""
        return self if self._without_info is None else self._without_info

    def with_info(self, info: tuple[tuple[str, str], ...]) -> Layout:
        """The same layout with this info in place of its own."""
        return self if info == self.info else layout(self.keys, self.blocks, info)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where the leaves of each block begin, and where those of the last one end."""
        if self._without_info is not None:
            return self._without_info.offsets
        return tuple(itertools.accumulate([block.size for block in self.blocks], initial=0))

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self.offsets[-1]

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """How each leaf is reached from the map, as Python."""
        if self._without_info is not None:
            return self._without_info.paths
        return tuple(
            f"[{', '.join(f'{n}={v}' for n, v in zip(self.keys._names, row, strict=True))}]"
            f"{path}"
            for row, block in zip(self.keys.values.tolist(), self.blocks, strict=True)
            for path in block.paths
        )

    @cached_property
    def shapes(self) -> list[tuple[int, ...]] | None:
        """The shape of each leaf; None where dynamic samples leave one open."""
        if self._without_info is not None:
            return self._without_info.shapes
        shapes: list[tuple[int, ...]] = []
        for block in self.blocks:
            if block.shapes is None:
                return None
            shapes += block.shapes
        return shapes

    def __reduce__(self) -> tuple[Any, ...]:
        return layout, (self.keys, self.blocks, self.info)

    def __copy__(self) -> Layout:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Layout:
        return self

    def __repr__(self) -> str:
        """Short, but with the first blocks told: JAX prints this in its errors."""
        keys = [self.keys.entry(i).print() for i in range(min(2, len(self.keys)))]
        shown = [f"{key}: {b.summary}" for key, b in zip(keys, self.blocks, strict=False)]
        more = [f"{len(self.blocks) - 2} more"] if len(self.blocks) > 2 else []
        info = [f"info {dict(self.info)}"] if self.info else []
        parts = "; ".join([*shown, *more, *info])
        return f"<keys {self.keys.names}, {len(self.blocks)} blocks: {parts}>"


_LOCK = threading.RLock()
_BLOCKS: WeakValueDictionary[Any, BlockLayout] = WeakValueDictionary()
_LAYOUTS: WeakValueDictionary[Any, Layout] = WeakValueDictionary()


def block_layout(
    samples: Samples,
    components: tuple[Labels, ...],
    properties: Labels,
    gradients: Gradients = (),
) -> BlockLayout:
    """The one layout with these parts; gradients must be sorted by name."""
    key = (samples, components, properties, gradients)
    with _LOCK:
        found = _BLOCKS.get(key)
        if found is None:
            found = _BLOCKS[key] = BlockLayout(*key)
        return found


def layout(
    keys: Labels, blocks: tuple[BlockLayout, ...], info: tuple[tuple[str, str], ...] = ()
) -> Layout:
    """The one layout with these keys, blocks and info (sorted pairs)."""
    key = (keys, blocks, info)
    with _LOCK:
        found = _LAYOUTS.get(key)
        if found is None:
            found = _LAYOUTS[key] = Layout(*key)
        return found
