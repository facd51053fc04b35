"""Schedules: in which order the steps of a plan are run eagerly, and which together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from jaxmeta.core.plans._groups import (
    SIZE,
    Kernel,
    Shape,
    Slots,
    compiled,
    compiled_together,
    group_of,
)


# kernel, input leaves, positions of the index arrays, static arguments
Instruction: TypeAlias = tuple[
    Kernel | None, tuple[int, ...], tuple[int, ...], tuple[Hashable, ...]
]

# Takes arguments out of all leaves and index arrays.
Take: TypeAlias = Callable[[tuple[Any, ...]], tuple[Any, ...]]

LARGEST = 2048  # numbers in an array
COMPILED_AT_ONCE = 1


class _Step(NamedTuple):
    """A compiled kernel, the shapes of its arguments, where they are, which step it is."""

    function: Kernel
    shapes: tuple[Shape, ...]
    arguments: tuple[int, ...]
    number: int


class Schedule:
    """The steps of a plan for leaves of certain shapes, some of them in groups."""

    def __init__(
        self,
        instructions: Sequence[Instruction],
        shapes: list[Shape],
        index: Sequence[np.ndarray],
    ) -> None:
        chunks = list(_chunks(_steps(instructions, shapes, index)))
        alone = [chunk[0] for chunk in chunks if len(chunk) == 1]
        grouped = [chunk for chunk in chunks if len(chunk) > 1]
        self._alone = [(step.function, taking(step.arguments)) for step in alone]
        self._groups = [_Grouped(chunk) for chunk in grouped]
        self.calls = len(chunks)
        made = [*alone, *[step for chunk in grouped for step in chunk]]
        place = {step.number: len(shapes) + i for i, step in enumerate(made)}
        for number, (kernel, inputs, _, _) in enumerate(instructions):
            if kernel is None:
                place[number] = inputs[0]
        self._order = taking([place[number] for number in range(len(instructions))])

    def run(self, leaves: Sequence[Any], index: Sequence[Any]) -> tuple[Any, ...]:
        """The leaves of the result."""
        pool = (*leaves, *index)
        made = [*leaves, *[function(*take(pool)) for function, take in self._alone]]
        room = COMPILED_AT_ONCE
        for steps in self._groups:
            dtype = pool[steps.first].dtype
            if dtype in steps.group.ready:
                made += steps.together(pool)
            elif room and steps.group.pays(dtype):
                room -= 1
                made += steps.together(pool)
            else:
                made += steps.one_by_one(pool)
        return self._order(tuple(made))


class _Grouped:
    """Several steps of a plan, that may be run together."""

    def __init__(self, steps: list[_Step]) -> None:
        functions = tuple([step.function for step in steps])
        self.group = group_of(functions, tuple([step.shapes for step in steps]))
        first = next(i for i, shape in enumerate(steps[0].shapes) if shape)
        self.first = steps[0].arguments[first]
        self._steps = steps
        self._parts: list[tuple[Kernel, Take]] = []

    def one_by_one(self, pool: tuple[Any, ...]) -> list[Any]:
        """The results, by one call for each step."""
        return [step.function(*[pool[i] for i in step.arguments]) for step in self._steps]

    def together(self, pool: tuple[Any, ...]) -> Sequence[Any]:
        """The results, by as few calls as it pays."""
        try:
            parts = self._parts or self._make_parts(pool)
            if len(parts) == 1:
                ((function, take),) = parts
                return function(*take(pool))
            return [one for function, take in parts for one in function(*take(pool))]
        except ValueError:
            # Blocks may lie on several devices, which no program can take together.
            return self.one_by_one(pool)

    def _make_parts(self, pool: tuple[Any, ...]) -> list[tuple[Kernel, Take]]:
        if not self.group.parts:
            calls = [(s.function, taking(s.arguments)(pool)) for s in self._steps]
            self.group.measure(calls)
        remaining = iter(self._steps)
        parts = [list(itertools.islice(remaining, size)) for size in self.group.parts]
        self._parts = [_part(steps) for steps in parts]
        return self._parts


def _part(steps: list[_Step]) -> tuple[Kernel, Take]:
    """Several steps as one function, and how to take what it is called with."""
    arguments, slots = _slots(steps)
    functions = tuple([step.function for step in steps])
    return compiled_together(functions, slots), taking(arguments)


def _slots(steps: list[_Step]) -> tuple[list[int], Slots]:
    """The arguments of several steps, and which each of them takes: scalars are shared."""
    arguments: list[int] = []
    slots = []
    for step in steps:
        taken = []
        for place, shape in zip(step.arguments, step.shapes, strict=True):
            if shape or place not in arguments:
                taken.append(len(arguments))
                arguments.append(place)
            else:
                taken.append(arguments.index(place))
        slots.append(tuple(taken))
    return arguments, tuple(slots)


def _steps(
    instructions: Sequence[Instruction], shapes: list[Shape], index: Sequence[np.ndarray]
) -> Iterator[_Step]:
    pool = [*shapes, *[array.shape for array in index]]
    for number, (kernel, inputs, where, static) in enumerate(instructions):
        if kernel is not None:
            arguments = (*inputs, *[len(shapes) + i for i in where])
            found = tuple([pool[i] for i in arguments])
            yield _Step(compiled(kernel, *static), found, arguments, number)


def _chunks(steps: Iterator[_Step]) -> Iterator[list[_Step]]:
    """Steps to run together: equal ones first, then those left, of any kind."""
    alike: dict[Any, list[_Step]] = {}
    for step in steps:
        alike.setdefault((step.function, step.shapes), []).append(step)
    left = []
    for (_, shapes), equal in alike.items():
        if _are_small(shapes):
            whole = len(equal) // SIZE * SIZE
            yield from (equal[i : i + SIZE] for i in range(0, whole, SIZE))
            left += equal[whole:]
        else:
            yield from ([step] for step in equal)
    yield from (left[i : i + SIZE] for i in range(0, len(left), SIZE))


def _are_small(shapes: tuple[Shape, ...]) -> bool:
    """Whether it is the call that counts, and not the numbers."""
    return any(shapes) and all(math.prod(shape) <= LARGEST for shape in shapes)


def taking(places: Sequence[int]) -> Take:
    """A function that takes what is in some places of a tuple, as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    start = places[0] if places else 0
    return itemgetter(slice(start, start + len(places)))
