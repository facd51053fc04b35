"""Levels: the blocks of several operands that become one block of the result.

The values of the operands are one level, their gradients by the same parameter another.
A gradient that an operand lacks is zero, and so is a row that it lacks: the rows of a
level are the union of those of the operands, in order of first appearance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from jaxmeta.core.gradients._rearrangement import (
    gathered,
    is_identity,
    merged,
    moved_samples,
    static_samples,
)
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._differences import check_same_labels
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.errors import NotEqualError, compose


@dataclasses.dataclass(frozen=True)
class Operand:
    """A block among the inputs of a plan: its layout, and where its leaves begin."""

    layout: BlockLayout
    leaf: int

    def gradient(self, name: str) -> Operand | None:
        """Its gradient with this name, if it has one."""
        layout = self.layout.gradient_layouts.get(name)
        if layout is None:
            return None
        return Operand(layout, self.leaf + self.layout.offsets[name])


Sides: TypeAlias = tuple[Operand | None, ...]


@dataclasses.dataclass(frozen=True)
class Level:
    """One block of the result: its rows, and which of them each operand's rows are.

    Arguments:
        name: of the block, for messages.
        samples: the rows.
        root: for each row, the row of the values that it belongs to.
        extra: the components of a gradient that its parent has not.
        sides: the block of each operand, None where it has none.
        targets: for each side that is there, the row of the result of each of its rows.
    """

    name: str
    samples: Labels
    root: np.ndarray
    extra: tuple[Labels, ...]
    sides: Sides
    targets: tuple[np.ndarray, ...]

    @property
    def parameters(self) -> list[str]:
        """The names of the gradients that at least one side has."""
        names = {name for side in self.sides if side for name, _ in side.layout.gradients}
        return sorted(names)

    def is_whole(self, side: int) -> bool:
        """Whether the rows of a side are those of the result, one by one."""
        return is_identity(self.targets[side], len(self.samples))

    def sources(self, side: int) -> np.ndarray:
        """For each row the one of a side that goes there; past its end if none does."""
        target = self.targets[side]
        return gathered(target, len(self.samples), absent=target.shape[0])

    def gradient(self, operation: str, parameter: str) -> Level:
        """The level of the gradients by a parameter."""
        name = f"gradient {parameter!r} of {self.name}"
        sides = tuple(side.gradient(parameter) if side else None for side in self.sides)
        extra = same_extra(operation, name, self.sides, sides)
        samples, targets = self._rows(operation, sides)
        root = self.root[samples.column("sample")]
        return Level(name, samples, root, extra, sides, targets)

    def _rows(self, operation: str, sides: Sides) -> tuple[Labels, tuple[np.ndarray, ...]]:
        """The union of the rows of gradients, and where the rows of each of them are."""
        given = [
            (static_samples(side.layout, operation), target)
            for side, target in zip(sides, self.targets, strict=True)
            if side is not None
        ]
        samples = given[0][0]
        rows = np.arange(len(self.samples))
        if all(one is samples and np.array_equal(target, rows) for one, target in given):
            moved = [np.arange(len(samples))] * len(given)
        else:
            tables = [moved_samples(target, one) for one, target in given]
            samples, moved = merged(samples.names, tables, "first")
        found = iter(moved)
        return samples, tuple(
            next(found) if side else np.zeros(0, np.int64) for side in sides
        )


def top_level(name: str, operands: Sequence[Operand], samples: Labels) -> Level:
    """The level of the values of operands that all have these samples."""
    rows = np.arange(len(samples))
    return Level(name, samples, rows, (), tuple(operands), (rows,) * len(operands))


def extra_components(gradient: BlockLayout, parent: BlockLayout) -> tuple[Labels, ...]:
    """The components that a gradient has before those of its parent."""
    return gradient.components[: len(gradient.components) - len(parent.components)]


def same_extra(
    operation: str, name: str, parents: Sides, sides: Sides
) -> tuple[Labels, ...]:
    """The extra components of gradients by one parameter, which must be the same."""
    found = [
        (side.layout.sample_names, extra_components(side.layout, parent.layout))
        for side, parent in zip(sides, parents, strict=True)
        if side is not None and parent is not None
    ]
    names, extra = found[0]
    for other_names, other in found[1:]:
        _check_same_names(operation, f"sample names of {name}", names, other_names)
        own = tuple(labels.names[0] for labels in extra)
        others = tuple(labels.names[0] for labels in other)
        _check_same_names(operation, f"components of {name}", own, others)
        for left, right in zip(extra, other, strict=True):
            what = f"components {left.names[0]!r}"
            check_same_labels(operation, name, what, left, right)
    return extra


def _check_same_names(
    operation: str, what: str, left: tuple[str, ...], right: tuple[str, ...]
) -> None:
    if left != right:
        raise NotEqualError(
            compose(
                f"{operation}: the {what} differ.",
                f"left has {list(left)}, right has {list(right)}",
                remedy="gradients by one parameter have the same names everywhere.",
            )
        )
