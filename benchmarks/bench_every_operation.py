"""Every operation that metatensor has too, eagerly, beside metatensor and its torch form.

Small maps (10 blocks of 10 rows) and many small blocks (1000 of 4 rows), with gradients,
in a loop; and the first call for labels that were never seen before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import jax
import metatensor as mts
import numpy as np

import jaxmeta as jm
from benchmarks._cases import Case, cases
from benchmarks._maps import made_map, map_there
from benchmarks._rows import Row, faster, interleaved


jax.config.update("jax_enable_x64", True)

Maps = Sequence[Any]

# It raises an error of shapes for gradients with components (metatensor-torch 0.10).
FAILS_IN_TORCH = {"var_over_properties", "std_over_properties"}

# Without components, as most maps of invariants are.
SMALL = made_map(10, 10, seed=0)
MANY = made_map(1000, 4, seed=0)


def measure() -> list[Row]:
    found = [case for case in cases() if case.peer and "contiguous" not in case.name]
    compared = [case for case in found if "components" not in case.name]
    rows = [_small(case, mts, 10.0) for case in compared]
    for case in compared:
        rows += _many(case)
    return rows + _beside_torch(compared)


def _beside_torch(compared: Sequence[Case]) -> list[Row]:
    """The same small maps in metatensor-torch, if that is installed.

    It comes last: once it is imported, operators of metatensor's own maps refuse them.
    Its maps have no operators, and it takes no single blocks.
    """
    if not find_spec("metatensor.torch"):
        return []
    module = import_module("metatensor.torch")
    left_out = {"TensorMap"} | FAILS_IN_TORCH
    named = [case for case in compared if case.name not in left_out]
    alike = [case for case in named if not case.name.endswith("_block")]
    return [_small(case, module, 1.5) for case in alike]


def _small(case: Case, module: Any, goal: float) -> Row:
    maps = case.operands(SMALL, SMALL)
    peer = "metatensor" if module is mts else "metatensor-torch"
    name = f"{case.title}, 10 blocks x 10 rows, vs {peer}"
    return _against(case, maps, module, name, goal, warm=1500)


def _many(case: Case) -> Iterator[Row]:
    maps = case.operands(MANY, MANY)
    what = f"{case.title}, 1000 blocks x 4 rows"
    yield _against(case, maps, mts, f"{what}, vs metatensor", 10.0, warm=25)
    yield _first_calls(case, what)


def _against(case: Case, maps: Maps, module: Any, name: str, goal: float, warm: int) -> Row:
    """In a loop: small steps have been run often enough to be compiled together."""
    there = [map_there(tensor, module) for tensor in maps]
    for _ in range(warm):
        jax.block_until_ready(case.call(jm, *maps))
    times = interleaved(
        lambda: jax.block_until_ready(case.call(jm, *maps)),
        lambda: case.call(module, *there),
        rounds=5,
        seconds=0.05,
    )
    return faster(name, *times, goal)


def _first_calls(case: Case, what: str) -> Row:
    """New labels of known sizes: plans are made, nothing is compiled."""
    ours, theirs = [], []
    for seed in (3, 4, 5):
        tensor = made_map(1000, 4, seed)
        maps = case.operands(tensor, tensor)
        there = [map_there(one, mts) for one in maps]
        ours.append(_once(lambda m=maps: jax.block_until_ready(case.call(jm, *m))))
        theirs.append(_once(lambda m=there: case.call(mts, *m)))
    name = f"{what}, first call for new labels, vs metatensor"
    return faster(name, float(np.median(ours)), float(np.median(theirs)), 1.0)


def _once(program: Callable[[], Any]) -> float:
    start = time.perf_counter()
    program()
    return time.perf_counter() - start
