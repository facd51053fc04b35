"""Run the demonstration: ``python -m jaxmeta.demo [--output FOLDER]``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxmeta as jm
from jaxmeta.errors import MissingExtraError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all studies; returns the exit status."""
    options = _options(arguments)
    # Energies of a few eV are differences of numbers a thousand times as large.
    jax.config.update("jax_enable_x64", True)
    try:
        _check_extras()
    except MissingExtraError as error:
        print(error, file=sys.stderr)
        return 1
    from jaxmeta.demo import report, studies

    options.output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    def say(text: str) -> None:
        print(f"  {time.perf_counter() - start:5.1f} s  {text}", flush=True)

    for study in studies.STUDIES:
        print(f"\n{study.title}", flush=True)
        result = studies.run(study, options.seed, options.structures, say)
        written = _written(result, options.output)
        print(f"\nmean absolute errors, {len(result.test.frames)} structures for testing\n")
        print(report.table(result), "\n")
        runs = _dynamics(result, options, say)
        picture = options.output / f"{study.dataset}-dynamics.png"
        report.draw_dynamics(study.title, runs, picture)
        written += [picture.name, *_trajectories(study, runs, options.output)]
        print(f"\n{report.dynamics_table(runs)}\n")
        say(f"wrote {', '.join(written)}")
    print(
        f"\nplots, predictions (as metatensor reads them), trajectories: {options.output}/"
    )
    return 0


def _written(result: Any, folder: Path) -> list[str]:
    """Parity plots, and the predictions of each model as a file."""
    from jaxmeta.demo import report

    dataset = result.study.dataset
    names = [f"{dataset}.png"]
    report.draw(result, folder / names[0])
    for model, prediction in result.predictions.items():
        names.append(f"{dataset}-{_in_names_of_files(model)}.mts")
        jm.save(str(folder / names[-1]), prediction)
    return names


def _dynamics(result: Any, options: argparse.Namespace, say: Any) -> dict[str, list[Any]]:
    """Runs with the best model, from the most stable structure for testing."""
    from jaxmeta.demo import dynamics, report

    energies = np.asarray(result.test.targets[0].values)[:, 0]
    start = result.test.frames[int(energies.argmin())]
    name = report.best(result)
    calculator = dynamics.calculator_of(result.models[name])
    runs = [
        dynamics.simulate(
            calculator,
            start,
            ensemble,
            timestep=result.study.timestep,
            picoseconds=options.picoseconds,
            seed=options.seed,
        )
        for ensemble in dynamics.ENSEMBLES
    ]
    say(f"{options.picoseconds:g} ps each of NVE and NVT: {name}")
    return {name: runs}


def _trajectories(study: Any, runs: dict[str, list[Any]], folder: Path) -> list[str]:
    """The structures of each run as extended XYZ."""
    from ase.io import write

    names = []
    for model, trajectories in runs.items():
        for run in trajectories:
            name = f"{study.dataset}-{_in_names_of_files(model)}-{run.ensemble}.xyz"
            write(folder / name, run.frames)
            names.append(name)
    return names


def _in_names_of_files(model: str) -> str:
    return model.replace(", ", "-").replace(" ", "")


def _check_extras() -> None:
    """All packages of the demonstration, or one sentence about the one that is missing."""
    room = "jaxmeta.demo"
    for package in ("ase", "matplotlib", "optax", "vesin"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtraError(room, package, "demo") from error


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m jaxmeta.demo", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="FOLDER",
        help="where plots and predictions go (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the split (%(default)s)")
    parser.add_argument(
        "--structures", type=int, metavar="N", help="use the first N structures of each set"
    )
    parser.add_argument(
        "--picoseconds", type=float, default=1.0, help="of dynamics (%(default)s)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
