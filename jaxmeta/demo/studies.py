"""The two studies of the demonstration: what is learned, from what, and what is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

import jaxmeta as jm
from jaxmeta import datasets
from jaxmeta.atomistic import Batch, evaluate, to_batch
from jaxmeta.interop.ase import read_targets, to_systems
from jaxmeta.potentials import LinearSoap
from jaxmeta.representations import SoapPowerSpectrum


Say = Callable[[str], Any]


@dataclasses.dataclass(frozen=True)
class Study:
    """A data set, how its structures are described, and the models to compare.

    Arguments:
        dataset: name of the data set.
        title: what it is, for people.
        soap: hyperparameters of the SOAP power spectrum, in angstrom.
        linear: name to the errors that a row of each kind may have: ``values`` in eV for
            each atom, ``positions`` in eV/angstrom, ``strain`` in eV.
        alpha: the penalty of the linear models, see `LinearSoap.fit`.
        batch: structures whose explicit gradients are in memory at a time.
        timestep: of molecular dynamics, in fs.
    """

    dataset: str
    title: str
    soap: Mapping[str, Any]
    linear: Mapping[str, Mapping[str, float]]
    alpha: float
    batch: int
    timestep: float


def _soap(cutoff: float, width: float) -> dict[str, Any]:
    """Atoms farther away than about 2 angstrom count less."""
    decay = {"type": "Willatt2018", "scale": 2.0, "rate": 1.0, "exponent": 4}
    return {
        "cutoff": {"radius": cutoff, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        "density": {"type": "Gaussian", "width": width, "scaling": decay},
        "basis": {
            "type": "TensorProduct",
            "max_angular": 4,
            "radial": {"type": "Gto", "max_radial": 4},
        },
    }


# What error a row may have: of one energy per atom, force component, or component of the
# virial. These and the penalties were chosen by hand, on the splits with seeds 0 and 1.
ENERGIES = {"values": 0.001}
FORCES = {"positions": 0.1}
VIRIALS = {"strain": 0.3}

STUDIES = (
    Study(
        "ethylene_glycol",
        "ethylene glycol, a flexible molecule",
        _soap(cutoff=4.0, width=0.3),
        {"energies": ENERGIES, "energies + forces": ENERGIES | FORCES},
        alpha=1e-5,
        batch=38,
        timestep=0.5,
    ),
    Study(
        "sodium_chloride",
        "sodium chloride, strained and rattled crystals",
        _soap(cutoff=6.0, width=0.5),
        {
            "energies": ENERGIES,
            "energies + forces": ENERGIES | FORCES,
            "energies + forces + virials": ENERGIES | FORCES | VIRIALS,
        },
        alpha=1e-9,
        batch=15,
        timestep=2.0,
    ),
)


class Part(NamedTuple):
    """Structures for training, or for testing, and their energies with gradients."""

    frames: list[Any]
    systems: list[jm.atomistic.System]
    targets: jm.TensorMap


@dataclasses.dataclass(frozen=True)
class Result:
    """What was learned, and what it says about structures that no model has seen."""

    study: Study
    train: Part
    test: Part
    models: dict[str, LinearSoap]
    predictions: dict[str, jm.TensorMap]


def run(study: Study, seed: int, structures: int | None, say: Say) -> Result:
    """Split, fit and predict.

    Arguments:
        study: what to do.
        seed: of the random split into 3/4 for training and 1/4 for testing.
        structures: how many structures to use, all by default.
        say: called with a line of text when something is done.
    """
    frames = datasets.load(study.dataset).frames[:structures]
    train, test = (
        part_of([frames[row] for row in rows]) for rows in split(len(frames), seed)
    )
    say(f"{len(frames)} structures, {len(train.frames)} of them for training")
    models = {}
    for name, errors in study.linear.items():
        models[name] = linear_model(study, train, errors)
        say(f"linear model fitted to {name}")
    predictions = {name: predict(model, test) for name, model in models.items()}
    say("energies, forces and stresses of all structures for testing")
    return Result(study, train, test, models, predictions)


def split(structures: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows for training and for testing, three to one, at random, in ascending order."""
    shuffled = np.random.default_rng(seed).permutation(structures)
    cut = 3 * structures // 4
    return np.sort(shuffled[:cut]), np.sort(shuffled[cut:])


def part_of(frames: list[Any]) -> Part:
    """Structures with their targets: stresses too, where there is a volume."""
    periodic = bool(frames[0].pbc.all())
    units = {"energy_unit": "eV", "length_unit": "angstrom"}
    targets = read_targets(frames, stress=periodic, info=units)
    return Part(frames, to_systems(frames), targets)


def linear_model(study: Study, train: Part, errors: Mapping[str, float]) -> LinearSoap:
    """A model that is linear in the power spectrum, from the rows that `errors` has."""
    names = train.targets[0].gradients_list()
    unused = [name for name in names if name not in errors]
    targets = jm.remove_gradients(train.targets, unused) if unused else train.targets
    return LinearSoap.fit(
        train.systems,
        targets,
        soap=SoapPowerSpectrum(**study.soap),
        alpha=study.alpha,
        sample_weight={kind: 1 / error**2 for kind, error in errors.items()},
        batch_size=study.batch,
    )


def predict(model: Any, part: Part) -> jm.TensorMap:
    """Energies of all structures of a part, with gradients like those of its targets."""
    gradients = tuple(part.targets[0].gradients_list())
    batch = to_batch(part.systems, model.requested_neighbor_lists())
    return _evaluated(model, batch, gradients).with_info(**part.targets.info())


@eqx.filter_jit
def _evaluated(model: Any, batch: Batch, gradients: tuple[str, ...]) -> jm.TensorMap:
    return evaluate(model, batch, gradients=gradients)
