"""Row-wise functions of blocks whose samples are dynamic.

Which rows are there is an array, and so is which gradient row belongs to which sample.
The rule is that of `_gradients.py`; the rows are found when the program runs.

Padding rows are zero in what comes out, whatever they hold. They must not reach the
function either: at zero a logarithm is infinite, and infinity times a slope of zero is no
number. So they are given the values of the first row in use, and the result is thrown
away, its slope with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxmeta.core.gradients._device_rows import in_use
from jaxmeta.core.gradients._gradients import mapped, push_forward
from jaxmeta.core.gradients._levels import Operand, extra_components
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Gradients, block_layout
from jaxmeta.core.plans._plans import Step, keep
from jaxmeta.errors import DynamicSamplesError, compose


Planned: TypeAlias = tuple[BlockLayout, list[Step]]
Axes: TypeAlias = tuple[tuple[Labels, ...], Labels]


def dynamic_rows(known: RowFunction, name: str, operand: Operand, axes: Axes) -> Planned:
    """The block that a function makes of one block with dynamic samples, and its steps.

    Arguments:
        known: the function, of one operand.
        name: of the block, for messages.
        operand: the block; the samples of its gradients must be dynamic too.
        axes: components and properties of the result.
    """
    part, leaf = operand.layout, operand.leaf
    inputs = (leaf, leaf + 1, *known.constants)
    values = Step(_values, inputs, known.index, (known.function, known.static))
    gradients, below = _gradients(known, name, (operand,), axes)
    layout = block_layout(part.samples, *axes, gradients)
    return layout, [values, keep(leaf + 1), *below]


def _gradients(
    known: RowFunction, name: str, path: Sequence[Operand], axes: Axes
) -> tuple[Gradients, list[Step]]:
    """The gradients of the last block of a path from the values to a gradient."""
    gradients = []
    steps: list[Step] = []
    for parameter, _ in path[-1].layout.gradients:
        inner = path[-1].gradient(parameter)
        assert inner is not None
        layout, below = _gradient(
            known, f"gradient {parameter!r} of {name}", path, inner, axes
        )
        gradients.append((parameter, layout))
        steps += below
    return tuple(gradients), steps


def _gradient(
    known: RowFunction, name: str, path: Sequence[Operand], inner: Operand, axes: Axes
) -> Planned:
    check_dynamic(known.operation, name, inner.layout)
    extra = extra_components(inner.layout, path[-1].layout)
    axes = (*extra, *axes[0]), axes[1]
    if 0 in known.passes:
        step = keep(inner.leaf)
    elif known.linear:
        step = _linear_step(known, path[0], inner)
    elif len(path) > 1:
        raise _too_deep(known.operation, name)
    else:
        step = _first_order_step(known, path[0], inner, len(extra))
    gradients, below = _gradients(known, name, (*path, inner), axes)
    layout = block_layout(inner.layout.samples, *axes, gradients)
    return layout, [step, keep(inner.leaf + 1), *below]


def _linear_step(known: RowFunction, top: Operand, inner: Operand) -> Step:
    """Gradient rows of any depth by the function itself."""
    extra = len(inner.layout.components) - len(top.layout.components)
    inputs = (inner.leaf, inner.leaf + 1, *known.constants)
    return Step(_linear, inputs, known.index, (known.function, known.static, extra))


def _first_order_step(known: RowFunction, top: Operand, inner: Operand, extra: int) -> Step:
    """Gradient rows by the derivative of the function at the value rows."""
    inputs = (top.leaf, inner.leaf, inner.leaf + 1, *known.constants)
    return Step(_first_order, inputs, known.index, (known.function, known.static, extra))


# Kernels --------------------------------------------------------------------------------


def _values(x: Any, labels: Any, *rest: Any) -> Any:
    *more, function, static = rest
    used = in_use(labels)
    return zero_padding(function(_safe(x, used), *more, *static), used)


def _linear(gradient: Any, labels: Any, *rest: Any) -> Any:
    *more, function, static, extra = rest
    of_rows = _of_rows(function, more, static)
    return zero_padding(mapped(of_rows, [gradient], [True], extra), in_use(labels))


def _first_order(x: Any, gradient: Any, labels: Any, *rest: Any) -> Any:
    *more, function, static, extra = rest
    used = in_use(labels)
    at = _safe(x.at[labels[:, 0]].get(mode="clip"), used)
    of_rows = _of_rows(function, more, static)
    return zero_padding(push_forward(of_rows, [at], [gradient], extra), used)


def _of_rows(function: Callable[..., Any], more: Any, static: Any) -> Callable[..., Any]:
    return lambda rows: function(rows, *more, *static)


def zero_padding(x: Any, used: Any) -> Any:
    """The rows in use, the others zero."""
    return jnp.where(_beside(used, x), x, jnp.zeros((), x.dtype))


def _safe(x: Any, used: Any) -> Any:
    """The rows in use, the others like the first of them; ones if there is none."""
    if x.shape[0] == 0:
        return x
    first = x.at[jnp.argmax(used)].get(mode="clip")
    filler = jnp.where(used.any(), first, jnp.ones((), x.dtype))
    return jnp.where(_beside(used, x), x, jax.lax.stop_gradient(filler))


def _beside(used: Any, x: Any) -> Any:
    return used.reshape(-1, *[1] * (x.ndim - 1))


# Errors ---------------------------------------------------------------------------------


def check_dynamic(operation: str, name: str, layout: BlockLayout) -> None:
    """Refuse static samples where others are dynamic."""
    if not layout.dynamic:
        raise DynamicSamplesError(
            compose(
                f"{operation}: the samples of {name} are static, those of the values "
                "dynamic.",
                remedy="pad(tensor, {...}) makes both dynamic.",
            )
        )


def _too_deep(operation: str, name: str) -> DynamicSamplesError:
    return DynamicSamplesError(
        compose(
            f"{operation}: {name} is a gradient of a gradient with dynamic samples.",
            "which of its rows belong together is only known when the program runs",
            remedy="unpad(tensor) outside the traced function gives static samples.",
        )
    )
