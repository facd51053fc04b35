"""How long `import jaxmeta` takes, beside a library that it could not do without."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks._rows import Row, cost


def measure() -> list[Row]:
    times: dict[str, list[float]] = {"jaxmeta": [], "equinox": []}
    for number in range(11):
        for package in times if number % 2 else reversed(times):
            times[package].append(_import(package))
    ours, theirs = (statistics.median(several[1:]) for several in times.values())
    return [cost("import jaxmeta vs import equinox", ours, theirs, 1.1)]


def _import(package: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {package}"], check=True)
    return time.perf_counter() - start
