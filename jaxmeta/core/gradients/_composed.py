"""Operations one after another, as one step for each leaf of the last result.

What an operation is made of may be operations itself: a variance is a mean of squares.
Their plans are made one by one, each for the layout that the one before gives; then the
steps of the later one get those of the earlier one in place of its leaves. So eagerly
each leaf is still one compiled call, and nothing in between is stored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.core.labels._interning import InternTable
from jaxmeta.core.plans._plans import Kernel, Step


class Call(NamedTuple):
    """One kernel within an expression.

    Arguments:
        kernel: what is called.
        arguments: results of earlier calls by their numbers, leaves from -1 downwards.
        tables: the positions of its index arrays.
        static: its static arguments.
    """

    kernel: Kernel
    arguments: tuple[int, ...]
    tables: tuple[int, ...]
    static: tuple[Hashable, ...]


class Expression:
    """Calls whose last one gives the result. Interned, so that JAX compares identities."""

    __slots__ = ("__weakref__", "calls", "leaves")

    def __init__(self, calls: tuple[Call, ...], leaves: int) -> None:
        self.calls = calls
        self.leaves = leaves


_EXPRESSIONS: InternTable[Expression] = InternTable()


def then(inner: Sequence[Step], outer: Sequence[Step]) -> list[Step]:
    """The steps of an operation on what another one gives.

    Arguments:
        inner: the steps of the earlier operation.
        outer: those of the later one; their inputs are the results of the earlier one.
    """
    return [_substituted(inner, step) for step in outer]


def composed(*arguments: Any) -> Any:
    """Kernel: leaves and index arrays put through an expression."""
    *arrays, expression = arguments
    leaves, index = arrays[: expression.leaves], arrays[expression.leaves :]
    results: list[Any] = []
    for kernel, wanted, tables, static in expression.calls:
        given = [results[i] if i >= 0 else leaves[~i] for i in wanted]
        results.append(kernel(*given, *[index[i] for i in tables], *static))
    return results[-1]


def _substituted(inner: Sequence[Step], step: Step) -> Step:
    if step.kernel is None:
        return inner[step.inputs[0]]
    if all(inner[i].kernel is None for i in step.inputs):
        return dataclasses.replace(
            step, inputs=tuple(inner[i].inputs[0] for i in step.inputs)
        )
    builder = _Builder()
    builder.add(step, [builder.value(inner[i]) for i in step.inputs])
    return builder.step()


class _Builder:
    """Collects the calls of one step, its leaves and index arrays, each once."""

    def __init__(self) -> None:
        self._leaves: dict[int, int] = {}
        self._index: dict[int, int] = {}
        self._arrays: list[np.ndarray] = []
        self._calls: dict[Call, int] = {}

    def value(self, step: Step) -> int:
        """The number of what a step on the leaves gives."""
        numbers = [
            ~self._leaves.setdefault(leaf, len(self._leaves)) for leaf in step.inputs
        ]
        return self.add(step, numbers)

    def add(self, step: Step, arguments: Sequence[int]) -> int:
        """The number of what the kernel of a step gives for arguments by number."""
        if step.kernel is None:
            return arguments[0]
        where = [self._table(array) for array in step.index]
        if step.kernel is not composed:
            return self._call(
                Call(step.kernel, tuple(arguments), tuple(where), step.static)
            )
        (expression,) = step.static
        assert isinstance(expression, Expression)
        results: list[int] = []
        for kernel, wanted, tables, static in expression.calls:
            given = tuple(results[i] if i >= 0 else arguments[~i] for i in wanted)
            placed = tuple(where[i] for i in tables)
            results.append(self._call(Call(kernel, given, placed, static)))
        return results[-1]

    def step(self) -> Step:
        """The step that makes all the calls."""
        calls, leaves = tuple(self._calls), len(self._leaves)
        expression = _EXPRESSIONS.intern(
            (calls, leaves),
            lambda known: (known.calls, known.leaves) == (calls, leaves),
            lambda: Expression(calls, leaves),
        )
        return Step(composed, tuple(self._leaves), tuple(self._arrays), (expression,))

    def _call(self, call: Call) -> int:
        return self._calls.setdefault(call, len(self._calls))

    def _table(self, array: np.ndarray) -> int:
        # By identity: what is compiled should not depend on arrays that happen to agree.
        place = self._index.setdefault(id(array), len(self._arrays))
        if place == len(self._arrays):
            self._arrays.append(array)
        return place
