"""Representations of many systems, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jaxmeta.atomistic._quantities import GRADIENTS, asked_gradients
from jaxmeta.atomistic.systems import System
from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_list, check_whole
from jaxmeta.core.layouts._precision import dtype_of
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.operations.joining import join


# They change fastest from block to block, wherever they stand among the names.
_INNER = ("o3_sigma", "o3_lambda")

A_LIST = "systems must be a list of systems"


def computed(
    name: str,
    systems: System | Sequence[System],
    of_batch: Callable[[list[System], list[str], Any], TensorMap],
    *,
    gradients: Any,
    dtype: Any,
    batch_size: int | None,
    transform: Any,
    valid: Sequence[str] = GRADIENTS,
    remedy: str = "",
) -> TensorMap:
    """What `compute` of a representation gives: its arguments are checked in one place.

    Arguments:
        name: of the representation, for messages.
        systems: one or several.
        of_batch: from systems, gradients and dtype to a map, which counts its systems
            from 0.
        gradients: the names asked for, some of the `valid` ones; else there is a `remedy`.
        dtype: of the values, or None.
        batch_size: how many systems are computed at a time, or None.
        transform: applied to the map of each batch, or None.

    Raises:
        InvalidError: for gradients that there are not, and batches of less than one system.
        InvalidTypeError: for arguments of other types.
    """
    where = f"{name}.compute"
    asked = asked_gradients(where, gradients, valid, remedy)
    wanted = None if dtype is None else dtype_of(where, dtype)
    if transform is not None and not callable(transform):
        raise InvalidTypeError(
            compose(
                f"{where}: transform must be a function of maps.",
                f"found {type(transform).__name__}",
            )
        )
    parts = []
    for first, some in in_batches(systems, batch_size):
        part = _counted_from(of_batch(some, asked, wanted), first)
        parts.append(part if transform is None else transform(part))
    return parts[0] if len(parts) == 1 else joined(parts)


def types_of(systems: Sequence[Any]) -> list[int] | None:
    """All types of atoms of systems; None where there are no atoms."""
    found = [np.asarray(each.types) for each in systems if isinstance(each, System)]
    types = np.unique(np.concatenate(found)).tolist() if found else []
    return types or None


def _counted_from(tensor: TensorMap, first: int) -> TensorMap:
    """The same map with all numbers of systems larger by that of the first one."""
    if not first:
        return tensor

    def moved(block: TensorBlock) -> TensorBlock:
        samples = block.samples
        assert isinstance(samples, Labels)
        if "system" in samples.names:
            rows = np.array(samples.values)
            rows[:, samples.names.index("system")] += first
            samples = Labels(samples.names, rows, assume_unique=True)
        below = {name: moved(inner) for name, inner in block.gradients()}
        return TensorBlock(block.values, samples, block.components, block.properties, below)

    return TensorMap(tensor.keys, [moved(block) for block in tensor], tensor.info())


def in_batches(
    systems: System | Sequence[System], batch_size: int | None
) -> Iterator[tuple[int, list[System]]]:
    """So many systems at a time, and the number of the first of them.

    Raises:
        InvalidError: for batches of less than one system.
        InvalidTypeError: for what is no number of systems, and no systems.
    """
    given = (
        [systems] if isinstance(systems, System) else check_list("compute", A_LIST, systems)
    )
    size = max(len(given), 1)
    if batch_size is not None:
        size = check_whole("compute", "batch_size", batch_size, 1)
    for first in range(0, max(len(given), 1), size):
        yield first, given[first : first + size]


def joined(parts: Sequence[TensorMap]) -> TensorMap:
    """The maps of all batches, with keys in the order that one batch would have."""
    tensor = join(list(parts), "samples", different_keys="union")
    names = tensor.keys.names
    last = [names.index(name) for name in reversed(_INNER) if name in names]
    outer = [column for column in range(len(names)) if column not in last]
    order = np.lexsort(tensor.keys.values[:, [*outer, *last]].T[::-1])
    keys = Labels(names, tensor.keys.values[order])
    return TensorMap(keys, [tensor[int(row)] for row in order], tensor.info())
