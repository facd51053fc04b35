"""Plans: how every operation is done.

An operation first makes a *plan* from metadata alone, in numpy: the layout of the result,
and for each of its leaves a *step*, a small array function (kernel), the input leaves it
takes and the index arrays it needs. Plans are kept on the layouts they were made for, by
the rule of `_memory.py`. Then the plan *runs* on the leaves (`_programs.py`).
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import ref

import jax
import numpy as np

from jaxmeta.core import _functions, _groups
from jaxmeta.core._groups import Kernel as Kernel
from jaxmeta.core._layout import BlockLayout, Layout
from jaxmeta.core._memory import Memory, forget_everything
from jaxmeta.core._programs import Program
from jaxmeta.core._schedules import Instruction


L = TypeVar("L", Layout, BlockLayout)


@dataclasses.dataclass(frozen=True)
class Step:
    """How one leaf of the result is made; without a kernel it is the input itself."""

    kernel: Kernel | None
    inputs: tuple[int, ...]
    index: tuple[np.ndarray, ...] = ()
    static: tuple[Hashable, ...] = ()


def keep(leaf: int) -> Step:
    """The step that hands one input leaf through."""
    return Step(None, (leaf,))


class Plan(Generic[L]):
    """The layout of a result and how its leaves are made.

    `layout` is None when the result has the layout of the operation's first argument. In
    a plan that is kept, it is None too where `weak_layout` refers to it.
    """

    weak_layout: ref[Any] | None = None

    def __init__(self, layout: L | None, steps: Sequence[Step]) -> None:
        self.layout = layout
        arrays: dict[int, int] = {}
        index: list[np.ndarray] = []
        instructions: list[Instruction] = []
        for step in steps:
            for array in step.index:
                if id(array) not in arrays:
                    arrays[id(array)] = len(index)
                    index.append(array)
            where = tuple([arrays[id(array)] for array in step.index])
            instructions.append((step.kernel, step.inputs, where, step.static))
        self.program = Program(tuple(instructions), tuple(index))

    @property
    def index(self) -> tuple[np.ndarray, ...]:
        """The index arrays of all steps."""
        return self.program.index

    @property
    def device_index(self) -> tuple[jax.Array, ...]:
        """The index arrays on the device, put there once."""
        return self.program.device_index

    def run(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The leaves of the result."""
        return self.program.run(leaves)

    def with_layout(self, layout: L | None, weak_layout: ref[Any] | None = None) -> Plan[L]:
        """The same plan with another reference to the layout of the result."""
        plan = copy.copy(self)
        plan.layout, plan.weak_layout = layout, weak_layout
        return plan


# Plans that are kept --------------------------------------------------------------------


def plan_for(
    layout: Any, build: Callable[..., Plan[Any]], *arguments: Hashable
) -> Plan[Any]:
    """The plan that `build` makes for a layout and arguments, remembered on a layout.

    Layouts among the arguments stand there themselves or in tuples: in any other object
    they are not seen, and may keep themselves alive.
    """
    plan = layout.plans.find((build, arguments))
    if plan is None:
        return _elsewhere_or_new(layout, build, arguments)
    if plan.weak_layout is None:
        return plan
    return _awake(plan) or _elsewhere_or_new(layout, build, arguments)


def _awake(plan: Plan[Any]) -> Plan[Any] | None:
    """A kept plan with its layout, if that still is."""
    if plan.weak_layout is None:
        return plan
    layout = plan.weak_layout()
    return None if layout is None else plan.with_layout(layout)


def _elsewhere_or_new(
    layout: Any, build: Callable[..., Plan[Any]], arguments: tuple[Any, ...]
) -> Plan[Any]:
    """The plan on the operand of highest rank, made if it is not there."""
    host = max(_layouts((layout, arguments)), key=lambda one: one.rank)
    key = (build, arguments) if host is layout else (build, layout, arguments)
    known = host.plans.find(key)
    if known is not None:
        if (plan := _awake(known)) is not None:
            return plan
        host.plans.forget(key)
    plan = build(layout, *arguments)
    shapes = [one.shapes for one in _layouts((layout, arguments))]
    plan.program.fixed = None not in shapes
    key = _weakly(key, host)
    kept = _kept(plan, host, key)
    # Another thread may have been faster.
    return _awake(host.plans.keep(key, kept, kept.program.bytes)) or plan


def _layouts(argument: Any) -> Iterator[Layout | BlockLayout]:
    if isinstance(argument, Layout | BlockLayout):
        yield argument
    elif isinstance(argument, tuple):
        for one in argument:
            yield from _layouts(one)


class _Weakly(ref):  # type: ignore[type-arg]
    """Stands in a key for the layout that it is kept on: equal to it, and weak."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other or self() is other

    __hash__ = ref.__hash__


def _weakly(argument: Any, host: Any) -> Any:
    if argument is host:
        return _Weakly(host)
    if isinstance(argument, tuple):
        return tuple([_weakly(one, host) for one in argument])
    return argument


def _kept(plan: Plan[Any], host: Any, key: Hashable) -> Plan[Any]:
    """The plan as it is kept: it may refer to layouts of lower rank, and to no others."""
    result = plan.layout
    if result is None or result.rank < host.rank:
        return plan
    forget = partial(_forget, ref(host.plans), key)
    return plan.with_layout(None, ref(result, forget))


def _forget(memory: ref[Memory], key: Hashable, _: object) -> None:
    known = memory()
    if known is not None:
        known.forget(key)


# Kernels by themselves ------------------------------------------------------------------


def run_kernel(kernel: Kernel, arrays: Sequence[Any], *static: Hashable) -> Any:
    """What one kernel gives, compiled once for its static arguments and shapes."""
    return _groups.compiled(kernel, *static)(*arrays)


def clear_caches() -> None:
    """Drop every plan and every compiled kernel, and what they hold on to."""
    forget_everything()
    _functions.clear()
    _groups.clear()
