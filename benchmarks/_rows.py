"""One measured number beside its goal, and the fair way to time two programs."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Row:
    """One line of the report: a measured ratio and the goal it is held against.

    `ours` and `theirs` are in the same unit (seconds, where nothing else is said).
    `ratio` is a speed-up (theirs / ours) where `sense` is ">=", and a cost
    (ours / theirs) where it is "<=". Without a `goal` the row is for information.
    """

    name: str
    ours: float
    theirs: float
    ratio: float
    goal: float | None
    sense: Literal["<=", ">="] = "<="

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; `None` where there is none."""
        if self.goal is None:
            return None
        return self.ratio <= self.goal if self.sense == "<=" else self.ratio >= self.goal


def faster(name: str, ours: float, theirs: float, goal: float | None) -> Row:
    """A row whose ratio says how many times faster ours is."""
    return Row(name, ours, theirs, theirs / ours, goal, ">=")


def cost(name: str, ours: float, theirs: float, goal: float | None) -> Row:
    """A row whose ratio says how many times as long ours takes."""
    return Row(name, ours, theirs, ours / theirs, goal, "<=")


def interleaved(
    f: Callable[[], Any], g: Callable[[], Any], rounds: int, seconds: float = 0.01
) -> tuple[float, float]:
    """Seconds per call of `f` and of `g`, each the median over alternating rounds.

    Turns are taken within a round, so that a busy machine slows both alike; each turn
    repeats its program until it lasts about `seconds`. Programs that start work on a
    device have to wait for it themselves (`jax.block_until_ready`).
    """
    calls = _calls(f, seconds), _calls(g, seconds)
    times: tuple[list[float], list[float]] = ([], [])
    collecting = gc.isenabled()
    gc.disable()
    try:
        for number in range(rounds):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                times[which].append(_time((f, g)[which], calls[which]))
    finally:
        if collecting:
            gc.enable()
    return statistics.median(times[0]), statistics.median(times[1])


def _time(program: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        program()
    return (time.perf_counter() - start) / calls


def _calls(program: Callable[[], Any], seconds: float) -> int:
    """How often `program` fits into `seconds`, after two calls to warm up."""
    program()
    program()
    return max(1, round(seconds / max(_time(program, 1), 1e-7)))
