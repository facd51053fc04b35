"""A linear potential of distorted graphite from 80 cells, judged by 20 others.

Five random splits. Penalty and weights are chosen by four-fold cross validation within
the cells for training, for each split by itself; once with the rows of virials, and once
without them. Allowed are the best figures of a study with featomic and numpy whose
weights were chosen by the cells for testing.

Data: a hundred structures of metatrain's tests (CASTEP, LDA); in eV and angstrom.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from benchmarks._rows import Row
from benchmarks.accuracy.choices import chosen, folds, grid, judged
from benchmarks.accuracy.data import frames, missing, systems
from benchmarks.accuracy.linear import BySums, centred, structures
from benchmarks.accuracy.report import compared, held
from benchmarks.accuracy.soap import soap


FILE = "carbon_reduced_100.xyz"
ALPHAS = [10.0**power for power in range(-7, -1)]
ENERGIES = [1e1, 1e2, 1e3, 1e4]  # errors of energies are those of atoms
SEEDS = range(5)


def measure() -> list[Row]:
    """The mean errors over splits, with virials and without."""
    if missing(FILE):
        return []
    jax.config.update("jax_enable_x64", True)
    from jaxmeta import learn
    from jaxmeta.interop import ase as interop

    cells = frames(FILE)
    y = interop.read_targets(cells, forces="force", virial="virial")
    calculator = soap(radius=4.5, width=0.3, decay=7.0)
    X = structures(calculator, interop.to_systems(cells), ["positions", "strain"], 100)
    counts = learn.composition_of([each.numbers for each in cells])
    forces = grid(ALPHAS, values=ENERGIES, positions=[1.0])
    virials = grid(ALPHAS, values=ENERGIES, positions=[1.0], strain=[0.1, 0.3, 1.0])
    without, with_virials = [
        _mean([_of_split(seed, X, y, counts, choices) for seed in SEEDS])
        for choices in (forces, virials)
    ]
    return _rows(without, with_virials)


def _of_split(seed: int, X: Any, y: Any, counts: Any, choices: Any) -> dict[str, float]:
    """The errors of one split."""
    order = np.random.default_rng(seed).permutation(100)
    train, test = np.sort(order[:80]), np.sort(order[80:])
    atoms = np.full(100, 4.0)
    model = BySums(*centred(X, y, counts, systems(train)), atoms)
    choice = chosen(model, choices, folds(train, 4))
    return judged(model, systems(train), systems(test), choice)


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def _rows(without: dict[str, float], found: dict[str, float]) -> list[Row]:
    name = "graphite, linear, 80 cells"
    rows = [
        held(f"{name}: energies, meV/atom", 1e3 * found["values"], 0.10),
        held(f"{name}: forces, eV/A", found["positions"], 0.0050),
        held(f"{name}: virials, eV", found["strain"], 0.012),
    ]
    units = {"values": "energies, eV/atom", "positions": "forces, eV/A"}
    for parameter, what in (units | {"strain": "virials, eV"}).items():
        both = found[parameter], without[parameter]
        rows.append(compared(f"{name}: {what}, fitted without virials", *both))
    return rows
