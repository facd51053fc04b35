"""Modules under jit, vmap and scan, in optimisers, in files."""

from __future__ import annotations

import gc
import pickle
import weakref
from pathlib import Path
from typing import Any

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from nn.networks import IN_KEYS, MODULES, RANDOM, module_of, perturbed, tensor_of

import jaxmeta as jm
from jaxmeta import Labels, TensorMap, nn
from jaxmeta.core.plans import _functions


@pytest.mark.parametrize("name", ["Sequential", "EquivariantTransformation"])
def test_compiled_and_eager_results_are_the_same(name: str) -> None:
    tensor, module = tensor_of(rows=(2, 2, 2)), module_of(name)
    compiled = eqx.filter_jit(lambda module, tensor: module(tensor))(module, tensor)
    jm.allclose_raise(compiled, module(tensor), rtol=1e-11, atol=1e-12)


def test_one_trace_whatever_the_weights_are() -> None:
    @jax.jit
    @chex.assert_max_traces(n=1)
    def energies(module: Any, tensor: TensorMap) -> TensorMap:
        return module(tensor)

    module, tensor = module_of("Sequential"), tensor_of()
    results = []
    for _ in range(3):
        module = perturbed(module)
        results.append(energies(module, tensor))
    assert results[0] != results[1]
    # Labels that are built again are the same labels.
    again = nn.Linear(Labels(IN_KEYS.names, np.array(IN_KEYS.values)), 4, 2, key=RANDOM)
    assert jax.tree.structure(again) == jax.tree.structure(
        nn.Linear(IN_KEYS, 4, 2, key=jax.random.key(1))
    )


def test_nothing_is_compiled_anew_eagerly_when_weights_change() -> None:
    calls = []

    def activation(x: Any) -> Any:
        calls.append(x.shape)
        return jnp.tanh(x)

    tensor = tensor_of()
    module = nn.MLP(IN_KEYS, 4, [3], 2, activation=activation, key=RANDOM)
    module(tensor)
    before = len(calls), len(_functions._KNOWN)
    for _ in range(3):
        module = perturbed(module)
        module(tensor)
    assert (len(calls), len(_functions._KNOWN)) == before


def test_functions_that_close_over_traced_arrays() -> None:
    tensor = tensor_of()

    @jax.jit
    def scaled(factor: Any) -> TensorMap:
        return nn.wrap(lambda x: factor * jnp.sin(x))(tensor)

    sines = nn.wrap(jnp.sin)(tensor)
    for factor in (2.0, 3.0):
        jm.allclose_raise(scaled(factor), factor * sines, rtol=1e-12, atol=1e-14)
    slope = jax.jacfwd(lambda factor: scaled(factor)[0].values)(2.0)
    np.testing.assert_allclose(slope, sines[0].values, rtol=1e-12, atol=1e-14)


def test_what_a_function_closes_over_is_freed_with_it() -> None:
    class Held:
        pass

    def module_and_reference() -> Any:
        held = Held()
        return nn.wrap(lambda x: (x, held)[0]), weakref.ref(held)

    module, reference = module_and_reference()
    module(tensor_of())
    assert reference() is not None
    del module
    gc.collect()
    assert reference() is None


def test_arrays_of_numpy() -> None:
    """As those of files that are read without JAX."""
    tensor, module = tensor_of(), module_of("MLP")
    on_host = jax.tree.map(np.asarray, tensor)
    assert isinstance(on_host[0].values, np.ndarray)
    assert module(on_host) == module(tensor)


def test_shapes_alone() -> None:
    module, tensor = module_of("Sequential"), tensor_of()
    shapes = eqx.filter_eval_shape(lambda module, tensor: module(tensor), module, tensor)
    assert shapes[0].values.shape == module(tensor)[0].shape
    assert jax.tree.structure(shapes) == jax.tree.structure(module(tensor))


def test_one_program_for_all_batches_of_dynamic_samples() -> None:
    room = {"samples": 5, "positions": 30}

    @jax.jit
    @chex.assert_max_traces(n=1)
    def energies(module: Any, tensor: TensorMap) -> TensorMap:
        return module(tensor)

    module = module_of("MLP")
    for rows in [(1, 2, 3), (5, 0, 1), (0, 0, 0)]:
        batch = jm.pad(_relabelled(tensor_of(rows=rows, gradients=())), room)
        energies(module, batch)


def _relabelled(tensor: TensorMap) -> TensorMap:
    """With components and properties that do not depend on the seed."""
    axes = [[Labels.range("m", 3)]], Labels.range("n", 4)
    return jm.map_samples(lambda x: x, tensor, axes[1], axes[0][0])


def test_an_ensemble_by_vmap() -> None:
    tensor = tensor_of()

    def make(key: Any) -> nn.MLP:
        return nn.MLP(IN_KEYS, 4, [3], 2, key=key)

    keys = jax.random.split(RANDOM, 3)
    ensemble = jax.vmap(make)(keys)
    found = jax.jit(jax.vmap(lambda module: module(tensor)))(ensemble)
    single = make(keys[1])(tensor)
    for leaf, expected in zip(jax.tree.leaves(found), jax.tree.leaves(single), strict=True):
        np.testing.assert_allclose(leaf[1], expected, rtol=1e-11, atol=1e-12)


def test_training() -> None:
    """Energies and forces of a network are learned by another one."""
    tensor = tensor_of(rows=(6, 6, 6), components=())
    keys = tensor.keys
    target = nn.MLP(keys, 4, [8], 1, key=jax.random.key(1))(tensor)
    module = nn.MLP(keys, 4, [8], 1, key=jax.random.key(2))
    optimiser = optax.adam(3e-2)

    def loss(module: Any) -> Any:
        difference = module(tensor) - target
        return sum(jnp.mean(jnp.square(leaf)) for leaf in jax.tree.leaves(difference))

    def step(carry: Any, _: Any) -> Any:
        module, state = carry
        value, slopes = jax.value_and_grad(loss)(module)
        updates, state = optimiser.update(slopes, state)
        return (optax.apply_updates(module, updates), state), value

    def train(carry: Any) -> Any:
        return jax.lax.scan(step, carry, length=400)

    # optax 0.2 takes powers of floats by integers.
    with jax.numpy_dtype_promotion("standard"):
        state = optimiser.init(module)  # type: ignore[arg-type]
        (trained, _), losses = jax.jit(train)((module, state))
    assert float(losses[-1]) < 0.01 * float(losses[0])
    assert jax.tree.structure(trained) == jax.tree.structure(module)


# Files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Sequential", "MLP", "InvariantSiLU", "LayerNorm"])
def test_modules_are_pickled(name: str) -> None:
    module, tensor = module_of(name), tensor_of(gradients=())
    copied = pickle.loads(pickle.dumps(module))
    assert jax.tree.structure(copied) == jax.tree.structure(module)
    assert copied(tensor) == module(tensor)


@pytest.mark.parametrize("name", MODULES)
def test_parameters_are_written_and_read_by_equinox(name: str, tmp_path: Path) -> None:
    module = module_of(name)
    eqx.tree_serialise_leaves(tmp_path / "module.eqx", module)
    other = MODULES[name](np.dtype("float64"))
    read = eqx.tree_deserialise_leaves(tmp_path / "module.eqx", other)
    assert eqx.tree_equal(read, module)


def test_parameters_are_exchanged_by_equinox() -> None:
    linear = module_of("Linear")
    zeros = jnp.zeros((2, 4))
    changed = eqx.tree_at(lambda module: module.modules[1].weight, linear, zeros)
    assert not np.any(changed.modules[1].weight)
    assert np.any(linear.modules[1].weight)
