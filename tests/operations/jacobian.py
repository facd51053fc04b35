"""Explicit gradients against the whole Jacobian of an operation.

A gradient block stores, for each of its rows and extra components, the derivative of one
sample in some *direction*: the parameter, the labels of the row other than ``sample``,
and the extra component. All rows of a map with the same direction are one tangent of all
its values. An operation carries gradients exactly if each tangent of its result is the
Jacobian of the operation times the same tangent of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta import TensorBlock, TensorMap, remove_gradients


Direction = tuple[Any, ...]


def assert_exact(operation: Callable[..., TensorMap], *tensors: TensorMap) -> TensorMap:
    """Check all gradients of ``operation(*tensors)``, nested ones too; gives the result."""
    result = operation(*tensors)
    given = tangents(tensors)
    found = tangents([result])
    jacobian = _jacobian(operation, tensors)
    for direction in {**given, **found}:
        tangent = given.get(direction, np.zeros(jacobian.shape[1]))
        actual = found.get(direction, np.zeros(jacobian.shape[0]))
        np.testing.assert_allclose(
            actual, jacobian @ tangent, rtol=1e-10, atol=1e-10, err_msg=str(direction)
        )
    return result


def _jacobian(
    operation: Callable[..., TensorMap], tensors: Sequence[TensorMap]
) -> np.ndarray:
    bare = [remove_gradients(tensor) for tensor in tensors]
    leaves, tree = jax.tree.flatten(bare)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1].tolist()
    shapes = [leaf.shape for leaf in leaves]

    def values(flat: Any) -> Any:
        parts = [
            part.reshape(shape)
            for part, shape in zip(jnp.split(flat, ends), shapes, strict=True)
        ]
        result = operation(*jax.tree.unflatten(tree, parts))
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(result)])

    flat = jnp.concatenate([leaf.ravel() for leaf in leaves])
    return np.asarray(jax.jit(jax.jacfwd(values))(flat))


def tangents(tensors: Sequence[TensorMap]) -> Mapping[Direction, np.ndarray]:
    """The tangents of all values of some maps, laid end to end, by direction."""
    blocks = [block for tensor in tensors for block in tensor]
    size = sum(block.values.size for block in blocks)
    found: dict[Direction, np.ndarray] = {}
    start = 0
    for block in blocks:
        rows: list[tuple[int, Direction]] = [(i, ()) for i in range(len(block))]
        for direction, row, values in _below(block, rows, len(block.components)):
            first = start + row * values.size
            tangent = found.setdefault(direction, np.zeros(size))
            tangent[first : first + values.size] += values.ravel()
        start += block.values.size
    return found


def _below(
    block: TensorBlock, rows: Sequence[tuple[int, Direction]], components: int
) -> Iterator[tuple[Direction, int, np.ndarray]]:
    """Direction, row of the outermost values and tangent of that row, for each gradient."""
    for name, gradient in block.gradients():
        table = np.asarray(gradient.samples.values).tolist()
        reached = [
            (rows[parent][0], (*rows[parent][1], (name, *others)))
            for parent, *others in table
        ]
        # The extra components of a gradient of a gradient are those of both.
        extra = len(gradient.components) - components
        for (row, direction), values in zip(
            reached, np.asarray(gradient.values), strict=True
        ):
            for component in np.ndindex(values.shape[:extra]):
                yield (*direction, component), row, values[component]
        yield from _below(gradient, reached, components)
