"""What an eager operation costs beside the compiled calls that it consists of.

The yardstick is one call of a compiled function for each array, written by hand: what an
operation would be without labels, and without running small steps in groups.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._maps import made_map
from benchmarks._rows import Row, cost, interleaved
from jaxmeta import TensorMap, slice, sum_over_samples
from jaxmeta.core.plans import _groups


jax.config.update("jax_enable_x64", True)

# Blocks, and the goal once small steps run in groups: one block has nothing to win there
# but a fixed cost.
SIZES = {1: None, 10: 1.0, 100: 1.0, 1000: 1.0}


def measure() -> list[Row]:
    rows = [_freed(), *_compilations()]
    for blocks, goal in SIZES.items():
        tensor = made_map(blocks, 4, seed=0)
        for name, (operation, by_hand) in _by_array(tensor).items():
            calls = -(-600 // max(1, blocks // 8))
            for _ in range(calls):
                jax.block_until_ready(operation())
            times = interleaved(
                lambda operation=operation: jax.block_until_ready(operation()),
                lambda by_hand=by_hand: jax.block_until_ready(by_hand()),
                rounds=15 if blocks < 1000 else 7,
            )
            what = f"{name}, {blocks} blocks, vs one compiled call for each array"
            rows.append(cost(what, *times, goal))
    return rows


def _by_array(tensor: TensorMap) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Operations, and their arrays one by one."""
    leaves = jax.tree.leaves(tensor)
    add, scale = jax.jit(jnp.add), jax.jit(jnp.multiply)
    take = jax.jit(lambda x, rows: x.at[rows].get(mode="promise_in_bounds"))
    rows = jnp.asarray([2, 0], np.int32)
    return {
        "add": (lambda: tensor + tensor, lambda: [add(x, x) for x in leaves]),
        "a scalar": (lambda: tensor * 2.0, lambda: [scale(x, 2.0) for x in leaves]),
        "slice": (
            lambda: slice(tensor, "samples", [2, 0]),
            lambda: [take(x, rows) for x in leaves],
        ),
    }


def _compilations() -> list[Row]:
    """Programs compiled for 100 blocks of one new shape, then for other labels."""
    count = 0
    listening = True

    def note(event: str, duration_secs: float, **_: Any) -> None:
        nonlocal count
        count += listening and "backend_compile" in event

    jax.monitoring.register_event_duration_secs_listener(note)
    rows = []
    for what, seed, most in (("a new shape", 1, 2), ("new labels", 2, 0)):
        tensor = made_map(100, 7, seed)
        count = 0
        for _ in range(_groups.RUNS_BEFORE_COMPILING // 100):
            jax.block_until_ready(sum_over_samples(tensor, "atom"))
        name = f"programs compiled in 5 calls for 100 blocks of {what}"
        rows.append(Row(name, count, 1.0, count, most))
    listening = False
    return rows


def _freed() -> Row:
    """One where a map and its plans are freed without the garbage collector, else zero."""
    gc.collect()
    gc.disable()
    try:
        tensor = made_map(3, 5, seed=3)
        other = slice(tensor, "samples", [4, 3, 2, 1, 0])
        slice(other, "samples", [4, 3, 2, 1, 0])
        jax.block_until_ready((tensor + tensor) * 2.0)
        layouts = [weakref.ref(tensor._layout), weakref.ref(other._layout)]
        del tensor, other
        freed = float(all(layout() is None for layout in layouts))
    finally:
        gc.enable()
    return Row("plans are freed with their labels (1: yes)", freed, 1.0, freed, 1, ">=")
