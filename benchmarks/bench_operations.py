"""Operations on whole maps, eagerly, beside metatensor with numpy; and their programs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np

import jaxmeta as jm
from benchmarks._by_hand import cases
from benchmarks._rows import Row, cost, faster, interleaved
from jaxmeta import Labels, TensorBlock, TensorMap


jax.config.update("jax_enable_x64", True)

FILE = (
    Path(__file__).parents[2]
    / "shared"
    / "data"
    / "feat_spex_mad50_values_multielement.mts"
)
SMALL = dict.fromkeys(["add", "multiply", "sum", "join", "keys_to_properties"], 10.0)
LARGE = {"add": 1.5, "multiply": 1.5, "sum": 20.0, "join": 4.0, "keys_to_properties": 20.0}


def measure() -> list[Row]:
    rows = _programs()
    rows += _eager("10 blocks x 10 rows", 10, 10, SMALL, rounds=15)
    rows += _eager("1000 blocks x 4 rows", 1000, 4, SMALL, rounds=3)
    rows += _first_calls()
    rows += _eager("100 blocks x 10^4 rows", 100, 10**4, LARGE, rounds=5)
    rows += _floor()
    return rows + _file()


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


def _eager(
    what: str, blocks: int, samples: int, goals: dict[str, float], rounds: int
) -> list[Row]:
    ours = _map(blocks, samples, seed=0)
    theirs = _there(ours)
    rows = []
    for name, goal in goals.items():
        here, there = _OPERATIONS[name]
        times = interleaved(
            lambda here=here: jax.block_until_ready(here(ours)),
            lambda there=there: there(theirs),
            rounds,
            seconds=0.3 if samples > 10**3 else 0.01,
        )
        rows.append(faster(f"{name}, {what}, vs metatensor", *times, goal))
    return rows


def _floor() -> list[Row]:
    """A join of large maps against nothing but the copies that it has to make."""
    tensor = _map(100, 10**4, seed=0)
    stacked = jax.jit(lambda x: jnp.concatenate([x, x]))
    times = interleaved(
        lambda: jax.block_until_ready(_OPERATIONS["join"][0](tensor)),
        lambda: jax.block_until_ready([stacked(leaf) for leaf in jax.tree.leaves(tensor)]),
        5,
        seconds=0.3,
    )
    name = "join, 100 blocks x 10^4 rows, vs jnp.concatenate of its arrays"
    return [cost(name, *times, None)]


def _first_calls() -> list[Row]:
    """New labels of known sizes: the plan is made, nothing is compiled."""
    rows = []
    known = [_map(1000, 4, seed) for seed in (1, 2)]
    for name, (here, there) in _OPERATIONS.items():
        for tensor in known:
            jax.block_until_ready(here(tensor))
        ours, theirs = [], []
        for seed in range(3, 6):
            tensor = _map(1000, 4, 10 * seed)
            other = _there(tensor)
            ours.append(_once(lambda t, here=here: jax.block_until_ready(here(t)), tensor))
            theirs.append(_once(there, other))
        what = f"{name}, first call for new labels, 1000 blocks x 4 rows, vs metatensor"
        rows.append(faster(what, float(np.median(ours)), float(np.median(theirs)), 1.0))
    return rows


def _once(program: Callable[..., Any], *arguments: Any) -> float:
    start = time.perf_counter()
    program(*arguments)
    return time.perf_counter() - start


_OPERATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (lambda t: jm.add(t, t), lambda t: mts.add(t, t)),
    "multiply": (lambda t: jm.multiply(t, t), lambda t: mts.multiply(t, t)),
    "sum": (
        lambda t: jm.sum_over_samples(t, "atom"),
        lambda t: mts.sum_over_samples(t, "atom"),
    ),
    "join": (
        lambda t: jm.join([t, t], "samples", add_dimension="part"),
        lambda t: mts.join([t, t], "samples", add_dimension="part"),
    ),
    "keys_to_properties": (
        lambda t: t.keys_to_properties("neighbor"),
        lambda t: t.keys_to_properties("neighbor"),
    ),
}


def _map(blocks: int, samples: int, seed: int) -> TensorMap:
    """Atoms of systems of ten, one gradient row for each; half as many keys remain."""
    rng = np.random.default_rng(seed)
    keys = np.stack([np.arange(blocks) // 2, np.arange(blocks) % 2], axis=1)
    atoms = np.stack([np.arange(samples) // 10, np.arange(samples) % 10], axis=1)
    properties, xyz = Labels.range("n", 4), Labels.range("xyz", 3)
    below = Labels(["sample", "atom"], np.stack([np.arange(samples), atoms[:, 1]], axis=1))
    made = []
    for _ in range(blocks):
        rows = atoms + np.array([seed * samples, 0])
        values = jnp.asarray(rng.uniform(1.0, 2.0, (samples, 4)))
        gradient = jnp.asarray(rng.uniform(1.0, 2.0, (samples, 3, 4)))
        own = TensorBlock(gradient, below, [xyz], properties)
        labels = Labels(["system", "atom"], rows)
        made.append(TensorBlock(values, labels, [], properties, {"positions": own}))
    return TensorMap(Labels(["center", "neighbor"], keys), made)


def _there(tensor: TensorMap) -> mts.TensorMap:
    def block(own: TensorBlock) -> mts.TensorBlock:
        made = mts.TensorBlock(
            np.array(own.values),
            labels(own.samples),
            [labels(c) for c in own.components],
            labels(own.properties),
        )
        for name, gradient in own.gradients():
            made.add_gradient(name, block(gradient))
        return made

    def labels(own: Any) -> mts.Labels:
        return mts.Labels(own.names, np.array(own.values))

    return mts.TensorMap(labels(tensor.keys), [block(own) for own in tensor])


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
