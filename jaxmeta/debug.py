"""Faults that only a running program can find, and what becomes of them.

With dynamic samples some mistakes are in the data, not in the program: a capacity that is
too small, samples that are not among those of ``into=``, operands with different samples.
By default too small a capacity raises a `DeviceCheckError`, and everything else makes the
values NaN, which costs nothing and shows in every loss. Two contexts change that for
programs that are compiled within them; one that was compiled before stays what it is.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from jaxmeta.core.device._device_checks import in_mode


def raising() -> AbstractContextManager[None]:
    """Every fault raises a `DeviceCheckError` that says what was found.

    The host is called for it, so programs run slower. JAX wraps the error into one of its
    own, with the message at the end.

    Example:
        >>> import jax, jax.numpy as jnp, jaxmeta as jm
        >>> n, atoms = jm.Labels.range("n", 1), jm.Labels("system", [[0], [5]])
        >>> block = jm.TensorBlock(jnp.ones((2, 1)), atoms, [], n)
        >>> padded = jm.pad(jm.TensorMap(jm.Labels.single(), [block]), 3)
        >>> into = jm.Labels.range("system", 2)
        >>> jm.sum_over_samples(padded, [], into=into)[0].values.tolist()
        [[nan], [nan]]
        >>> with jm.debug.raising():
        ...     try:
        ...         jax.block_until_ready(jm.sum_over_samples(padded, [], into=into))
        ...     except Exception as error:
        ...         print("1 of them are not there" in str(error))
        True
    """
    return in_mode("raise")


def without_errors() -> AbstractContextManager[None]:
    """No fault calls the host: values become NaN, also where a capacity is too small.

    For programs that are exported, and for machines that can not call the host. What
    can hold no NaN, integers or arrays without rows, raises nevertheless.
    """
    return in_mode("nan")
