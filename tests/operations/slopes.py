"""Derivatives of everything that comes out of an operation, by everything that goes in."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta import TensorMap


def slopes(function: Any, tensor: TensorMap) -> list[list[np.ndarray]]:
    """Derivatives of the sum of all that comes out, for each block and its gradients."""
    leaves, tree = jax.tree.flatten(tensor)
    moving = [i for i, x in enumerate(leaves) if jnp.issubdtype(x.dtype, jnp.floating)]

    def total(values: list[Any]) -> Any:
        given = list(leaves)
        for i, x in zip(moving, values, strict=True):
            given[i] = x
        result = function(jax.tree.unflatten(tree, given))
        arrays = [
            x for x in jax.tree.leaves(result) if jnp.issubdtype(x.dtype, jnp.floating)
        ]
        return sum(jnp.sum(jnp.sin(x)) for x in arrays)

    given = list(leaves)
    for i, x in zip(
        moving, jax.jit(jax.grad(total))([leaves[i] for i in moving]), strict=True
    ):
        given[i] = x
    result = jax.tree.unflatten(tree, given)
    return [
        [np.asarray(b.values), *[np.asarray(g.values) for _, g in b.gradients()]]
        for b in result
    ]
