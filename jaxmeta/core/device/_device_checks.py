"""What is only known when a program runs, and may be wrong: rows without room or place.

A program can not raise an error by itself. Either the numbers that come out are no numbers
(NaN), which costs nothing and is seen in every loss; or the host is called, and raises
there, which makes calls slower.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp

from jaxmeta.errors import DeviceCheckError, compose


# By default too small a capacity raises an error, and all else gives NaN.
Mode: TypeAlias = Literal["default", "raise", "nan"]
_MODE: contextvars.ContextVar[Mode] = contextvars.ContextVar("mode", default="default")


def mode() -> Mode:
    """What becomes of faults that are found on the device, for programs traced now."""
    return _MODE.get()


@contextlib.contextmanager
def in_mode(wanted: Mode) -> Iterator[None]:
    """Programs that are traced within the context treat faults in another way."""
    token = _MODE.set(wanted)
    try:
        yield
    finally:
        _MODE.reset(token)


def guarded(x: Any, fault: Any, message: partial[str] | None, *numbers: Any) -> Any:
    """An array as it is, or NaN where there is a fault.

    Arguments:
        x: the array.
        fault: a bool of the device.
        message: of the error to raise, a function of `numbers`; None to raise none.
            What holds no NaN always needs one.
        numbers: arrays of the device.
    """
    if message is not None:
        raising = partial(_raise, message)
        jax.lax.cond(
            fault,
            lambda *found: jax.debug.callback(raising, *found),
            lambda *found: None,
            *(fault, *numbers),
        )
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return x
    return jnp.where(fault, jnp.asarray(jnp.nan, x.dtype), x)


def _raise(message: partial[str], fault: Any, *numbers: Any) -> None:
    # Under vmap both branches of a condition run.
    if bool(fault):
        raise DeviceCheckError(message(*[int(number) for number in numbers]))


def too_small(operation: str, axis: str, needed: int, capacity: int) -> str:
    """The message for rows without room."""
    return compose(
        f"{operation}: the capacity for {axis!r} is too small.",
        f"there are {needed} rows, the capacity is {capacity}",
        remedy=f"give a capacity of at least {needed}.",
    )


def without_place(operation: str, axis: str, lost: int) -> str:
    """The message for rows that are nowhere in the labels they should be in."""
    return compose(
        f"{operation}: some {axis} have no place in the labels given by into=.",
        f"{lost} of them are not there",
        remedy="give labels with a row for each of them.",
    )


def differ(operation: str, axis: str, different: int) -> str:
    """The message for operands whose dynamic samples differ."""
    return compose(
        f"{operation}: the {axis} of the two operands differ.",
        f"{different} rows are not the same",
        remedy="both need the same rows in the same order; unpad(tensor) outside the "
        "traced function shows them.",
    )
