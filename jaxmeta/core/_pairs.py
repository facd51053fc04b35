"""Elementwise functions of two tensors with the same metadata.

Gradient samples are merged by union: a row that one side lacks is zero there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxmeta.core._differences import check_same_block
from jaxmeta.core._gradients import gradient_rows, push_forward, value_rows
from jaxmeta.core._labels import Labels
from jaxmeta.core._layout import BlockLayout, Gradients, Layout, block_layout
from jaxmeta.core._plans import Plan, Step, keep, plan_for
from jaxmeta.core._precision import check_same_dtype
from jaxmeta.core._rearrangement import (
    gathered,
    is_identity,
    merged,
    moved_samples,
    static_samples,
)
from jaxmeta.core._results import bare, pair_by_pair, plan_of, run
from jaxmeta.core._scalars import refuse_nested
from jaxmeta.errors import NotEqualError, compose


def apply(
    operation: str, function: Callable[..., Any], left: Any, right: Any, linear: bool
) -> Any:
    """``function(left, right)``, exact gradients included."""
    check_same_dtype(operation, left, right)
    own, other = bare(left._layout), bare(right._layout)
    plan = plan_for(own, _plan, other, operation, function, linear)
    return run(plan, left, [right])


def _plan(
    own: Layout, other: Layout, operation: str, function: Callable[..., Any], linear: bool
) -> Plan[Any]:
    pair = _Pair(operation, function, linear)
    return plan_of(own, *pair_by_pair(operation, own, other, pair.block))


@dataclasses.dataclass(frozen=True)
class _Side:
    """One operand's block, or None in its place where an operand has no such gradient."""

    layout: BlockLayout
    leaf: int

    def gradient(self, name: str) -> _Side | None:
        layout = self.layout.gradient_layouts.get(name)
        offset = self.layout.offsets.get(name, 0)
        return None if layout is None else _Side(layout, self.leaf + offset)


