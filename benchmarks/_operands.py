"""What the operations of `_cases.py` work on, made of two maps with the same labels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap


Maps = tuple[TensorMap, ...]


def one(a: TensorMap, b: TensorMap) -> Maps:
    """The first map."""
    return (a,)


def two(a: TensorMap, b: TensorMap) -> Maps:
    """Both maps."""
    return a, b


def positive(a: TensorMap, b: TensorMap) -> Maps:
    """The first map with positive values, gradients as they are."""
    blocks = [block.with_values(jnp.abs(block.values)) for block in a]
    return (TensorMap(a.keys, blocks, a.info()),)


def with_constant(a: TensorMap, b: TensorMap) -> Maps:
    """The first map, and one that it can be dotted with, without gradients."""
    return a, references(a, gradients=False)


def with_reference(a: TensorMap, b: TensorMap) -> Maps:
    """The first map, and one with gradients that it can be dotted with."""
    return a, references(a, gradients=True)


def references(tensor: TensorMap, gradients: bool) -> TensorMap:
    """Three samples with the properties of each block; not every one has gradient rows."""
    rng = np.random.default_rng(1)
    blocks = []
    for block in tensor:
        size = len(block.properties)
        own = TensorBlock(
            jnp.asarray(rng.uniform(0.5, 2.0, (3, size)), tensor.dtype),
            Labels("target", [[4], [0], [-1]]),
            [],
            block.properties,
        )
        for name, gradient in block.gradients() if gradients else ():
            extra = gradient.components[: -len(block.components) or None]
            names = gradient.samples.names
            rows = np.zeros((2, len(names)), np.int32)
            rows[:, 0] = [2, 0]
            shape = (2, *map(len, extra), size)
            values = jnp.asarray(rng.uniform(0.5, 2.0, shape), tensor.dtype)
            below = TensorBlock(values, Labels(names, rows), extra, block.properties)
            own = own.with_gradient(name, below)
        blocks.append(own)
    return TensorMap(tensor.keys, blocks)


def with_targets(a: TensorMap, b: TensorMap) -> Maps:
    """Two maps with the same gradient rows, to fit one by the other."""
    rng = np.random.default_rng(2)
    other = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), a)
    return a, other


def squares(a: TensorMap, b: TensorMap) -> Maps:
    """Square systems that are well behaved."""
    blocks = []
    for block in a:
        rows = Labels.range("row", len(block.properties))
        size = len(rows)
        spread = jnp.linspace(0.1, 0.9, size * size, dtype=a.dtype).reshape(size, size)
        values = spread + 2 * jnp.eye(size, dtype=a.dtype)
        blocks.append(TensorBlock(values, rows, [], block.properties))
    left = TensorMap(a.keys, blocks)
    return left, left * left


def masked(a: TensorMap, b: TensorMap) -> Maps:
    """A map of bools, and both maps."""
    plain = jm.remove_gradients(a)
    return jax.tree.map(lambda x: x > 0, plain), a, b
