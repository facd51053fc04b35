"""A sparse Gaussian process of ethanol from 80 molecules, judged by 20 others.

Kernels are squares of scalar products of power spectra, with all 720 environments of the
molecules for training. The penalty and the weight of energies are the best ones of a
four-fold cross validation of those for training; so are the decay of the spectra and the
number of environments, of several that were tried.

Allowed are the errors of metatrain's Gaussian approximation potential for these
molecules, rounded up, and the time it takes: from the file to the errors, with all
compilation, without imports.

Data: as of the linear potential; in kcal/mol and angstrom.
"""

from __future__ import annotations

import time

import jax
import numpy as np

import jaxmeta as jm
from benchmarks._rows import Row
from benchmarks.accuracy.choices import chosen, folds, grid, judged
from benchmarks.accuracy.data import frames, missing, systems
from benchmarks.accuracy.kernel import ByKernel, by_atom, kernels
from benchmarks.accuracy.report import held
from benchmarks.accuracy.soap import soap


FILE = "ethanol_reduced_100.xyz"
TRAIN, TEST = np.arange(80), np.arange(80, 100)
ALPHAS = [1e-6, 1e-5, 1e-4, 1e-3]


def measure() -> list[Row]:
    """The errors of energies and forces, and the time."""
    if missing(FILE):
        return []
    jax.config.update("jax_enable_x64", True)
    from jaxmeta import learn
    from jaxmeta.interop import ase as interop

    start = time.perf_counter()
    molecules = frames(FILE)
    atoms = interop.to_systems(molecules)
    counts = learn.composition_of([each.numbers for each in molecules])
    train, test = systems(TRAIN), systems(TEST)
    y = interop.read_targets(molecules)
    y = learn.Composition.fit(counts, jm.slice(y, "samples", train)).transform(y, counts)
    calculator = soap(radius=5.0, width=0.3, decay=4.0)
    sparse = by_atom(calculator.compute(atoms[:80], batch_size=20))
    K = kernels(calculator, atoms, sparse, [learn.PolynomialKernel(2)], ["positions"], 20)
    model = ByKernel(K, y, sparse, normalised=False)
    choices = grid(ALPHAS, [2], values=[30.0, 100.0], positions=[1.0])
    choice = chosen(model, choices, folds(TRAIN, 4))
    found = judged(model, train, test, choice)
    seconds = time.perf_counter() - start
    name = "ethanol, sparse Gaussian process, 80 molecules"
    return [
        held(f"{name}: energies, kcal/mol", found["values"], 0.22),
        held(f"{name}: forces, kcal/mol/A", found["positions"], 0.97),
        held(f"{name}: seconds", seconds, 40.0),
    ]