@dataclasses.dataclass(frozen=True)
class _Pair:
    operation: str
    function: Callable[..., Any]
    linear: bool

    def block(
        self, name: str, left: BlockLayout, leaf: int, right: BlockLayout, right_leaf: int
    ) -> tuple[BlockLayout, list[Step]]:
        samples = static_samples(left, self.operation)
        check_same_block(self.operation, name, left, right, gradients=False)
        steps = [Step(self.function, (leaf, right_leaf))]
        sides = (_Side(left, leaf), _Side(right, right_leaf))
        rows = np.arange(len(samples))
        gradients, below = self._gradients(name, samples, sides, (rows, rows))
        result = block_layout(samples, left.components, left.properties, gradients)
        return result, steps + below

    def _gradients(
        self,
        name: str,
        samples: Labels,
        parents: tuple[_Side | None, _Side | None],
        targets: tuple[np.ndarray, np.ndarray],
    ) -> tuple[Gradients, list[Step]]:
        """All gradients of a block; `targets` say where the rows of each parent went."""
        layouts = [parent.layout for parent in parents if parent is not None]
        names = sorted({n for layout in layouts for n, _ in layout.gradients})
        gradients = []
        steps: list[Step] = []
        for parameter in names:
            where = f"gradient {parameter!r} of {name}"
            sides = tuple(p.gradient(parameter) if p else None for p in parents)
            result, below = self._gradient(
                where, parameter, samples, parents, sides, targets
            )
            gradients.append((parameter, result))
            steps += below
        return tuple(gradients), steps

    def _gradient(
        self,
        where: str,
        parameter: str,
        parent_samples: Labels,
        parents: tuple[Any, Any],
        sides: tuple[Any, ...],
        targets: tuple[np.ndarray, np.ndarray],
    ) -> tuple[BlockLayout, list[Step]]:
        like = self._alike(where, sides)
        tables = [
            moved_samples(target, static_samples(side.layout, self.operation))
            for side, target in zip(sides, targets, strict=True)
            if side is not None
        ]
        samples, moved = merged(like.sample_names, tables, "first")
        found = iter(moved)
        left, right = (next(found) if side else np.zeros(0, np.int64) for side in sides)
        new_targets = (left, right)
        if self.linear:
            step = self._linear_step(sides, new_targets, len(samples))
            gradients, below = self._gradients(where, samples, sides, new_targets)
        else:
            for side in sides:
                if side is not None:
                    refuse_nested(self.operation, where, parameter, side.layout)
            step = self._step(
                parents, sides, new_targets, samples, like, len(parent_samples)
            )
            gradients, below = (), []
        layout = block_layout(samples, like.components, like.properties, gradients)
        return layout, [step, *below]

    def _alike(self, where: str, sides: tuple[Any, ...]) -> BlockLayout:
        layouts = [side.layout for side in sides if side is not None]
        for other in layouts[1:]:
            names = [layout.sample_names for layout in (layouts[0], other)]
            if names[0] != names[1]:
                raise NotEqualError(
                    compose(
                        f"{self.operation}: the sample names of {where} differ.",
                        f"left has {list(names[0])}, right has {list(names[1])}",
                    )
                )
            check_same_block(
                self.operation, where, layouts[0], other, ("components",), gradients=False
            )
        return layouts[0]

    def _linear_step(
        self, sides: tuple[Any, ...], targets: tuple[np.ndarray, ...], rows: int
    ) -> Step:
        """A gradient of a sum: the same sum of the gradients."""
        left, right = sides
        if right is None:
            return keep(left.leaf)
        inputs, index, places = _placed(sides, targets, rows)
        return Step(_linear, inputs, index, (self.function, left is not None, places))

    def _step(
        self,
        parents: tuple[Any, Any],
        sides: tuple[Any, ...],
        targets: tuple[np.ndarray, ...],
        samples: Labels,
        like: BlockLayout,
        parent_rows: int,
    ) -> Step:
        """A gradient of a non-linear function: its derivative at the parents' rows."""
        inputs, index, places = _placed(sides, targets, len(samples))
        parent = samples.column("sample")
        moved = not is_identity(parent, parent_rows)
        if moved:
            index = (*index, np.ascontiguousarray(parent))
        extra = len(like.components) - len(parents[0].layout.components)
        inputs = (parents[0].leaf, parents[1].leaf, *inputs)
        present = tuple(side is not None for side in sides)
        return Step(
            _nonlinear, inputs, index, (self.function, present, places, moved, extra)
        )


def _placed(
    sides: tuple[Any, ...], targets: tuple[np.ndarray, ...], rows: int
) -> tuple[tuple[int, ...], tuple[np.ndarray, ...], tuple[bool, ...]]:
    """Leaves of the sides that are there, and indices where their rows must be placed."""
    inputs = []
    index = []
    places = []
    for side, target in zip(sides, targets, strict=True):
        if side is None:
            continue
        inputs.append(side.leaf)
        places.append(not is_identity(target, rows))
        if places[-1]:
            index.append(gathered(target, rows, absent=target.shape[0]))
    return tuple(inputs), tuple(index), tuple(places)


def _place(arrays: list[Any], index: list[Any], places: tuple[bool, ...]) -> list[Any]:
    tables = iter(index)
    return [
        gradient_rows(array, next(tables) if place else None)
        for array, place in zip(arrays, places, strict=True)
    ]


def _linear(*arguments: Any) -> Any:
    *rest, function, left, places = arguments
    arrays, index = rest[: len(places)], rest[len(places) :]
    placed = _place(arrays, index, places)
    return function(*placed) if left else function(0, *placed)


def _nonlinear(*arguments: Any) -> Any:
    *rest, function, present, places, moved, extra = arguments
    left, right, *rest = rest
    arrays, index = rest[: len(places)], rest[len(places) :]
    parent = index.pop() if moved else None
    placed = iter(_place(arrays, index, places))
    tangents = [next(placed) if there else None for there in present]
    values = [value_rows(left, parent), value_rows(right, parent)]
    return push_forward(function, values, tangents, extra)
