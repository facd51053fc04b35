"""grad and value_and_grad: as JAX's, by the floating point arrays alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, PrecisionError
from jaxmeta.testing import Recipe, random_map


class Model(eqx.Module):
    """Arrays, and everything else that modules hold."""

    weights: jax.Array
    counts: jax.Array
    activation: Callable[..., Any]
    scale: float
    bias: np.ndarray | None = None
    name: str = eqx.field(static=True, default="model")

    def __call__(self, x: Any) -> Any:
        hidden = self.activation(self.weights * x) + jnp.sum(self.counts.astype(x.dtype))
        return self.scale * hidden + (0.0 if self.bias is None else self.bias)


def model() -> Model:
    return Model(jnp.array([1.0, 2.0]), jnp.array([3, 4]), jnp.tanh, 0.5, np.array([0.1]))


def square(tensor: TensorMap) -> Any:
    return sum(jnp.sum(leaf**2) for leaf in floats(tensor))


def floats(tree: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves(tree) if leaf.dtype == np.float64]


# Trees ----------------------------------------------------------------------------------


def test_of_a_map_is_a_map() -> None:
    tensor = random_map(Recipe(gradients=("positions", "positions/strain")))
    gradient = jm.grad(square)(tensor)
    assert jm.equal(gradient, 2 * tensor)
    of_block = jm.grad(lambda block: jnp.sum(block.values**2))(tensor[0])
    np.testing.assert_allclose(of_block.values, 2 * tensor[0].values)
    assert not np.asarray(of_block.gradient("positions").values).any()


def test_labels_of_dynamic_samples_are_constants() -> None:
    tensor = random_map(Recipe(rows=(3,)))
    padded = jm.pad(tensor, {"samples": 5, "positions": 9})
    gradient = jm.grad(square)(padded)
    assert gradient[0].samples.values is None
    assert gradient[0].gradient("positions").samples.values is None
    np.testing.assert_array_equal(gradient[0].values, 2 * padded[0].values)
    stepped = eqx.apply_updates(padded, jax.tree.map(lambda x: -0.5 * x, gradient))
    assert isinstance(stepped[0].samples, DynamicLabels)
    assert not np.asarray(stepped[0].values).any()
    assert jm.unpad(stepped)[0].samples == tensor[0].samples


def test_of_a_module_is_none_beside_the_arrays() -> None:
    x = jnp.array([0.3, -0.2])
    gradient = jm.grad(lambda m, x: jnp.sum(m(x)))(model(), x)
    assert isinstance(gradient, Model)
    assert (gradient.counts, gradient.activation, gradient.scale) == (None, None, None)
    np.testing.assert_allclose(
        gradient.weights, 0.5 * x / jnp.cosh(model().weights * x) ** 2, rtol=1e-12
    )
    np.testing.assert_allclose(gradient.bias, [2.0])
    same = eqx.filter_grad(lambda m: jnp.sum(m(x)))(model())
    assert eqx.tree_equal(gradient, same)


def test_training_with_optax_and_with_equinox() -> None:
    optimizer = optax.sgd(0.1)
    current = model()
    state = optimizer.init(eqx.filter(current, eqx.is_inexact_array))
    x = jnp.array([0.3, -0.2])

    @eqx.filter_jit
    def step(current: Model, state: Any) -> Any:
        value, gradient = jm.value_and_grad(lambda m: jnp.sum(m(x) ** 2))(current)
        updates, state = optimizer.update(gradient, state)
        return value, eqx.apply_updates(current, updates), state

    losses = []
    for _ in range(3):
        value, current, state = step(current, state)
        losses.append(float(value))
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


def test_several_arguments_and_keywords() -> None:
    def product(x: Any, label: str, y: Any, *, power: Any = 1) -> Any:
        assert label == "any"
        return jnp.sum(x * y**power)

    x, y = jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])
    found = jm.grad(product, (2, 0))(x, "any", y, power=2)
    np.testing.assert_allclose(found[0], 2 * x * y)
    np.testing.assert_allclose(found[1], y**2)
    np.testing.assert_allclose(jm.grad(product, -1)(x, "any", y), x)
    (one,) = jm.grad(product, [0])(x, "any", y)
    np.testing.assert_allclose(one, y)
    assert jm.grad(product).__name__ == "product"


def test_more_than_the_number() -> None:
    def loss(x: Any) -> Any:
        return jnp.sum(x**2), {"x": x, "note": "text", "f": jnp.sin, "n": 3}

    x = jnp.array([1.0, 2.0])
    gradient, aux = jm.grad(loss, has_aux=True)(x)
    np.testing.assert_allclose(gradient, 2 * x)
    assert (aux["note"], aux["f"], aux["n"]) == ("text", jnp.sin, 3)
    (value, aux), gradient = jm.value_and_grad(loss, has_aux=True)(x)
    assert float(value) == 5.0
    np.testing.assert_array_equal(aux["x"], x)
    (_, nothing), _ = jm.value_and_grad(lambda x: (x, None), has_aux=True)(1.0)
    assert nothing is None


def test_numbers_of_python_and_numpy() -> None:
    slope = jm.grad(lambda x: x**2)(3.0)
    assert isinstance(slope, jax.Array)
    assert float(slope) == 6.0
    assert float(jm.grad(lambda x: x**2)(np.float64(3.0))) == 6.0
    found = jm.grad(lambda x: jnp.sum(x["a"] ** 2))({"a": np.array([1.0]), "b": 2.0})
    np.testing.assert_array_equal(found["a"], [2.0])
    assert found["b"] is None
    assert float(jm.value_and_grad(lambda x: 2.5)(jnp.ones(()))[0]) == 2.5


def test_holomorphic_functions() -> None:
    z = jnp.array(1.0 + 2.0j)
    gradient = jm.grad(lambda z: z**3, holomorphic=True)(z)
    np.testing.assert_allclose(gradient, 3 * z**2)
    assert complex(jm.grad(lambda z: z**2, holomorphic=True)(1j)) == 2j


def test_under_transformations() -> None:
    tensor = random_map(Recipe(rows=(3,), gradients=()))

    def energy(tensor: TensorMap, scale: Any) -> Any:
        return scale * jnp.sum(tensor[0].values ** 3)

    compiled = jax.jit(jm.grad(energy))(tensor, 2.0)
    np.testing.assert_allclose(compiled[0].values, 6 * tensor[0].values ** 2, rtol=1e-12)
    batch = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), tensor)
    mapped = jax.vmap(jm.grad(energy), in_axes=(0, None))(batch, 1.0)
    np.testing.assert_allclose(mapped[0].values, 3 * batch[0].values ** 2, rtol=1e-12)
    twice = jm.grad(lambda t: jnp.sum(jm.grad(energy)(t, 1.0)[0].values))(tensor)
    np.testing.assert_allclose(twice[0].values, 6 * tensor[0].values, rtol=1e-12)


def test_the_program_is_that_of_jax() -> None:
    def loss(x: Any) -> Any:
        return jnp.sum(jnp.sin(x) ** 2)

    x = jnp.arange(3.0)
    ours, theirs = (
        jax.jit(f).lower(x).as_text().replace("gradient", "").replace("loss", "")
        for f in (jm.grad(loss), jax.grad(loss))
    )
    assert ours == theirs


# What can not be ------------------------------------------------------------------------


def test_nothing_to_differentiate_by() -> None:
    def loss(scale: Any, tensor: Any) -> Any:
        return scale

    labels = DynamicLabels.from_labels(Labels.range("s", 2))
    words = r"argument 1 \(tensor\) has nothing to differentiate by.*\n.*: int32"
    with pytest.raises(InvalidError, match=words):
        jm.grad(loss, (0, 1))(1.0, labels)
    with pytest.raises(InvalidError, match=r"argument 0 .*\n.*it has no leaves"):
        jm.value_and_grad(lambda *x: x[0])(None)
    with pytest.raises(InvalidError, match=r"grad: argument 0 \(x\).*\n.*: int, str"):
        jm.grad(lambda x: 1.0)([1, "a", 2])
    with pytest.raises(InvalidError, match="argument 0 has nothing"):
        jm.grad(max)(3)


def test_complex_numbers_need_holomorphic_functions() -> None:
    tree = {"a": jnp.ones(2), "b": jnp.ones(2, complex)}
    words = r"argument 0 \(t\)\['b'\] must be an array of real numbers.*\n.*complex128"
    with pytest.raises(InvalidTypeError, match=words):
        jm.grad(lambda t: jnp.sum(t["a"]))(tree)
    words = r"argument 0 \(t\)\['a'\] must be a complex array.*\n.*float64"
    with pytest.raises(InvalidTypeError, match=words):
        jm.grad(lambda t: jnp.sum(t["b"]), holomorphic=True)(tree)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (jnp.ones(2), r"one real, floating point number.*\n.*float64 of shape \(2,\)"),
        (jnp.array(1), r"number.*\n.*int64 of shape \(\)"),
        (jnp.array(1j), r"number.*\n.*complex128"),
        ({"a": 1.0}, r"number.*\n.*it gives dict"),
        (1, r"number.*\n.*it gives int"),
        (random_map(Recipe()), r"number.*\n.*it gives TensorMap"),
    ],
)
def test_functions_that_give_no_number(given: Any, words: str) -> None:
    with pytest.raises(InvalidTypeError, match=words):
        jm.grad(lambda x: given)(1.0)


def test_functions_that_give_no_pair() -> None:
    with pytest.raises(InvalidTypeError, match=r"must give a pair\.\n  it gives float"):
        jm.grad(lambda x: 1.0, has_aux=True)(1.0)
    with pytest.raises(InvalidTypeError, match=r"complex number\.\n  it gives float64"):
        jm.grad(lambda z: jnp.abs(z), holomorphic=True)(1j)


def test_positions_that_are_none() -> None:
    with pytest.raises(InvalidError, match=r"no positional argument 1\.\n.*with 1 of"):
        jm.grad(lambda x, y: x * y, 1)(1.0, y=2.0)
    with pytest.raises(InvalidError, match="no positional argument -2"):
        jm.value_and_grad(lambda x: x, -2)(1.0)
    with pytest.raises(InvalidError, match="chooses no argument"):
        jm.grad(lambda x: x, ())


@pytest.mark.usefixtures("wrong_types")
def test_arguments_of_wrong_types() -> None:
    with pytest.raises(InvalidTypeError, match=r"must be a function.\n.*found int"):
        jm.grad(3)  # type: ignore[arg-type]
    for wrong in ("x", 1.5, True, (0, "x"), None):
        with pytest.raises(InvalidTypeError, match="argnums must be an integer"):
            jm.grad(lambda x: x, wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="has_aux is True or False"):
        jm.grad(lambda x: x, has_aux="x")  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="holomorphic is True or False"):
        jm.value_and_grad(lambda x: x, holomorphic=2)  # type: ignore[arg-type]


def test_no_precision_is_lost() -> None:
    with jax.enable_x64(False):
        with pytest.raises(PrecisionError, match=r"grad: argument 0 \(x\): float64 values"):
            jm.grad(lambda x: jnp.sum(x))(np.ones(2))
        assert jm.grad(lambda x: x**2)(3.0).dtype == np.float32


def test_blocks_of_the_gradient() -> None:
    n = Labels.range("n", 1)
    block = TensorBlock(jnp.ones((2, 1), np.int32), Labels.range("s", 2), [], n)
    tensor = TensorMap(Labels.single(), [block])
    found = jm.grad(lambda pair: jnp.sum(pair[1]))((tensor, jnp.ones(2)))
    assert found[0][0].values is None
    np.testing.assert_array_equal(found[1], [1.0, 1.0])
