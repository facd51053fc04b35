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
