"""Facts of small made-up objects, and a map that counts which of its blocks are read."""

from __future__ import annotations

import numpy as np

from jaxmeta._render.facts import ArrayFacts, BlockFacts, LabelFacts, MapFacts


def labels(names: str, rows: int) -> LabelFacts:
    """Row i holds i, 2i, 3i ..."""
    split = tuple(names.split())
    values = np.outer(np.arange(rows), np.arange(1, len(split) + 1)).astype(np.int32)
    return LabelFacts(split, rows, values)


def dynamic(names: str, capacity: object) -> LabelFacts:
    return LabelFacts(tuple(names.split()), capacity, None, dynamic=True)


def block(
    samples: LabelFacts,
    components: tuple[LabelFacts, ...] = (),
    properties: LabelFacts | None = None,
    **gradients: BlockFacts,
) -> BlockFacts:
    properties = labels("n", 2) if properties is None else properties
    shape = (samples.rows, *(c.rows for c in components), properties.rows)
    known = all(isinstance(size, int) for size in shape)
    nbytes = int(np.prod(shape)) * 4 if known else None
    values = ArrayFacts("float32", shape, nbytes)
    return BlockFacts(values, samples, components, properties, tuple(gradients.items()))


def with_positions(*components: LabelFacts, rows: int = 9) -> BlockFacts:
    gradient = block(labels("sample system atom", rows), (labels("xyz", 3), *components))
    return block(labels("system atom", 3), components, positions=gradient)


class CountingMap:
    """A map of blocks made on request, that remembers the positions asked for."""

    def __init__(self, keys: LabelFacts, made: BlockFacts) -> None:
        self.asked: list[int] = []
        self.made = made
        self.facts = MapFacts(keys, self.block, "float32", 1234, ["positions"])

    def block(self, index: int) -> BlockFacts:
        self.asked.append(index)
        return self.made
