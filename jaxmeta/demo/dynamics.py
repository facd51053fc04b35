"""Molecular dynamics with a potential, by ase: does it keep its energy and temperature?"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from ase import units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import Stationary, ZeroRotation
from ase.md.verlet import VelocityVerlet

from jaxmeta.engines.ase import Calculator
from jaxmeta.potentials import Potential


ENSEMBLES = ("NVE", "NVT")
_FRICTION = 0.01 / units.fs


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """What happened, step by step.

    Arguments:
        ensemble: ``"NVE"``: constant energy, or ``"NVT"``: constant temperature.
        times: in ps.
        potential: in eV.
        total: potential and kinetic energy, in eV.
        temperature: in K.
        frames: a structure for every tenth of a picosecond.
    """

    ensemble: str
    times: np.ndarray
    potential: np.ndarray
    total: np.ndarray
    temperature: np.ndarray
    frames: list[Any]

    @property
    def drift(self) -> float:
        """How much the total energy rises, in meV per atom and picosecond."""
        slope = np.polyfit(self.times, self.total, 1)[0]
        return 1000 * float(slope) / len(self.frames[0])

    @property
    def fluctuation(self) -> float:
        """The standard deviation of the total energy, in meV per atom."""
        return 1000 * float(self.total.std()) / len(self.frames[0])


def calculator_of(model: Potential) -> Calculator:
    """For all runs with a model, which is compiled for the first of them.

    Parts of a sum see different distances. One list of pairs serves all: few atoms come
    near to each other, and a list of few pairs would grow, and be compiled for, often.
    """
    return Calculator(model, cutoff=model.cutoff_radius)


def simulate(
    calculator: Calculator,
    atoms: Any,
    ensemble: str,
    *,
    timestep: float,
    picoseconds: float = 1.0,
    temperature: float = 300.0,
    seed: int = 0,
) -> Trajectory:
    """Dynamics that start from a structure, with random velocities.

    Arguments:
        calculator: of a potential.
        atoms: the structure, which is copied.
        ensemble: one of `ENSEMBLES`: velocity Verlet, or Langevin with a friction of
            0.01/fs.
        timestep: in fs.
        picoseconds: how long.
        temperature: of the velocities, and of the thermostat, in K.
        seed: of the random numbers.
    """
    atoms = atoms.copy()
    atoms.calc = calculator
    rng = np.random.default_rng(seed)
    # Those of Maxwell and Boltzmann; what ase calls them depends on its version.
    widths = np.sqrt(atoms.get_masses() * units.kB * temperature)
    atoms.set_momenta(widths[:, None] * rng.normal(size=(len(atoms), 3)))
    Stationary(atoms)
    if not atoms.pbc.any():
        ZeroRotation(atoms)
    step = timestep * units.fs
    if ensemble == "NVE":
        dynamics = VelocityVerlet(atoms, step)
    else:
        dynamics = Langevin(
            atoms,
            step,
            temperature_K=temperature,
            friction=_FRICTION,
            rng=rng,
            fixcm=False,
        )
    rows, frames = [], []
    every = max(1, round(100 / timestep))

    def watch() -> None:
        potential, kinetic = atoms.get_potential_energy(), atoms.get_kinetic_energy()
        rows.append((potential, potential + kinetic, atoms.get_temperature()))
        if dynamics.nsteps % every == 0:
            frames.append(atoms.copy())

    dynamics.attach(watch)
    dynamics.run(round(1000 * picoseconds / timestep))
    potential, total, kelvin = np.transpose(rows)
    times = 1e-3 * timestep * np.arange(len(rows))
    return Trajectory(ensemble, times, potential, total, kelvin, frames)
