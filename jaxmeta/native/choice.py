"""Whether programs call native kernels: they are there, and nobody wants to do without."""

from __future__ import annotations

import ctypes
import functools
import os
from contextlib import AbstractContextManager
from typing import Any

import jax

from jaxmeta.errors import MissingError
from jaxmeta.native._compiler import library


KERNELS = ("density", "pullback", "products", "density_rows", "spectrum_rows")
PRECISIONS = {"float32": "f32", "float64": "f64"}

# Programs that are compiled within the context and without are kept apart by JAX.
_portable: Any = jax.make_user_context(default_value=False)


def portable() -> AbstractContextManager[None]:
    """Programs that are traced within call no native kernels: others can run them.

    For programs that are exported, or run on other machines and devices. Values and
    derivatives are the same up to rounding. The context belongs to the thread; what is
    compiled within it is compiled once more without.

    Example:
        >>> with portable():
        ...     in_use("float32")
        False
    """
    return _portable(True)


def in_use(dtype: Any) -> bool:
    """Whether programs that are traced now, in some precision, call native kernels.

    The first time it is asked the kernels are compiled, which takes some seconds.

    Arguments:
        dtype: of the arrays. There are kernels for float32 and float64.
    """
    if _portable.value or str(jax.numpy.dtype(dtype)) not in PRECISIONS:
        return False
    return jax.default_backend() == "cpu" and not why_not()


def why_not() -> str:
    """Why there are no native kernels on this machine; empty if there are.

    They are compiled at first use, by the compiler that the variable CXX names or the one
    that is there, and kept in the folder that JAXMETA_CACHE names or that of the user.
    Without them programs are those of XLA alone, with the same results, and slower.
    JAXMETA_NATIVE=0 asks for that.

    Example:
        >>> why_not() == "" or "native" in why_not()
        True
    """
    if not is_wanted():
        return "native: JAXMETA_NATIVE=0 asks for programs without native kernels."
    return _loaded()


def is_wanted() -> bool:
    """Whether nobody asks to do without native code."""
    return os.environ.get("JAXMETA_NATIVE", "1") != "0"


def name_of(kernel: str, dtype: Any) -> str:
    """The name that XLA knows a kernel by."""
    return f"jaxmeta_{kernel}_{PRECISIONS[str(dtype)]}"


@functools.cache
def _loaded() -> str:
    """Makes the kernels known to XLA, once; or says why that can not be."""
    try:
        found = ctypes.CDLL(str(library("kernels")))
        for kernel in KERNELS:
            for dtype, precision in PRECISIONS.items():
                handler = _capsule(getattr(found, f"{kernel}_{precision}"))
                name = name_of(kernel, dtype)
                jax.ffi.register_ffi_target(name, handler, platform="cpu")
    except (MissingError, OSError, AttributeError) as error:
        return str(error)
    return ""


def _capsule(function: Any) -> Any:
    """A function of a library as JAX takes it.

    `jax.ffi.pycapsule` makes the same. But it changes a prototype that all of a process
    has in common, after which metatensor can not hand over arrays.
    """
    prototype = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
    )
    new = prototype(("PyCapsule_New", ctypes.pythonapi))
    return new(ctypes.cast(function, ctypes.c_void_p), None, None)
