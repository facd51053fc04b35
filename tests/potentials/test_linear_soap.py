"""LinearSoap: against linear algebra, explicit gradients, and real forces."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from potential_cases import (
    ALL,
    Case,
    check_derivatives,
    check_labels,
    check_symmetries,
    structures,
)

import jaxmeta as jm
from jaxmeta.atomistic import System, evaluate, to_batch
from jaxmeta.errors import InvalidError, NotEqualError
from jaxmeta.learn import metrics
from jaxmeta.potentials import LinearSoap
from jaxmeta.representations import SoapPowerSpectrum


def soap(radius: float = 3.5, max_angular: int = 2, max_radial: int = 2) -> Any:
    return SoapPowerSpectrum(
        cutoff={"radius": radius, "smoothing": {"type": "ShiftedCosine", "width": 1.0}},
        density={"type": "Gaussian", "width": 0.5},
        basis={
            "type": "TensorProduct",
            "max_angular": max_angular,
            "radial": {"type": "Gto", "max_radial": max_radial},
        },
    )


@pytest.fixture(scope="module")
def systems() -> list[System]:
    return structures([1, 8], spacing=1.6)


def with_random_weights(systems: list[System]) -> LinearSoap:
    """The labels are those of features of structures with both types."""
    rng = np.random.default_rng(5)
    X = soap().compute(systems)
    energy = jm.Labels.range("energy", 1)
    blocks = [
        jm.TensorBlock(
            jnp.asarray(rng.normal(size=(1, len(block.properties)))),
            energy,
            [],
            block.properties,
        )
        for block in X
    ]
    weights = jm.TensorMap(X.keys, blocks)
    return LinearSoap(soap(), (1, 8), weights, jnp.asarray([-0.5, -2.0]))


@pytest.fixture(scope="module")
def case(systems) -> Case:
    return Case(with_random_weights(systems), systems)


SHORT = (check_labels, check_derivatives, check_symmetries)
LONG = [pytest.param(check, marks=pytest.mark.long) for check in ALL if check not in SHORT]


@pytest.mark.parametrize("check", [*SHORT, *LONG], ids=lambda check: check.__name__)
def test_it_does_what_potentials_do(case: Case, check) -> None:
    check(case)


def summed(model: Any, systems: list[System]) -> jm.TensorMap:
    """Products of features that have explicit gradients, and weights."""
    X = model.soap.compute(systems, gradients=["positions", "strain"])
    products = jm.dot(X, model.weights).keys_to_samples(X.keys.names)
    return jm.sum_over_samples(products, ["atom", *X.keys.names])


def test_it_is_the_product_of_features_and_weights(case: Case, systems) -> None:
    expected = summed(case.potential, systems)[0]
    offsets = [np.where(each.types == 1, -0.5, -2.0).sum() for each in systems]
    values = np.asarray(expected.values)[:, 0] + offsets
    np.testing.assert_allclose(case.found.energies, values, atol=1e-11)
    for name, own in (("positions", case.found.slopes), ("strain", case.found.strains)):
        gradient = np.asarray(expected.gradient(name).values)[..., 0]
        np.testing.assert_allclose(own, gradient, atol=1e-10)


def test_a_potential_of_its_form_is_found_again(case: Case, systems) -> None:
    model = LinearSoap.fit(systems, case.found.systems, soap=soap(), alpha=1e-13)
    assert model.requested_neighbor_lists()[0].cutoff == 3.5
    found = Case(model, systems).found
    np.testing.assert_allclose(found.energies, case.found.energies, rtol=1e-5)
    np.testing.assert_allclose(found.slopes, case.found.slopes, atol=1e-3)


@pytest.mark.long
def test_forces_of_silicon_are_learned(data_folder) -> None:
    """Half a percent of the spread of energies, a few percent of the forces."""
    ase_io = pytest.importorskip("ase.io")
    from jaxmeta.interop.ase import read_targets, to_systems

    frames = [
        atoms
        for atoms in ase_io.read(data_folder / "mlearn_Si_training.xyz", ":")
        if len(atoms) == 64
    ][:30]
    train, test = frames[:20], frames[20:]
    model = LinearSoap.fit(
        to_systems(train),
        read_targets(train, stress=True),
        soap=soap(5.0, 4, 5),
        alpha=1e-9,
        sample_weight={"values": 1e4, "positions": 1.0, "strain": 0.01},
        batch_size=4,
    )
    batch = to_batch(to_systems(test), model.requested_neighbor_lists())
    run = jax.jit(lambda b: evaluate(model, b, gradients=["positions", "strain"]))
    errors = metrics(run(batch), read_targets(test, stress=True))
    by_name = {place[1]: error for place, error in errors.items()}
    assert by_name["values"].rmse / 64 < 0.01
    assert by_name["positions"].r2 > 0.97


def test_atoms_that_are_not_known_are_refused(case: Case) -> None:
    batch = to_batch(System([[0.0, 0, 0], [0, 0, 1]], [1, 6]), 3.5)
    with pytest.raises(InvalidError, match="type 6, which it does not know"):
        case.potential(batch)


def test_targets_that_do_not_fit_are_refused(case: Case, systems) -> None:
    energies = jm.remove_gradients(case.found.systems)
    with pytest.raises(NotEqualError, match="samples"):
        LinearSoap.fit(systems[:2], energies, soap=soap())
    with pytest.raises(InvalidError, match="one block, one property"):
        LinearSoap.fit(systems, soap().compute(systems), soap=soap())
    with pytest.raises(InvalidError, match="alpha=-1"):
        LinearSoap.fit(systems, energies, soap=soap(), alpha=-1.0)
    with pytest.raises(InvalidError, match="samples of the targets are dynamic"):
        LinearSoap.fit(systems, jm.pad(energies, 4), soap=soap())
