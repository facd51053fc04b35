"""Every operation gives the same under every transformation of JAX."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operations.examples import Recipe, random_map, with_other_numbers, with_other_values

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.core import _plans


RECIPE = Recipe(rows=(4, 1), gradients=("positions",), components=(3,))
RIGHT = Labels("target", [[0], [1], [2]])


def _maps(dtype: Any) -> tuple[TensorMap, TensorMap]:
    """Two maps with the same labels but for the gradient rows."""
    recipe = dataclasses.replace(RECIPE, dtype=dtype)
    left = random_map(recipe)
    return left, with_other_values(left, recipe)


def _right(tensor: TensorMap) -> TensorMap:
    """A constant right side for `dot`."""
    blocks = [
        TensorBlock(jnp.ones((3, 2), tensor.dtype), RIGHT, [], block.properties)
        for block in tensor
    ]
    return TensorMap(tensor.keys, blocks)


def _fit(a: TensorMap, b: TensorMap) -> TensorMap:
    # The first map is of full rank with its own rows as targets.
    return jm.lstsq(a, with_other_numbers(a, 3), rcond=1e-3)


def _solve(a: TensorMap, b: TensorMap) -> TensorMap:
    def square(block: TensorBlock) -> TensorBlock:
        values = block.values[:1, :2].reshape(2, 2)
        two = Labels.range("two", 2)
        return TensorBlock(values, two, [], block.properties)

    X = TensorMap(a.keys, [square(block) for block in jm.remove_gradients(a)])
    return jm.solve(X, jm.multiply(X, X))


OPERATIONS: dict[str, Callable[[TensorMap, TensorMap], TensorMap]] = {
    "add": jm.add,
    "subtract": jm.subtract,
    "multiply": jm.multiply,
    "divide": jm.divide,
    "a * 2": lambda a, b: a * 2,
    "3 - a": lambda a, b: 3 - a,
    "2 / a": lambda a, b: 2 / a,
    "-a": lambda a, b: -a,
    "a ** 3": lambda a, b: a**3,
    "a @ b": lambda a, b: a @ _right(a),
    "sum_over_samples": lambda a, b: jm.sum_over_samples(a, "atom"),
    "mean_over_samples": lambda a, b: jm.mean_over_samples(a, "system"),
    "slice samples": lambda a, b: jm.slice(a, "samples", Labels("atom", [[1], [0]])),
    "slice properties": lambda a, b: jm.slice(a, "properties", [1]),
    "join samples": lambda a, b: jm.join([a, b], "samples", add_dimension="part"),
    "join properties": lambda a, b: jm.join([a, b], "properties", add_dimension="part"),
    "keys_to_properties": lambda a, b: _alike(a).keys_to_properties("center"),
    "keys_to_samples": lambda a, b: _alike(a).keys_to_samples("center"),
    "components": lambda a, b: a.components_to_properties("component_0"),
    "remove_gradients": lambda a, b: jm.remove_gradients(a),
    "lstsq": _fit,
    "solve": _solve,
}


def _alike(tensor: TensorMap) -> TensorMap:
    """Components that agree between the blocks, so that blocks can become one."""
    return jm.join([tensor], "samples", add_dimension="part").components_to_properties(
        "component_0"
    )


def _same(actual: Any, expected: Any, digits: float = 1e-11) -> None:
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=digits, atol=digits)


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest) -> Callable[..., TensorMap]:
    return OPERATIONS[request.param]


def test_every_transformation(
    operation: Callable[..., TensorMap], monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = _maps(np.float64)
    expected = operation(*maps)
    with monkeypatch.context() as patch:
        patch.setattr(_plans, "CALLS_BEFORE_FUSING", 0)
        _same(operation(*maps), expected)
    _same(jax.jit(operation)(*maps), expected)
    _check_shapes(operation, maps, expected)
    _check_derivatives(operation, maps, expected)
    _check_batches(operation, maps)


def _check_shapes(operation: Any, maps: Any, expected: TensorMap) -> None:
    shapes = jax.eval_shape(operation, *maps)
    assert jax.tree.structure(shapes) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(shapes), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)


def _check_derivatives(operation: Any, maps: Any, expected: TensorMap) -> None:
    """Through values and through gradient blocks: forward, backward, differences."""
    tangents = tuple(with_other_numbers(tensor, 7) for tensor in maps)

    @jax.jit
    def all_at_once(maps: Any, tangents: Any) -> Any:
        result, tangent = jax.jvp(operation, maps, tangents)
        back = jax.tree.map(jnp.cos, result)
        cotangents = jax.vjp(operation, *maps)[1](back)
        step = 1e-6
        ahead = operation(*_moved(maps, tangents, step))
        behind = operation(*_moved(maps, tangents, -step))
        slope = jax.tree.map(lambda p, m: (p - m) / (2 * step), ahead, behind)
        return result, tangent, slope, _inner(back, tangent), _inner(cotangents, tangents)

    result, tangent, slope, forward, backward = all_at_once(maps, tangents)
    _same(result, expected)
    _same(tangent, slope, digits=1e-6)
    assert float(forward) == pytest.approx(float(backward), rel=1e-9, abs=1e-9)


def _moved(maps: Any, tangents: Any, step: float) -> Any:
    return jax.tree.map(lambda x, t: x + step * t, maps, tangents)


def _inner(left: Any, right: Any) -> Any:
    products = jax.tree.map(jnp.vdot, left, right)
    return sum(jax.tree.leaves(products), start=jnp.zeros(()))


def _check_batches(operation: Any, maps: Any) -> None:
    """Maps stacked along a new leading axis: by vmap, and one by one in a scan."""
    several = [maps, tuple(with_other_numbers(tensor, 9) for tensor in maps)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)

    @jax.jit
    def both(stacked: Any) -> Any:
        mapped = jax.vmap(operation)(*stacked)
        scanned = jax.lax.scan(lambda carry, m: (carry, operation(*m)), 0, stacked)[1]
        return mapped, scanned

    one_by_one = [operation(*each) for each in several]
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *one_by_one)
    for result in both(stacked):
        _same(result, expected, digits=1e-9)


def test_single_precision_stays_single(operation: Callable[..., TensorMap]) -> None:
    single = operation(*_maps(np.float32))
    double = operation(*_maps(np.float64))
    for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


def test_one_traced_operand_is_enough_to_be_traced() -> None:
    left, right = _maps(np.float64)
    jitted = jax.jit(lambda a: jm.multiply(left, a))
    _same(jitted(right), jm.multiply(left, right))
