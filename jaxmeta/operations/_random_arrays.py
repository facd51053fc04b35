"""New arrays like others: of random numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.core.plans._plans import run_kernel
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.operations._new_arrays import (
    is_large,
    place_of,
    positions_of_values,
    put,
)


# Each draw of random numbers adds 160 ms to the compilation of a program. Therefore small
# arrays get the first numbers of rows of a few sizes, many of which are one draw; by
# `_begins_alike` they are the numbers that each would get from a draw of its own.
LEAST_SIZE = 2**8
MOST_DRAWN = 2**16
MOST_ROWS = 2**5


def uniform_leaves(
    operation: str, tensor: Any, key: Any, numbers: Sequence[int]
) -> tuple[Any, ...]:
    """Leaves of random numbers, each by the key folded with the number of the leaf."""
    made = list(tensor._leaves)
    # Only the key is looked at: where arrays alone are traced, their shapes are known.
    seed, algorithm = jax.random.key_data(key), jax.random.key_impl(key)
    small: dict[tuple[int, Any], list[int]] = {}
    for i in positions_of_values(tensor._layout):
        leaf = made[i]
        shape, dtype = tuple(leaf.shape), np.dtype(leaf.dtype)
        check_dtype(dtype, operation)
        if _begins_alike(algorithm) and _is_small(shape, dtype):
            size = max(LEAST_SIZE, 1 << (math.prod(shape) - 1).bit_length())
            small.setdefault((size, dtype), []).append(i)
        elif isinstance(seed, Tracer):
            made[i] = uniform(seed, numbers[i], algorithm, shape, dtype)
        else:
            arrays = (seed, np.uint32(numbers[i]))
            array = run_kernel(uniform, arrays, algorithm, shape, dtype)
            made[i] = jax.device_put(array, place_of(leaf))
    fill = _fill_traced if isinstance(seed, Tracer) else _fill
    for (size, dtype), positions in small.items():
        fill(made, positions, numbers, (seed, algorithm, size, dtype))
    return tuple(made)


def _fill(
    leaves: list[Any], positions: Sequence[int], numbers: Sequence[int], draw: Any
) -> None:
    """Replace leaves, given by position, by the beginnings of rows, cut on the host."""
    seed, algorithm, size, dtype = draw
    rows = max(1, min(MOST_ROWS, MOST_DRAWN // size))
    moved = []
    for start in range(0, len(positions), rows):
        some = positions[start : start + rows]
        chosen = np.zeros(rows, np.uint32)
        chosen[: len(some)] = [numbers[i] for i in some]
        table = run_kernel(uniform_rows, (seed, chosen), algorithm, size, dtype)
        for i, row in zip(some, np.asarray(table), strict=False):
            # Copied, or one array would keep the others' memory.
            array = _beginning(row, leaves[i]).copy()
            moved.append((i, array, place_of(leaves[i])))
    put(leaves, moved)


def _fill_traced(
    leaves: list[Any], positions: Sequence[int], numbers: Sequence[int], draw: Any
) -> None:
    """The same as part of a program: all rows are one draw."""
    seed, algorithm, size, dtype = draw
    chosen = np.array([numbers[i] for i in positions], np.uint32)
    table = uniform_rows(seed, chosen, algorithm, size, dtype)
    for row, i in enumerate(positions):
        leaves[i] = _beginning(table[row], leaves[i])


def _beginning(row: Any, leaf: Any) -> Any:
    return row[: math.prod(leaf.shape)].reshape(leaf.shape)


def _is_small(shape: tuple[Any, ...], dtype: Any) -> bool:
    """Whether an array has a known size, and may cross from the host to the device."""
    return all(isinstance(n, int) for n in shape) and not is_large(shape, dtype)


def _begins_alike(algorithm: Any) -> bool:
    """Whether a number depends on its place in the array, and not on the array's size."""
    settings: Any = jax.config
    return algorithm == "threefry2x32" and settings.jax_threefry_partitionable


def uniform(seed: Any, number: Any, algorithm: Any, shape: Any, dtype: Any) -> Any:
    """Kernel: numbers in [0, 1), for complex dtypes as real and imaginary parts."""
    key = jax.random.fold_in(jax.random.wrap_key_data(seed, impl=algorithm), number)
    if not jnp.issubdtype(dtype, np.complexfloating):
        return jax.random.uniform(key, shape, dtype)
    parts = jax.random.uniform(key, (*shape, 2), jnp.finfo(dtype).dtype)
    return jax.lax.complex(parts[..., 0], parts[..., 1])


def uniform_rows(seed: Any, numbers: Any, algorithm: Any, size: int, dtype: Any) -> Any:
    """Kernel: `uniform` for several numbers, each a row."""
    return jax.vmap(lambda n: uniform(seed, n, algorithm, (size,), dtype))(numbers)


def checked_key(operation: str, key: Any) -> Any:
    """One typed key of JAX; keys in the old form, bare integers, are wrapped."""
    typed = key
    if isinstance(key, np.ndarray | jax.Array) and key.dtype == np.uint32:
        typed = _wrapped(operation, key)
    if not isinstance(typed, jax.Array) or not jnp.issubdtype(
        typed.dtype, jax.dtypes.prng_key
    ):
        raise _no_key(operation, key)
    if typed.shape != ():
        raise InvalidError(
            compose(
                f"{operation}: the first argument must be one key of jax.random.",
                f"found keys of shape {typed.shape}",
                remedy="give one of them, or jax.vmap over them.",
            )
        )
    return typed


def _wrapped(operation: str, key: Any) -> Any:
    try:
        return jax.random.wrap_key_data(jnp.asarray(key))
    except (TypeError, ValueError) as error:
        raise _no_key(operation, key) from error


def _no_key(operation: str, key: Any) -> InvalidTypeError:
    found = f"found {type(key).__module__}.{type(key).__qualname__}"
    if isinstance(key, np.ndarray | jax.Array):
        found += f" of shape {key.shape} and dtype {key.dtype}"
    return InvalidTypeError(
        compose(
            f"{operation}: the first argument must be a key of jax.random.",
            found,
            remedy=f"{operation}(jax.random.key(0), ...), with a fresh key each time.",
        )
    )
