"""A run that stops and goes on from a checkpoint gives the numbers of one that does not."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmeta as jm
import jaxmeta.datasets
from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, with_gradients
from jaxmeta.data import Dataset, Loader, collate


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text()
ROOM = {"energy": {"samples": 4, "positions": 40}, "positions": 40}
WEIGHTS = {"values": 1.0, "positions": 0.1}
SIZE, STEPS, STOP = 18, 12, 7  # five batches an epoch, the last one of two structures
FIRST, SECOND = np.triu_indices(10, k=1)
PAIRS = Labels(["first_atom", "second_atom"], np.stack([FIRST, SECOND], axis=1))
OPTIMIZER = optax.adam(optax.exponential_decay(3e-3, 5, 0.7))


class Run(NamedTuple):
    """What changes in training."""

    model: Any
    state: Any
    loader: Loader


def descriptor(positions: Any, systems: Any) -> TensorMap:
    """The inverse squares of all distances in each molecule."""
    of_molecules = positions.reshape(-1, 10, 3)
    vectors = of_molecules[:, FIRST] - of_molecules[:, SECOND]
    values = 10 / (1 + jnp.sum(vectors**2, axis=2))
    return TensorMap(Labels.single(), [TensorBlock(values, systems, [], PAIRS)])


def loss(model: Any, batch: Any) -> Any:
    target = batch.energy[0]
    rows = target.gradient("positions").samples.values
    atoms = DynamicLabels(["system", "atom"], rows[:, 1:])

    def energies(positions: Any) -> TensorMap:
        return model(descriptor(positions, target.samples))

    axes = [Labels.range("xyz", 3)]
    positions = Parameter(batch.positions, atoms, axes, owner="system")
    found = with_gradients(energies, {"positions": positions})
    return jm.learn.mse(found, batch.energy, WEIGHTS)


@pytest.fixture(scope="module")
def step() -> Callable[..., Any]:
    """One step, compiled once for all runs of all tests, before and after they stop."""

    @jax.jit
    @chex.assert_max_traces(n=1)
    def compiled(model: Any, state: Any, batch: Any) -> Any:
        value, slopes = jm.value_and_grad(loss)(model, batch)
        with jax.numpy_dtype_promotion("standard"):  # optax relies on it
            updates, state = OPTIMIZER.update(slopes, state, model)
        return optax.apply_updates(model, updates), state, value

    return compiled


@pytest.fixture(scope="module")
def known() -> tuple[TensorMap, list[np.ndarray]]:
    """Energies without their mean, forces, and positions."""
    frames, targets = jm.datasets.load("ethylene_glycol")
    few = jm.slice(targets, "samples", range(SIZE))
    shifted = few - float(few[0].values.mean())
    return shifted, [frame.positions for frame in frames[:SIZE]]


def dataset(targets: TensorMap, positions: list[np.ndarray]) -> Dataset:
    parts = [[i] for i in range(len(positions))]
    entries = jm.split(targets.to(arrays="numpy"), "samples", parts)
    return Dataset(energy=entries, positions=positions)


def started(structures: Dataset, seed: int = 0) -> Run:
    energy = Labels("energy", [[0]])
    key = jax.random.key(seed)
    model = jm.nn.MLP(Labels.single(), len(PAIRS), [8], out_properties=[energy], key=key)
    loader = Loader(structures, 4, shuffle=True, seed=5, collate=collate(ROOM))
    return Run(model, OPTIMIZER.init(model), loader)


def trained(run: Run, step: Any, steps: int) -> tuple[Run, list[float]]:
    """The run after some more steps, and their losses."""
    model, state, loader = run
    losses: list[float] = []
    while len(losses) < steps:
        for batch in loader:
            model, state, value = step(model, state, batch)
            losses.append(float(value))
            if len(losses) == steps:
                break
    return Run(model, state, loader), losses


def assert_same(found: Run, expected: Run) -> None:
    """Parameters and the optimiser's state agree to the last bit."""
    chex.assert_trees_all_equal(found.model, expected.model)
    chex.assert_trees_all_equal(found.state, expected.state)
    assert found.loader.state() == expected.loader.state()


@pytest.fixture(scope="module")
def whole(known: Any, step: Any) -> tuple[Run, list[float]]:
    """A run that does not stop."""
    run, losses = trained(started(dataset(*known)), step, STEPS)
    assert len(set(losses)) == STEPS
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    return run, losses


@pytest.fixture
def stopped(known: Any, step: Any) -> Run:
    """A run that stopped in the middle of its second epoch."""
    run, _ = trained(started(dataset(*known)), step, STOP)
    assert run.loader.state()["epoch"] == 1
    assert run.loader.state()["batch"] == 2
    return run


