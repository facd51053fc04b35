"""Programs: the steps of a plan, run in one of three ways.

- Traced by JAX: step by step, index arrays as constants, so that the compiled program is
  the one a user would have written by hand.
- Eagerly for the first time: one compiled call for each step, shared by all leaves of the
  same shape in any map, so that nothing is compiled for labels that come only once.
- Eagerly again: the same, with small steps in groups (`_groups.py`). Both eager ways give
  the same numbers to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core.layouts._precision import check_host_arrays
from jaxmeta.core.plans._groups import compiled
from jaxmeta.core.plans._schedules import Instruction, Schedule


# Small index arrays are passed from the host: moving one takes as long as ten calls with
# it, and the labels may come only once.
_SMALL = 2**12
_CALLS_BEFORE_MOVING = 10

_NUMBERS = frozenset({bool, int, float, complex})
# Types of leaves that are neither traced nor on the host: arrays of JAX are added to them.
_PLAIN: set[type] = {*_NUMBERS}

_as_array = jax.jit(lambda number: number)


class Program:
    """The steps of a plan with their index arrays.

    It is `fixed` when the leaves have the same shapes in every run.
    """

    def __init__(
        self, instructions: tuple[Instruction, ...], index: tuple[np.ndarray, ...]
    ) -> None:
        self.instructions = instructions
        self.index = index
        self.fixed = False
        self.moves_only = all(kernel is None for kernel, _, _, _ in instructions)
        self.bytes = sum([array.nbytes for array in index])
        large = self.bytes > _SMALL * len(index)
        self._calls_before_moving = 1 if large else _CALLS_BEFORE_MOVING
        self._calls = 0
        self._schedule: Schedule | None = None

    @cached_property
    def device_index(self) -> tuple[jax.Array, ...]:
        """The index arrays on the device, put there once."""
        with jax.ensure_compile_time_eval():
            return tuple(jax.device_put(list(self.index)))

    def run(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The leaves of the result."""
        if self.moves_only:
            return tuple([leaves[inputs[0]] for _, inputs, _, _ in self.instructions])
        kinds = {*map(type, leaves)}
        if not kinds <= _PLAIN and _is_traced(kinds, leaves):
            return self._traced(leaves)
        self._calls += 1
        if not self.fixed or self._calls == 1:
            return self._once(_without_numbers(leaves, kinds, len(self.instructions)))
        schedule = self._schedule or self._scheduled(leaves)
        leaves = _without_numbers(leaves, kinds, schedule.calls)
        return schedule.run(leaves, self._index())

    def _traced(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        # Kernels are written for arrays of JAX.
        given = [jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in leaves]
        results = []
        for kernel, inputs, where, static in self.instructions:
            arrays = [given[i] for i in inputs]
            tables = [self.index[i] for i in where]
            results.append(kernel(*arrays, *tables, *static) if kernel else arrays[0])
        return tuple(results)

    def _once(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        index = self._index()
        results = []
        for kernel, inputs, where, static in self.instructions:
            if kernel is None:
                results.append(leaves[inputs[0]])
            else:
                arrays = [leaves[i] for i in inputs]
                tables = [index[i] for i in where]
                results.append(compiled(kernel, *static)(*arrays, *tables))
        return tuple(results)

    def _scheduled(self, leaves: Sequence[Any]) -> Schedule:
        shapes = [() if type(leaf) in _NUMBERS else leaf.shape for leaf in leaves]
        self._schedule = Schedule(self.instructions, shapes, self.index)
        return self._schedule

    def _index(self) -> tuple[Any, ...]:
        return self.device_index if self._calls > self._calls_before_moving else self.index


def _is_traced(kinds: set[type], leaves: Sequence[Any]) -> bool:
    """Whether any leaf is; host arrays that JAX would round are refused."""
    if any(issubclass(kind, np.ndarray) for kind in kinds):
        check_host_arrays(leaves)
    if any(issubclass(kind, Tracer) for kind in kinds):
        return True
    _PLAIN.update([kind for kind in kinds if issubclass(kind, jax.Array)])
    return False


def _without_numbers(leaves: Sequence[Any], kinds: set[type], calls: int) -> Sequence[Any]:
    """Python numbers as arrays of a weak type, where that pays.

    A call takes 1 µs longer with a number; making an array of it takes 4.
    """
    if calls <= 4 or _NUMBERS.isdisjoint(kinds):
        return leaves
    return [_as_array(x) if type(x) in _NUMBERS else x for x in leaves]
