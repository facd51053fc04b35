"""The networks of the demonstration: what they train on is the potential they become."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta.atomistic import System, evaluate, to_batch
from jaxmeta.demo import descriptors, networks
from jaxmeta.potentials import SoapMLP
from jaxmeta.representations import SoapPowerSpectrum


SOAP = SoapPowerSpectrum(
    cutoff={"radius": 3.0, "smoothing": {"type": "ShiftedCosine", "width": 1.0}},
    density={"type": "Gaussian", "width": 0.5},
    basis={
        "type": "TensorProduct",
        "max_angular": 1,
        "radial": {"type": "Gto", "max_radial": 2},
    },
)
GRADIENTS = ["positions", "strain"]
EPS = np.finfo(np.float32).eps


def crystals(count: int) -> list[System]:
    """Periodic structures with different numbers of atoms of both types."""
    rng = np.random.default_rng(5)
    grid = 1.6 * np.argwhere(np.ones((2, 2, 2)))
    cell = 3.2 * np.eye(3)
    found = []
    for number in range(count):
        size = 8 - number % 3
        positions = grid[:size] + 0.15 * rng.normal(size=(size, 3))
        types = np.array([1, 8, *rng.choice([1, 8], size - 2)])
        found.append(System(positions, types, cell, True))
    return found


@pytest.fixture(scope="module")
def systems() -> list[System]:
    return crystals(7)


@pytest.fixture(scope="module")
def targets(systems: list[System]) -> jm.TensorMap:
    """Of another network, without the mean of its energies."""
    teacher = SoapMLP(SOAP, [1, 8], [8], scale=20.0, key=jax.random.key(7))
    found = evaluated(teacher, systems)
    counts = jm.learn.composition_of([system.types for system in systems])
    return jm.learn.Composition.fit(counts, found).transform(found, counts)


@jax.jit
def _run(model: Any, batch: Any) -> jm.TensorMap:
    return evaluate(model, batch, gradients=GRADIENTS)


def evaluated(model: Any, systems: list[System]) -> jm.TensorMap:
    return _run(model, to_batch(systems, model.requested_neighbor_lists()))


def test_a_network_on_stored_numbers_is_the_potential_that_it_becomes(systems) -> None:
    """Energies, forces and virials: by stored derivatives, and by those of the program."""
    directions = descriptors.directions_of(SOAP, systems, most=6)
    numbers = descriptors.stored(SOAP, systems, directions, GRADIENTS, batch=3)
    centers = jm.Labels("center_type", [[1], [8]])
    network = jm.nn.MLP(centers, 6, [5], 1, dtype="float32", key=jax.random.key(0))
    sizes = np.array([len(system) for system in systems], np.float32)
    example = networks.Example(list(numbers.values()), {}, sizes)
    found = jax.jit(networks.energies_and_slopes)(network, example)
    model = SoapMLP(SOAP, [1, 8], [5], scale=1.0, key=jax.random.key(1))
    model = networks.with_directions(model, network, list(directions.values()))
    block = evaluated(model, systems)[0]
    energies = np.asarray(block.values)[:, 0]
    # Sums over a few hundred numbers of about this size.
    tolerance = 100 * EPS
    np.testing.assert_allclose(found["values"], energies, atol=tolerance * 10)
    slopes = np.zeros((len(systems), 8, 3))
    samples: Any = block.gradient("positions").samples
    slopes[samples["system"], samples["atom"]] = block.gradient("positions").values[..., 0]
    largest = np.abs(slopes).max()
    np.testing.assert_allclose(found["positions"], slopes, atol=tolerance * largest)
    strain = np.asarray(block.gradient("strain").values)[..., 0]
    largest = np.abs(strain).max()
    np.testing.assert_allclose(found["strain"], strain, atol=tolerance * largest)


def test_directions_are_principal_axes() -> None:
    """Uncorrelated, with deviations that are the roots of what they were, relatively."""
    rng = np.random.default_rng(1)
    turned = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    deviations = np.array([4.0, 1.0, 0.25, 0.01, 1e-9])
    rows = rng.normal(size=(4000, 5)) * deviations @ turned + 3.0
    found = descriptors.Directions.of(rows, most=10)
    assert found.axes.shape == (5, 4)  # the last one is noise
    assert descriptors.Directions.of(rows, most=2).axes.shape == (5, 2)
    numbers = (rows - found.mean) @ found.axes
    covariance = numbers.T @ numbers / len(rows)
    own = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)[:4]
    np.testing.assert_allclose(covariance, np.diag(own / own[0]), atol=1e-12)


TRAINING = networks.Training(
    directions=12, hidden_features=(16,), epochs=400, batch=3, learning_rate=1e-2
)
ERRORS = {"values": 0.01, "positions": 0.1, "strain": 0.3}


def trained(systems: list[System], targets: jm.TensorMap) -> SoapMLP:
    return networks.train_network(SOAP, systems, targets, ERRORS, TRAINING, batch=4, seed=3)


def test_it_learns_energies_forces_and_virials(systems, targets) -> None:
    """Of structures that it was trained on, far better than zero or the mean."""
    model = trained(systems, targets)
    assert isinstance(model, SoapMLP)
    assert model.types == (1, 8)
    errors = jm.learn.metrics(evaluated(model, systems), targets)
    for (_, name), error in errors.items():
        assert error.r2 > 0.95, name
    again = trained(systems, targets)
    assert eqx.tree_equal(model, again)


def test_a_structure_alone_and_gradients_that_do_not_count(systems, targets) -> None:
    one = jm.slice(targets, "samples", jm.Labels("system", [[0]]))
    how = TRAINING._replace(epochs=2)
    errors = {"values": 0.01, "positions": 0.1}
    model = networks.train_network(SOAP, systems[:1], one, errors, how, batch=4, seed=0)
    assert np.isfinite(evaluated(model, systems[:1])[0].values).all()
    assert not jnp.isnan(model.network.modules[0].layers[0].weight).any()
