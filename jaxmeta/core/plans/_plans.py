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

from jaxmeta.core.layouts._layout import BlockLayout, Layout
from jaxmeta.core.layouts._memory import Memory, forget_everything
from jaxmeta.core.plans import _functions, _groups
from jaxmeta.core.plans._groups import Kernel as Kernel
from jaxmeta.core.plans._programs import Program
from jaxmeta.core.plans._schedules import Instruction


L = TypeVar("L", Layout, BlockLayout)


@dataclasses.dataclass(frozen=True)
class Step:
    """How one leaf of the result is made; without a kernel it is the input itself.

    Arguments:
        kernel: the function of arrays, or None.
        inputs: the leaves that it gets.
        index: the index arrays that it gets after them.
        static: what it gets last.
        keeps_rows: whether the index arrays are of other axes than the rows.
    """

    kernel: Kernel | None
    inputs: tuple[int, ...]
    index: tuple[np.ndarray, ...] = ()
    static: tuple[Hashable, ...] = ()
    keeps_rows: bool = False


def keep(leaf: int) -> Step:
    """The step that hands one input leaf through."""
    return Step(None, (leaf,))


class Plan(Generic[L]):
    """The layout of a result and how its leaves are made.

    `layout` is None when the result has the layout of the operation's first argument. In
    a plan that is kept it may be a weak reference, until the plan is `awake`.
    """

    asleep = False
    # Whether kernels without index arrays merge rows, as products of matrices do.
    takes_all_rows = False

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
        self.moves_rows = any(step.index and not step.keeps_rows for step in steps)

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

    # How it is kept ---------------------------------------------------------------------

    def results(self) -> tuple[Any, ...]:
        """The layouts that the plan refers to: None, layouts, or weak references."""
        return (self.layout,)

    def with_results(self, results: tuple[Any, ...]) -> Plan[L]:
        """The same plan with other references to these layouts."""
        plan = copy.copy(self)
        (plan.layout,) = results
        return plan

    def kept_on(self, host: Any, forget: Callable[[object], None]) -> Plan[L]:
        """The plan as it is kept: strong references go to layouts of lower rank only."""
        above = [x is not None and x.rank >= host.rank for x in self.results()]
        if not any(above):
            return self
        pairs = zip(self.results(), above, strict=True)
        plan = self.with_results(tuple([ref(x, forget) if up else x for x, up in pairs]))
        plan.asleep = True
        return plan

    def awake(self) -> Plan[L] | None:
        """The plan as it runs; None if a layout that it refers to is gone."""
        if not self.asleep:
            return self
        found = [(x, x() if isinstance(x, ref) else x) for x in self.results()]
        if any(there is None and kept is not None for kept, there in found):
            return None
        plan = self.with_results(tuple([there for _, there in found]))
        plan.asleep = False
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
    if not plan.asleep:
        return plan
    return plan.awake() or _elsewhere_or_new(layout, build, arguments)


def _elsewhere_or_new(
    layout: Any, build: Callable[..., Plan[Any]], arguments: tuple[Any, ...]
) -> Plan[Any]:
    """The plan on the operand of highest rank, made if it is not there."""
    host = max(_layouts((layout, arguments)), key=lambda one: one.rank)
    key = (build, arguments) if host is layout else (build, layout, arguments)
    known = host.plans.find(key)
    if known is not None:
        if (plan := known.awake()) is not None:
            return plan
        host.plans.forget(key)
    plan = build(layout, *arguments)
    shapes = [one.shapes for one in _layouts((layout, arguments))]
    plan.program.fixed = None not in shapes
    key = _weakly(key, host)
    kept = plan.kept_on(host, partial(_forget, ref(host.plans), key))
    # Another thread may have been faster.
    return host.plans.keep(key, kept, kept.program.bytes).awake() or plan


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
