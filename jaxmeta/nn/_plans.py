"""Plans of modules: every block by a function of its own, in one run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.functions._function_plan import FunctionPlan, kind_of, of_rows
from jaxmeta.core.functions._mapping_checks import Kind, Trial
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.layouts._precision import check_differentiable, check_host_arrays
from jaxmeta.core.plans._functions import Function, taken_apart
from jaxmeta.core.plans._plans import Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, run
from jaxmeta.nn._layers import Plain, shape_after
from jaxmeta.nn._shapes import Shape


def apply(
    name: str,
    tensor: TensorMap,
    layers: Sequence[Any],
    properties: Sequence[Labels | None],
) -> TensorMap:
    """The map that functions make, one of each block.

    Arguments:
        name: of the module, for messages.
        tensor: any map.
        layers: for each block, a function of one sample's array.
        properties: for each block, those of the result; None for a range.
    """
    check_differentiable(name, tensor)
    distinct = {id(layer): _bare(layer) for layer in layers}
    positions = {known: i for i, known in enumerate(distinct)}
    taken = [taken_apart(name, layer) for layer in distinct.values()]
    arrays = [array for _, held, _ in taken for array in held]
    check_host_arrays([*tensor._leaves, *arrays])
    plan = plan_for(
        bare(tensor._layout),
        _plan,
        name,
        tuple(static for static, _, _ in taken),
        tuple(tuple(map(kind_of, held)) for _, held, _ in taken),
        tuple(positions[id(layer)] for layer in layers),
        tuple(properties),
        tensor.dtype,
    )
    result = run(plan, tensor, extra=arrays)
    del taken  # all that the static parts refer to was there until here
    return result


def _bare(layer: Any) -> Any:
    """A function by itself: plans refer to it weakly, what it closes over is freed."""
    return layer.function if type(layer) is Plain else layer


def _plan(
    own: Any,
    name: str,
    functions: tuple[Function, ...],
    kinds: tuple[tuple[Kind, ...], ...],
    which: tuple[int, ...],
    properties: tuple[Labels | None, ...],
    dtype: Any,
) -> Plan[Any]:
    planner = _Planner(name, functions, kinds, own.size, dtype)
    blocks = zip(which, properties, strict=True)

    def plan_block(
        layout: BlockLayout, leaf: int, block: str
    ) -> tuple[BlockLayout, list[Step]]:
        return planner.plan(Operand(layout, leaf), block, *next(blocks))

    result, steps = block_by_block(own, plan_block)
    same = None if result is own else result
    return FunctionPlan(same, steps, planner.called, planner.closes_over_tracers)


class _Planner:
    """Plans blocks, each with one of several functions.

    Arguments:
        name: of the module, for messages.
        functions, kinds: their static parts, and what arrays they hold.
        start: where their arrays begin, among all leaves.
        dtype: of the values.
    """

    def __init__(
        self,
        name: str,
        functions: tuple[Function, ...],
        kinds: tuple[tuple[Kind, ...], ...],
        start: int,
        dtype: Any,
    ) -> None:
        self.called: list[Function] = []
        self._name = name
        self._given = list(zip(functions, kinds, strict=True))
        self._dtype = dtype
        counts = (len(each) for each in kinds)
        self._starts = list(itertools.accumulate(counts, initial=start))
        # Functions that differ in numbers alone are tried once.
        self._trials = {
            (function, kind): Trial(name, function, kind, dtype, dtype)
            for function, kind in self._given
        }
        self._shapes: dict[Any, Shape | None] = {}

    @property
    def closes_over_tracers(self) -> bool:
        return any(trial.traced for trial in self._trials.values())

    def plan(
        self, operand: Operand, block: str, i: int, properties: Labels | None
    ) -> tuple[BlockLayout, list[Step]]:
        """The layout of the result, and its steps; `i` says which function it is by."""
        function, _ = self._given[i]
        layout = operand.layout
        axes = layout.components, self._properties(layout, block, i, properties)
        self._trials[self._given[i]].check(block, layout, axes)
        constants = tuple(range(self._starts[i], self._starts[i + 1]))
        known = RowFunction(self._name, of_rows, constants=constants, static=(function,))
        planned, steps = rowwise_block(known, block, [operand], axes)
        self.called += [function] * len(steps)
        return planned, steps

    def _properties(
        self, layout: BlockLayout, block: str, i: int, given: Labels | None
    ) -> Labels:
        """Those of the result; what the function can not take is refused by it."""
        sizes = (*map(len, layout.components), len(layout.properties))
        key = (self._given[i], sizes)
        if key not in self._shapes:
            self._shapes[key] = self._shape(f"{self._name} at {block}", i, sizes)
        found = self._shapes[key]
        if given is not None:
            return given
        return Labels.range("_", found[-1]) if found else layout.properties

    def _shape(self, where: str, i: int, sizes: Shape) -> Shape | None:
        function, kind = self._given[i]
        arrays = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype, _ in kind]
        return shape_after(where, function.with_arrays(arrays), sizes, self._dtype)
