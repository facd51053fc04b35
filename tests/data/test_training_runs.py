"""Losses and loaders together: a training run, and one that was interrupted."""

from __future__ import annotations

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from structures import ENERGY, charges_of

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.data import Dataset, Loader, buckets, collate
from jaxmeta.learn import huber, metrics


EPOCHS, BATCH = 12, 5
TRUE = jnp.array([0.5, -1.5])


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Features of atoms, and energies that are sums over atoms; some are unknown."""
    rng = np.random.default_rng(3)
    features, energies, sizes = [], [], []
    for number in range(32):
        atoms = int(rng.integers(0, 9))
        features.append(charges_of(rng, [6] * atoms) if atoms else _nothing())
        total = sum((block.values @ TRUE).sum() for block in features[-1])
        values = np.array([[np.nan if number % 7 == 3 else float(total)]])
        block = TensorBlock(values, Labels("system", [[0]]), [], ENERGY)
        energies.append(TensorMap(Labels.single(), [block]))
        sizes.append(np.array([atoms]))
    return Dataset(features=features, energy=energies, sizes=sizes)


def _nothing() -> TensorMap:
    """The features of a structure without atoms."""
    samples, n = Labels.empty(["system", "atom"]), Labels.range("n", 2)
    block = TensorBlock(np.zeros((0, 2)), samples, [], n)
    return TensorMap(Labels("center_type", [[6]]), [block])


def _loader(dataset: Dataset) -> Loader:
    function = collate(buckets(dataset, BATCH, number=1), renumber="system")
    return Loader(dataset, BATCH, shuffle=True, seed=2, collate=function)


def _predicted(w: Any, batch: Any) -> TensorMap:
    """Energies that share the samples of the references."""
    (block,), (known,) = batch.features, batch.energy
    atoms = block.values @ w
    owner = block.samples.values[:, 0]
    energies = jnp.zeros(known.shape[0]).at[owner].add(atoms, mode="drop")
    found = TensorBlock(energies[:, None], known.samples, [], known.properties)
    return TensorMap(batch.energy.keys, [found])


class Run:
    """Gradient descent, batch after batch."""

    def __init__(self, dataset: Dataset) -> None:
        self.loader = _loader(dataset)
        self.w = jnp.zeros(2)
        self.compiled = 0

        def loss(w: Any, batch: Any) -> Any:
            self.compiled += 1
            return huber(_predicted(w, batch), batch.energy, sizes=batch.sizes[:, 0])

        self.slope = jax.jit(jax.grad(loss))

    def go(self, steps: int) -> None:
        """So many batches, through as many epochs as it takes."""
        while steps:
            for batch in self.loader:
                self.w = self.w - 2.0 * self.slope(self.w, batch)
                steps -= 1
                if not steps:
                    return


def test_a_run_finds_what_made_the_data(dataset: Dataset) -> None:
    run = Run(dataset)
    run.go(EPOCHS * len(run.loader))
    assert np.allclose(run.w, TRUE, atol=1e-4)
    assert run.compiled <= 2
    for batch in run.loader:
        table = metrics(_predicted(TRUE, batch), batch.energy, sizes=batch.sizes[:, 0])
        assert max(e.rmse for e in table.values() if e.count) < 1e-12


@pytest.mark.parametrize("stop", [3, 7, 16])
def test_an_interrupted_run_goes_on_exactly(dataset: Dataset, stop: int) -> None:
    whole, first, second = Run(dataset), Run(dataset), Run(dataset)
    whole.go(20)
    first.go(stop)
    second.loader.restore(json.loads(json.dumps(first.loader.state())))
    second.w = first.w
    second.go(20 - stop)
    assert (np.asarray(second.w) == np.asarray(whole.w)).all()


def test_empty_structures_do_no_harm(dataset: Dataset) -> None:
    empty = [sample for sample in dataset if not sample.sizes[0]]
    assert empty
    function = collate(buckets(dataset, BATCH, number=1), renumber="system")
    batch = function(empty[:1])

    def loss(w: Any) -> Any:
        return huber(_predicted(w, batch), batch.energy, sizes=batch.sizes[:, 0])

    value, slope = jax.value_and_grad(loss)(jnp.ones(2))
    assert float(value) == 0.0
    assert slope.tolist() == [0.0, 0.0]
    assert jm.unpad(batch.features)[0].shape == (0, 2)
