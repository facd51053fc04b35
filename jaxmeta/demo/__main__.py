"""Run the demonstration: ``python -m jaxmeta.demo [--output FOLDER]``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jax

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
        picture = options.output / f"{study.dataset}.png"
        report.draw(result, picture)
        written = [picture.name]
        for model, prediction in result.predictions.items():
            name = f"{study.dataset}-{model.replace(' ', '')}.mts"
            jm.save(str(options.output / name), prediction + result.baseline)
            written.append(name)
        say(f"wrote {', '.join(written)}")
        print(f"\nmean absolute errors, {len(result.test)} structures for testing\n")
        print(report.table(result))
    print(f"\nplots and predictions (as metatensor reads them) are in {options.output}/")
    return 0


def _check_extras() -> None:
    """All packages of the demonstration, or one sentence about the one that is missing."""
    room = "jaxmeta.demo"
    for package in ("ase", "featomic", "matplotlib", "metatensor", "tqdm"):
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
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
