"""A function of one sample's array, on all samples of a block or map."""

from __future__ import annotations

import itertools
from typing import Any, TypeAlias

from jaxmeta.core.functions._function_plan import FunctionPlan, kind_of, of_rows
from jaxmeta.core.functions._mapping_checks import Kind, Trial, check_names
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, block_layout
from jaxmeta.core.layouts._precision import check_differentiable, check_host_arrays
from jaxmeta.core.plans._functions import Function, taken_apart
from jaxmeta.core.plans._plans import Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, run


# Components and properties of the result; None for those of the block.
Wanted: TypeAlias = tuple[tuple[Labels, ...] | None, Labels | None]

KEEP: tuple[Wanted, ...] = ((None, None),)


def apply(
    operation: str, function: Any, tensor: Any, wanted: tuple[Wanted, ...] = KEEP
) -> Any:
    """The function of every sample; gradients by its derivatives.

    `wanted` has one entry for all blocks, or one for each of them.
    """
    check_differentiable(operation, tensor)
    return _run(operation, function, tensor, wanted, tensor.dtype)


def truth(operation: str, predicate: Any, tensor: Any) -> Any:
    """Bools by a function of every sample, without gradients."""
    return _run(operation, predicate, tensor, KEEP, None)


def _run(
    operation: str, function: Any, tensor: Any, wanted: tuple[Wanted, ...], dtype: Any
) -> Any:
    static, arrays, held = taken_apart(operation, function)
    check_host_arrays([*tensor._leaves, *arrays])
    kinds = tuple(kind_of(array) for array in arrays)
    own = bare(tensor._layout)
    dtypes = tensor.dtype, dtype
    plan = plan_for(own, _plan, operation, static, kinds, wanted, dtypes)
    result = run(plan, tensor, extra=arrays)
    del held  # all that the static part refers to was there until here
    return result


def _plan(
    own: Any,
    operation: str,
    function: Function,
    kinds: tuple[Kind, ...],
    wanted: tuple[Wanted, ...],
    dtypes: tuple[Any, Any],
) -> Plan[Any]:
    start = own.size
    constants = tuple(range(start, start + len(kinds)))
    known = RowFunction(operation, of_rows, constants=constants, static=(function,))
    trial = Trial(operation, function, kinds, *dtypes)
    remaining = itertools.cycle(wanted)

    def plan_block(
        layout: BlockLayout, leaf: int, name: str
    ) -> tuple[BlockLayout, list[Step]]:
        components, properties = next(remaining)
        axes = (
            layout.components if components is None else components,
            layout.properties if properties is None else properties,
        )
        check_names(operation, name, layout, axes[0])
        trial.check(name, layout, axes)
        if dtypes[1] is not None:
            return rowwise_block(known, name, [Operand(layout, leaf)], axes)
        if layout.dynamic:
            alone = block_layout(layout.samples, layout.components, layout.properties)
            return rowwise_block(known, name, [Operand(alone, leaf)], axes)
        samples = static_samples(layout, operation)
        values = Step(of_rows, (leaf, *constants), (), (function,))
        return block_layout(samples, *axes), [values]

    result, steps = block_by_block(own, plan_block)
    same = None if result is own else result
    return FunctionPlan(same, steps, [function] * len(steps), trial.traced)
