"""Finding a block in a map and an entry in labels, beside metatensor."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import metatensor as mts
import numpy as np

from benchmarks._rows import Row, faster, interleaved
from jaxmeta import Labels, TensorBlock, TensorMap


KEYS = np.array(list(itertools.product(range(5), (1, 6, 8), (1, 6, 8))), np.int32)
NAMES = ["o3_lambda", "center_type", "neighbor_type"]


def measure() -> list[Row]:
    return [_block(), _block_by_position(), _position(10**3), _position(10**5)]


def _maps() -> tuple[TensorMap, mts.TensorMap]:
    samples, properties = Labels.range("s", 2), Labels.range("n", 2)
    ours = TensorBlock(jnp.ones((2, 2)), samples, [], properties)
    own_keys = Labels(NAMES, KEYS)
    there = mts.TensorMap(
        mts.Labels(NAMES, KEYS),
        [
            mts.TensorBlock(
                np.ones((2, 2)), mts.Labels.range("s", 2), [], mts.Labels.range("n", 2)
            )
            for _ in KEYS
        ],
    )
    return TensorMap(own_keys, [ours] * len(KEYS)), there


def _block() -> Row:
    ours, theirs = _maps()
    key = dict(zip(NAMES, KEYS[17].tolist(), strict=True))
    times = interleaved(lambda: ours.block(key), lambda: theirs.block(key), rounds=21)
    return faster("block(dict) vs metatensor", *times, 50)


def _block_by_position() -> Row:
    ours, theirs = _maps()
    times = interleaved(lambda: ours.block(17), lambda: theirs.block(17), rounds=21)
    return faster("block(position) vs metatensor", *times, None)


def _position(rows: int) -> Row:
    table = np.stack([np.arange(rows) // 7, np.arange(rows) % 7], axis=1).astype(np.int32)
    ours, theirs = Labels(["system", "atom"], table), mts.Labels(["system", "atom"], table)
    entry = tuple(table[rows // 2].tolist())
    times = interleaved(
        lambda: ours.position(entry), lambda: theirs.position(entry), rounds=21
    )
    goal = 8 if rows <= 10**4 else None
    return faster(f"Labels.position, {rows:.0e} rows, vs metatensor", *times, goal)
