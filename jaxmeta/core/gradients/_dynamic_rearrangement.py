"""Blocks with dynamic samples whose rows travel: the steps and how leaves are combined.

The dynamic half of `_rearrangement.py` and `_arrangements.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxmeta.core.device import _device_checks as checks
from jaxmeta.core.device._device_rows import Places, taken
from jaxmeta.core.device._journeys import Journey, counts, roots, starts, travelled
from jaxmeta.core.gradients._dynamic_rows import check_dynamic, zero_padding
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.labels._dynamic import in_use
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Dynamic, Gradients, block_layout
from jaxmeta.core.plans._kernels import fill_properties, filling, sum_rows
from jaxmeta.core.plans._plans import Step


Planned: TypeAlias = tuple[BlockLayout, list[Step]]
# (values of the sources, their columns, places down the path) -> values
Combine: TypeAlias = Callable[[Sequence[Any], Sequence[Any], Sequence[Places]], Any]


@dataclasses.dataclass(frozen=True)
class Faults:
    """What is looked for when rows have gone, and what for messages.

    Arguments:
        operation: its name.
        mode: what becomes of faults (see `_device_checks.py`).
        lost: the message for rows that were lost; None where none can be.
    """

    operation: str
    mode: checks.Mode
    lost: Callable[[str, str, int], str] | None = None


@dataclasses.dataclass(frozen=True)
class Form:
    """How a kernel finds its arguments: values, labels, tables, then columns.

    Arguments:
        sources: how many blocks there are.
        depth: how many labels there are for each of them.
        tables: how many tables of rows the journey needs.
        journey: where rows go.
        capacities: for the values and each gradient down the path.
        axis: the rows, for messages.
        faults: what is looked for.
    """

    sources: int
    depth: int
    tables: int
    journey: Journey
    capacities: tuple[int | None, ...]
    axis: str
    faults: Faults


@dataclasses.dataclass(frozen=True)
class DynamicRearrangement:
    """What an operation does to rows of dynamic samples.

    Arguments:
        journey: where rows go.
        combine: how the values of the sources are put together.
        properties: of the result.
        capacities: of values (``"samples"``) and gradients, by name; where there is none,
            there is room for all rows of all sources.
        table: a table of rows that the journey needs: labels, or the leaf that has it.
        columns: for each source the positions of the properties of the result, or none.
        faults: what is looked for.
    """

    journey: Journey
    combine: Combine
    properties: Labels
    faults: Faults
    capacities: Mapping[str, int] = dataclasses.field(default_factory=dict)
    table: Labels | int | None = None
    columns: tuple[np.ndarray, ...] = ()

    def block(self, sources: Sequence[Operand], names: tuple[str, ...]) -> Planned:
        """The block with samples of these names that the sources make, and its steps."""
        for source in sources:
            check_dynamic(self.faults.operation, "the block", source.layout)
        return self._level([(source,) for source in sources], names, ())

    def _level(
        self,
        paths: Sequence[tuple[Operand, ...]],
        names: tuple[str, ...],
        parameters: tuple[str, ...],
    ) -> Planned:
        form = self._form(paths, parameters)
        labels = [operand.leaf + 1 for path in paths for operand in path]
        leaves = [self.table] if isinstance(self.table, int) else []
        index = (self.table.values,) if isinstance(self.table, Labels) else ()
        inputs = (*[path[-1].leaf for path in paths], *labels, *leaves)
        steps = [
            Step(_values, inputs, index + self.columns, (form, self.combine)),
            Step(_labels, (*labels, *leaves), index, (form,)),
        ]
        gradients: list[tuple[str, BlockLayout]] = []
        for name, _ in paths[0][-1].layout.gradients:
            layout, below = self._gradient(paths, parameters, name)
            gradients.append((name, layout))
            steps += below
        return self._layout(paths[0][-1].layout, names, tuple(gradients)), steps

    def _layout(
        self, like: BlockLayout, names: tuple[str, ...], gradients: Gradients
    ) -> BlockLayout:
        return block_layout(Dynamic(names), like.components, self.properties, gradients)

    def _gradient(
        self, paths: Sequence[tuple[Operand, ...]], parameters: tuple[str, ...], name: str
    ) -> Planned:
        further = []
        for path in paths:
            inner = path[-1].gradient(name)
            assert inner is not None
            check_dynamic(self.faults.operation, f"gradient {name!r}", inner.layout)
            further.append((*path, inner))
        names = further[0][-1].layout.sample_names
        return self._level(further, names, (*parameters, name))

    def _form(self, paths: Sequence[Any], parameters: tuple[str, ...]) -> Form:
        axes = ["samples", *("/".join(parameters[:i]) for i in _numbers(parameters))]
        return Form(
            len(paths),
            len(paths[0]),
            0 if self.table is None else 1,
            self.journey,
            tuple(self.capacities.get(axis) for axis in axes),
            axes[-1],
            self.faults,
        )


def _numbers(parameters: Sequence[str]) -> range:
    return range(1, len(parameters) + 1)


# Kernels --------------------------------------------------------------------------------


def _values(*arguments: Any) -> Any:
    *arrays, form, combine = arguments
    arrays, rest = arrays[: form.sources], arrays[form.sources :]
    path, columns = _path(rest, form)
    return _checked(combine(arrays, columns, path), path, form)


def _labels(*arguments: Any) -> Any:
    *arrays, form = arguments
    path, _ = _path(arrays, form)
    return path[-1].labels


def _path(arrays: Sequence[Any], form: Form) -> tuple[list[Places], Sequence[Any]]:
    """Where rows go, and the columns that are left."""
    size = form.depth
    paths = [arrays[i * size : (i + 1) * size] for i in range(form.sources)]
    rest = arrays[form.sources * size :]
    tables, columns = rest[: form.tables], rest[form.tables :]
    return travelled(paths, tables, form.journey, form.capacities), columns


def _checked(x: Any, path: Sequence[Places], form: Form) -> Any:
    """The values, or what becomes of them where rows had no room or no place.

    Gradients are spoilt with the samples above them, which alone raise the error.
    """
    places, capacity = path[-1], form.capacities[-1]
    operation, wanted = form.faults.operation, form.faults.mode
    # Neither integers nor nothing at all can be NaN.
    silent = not jnp.issubdtype(x.dtype, jnp.inexact) or _no_rows(x)
    for above, room in zip(path[:-1], form.capacities[:-1], strict=True):
        if room is not None:
            x = checks.guarded(x, above.needed > room, None)
    if form.faults.lost is not None and form.depth > 1:
        x = checks.guarded(x, path[0].lost > 0, None)
    if capacity is not None:
        raises = wanted != "nan" or silent
        message = partial(checks.too_small, operation, form.axis) if raises else None
        numbers = places.needed, jnp.asarray(capacity, jnp.int32)
        x = checks.guarded(x, places.needed > capacity, message, *numbers)
    if form.faults.lost is not None and form.depth == 1:
        raises = wanted == "raise" or silent
        message = partial(form.faults.lost, operation, form.axis) if raises else None
        x = checks.guarded(x, places.lost > 0, message, places.lost)
    return x


def _no_rows(x: Any) -> bool:
    """Whether an array has no row at all; numbers of rows may be symbolic."""
    return isinstance(x.shape[0], int) and x.shape[0] == 0


# How values are put together ------------------------------------------------------------


def added(arrays: Sequence[Any], columns: Sequence[Any], path: Sequence[Places]) -> Any:
    """Rows added up where they go."""
    places = path[-1]
    return sum_rows(_stacked(arrays), places.target, places.labels.shape[0])


def averaged(arrays: Sequence[Any], columns: Sequence[Any], path: Sequence[Places]) -> Any:
    """Rows added up, divided by the number of samples that their sample was made of."""
    total = added(arrays, columns, path)
    number = taken(jnp.maximum(counts(path[0]), 1), roots(path), "clip", 1)
    return (total / number.astype(total.dtype).reshape(-1, *_ones(total))).astype(
        total.dtype
    )


def centred(arrays: Sequence[Any], columns: Sequence[Any], path: Sequence[Places]) -> Any:
    """Rows less the mean of those that go where they go; rows stay where they are."""
    (x,), places = arrays, path[-1]
    means = averaged(arrays, columns, path)
    own = taken(means, places.target, "fill")
    return zero_padding(x - own, places.target < places.labels.shape[0])


def in_place(arrays: Sequence[Any], columns: Sequence[Any], path: Sequence[Places]) -> Any:
    """The rows that go somewhere, where they are, the others zero; sources as they come."""
    rows = _stacked(arrays)
    return zero_padding(rows, path[-1].target < rows.shape[0])


@dataclasses.dataclass(frozen=True)
class Under:
    """Blocks under each other, each row where it goes.

    Arguments:
        fill: for properties that a source lacks.
    """

    fill: complex = 0.0

    def __call__(
        self, arrays: Sequence[Any], columns: Sequence[Any], path: Sequence[Places]
    ) -> Any:
        if columns:
            arrays = [
                fill_properties(x, own, self.fill)
                for x, own in zip(arrays, columns, strict=True)
            ]
        places = path[-1]
        return _at(_stacked(arrays), places.target, places.labels.shape[0])


@dataclasses.dataclass(frozen=True)
class Beside:
    """Blocks beside each other; rows that a source lacks are filled.

    Arguments:
        order: the source of each piece of the result, -1 for a piece of filling only.
        widths: how many properties each piece has.
        fill: the fill value.
    """

    order: tuple[int, ...]
    widths: tuple[int, ...]
    fill: complex = 0.0

    def __call__(
        self, arrays: Sequence[Any], columns: Sequence[Any], path: Sequence[Places]
    ) -> Any:
        places, like = path[-1], arrays[0]
        begins = starts([x.shape[0] for x in arrays])
        used = in_use(places.labels)
        fill = filling(self.fill, like.dtype)
        pieces = []
        for source, width in zip(self.order, self.widths, strict=True):
            shape = (places.labels.shape[0], *like.shape[1:-1], width)
            piece = jnp.full(shape, fill, like.dtype)
            if source >= 0:
                x, start = arrays[source], begins[source]
                target = places.target[start : start + x.shape[0]]
                piece = _or_fill(_at(x, target, shape[0]), target, fill)
            pieces.append(piece)
        return zero_padding(jnp.concatenate(pieces, axis=-1), used)


def _at(x: Any, target: Any, size: Any) -> Any:
    """Rows where they go, at most one each; zero elsewhere."""
    if jnp.issubdtype(x.dtype, jnp.inexact):
        return sum_rows(x, target, size)  # derivatives are simpler than those of setting
    return jnp.zeros((size, *x.shape[1:]), x.dtype).at[target].set(x, mode="drop")


def _or_fill(x: Any, target: Any, fill: complex) -> Any:
    """Rows that something went to, the others filled."""
    if fill == 0:
        return x
    there = jnp.zeros(x.shape[:1], bool).at[target].set(True, mode="drop")
    there = there.reshape(-1, *_ones(x))
    return jnp.where(there, x, jnp.asarray(fill, x.dtype))


def _stacked(arrays: Sequence[Any]) -> Any:
    return jnp.concatenate(arrays) if len(arrays) > 1 else arrays[0]


def _ones(x: Any) -> list[int]:
    return [1] * (x.ndim - 1)
