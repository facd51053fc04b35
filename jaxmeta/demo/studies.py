"""The two studies of the demonstration: what is represented, and what is learned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import featomic
import numpy as np
from tqdm import tqdm

import jaxmeta as jm
from jaxmeta import datasets
from jaxmeta.demo import ridge
from jaxmeta.interop.featomic import STRAIN, compute


Say = Callable[[str], Any]


@dataclasses.dataclass(frozen=True)
class Study:
    """A data set, how its structures are described, and the models to compare.

    Arguments:
        dataset: name of the data set.
        title: what it is, for people.
        soap: hyperparameters of featomic's SOAP power spectrum, in angstrom.
        models: name to the errors that a row of each kind may have: ``values`` in eV,
            ``positions`` in eV/angstrom, ``strain`` in eV.
        penalty: of the ridge regression, see `ridge.fit`.
        batch: structures whose explicit gradients are in memory at a time.
    """

    dataset: str
    title: str
    soap: Mapping[str, Any]
    models: Mapping[str, Mapping[str, float]]
    penalty: float
    batch: int


def _soap(cutoff: float, width: float) -> dict[str, Any]:
    """Hyperparameters of featomic; atoms farther away than about 2 angstrom count less."""
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


# What error a row may have: of one energy, force component, or component of the virial.
# These and the penalties were chosen by hand, on the splits with seeds 0 and 1.
ENERGIES = {"values": 0.01}
FORCES = {"positions": 0.1}
VIRIALS = {"strain": 0.3}

STUDIES = (
    Study(
        "ethylene_glycol",
        "ethylene glycol, a flexible molecule",
        _soap(cutoff=4.0, width=0.3),
        {"energies": ENERGIES, "energies + forces": ENERGIES | FORCES},
        penalty=1e-5,
        batch=38,
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
        penalty=1e-9,
        batch=15,
    ),
)


@dataclasses.dataclass(frozen=True)
class Result:
    """Reference and predictions for the structures that no model has seen.

    Both are without what the composition explains, which is `baseline`.
    """

    study: Study
    frames: list[Any]
    train: jm.Labels
    test: jm.Labels
    reference: jm.TensorMap
    baseline: jm.TensorMap
    predictions: dict[str, jm.TensorMap]


def run(study: Study, seed: int, structures: int | None, say: Say) -> Result:
    """Represent, split, fit and predict.

    Arguments:
        study: what to do.
        seed: of the random split into 3/4 for training and 1/4 for testing.
        structures: how many structures to use, all by default.
        say: called with a line of text when something is done.
    """
    frames, targets = datasets.load(study.dataset)
    frames = frames[:structures]
    targets = jm.slice(targets, "samples", jm.Labels.range("system", len(frames)))
    train, test = split(len(frames), seed)

    say(f"{len(frames)} structures; power spectra with explicit gradients by featomic")
    features = represent(study, frames, targets.block(0).gradients_list())
    say(f"{len(features.block(0).properties)} features of each structure")

    composition = compute(featomic.AtomicComposition(per_system=True), frames)
    composition = composition.keys_to_properties("center_type")
    x = ridge.without_composition(features, composition, train)
    y = ridge.without_composition(targets, composition, train)
    equations = ridge.normal_equations(*(jm.slice(t, "samples", train) for t in (x, y)))
    say(f"normal equations of {len(train)} structures for training")

    x_test = jm.slice(x, "samples", test)
    predictions = {}
    for name, errors in study.models.items():
        weights = ridge.fit(equations, errors, study.penalty)
        predictions[name] = jm.dot(x_test, weights)
        say(f"fit to {name}")
    reference = jm.slice(y, "samples", test)
    baseline = jm.slice(targets, "samples", test) - reference
    return Result(study, frames, train, test, reference, baseline, predictions)


def split(structures: int, seed: int) -> tuple[jm.Labels, jm.Labels]:
    """Systems for training and for testing, three to one, at random."""
    shuffled = np.random.default_rng(seed).permutation(structures)
    cut = 3 * structures // 4
    train, test = np.sort(shuffled[:cut]), np.sort(shuffled[cut:])
    return jm.Labels("system", train[:, None]), jm.Labels("system", test[:, None])


def represent(study: Study, frames: list[Any], gradients: list[str]) -> jm.TensorMap:
    """One row of features for each structure: its atoms' power spectra, summed.

    The explicit gradients of the atoms are large, those of the sums are not: each batch
    is summed before the next one is computed. Types of atoms then become properties, so
    that one linear model sees all of them.
    """
    with tqdm(total=len(frames), desc="  represented", unit="structure") as bar:

        def summed(atoms: jm.TensorMap) -> jm.TensorMap:
            bar.update(min(study.batch, len(frames) - bar.n))
            return jm.sum_over_samples(atoms, "atom")

        soap = compute(
            featomic.SoapPowerSpectrum(**study.soap),
            frames,
            gradients,
            strain_names=STRAIN,
            batch_size=study.batch,
            transform=summed,
        )
    return soap.keys_to_properties(["center_type", "neighbor_1_type", "neighbor_2_type"])
