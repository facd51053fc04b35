"""Conversions from and to metatensor, for information: there is no peer to beat.

Large blocks are compared with a copy of their values, many small ones with what
metatensor itself needs to hand out, or to make again, the same blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import metatensor as mts
import numpy as np

from benchmarks._rows import Row, cost, interleaved
from jaxmeta.interop.metatensor import from_metatensor, to_metatensor


def measure() -> list[Row]:
    jax.config.update("jax_enable_x64", True)
    return [*_large(_tensor(1, 100_000, 100)), *_small(_tensor(1000, 10, 10))]


def _tensor(blocks: int, rows: int, columns: int) -> mts.TensorMap:
    samples, properties = mts.Labels.range("s", rows), mts.Labels.range("p", columns)
    values = np.random.default_rng(0).normal(size=(blocks, rows, columns))
    return mts.TensorMap(
        mts.Labels.range("key", blocks),
        [mts.TensorBlock(array.copy(), samples, [], properties) for array in values],
    )


def _large(there: mts.TensorMap) -> list[Row]:
    here = from_metatensor(there)
    values = there[0].values
    name = "1 block of 80 MB / copying its values"
    return [
        _row(
            f"from metatensor, {name}", lambda: from_metatensor(there, "numpy"), values.copy
        ),
        _row(f"to metatensor, {name}", lambda: to_metatensor(here), values.copy),
    ]


def _small(there: mts.TensorMap) -> list[Row]:
    here = from_metatensor(there)

    def walk() -> None:
        for block in there.blocks():
            _ = block.values, block.samples.values, block.properties.values

    name = "1000 blocks of 10 x 10"
    return [
        _row(
            f"from metatensor, {name} / walking through them",
            lambda: from_metatensor(there, "numpy"),
            walk,
        ),
        _row(
            f"to metatensor, {name} / metatensor's shallow copy",
            lambda: to_metatensor(here),
            lambda: there.copy(deep=False),
        ),
    ]


def _row(name: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> Row:
    return cost(name, *interleaved(ours, theirs, 11), None)
