"""Conversions of leaves: dtype, device, and between arrays of JAX and numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


_KINDS = ("jax", "numpy")


def device_of(leaf: Any) -> Any:
    """Where an array is: ``"cpu"`` for numpy, None when that is not known."""
    if isinstance(leaf, np.ndarray):
        return "cpu"
    if isinstance(leaf, Tracer):
        return None
    return getattr(leaf, "device", None)


def copied(leaves: tuple[Any, ...], deep: bool) -> tuple[Any, ...]:
    """The leaves, with numpy arrays duplicated if `deep`."""
    if not deep:
        return leaves
    return tuple(leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in leaves)


def converted(
    leaves: tuple[Any, ...],
    paths: Sequence[str],
    *,
    dtype: Any,
    device: Any,
    arrays: str | None,
) -> tuple[Any, ...]:
    """The leaves with another dtype (not those of labels), device or kind of array."""
    if arrays is not None and (not isinstance(arrays, str) or arrays not in _KINDS):
        raise InvalidError(
            compose('to: arrays must be "jax" or "numpy".', f"found {arrays!r}")
        )
    if arrays == "numpy" and device is not None:
        raise InvalidError(
            compose(
                "to: numpy arrays live on the host.",
                f"found arrays='numpy' and device={device}",
                remedy="leave one of them out.",
            )
        )
    if dtype is not None:
        wanted = _numeric(dtype)
        leaves = tuple(
            leaf if path.endswith(".samples.values") else _cast(leaf, wanted, arrays)
            for path, leaf in zip(paths, leaves, strict=True)
        )
    if arrays == "numpy":
        return tuple(np.asarray(leaf) for leaf in leaves)
    if arrays == "jax" or device is not None:
        for leaf in leaves:
            check_dtype(leaf.dtype, "to")
        return _placed(leaves, device)
    return leaves


def _placed(leaves: tuple[Any, ...], device: Any) -> tuple[Any, ...]:
    if device is not None and not isinstance(device, jax.Device | jax.sharding.Sharding):
        raise InvalidTypeError(
            compose(
                "to: the device must be a device or a sharding of JAX.",
                f"found {device!r:.100}, a {type(device).__name__}",
                remedy='give one of them, for instance jax.devices("cpu")[0].',
            )
        )
    return tuple(jax.device_put(list(leaves), device))


def _numeric(dtype: Any) -> np.dtype[Any]:
    try:
        # JAX warns where an array stands for its dtype.
        wanted = None if isinstance(dtype, jax.Array) else jnp.dtype(dtype)
    except TypeError:
        wanted = None
    if wanted is None or not (jnp.issubdtype(wanted, np.number) or wanted == np.bool_):
        raise InvalidTypeError(
            compose(
                "to: dtype must be a dtype of numbers or bools.", f"found {dtype!r:.100}"
            )
        )
    return wanted


def _cast(leaf: Any, wanted: np.dtype[Any], arrays: str | None) -> Any:
    if leaf.dtype == wanted:
        return leaf
    if jnp.issubdtype(leaf.dtype, np.complexfloating) and not jnp.issubdtype(
        wanted, np.complexfloating
    ):
        raise InvalidError(
            compose(
                "to: complex values can not become real without losing a part.",
                f"found dtype {leaf.dtype}, asked for {wanted}",
            )
        )
    if isinstance(leaf, np.ndarray):
        return leaf.astype(wanted)
    if arrays != "numpy":
        check_dtype(wanted, "to")
        return leaf.astype(wanted)
    return np.asarray(leaf).astype(wanted)
