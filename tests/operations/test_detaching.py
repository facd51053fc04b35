"""Stopping derivatives of JAX; and the flag of torch that is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from metatensor_oracle import block_there, map_there
from operations.examples import Recipe, random_map
from operations.peer import assert_agree, assert_blocks_agree

import jaxmeta as jm
from jaxmeta import TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError


BOTH = Recipe(gradients=("positions", "strain"), components=(3,))
DETACH: dict[str, Callable[[TensorMap], TensorMap]] = {
    "detach": jm.detach,
    "requires_grad": lambda tensor: jm.requires_grad(tensor, requires_grad=False),
}


@pytest.fixture(params=DETACH)
def detach(request: pytest.FixtureRequest) -> Callable[[TensorMap], TensorMap]:
    return DETACH[request.param]


def total(tensor: Any) -> Any:
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tensor))


def test_as_metatensor(detach: Any) -> None:
    tensor = random_map(BOTH)
    assert_agree(detach(tensor), mts.detach(map_there(tensor)))
    there = block_there(tensor[0])
    assert_blocks_agree(jm.detach_block(tensor[0]), mts.detach_block(there))
    theirs = mts.requires_grad_block(there, requires_grad=False)
    assert_blocks_agree(jm.requires_grad_block(tensor[0], requires_grad=False), theirs)


@pytest.mark.parametrize("recipe", [BOTH, Recipe(nested=True)])
def test_no_derivative_goes_through(recipe: Recipe, detach: Any) -> None:
    tensor = random_map(recipe)
    product = jax.jit(jax.grad(lambda t: total(detach(t)) * total(t)))(tensor)
    assert jm.allclose(product, 2 * float(total(tensor)) * tensor, rtol=1e-12)
    slope = jax.grad(lambda t: total(detach(t)))(tensor)
    assert jm.equal(slope, jm.zeros_like(tensor))
    value, tangent = jax.jvp(detach, (tensor,), (tensor,))
    assert jm.equal(value, tensor)
    assert jm.equal(tangent, jm.zeros_like(tensor))


def test_blocks_alone() -> None:
    block = random_map(BOTH)[0]
    for function in (
        jm.detach_block,
        lambda block: jm.requires_grad_block(block, requires_grad=False),
    ):
        slope = jax.grad(lambda b, f=function: total(f(b)))(block)
        assert jm.equal_block(slope, jm.zeros_like_block(block))


def test_what_is_not_differentiated_is_shared(detach: Any) -> None:
    tensor = random_map(BOTH)
    host = tensor.to(arrays="numpy")
    for given in (tensor, host, jax.eval_shape(lambda t: t, tensor)):
        result = detach(given)
        assert result.info() == given.info()
        leaves = zip(jax.tree.leaves(result), jax.tree.leaves(given), strict=True)
        assert all(a is b for a, b in leaves)


def test_dynamic_samples_and_integers(detach: Any) -> None:
    tensor = jm.pad(random_map(Recipe(rows=(4, 1))), {"samples": 5, "positions": 13})

    def energy(values: Any, tensor: TensorMap) -> Any:
        blocks = [block.with_values(values) for block in tensor]
        block = detach(TensorMap(tensor.keys, blocks))[0]
        used = jnp.sum(block.samples.mask).astype(values.dtype)
        return jnp.sum(block.values) + used * jnp.sum(values)

    slope = jax.jit(jax.grad(energy))(tensor[0].values, tensor)
    used = int(tensor[0].samples.mask.sum())
    np.testing.assert_array_equal(slope, np.full(slope.shape, used))
    whole = tensor.to(dtype=np.int32)
    assert jm.equal(jax.jit(detach)(whole), whole)


CALLS = {"requires_grad": jm.requires_grad, "requires_grad_block": jm.requires_grad_block}


@pytest.mark.parametrize("name", CALLS)
def test_arrays_do_not_ask_for_derivatives(name: str, wrong_types: None) -> None:
    tensor = random_map(BOTH)
    data = tensor if name == "requires_grad" else tensor[0]
    told = rf"^{name}: arrays of JAX have no flag.*\n.*\n  jax\.grad\(.*detach\("
    for call in (lambda: CALLS[name](data), lambda: CALLS[name](data, True)):
        with pytest.raises(InvalidError, match=told):
            call()
    with pytest.raises(InvalidTypeError, match=rf"^{name}: .*\n  found 1"):
        CALLS[name](data, 1)
    with pytest.raises(InvalidTypeError, match=rf"^{name}: the argument must be a Tensor"):
        CALLS[name](5)


@pytest.mark.parametrize("name", ["detach", "detach_block"])
def test_arguments_of_wrong_types(name: str, wrong_types: None) -> None:
    with pytest.raises(InvalidTypeError, match=rf"^{name}: the argument must be a Tensor"):
        getattr(jm, name)(jnp.ones((1, 1)))
