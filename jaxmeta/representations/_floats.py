"""Arrays of floating point numbers, as functions of points in space take them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.errors import InvalidTypeError, compose


def floats_of(operation: str, name: str, given: Any) -> jax.Array:
    """The given array as one of JAX, in its own precision.

    Raises:
        InvalidTypeError: for what is no array of real floating point numbers.
        PrecisionError: for double precision where JAX runs without.

    Example:
        >>> floats_of("operation", "the distances", jnp.ones(2)).shape
        (2,)
    """
    dtype = getattr(given, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        raise InvalidTypeError(
            compose(
                f"{operation}: {name} must be an array of floating point numbers.",
                f"found {type(given).__name__ if dtype is None else dtype}",
                remedy="convert on purpose, for instance with np.asarray(..., float).",
            )
        )
    check_dtype(dtype, operation, "convert on purpose with .astype().")
    return jnp.asarray(given)
