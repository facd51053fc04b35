"""SoapMLP: what every potential must do, what networks get, and that they learn."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
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
from jaxmeta.atomistic import Room, System, evaluate, to_batch
from jaxmeta.errors import InvalidError
from jaxmeta.learn import mse
from jaxmeta.potentials import LennardJones, SoapMLP
from jaxmeta.representations import SoapPowerSpectrum


SOAP = SoapPowerSpectrum(
    cutoff={"radius": 3.5, "smoothing": {"type": "ShiftedCosine", "width": 1.0}},
    density={"type": "Gaussian", "width": 0.5},
    basis={
        "type": "TensorProduct",
        "max_angular": 1,
        "radial": {"type": "Gto", "max_radial": 1},
    },
)
FINE = SoapPowerSpectrum(
    cutoff={"radius": 3.5, "smoothing": {"type": "ShiftedCosine", "width": 1.0}},
    density={"type": "Gaussian", "width": 0.3},
    basis={
        "type": "TensorProduct",
        "max_angular": 3,
        "radial": {"type": "Gto", "max_radial": 5},
    },
)
OFFSETS = {1: -0.5, 8: -2.0}


def network(types: list[int] | None = None, **options: Any) -> SoapMLP:
    options = {"offsets": OFFSETS, "scale": 2.0, "key": jax.random.key(1), **options}
    return SoapMLP(SOAP, types or [1, 6, 8], [8], **options)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case(network(), structures([1, 8], spacing=1.6))


SHORT = (check_labels, check_derivatives, check_symmetries)
LONG = [pytest.param(check, marks=pytest.mark.long) for check in ALL if check not in SHORT]


@pytest.mark.parametrize("check", [*SHORT, *LONG], ids=lambda check: check.__name__)
def test_it_does_what_potentials_do(case: Case, check) -> None:
    check(case)


def test_networks_get_spectra_of_length_one(case: Case) -> None:
    """All pairs of types beside each other; zero for carbon, which is not there."""
    model: Any = case.potential
    found = eqx.filter_jit(model.features)(case.batch)
    assert found.keys == jm.Labels("center_type", [[1], [8]])
    spectra = SOAP.compute(case.systems)
    for key, block in found.items():
        norms = np.linalg.norm(block.values, axis=1)
        np.testing.assert_allclose(norms, 1.0, rtol=1e-14)
        values = np.zeros(block.shape)
        for pair, part in spectra.items():
            if pair["center_type"] == key["center_type"]:
                columns = [
                    (pair["neighbor_1_type"], pair["neighbor_2_type"], *row)
                    for row in part.properties.values.tolist()
                ]
                where = [block.properties.position(column) for column in columns]
                rows = [block.samples.position(row) for row in part.samples.values]
                values[np.ix_(rows, where)] = part.values
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        np.testing.assert_allclose(block.values, values, atol=1e-13)


def test_scale_and_offsets_are_constants(case: Case) -> None:
    @jax.jit
    def slopes(model, batch):
        def energy(model):
            return jnp.sum(model(batch)[0].values)

        return energy(model), jax.grad(energy)(model)

    energy, found = slopes(network(), case.batch)
    assert not np.any(found.offsets)
    assert found.scale == 0
    assert any(np.any(leaf) for leaf in jax.tree.leaves(found.network))
    other, _ = slopes(network(scale=0.0), case.batch)
    n_atoms = {t: int((case.batch.types == t).sum()) for t in OFFSETS}
    assert float(other) == pytest.approx(sum(n_atoms[t] * OFFSETS[t] for t in OFFSETS))
    assert float(energy) != pytest.approx(float(other))


def test_it_learns_by_one_program() -> None:
    """Energies of random clusters, in batches of several sizes with padding."""
    rng = np.random.default_rng(4)
    lj = LennardJones({1: 0.1}, {1: 1.2}, 3.5, onset=2.5)
    clusters = []
    for seed in range(12):
        size = int(rng.integers(3, 6))
        positions = structures([1], 1.5, seed)[0].positions[:size]
        clusters.append(System(positions, [1] * size))
    parts = [clusters[begin : begin + 4] for begin in (0, 4, 8)]
    room = Room.largest([Room.of(to_batch(part, 3.5, room="rounded")) for part in parts])
    batches = [to_batch(part, 3.5, room=room) for part in parts]
    targets = [eqx.filter_jit(lj)(batch) for batch in batches]
    optimizer, traces = optax.rmsprop(3e-3), []

    @jax.jit
    def step(model, state, batch, target):
        traces.append(batch.positions.shape)
        value, slopes = jax.value_and_grad(lambda m: mse(m(batch), target))(model)
        updates, state = optimizer.update(slopes, state)
        return optax.apply_updates(model, updates), state, value

    model: Any = SoapMLP(FINE, [1], [32], scale=1.0, key=jax.random.key(3))
    state, history = optimizer.init(model), []
    for _ in range(100):
        for batch, target in zip(batches, targets, strict=True):
            model, state, value = step(model, state, batch, target)
            history.append(float(value))
    assert len(traces) == 1
    assert np.mean(history[-3:]) < 0.2 * np.mean(history[:3])


@pytest.mark.long
def test_it_learns_forces() -> None:
    systems = structures([1], 1.5)
    lj = LennardJones({1: 0.1}, {1: 1.2}, 3.5, onset=2.5)
    batch = to_batch(systems, 3.5)
    target = evaluate(lj, batch, gradients=["positions", "strain"])
    weights = {"values": 0.1, "positions": 1.0, "strain": 0.01}
    optimizer = optax.rmsprop(3e-3)

    @jax.jit
    def step(model, state):
        def loss(model):
            found = evaluate(model, batch, gradients=["positions", "strain"])
            return mse(found, target, weights)

        value, slopes = jax.value_and_grad(loss)(model)
        updates, state = optimizer.update(slopes, state)
        return optax.apply_updates(model, updates), state, value

    model: Any = SoapMLP(FINE, [1], [32], scale=1.0, key=jax.random.key(3))
    state, history = optimizer.init(model), []
    for _ in range(500):
        model, state, value = step(model, state)
        history.append(float(value))
    assert history[-1] < 0.1 * history[0]


def test_atoms_that_are_not_known_are_refused(case: Case) -> None:
    with pytest.raises(InvalidError, match="type 8, which it does not know"):
        network([1], offsets={})(case.batch)


@pytest.mark.parametrize(
    ("types", "offsets", "message"),
    [
        ([1, 1], {}, "once each"),
        ([-1], {}, "not negative"),
        ([1], {8: 1.0}, "found 1.0 for 8"),
        ([1], {1: np.nan}, "found nan for 1"),
    ],
)
def test_mistakes_are_explained(types: list[int], offsets: Any, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        network(types, offsets=offsets)
