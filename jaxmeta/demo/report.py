"""What the demonstration found, as a table and as parity plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.units import GPa
from matplotlib.figure import Figure

import jaxmeta as jm
from jaxmeta import plot
from jaxmeta.demo.dynamics import Trajectory
from jaxmeta.demo.studies import Result


class Quantity(NamedTuple):
    """Something that is predicted, in a unit that people compare."""

    name: str
    unit: str
    error_unit: str
    error_scale: float
    reference: np.ndarray
    predictions: dict[str, np.ndarray]

    def error(self, model: str) -> float:
        """The mean absolute error of a model, in the unit of errors."""
        difference = self.predictions[model] - self.reference
        return self.error_scale * float(np.abs(difference).mean())

    @property
    def spread(self) -> float:
        """The mean absolute deviation of the reference from its mean."""
        deviation = self.reference - self.reference.mean(axis=0)
        return self.error_scale * float(np.abs(deviation).mean())


def quantities(result: Result) -> Iterator[Quantity]:
    """Energies per atom, forces and, where there are any, stresses of the test set."""
    frames, reference = result.test.frames, result.test.targets
    atoms = np.array([len(frame) for frame in frames])
    zero = float((np.asarray(reference.block(0).values)[:, 0] / atoms).mean())

    def energies(tensor: jm.TensorMap) -> np.ndarray:
        return np.asarray(tensor.block(0).values)[:, 0] / atoms - zero

    def forces(tensor: jm.TensorMap) -> np.ndarray:
        return -np.asarray(tensor.block(0).gradient("positions").values)[..., 0]

    def stresses(tensor: jm.TensorMap) -> np.ndarray:
        volumes = np.array([frame.get_volume() for frame in frames])
        strain = np.asarray(tensor.block(0).gradient("strain").values)[..., 0]
        return strain / volumes[:, None, None] / GPa

    found = [
        ("energy", "eV/atom", "meV/atom", 1e3, energies),
        ("force", "eV/Å", "meV/Å", 1e3, forces),
    ]
    if reference.block(0).has_gradient("strain"):
        found.append(("stress", "GPa", "GPa", 1.0, stresses))
    for name, unit, error_unit, scale, of in found:
        predictions = {model: of(p) for model, p in result.predictions.items()}
        yield Quantity(name, unit, error_unit, scale, of(reference), predictions)


def table(result: Result) -> str:
    """Mean absolute errors on the test set, one line for each model."""
    found = list(quantities(result))
    head = ["model, trained on", *(f"{q.name} ({q.error_unit})" for q in found)]
    lines = [
        [model, *(f"{q.error(model):.3g}" for q in found)] for model in result.predictions
    ]
    lines.append(["spread of the reference", *(f"{q.spread:.3g}" for q in found)])
    return _aligned(head, lines)


def _aligned(head: list[str], lines: list[list[str]]) -> str:
    """A table, with the names on the left and the numbers on the right."""
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
    rows = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in (head, *lines)
    ]
    return "\n".join([rows[0], "-" * len(rows[0]), *rows[1:]])


def best(result: Result) -> str:
    """The model with the smallest errors, each in units of the spread of its quantity."""
    found = list(quantities(result))
    return min(
        result.models,
        key=lambda model: sum(each.error(model) / each.spread for each in found),
    )


def draw(result: Result, path: Path) -> None:
    """Parity plots of all quantities, and the errors below them, as a PNG file."""
    found = list(quantities(result))
    figure = Figure(figsize=(5.6 * len(found), 7.4), layout="constrained")
    above, below = figure.subplots(2, len(found), height_ratios=[2, 1])
    for upper, lower, quantity in zip(above, below, found, strict=True):
        for function, axes in ((plot.parity, upper), (plot.residuals, lower)):
            function(
                quantity.reference,
                quantity.predictions,
                quantity=quantity.name,
                unit=quantity.unit,
                error_unit=quantity.error_unit,
                error_scale=quantity.error_scale,
                axes=axes,
            )
        lower.set_xlim(upper.get_xlim())
    train, test = len(result.train.frames), len(result.test.frames)
    figure.suptitle(f"{result.study.title}: {test} structures, trained on {train} others")
    figure.savefig(path, dpi=150)


def dynamics_table(runs: Mapping[str, Sequence[Trajectory]]) -> str:
    """How well energy and temperature are kept, one line for each run."""
    head = ["dynamics with", "", "drift (meV/atom/ps)", "energy ± (meV/atom)", "T (K)"]
    lines = []
    for model, trajectories in runs.items():
        for run in trajectories:
            is_conserved = run.ensemble == "NVE"
            drift = f"{run.drift:+.3f}" if is_conserved else "–"
            spread = f"{run.fluctuation:.3f}" if is_conserved else "–"
            kelvin = f"{run.temperature[len(run.times) // 2 :].mean():.0f}"
            lines.append([model, run.ensemble, drift, spread, kelvin])
    return _aligned(head, lines)


def draw_dynamics(title: str, runs: Mapping[str, Sequence[Trajectory]], path: Path) -> None:
    """Energies and temperatures along all runs, as a PNG file."""
    names = [run.ensemble for run in next(iter(runs.values()))]
    figure = Figure(figsize=(5.2 * len(names), 6.4), layout="constrained")
    above, below = figure.subplots(2, len(names), sharex=True, squeeze=False)
    for column, name in enumerate(names):
        for colour, (model, trajectories) in zip(plot.COLOURS, runs.items(), strict=False):
            run, axes = trajectories[column], above[column]
            scale = 1000 / len(run.frames[0])
            start = run.total[0]
            axes.plot(run.times, scale * (run.total - start), color=colour, label=model)
            axes.plot(
                run.times, scale * (run.potential - start), color=colour, alpha=0.4, lw=0.8
            )
            below[column].plot(run.times, run.temperature, color=colour, lw=0.8)
        above[column].set_title(f"{name}: total energy, and below it the potential one")
        above[column].set_ylabel("energy (meV/atom)")
        below[column].set_ylabel("temperature (K)")
        below[column].set_xlabel("time (ps)")
    above[0].legend(frameon=False)
    figure.suptitle(f"{title}: molecular dynamics")
    figure.savefig(path, dpi=150)
