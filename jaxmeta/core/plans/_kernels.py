"""Kernels that move and add rows: the array half of every linear operation.

A kernel takes arrays, then index arrays, then static arguments, and gives one array.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def filling(value: complex, dtype: Any) -> complex:
    """A fill value as a Python number of the dtype that it goes into.

    Plans do not know dtypes, and 0, 0.0 and 0j are one key of a dictionary: here, where
    the array is known, they become what it holds.
    """
    kept = value if jnp.issubdtype(dtype, np.complexfloating) else value.real
    return np.asarray(kept).astype(dtype).item()


def take_rows(x: Any, rows: Any) -> Any:
    """The rows of an array at these positions (all of them valid)."""
    return x.at[rows].get(mode="promise_in_bounds")


def take_properties(x: Any, columns: Any) -> Any:
    """The properties of an array at these positions (all of them valid)."""
    return jnp.take(x, columns, axis=-1, mode="clip")


def fill_rows(x: Any, rows: Any, fill_value: complex) -> Any:
    """The rows at these positions; positions past the end give `fill_value`."""
    fill = filling(fill_value, x.dtype)
    if x.shape[0] == 0:
        return jnp.full((*rows.shape, *x.shape[1:]), fill, x.dtype)
    return x.at[rows].get(mode="fill", fill_value=fill)


def fill_properties(x: Any, columns: Any, fill_value: complex) -> Any:
    """The properties at these positions; positions past the end give `fill_value`."""
    fill = filling(fill_value, x.dtype)
    if x.shape[-1] == 0:
        return jnp.full((*x.shape[:-1], *columns.shape), fill, x.dtype)
    return jnp.take(x, columns, axis=-1, mode="fill", fill_value=fill)


def sum_rows(x: Any, target: Any, rows: int) -> Any:
    """Rows added up into their target rows."""
    return _added_up(x, target, rows).astype(x.dtype)


def average_rows(x: Any, target: Any, counts: Any) -> Any:
    """Rows added up into their target rows, each divided by its count."""
    total = _added_up(x, target, counts.shape[0])
    count = jnp.asarray(counts, total.dtype).reshape(-1, *[1] * (x.ndim - 1))
    return (total / count).astype(x.dtype)


def _added_up(x: Any, target: Any, rows: int) -> Any:
    """Sums of rows; those of half precision in single precision, as `jnp.sum` does it."""
    wide = jnp.float32 if x.dtype in _HALF else x.dtype
    return jax.ops.segment_sum(x.astype(wide), target, num_segments=rows)


_HALF = (np.dtype(np.float16), np.dtype(jnp.bfloat16))


def stack_rows(*arguments: Any) -> Any:
    """Arrays under each other; with a last static True, rows in the order of an index."""
    *arrays, ordered = arguments
    order = arrays.pop() if ordered else None
    stacked = jnp.concatenate(arrays) if len(arrays) > 1 else arrays[0]
    return stacked if order is None else take_rows(stacked, order)


def stack_filled_rows(*arguments: Any) -> Any:
    """As `stack_rows`, but every array first gets the properties of its own index.

    The arguments are n arrays, n indices of properties, the order of the rows, then
    static: n and the fill value.
    """
    *arrays, count, fill_value = arguments
    blocks, columns, order = arrays[:count], arrays[count : 2 * count], arrays[-1]
    filled = [
        fill_properties(block, column, fill_value)
        for block, column in zip(blocks, columns, strict=True)
    ]
    return take_rows(jnp.concatenate(filled), order)


def join_properties(*arguments: Any) -> Any:
    """Arrays side by side, each with rows from its own index where it has one.

    The arguments are the arrays, then the indices of rows, then static: one entry per
    piece of the result. An entry is the position of the array and of its index; an index
    of -1 leaves the rows as they are; an array of -1 with a number of properties is a
    piece of nothing but the fill value, which comes last. Where all pieces are such, there
    is one array with or without its index, which tells the number of rows.
    """
    *arrays, pieces, fill_value = arguments
    found = []
    rows = None
    for array, index, _ in pieces:
        if array >= 0:
            x = arrays[array]
            found.append(x if index < 0 else fill_rows(x, arrays[index], fill_value))
            rows = found[-1]
        else:
            found.append(None)
    if rows is None:
        rows = fill_rows(arrays[0], arrays[1], 0) if len(arrays) > 1 else arrays[0]
    fill = filling(fill_value, rows.dtype)
    filled = [
        jnp.full((*rows.shape[:-1], width), fill, rows.dtype) if x is None else x
        for x, (_, _, width) in zip(found, pieces, strict=True)
    ]
    return jnp.concatenate(filled, axis=-1) if len(filled) > 1 else filled[0]


def components_last(x: Any, axes: tuple[int, ...]) -> Any:
    """Some component axes folded into the properties, the first counting slowest."""
    last = x.ndim - 1
    kept = [axis for axis in range(last) if axis not in axes]
    folded = math.prod(x.shape[axis] for axis in (*axes, last))  # -1 fails for no rows
    return x.transpose(*kept, *axes, last).reshape(*[x.shape[a] for a in kept], folded)
