"""Elementwise functions: values as numpy has them, derivatives as written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidTypeError, NestedGradientsError
from jaxmeta.testing import dense_gradients


class Known(NamedTuple):
    """A function, and its first and second derivative, in numpy."""

    values: Callable[[Any], Any]
    first: Callable[[Any], Any]
    second: Callable[[Any], Any]


def logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def slope(x: Any) -> Any:
    return logistic(x) * (1 - logistic(x))


def bend(x: Any) -> Any:
    return slope(x) * (1 - 2 * logistic(x))


KNOWN = {
    "exp": Known(np.exp, np.exp, np.exp),
    "expm1": Known(np.expm1, np.exp, np.exp),
    "log": Known(np.log, lambda x: 1 / x, lambda x: -(x**-2.0)),
    "log1p": Known(np.log1p, lambda x: 1 / (1 + x), lambda x: -((1 + x) ** -2.0)),
    "sqrt": Known(np.sqrt, lambda x: 0.5 * x**-0.5, lambda x: -0.25 * x**-1.5),
    "square": Known(np.square, lambda x: 2 * x, lambda x: 2 + 0 * x),
    "sin": Known(np.sin, np.cos, lambda x: -np.sin(x)),
    "cos": Known(np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)),
    "tanh": Known(
        np.tanh,
        lambda x: 1 - np.tanh(x) ** 2,
        lambda x: -2 * np.tanh(x) * (1 - np.tanh(x) ** 2),
    ),
    "sigmoid": Known(logistic, slope, bend),
    "silu": Known(
        lambda x: x * logistic(x),
        lambda x: logistic(x) + x * slope(x),
        lambda x: 2 * slope(x) + x * bend(x),
    ),
    "softplus": Known(lambda x: np.log(1 + np.exp(x)), logistic, slope),
}


PATHS = ["positions", "strain"]
NESTED = [f"{x}/{y}" for x in PATHS for y in PATHS]


@pytest.fixture(scope="module")
def block() -> TensorBlock:
    """Positive values with all gradients of first and second order."""
    recipe = Recipe(rows=(3,), gradients=(*PATHS, *NESTED), numbers="positive")
    return random_map(recipe)[0]


@pytest.mark.parametrize("name", KNOWN)
def test_derivatives_up_to_the_second_order(name: str, block: TensorBlock) -> None:
    known = KNOWN[name]
    result = getattr(jm, name)(block)
    v = np.asarray(block.values)
    np.testing.assert_allclose(result.values, known.values(v), rtol=1e-12)
    given, found = dense_gradients(block), dense_gradients(result)
    zero = [np.zeros_like(v)]
    lengths = {len(directions) for directions in found}
    assert lengths == {1, 2}
    assert set(given) <= set(found)
    for directions, (gradient,) in found.items():
        expected = known.first(v) * given.get(directions, zero)[0]
        if len(directions) == 2:
            x, y = (given.get((one,), zero)[0] for one in directions)
            expected = expected + known.second(v) * x * y
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", KNOWN)
def test_maps_and_blocks_alike(name: str, block: TensorBlock) -> None:
    keys = Labels(["a", "b"], [[3, 1], [-1, 0]])
    tensor = TensorMap(keys, [block, block], {"unit": "eV"})
    result = getattr(jm, name)(tensor)
    assert result == TensorMap(keys, [getattr(jm, name)(block)] * 2, {"unit": "eV"})


@share(16)
@given(recipe=recipes())
def test_gradients_of_every_kind_of_map(recipe: Recipe) -> None:
    assert_exact(lambda t: jm.tanh(jm.exp(t)), random_map(recipe))


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_the_dtype_stays(name: str, dtype: str) -> None:
    tensor = random_map(Recipe(rows=(4,), dtype=dtype))
    tensor = tensor * tensor + 1
    result = getattr(jm, name)(tensor)
    assert {leaf.dtype for leaf in jax.tree.leaves(result)} == {np.dtype(dtype)}
    expected = KNOWN[name].values(np.asarray(tensor[0].values).astype("complex128"))
    np.testing.assert_allclose(result[0].values, expected, rtol=1e-5, atol=1e-6)


def test_gradients_of_complex_values_are_holomorphic() -> None:
    assert_exact(jm.exp, random_map(Recipe(rows=(4,), dtype="complex128")))


def numbers(dtype: Any, gradient: bool = False) -> TensorBlock:
    n = Labels.range("n", 2)
    rows = Labels("sample", [[0]])
    below = {"x": TensorBlock(jnp.ones((1, 2), dtype), rows, [], n)} if gradient else {}
    return TensorBlock(jnp.ones((2, 2), dtype), Labels.range("s", 2), [], n, below)


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "square"])
@pytest.mark.parametrize("dtype", [jnp.int32, jnp.bool_])
def test_integers_and_bools_are_refused(name: str, dtype: Any) -> None:
    tensor = TensorMap(Labels.single(), [numbers(dtype)])
    with pytest.raises(InvalidTypeError) as raised:
        getattr(jm, name)(tensor)
    assert str(raised.value) == (
        f"{name}: the values are {np.dtype(dtype)}, the results would not be.\n"
        "  convert on purpose first: tensor.to(dtype=...)."
    )


def test_squares_of_integers_are_integers() -> None:
    squared = jm.square(numbers(jnp.int8))
    assert squared.dtype == jnp.int8
    with pytest.raises(InvalidTypeError, match="square: the values are bools"):
        jm.square(numbers(jnp.bool_))
    with pytest.raises(InvalidTypeError, match=r"square: .*derivatives"):
        jm.square(numbers(jnp.int8, gradient=True))


def test_precision_near_zero() -> None:
    n, samples = Labels.range("n", 1), Labels.range("s", 1)
    tiny = TensorBlock(jnp.full((1, 1), 1e-20), samples, [], n)
    for name in ("expm1", "log1p"):
        assert float(getattr(jm, name)(tiny).values[0, 0]) == 1e-20
    large = TensorBlock(jnp.full((1, 1), 1e4), samples, [], n)
    for name in ("softplus", "silu"):
        assert float(getattr(jm, name)(large).values[0, 0]) == 1e4


def test_a_third_order_and_a_missing_first_derivative_are_refused() -> None:
    nested = random_map(Recipe(gradients=("positions", "positions/strain")))
    with pytest.raises(NestedGradientsError, match="exp: gradients of gradients need"):
        jm.exp(nested)
    paths = ("positions", "strain", "positions/strain", "positions/strain/strain")
    with pytest.raises(NestedGradientsError, match=r"exp: .* at this depth"):
        jm.exp(random_map(Recipe(gradients=paths, density=1.0)))


def test_what_is_no_map_and_no_block_is_refused(wrong_types: None) -> None:
    with pytest.raises(InvalidTypeError, match=r"exp: .* a TensorMap or a TensorBlock"):
        jm.exp(jnp.ones(3))  # type: ignore[type-var]


def test_maps_without_blocks() -> None:
    empty = TensorMap(Labels.empty("k"), [])
    for name in KNOWN:
        assert getattr(jm, name)(empty) == empty


def test_under_the_transformations_of_jax() -> None:
    block = random_map(Recipe(rows=(4,)))[0]
    jitted = jax.jit(jm.tanh)(block)
    for a, b in zip(jax.tree.leaves(jm.tanh(block)), jax.tree.leaves(jitted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)

    def forces(scale: Any) -> Any:
        scaled = jax.tree.map(lambda leaf: scale * leaf, block)
        return jm.exp(scaled).gradient("positions").values.sum()

    # d/ds of sum(exp(s v) s g) is sum(exp(s v) g (1 + s v)).
    gradient = block.gradient("positions")
    at = np.asarray(block.values)[gradient.samples.column("sample")][:, None]
    expected = (np.exp(at) * np.asarray(gradient.values) * (1 + at)).sum()
    np.testing.assert_allclose(jax.grad(forces)(1.0), expected, rtol=1e-12)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), block)
    batch = jax.vmap(jm.exp)(stacked)
    np.testing.assert_allclose(batch.values[1], np.exp(2 * block.values), rtol=1e-12)
    shapes = jax.eval_shape(jm.cos, block)
    assert shapes.gradient("positions").values.shape == gradient.shape
    last, _ = jax.lax.scan(lambda b, _: (jm.tanh(b), None), block, None, length=2)
    np.testing.assert_allclose(last.values, np.tanh(np.tanh(block.values)), rtol=1e-12)
