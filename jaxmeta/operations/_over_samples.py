"""Plans of reductions over samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from jaxmeta.core import Labels
from jaxmeta.core.functions._reducing import Kind, centred_rows, root, squared_modulus
from jaxmeta.core.gradients._composed import then
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
from jaxmeta.operations._reduction_arguments import (
    check_numbers,
    dimensions_to_reduce,
    without,
)


Planned: TypeAlias = tuple[BlockLayout, list[Step]]


def reduce(operation: str, data: Any, names: str | Sequence[str], kind: Kind) -> Any:
    """A map or block whose samples that differ only in some dimensions became one."""
    own = bare(data._layout)
    found = dimensions_to_reduce(operation, own, "samples", names)
    check_numbers(operation, data, kind)
    return run(plan_for(own, _plan, operation, found, kind), data)


def _plan(own: Any, operation: str, names: tuple[str, ...], kind: Kind) -> Plan[Any]:
    def plan_block(part: BlockLayout, leaf: int, name: str) -> Planned:
        samples, target = without(static_samples(part, operation), names)
        groups = _Groups(samples, index_array(target))
        if kind in ("sum", "mean"):
            return groups.added_up(part, leaf, kind == "mean")
        layout, steps = _variance(operation, name, Operand(part, leaf), groups)
        if kind == "var":
            return layout, steps
        return _applied(RowFunction(operation, root), name, [layout], steps)

    return plan_of(own, *block_by_block(own, plan_block))


@dataclasses.dataclass(frozen=True)
class _Groups:
    """The samples of the result, and which of them each sample goes to."""

    samples: Labels
    target: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """How many samples go to each."""
        return index_array(np.bincount(self.target, minlength=len(self.samples)))

    @property
    def first(self) -> np.ndarray:
        """For each sample, the first one that goes where it does."""
        first = np.zeros(len(self.samples), np.int64)
        first[self.target[::-1]] = np.arange(len(self.target))[::-1]
        return index_array(first[self.target])

    def added_up(self, part: BlockLayout, leaf: int, mean: bool) -> Planned:
        """The block of sums or means."""
        combine = _Sum(self.counts if mean else None)
        reduction = Rearrangement(combine, part.properties, "sorted")
        return reduction.block([Source(part, leaf, self.target)], self.samples)


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


def _variance(operation: str, name: str, operand: Operand, groups: _Groups) -> Planned:
    """The mean of squares of what is centred, less the square of its mean.

    That mean is zero, and so is the derivative of its square. The second one is not.
    """
    part, leaf = operand.layout, operand.leaf
    index = groups.target, groups.counts, groups.first
    centred = [Step(centred_rows, (leaf,), index)]
    centred += [keep(leaf + i) for i in range(1, part.size)]
    square = RowFunction(operation, squared_modulus)
    layout, steps = _applied(square, name, [part], centred)
    layout, outer = groups.added_up(layout, 0, mean=True)
    steps = then(steps, outer)
    if not any(gradient.gradients for _, gradient in part.gradients):
        return layout, steps
    mean, outer = groups.added_up(part, 0, mean=True)
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
    layout, outer = same.added_up(layout, 0, mean=False)
    return layout, then(steps, outer)
