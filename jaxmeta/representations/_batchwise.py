"""Representations of many systems, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from jaxmeta.atomistic.systems import System
from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.labels._arguments import check_list, check_whole
from jaxmeta.operations.joining import join


# They change fastest from block to block, wherever they stand among the names.
_INNER = ("o3_sigma", "o3_lambda")


def in_batches(
    systems: System | Sequence[System], batch_size: int | None
) -> Iterator[tuple[int, list[System]]]:
    """So many systems at a time, and the number of the first of them.

    Raises:
        InvalidError: for batches of less than one system.
        InvalidTypeError: for what is no number of systems, and no systems.
    """
    given = (
        [systems]
        if isinstance(systems, System)
        else check_list("compute", "systems must be a list of systems", systems)
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
    return TensorMap(keys, tensor.blocks(order.tolist()), tensor.info())
