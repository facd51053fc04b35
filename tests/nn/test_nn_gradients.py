"""Explicit gradients through every module are exact, and derivatives by parameters."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from nn.networks import IN_KEYS, KEYS, MODULES, RANDOM, jitted, module_of, tensor_of

from jaxmeta import Labels, TensorBlock, TensorMap, nn
from jaxmeta.testing import assert_exact_gradients
from jaxmeta.testing.strategies import tensors


# Activations are alike.
KINDS = [name for name in MODULES if name not in ("InvariantSiLU", "InvariantTanh", "ReLU")]


@pytest.mark.parametrize("name", KINDS)
def test_gradients_are_exact(name: str) -> None:
    tensor = tensor_of(rows=(3, 2, 0), gradients=("positions",))
    assert_exact_gradients(jitted(module_of(name)), tensor)


LONGER = pytest.param("Sequential", marks=pytest.mark.long)


@pytest.mark.parametrize("name", [LONGER, "EquivariantTransformation", "Linear"])
def test_gradients_of_gradients_are_exact(name: str) -> None:
    gradients = ("positions", "strain", "positions/strain")
    tensor = tensor_of(rows=(2, 2, 0), gradients=gradients, density=0.7)
    assert_exact_gradients(jitted(module_of(name)), tensor)


@settings(max_examples=5)
@given(tensor=tensors(components=(2,), properties=3, key_names=("a", "b")))
def test_gradients_of_any_map(tensor: TensorMap) -> None:
    mlp = eqx.nn.MLP(3, 1, 4, 1, jnp.tanh, key=RANDOM)
    assert_exact_gradients(nn.wrap(nn.EachComponent(mlp)), tensor)


def test_a_bias_does_not_enter_into_gradients() -> None:
    """metatensor-learn gives the bias for a gradient of zero."""
    n = Labels.range("n", 2)
    rows = TensorBlock(jnp.zeros((1, 2)), Labels("sample", [[0]]), [], n)
    block = TensorBlock(jnp.ones((1, 2)), Labels.range("s", 1), [], n, {"strain": rows})
    tensor = TensorMap(Labels.single(), [block])
    linear = nn.Linear(tensor.keys, 2, 3, key=RANDOM)
    result = nn.Sequential(tensor.keys, linear, nn.Tanh(tensor.keys))(tensor)
    assert np.abs(np.asarray(linear.modules[0].bias)).min() > 0
    np.testing.assert_array_equal(result[0].gradient("strain").values, np.zeros((1, 3)))


# Derivatives by parameters --------------------------------------------------------------


def test_derivatives_by_parameters_against_finite_differences() -> None:
    tensor = tensor_of(rows=(3, 2, 0))
    module = module_of("Sequential")
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(module))

    @eqx.filter_jit
    def loss(module: Any) -> Any:
        total = 0.0
        for block in module(tensor):
            total += jnp.sum(jnp.square(block.values))
            total += jnp.sum(jnp.square(block.gradient("positions").values))
        return total

    slopes = eqx.filter_jit(eqx.filter_grad(loss))(module)
    leaves, tree = jax.tree.flatten(module)
    rng = np.random.default_rng(5)
    for _ in range(4):
        way = [jnp.asarray(rng.normal(size=leaf.shape)) for leaf in leaves]
        h = 1e-5
        ends = [
            loss(
                jax.tree.unflatten(tree, [x + sign * h * d for x, d in _pairs(leaves, way)])
            )
            for sign in (1, -1)
        ]
        along = sum(float(jnp.vdot(s, d)) for s, d in _pairs(jax.tree.leaves(slopes), way))
        assert along == pytest.approx(float(ends[0] - ends[1]) / (2 * h), rel=1e-6)


def _pairs(left: Any, right: Any) -> Any:
    return zip(left, right, strict=True)


def test_only_modules_that_are_used_have_slopes() -> None:
    tensor = tensor_of(gradients=())
    module = module_of("Linear")

    def loss(module: Any) -> Any:
        return sum(jnp.sum(block.values) for block in module(tensor))

    slopes = jax.grad(loss)(module)  # all leaves are arrays: no filter is needed
    for key, slope in zip(IN_KEYS, slopes.modules, strict=True):
        assert bool(np.any(slope.weight)) == (key in KEYS)
