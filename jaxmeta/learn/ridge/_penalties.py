"""The penalty on the weights: a number, or one for each property."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import (
    block_name,
    check_same_labels,
    matched_keys,
)
from jaxmeta.core.layouts._precision import check_same_dtype
from jaxmeta.errors import InvalidError, compose
from jaxmeta.operations._arguments import check_number


def penalties(operation: str, alpha: Any, X: TensorMap) -> list[Any]:
    """The diagonal of the penalty for each block of X, of shape (properties,)."""
    if isinstance(alpha, TensorMap):
        return _of_map(f"{operation} (alpha=)", alpha, X)
    scalar = isinstance(alpha, jax.Array) and alpha.ndim == 0
    if not scalar or not isinstance(alpha, Tracer):
        number = float(alpha) if scalar else alpha
        check_number(operation, "alpha", number)
        return [np.full(len(block.properties), number, block.dtype) for block in X]
    sizes = [(len(block.properties),) for block in X]
    return [
        jnp.broadcast_to(alpha.astype(block.dtype), size)
        for block, size in zip(X, sizes, strict=True)
    ]


def _of_map(where: str, alpha: TensorMap, X: TensorMap) -> list[Any]:
    check_same_dtype(where, X, alpha, ("X", "alpha"))
    positions = matched_keys(where, X._layout, alpha._layout)
    return [
        _of_block(where, block_name(X.keys, i), X[i], alpha[position])
        for i, position in enumerate(positions)
    ]


def _of_block(where: str, name: str, x: TensorBlock, alpha: TensorBlock) -> Any:
    check_same_labels(where, name, "properties", x.properties, alpha.properties)
    if alpha.shape[:-1] != (1,):
        raise InvalidError(
            compose(
                f"{where}: alpha is one number for each property.",
                f"{name} has values of shape {alpha.shape}",
                remedy="give a map with one sample and no component.",
            )
        )
    values = alpha.values[0]
    if not isinstance(values, Tracer):
        found = np.asarray(values)
        if not (np.isfinite(found) & (found >= 0)).all():
            raise InvalidError(
                compose(f"{where}: {name} has numbers that are negative or not finite.")
            )
    return jnp.asarray(values)


def is_positive(alpha: Any) -> bool:
    """Whether all entries are larger than zero, as far as can be seen."""
    return isinstance(alpha, Tracer) or bool((np.asarray(alpha) > 0).all())
