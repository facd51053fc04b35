"""Plans of reductions over samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from jaxmeta.core import Labels
from jaxmeta.core.functions._reducing import Kind, centred_rows, root, squared_modulus
from jaxmeta.core.gradients._composed import then
from jaxmeta.core.gradients._destinations import (
    Capacity,
    Destination,
    Into,
    check_capacities,
    destination,
    rows_into,
)
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import (
    Rearrangement,
    Source,
    index_array,
    is_identity,
    static_samples,
)
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.plans._kernels import average_rows, sum_rows
from jaxmeta.core.plans._plans import Plan, Step, keep, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, plan_of, run
from jaxmeta.operations._over_dynamic_samples import DynamicGroups
from jaxmeta.operations._reduction_arguments import (
    check_numbers,
    dimensions_to_reduce,
    without,
)


Planned: TypeAlias = tuple[BlockLayout, list[Step]]
# What is said by into=, capacity= and owner=.
Room: TypeAlias = tuple[Into | None, Capacity | None, str | None]


def reduce(
    operation: str,
    data: Any,
    names: str | Sequence[str],
    kind: Kind,
    room: Room,
) -> Any:
    """A map or block whose samples that differ only in some dimensions became one."""
    own = bare(data._layout)
    found = dimensions_to_reduce(operation, own, "samples", names)
    check_numbers(operation, data, kind)
    asked, arrays = destination(operation, *room)
    plan = plan_for(own, _plan, operation, found, kind, asked)
    return run(plan, data, extra=arrays)


def _plan(
    own: Any, operation: str, names: tuple[str, ...], kind: Kind, asked: Destination
) -> Plan[Any]:
    check_capacities(operation, asked, own)

    def plan_block(part: BlockLayout, leaf: int, name: str) -> Planned:
        groups: Groups
        if part.dynamic:
            groups = DynamicGroups(operation, names, asked, own.size)
        else:
            groups = _Groups.of(operation, name, part, names, asked)
        operand = Operand(part, leaf)
        if kind in ("sum", "mean"):
            return groups.added_up(operand, kind == "mean")
        layout, steps = _variance(operation, name, operand, groups)
        if kind == "var":
            return layout, steps
        return _applied(RowFunction(operation, root), name, [layout], steps)

    return plan_of(own, *block_by_block(own, plan_block))


@runtime_checkable
class Groups(Protocol):
    """Samples that become one, static or dynamic."""

    def added_up(self, operand: Operand, mean: bool) -> Planned:
        """The block of sums or means, and its steps."""
        ...

    def centred(self, operand: Operand) -> Step:
        """The step that takes its mean from every row of the values."""
        ...

    def after(self, steps: list[Step]) -> tuple[Groups, list[Step]]:
        """The groups among what some steps give, and these with all that is needed."""
        ...


@dataclasses.dataclass(frozen=True)
class _Groups:
    """The samples of the result, and which of them each sample goes to."""

    samples: Labels
    target: np.ndarray

    @classmethod
    def of(
        cls,
        operation: str,
        name: str,
        part: BlockLayout,
        names: tuple[str, ...],
        asked: Destination,
    ) -> _Groups:
        """What the samples of a block become without some dimensions."""
        own = static_samples(part, operation)
        if asked.into is None:
            samples, target = without(own, names)
        else:
            kept = [one for one in own.names if one not in names]
            samples, target = rows_into(operation, name, own, kept, asked)
        return cls(samples, index_array(target))

    @cached_property
    def counts(self) -> np.ndarray:
        """How many samples go to each."""
        counts = np.bincount(self.target, minlength=len(self.samples))
        return index_array(np.maximum(counts, 1))  # the mean of nothing is zero

    @property
    def first(self) -> np.ndarray:
        """For each sample, the first one that goes where it does."""
        first = np.zeros(len(self.samples), np.int64)
        first[self.target[::-1]] = np.arange(len(self.target))[::-1]
        return index_array(first[self.target])

    def added_up(self, operand: Operand, mean: bool) -> Planned:
        """The block of sums or means, and its steps."""
        part, leaf = operand.layout, operand.leaf
        combine = _Sum(self.counts if mean else None)
        reduction = Rearrangement(combine, part.properties, "sorted")
        return reduction.block([Source(part, leaf, self.target)], self.samples)

    def centred(self, operand: Operand) -> Step:
        """The step that takes its mean from every row of the values."""
        return Step(centred_rows, (operand.leaf,), (self.target, self.counts, self.first))

    def after(self, steps: list[Step]) -> tuple[Groups, list[Step]]:
        """The same: nothing but index arrays is needed."""
        return self, steps


@dataclasses.dataclass(frozen=True)
class _Sum:
    """Rows added up; divided by the number of samples of the result's row for a mean."""

    counts: np.ndarray | None

    def __call__(self, sources: Sequence[Source], rows: int, root: np.ndarray) -> Step:
        (source,) = sources
        target = index_array(source.target)
        if self.counts is not None:
            counts = self.counts
            if not is_identity(root, len(counts)):
                counts = index_array(counts[root])
            return Step(average_rows, (source.leaf,), (target, counts))
        if is_identity(source.target, rows):
            return keep(source.leaf)
        return Step(sum_rows, (source.leaf,), (target,), (rows,))


def _variance(operation: str, name: str, operand: Operand, groups: Groups) -> Planned:
    """The mean of squares of what is centred, less the square of its mean.

    That mean is zero, and so is the derivative of its square. The second one is not.
    """
    part = operand.layout
    centred = [groups.centred(operand)]
    centred += [keep(operand.leaf + i) for i in range(1, part.size)]
    square = RowFunction(operation, squared_modulus)
    layout, steps = _applied(square, name, [part], centred)
    later, given = groups.after(steps)
    layout, outer = later.added_up(Operand(layout, 0), mean=True)
    steps = then(given, outer)
    if not any(gradient.gradients for _, gradient in part.gradients):
        return layout, steps
    mean, outer = groups.added_up(Operand(part, 0), mean=True)
    steps += then(centred, outer)
    difference = RowFunction(operation, _less_square, coupled=frozenset({(1, 1)}))
    return _sorted(operation, *_applied(difference, name, [layout, mean], steps))


def _less_square(squares: Any, mean: Any) -> Any:
    return squares - squared_modulus(mean)


def _applied(
    known: RowFunction, name: str, parts: Sequence[BlockLayout], steps: list[Step]
) -> Planned:
    """The block that a function makes of blocks whose steps are known."""
    operands = []
    leaf = 0
    for part in parts:
        operands.append(Operand(part, leaf))
        leaf += part.size
    layout, outer = rowwise_block(known, name, operands)
    return layout, then(steps, outer)


def _sorted(operation: str, layout: BlockLayout, steps: list[Step]) -> Planned:
    """The block with its gradient rows in order."""
    samples = static_samples(layout, operation)
    same = _Groups(samples, index_array(np.arange(len(samples))))
    layout, outer = same.added_up(Operand(layout, 0), mean=False)
    return layout, then(steps, outer)
