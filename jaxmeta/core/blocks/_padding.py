"""pad and unpad: between static samples and dynamic ones with room to spare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core.blocks._block import TensorBlock
from jaxmeta.core.blocks._map import TensorMap
from jaxmeta.core.labels._dynamic import DynamicLabels, check_capacity, in_use
from jaxmeta.core.labels._label_values import refuse_tracer
from jaxmeta.core.labels._labels import Labels
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


T = TypeVar("T", TensorMap, TensorBlock)


def pad(data: T, capacity: int | np.integer | Mapping[str, int]) -> T:
    """Static samples become dynamic ones, with room for `capacity` rows.

    Values and gradient rows beyond the real ones are zero, their labels are `PADDING`.
    Every map that fits into the same capacities then has the same structure, so that a
    compiled function serves them all. Samples that are dynamic already get more room.
    `PADDING` itself is no label: a row of which an operation keeps nothing else, when
    other dimensions disappear, is padding from there on.

    Arguments:
        data: a map or a block.
        capacity: rows of the values of every block. With gradients, a dictionary: rows
            under ``"samples"``, and rows of each gradient under its name (``"a/b"`` is
            gradient ``b`` of gradient ``a``).

    Raises:
        InvalidError: when a capacity is missing or too small; the message tells what
            would do.
        InvalidTypeError: for samples that are dynamic already, inside a traced function,
            and for capacities that are no integers.

    Example:
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3)), Labels.range("system", 2), [], Labels.range("n", 3)
        ... )
        >>> padded = pad(block, 4)
        >>> padded.shape, padded.samples.to_labels() == block.samples
        ((4, 3), True)
        >>> unpad(padded) == block
        True
    """
    given = capacity if isinstance(capacity, Mapping) else {"samples": capacity}
    room = {name: _rows(name, number) for name, number in given.items()}
    _check_data("pad", data)
    if isinstance(data, TensorBlock):
        return _padded(data, room, "samples")
    blocks = [_padded(block, room, "samples") for block in data]
    return TensorMap(data.keys, blocks, data.info())


def _rows(axis: str, number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise InvalidTypeError(
            compose(
                f"pad: the capacity for {axis!r} must be an integer.",
                f"found {number!r}, a {type(number).__name__}",
            )
        )
    return int(number)


def _check_data(operation: str, data: Any) -> None:
    if not isinstance(data, TensorBlock | TensorMap):
        raise InvalidTypeError(
            compose(
                f"{operation}: the argument must be a TensorMap or a TensorBlock.",
                f"found {type(data).__name__}",
            )
        )


def _padded(block: TensorBlock, room: Mapping[str, int], axis: str) -> TensorBlock:
    if axis not in room:
        raise InvalidError(
            compose(
                f"pad: there is no capacity for {axis!r}.",
                f"the capacities are {dict(room)}",
                remedy=f"give a dictionary with {axis!r} among its names; this block has "
                f"{len(block)} rows there.",
            )
        )
    rows = room[axis]
    check_capacity(len(block), rows, axis)
    prefix = "" if axis == "samples" else f"{axis}/"
    gradients = {n: _padded(g, room, prefix + n) for n, g in block.gradients()}
    values = _more_rows(block.values, rows)
    samples = _dynamic(block.samples, rows)
    return TensorBlock(values, samples, block.components, block.properties, gradients)


def _dynamic(samples: Labels | DynamicLabels, rows: int) -> DynamicLabels:
    if isinstance(samples, Labels):
        return DynamicLabels.from_labels(samples, rows)
    refuse_tracer(samples.values, "pad")
    return DynamicLabels.from_labels(samples.to_labels(), rows)


def _more_rows(values: Any, rows: int) -> Any:
    missing = rows - values.shape[0]
    widths = [(0, missing)] + [(0, 0)] * (values.ndim - 1)
    # Host arrays are padded on the host: on the device every new shape is a compilation.
    if isinstance(values, np.ndarray):
        return np.pad(values, widths)
    if isinstance(values, Tracer):
        return jnp.pad(values, widths)
    return jax.device_put(np.pad(np.asarray(values), widths), values.sharding)


def unpad(data: T) -> T:
    """Dynamic samples become static ones: padding rows are dropped.

    Gradient rows keep their order; ``sample`` is renumbered where padding stood between
    the rows of the values. Only outside of traced functions.

    Raises:
        InvalidTypeError: when samples are traced.
        InvalidError: when a row stands twice, or a gradient row belongs to a padding row.
    """
    _check_data("unpad", data)
    if isinstance(data, TensorBlock):
        return _unpadded(data, None, "samples")
    blocks = [_unpadded(block, None, "samples") for block in data]
    return TensorMap(data.keys, blocks, data.info())


def _unpadded(block: TensorBlock, parent: np.ndarray | None, axis: str) -> TensorBlock:
    samples = block.samples
    table = _host_table(samples)
    used = in_use(table) if isinstance(samples, DynamicLabels) else None
    names = samples.names
    kept = np.arange(len(table)) if used is None else np.flatnonzero(used)
    rows = np.array(table[kept])
    if parent is not None:
        rows[:, 0] = _renumbered(rows[:, 0], parent, axis)
    new_position = np.full(len(table), -1)
    new_position[kept] = np.arange(len(kept))
    prefix = "" if axis == "samples" else f"{axis}/"
    gradients = {n: _unpadded(g, new_position, prefix + n) for n, g in block.gradients()}
    values = block.values if used is None else _some_rows(block.values, kept)
    return TensorBlock(
        values, Labels(names, rows), block.components, block.properties, gradients
    )


def _host_table(samples: Labels | DynamicLabels) -> np.ndarray:
    refuse_tracer(samples.values, "unpad")
    return np.asarray(samples.values)


def _renumbered(rows: np.ndarray, parent: np.ndarray, axis: str) -> np.ndarray:
    inside = (rows >= 0) & (rows < len(parent))
    target = np.where(inside, parent[np.where(inside, rows, 0)], -1)
    if (target < 0).any():
        row = int(np.flatnonzero(target < 0)[0])
        raise InvalidError(
            compose(
                f"unpad: a row of gradient {axis!r} belongs to no row of the values.",
                f"row {row} says sample={rows[row]}, which is padding or not there",
            )
        )
    return target


def _some_rows(values: Any, rows: np.ndarray) -> Any:
    if isinstance(values, np.ndarray):
        return values[rows]
    if isinstance(values, Tracer):
        raise InvalidTypeError(
            compose("unpad: the values are traced by JAX.", remedy="call it outside.")
        )
    return jax.device_put(np.asarray(values)[rows])
