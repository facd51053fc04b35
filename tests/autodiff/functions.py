"""Functions of two parameters that give maps, and their derivatives as dense arrays.

The rows of each parameter feed their owners alone: unsorted, some samples without rows, and
some rows that feed no sample of a block.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, with_gradients


NONE = jm.PADDING
# By block: the sample that each row feeds.
OWNERS = {
    "x": [np.array([2, 0, 0, 2, 2]), np.array([0, NONE, 2, 2, 0])],
    "s": [np.array([1, 3, 0, 2]), np.array([NONE, 0, 1, 2])],
}
SHAPES = [(4, 2, 3), (3, 1, 2)]
SIZES = {"x": (5, 3), "s": (4, 2, 2)}
ROWS = {
    "x": Labels(["atom", "image"], [[7, 0], [3, -1], [0, 0], [5, 2], [3, 0]]),
    "s": None,
}
AXES = {
    "x": [Labels.range("xyz", 3)],
    "s": [Labels.range("abc", 2), Labels("ghi", [[4], [2]])],
}
KEYS = Labels("k", [[5], [1]])
PROPERTIES = [Labels.range("n", 3), Labels("n", [[3], [0]])]


def arrays(dtype: Any = np.float64, seed: int = 0) -> dict[str, jax.Array]:
    rng = np.random.default_rng(seed)
    found = {name: rng.normal(size=size).astype(dtype) for name, size in SIZES.items()}
    return {name: jnp.asarray(array) for name, array in found.items()}


def values(number: int, x: Any, s: Any, power: Any = 1.0) -> Any:
    """The values of one block; all second derivatives are there."""
    rng = np.random.default_rng(number + 3)
    samples, *inner = SHAPES[number]
    parts = {}
    for name, array in {"x": x, "s": s}.items():
        weights = jnp.asarray(0.5 * rng.normal(size=(*array.shape[1:], *inner)), x.dtype)
        each = jnp.sin(jnp.tensordot(array, weights, axes=weights.ndim - len(inner)))
        owner = np.where(OWNERS[name][number] == NONE, samples, OWNERS[name][number])
        parts[name] = jax.ops.segment_sum(each, owner, samples)
    return power * (2 + parts["x"]) * (2 + parts["s"]) ** 2


def function(x: Any, s: Any) -> TensorMap:
    return scaled(1.0, x, s)


def scaled(power: Any, x: Any, s: Any) -> TensorMap:
    """The same with one more argument, as the parameters of a model are."""
    blocks = []
    for number, (samples, components, _) in enumerate(SHAPES):
        axes = [Labels.range("system", samples), [Labels.range("c", components)]]
        found = values(number, x, s, power)
        blocks.append(TensorBlock(found, *axes, PROPERTIES[number]))
    return TensorMap(KEYS, blocks, {"unit": "eV"})


def compiled(owners: Any = OWNERS, **options: Any) -> Any:
    """The function with gradients, as a program of the arrays."""
    return jax.jit(lambda at: with_gradients(function, parameters(at, owners), **options))


def parameters(
    at: dict[str, Any], owners: Any = OWNERS, names: Any = ("x", "s")
) -> dict[str, Parameter]:
    return {
        name: Parameter(at[name], ROWS[name], AXES[name], owners[name]) for name in names
    }


@functools.partial(jax.jit, static_argnums=(0, 1))
def jacobian(number: int, name: str, at: dict[str, Any]) -> jax.Array:
    """(samples, rows, *components of the parameter, *inner)."""
    found = jax.jacrev(lambda array: values(number, **{**at, name: array}))(at[name])
    return jnp.moveaxis(found, [1, 2], [-2, -1])


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def hessian(number: int, first: str, second: str, at: dict[str, Any]) -> jax.Array:
    """(samples, rows of the first, rows of the second, *second, *first, *inner)."""

    def of(arrays: dict[str, Any]) -> Any:
        return values(number, **{**at, **arrays})

    found = jax.hessian(of)({first: at[first], second: at[second]})[first][second]
    a, b = (len(SIZES[name]) - 1 for name in (first, second))
    axes = "snp" + "r" + "ij"[:a] + "q" + "kl"[:b]
    return jnp.einsum(f"{axes}->srq{'kl'[:b]}{'ij'[:a]}np", found)


def dense(gradient: TensorBlock, samples: int, name: str) -> np.ndarray:
    """A gradient by one parameter, with zeros for all rows that it does not have."""
    table = np.asarray(gradient.samples.values)
    found = np.zeros((samples, SIZES[name][0], *gradient.shape[1:]), gradient.dtype)
    for row, array in zip(table.tolist(), np.asarray(gradient.values), strict=True):
        if row[0] != NONE:
            found[row[0], _row_of(name, row[1:], row[0], samples)] += array
        else:
            assert set(row) == {NONE}
            assert not array.any()
    return found


def _row_of(name: str, label: list[int], sample: int, samples: int) -> int:
    """The row of a parameter with a label; without labels, the one that the sample owns."""
    labels = ROWS[name]
    if labels is not None:
        position = labels.position(label)
        assert position is not None
        return position
    number = [shape[0] for shape in SHAPES].index(samples)
    return OWNERS[name][number].tolist().index(sample)


def assert_gradients(tensor: TensorMap, at: dict[str, Any], rtol: float = 1e-10) -> None:
    """Values, labels and gradients are those of the function of the arrays."""
    bare = jm.remove_gradients(tensor)
    jm.allclose_raise(bare, jax.jit(function)(**at), rtol=rtol, atol=rtol)
    assert tensor.info() == {"unit": "eV"}
    for number, block in enumerate(tensor):
        for name, gradient in block.gradients():
            assert gradient.components == [*AXES[name], *block.components]
            assert gradient.samples.names == [
                "sample",
                *(ROWS[name] or Labels.empty("")).names,
            ]
            found = dense(gradient, SHAPES[number][0], name)
            expected = jacobian(number, name, at)
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=10 * rtol)
