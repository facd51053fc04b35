"""What a TensorMap costs when it goes in and out of a compiled function."""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._rows import Row, cost, interleaved
from jaxmeta import Labels, TensorBlock, TensorMap


def measure() -> list[Row]:
    rows = [_dispatch(blocks) for blocks in (1, 10, 100, 1000)]
    return [*rows, _comparisons(), _many_rows()]


def _dispatch(blocks: int) -> Row:
    tensor = _map(blocks)
    leaves = tuple(jax.tree.leaves(tensor))
    ours = jax.jit(lambda tree: jax.tree.map(lambda x: x + x, tree))
    theirs = jax.jit(lambda arrays: tuple(x + x for x in arrays))
    goal = 1.15 if blocks == 1 else 1.10
    name = f"jit dispatch, {blocks} block{'s' if blocks > 1 else ''}, vs a tuple of arrays"
    times = interleaved(
        lambda: jax.block_until_ready(ours(tensor)),
        lambda: jax.block_until_ready(theirs(leaves)),
        rounds=41,
    )
    return cost(name, *times, goal)


def _map(blocks: int) -> TensorMap:
    samples, properties = Labels.range("s", 4), Labels.range("n", 3)
    rows = Labels(["sample", "atom"], [[0, 0], [1, 0], [3, 2]])
    made = []
    for _ in range(blocks):
        gradient = TensorBlock(jnp.ones((3, 3)), rows, [], properties)
        values = jnp.ones((4, 3))
        made.append(TensorBlock(values, samples, [], properties, {"x": gradient}))
    return TensorMap(Labels.range("k", blocks), made)


def _comparisons() -> Row:
    """Python comparisons and hashes per call, also for labels that were built again."""
    jitted = jax.jit(lambda tensor: jax.tree.map(lambda x: x + x, tensor))
    jitted(_map(10))
    again = _map(10)
    found: list[str] = []

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name in ("__eq__", "__hash__"):
            found.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for _ in range(10):
            jitted(again)
    finally:
        sys.setprofile(before)
    return cost("Python __eq__ and __hash__ calls per dispatch", len(found) / 10, 1, 0)


def _many_rows() -> Row:
    few, many = (_rows(count) for count in (10, 10**6))
    first = jax.jit(lambda tensor: tensor[0].values[0, 0])
    times = interleaved(
        lambda: jax.block_until_ready(first(many)),
        lambda: jax.block_until_ready(first(few)),
        rounds=41,
    )
    return cost("dispatch with 10^6 label rows vs 10", *times, 1.2)


def _rows(count: int) -> TensorMap:
    values = jnp.asarray(np.ones((count, 1)))
    block = TensorBlock(values, Labels.range("s", count), [], Labels.range("n", 1))
    return TensorMap(Labels.single(), [block])
