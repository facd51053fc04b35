"""A sparse Gaussian process of ethanol from 790 molecules, judged by 200 others.

Molecules that are there twice, or in the smaller set that the other potentials of ethanol
have, are left out; the last 200 are for testing. Kernels are squares of scalar products
of power spectra, with all environments of every fourth molecule for training. The penalty
is the best one for every fourth molecule of those for training, left out, and so is what
spectra look like, of several that were tried.

Data: A. S. Christensen and O. A. von Lilienfeld, Mach. Learn.: Sci. Technol. 1, 045018
(2020); in kcal/mol and angstrom.
"""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np

import jaxmeta as jm
from benchmarks._rows import Row
from benchmarks.accuracy.choices import chosen, folds, grid, judged
from benchmarks.accuracy.data import distinct, frames, missing, systems
from benchmarks.accuracy.kernel import ByKernel, by_atom, kernels
from benchmarks.accuracy.report import held
from benchmarks.accuracy.soap import soap


FILE, OTHER = "rmd17_ethanol_1000.xyz", "ethanol_reduced_100.xyz"
TEST = 200
ALPHAS = [1e-6, 1e-5, 1e-4]
MEV = 43.36410  # in a kcal/mol
HOUR = 3600.0


def measure() -> list[Row]:
    """The errors of energies and forces, and the time."""
    if missing(FILE, OTHER):
        return []
    jax.config.update("jax_enable_x64", True)
    start = time.perf_counter()
    molecules = distinct(frames(FILE), frames(OTHER))
    numbers = np.arange(len(molecules))
    train, test = numbers[:-TEST], numbers[-TEST:]
    model = _model(molecules, train)
    choices = grid(ALPHAS, [2], values=[30.0], positions=[1.0])
    choice = chosen(model, choices, folds(train, 4)[:1])
    found = judged(model, systems(train), systems(test), choice)
    seconds = time.perf_counter() - start
    name = f"ethanol, sparse Gaussian process, {len(train)} molecules"
    return [
        held(f"{name}: energies, meV", MEV * found["values"], 6.0),
        held(f"{name}: forces, meV/A", MEV * found["positions"], 25.0),
        held(f"{name}: seconds", seconds, HOUR),
    ]


def _model(molecules: list[Any], train: np.ndarray) -> ByKernel:
    """Kernels of all molecules with the environments of some for training."""
    from jaxmeta import learn
    from jaxmeta.interop import ase as interop

    atoms = interop.to_systems(molecules)
    counts = learn.composition_of([each.numbers for each in molecules])
    y = interop.read_targets(molecules)
    known = jm.slice(y, "samples", systems(train))
    y = learn.Composition.fit(counts, known).transform(y, counts)
    calculator = soap(radius=5.0, width=0.3, decay=4.0)
    some = [atoms[number] for number in train[::4]]
    sparse = by_atom(calculator.compute(some, batch_size=25))
    kernel = learn.PolynomialKernel(2)
    K = kernels(calculator, atoms, sparse, [kernel], ["positions"], 25)
    return ByKernel(K, y, sparse, normalised=False, solver="rkhs")
