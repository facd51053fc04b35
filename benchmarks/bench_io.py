"""Loading and saving `.mts` files, against metatensor: 25 MB in one map."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import metatensor as mts
import metatensor.io as mts_io
import numpy as np

import jaxmeta.io as jio
from benchmarks._rows import Row, cost, faster, interleaved
from jaxmeta import Labels, TensorBlock, TensorMap


ROUNDS = 7
GOAL_LOAD, GOAL_SAVE = 5.0, 2.0
GOAL_OPEN_SECONDS = 5e-3


def measure() -> list[Row]:
    jax.config.update("jax_enable_x64", True)
    with tempfile.TemporaryDirectory() as folder:
        large, many = Path(folder) / "large.mts", Path(folder) / "many.mts"
        jio.save(large, _map(blocks=8, samples=1000, properties=390))
        jio.save(many, _map(blocks=1000, samples=4, properties=20))
        rows = _both_ways("25 MB, 8 blocks", large, GOAL_LOAD, GOAL_SAVE)
        rows += [_opening(large), _plain_copy(large)]
        return rows + _both_ways("1000 small blocks", many, None, None)


def _map(blocks: int, samples: int, properties: int) -> TensorMap:
    """Like a power spectrum: every block with samples of its own."""
    rng = np.random.default_rng(0)
    n = Labels.range("n", properties)
    found = []
    for i in range(blocks):
        rows = [[i, atom] for atom in range(samples)]
        values = rng.random((samples, properties))
        found.append(TensorBlock(values, Labels(["system", "atom"], rows), [], n))
    return TensorMap(Labels.range("center_type", blocks), found)


def _both_ways(what: str, path: Path, load: float | None, save: float | None) -> list[Row]:
    ours, theirs = jio.load(path), mts.load(path)
    copy = [str(path.with_name(f"copy_{name}.mts")) for name in ("ours", "theirs")]

    def load_jax() -> None:
        jax.block_until_ready(jio.load(path))

    def load_numpy() -> None:
        jio.load(path, as_numpy=True)

    def faster_than(there: Callable[[], Any], here: Callable[[], Any]) -> Any:
        return interleaved(here, there, ROUNDS)

    loading = partial(faster_than, lambda: mts.load(path))
    on_disk = faster_than(
        lambda: mts.save(copy[1], theirs), lambda: jio.save(copy[0], ours)
    )
    in_memory = faster_than(
        lambda: mts_io.save_buffer(theirs), lambda: jio.save_buffer(ours)
    )
    return [
        faster(f"load into jax, {what}", *loading(load_jax), load),
        faster(f"load into numpy, {what}", *loading(load_numpy), load),
        faster(f"save, on the disk, {what}", *on_disk, save),
        faster(f"save to memory, {what}", *in_memory, save),
    ]


def _opening(path: Path) -> Row:
    """The mapped open has a goal in seconds, not against anybody."""

    def first_block() -> None:
        with jio.open(path) as file:
            file.block(0)

    times = []
    for _ in range(50):
        began = time.perf_counter()
        first_block()
        times.append(time.perf_counter() - began)
    seconds = statistics.median(times)
    return cost("open and map a block, 25 MB, vs. 5 ms", seconds, GOAL_OPEN_SECONDS, 1.0)


def _plain_copy(path: Path) -> Row:
    """For information: what reading the bytes costs, without looking at them."""
    read, load = interleaved(
        lambda: path.read_bytes(), lambda: jio.load(path, as_numpy=True), ROUNDS
    )
    return cost("load into numpy vs. reading the bytes, 25 MB", load, read, None)
