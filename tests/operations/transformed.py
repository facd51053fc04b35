"""An operation on one map, under every transformation of JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from operations.examples import with_other_numbers

from jaxmeta import TensorMap


Operation = Callable[[TensorMap], TensorMap]


def assert_same_when_transformed(operation: Operation, tensor: TensorMap) -> None:
    """jit and vmap give what eager calls give; derivatives are those of differences."""
    expected = operation(tensor)
    _same(jax.jit(operation)(tensor), expected)
    shapes = jax.tree.leaves(jax.eval_shape(operation, tensor))
    assert [x.shape for x in shapes] == [x.shape for x in jax.tree.leaves(expected)]
    other = with_other_numbers(tensor, 3)
    batched = jax.jit(jax.vmap(operation))(jax.tree.map(_stacked, tensor, other))
    _same(jax.tree.map(lambda leaf: leaf[0], batched), expected)
    _same(jax.tree.map(lambda leaf: leaf[1], batched), operation(other))
    _check_derivatives(operation, tensor, with_other_numbers(tensor, 7))


def _stacked(*leaves: Any) -> Any:
    return jnp.stack(leaves)


def _same(actual: Any, expected: Any, digits: float = 1e-11) -> None:
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=digits, atol=digits)


def _check_derivatives(operation: Operation, tensor: TensorMap, along: TensorMap) -> None:
    @jax.jit
    def all_at_once(tensor: Any, along: Any) -> Any:
        result, tangent = jax.jvp(operation, (tensor,), (along,))
        weights = jax.tree.map(jnp.cos, result)
        (back,) = jax.vjp(operation, tensor)[1](weights)
        ahead, behind = (
            operation(jax.tree.map(lambda x, t, s=step: x + s * t, tensor, along))
            for step in (1e-6, -1e-6)
        )
        slope = jax.tree.map(lambda p, m: (p - m) / 2e-6, ahead, behind)
        return tangent, slope, _inner(weights, tangent), _inner(back, along)

    tangent, slope, forward, backward = all_at_once(tensor, along)
    _same(tangent, slope, digits=1e-6)
    np.testing.assert_allclose(forward, backward, rtol=1e-9)


def _inner(left: Any, right: Any) -> Any:
    products = jax.tree.map(jnp.vdot, left, right)
    return sum(jax.tree.leaves(products), start=jnp.zeros(()))
