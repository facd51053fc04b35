"""Run every `bench_*.py` and print what was measured beside its goal.

Each file offers `measure() -> list[Row]` and runs in a process of its own, so that no
cache and no heap of one reaches the next.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks._rows import Row


HERE = Path(__file__).resolve().parent
PACKAGES = ("jax", "numpy", "metatensor-core", "metatensor-operations", "featomic")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if options.only:
        return _measure_one(options.only, options.json)
    names = _chosen(options.names)
    print(hardware(), flush=True)
    measured, failed = _measure_all(names)
    rows = [row for of_one in measured.values() for row in of_one]
    print(table(rows) if rows else "nothing was measured")
    print(summary(rows, failed))
    if options.json:
        _write(options.json, {"hardware": hardware(), "rows": [_plain(r) for r in rows]})
    missed = any(row.met is False for row in rows)
    return 1 if failed or (options.strict and missed) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="which to run, as in: dispatch io")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a goal is missed")
    parser.add_argument("--json", metavar="FILE", help="write the rows to FILE too")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _chosen(names: Sequence[str]) -> list[str]:
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(
            f"no benchmark is named {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return [name for name in known if not names or name in names]


def _measure_all(names: Sequence[str]) -> tuple[dict[str, list[Row]], list[str]]:
    measured, failed = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            print(f"measuring {name}", file=sys.stderr, flush=True)
            file = Path(folder) / f"{name}.json"
            command = [sys.executable, "-m", "benchmarks", "--only", name]
            done = subprocess.run([*command, "--json", str(file)], cwd=HERE.parent)
            if done.returncode:
                failed.append(name)
            else:
                measured[name] = [Row(**row) for row in json.loads(file.read_text())]
    return measured, failed


def _measure_one(name: str, file: str) -> int:
    rows = importlib.import_module(f"benchmarks.bench_{name}").measure()
    _write(file, [dataclasses.asdict(row) for row in rows])
    return 0


def _plain(row: Row) -> dict[str, object]:
    return {**dataclasses.asdict(row), "met": row.met}


def _write(file: str, content: object) -> None:
    Path(file).write_text(json.dumps(content, indent=1) + "\n")


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    lines = [("what", "ours", "theirs", "ratio", "goal", "")]
    for row in rows:
        goal = "" if row.goal is None else f"{row.sense} {row.goal:g}"
        verdict = {True: "met", False: "NOT MET", None: ""}[row.met]
        numbers = (_figure(row.ours), _figure(row.theirs), f"{row.ratio:.3g}x")
        lines.append((row.name, *numbers, goal, verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join(_line(line, widths) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers, verdict = cells
    padded = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=False)]
    return "  ".join([name.ljust(widths[0]), *padded, verdict]).rstrip()


def _figure(value: float) -> str:
    """Three digits, with the prefix of thousands: 0.00123 as 1.23m."""
    for factor, prefix in ((1, ""), (1e-3, "m"), (1e-6, "µ")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{prefix}"
    return f"{value / 1e-9:.3g}n" if value else "0"


def summary(rows: Sequence[Row], failed: Sequence[str]) -> str:
    """How many goals are met, and which benchmarks did not run."""
    with_goal = [row for row in rows if row.goal is not None]
    text = f"{sum(bool(row.met) for row in with_goal)} of {len(with_goal)} goals met"
    return f"{text}; failed: {', '.join(failed)}" if failed else text


def hardware() -> str:
    """The processor, the cores this process may use, and the versions that matter."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    versions = [f"python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    return f"{_processor()}, {cores} cores; {', '.join(versions)}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [
        line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
    ]
    return models[0] if models else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
