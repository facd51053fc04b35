"""The steps that make gradient rows of row-wise functions, and their kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

import numpy as np

from jaxmeta.core.gradients._gradients import mapped, push_forward, push_forward_twice
from jaxmeta.core.gradients._levels import Level, Operand
from jaxmeta.core.gradients._rearrangement import index_array, is_identity
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.plans._kernels import fill_rows, take_rows
from jaxmeta.core.plans._plans import Step


# An array among those that a kernel gets, the index of the rows to take of it (None: all
# of them, as they are), and whether rows past its end stand for zeros.
Rows: TypeAlias = tuple[int, int | None, bool]


@dataclasses.dataclass(frozen=True)
class Form:
    """How a kernel finds its arguments among the arrays and index arrays that it gets."""

    function: Callable[..., Any]
    static: tuple[Hashable, ...]
    arrays: int
    constants: tuple[int, ...]
    index: tuple[int, ...]
    values: tuple[Rows, ...]
    tangents: tuple[Rows | None, ...]
    extra: int
    others: tuple[Rows | None, ...] = ()
    mixed: tuple[Rows | None, ...] = ()
    extra_others: int = 0


class Inputs:
    """Collects what one step needs: its leaves and its index arrays, each once."""

    def __init__(self) -> None:
        self.leaves: list[int] = []
        self.index: list[np.ndarray] = []
        # By identity: were it by content, numbers that happen to agree would decide what
        # gets compiled. The arrays are kept, so that no number is given twice.
        self._places: dict[int, tuple[int, np.ndarray]] = {}

    def array(self, leaf: int) -> int:
        """The place of a leaf among the arrays of the kernel."""
        if leaf not in self.leaves:
            self.leaves.append(leaf)
        return self.leaves.index(leaf)

    def rows(self, leaf: int, rows: np.ndarray, size: int) -> Rows:
        """Some rows of a leaf that has `size` of them."""
        if is_identity(rows, size):
            return self.array(leaf), None, False
        partly = bool((rows >= size).any()) or size == 0
        return self.array(leaf), self.table(rows), partly

    def table(self, rows: np.ndarray) -> int:
        """The place of an index array among those of the kernel."""
        place, _ = self._places.setdefault(id(rows), (len(self.index), rows))
        if place == len(self.index):
            self.index.append(index_array(rows))
        return place

    def step(self, kernel: Callable[..., Any], form: Form) -> Step:
        """The step that runs a kernel on all this."""
        form = dataclasses.replace(form, arrays=len(self.leaves))
        rows = len(self.index) - len(form.index)
        return Step(kernel, tuple(self.leaves), tuple(self.index), (form,), rows == 0)


def side_rows(
    inputs: Inputs, level: Level, rows: np.ndarray | None = None
) -> tuple[Rows | None, ...]:
    """For each operand its rows at this level, or at some positions of it."""
    found: list[Rows | None] = []
    for i, side in enumerate(level.sides):
        if side is None:
            found.append(None)
            continue
        if rows is None and level.is_whole(i):
            found.append((inputs.array(side.leaf), None, False))
            continue
        size = level.targets[i].shape[0]
        sources = level.sources(i)
        if rows is not None:
            sources = np.append(sources, size)[rows]
        found.append(inputs.rows(side.leaf, sources, size))
    return tuple(found)


def value_form(
    inputs: Inputs, known: RowFunction, top: Level, rows: np.ndarray, extra: int
) -> Form:
    """The form of a kernel at some rows of the values, without any tangents."""
    values = tuple(
        inputs.rows(side.leaf, rows, len(top.samples))
        for side in top.sides
        if isinstance(side, Operand)
    )
    constants = tuple(inputs.array(leaf) for leaf in known.constants)
    index = tuple(inputs.table(table) for table in known.index)
    return Form(known.function, known.static, 0, constants, index, values, (), extra)


def first_order(known: RowFunction, top: Level, level: Level) -> Step:
    """Gradient rows by the derivative of the function at the value rows."""
    inputs = Inputs()
    form = value_form(inputs, known, top, level.root, len(level.extra))
    tangents = side_rows(inputs, level)
    return inputs.step(_first_order, dataclasses.replace(form, tangents=tangents))


def linear_order(known: RowFunction, top: Level, level: Level) -> Step:
    """Gradient rows, of any depth, by the function itself, where it is linear."""
    inputs = Inputs()
    extra = _extra_axes(top, level)
    tangents = side_rows(inputs, level)
    values = []
    for i, side in enumerate(top.sides):
        # The values of operands in which it is linear are not looked at.
        if isinstance(side, Operand) and i not in known.linear:
            values.append(inputs.rows(side.leaf, level.root, len(top.samples)))
        else:
            values.append((0, None, False))
    constants = tuple(inputs.array(leaf) for leaf in known.constants)
    index = tuple(inputs.table(table) for table in known.index)
    linear = tuple(i in known.linear for i in range(len(values)))
    form = Form(
        known.function, known.static, 0, constants, index, tuple(values), tangents, extra
    )
    found = inputs.step(_linear_order, form)
    return dataclasses.replace(found, static=(*found.static, linear))


def _extra_axes(top: Level, level: Level) -> int:
    """How many more components the gradients of a level have than the values."""
    counts = (
        len(side.layout.components) - len(values.layout.components)
        for side, values in zip(level.sides, top.sides, strict=True)
        if side is not None and values is not None
    )
    return next(counts)


def _first_order(*arguments: Any) -> Any:
    *rest, form = arguments
    get, function = _opened(rest, form)
    values = [get(rows) for rows in form.values]
    tangents = [get(rows) for rows in form.tangents]
    return push_forward(function, values, tangents, form.extra)


def second_order(*arguments: Any) -> Any:
    """Kernel: gradient rows of gradients, by the chain rule of second order."""
    *rest, form = arguments
    get, function = _opened(rest, form)
    return push_forward_twice(
        function,
        [get(rows) for rows in form.values],
        [get(rows) for rows in form.tangents],
        [get(rows) for rows in form.others],
        [get(rows) for rows in form.mixed],
        (form.extra, form.extra_others),
    )


def _linear_order(*arguments: Any) -> Any:
    *rest, form, linear = arguments
    get, function = _opened(rest, form)
    given = [
        get(tangent) if moves else get(value)
        for value, tangent, moves in zip(form.values, form.tangents, linear, strict=True)
    ]
    return mapped(function, given, linear, form.extra)


def _opened(rest: list[Any], form: Form) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """How to get rows, and the function of the operands alone."""
    arrays, tables = rest[: form.arrays], rest[form.arrays :]

    def get(rows: Rows | None) -> Any:
        if rows is None:
            return None
        array, table, partly = rows
        if table is None:
            return arrays[array]
        if partly:
            return fill_rows(arrays[array], tables[table], 0)
        return take_rows(arrays[array], tables[table])

    constants = [arrays[place] for place in form.constants]
    index = [tables[place] for place in form.index]

    def function(*operands: Any) -> Any:
        return form.function(*operands, *constants, *index, *form.static)

    return get, function
