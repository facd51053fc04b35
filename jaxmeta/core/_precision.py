"""Precision is explicit: nothing wider than JAX can hold is handed to it unasked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxmeta.errors import PrecisionError, compose


_WIDE = {
    "float64": "float32",
    "complex128": "complex64",
    "int64": "int32",
    "uint64": "uint32",
}

CHOICES = (
    'choose: jax.config.update("jax_enable_x64", True) before anything else; or '
    "convert on purpose with dtype=...; or keep numpy arrays (as_numpy=True on loading)."
)


def check_dtype(dtype: Any, where: str) -> None:
    """Refuse a 64-bit dtype while JAX would silently make 32 bits of it."""
    narrow = _WIDE.get(np.dtype(dtype).name)
    if narrow is not None and not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise PrecisionError(
            compose(
                f"{where}: {np.dtype(dtype).name} values, but JAX runs without x64.",
                f"JAX would silently make {narrow} of them",
                remedy=CHOICES,
            )
        )


def check_host_arrays(leaves: Sequence[Any]) -> None:
    """Refuse numpy leaves that JAX would silently round."""
    for leaf in leaves:
        if type(leaf) is np.ndarray:
            check_dtype(leaf.dtype, "an operation on numpy arrays")
