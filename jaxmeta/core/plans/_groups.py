"""Compiled kernels, alone or in groups.

Calling a compiled function takes 3 to 4 µs, however small its arrays are; one more array
in the same call takes one or two. An operation on a thousand small blocks is mostly such
calls. So small steps are run up to eight at a time, once that is known to pay: a group is
compiled when steps of these kernels and shapes have been run some hundred times, in
whatever map, and no more than one group during one operation.

JAX runs programs of less than a thousand floating point operations on the thread that
calls, and hands all others to another thread, which takes longer but goes on beside it. So
groups stay below this limit, and steps above it stay alone.

The steps of a group have no arrays in common, but for scalars: an array that two of them
need is passed twice. So the compiler finds nothing to put together, each step is compiled
to what it is alone, and gives the same numbers to the last bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import jax


Kernel: TypeAlias = Callable[..., Any]
Shape: TypeAlias = tuple[int, ...]
Slots: TypeAlias = tuple[tuple[int, ...], ...]

SIZE = 8
INLINE = 999  # floating point operations
RUNS_BEFORE_COMPILING = 500


@lru_cache(maxsize=4096, typed=True)  # typed: 1, 1.0 and True are no one argument
def compiled(kernel: Kernel, *static: Hashable) -> Kernel:
    """The kernel with its static arguments, compiled for every shape that it meets."""

    def step(*arguments: Any) -> Any:
        return kernel(*arguments, *static)

    # Profiles and dumps of programs tell this name.
    step.__name__ = getattr(kernel, "__name__", type(kernel).__name__)
    return jax.jit(step)


@lru_cache(maxsize=4096)
def compiled_together(functions: tuple[Kernel, ...], slots: Slots) -> Kernel:
    """Several compiled kernels as one; each takes the arguments in its slots."""

    def group(*arguments: Any) -> tuple[Any, ...]:
        return tuple(
            function(*[arguments[i] for i in taken])
            for function, taken in zip(functions, slots, strict=True)
        )

    # One needs no program of its own.
    return jax.jit(group) if len(functions) > 1 else group


class Group:
    """What is known of steps with certain kernels and shapes, in whatever map they are.

    `ready` are the dtypes for which they are run together; `parts` says how: how many of
    them in one call, then how many in the next one. It is empty until it is measured.
    """

    def __init__(self) -> None:
        self.ready: set[Any] = set()
        self.parts: list[int] = []
        self._runs: Counter[Any] = Counter()

    def pays(self, dtype: Any) -> bool:
        """Note one more run of the steps by themselves; whether to stop that now."""
        self._runs[dtype] += 1
        if self._runs[dtype] <= RUNS_BEFORE_COMPILING:
            return False
        self.ready.add(dtype)
        return True

    def measure(self, calls: Sequence[tuple[Kernel, tuple[Any, ...]]]) -> None:
        """Find the parts, given the compiled kernels and arguments of all steps."""
        parts: list[int] = []
        total = 0.0
        for function, arguments in calls:
            operations = _operations(function, arguments)
            if parts and total + operations <= INLINE:
                parts[-1] += 1
                total += operations
            else:
                parts.append(1)
                total = operations
        self.parts = parts


def _operations(function: Any, arguments: tuple[Any, ...]) -> float:
    """The floating point operations of a compiled kernel."""
    return (function.lower(*arguments).cost_analysis() or {}).get("flops", 0.0)


@lru_cache(maxsize=4096)
def group_of(functions: tuple[Kernel, ...], shapes: tuple[tuple[Shape, ...], ...]) -> Group:
    """The one group of steps with these compiled kernels and shapes of arguments."""
    return Group()


def clear() -> None:
    """Forget all that was compiled."""
    compiled.cache_clear()
    compiled_together.cache_clear()
    group_of.cache_clear()