def test_equinox(known: Any, step: Any, whole: Any, stopped: Run, tmp_path: Path) -> None:
    eqx.tree_serialise_leaves(tmp_path / "run.eqx", (stopped.model, stopped.state))
    (tmp_path / "loader.json").write_text(json.dumps(stopped.loader.state()))

    empty = started(dataset(*known), seed=1)
    like = (empty.model, empty.state)
    restored = eqx.tree_deserialise_leaves(tmp_path / "run.eqx", like)
    empty.loader.restore(json.loads((tmp_path / "loader.json").read_text()))
    found, losses = trained(Run(*restored, empty.loader), step, STEPS - STOP)
    assert losses == whole[1][STOP:]
    assert_same(found, whole[0])


def orbax() -> Any:
    with warnings.catch_warnings():  # of orbax, at import
        warnings.simplefilter("ignore")
        return pytest.importorskip("orbax.checkpoint")


def test_orbax(known: Any, step: Any, whole: Any, stopped: Run, tmp_path: Path) -> None:
    def tree(run: Run) -> dict[str, Any]:
        return {"model": run.model, "state": run.state, "loader": run.loader.state()}

    empty = started(dataset(*known), seed=1)
    with orbax().StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "run", tree(stopped))
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "run", tree(empty))
    empty.loader.restore(restored["loader"])
    run = Run(restored["model"], restored["state"], empty.loader)
    found, losses = trained(run, step, STEPS - STOP)
    assert losses == whole[1][STOP:]
    assert_same(found, whole[0])


def test_orbax_in_the_manual(stopped: Run, known: Any, tmp_path: Path) -> None:
    orbax()
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {**stopped._asdict(), "folder": tmp_path}
    exec(code, names)
    run = names["run"]
    assert (tmp_path / "orbax").is_dir()
    loader = started(dataset(*known)).loader
    loader.restore(run["loader"])
    assert_same(Run(run["model"], run["state"], loader), stopped)


def test_a_map_in_orbax(known: Any, tmp_path: Path) -> None:
    padded = jm.pad(known[0], {"samples": 20, "positions": 200})
    with orbax().StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "map", {"map": padded})
        checkpointer.wait_until_finished()
        like = jax.tree.map(np.zeros_like, padded)
        restored = checkpointer.restore(tmp_path / "map", {"map": like})
    assert restored["map"] == padded


def test_targets_from_a_file(known: Any, step: Any, whole: Any, tmp_path: Path) -> None:
    targets, positions = known
    jm.save(tmp_path / "targets.mts", targets)
    stored = jm.load(tmp_path / "targets.mts")
    assert stored == targets
    found, losses = trained(started(dataset(stored, positions)), step, STEPS)
    assert losses == whole[1]
    assert_same(found, whole[0])


class Shifted(eqx.Module):
    """A potential with a map among its parameters."""

    network: Any
    shift: TensorMap

    def __call__(self, tensor: TensorMap) -> TensorMap:
        (row,) = self.shift[0].values
        return jm.map_samples(lambda values: values + row, self.network(tensor))


def test_maps_in_a_model(known: Any, tmp_path: Path) -> None:
    run = started(dataset(*known))
    shift = jm.mean_over_samples(jm.remove_gradients(known[0] + 1.0), "system")
    model = Shifted(run.model, shift)
    slopes = jax.jit(jm.grad(loss))(model, next(iter(run.loader)))
    model = jax.tree.map(lambda leaf, slope: leaf - 0.1 * slope, model, slopes)
    assert abs(float((model.shift - shift)[0].values[0, 0])) > 1e-3

    eqx.tree_serialise_leaves(tmp_path / "model.eqx", model)
    jm.save(tmp_path / "shift.mts", model.shift)
    empty = Shifted(started(dataset(*known), seed=1).model, jm.zeros_like(shift))
    restored = eqx.tree_deserialise_leaves(tmp_path / "model.eqx", empty)
    assert restored.shift == jm.load(tmp_path / "shift.mts") == model.shift
    features = descriptor(known[1][0], Labels.range("system", 1))
    assert restored(features) == model(features)


def test_another_model_is_refused(stopped: Run, tmp_path: Path) -> None:
    eqx.tree_serialise_leaves(tmp_path / "model.eqx", stopped.model)
    energy, key = Labels("energy", [[0]]), jax.random.key(0)
    other = jm.nn.MLP(Labels.single(), len(PAIRS), [9], out_properties=[energy], key=key)
    with pytest.raises(RuntimeError, match="shape"):
        eqx.tree_deserialise_leaves(tmp_path / "model.eqx", other)
