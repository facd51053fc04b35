"""Plans whose kernels call functions that somebody gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core.functions._mapping_checks import Kind
from jaxmeta.core.plans._functions import Function, compiled_for
from jaxmeta.core.plans._plans import Plan, Step


class FunctionPlan(Plan[Any]):
    """A plan whose kernels call functions that somebody gave.

    Arguments:
        layout, steps: as for any plan.
        functions: for each step, the static part of the function that it calls.
        closes_over_tracers: whether one uses traced arrays that are no leaves. Then it
            can not be compiled by itself.
    """

    def __init__(
        self,
        layout: Any,
        steps: Sequence[Step],
        functions: Sequence[Function],
        closes_over_tracers: bool,
    ) -> None:
        super().__init__(layout, steps)
        self._functions = functions
        self._traced = closes_over_tracers

    def run(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The leaves of the result."""
        if self._traced or any(isinstance(leaf, Tracer) for leaf in leaves):
            given = [jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in leaves]
            return self._run([_called] * len(self._functions), given, self.index)
        calls = [compiled_for(function) for function in self._functions]
        return self._run(calls, leaves, self.device_index)

    def _run(
        self,
        calls: Sequence[Callable[..., Any]],
        leaves: Sequence[Any],
        index: Sequence[Any],
    ) -> tuple[Any, ...]:
        results = []
        instructions = zip(calls, self.program.instructions, strict=True)
        for call, (kernel, inputs, where, static) in instructions:
            arrays = [leaves[i] for i in inputs]
            tables = [index[i] for i in where]
            results.append(call(kernel, static, arrays, tables) if kernel else arrays[0])
        return tuple(results)


def _called(kernel: Any, static: Any, arrays: Any, tables: Any) -> Any:
    return kernel(*arrays, *tables, *static)


def kind_of(array: Any) -> Kind:
    """What of an array that a function holds decides about its plan."""
    return array.shape, array.dtype, bool(getattr(array, "weak_type", False))


def of_rows(rows: Any, *rest: Any) -> Any:
    """A function, given last, of every row; between them stand the arrays that it holds."""
    *arrays, function = rest
    whole = function.with_arrays(arrays)

    def of_sample(x: Any) -> Any:  # JAX writes out whatever object it maps
        return whole(x)

    return jax.vmap(of_sample)(rows)
