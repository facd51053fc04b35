"""Set operations, look-up and construction of Labels, against metatensor's in Rust.

Dense tables fill a good part of their column ranges, as pairs of a system and an atom do;
sparse ones are drawn from about ±10^6 in every column. "Cold" is the first call on fresh
Labels, "warm" the second call on the same. Sizes other than the usual ones:

    python -m benchmarks.bench_label_sets 1e7
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import metatensor
import numpy as np

import jaxmeta
from benchmarks._rows import Row, faster, interleaved


Pair = tuple[np.ndarray, np.ndarray]

SIZES = (10**4, 10**5, 10**6)
COLUMNS = {"dense": 2, "sparse": 4}
GOALS = {
    ("union", "dense", "cold"): 8.0,
    ("union", "sparse", "cold"): 2.5,
    ("union", "dense", "warm"): 1.0,
    ("union", "sparse", "warm"): 1.0,
    ("intersection", "dense", "cold"): 4.0,
    ("intersection", "sparse", "cold"): 1.0,
    ("intersection", "dense", "warm"): 1.0,
    ("intersection", "sparse", "warm"): 1.0,
}


def measure(sizes: Sequence[int] = SIZES) -> list[Row]:
    rows = []
    for size in sizes:
        for kind in COLUMNS:
            pair = tables(size, kind)
            for operation in ("union", "intersection"):
                rows += set_operation(operation, kind, pair)
            rows += construction(kind, pair[0])
    return [*rows, single_look_up(10**2), single_look_up(10**4)]


def tables(size: int, kind: str) -> Pair:
    """Two tables of unique rows in random order; about half of the rows are in both."""
    rng = np.random.default_rng(size)
    if kind == "dense":
        atoms = int(np.sqrt(2 * size)) + 1
        cells = (rng.permutation(atoms * atoms)[:size] for _ in range(2))
        a, b = (np.stack(np.divmod(cell, atoms), axis=1) for cell in cells)
    else:
        pool = rng.integers(-(10**6), 10**6, (size * 3 // 2, COLUMNS[kind]))
        a, b = pool[:size], rng.permutation(pool[-size:], axis=0)
    return a.astype(np.int32, order="C"), b.astype(np.int32, order="C")


def set_operation(operation: str, kind: str, pair: Pair) -> Iterator[Row]:
    times: dict[str, tuple[list[float], list[float]]] = {
        "cold": ([], []),
        "warm": ([], []),
    }
    size = len(pair[0])
    for number in range(rounds(size)):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            program = _operation((jaxmeta, metatensor)[which], operation, pair)
            times["cold"][which].append(seconds(program))
            times["warm"][which].append(seconds(program))
    for state, (ours, theirs) in times.items():
        name = f"{operation} of Labels, {size:.0e} rows, {kind}, {state}"
        goal = GOALS[operation, kind, state]
        yield faster(name, statistics.median(ours), statistics.median(theirs), goal)


# Every Labels gets an array of its own: metatensor keeps and freezes what it is given.
def _operation(package: Any, operation: str, pair: Pair) -> Callable[[], Any]:
    a, b = (fresh(package, table.copy(), assume_unique=True) for table in pair)
    return lambda: getattr(a, f"{operation}_and_mapping")(b)


def construction(kind: str, table: np.ndarray) -> Iterator[Row]:
    name = f"Labels(...) checks {len(table):.0e} rows, {kind}"
    yield _construction(f"{name}, unordered", table)
    yield _construction(f"{name}, ordered", table[np.lexsort(table.T[::-1])])


def _construction(name: str, table: np.ndarray) -> Row:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds(len(table))):
        for which, package in enumerate((jaxmeta, metatensor)):
            values = table.copy()
            times[which].append(seconds(partial(fresh, package, values)))
    return faster(name, statistics.median(times[0]), statistics.median(times[1]), None)


def single_look_up(size: int) -> Row:
    table, _ = tables(size, "sparse")
    row = tuple(table[size // 2].tolist())
    ours, theirs = fresh(jaxmeta, table), fresh(metatensor, table.copy())
    times = interleaved(lambda: ours.position(row), lambda: theirs.position(row), 7)
    return faster(f"Labels.position among {size:.0e} rows", *times, 8.0)


def fresh(package: Any, table: np.ndarray, **options: bool) -> Any:
    names = [f"column_{j}" for j in range(table.shape[1])]
    return package.Labels(names, table, **options)


def rounds(size: int) -> int:
    # metatensor never frees its Labels: large ones must stay few.
    return int(np.clip(3 * 10**5 // size, 3, 15)) if size < 10**7 else 1


def seconds(program: Callable[[], Any]) -> float:
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = time.perf_counter()
        result = program()
        elapsed = time.perf_counter() - start
        del result
    finally:
        if collecting:
            gc.enable()
    return elapsed


if __name__ == "__main__":
    for row in measure([int(float(size)) for size in sys.argv[1:]] or SIZES):
        print(f"{row.name:60} {row.ratio:8.2f}x  (goal {row.sense} {row.goal:g})")
