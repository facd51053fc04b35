"""A sparse Gaussian process of silicon: crystals, strained, hot, with surfaces and defects.

The official split of the set, 214 structures for training and 25 for testing. Kernels
are cubes of scalar products of normalised power spectra, with the 600 environments that
are farthest from one another; energies by atom, forces and virials are fitted together.
Penalty and weights are the best ones for every fifth structure of those for training,
left out; cubes are better there than squares.

Data: Zuo et al., J. Phys. Chem. A 124, 731 (2020), mlearn (VASP, PBE); in eV, angstrom.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

import jaxmeta as jm
from benchmarks._rows import Row
from benchmarks.accuracy.choices import chosen, folds, grid, judged
from benchmarks.accuracy.data import frames, missing, systems
from benchmarks.accuracy.kernel import ByKernel, farthest, kernels
from benchmarks.accuracy.report import held, stress_error
from benchmarks.accuracy.soap import soap


FILES = ("mlearn_Si_training.xyz", "mlearn_Si_test.xyz")
SPARSE, BATCH = 600, 6
EXPONENT = 3
ALPHAS = [1e-8, 1e-6, 1e-4, 1e-2]


def measure() -> list[Row]:
    """The errors of energies, forces and stresses."""
    if missing(*FILES):
        return []
    jax.config.update("jax_enable_x64", True)
    training, testing = (frames(name) for name in FILES)
    structures = [*training, *testing]
    train = np.arange(len(training))
    test = systems(np.arange(len(training), len(structures)))
    model = _model(structures, train)
    weights = {"values": [1e4], "positions": [1.0], "strain": [0.01, 0.1]}
    choice = chosen(model, grid(ALPHAS, [EXPONENT], **weights), folds(train, 5)[:1])
    found = judged(model, systems(train), test, choice)
    prediction = model.predicted(systems(train), test, choice)
    wanted = jm.slice(model.y, "samples", test)
    volumes = np.array([each.get_volume() for each in testing])
    stress = stress_error(prediction, wanted, volumes)
    name = "silicon, sparse Gaussian process, 214 structures"
    return [
        held(f"{name}: energies, meV/atom", 1e3 * found["values"], 12.0),
        held(f"{name}: forces, eV/A", found["positions"], 0.085),
        held(f"{name}: stress, GPa", stress, 0.35),
    ]


def _model(structures: list[Any], train: np.ndarray) -> ByKernel:
    """Kernels of all structures with environments of those for training."""
    from jaxmeta import learn
    from jaxmeta.interop import ase as interop

    atoms = interop.to_systems(structures)
    counts = learn.composition_of([each.numbers for each in structures])
    y = interop.read_targets(structures, stress=True)
    known = jm.slice(y, "samples", systems(train))
    sizes = np.array([float(len(each)) for each in structures])
    offset = learn.Composition.fit(counts, known)
    y = offset.transform(y, counts)
    calculator = soap(radius=5.0, width=0.5, decay=None)
    sparse = farthest(calculator, [atoms[number] for number in train], SPARSE, 20)
    kernel = learn.PolynomialKernel(EXPONENT, normalised=True)
    K = kernels(calculator, atoms, sparse, [kernel], ["positions", "strain"], BATCH)
    return ByKernel(K, y, sparse, normalised=True, atoms=sizes)
