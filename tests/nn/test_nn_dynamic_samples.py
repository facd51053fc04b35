"""Modules on dynamic samples give what they give on static ones."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nn.networks import jitted, module_of, tensor_of

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap


ROOM = {"samples": 6, "positions": 12}


@pytest.mark.parametrize(
    "name", ["Linear", "LayerNorm", "ReLU", "Sequential", "EquivariantTransformation"]
)
def test_dynamic_samples(name: str) -> None:
    tensor = tensor_of(rows=(3, 0, 2))
    module = jitted(module_of(name))
    found = module(jm.pad(tensor, ROOM))
    for block in found:
        for data in (block, block.gradient("positions")):
            unused = ~np.asarray(data.samples.mask)
            assert (np.asarray(data.values)[unused] == 0).all()
    jm.allclose_raise(jm.unpad(found), module(tensor), rtol=1e-11, atol=1e-12)


def test_derivatives_of_dynamic_samples_are_those_of_the_rows_in_use() -> None:
    """Also by the parameters, and of a loss that has values and gradients in it."""
    tensor = tensor_of(rows=(3, 0, 2))
    module = module_of("EquivariantTransformation")

    @eqx.filter_jit
    @eqx.filter_grad
    def slopes(module: Any, tensor: TensorMap) -> Any:
        total = 0.0
        for block in module(tensor):
            total += jnp.sum(jnp.square(block.values))
            total += jnp.sum(jnp.sin(block.gradient("positions").values))
        return total

    found = jax.tree.leaves(slopes(module, jm.pad(tensor, ROOM)))
    for array, expected in zip(found, jax.tree.leaves(slopes(module, tensor)), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", [None, jnp.tanh])
def test_junk_in_padding_of_gradients_does_not_reach_slopes_of_parameters(
    activation: Any,
) -> None:
    n = Labels.range("n", 1)
    key = jax.random.key(0)
    model: Any = jm.nn.Linear(Labels.single(), 1, 1, dtype="float64", key=key)
    if activation is not None:
        single = Labels.single()
        model = jm.nn.MLP(
            single, 1, [3], 1, activation=activation, dtype="float64", key=key
        )

    def slopes(junk: float) -> Any:
        rows = jm.DynamicLabels("sample", jnp.array([[0], [jm.PADDING], [2]], jnp.int32))
        gradient = TensorBlock(jnp.array([[1.0], [junk], [2.0]]), rows, [], n)
        samples = jm.DynamicLabels("s", jnp.array([[0], [1], [2]], jnp.int32))
        values = jnp.array([[0.3], [0.5], [0.7]])
        block = TensorBlock(values, samples, [], n, {"x": gradient})
        tensor = TensorMap(Labels.single(), [block])

        def loss(model: Any) -> Any:
            found = model(tensor)
            return jm.learn.mse(found, jm.zeros_like(found), {"x": 1.0})

        return jax.tree.leaves(jm.grad(loss)(model))

    for array, expected in zip(slopes(np.nan), slopes(0.0), strict=True):
        np.testing.assert_array_equal(array, expected)
