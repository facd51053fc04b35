"""Mixtures of types: sums by weights, with gradients, compiled, equal to torch-spex's."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representations.featomic_peer import assert_close, expansion, molecules
from representations.real_structures import hypers

import jaxmeta as jm
from jaxmeta import Labels
from jaxmeta.atomistic import to_batch
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError
from jaxmeta.interop.ase import to_systems
from jaxmeta.representations import Alchemical, SphericalExpansion
from jaxmeta.representations.clebsch_gordan import power_spectrum
from jaxmeta.testing import assert_exact_gradients


WEIGHTS = np.random.default_rng(7).normal(size=(3, 2))
TYPES = [1, 7, 8]


def mixing() -> Alchemical:
    return Alchemical(jnp.asarray(WEIGHTS), TYPES)


def test_sums_by_weights() -> None:
    density = expansion(molecules(), ["positions"])
    mixed = mixing()(density)
    assert mixed.keys.names == density.keys.names
    assert len(mixed) == 2 * len({tuple(key.values[:3].tolist()) for key in density.keys})
    for key, block in mixed.items():
        *kind, pseudo = key.values.tolist()
        dense = np.zeros((2, 4, *block.shape[1:]))
        slopes = np.zeros((2, 4, 4, 3, *block.shape[1:]))
        for row, neighbor in enumerate(TYPES):
            if density.keys.position([*kind, neighbor]) is None:
                continue
            part = density.block(Labels(mixed.keys.names, [[*kind, neighbor]]))
            system, atom = np.asarray(part.samples.values).T
            dense[system, atom] += WEIGHTS[row, pseudo] * np.asarray(part.values)
            gradient = part.gradient("positions")
            sample, _, moved = np.asarray(gradient.samples.values).T
            rows = WEIGHTS[row, pseudo] * np.asarray(gradient.values)
            slopes[system[sample], atom[sample], moved] += rows
        system, atom = np.asarray(block.samples.values).T
        np.testing.assert_allclose(block.values, dense[system, atom], atol=1e-14)
        assert np.count_nonzero(dense.any(axis=(2, 3))) <= len(system)
        gradient = block.gradient("positions")
        sample, _, moved = np.asarray(gradient.samples.values).T
        right = slopes[system[sample], atom[sample], moved]
        np.testing.assert_allclose(gradient.values, right, atol=1e-13)


def test_one_pseudo_type_for_each_type_changes_nothing() -> None:
    density = expansion(molecules()[:1])
    same = Alchemical(jnp.eye(2), [1, 8])(density)
    for key, block in same.items():
        *kind, pseudo = key.values.tolist()
        wanted = Labels(same.keys.names, [[*kind, [1, 8][pseudo]]])
        part = density.block(wanted)
        rows = [block.samples.position(each) for each in part.samples.values]  # type: ignore[union-attr]
        np.testing.assert_array_equal(block.values[np.array(rows)], part.values)


def test_gradients_are_exact() -> None:
    small = expansion(molecules()[:1], max_angular=1, max_radial=0)
    weights = jnp.asarray(WEIGHTS[:2])
    assert_exact_gradients(Alchemical(weights, [1, 8]), small)


def test_spectra_of_pseudo_types() -> None:
    """From keys and from properties alike; fewer columns than there are types."""
    density = expansion(molecules(), ["positions"])
    by_keys = power_spectrum(mixing()(density))
    by_properties = power_spectrum(mixing()(density, to_keys=False))
    assert_close(by_properties, by_keys, 1e-13)
    assert by_keys[0].shape[-1] == 3 * (2 * 2) ** 2


def test_weights_learn_by_forces() -> None:
    """Second derivatives, by positions then by weights, against differences."""
    batch = to_batch(to_systems(molecules()), 4.0, room="rounded")
    densities = SphericalExpansion(**hypers(4.0, 1, 1))

    def energy(model: Alchemical, positions: Any) -> Any:
        density = densities(batch.replace(positions=positions))
        spectrum = power_spectrum(model(density, to_keys=False))
        return sum((block.values**2).sum() for block in spectrum.blocks())

    def loss(model: Alchemical) -> Any:
        return (jax.grad(energy, argnums=1)(model, batch.positions) ** 2).sum()

    model = mixing()
    slope = eqx.filter_jit(jax.grad(loss))(model).weights
    step = 1e-6 * np.random.default_rng(1).normal(size=WEIGHTS.shape)
    program = eqx.filter_jit(loss)
    above, below = (
        program(Alchemical(jnp.asarray(WEIGHTS + s), TYPES)) for s in (step, -step)
    )
    np.testing.assert_allclose(above - below, 2 * (slope * step).sum(), rtol=1e-6)


def test_random_weights() -> None:
    model = Alchemical.random(range(1, 101), 4, key=jax.random.key(0))
    assert model.weights.shape == (100, 4)
    np.testing.assert_allclose(np.var(model.weights), 0.25, rtol=0.2)
    with pytest.raises(InvalidError, match="n_pseudo_types must be at least 1"):
        Alchemical.random([1], 0, key=jax.random.key(0))


def test_faults_of_alchemical(wrong_types: None) -> None:
    density = expansion(molecules())
    with pytest.raises(MissingError, match=r"no weights for type 7\.\n.*\[1, 8\]"):
        Alchemical(jnp.eye(2), [1, 8])(density)
    with pytest.raises(MissingError, match="no dimension 'neighbor_type'"):
        mixing()(jm.rename_dimension(density, "keys", "neighbor_type", "other"))
    with pytest.raises(InvalidTypeError, match="weights are float32, the map is float64"):
        Alchemical(jnp.ones((3, 1), jnp.float32), TYPES)(density)
    with pytest.raises(InvalidError, match=r"found \(2, 2\), and 3 types"):
        Alchemical(jnp.eye(2), TYPES)
    with pytest.raises(InvalidTypeError, match="floating point"):
        Alchemical(jnp.ones((3, 1), int), TYPES)
    with pytest.raises(InvalidError, match="each is there once"):
        Alchemical(jnp.eye(2), [1, 1])
    with pytest.raises(InvalidTypeError, match="types are integers"):
        Alchemical(jnp.eye(2), [1, "O"])  # type: ignore[list-item]
    with pytest.raises(InvalidTypeError):
        mixing()(None)  # type: ignore[arg-type]
