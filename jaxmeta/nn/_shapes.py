"""What shape functions give that do not say so: they are traced once, for one sample."""

from __future__ import annotations

from typing import Any, TypeAlias

import jax

from jaxmeta.core.layouts._memory import Memory
from jaxmeta.core.plans._functions import Function, taken_apart


Shape: TypeAlias = tuple[int, ...]


class _Shapes(Memory):
    """As many as there are compiled functions."""

    __slots__ = ()

    LIMIT = 512


_KNOWN = _Shapes()
_NONE: Shape = (-1,)  # the memory takes None for nothing known


def traced_shape(where: str, function: Any, shape: Shape, dtype: Any) -> Shape | None:
    """Shape of what a function gives for one sample; None if that is not one array.

    What the function raises gets a note that says for which block.
    """
    static, arrays, held = taken_apart(where, function)
    like = tuple(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays)
    kinds = tuple((one.shape, one.dtype) for one in like)
    sample = jax.ShapeDtypeStruct(shape, dtype)
    found = _KNOWN.get(
        (static, kinds, shape, dtype), lambda: _traced(where, static, sample, like)
    )
    del held  # all that the static part refers to was there until here
    return None if found == _NONE else found


def _traced(where: str, function: Function, sample: Any, arrays: Any) -> Shape:
    def of_sample(x: Any, *held: Any) -> Any:
        return function.with_arrays(held)(x)

    try:
        found = jax.eval_shape(of_sample, sample, *arrays)
    except Exception as error:
        error.add_note(
            f"{where}: raised by the module, for one sample, an array of shape "
            f"{sample.shape} and dtype {sample.dtype}"
        )
        raise
    return tuple(found.shape) if isinstance(found, jax.ShapeDtypeStruct) else _NONE
