"""Operations on large maps, eagerly, beside metatensor with numpy; and their programs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts

import jaxmeta as jm
from benchmarks._by_hand import cases
from benchmarks._maps import made_map, map_there
from benchmarks._rows import Row, cost, faster, interleaved


jax.config.update("jax_enable_x64", True)

FILE = (
    Path(__file__).parents[2]
    / "shared"
    / "data"
    / "feat_spex_mad50_values_multielement.mts"
)


def measure() -> list[Row]:
    rows = _programs() + _large(mts) + _floor() + _file()
    if find_spec("metatensor.torch"):
        # Last: once it is imported, operators of metatensor's own maps refuse them.
        rows += _large(import_module("metatensor.torch"))
    return rows


# Programs -------------------------------------------------------------------------------


def _programs() -> list[Row]:
    """One where the optimised program is that written by hand, else zero."""
    rows = []
    for case in cases():
        ours, by_hand = case.programs
        name = f"compiled {case.name} is the program written by hand (1: yes)"
        rows.append(Row(name, float(ours == by_hand), 1.0, float(ours == by_hand), 1, ">="))
    return rows


# Eager ----------------------------------------------------------------------------------


def _large(module: Any) -> list[Row]:
    """A hundred blocks of 10^4 rows; there is no goal beside torch."""
    ours = made_map(100, 10**4, seed=0)
    theirs = map_there(ours, module)
    peer = "metatensor" if module is mts else "metatensor-torch"
    rows = []
    for name, (operation, goal) in _OPERATIONS.items():
        times = interleaved(
            lambda operation=operation: jax.block_until_ready(operation(jm, ours)),
            lambda operation=operation: operation(module, theirs),
            rounds=5,
            seconds=0.3,
        )
        title = f"{name}, 100 blocks x 10^4 rows, vs {peer}"
        rows.append(faster(title, *times, goal if module is mts else None))
    return rows


def _floor() -> list[Row]:
    """A join of large maps against nothing but the copies that it has to make."""
    tensor = made_map(100, 10**4, seed=0)
    stacked = jax.jit(lambda x: jnp.concatenate([x, x]))
    times = interleaved(
        lambda: jax.block_until_ready(_OPERATIONS["join"][0](jm, tensor)),
        lambda: jax.block_until_ready([stacked(leaf) for leaf in jax.tree.leaves(tensor)]),
        5,
        seconds=0.3,
    )
    name = "join, 100 blocks x 10^4 rows, vs jnp.concatenate of its arrays"
    return [cost(name, *times, None)]


def _once(program: Callable[..., Any], *arguments: Any) -> float:
    start = time.perf_counter()
    program(*arguments)
    return time.perf_counter() - start


# What is done, with which module's functions, and how many times faster it has to be.
_OPERATIONS: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
    "add": (lambda m, t: m.add(t, t), 1.5),
    "multiply": (lambda m, t: m.multiply(t, t), 1.5),
    "sum": (lambda m, t: m.sum_over_samples(t, "atom"), 20.0),
    "join": (lambda m, t: m.join([t, t], "samples", add_dimension="part"), 4.0),
    "keys_to_properties": (lambda m, t: t.keys_to_properties("neighbor"), 20.0),
}


# A file ---------------------------------------------------------------------------------


def _file() -> list[Row]:
    """A descriptor of many elements: 1098 blocks, from the file and back."""
    if not FILE.exists():
        return []
    ours, theirs = jm.load(FILE), mts.load(FILE)
    doubled = jax.jit(lambda tensor: 2 * tensor)
    compiling = _once(lambda: jax.block_until_ready(doubled(ours)))
    rows = [cost("1098 blocks: first call of a jitted function (s)", compiling, 1.0, None)]
    with tempfile.TemporaryDirectory() as folder:
        pairs = {
            "load": (lambda: jm.load(FILE), lambda: mts.load(FILE)),
            "2 * tensor under jit": (
                lambda: doubled(ours),
                lambda: mts.multiply(theirs, 2.0),
            ),
            "sum": (
                lambda: jm.sum_over_samples(ours, "atom"),
                lambda: mts.sum_over_samples(theirs, "atom"),
            ),
            "save": (
                lambda: jm.save(f"{folder}/ours.mts", ours),
                lambda: mts.save(f"{folder}/theirs.mts", theirs),
            ),
        }
        for name, (here, there) in pairs.items():
            times = interleaved(lambda here=here: jax.block_until_ready(here()), there, 3)
            rows.append(faster(f"1098 blocks: {name}, vs metatensor", *times, None))
    return rows
