"""Blocks by row-wise functions: values and explicit gradients, exact at every depth.

Everything elementwise, every function of one sample's array and every reduction over
components or properties is row-wise. Gradients follow by the one rule of `_gradients.py`:
those of gradients by the chain rule of second order, or to any depth where the function
is linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from jaxmeta.core.device._device_checks import Mode
from jaxmeta.core.gradients._dynamic_rows import dynamic_rows
from jaxmeta.core.gradients._gradient_steps import first_order, linear_order
from jaxmeta.core.gradients._levels import Level, Operand, top_level
from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._second_order import second_order_gradient
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Gradients, block_layout
from jaxmeta.core.plans._plans import Step, keep


# The components and the properties of a block.
Axes: TypeAlias = tuple[tuple[Labels, ...], Labels]


def rowwise_block(
    known: RowFunction,
    name: str,
    operands: Sequence[Operand],
    axes: Axes | None = None,
    mode: Mode = "default",
) -> tuple[BlockLayout, list[Step]]:
    """The block that a function makes of some blocks, and its steps.

    Arguments:
        known: the function.
        name: of the blocks, for messages.
        operands: blocks with the same samples.
        axes: components and properties of the result; None for those of the first.
        mode: what becomes of dynamic samples that are not the same.
    """
    first = operands[0].layout
    components, properties = axes or (first.components, first.properties)
    if first.dynamic:
        return dynamic_rows(known, name, operands, (components, properties), mode)
    top = top_level(name, operands, static_samples(first, known.operation))
    inputs = (*(operand.leaf for operand in operands), *known.constants)
    own = Step(known.function, inputs, known.index, known.static, keeps_rows=True)
    gradients, below = _gradients(known, top, top, (components, properties))
    layout = block_layout(top.samples, components, properties, gradients)
    return layout, [own, *below]


def _gradients(
    known: RowFunction, top: Level, level: Level, axes: Axes
) -> tuple[Gradients, list[Step]]:
    """All gradients of the values (of a linear function: or of a gradient)."""
    gradients = []
    steps: list[Step] = []
    for parameter in level.parameters:
        layout, below = _gradient(known, top, level, parameter, axes)
        gradients.append((parameter, layout))
        steps += below
    return tuple(gradients), steps


def _gradient(
    known: RowFunction, top: Level, level: Level, parameter: str, axes: Axes
) -> tuple[BlockLayout, list[Step]]:
    inner = level.gradient(known.operation, parameter)
    axes = (*inner.extra, *axes[0]), axes[1]
    if known.linear:
        steps = [_linear_step(known, top, inner)]
        gradients, below = _gradients(known, top, inner, axes)
    else:
        steps = [first_order(known, top, inner)]
        gradients, below = _second(known, top, inner, axes)
    return block_layout(inner.samples, *axes, gradients), steps + below


def _second(
    known: RowFunction, top: Level, inner: Level, axes: Axes
) -> tuple[Gradients, list[Step]]:
    gradients = []
    steps = []
    for parameter in inner.parameters:
        layout, step = second_order_gradient(known, top, inner, parameter, axes)
        gradients.append((parameter, layout))
        steps.append(step)
    return tuple(gradients), steps


def _linear_step(known: RowFunction, top: Level, inner: Level) -> Step:
    present = [(i, side) for i, side in enumerate(inner.sides) if side is not None]
    if len(present) == 1:
        ((i, side),) = present
        if i in known.passes and inner.is_whole(i):
            return keep(side.leaf)
    return linear_order(known, top, inner)
