"""Modules with arrays as functions that JAX compiles."""

from __future__ import annotations

import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.atomistic import System, evaluate, to_batch
from jaxmeta.learn import NormalEquations, Ridge, Scaler, Uncertainty
from jaxmeta.potentials import EquivariantMessagePassing, LennardJones
from jaxmeta.representations import Alchemical


DIMER = System([[0.0, 0, 0], [0, 0, 1.1]], [1, 8])


def potential(epsilon: float = 1.0) -> LennardJones:
    return LennardJones({1: epsilon, 8: 1.0}, {1: 1.0, 8: 1.2}, 2.0)


BATCH: Any = to_batch(DIMER, potential().requested_neighbor_lists())


@pytest.mark.parametrize(
    "model",
    [
        potential(),
        EquivariantMessagePassing(
            [1, 8], 2.0, channels=2, max_angular=1, layers=1, key=jax.random.key(0)
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_potentials_can_be_compiled_as_they_are(model: Any) -> None:
    batch = to_batch(DIMER, model.requested_neighbor_lists())
    expected = model(batch)[0].values
    np.testing.assert_allclose(jax.jit(model)(batch)[0].values, expected, rtol=1e-12)


def test_a_program_is_never_used_for_other_parameters() -> None:
    one, other = potential(), potential(4.0)
    assert hash(one) == hash(other)
    assert one != other
    energies = [float(jax.jit(each)(BATCH)[0].values[0, 0]) for each in (one, other)]
    assert energies[1] == pytest.approx(2 * energies[0], rel=1e-12)
    assert hash(one) != hash(potential(1.0).cutoff)


def test_equal_modules_have_one_hash_and_one_program() -> None:
    one, same = potential(), pickle.loads(pickle.dumps(potential()))
    assert one == same
    assert len(set(map(hash, (one, same)))) == 1


def test_parameters_that_are_traced() -> None:
    jax.jit(potential())(BATCH)  # a program that must not be found below

    def energy(model: LennardJones) -> Any:
        return jax.jit(model)(BATCH)[0].values.sum()

    def plain(model: LennardJones) -> Any:
        return model(BATCH)[0].values.sum()

    found, expected = jax.grad(energy)(potential()), jax.grad(plain)(potential())
    np.testing.assert_allclose(found.epsilon, expected.epsilon, rtol=1e-12)
    np.testing.assert_allclose(found.sigma, expected.sigma, rtol=1e-12)


def test_static_arguments_of_compiled_functions() -> None:
    forces = jax.jit(evaluate, static_argnums=0, static_argnames="gradients")
    found = forces(potential(), BATCH, gradients=("positions",))[0].gradient("positions")
    expected = evaluate(potential(), BATCH, gradients=("positions",))[0]
    np.testing.assert_allclose(
        found.values, expected.gradient("positions").values, rtol=1e-12
    )


def test_methods_of_models() -> None:
    rng = np.random.default_rng(0)
    s, n = Labels.range("system", 6), Labels.range("n", 2)
    X = TensorMap(Labels.single(), [TensorBlock(rng.normal(size=(6, 2)), s, [], n)])
    sums = NormalEquations.zeros(X, X).add(X, X)
    model = Ridge.fit(X, X, alpha=1.0)
    for method in (
        model.predict,
        Scaler.fit(X).transform,
        Uncertainty.of(sums, 1.0).variance,
        lambda X: sums.add(X, X).solve(1.0).predict(X),
    ):
        found, expected = jax.jit(method)(X), method(X)
        np.testing.assert_allclose(found[0].values, expected[0].values, rtol=1e-12)


def test_mixing_of_types() -> None:
    n, keys = Labels.range("n", 1), Labels("neighbor_type", [[1], [8]])
    atoms = Labels(["system", "atom"], [[0, 0]])
    blocks = [TensorBlock(jnp.ones((1, 1)), atoms, [], n) for _ in keys]
    mixing = Alchemical(jnp.array([[0.5], [3.0]]), types=[1, 8])
    assert jax.jit(mixing)(TensorMap(keys, blocks))[0].values.tolist() == [[3.5]]
