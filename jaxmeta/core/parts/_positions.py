"""Positions along an axis that users give: checked, and kept as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax.core import Tracer

from jaxmeta.core.labels._label_values import host_array
from jaxmeta.errors import InvalidError, InvalidTypeError, OutOfRangeError, compose


def host_positions(operation: str, given: Any, what: str, accepted: str) -> np.ndarray:
    """One-dimensional int64 positions, or a mask; anything else is an error."""
    if isinstance(given, Tracer):
        raise InvalidTypeError(
            compose(
                f"{operation}: {what} is traced by JAX, but labels are static.",
                remedy="select with values known outside the traced function.",
            )
        )
    array = host_array(given, operation)
    if array.size == 0 and not hasattr(given, "dtype"):
        array = np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iub":
        raise InvalidTypeError(
            compose(
                f"{operation}: {what} must be {accepted}.",
                f"found {type(given).__name__} of dtype {array.dtype} and shape "
                f"{array.shape}",
            )
        )
    if array.dtype == np.uint64:
        # No axis is so long; the largest numbers would wrap around without a word.
        array = np.minimum(array, np.iinfo(np.int64).max)
    return array if array.dtype == np.bool_ else array.astype(np.int64)


def checked_positions(
    operation: str, where: str, positions: bytes, size: int
) -> np.ndarray:
    """Positions kept as bytes, if all are there and none stands twice."""
    found = np.frombuffer(positions, np.int64)
    outside = (found < 0) | (found >= size)
    if outside.any():
        raise OutOfRangeError(
            compose(
                f"{operation}: a position lies outside {where}.",
                f"found {found[outside][0]}, there are {size} entries",
            )
        )
    values, counts = np.unique(found, return_counts=True)
    repeated = counts > 1
    if repeated.any():
        raise InvalidError(
            compose(
                f"{operation}: every position can be selected once.",
                f"position {values[repeated][0]} stands {counts[repeated][0]} times",
                remedy="the labels of the result would not be unique.",
            )
        )
    return found
