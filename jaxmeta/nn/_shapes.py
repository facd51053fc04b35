"""What shape functions give that do not say so: they are traced for one sample."""

from __future__ import annotations

from typing import Any, TypeAlias

import equinox as eqx
import jax


Shape: TypeAlias = tuple[int, ...]


def traced_shape(where: str, function: Any, shape: Shape, dtype: Any) -> Shape | None:
    """Shape of what a function gives for one sample; None if that is not one array.

    Arrays that the function holds may be their shapes and dtypes alone. What it raises
    gets a note that says for which block.
    """
    sample = jax.ShapeDtypeStruct(shape, dtype)
    try:
        found = eqx.filter_eval_shape(_called, function, sample)
    except Exception as error:
        error.add_note(
            f"{where}: raised by the module, for one sample, an array of shape {shape} and "
            f"dtype {dtype}"
        )
        raise
    return tuple(found.shape) if isinstance(found, jax.ShapeDtypeStruct) else None


def _called(function: Any, x: Any) -> Any:
    return function(x)
