"""Gradients of gradients of functions that are not linear, against jax.hessian.

The maps are made of functions of two parameters: values, first derivatives and second
derivatives by JAX. What an operation makes of the blocks must be what JAX makes of the
operation after the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import NestedGradientsError


SAMPLES = Labels(["system", "atom"], [[3, 1], [0, -1], [0, 4]])
COMPONENTS = [Labels("m", [[-1], [1]])]
PROPERTIES = Labels("n", [[4], [2]])
SHAPE = (3, 2, 2)

# Rows (atoms, or one for all) and axes of each parameter.
PARAMETERS = {"positions": (2, 3), "strain": (1, 2)}

Parameters = dict[str, Any]
Values = Callable[[Parameters], Any]


def parameters() -> Parameters:
    rng = np.random.default_rng(11)
    return {name: jnp.asarray(rng.normal(size=s)) for name, s in PARAMETERS.items()}


def function(seed: int) -> Values:
    """Values around two; many of them do not depend on every row of the parameters."""
    rng = np.random.default_rng(seed)
    some = {name: rng.random((3, 1, 1, rows, 1)) < 0.7 for name, (rows, _) in _items()}
    weights = {
        name: 0.4 * rng.normal(size=(*SHAPE, *size)) * some[name] for name, size in _items()
    }

    def values(p: Parameters) -> Any:
        phases = [jnp.einsum("snprx,rx->snp", weights[n], p[n]) for n in sorted(p)]
        return 2 + jnp.sin(sum(phases) + 0.3) * jnp.cos(phases[0])

    return values


def _items() -> Any:
    return PARAMETERS.items()


def block_of(values: Values, p: Parameters, names: Any, second: Any) -> TensorBlock:
    """The block of a function: its gradients, and those of its gradients in `second`."""
    gradients = {x: _first(values, p, x, second) for x in names}
    return TensorBlock(values(p), SAMPLES, COMPONENTS, PROPERTIES, gradients)


def first(values: Values, p: Parameters, x: str) -> np.ndarray:
    """(samples, rows of x, axes of x, components, properties)."""
    return np.einsum("snprx->srxnp", jax.jacfwd(values)(p)[x])


def second(values: Values, p: Parameters, x: str, y: str) -> np.ndarray:
    """(samples, rows of x, rows of y, axes of y, axes of x, components, properties)."""
    return np.einsum("snprxqy->srqyxnp", jax.hessian(values)(p)[x][y])


def _first(values: Values, p: Parameters, x: str, nested: Any) -> TensorBlock:
    dense = first(values, p, x)
    labels, kept = _kept(dense.reshape(-1, *dense.shape[2:]), PARAMETERS[x][0], 1)
    gradients = {}
    for y in nested:
        both = second(values, p, x, y)
        both = both.reshape(-1, *both.shape[2:])[kept]
        flat = both.reshape(-1, *both.shape[2:])
        rows, chosen = _kept(flat, PARAMETERS[y][0], 2)
        axes = [Labels.range(f"{y}_b", PARAMETERS[y][1]), Labels.range(x, PARAMETERS[x][1])]
        gradients[y] = TensorBlock(
            jnp.asarray(flat[chosen]), rows, [*axes, *COMPONENTS], PROPERTIES
        )
    axis = Labels.range(x, PARAMETERS[x][1])
    array = jnp.asarray(dense.reshape(-1, *dense.shape[2:])[kept])
    return TensorBlock(array, labels, [axis, *COMPONENTS], PROPERTIES, gradients)


def _kept(rows: np.ndarray, count: int, seed: int) -> tuple[Labels, np.ndarray]:
    """Labels of the rows that are not zero, in any order, and which they are."""
    kept = np.flatnonzero(np.abs(rows).max(axis=tuple(range(1, rows.ndim))) > 0)
    kept = np.random.default_rng(seed).permutation(kept)
    table = np.stack([kept // count, kept % count], axis=1)
    return (Labels(["sample", "atom"], table), kept)


def dense(block: TensorBlock, *path: str) -> np.ndarray:
    """The gradient along a path, with all rows, as `first` and `second` have it."""
    gradient = block.gradient(path[0])
    rows = PARAMETERS[path[0]][0]
    table = gradient.samples.values
    found = np.zeros((len(block), rows, *gradient.shape[1:]))
    found[table[:, 0], table[:, 1]] = gradient.values
    if len(path) == 1:
        return found
    below = gradient.gradient(path[1])
    inner = np.zeros((len(block), rows, PARAMETERS[path[1]][0], *below.shape[1:]))
    at = table[below.samples.values[:, 0]]
    inner[at[:, 0], at[:, 1], below.samples.values[:, 1]] = below.values
    return inner


def assert_second_order(
    operation: Callable[..., TensorMap],
    plain: Callable[..., Any],
    *blocks: TensorBlock,
    of: list[Values],
) -> None:
    p = parameters()
    keys = Labels.single()
    result = operation(*[TensorMap(keys, [block]) for block in blocks])[0]

    def composed(p: Parameters) -> Any:
        return plain(*[values(p) for values in of])

    np.testing.assert_allclose(result.values, composed(p), rtol=1e-12)
    for x, gradient in result.gradients():
        np.testing.assert_allclose(dense(result, x), first(composed, p, x), atol=1e-12)
        for y in gradient.gradients_list():
            expected = second(composed, p, x, y)
            np.testing.assert_allclose(dense(result, x, y), expected, atol=1e-11)
    assert len(blocks[0].gradients_list()) <= len(result.gradients_list())
    for x in result.gradients_list():
        nested = [b.gradient(x).gradients_list() for b in blocks if b.has_gradient(x)]
        assert result.gradient(x).gradients_list() == sorted(set().union(*nested))


ONE = {
    "pow": (lambda a: a**3, lambda a: a**3),
    "pow of a fraction": (lambda a: jm.pow(a, 0.5), jnp.sqrt),
    "reciprocal": (lambda a: 2 / a, lambda a: 2 / a),
    "abs": (lambda a: jm.abs(-1.0 * a), jnp.abs),
    "multiply by a number": (lambda a: 3 * a, lambda a: 3 * a),
    "a product of itself": (lambda a: a * a, jnp.square),
}
TWO = {
    "multiply": (jm.multiply, jnp.multiply),
    "divide": (jm.divide, jnp.divide),
    "add": (jm.add, jnp.add),
    "subtract": (jm.subtract, jnp.subtract),
}
BOTH = ["positions", "strain"]


@pytest.mark.parametrize(("operation", "plain"), ONE.values(), ids=ONE)
def test_functions_of_one_map(operation: Any, plain: Any) -> None:
    values = function(1)
    block = block_of(values, parameters(), BOTH, BOTH)
    assert_second_order(operation, plain, block, of=[values])


@pytest.mark.parametrize(("operation", "plain"), TWO.values(), ids=TWO)
def test_functions_of_two_maps(operation: Any, plain: Any) -> None:
    values = [function(2), function(3)]
    blocks = [block_of(v, parameters(), BOTH, BOTH) for v in values]
    assert_second_order(operation, plain, *blocks, of=values)


@pytest.mark.parametrize("constant", [0, 1])
@pytest.mark.parametrize(("operation", "plain"), TWO.values(), ids=TWO)
def test_one_of_two_maps_is_constant(operation: Any, plain: Any, constant: int) -> None:
    p = parameters()
    values = [function(2), function(3)]
    fixed = values[constant](p)
    values[constant] = lambda _: fixed
    blocks = [
        block_of(v, p, [] if i == constant else BOTH, BOTH) for i, v in enumerate(values)
    ]
    assert_second_order(operation, plain, *blocks, of=values)


@pytest.mark.parametrize(("operation", "plain"), TWO.values(), ids=TWO)
def test_each_of_two_maps_depends_on_another_parameter(operation: Any, plain: Any) -> None:
    p = parameters()
    full = [function(2), function(3)]
    values: list[Values] = [
        lambda q: full[0]({**p, "positions": q["positions"]}),
        lambda q: full[1]({**p, "strain": q["strain"]}),
    ]
    blocks = [
        block_of(values[0], p, ["positions"], BOTH),
        block_of(values[1], p, ["strain"], BOTH),
    ]
    # The left one names its zero gradient by strain, so that the mixed one has a place.
    zero = block_of(values[0], p, ["strain"], []).gradient("strain")
    blocks[0] = blocks[0].with_gradient("strain", zero)
    zero = block_of(values[1], p, ["positions"], BOTH).gradient("positions")
    blocks[1] = blocks[1].with_gradient("positions", zero)
    assert_second_order(operation, plain, *blocks, of=values)


def test_the_result_is_the_same_under_jit_and_has_derivatives() -> None:
    values = function(2)
    block = block_of(values, parameters(), BOTH, BOTH)
    tensor = TensorMap(Labels.single(), [block])
    expected = tensor * tensor
    for a, b in zip(
        jax.tree.leaves(jax.jit(jm.multiply)(tensor, tensor)),
        jax.tree.leaves(expected),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12)

    def total(t: TensorMap) -> Any:
        return sum(jnp.sum(x) for x in jax.tree.leaves(t**3))

    slopes = jax.jit(jax.grad(total))(tensor)
    assert jax.tree.structure(slopes) == jax.tree.structure(tensor)


def test_gradients_of_gradients_need_the_gradient_of_the_values() -> None:
    block = block_of(function(2), parameters(), ["positions"], ["strain"])
    tensor = TensorMap(Labels("k", [[7]]), [block])
    with pytest.raises(NestedGradientsError) as raised:
        _ = tensor * tensor
    assert str(raised.value) == (
        "multiply: gradients of gradients need those of the values too.\n"
        "  there is the gradient 'strain' of gradient 'positions' of block (k=7), but no "
        "gradient 'strain' of the values of block (k=7)\n"
        "  give the values a gradient 'strain' too (without rows, if it is zero), or drop "
        "gradients by remove_gradients()."
    )


def test_both_gradients_by_a_parameter_need_the_same_labels() -> None:
    block = block_of(function(2), parameters(), BOTH, ["strain"])
    other = block.gradient("strain")
    renamed = Labels(["sample", "center"], other.samples.values)
    gradient = TensorBlock(other.values, renamed, other.components, other.properties)
    tensor = TensorMap(Labels.single(), [block.with_gradient("strain", gradient)])
    with pytest.raises(NestedGradientsError, match=r"sample names \['center'\]"):
        _ = tensor**2


def test_a_third_order_is_refused_where_it_would_not_be_exact() -> None:
    block = block_of(function(2), parameters(), BOTH, ["strain"])
    by_x = block.gradient("positions")
    by_y = by_x.gradient("strain")
    third = TensorBlock(
        jnp.ones((1, 2, *by_y.shape[1:])),
        Labels(["sample", "atom"], [[0, 0]]),
        [Labels.range("strain_c", 2), *by_y.components],
        PROPERTIES,
    )
    by_x = by_x.with_gradient("strain", by_y.with_gradient("strain", third))
    tensor = TensorMap(Labels.single(), [block.with_gradient("positions", by_x)])
    with pytest.raises(NestedGradientsError, match="at this depth"):
        _ = tensor**2
    assert (2 * tensor)[0].gradient("positions").gradient("strain").has_gradient("strain")
