"""Arrays that other packages share with blocks: read-only one way, delivered the other."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import jax
import numpy as np
from jax.core import Tracer

from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


Arrays = Literal["jax", "numpy"]
T = TypeVar("T")


def host_values(values: Any, operation: str, where: str, copy: bool) -> np.ndarray:
    """The values as numpy: a read-only view of their memory, or a copy of one's own."""
    if isinstance(values, Tracer) or not isinstance(values, np.ndarray | jax.Array):
        raise InvalidTypeError(
            compose(
                f"{operation}: the values of {where} are not arrays in memory.",
                f"found {type(values).__name__}",
                remedy="convert outside of functions that JAX transforms.",
            )
        )
    array = np.asarray(values)
    if array.dtype.kind not in "fiubc":
        raise InvalidTypeError(
            compose(
                f"{operation}: numpy has no numbers like the values of {where}.",
                f"found dtype {array.dtype}",
                remedy="convert on purpose: tensor.to(dtype=jnp.float32).",
            )
        )
    return np.array(array, order="C") if copy else read_only(array)


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of the same memory that can not be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def check_arrays(arrays: Any, operation: str) -> None:
    """There are two kinds of arrays."""
    if arrays not in ("jax", "numpy"):
        raise InvalidError(
            compose(f'{operation}: arrays must be "jax" or "numpy".', f"found {arrays!r}")
        )


def delivered(
    data: T, arrays: Arrays, copy: bool | None, operation: str, otherwise: str
) -> T:
    """The same block or map, with its numpy leaves handed over as was asked for.

    `otherwise` names the ways out where JAX runs without x64.
    """
    old: Any = data
    leaves = [leaf.copy() if copy else leaf for leaf in old._leaves]
    if arrays == "numpy":
        leaves = [read_only(leaf) for leaf in leaves]
    else:
        for leaf in leaves:
            check_dtype(leaf.dtype, operation, otherwise)
        leaves = jax.device_put(leaves)  # shares memory that is aligned
        if copy is False:
            _check_shared(old, leaves, operation)
    return type(old)._view(old._layout, tuple(leaves))


def _check_shared(data: Any, leaves: list[Any], operation: str) -> None:
    for path, mine, theirs in zip(data._layout.paths, leaves, data._leaves, strict=True):
        if theirs.size and not np.shares_memory(np.asarray(mine), theirs):
            raise InvalidError(
                compose(
                    f"{operation}: {path} can not be shared with JAX (copy=False).",
                    f"its memory begins {theirs.ctypes.data % 64} bytes after a multiple "
                    "of 64, or is not in order, or JAX runs on another device",
                    remedy='leave copy=False out; or arrays="numpy", which always shares.',
                )
            )
