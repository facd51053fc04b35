"""A linear potential of ethanol from 80 molecules, judged by 20 others.

Power spectra of atoms are summed for each type of atom; energies and forces are fitted
together. The penalty is the best one for every fifth molecule of those for training,
left out. Allowed are the errors of the same features of featomic with a ridge regression
of numpy, rounded up, and ten seconds for everything from the file to the errors, with
all compilation, without imports.

Data: rMD17, Christensen and von Lilienfeld, Mach. Learn.: Sci. Technol. 1, 045018
(2020), a hundred of its structures as metatrain has them; in kcal/mol and angstrom.
"""

from __future__ import annotations

import time

import jax
import numpy as np

from benchmarks._rows import Row
from benchmarks.accuracy.choices import chosen, folds, grid, judged
from benchmarks.accuracy.data import frames, missing, systems
from benchmarks.accuracy.linear import ByRows, centred, structures
from benchmarks.accuracy.report import held
from benchmarks.accuracy.soap import soap


FILE = "ethanol_reduced_100.xyz"
TRAIN, TEST = np.arange(80), np.arange(80, 100)


def measure() -> list[Row]:
    """The errors of energies and forces, and the time."""
    if missing(FILE):
        return []
    jax.config.update("jax_enable_x64", True)
    from jaxmeta import learn
    from jaxmeta.interop import ase as interop

    start = time.perf_counter()
    molecules = frames(FILE)
    calculator = soap(radius=5.0, width=0.3, decay=7.0)
    X = structures(calculator, interop.to_systems(molecules), ["positions"], 20)
    counts = learn.composition_of([each.numbers for each in molecules])
    train, test = systems(TRAIN), systems(TEST)
    model = ByRows(*centred(X, interop.read_targets(molecules), counts, train))
    choices = grid([0.01, 0.1, 1.0, 10.0], values=[10.0], positions=[1.0])
    choice = chosen(model, choices, folds(TRAIN, 5)[:1])
    found = judged(model, train, test, choice)
    seconds = time.perf_counter() - start
    name = "ethanol, linear, 80 molecules"
    return [
        held(f"{name}: energies, kcal/mol", found["values"], 0.36),
        held(f"{name}: forces, kcal/mol/A", found["positions"], 1.10),
        held(f"{name}: seconds", seconds, 10.0),
    ]
