"""Row-wise functions of blocks whose samples are dynamic.

Which rows are there is an array, and so is which gradient row belongs to which sample.
The rule is that of `_gradients.py`; the rows are found when the program runs.

Padding rows are zero in what comes out, whatever they hold. They must not reach the
function either: at zero a logarithm is infinite, and infinity times a slope of zero is no
number. So they are given the values of the first row in use, and the result is thrown
away, its slope with it.

Several operands need the same rows in the same order. Where their labels are one array
they have; else they are compared when the program runs (`_device_checks.py`).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxmeta.core.device import _device_checks as checks
from jaxmeta.core.device._device_rows import taken
from jaxmeta.core.gradients._gradients import mapped, push_forward
from jaxmeta.core.gradients._levels import Operand, Sides, same_extra
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.labels._dynamic import in_use
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Gradients, block_layout
from jaxmeta.core.plans._plans import Step, keep
from jaxmeta.errors import DynamicSamplesError, NotEqualError, compose


Planned: TypeAlias = tuple[BlockLayout, list[Step]]
Axes: TypeAlias = tuple[tuple[Labels, ...], Labels]


@dataclasses.dataclass(frozen=True)
class Form:
    """How a kernel finds its arguments: values, gradient rows, labels, and the rest.

    Last come, for gradients, the labels of the levels above.

    Arguments:
        known: the function, without its index arrays.
        name: of the rows, for messages.
        values: how many operands have values here.
        moving: for each operand, whether it has gradient rows.
        labels: how many labels there are, which must be the same.
        above: the same for each level above, from the values down.
        extra: how many components gradient rows have before those of the values.
        mode: what becomes of labels that are not.
    """

    known: RowFunction
    name: str
    values: int
    moving: tuple[bool, ...]
    labels: int
    above: tuple[int, ...]
    extra: int
    mode: checks.Mode


def dynamic_rows(
    known: RowFunction,
    name: str,
    operands: Sequence[Operand],
    axes: Axes,
    mode: checks.Mode = "default",
) -> Planned:
    """The block that a function makes of blocks with dynamic samples, and its steps.

    Arguments:
        known: the function.
        name: of the blocks, for messages.
        operands: the blocks; the samples of their gradients must be dynamic too.
        axes: components and properties of the result.
        mode: what becomes of samples that are not the same.
    """
    for operand in operands:
        check_dynamic(known.operation, name, operand.layout)
    sides = tuple(operands)
    rule = Rule(known, mode)
    form = rule.form(f"samples of {name}", sides, (), (), 0)
    steps = [_step(known, _values, form, sides, (), ()), keep(operands[0].leaf + 1)]
    gradients, below = _gradients(rule, name, (sides,), axes)
    return block_layout(operands[0].layout.samples, *axes, gradients), [*steps, *below]


@dataclasses.dataclass(frozen=True)
class Rule:
    """A function, and what becomes of operands whose samples are not the same."""

    known: RowFunction
    mode: checks.Mode

    def form(
        self, name: str, tops: Sides, sides: Sides, path: Sequence[Sides], extra: int
    ) -> Form:
        """How a kernel finds the values of some blocks and the gradient rows of others."""
        return Form(
            dataclasses.replace(self.known, index=()),
            name,
            len(tops),
            tuple(side is not None for side in sides),
            len(_labels(sides or tops)),
            tuple(len(_labels(level)) for level in path),
            extra,
            self.mode,
        )


def _gradients(
    rule: Rule, name: str, path: Sequence[Sides], axes: Axes
) -> tuple[Gradients, list[Step]]:
    """The gradients of the last blocks of a path from the values to a gradient."""
    found = {n for side in path[-1] if side for n, _ in side.layout.gradients}
    gradients = []
    steps: list[Step] = []
    for parameter in sorted(found):
        inner = f"gradient {parameter!r} of {name}"
        layout, below = _gradient(rule, inner, path, parameter, axes)
        gradients.append((parameter, layout))
        steps += below
    return tuple(gradients), steps


def _gradient(
    rule: Rule, name: str, path: Sequence[Sides], parameter: str, axes: Axes
) -> Planned:
    operation = rule.known.operation
    sides = tuple(side.gradient(parameter) if side else None for side in path[-1])
    present = [side for side in sides if side is not None]
    for side in present:
        check_dynamic(operation, name, side.layout)
    extra = same_extra(operation, name, path[-1], sides)
    axes = (*extra, *axes[0]), axes[1]
    steps = [_gradient_step(rule, name, path, sides), keep(present[0].leaf + 1)]
    gradients, below = _gradients(rule, name, (*path, sides), axes)
    return block_layout(present[0].layout.samples, *axes, gradients), [*steps, *below]


def _gradient_step(rule: Rule, name: str, path: Sequence[Sides], sides: Sides) -> Step:
    known = rule.known
    present = [i for i, side in enumerate(sides) if side is not None]
    first = sides[present[0]]
    top = path[0][present[0]]
    assert first is not None
    assert top is not None
    extra = len(first.layout.components) - len(top.layout.components)
    linear = rule.form(name, (), sides, path, extra)
    if len(present) == 1 and present[0] in known.passes:
        if len(sides) == 1:
            return keep(first.leaf)
        return _step(known, _passed, linear, (), sides, path)
    if known.linear >= set(range(len(sides))):
        return _step(known, _linear, linear, (), sides, path)
    if len(path) > 1:
        raise _too_deep(known.operation, name)
    form = rule.form(name, path[0], sides, path, extra)
    return _step(known, _first_order, form, path[0], sides, path)


def _step(
    known: RowFunction,
    kernel: Any,
    form: Form,
    tops: Sides,
    sides: Sides,
    path: Sequence[Sides],
) -> Step:
    values = [side.leaf for side in (*tops, *sides) if side is not None]
    above = [label for level in path for label in _labels(level)]
    inputs = (*values, *_labels(sides or tops), *above, *known.constants)
    return Step(kernel, inputs, known.index, (form,))


def _labels(sides: Sides) -> list[int]:
    """The leaves with the samples of some blocks."""
    return [side.leaf + 1 for side in sides if side is not None]


# Kernels --------------------------------------------------------------------------------


def _values(*arguments: Any) -> Any:
    xs, _, labels, rest, form = _opened(arguments)
    used = in_use(labels[0][0])
    function = _of_rows(form, rest)
    result = zero_padding(function(*[_safe(x, used) for x in xs]), used)
    return _same_rows(result, labels, form)


def _passed(*arguments: Any) -> Any:
    _, tangents, labels, _, form = _opened(arguments)
    (tangent,) = [tangent for tangent in tangents if tangent is not None]
    return _same_rows(tangent, labels, form)


def _linear(*arguments: Any) -> Any:
    _, tangents, labels, rest, form = _opened(arguments)
    used = in_use(labels[0][0])
    linear = [True] * len(tangents)
    result = mapped(_of_rows(form, rest), _without(tangents, used), linear, form.extra)
    return _same_rows(zero_padding(result, used), labels, form)


def _first_order(*arguments: Any) -> Any:
    xs, tangents, labels, rest, form = _opened(arguments)
    rows = labels[0][0]
    used = in_use(rows)
    at = [_safe(taken(x, rows[:, 0], "clip", 1), used) for x in xs]
    moving = _without(tangents, used)
    result = push_forward(_of_rows(form, rest), at, moving, form.extra)
    return _same_rows(zero_padding(result, used), labels, form)


def _without(tangents: Sequence[Any], used: Any) -> list[Any]:
    """Gradient rows, zero in padding: backwards, they are factors of other slopes."""
    return [None if t is None else zero_padding(t, used) for t in tangents]


def _opened(arguments: Sequence[Any]) -> tuple[Any, Any, Any, Any, Form]:
    """Values, gradient rows (None where there are none), labels, the rest, the form.

    There is a list of labels for the rows themselves, and one for each level above them.
    """
    *arrays, form = arguments
    taken = iter(arrays)
    xs = [next(taken) for _ in range(form.values)]
    tangents = [next(taken) if moving else None for moving in form.moving]
    counts = (form.labels, *form.above)
    labels = [[next(taken) for _ in range(count)] for count in counts]
    own = labels[0]
    for other in own[1:]:
        if other.shape != own[0].shape:
            raise _other_capacity(form, own[0].shape[0], other.shape[0])
    return xs, tangents, labels, [*taken], form


def _of_rows(form: Form, rest: Sequence[Any]) -> Any:
    return lambda *rows: form.known.function(*rows, *rest, *form.known.static)


def _same_rows(x: Any, labels: Sequence[Sequence[Any]], form: Form) -> Any:
    """The rows, or what becomes of them where the labels of operands are not the same.

    Gradients are spoilt with the rows above them, which alone raise the error.
    """
    own, *above = labels
    operation = form.known.operation
    raises = form.mode == "raise" or not jnp.issubdtype(x.dtype, jnp.inexact)
    message = partial(checks.differ, operation, form.name) if raises else None
    for number in _differences(own):
        x = checks.guarded(x, number > 0, message, number)
    for number in itertools.chain(*map(_differences, above)):
        x = checks.guarded(x, number > 0, None)
    return x


def _differences(labels: Sequence[Any]) -> list[Any]:
    """How many rows of each of the others are not those of the first."""
    first = labels[0]
    return [
        (first != other).any(axis=1).sum(dtype=jnp.int32)
        for other in labels[1:]
        if other is not first
    ]


def zero_padding(x: Any, used: Any) -> Any:
    """The rows in use, the others zero."""
    return jnp.where(_beside(used, x), x, jnp.zeros((), x.dtype))


def _safe(x: Any, used: Any) -> Any:
    """The rows in use, the others like the first of them; ones if there is none."""
    if x.shape[0] == 0:
        return x
    row = jnp.argmax(used)
    there = used.at[row].get(mode="clip")
    filler = jnp.where(there, x.at[row].get(mode="clip"), jnp.ones((), x.dtype))
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


def _other_capacity(form: Form, left: Any, right: Any) -> NotEqualError:
    return NotEqualError(
        compose(
            f"{form.known.operation}: operands have other capacities for the {form.name}.",
            f"the first has room for {left} rows, the other for {right}",
            remedy="pad() both to the same capacity.",
        )
    )
