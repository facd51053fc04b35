"""Values from outside keep their precision, or are converted on purpose."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxmeta.errors import PrecisionError, compose


def check_precision(where: str, dtype: Any, otherwise: str) -> None:
    """Refuse a dtype that JAX would silently narrow; `otherwise` names the ways out."""
    given = np.dtype(dtype)
    held = jax.dtypes.canonicalize_dtype(given)
    if held != given:
        raise PrecisionError(
            compose(
                f"{where}: {given} values, but JAX runs without x64.",
                f"JAX would silently make {held} of them",
                remedy='choose: jax.config.update("jax_enable_x64", True) before anything '
                f"else; or {otherwise}.",
            )
        )
