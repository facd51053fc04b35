"""In which dtype, and as arrays of what kind, values leave a file."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.io.archive import Archive, Place
from jaxmeta.io.npy import aligned_bytes
from jaxmeta.io.reading import read_array


Tensor = TypeVar("Tensor", TensorMap, TensorBlock)


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What the caller of `load` asked for.

    Arguments:
        dtype: a floating (or complex) dtype for values that are floating (or complex);
            None keeps what the file has.
        as_numpy: arrays of numpy, which keep 64 bits whatever JAX is set to.
    """

    dtype: np.dtype | None
    as_numpy: bool

    @classmethod
    def of(cls, dtype: Any, as_numpy: bool) -> Conversion:
        """The conversion for these arguments of `load`, or an error about them."""
        if dtype is None:
            return cls(None, as_numpy)
        try:
            wanted = jnp.dtype(dtype)
        except TypeError as error:
            raise InvalidTypeError(
                compose("load: dtype must be a dtype.", f"found {dtype!r}: {error}")
            ) from error
        if not jnp.issubdtype(wanted, jnp.inexact):
            raise InvalidTypeError(
                compose(
                    "load: dtype must be floating or complex.",
                    f"found {wanted.name}",
                    remedy="load without it, then convert on purpose with .to(dtype=...).",
                )
            )
        return cls(wanted, as_numpy)

    def check(self, stored: np.dtype, place: Place) -> None:
        """Refuse what can not be done to values of this dtype without loss."""
        if self.dtype is not None and not _is_same_kind(stored, self.dtype):
            raise InvalidTypeError(
                compose(
                    f"load: {place.path}: dtype={self.dtype.name} does not fit the values.",
                    f"{place.entry} holds {stored.name} values",
                    remedy="dtype converts floating to floating and complex to complex "
                    "values; load without it.",
                )
            )
        if not self.as_numpy:
            check_dtype(self.dtype or stored, f"load: {place.path}")

    def read(self, archive: Archive, name: str) -> np.ndarray:
        """The values in one member, in the dtype that was asked for."""
        array = read_array(archive, name, self.check)
        if self.dtype is None or array.dtype == self.dtype:
            return array
        return self._copied(array)

    def taken(self, array: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Ascending rows of an array that may be mapped, in memory of their own."""
        if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
            return self._copied(array[rows[0] : rows[-1] + 1])
        # Not np.take: it would first copy the whole of an array that is not aligned.
        return self._copied(array[rows])

    def _copied(self, array: np.ndarray) -> np.ndarray:
        dtype = self.dtype or array.dtype
        memory = aligned_bytes(array.size * dtype.itemsize)
        copy = memory.view(dtype).reshape(array.shape)
        np.copyto(copy, array, casting="unsafe")
        return copy

    def delivered(self, data: Tensor) -> Tensor:
        """The same data in arrays of JAX, unless numpy was asked for."""
        if self.as_numpy:
            return data
        # One call for all leaves. JAX takes over memory that is aligned, so nobody else
        # may keep these arrays: they were made for this one purpose.
        leaves = jax.device_put(list(data._leaves))
        return type(data)._view(data._layout, tuple(leaves))  # type: ignore[arg-type]


def _is_same_kind(stored: np.dtype, wanted: np.dtype) -> bool:
    kind = jnp.complexfloating if stored.kind == "c" else jnp.floating
    return stored.kind in "fc" and jnp.issubdtype(wanted, kind)
