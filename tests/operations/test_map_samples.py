"""map_samples: any function of one sample, with exact gradients, also for training."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact
from operations.test_second_order import (
    assert_second_order,
    block_of,
    dense,
    first,
    function,
    parameters,
)

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError


class Network(eqx.Module):
    """Two layers on everything that a sample has; static and other parts that are none."""

    inner: jax.Array
    outer: jax.Array
    activation: Callable[..., Any]
    scale: float
    name: str = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        hidden = self.activation(self.inner @ x.ravel())
        return (self.scale * self.outer @ hidden).reshape(-1)

    def square(self, x: Any) -> Any:
        return self(x) ** 2


def network(inputs: int = 4, outputs: int = 1, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    arrays = rng.normal(size=(3, inputs)), rng.normal(size=(outputs, 3))
    return Network(*map(jnp.asarray, arrays), jnp.tanh, 0.5, "energy")


ENERGY = Labels.single()


# Values and gradients -------------------------------------------------------------------


def mixed(x: Any) -> Any:
    return jnp.sin(x) * jnp.sum(x**2)


@share(8)
@given(recipe=recipes())
def test_gradients_of_every_kind_of_map(recipe: Recipe) -> None:
    tensor = random_map(recipe)
    result = assert_exact(lambda t: jm.map_samples(mixed, t), tensor)
    for block, given_block in zip(result, tensor, strict=True):
        expected = [mixed(row) for row in np.asarray(given_block.values)]
        np.testing.assert_allclose(
            block.values, np.reshape(expected, block.shape), rtol=1e-12
        )


def test_other_components_and_properties() -> None:
    recipe = Recipe(rows=(4, 3), components=(2,), properties=3)
    tensor = random_map(recipe)
    q = Labels.range("q", 2)

    def spread(x: Any) -> Any:
        return jnp.outer(jnp.array([1.0, 2.0]), jnp.sqrt(jnp.sum(x**2, axis=0)))

    lengths = assert_exact(lambda t: jm.map_samples(lengths_of, t, components=[]), tensor)
    assert lengths.component_names == []
    assert lengths[0].properties == tensor[0].properties
    wide = assert_exact(lambda t: jm.map_samples(spread, t, components=[q]), tensor)
    assert wide.component_names == ["q"]
    assert wide[0].gradient("positions").components[1] == q
    energy = assert_exact(
        lambda t: jm.map_samples(lambda x: mixed(x).sum(0)[:1], t, ENERGY, []), tensor
    )
    assert [block.shape for block in energy] == [(4, 1), (3, 1)]
    assert energy.info() == tensor.info()
    np.testing.assert_allclose(
        lengths[0].values, np.linalg.norm(tensor[0].values, axis=1), rtol=1e-12
    )


def lengths_of(x: Any) -> Any:
    return jnp.sqrt(jnp.sum(x**2, axis=0))


def test_labels_for_each_block() -> None:
    recipe = Recipe(rows=(4, 3), components=(2,), properties=(2, 3))
    tensor = random_map(recipe)
    properties = [Labels.range("p", 4), Labels.range("p", 6)]
    components = [[Labels.range("q", 1)], [Labels("q", [[7]])]]
    result = assert_exact(
        lambda t: jm.map_samples(lambda x: x.reshape(1, -1), t, properties, components),
        tensor,
    )
    assert [block.properties for block in result] == properties
    assert [block.components for block in result] == components
    single = jm.map_samples(jnp.ravel, tensor[1], properties[1], [])
    np.testing.assert_array_equal(single.values, np.reshape(tensor[1].values, (3, 6)))


def test_blocks_without_samples_and_maps_without_blocks() -> None:
    tensor = random_map(Recipe(rows=(0, 2)))
    result = jm.map_samples(lambda x: x.sum(keepdims=True), tensor, ENERGY)
    assert [block.shape for block in result] == [(0, 1), (2, 1)]
    empty = TensorMap(Labels.empty("k"), [])
    assert jm.map_samples(jnp.sin, empty) == empty
    assert jm.map_samples(jnp.sin, empty, properties=[], components=[]) == empty


def test_derivatives_of_second_order_as_the_hessian() -> None:
    rng = np.random.default_rng(3)
    weights = jnp.asarray(0.3 * rng.normal(size=(4, 4)))

    def layer(x: Any) -> Any:
        return jnp.tanh(weights @ x.ravel()).reshape(2, 2)

    values = function(4)
    block = block_of(values, parameters(), ["positions"], ["positions"])
    assert_second_order(
        lambda t: jm.map_samples(layer, t), jax.vmap(layer), block, of=[values]
    )


# Training -------------------------------------------------------------------------------


def test_training_on_energies_and_forces() -> None:
    """Loss and its derivatives by the parameters as those of the composed function."""
    p = parameters()
    values = function(5)
    descriptor = block_of(values, p, ["positions"], [])

    def loss(model: Network) -> Any:
        result = jm.map_samples(model, descriptor, ENERGY, [])
        forces = result.gradient("positions").values
        return jnp.sum(result.values**2) + jnp.sum(jnp.cos(forces) - 1)

    def by_hand(model: Network) -> Any:
        def energies(positions: Any) -> Any:
            return jax.vmap(model)(values({**p, "positions": positions}))

        forces = jax.jacfwd(energies)(p["positions"])
        return jnp.sum(energies(p["positions"]) ** 2) + jnp.sum(jnp.cos(forces) - 1)

    model = network()
    expected, slopes = eqx.filter_value_and_grad(by_hand)(model)
    for transformed in (lambda f: f, eqx.filter_jit):
        found, gradient = transformed(eqx.filter_value_and_grad(loss))(model)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        np.testing.assert_allclose(gradient.inner, slopes.inner, rtol=1e-9)
        np.testing.assert_allclose(gradient.outer, slopes.outer, rtol=1e-9)


def test_forces_are_those_of_the_energy() -> None:
    values = function(5)
    block = block_of(values, parameters(), ["positions"], [])
    model = network(outputs=4)
    # Four outputs in the shape that the helpers of these blocks know.
    result = jm.map_samples(lambda x: model(x).reshape(2, 2), block)
    expected = first(
        lambda p: jax.vmap(model)(values(p)).reshape(3, 2, 2), parameters(), "positions"
    )
    np.testing.assert_allclose(dense(result, "positions"), expected, atol=1e-12)


def test_under_the_transformations_of_jax() -> None:
    block = random_map(Recipe(rows=(4,)))[0]
    eager = jm.map_samples(jnp.cos, block)

    def step(carry: TensorBlock, _: Any) -> tuple[TensorBlock, None]:
        return jm.map_samples(jnp.cos, carry), None

    scanned, _ = jax.lax.scan(step, block, None, length=1)
    jitted = jax.jit(lambda b: jm.map_samples(jnp.cos, b))(block)
    shapes = jax.eval_shape(lambda b: jm.map_samples(jnp.cos, b), block)
    batch = jax.vmap(lambda b: jm.map_samples(jnp.cos, b))(
        jax.tree.map(lambda leaf: leaf[None], block)
    )
    for other in (scanned, jitted, jax.tree.map(lambda leaf: leaf[0], batch)):
        assert jm.allclose_block(eager, other)
    assert [leaf.shape for leaf in jax.tree.leaves(shapes)] == [
        leaf.shape for leaf in jax.tree.leaves(eager)
    ]


def test_numpy_arrays() -> None:
    block = random_map(Recipe(rows=(4,)))[0]
    expected = jm.map_samples(jnp.cos, block)
    assert jm.allclose_block(jm.map_samples(jnp.cos, block.to(arrays="numpy")), expected)

    def with_factor(factor: Any) -> Any:
        held = functools.partial(jnp.multiply, factor)
        return jm.map_samples(held, block.to(arrays="numpy")).values.sum()

    np.testing.assert_allclose(jax.grad(with_factor)(2.0), np.sum(block.values))


# What is refused ------------------------------------------------------------------------


def small(dtype: Any = jnp.float64, gradient: bool = False) -> TensorMap:
    n = Labels.range("n", 2)
    rows = Labels("sample", [[0]])
    extra = Labels.range("xyz", 3)
    below = TensorBlock(jnp.ones((1, 3, 2), dtype), rows, [extra], n)
    gradients = {"positions": below} if gradient else {}
    block = TensorBlock(jnp.ones((2, 2), dtype), Labels.range("s", 2), [], n, gradients)
    return TensorMap(Labels("k", [[7]]), [block])


def refused(kind: type[Exception], *arguments: Any, **named: Any) -> str:
    with pytest.raises(kind) as raised:
        jm.map_samples(*arguments, **named)
    return str(raised.value)


def test_a_shape_that_does_not_fit_the_labels() -> None:
    assert refused(InvalidError, lambda x: jnp.ones(5), small()) == (
        "map_samples: what the function gives for block (k=7) does not fit the labels.\n"
        "  for a sample of shape (2,) it gives shape (5,)\n"
        "  the labels say (2,): 2 properties ['n']\n"
        "  properties=Labels.range('property', 5) would fit."
    )
    message = refused(InvalidError, jnp.sum, small(), components=[Labels.range("c", 3)])
    assert "gives shape ()\n  the labels say (3, 2): 3 of 'c', 2 properties" in message
    assert message.endswith("an axis for each component, and one for properties.")


def test_another_dtype_and_what_is_no_array() -> None:
    narrow = small()
    assert refused(InvalidTypeError, lambda x: x.astype(jnp.float32), narrow) == (
        "map_samples: what the function gives for block (k=7) has another dtype.\n"
        "  it gives float32; from float64 it must give float64\n"
        "  convert on purpose within the function: .astype(x.dtype)."
    )
    assert "mask(predicate, tensor)" in refused(InvalidTypeError, lambda x: x > 0, narrow)
    message = refused(InvalidTypeError, lambda x: (x, x), narrow)
    assert "must give one array.\n  for a sample of block (k=7) it gives tuple" in message
    counted = jm.map_samples(lambda x: x + 1, small(jnp.int8))
    assert counted.dtype == jnp.int8
    message = refused(InvalidTypeError, lambda x: x, small(jnp.int8, gradient=True))
    assert "map_samples: the values are int8, the derivatives" in message


def test_a_component_that_a_gradient_has_already() -> None:
    axis = Labels.range("xyz", 1)
    message = refused(
        InvalidError, lambda x: x[None], small(gradient=True), components=[axis]
    )
    assert message == (
        "map_samples: two components of block (k=7) would have one name.\n"
        "  the gradient 'positions' has a component 'xyz' already\n"
        "  choose another name for the new component."
    )


WRONG: dict[str, tuple[type[Exception], tuple[Any, ...], str]] = {
    "no function": (InvalidTypeError, (3, small()), "the function must be something"),
    "functions in a list": (InvalidTypeError, ([jnp.sin], small()), "one function is used"),
    "no tensor": (InvalidTypeError, (jnp.sin, 3), "must be a TensorMap or a TensorBlock"),
    "properties by name": (InvalidTypeError, (jnp.sin, small(), 3), "found int"),
    "a name in the list": (InvalidTypeError, (jnp.sin, small(), ["n"]), "found str"),
    "components in no list": (
        InvalidTypeError,
        (jnp.sin, small(), None, ENERGY),
        "the components must be a list of Labels",
    ),
    "too many lists": (
        InvalidError,
        (jnp.sin, small(), [ENERGY, ENERGY]),
        "there are 2 entries and 1 blocks",
    ),
    "a list for a block": (
        InvalidTypeError,
        (jnp.sin, small()[0], [ENERGY]),
        "the properties must be Labels.",
    ),
    "components twice": (
        InvalidError,
        (jnp.sin, small(), None, [Labels.range("c", 1)] * 2),
        "after the components \\['c'\\]",
    ),
    "a component of two dimensions": (
        InvalidError,
        (jnp.sin, small(), None, [Labels(["a", "b"], [[0, 0]])]),
        "one name of its own",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_arguments_of_the_wrong_kind(what: str, wrong_types: None) -> None:
    error, arguments, message = WRONG[what]
    with pytest.raises(error, match=message):
        jm.map_samples(*arguments)


def test_other_names_in_other_blocks() -> None:
    tensor = random_map(Recipe(rows=(1, 2)))
    properties = [Labels.range("p", 2), Labels.range("q", 2)]
    message = refused(InvalidError, jnp.sin, tensor, properties)
    assert message.endswith("same names of properties.\n  found ['p'] and ['q']")
    components = [[Labels.range("p", 2)], [Labels.range("q", 2)]]
    message = refused(InvalidError, jnp.sin, tensor, None, components)
    assert message.endswith("same names of components.\n  found ['p'] and ['q']")


def test_errors_of_the_function_tell_the_block() -> None:
    with pytest.raises(TypeError, match="incompatible shapes") as raised:
        jm.map_samples(lambda x: x + jnp.ones(3), small())
    assert raised.value.__notes__[-1] == (
        "map_samples: raised by the function, for one sample of block (k=7), an array of "
        "shape (2,) and dtype float64"
    )
