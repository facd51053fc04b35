"""A force-training step on real structures: one program, the right numbers."""

from __future__ import annotations

from typing import Any

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from training.small_potential import (
    Batch,
    batch_of,
    energies,
    network,
    predicted,
    reference,
)

import jaxmeta as jm
import jaxmeta.datasets
from jaxmeta import TensorMap


ROOM = {"systems": 4, "atoms": 100, "pairs": 1300}
WEIGHTS = {"values": 1e-2, "positions": 1.0, "strain": 1e-2}


@pytest.fixture(scope="module")
def sets() -> dict[str, Any]:
    return {name: jm.datasets.load(name) for name in jm.datasets.names()}


def chosen(sets: dict[str, Any], seed: int) -> list[tuple[str, int]]:
    """Some structures: up to two crystals and two molecules, in any order."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 3, 2) + np.array([seed % 2, 1 - seed % 2])
    found = [
        (name, int(rng.integers(len(data.frames))))
        for (name, data), number in zip(sets.items(), numbers, strict=True)
        for _ in range(min(number, 2))
    ]
    return [found[i] for i in rng.permutation(len(found))]


def example(sets: dict[str, Any], seed: int) -> tuple[Batch, TensorMap]:
    """A batch of real structures, and what is known of them."""
    names = chosen(sets, seed)
    batch = batch_of([sets[name].frames[i] for name, i in names], ROOM)
    energy, forces, stress = [], [], []
    for name, i in names:
        block = jm.slice(sets[name].targets, "samples", [i])[0]
        gradient = block.gradient("positions")
        order = np.argsort(gradient.samples.column("atom"))
        forces.append(-np.asarray(gradient.values)[order, :, 0])
        energy.append(float(block.values[0, 0]) / len(forces[-1]))
        known = "strain" in block.gradients_list()
        stress.append(
            np.asarray(block.gradient("strain").values)[0, :, :, 0]
            if known
            else np.full((3, 3), np.nan)
        )
    parts = np.array(energy), np.concatenate(forces), np.array(stress)
    return batch, reference(batch, *parts)


def loss(model: Any, batch: Batch, target: TensorMap) -> Any:
    return jm.learn.mse(predicted(model, batch), target, WEIGHTS)


def test_one_program_for_fifty_batches(sets: dict[str, Any]) -> None:
    optimizer = optax.adam(3e-3)

    @jax.jit
    @chex.assert_max_traces(n=1)
    def step(arrays: Any, state: Any, batch: Batch, target: TensorMap) -> Any:
        def of_arrays(arrays: Any) -> Any:
            return loss(eqx.combine(arrays, static), batch, target)

        value, slope = jm.value_and_grad(of_arrays)(arrays)
        with jax.numpy_dtype_promotion("standard"):  # optax relies on it
            updates, state = optimizer.update(slope, state)
        return optax.apply_updates(arrays, updates), state, value

    arrays, static = eqx.partition(network(jax.random.key(0)), eqx.is_inexact_array)
    state = optimizer.init(arrays)
    losses, sizes = [], set()
    for seed in range(50):
        batch, target = example(sets, seed)
        sizes.add(int(batch.atoms.mask.sum()))
        arrays, state, value = step(arrays, state, batch, target)
        losses.append(float(value))
    assert len(sizes) >= 6
    assert np.isfinite(losses).all()
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])


def test_padding_changes_nothing(sets: dict[str, Any]) -> None:
    frames = [sets[name].frames[i] for name, i in chosen(sets, seed=3)]
    model = network(jax.random.key(1))
    padded = jm.unpad(jax.jit(predicted)(model, batch_of(frames, ROOM)))
    exact = jm.unpad(jax.jit(predicted)(model, batch_of(frames)))
    jm.allclose_raise(padded, exact, rtol=1e-10, atol=1e-11)


def test_gradients_are_finite_differences(sets: dict[str, Any]) -> None:
    batch, _ = example(sets, seed=3)
    model = network(jax.random.key(2))
    block = jax.jit(predicted)(model, batch)[0]
    rng = np.random.default_rng(0)

    @jax.jit
    def along(step: Any, positions: Any, strain: Any) -> Any:
        moved = batch.positions + step * positions, batch.strain + step * strain
        return energies(model, batch, *moved)[0].values[:, 0]

    for positions, strain in ((1.0, 0.0), (0.0, 1.0)):
        towards = (
            positions * rng.normal(size=batch.positions.shape),
            strain * rng.normal(size=batch.strain.shape),
        )
        h = 1e-5
        found = (along(h, *towards) - along(-h, *towards)) / (2 * h)
        of_atoms = block.gradient("positions")
        each = jnp.sum(of_atoms.values[:, :, 0] * towards[0], axis=1)
        owner = of_atoms.samples.values[:, 0]
        expected = jnp.zeros(4).at[owner].add(each, mode="drop")
        own = block.gradient("strain").values[:, :, :, 0]
        expected = expected + jnp.sum(own * towards[1], axis=(1, 2))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
