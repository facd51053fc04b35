"""Precision is explicit: no dtype is narrowed, mixed or made another one unasked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.errors import InvalidTypeError, PrecisionError, compose


_WIDE = {
    "float64": "float32",
    "complex128": "complex64",
    "int64": "int32",
    "uint64": "uint32",
}

_OTHERWISE = (
    "convert on purpose with dtype=...; or keep numpy arrays (as_numpy=True on loading)."
)


def check_dtype(dtype: Any, where: str, otherwise: str = _OTHERWISE) -> None:
    """Refuse a 64-bit dtype while JAX would silently make 32 bits of it.

    `otherwise` names the ways out, apart from enabling x64.
    """
    if jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        return
    given = np.dtype(dtype).name
    if given in _WIDE:
        raise PrecisionError(
            compose(
                f"{where}: {given} values, but JAX runs without x64.",
                f"JAX would silently make {_WIDE[given]} of them",
                remedy='choose: jax.config.update("jax_enable_x64", True) before anything '
                f"else; or {otherwise}",
            )
        )


def dtype_of(where: str, given: Any) -> np.dtype[Any]:
    """The dtype of numbers that an argument stands for.

    Raises:
        InvalidTypeError: for what is none; None, too, which numpy takes for float64, and
            arrays, for whose dtype it would take them.
    """
    is_array = isinstance(given, np.ndarray | jax.Array)
    try:
        dtype = np.dtype(object) if given is None or is_array else jnp.dtype(given)
    except (TypeError, ValueError):
        dtype = np.dtype(object)
    if not jnp.issubdtype(dtype, np.number):
        raise InvalidTypeError(
            compose(
                f"{where}: dtype must be a dtype of numbers.",
                f"found {given!r:.100}, a {type(given).__name__}",
                remedy='for instance dtype="float64".',
            )
        )
    return dtype


def floating_dtype(where: str, given: Any) -> np.dtype[Any]:
    """The dtype of real floating point numbers that an argument stands for.

    Raises:
        InvalidTypeError: for what is none.
    """
    dtype = dtype_of(where, given)
    if not jnp.issubdtype(dtype, np.floating):
        raise InvalidTypeError(
            compose(f"{where}: dtype is one of floating point numbers.", f"found {dtype}")
        )
    return dtype


def check_host_arrays(leaves: Sequence[Any]) -> None:
    """Refuse numpy leaves that JAX would silently round."""
    for leaf in leaves:
        if isinstance(leaf, np.ndarray):
            check_dtype(leaf.dtype, "an operation on numpy arrays")


def check_same_dtype(
    operation: str, left: Any, right: Any, names: tuple[str, str] = ("left", "right")
) -> None:
    """Refuse two operands of different dtypes; one without blocks has none."""
    if left.dtype is None or right.dtype is None:  # numpy takes None for float64
        return
    if left.dtype != right.dtype:
        raise InvalidTypeError(
            compose(
                f"{operation}: the dtypes differ.",
                f"{names[0]} has {left.dtype}, {names[1]} has {right.dtype}",
                remedy="convert one of them on purpose: tensor.to(dtype=...).",
            )
        )


def check_inexact(operation: str, tensor: Any, results: str) -> None:
    """Refuse integers and bools whose `results` would be floating point numbers."""
    dtype = tensor.dtype
    if dtype is not None and not jnp.issubdtype(dtype, np.inexact):
        raise InvalidTypeError(
            compose(
                f"{operation}: the values are {dtype}, {results} would not be.",
                remedy="convert on purpose first: tensor.to(dtype=...).",
            )
        )


def check_sums(operation: str, tensor: Any) -> None:
    """Refuse bools, and integers of less than 32 bits: their sums are none, or wrap."""
    dtype = tensor.dtype
    if dtype == np.bool_:
        raise InvalidTypeError(
            compose(
                f"{operation}: the values are bools, whose sum would be none.",
                remedy="convert on purpose first: tensor.to(dtype=jnp.int32) counts.",
            )
        )
    if dtype is None or not jnp.issubdtype(dtype, np.integer):
        return
    if jnp.iinfo(dtype).bits < 32:
        raise InvalidTypeError(
            compose(
                f"{operation}: the values are {dtype}, whose sums soon wrap around.",
                f"the largest {dtype} is {jnp.iinfo(dtype).max}",
                remedy="convert on purpose first: tensor.to(dtype=jnp.int32).",
            )
        )


def check_differentiable(operation: str, *tensors: Any) -> None:
    """Refuse explicit gradients of integers and bools, which have no derivative."""
    for tensor in tensors:
        blocks = getattr(tensor._layout, "blocks", (tensor._layout,))
        if blocks and blocks[0].gradients:
            check_inexact(operation, tensor, "the derivatives that its gradients need")
