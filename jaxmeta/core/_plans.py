"""Plans and kernels: how every operation is done.

An operation first makes a *plan* from metadata alone, in numpy: the layout of the result,
and for each of its leaves a *step*, a small array function (kernel), the input leaves it
takes and the index arrays it needs. Plans are kept on the layout they were made for. Then
the plan *runs* on the leaves, in one of three ways:

- traced by JAX: step by step, index arrays as constants, so that the compiled program is
  the one a user would have written by hand;
- eagerly, the first times: one compiled call per step, shared by all leaves of the same
  shape in any map, so that nothing large is compiled for labels that come only once;
- eagerly, when the same labels come again and again: one compiled call for all steps,
  with the index arrays as arguments, so that other labels of the same sizes need no
  compilation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property, partial
from typing import Any, Generic, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core._interning import InternTable
from jaxmeta.core._layout import BlockLayout, Layout
from jaxmeta.core._memory import Memory
from jaxmeta.core._precision import check_host_arrays


Kernel: TypeAlias = Callable[..., Any]
L = TypeVar("L", Layout, BlockLayout)

# Fusing compiles for 2 to 15 ms per step, once, and then saves up to 4 µs per step and
# call (nothing for few steps): it pays after some thousand calls, as in a long loop.
FUSED_STEPS = 256
CALLS_BEFORE_FUSING = 500


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


# kernel, input leaves, positions of the index arrays, static arguments
Instruction: TypeAlias = tuple[
    Kernel | None, tuple[int, ...], tuple[int, ...], tuple[Hashable, ...]
]


class Program:
    """The steps of a plan without their index arrays: what gets compiled. Interned."""

    __slots__ = ("__weakref__", "instructions")

    def __init__(self, instructions: tuple[Instruction, ...]) -> None:
        self.instructions = instructions


_PROGRAMS: InternTable[Program] = InternTable()


def _program(instructions: tuple[Instruction, ...]) -> Program:
    return _PROGRAMS.intern(
        hash(instructions),
        lambda known: known.instructions == instructions,
        lambda: Program(instructions),
    )


class Plan(Generic[L]):
    """The layout of a result and how its leaves are made.

    `layout` is None when the result has the layout of the operation's first argument,
    so that a plan kept on a layout never refers back to it.
    """

    def __init__(self, layout: L | None, steps: Sequence[Step]) -> None:
        self.layout = layout
        self.calls = 0
        arrays: dict[int, int] = {}
        index: list[np.ndarray] = []
        instructions: list[Instruction] = []
        for step in steps:
            for array in step.index:
                if id(array) not in arrays:
                    arrays[id(array)] = len(index)
                    index.append(array)
            where = tuple(arrays[id(array)] for array in step.index)
            instructions.append((step.kernel, step.inputs, where, step.static))
        self.index = tuple(index)
        self.program = _program(tuple(instructions))
        self.moves_only = all(step.kernel is None for step in steps)

    @cached_property
    def device_index(self) -> tuple[jax.Array, ...]:
        """The index arrays on the device, put there once."""
        with jax.ensure_compile_time_eval():
            return tuple(jax.device_put(array) for array in self.index)

    def run(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The leaves of the result."""
        instructions = self.program.instructions
        if self.moves_only:
            return tuple(leaves[inputs[0]] for _, inputs, _, _ in instructions)
        check_host_arrays(leaves)
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            return _execute(instructions, _on_device(leaves), self.index)
        self.calls += 1
        few = len(instructions) <= FUSED_STEPS
        if few and self.calls > CALLS_BEFORE_FUSING:
            return _fused(self.program, tuple(leaves), self.device_index)
        return _execute(instructions, leaves, self.device_index, compiled=True)


def _on_device(leaves: Sequence[Any]) -> list[Any]:
    """Host arrays among traced ones as JAX arrays, which kernels are written for."""
    return [jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in leaves]


def _execute(
    instructions: tuple[Instruction, ...],
    leaves: Sequence[Any],
    index: Sequence[Any],
    compiled: bool = False,
) -> tuple[Any, ...]:
    results = []
    for kernel, inputs, where, static in instructions:
        if kernel is None:
            results.append(leaves[inputs[0]])
            continue
        arrays = [leaves[i] for i in inputs]
        tables = [index[i] for i in where]
        if compiled:
            results.append(_single(kernel, static, arrays, tables))
        else:
            results.append(kernel(*arrays, *tables, *static))
    return tuple(results)


@partial(jax.jit, static_argnums=(0, 1))
def _single(
    kernel: Kernel, static: tuple[Hashable, ...], arrays: list[Any], tables: list[Any]
) -> Any:
    return kernel(*arrays, *tables, *static)


@partial(jax.jit, static_argnums=0)
def _fused(program: Program, leaves: tuple[Any, ...], index: tuple[Any, ...]) -> Any:
    return _execute(program.instructions, leaves, index)


def plan_for(
    layout: Any, build: Callable[..., Plan[Any]], *arguments: Hashable
) -> Plan[Any]:
    """The plan that `build` makes for a layout and arguments, remembered on the layout."""
    memory: Memory = layout.plans
    return memory.get((build, arguments), lambda: build(layout, *arguments))


def clear_caches() -> None:
    """Drop every compiled kernel, and what the compilations hold on to."""
    for compiled in (_single, _fused):
        compiled.clear_cache()  # type: ignore[attr-defined]
