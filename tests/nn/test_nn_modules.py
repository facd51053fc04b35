"""Options of the modules, their parameters, and how they go together."""

from __future__ import annotations

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nn.networks import IN_KEYS, KEYS, MODULES, RANDOM, module_of, tensor_of

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap, nn


@pytest.mark.parametrize("kind", ["one", "each"])
def test_properties_of_the_result(kind: str) -> None:
    one = Labels(["n", "l"], [[3, 1], [2, 1]])
    each = [Labels(["n", "l"], [[i, 0], [i, 1]]) for i in range(len(IN_KEYS))]
    given: Any = one if kind == "one" else each
    result = nn.Linear(IN_KEYS, 4, out_properties=given, key=RANDOM)(tensor_of())
    for key, block in result.items():
        position = IN_KEYS.position(key)
        assert position is not None
        assert block.properties == (one if kind == "one" else each[position])


def test_features_for_each_key() -> None:
    tensor = tensor_of(properties=(4, 3, 2))
    outputs = [1, 2, 3, 2]
    module = nn.Linear(IN_KEYS, [3, 7, 2, 4], outputs, key=RANDOM)
    assert [block.shape[-1] for block in module(tensor)] == [2, 1, 3]
    weights = [layer.weight.shape for layer in module.modules]
    assert weights == [(1, 3), (2, 7), (3, 2), (2, 4)]


def test_maps_without_blocks_samples_and_properties() -> None:
    module = nn.Linear(IN_KEYS, 4, 2, key=RANDOM)
    empty = TensorMap(Labels.empty(IN_KEYS.names), [])
    assert module(empty) == empty
    assert [block.shape for block in module(tensor_of(rows=(0, 0, 2)))] == [
        (0, 3, 2), (0, 3, 2), (2, 3, 2),
    ]  # fmt: skip
    narrow = nn.Linear(IN_KEYS, 0, 2, key=RANDOM)(tensor_of(properties=0))
    assert [block.shape for block in narrow] == [(4, 3, 2), (3, 3, 2), (2, 3, 2)]
    assert not any(np.asarray(block.values).any() for block in narrow)


# Where bias and other options go --------------------------------------------------------


def test_only_invariant_keys_have_a_bias() -> None:
    biased = nn.EquivariantLinear(IN_KEYS, 4, 2, key=RANDOM)
    assert [layer.bias is not None for layer in biased.modules] == [True, *[False] * 3]
    bare = nn.EquivariantLinear(IN_KEYS, 4, 2, bias=False, key=RANDOM)
    assert all(layer.bias is None for layer in bare.modules)
    chosen = Labels(["o3_sigma", "o3_lambda"], [[1, 2], [1, 0]])
    other = nn.EquivariantLinear(
        IN_KEYS, 4, 2, invariant_keys=chosen, bias=[True, False], key=RANDOM
    )
    # With names in another order the selection keeps the order of in_keys.
    assert [layer.bias is not None for layer in other.modules] == [True, *[False] * 3]


def test_lists_for_invariant_keys_follow_the_selection() -> None:
    chosen = Labels(["o3_lambda", "o3_sigma"], [[2, 1], [0, 1]])
    norm = nn.InvariantLayerNorm(
        IN_KEYS, [5, 3], invariant_keys=chosen, eps=[0.5, 0.25], mean=[True, False],
        elementwise_affine=[False, True], bias=[True, False],
    )  # fmt: skip
    first, second = norm.modules[1], norm.modules[0]
    assert (first.in_features, first.eps, first.mean, first.weight) == (5, 0.5, True, None)
    assert (second.in_features, second.eps, second.mean) == (3, 0.25, False)
    assert second.weight.shape == (3,)
    assert second.bias is None


def test_options_for_each_key() -> None:
    linear = nn.Linear(IN_KEYS, 4, 2, bias=[True, False, True, False], key=RANDOM)
    assert [layer.bias is None for layer in linear.modules] == [False, True, False, True]
    norm = nn.LayerNorm(IN_KEYS, 4, elementwise_affine=False)
    assert all(layer.weight is None and layer.bias is None for layer in norm.modules)
    one = nn.MLP(IN_KEYS, 4, [], 2, bias=False, key=RANDOM)
    assert [len(chain.layers) for chain in one.modules] == [1] * 4
    assert one.modules[0].layers[0].bias is None


# Parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize("features", [1, 4, 300])
def test_linear_maps_begin_as_those_of_torch(features: int) -> None:
    linear = nn.Linear(Labels.range("k", 3), features, 2000, key=RANDOM)
    bound = 1 / np.sqrt(features)
    for layer in linear.modules:
        for array in (np.asarray(layer.weight), np.asarray(layer.bias)):
            assert np.abs(array).max() <= bound
            assert np.abs(array).max() > 0.99 * bound
            deviation = bound / np.sqrt(3)  # of uniform numbers
            assert abs(array.mean()) < 4 * deviation / np.sqrt(array.size)
            np.testing.assert_allclose(array.std(), deviation, rtol=0.05)
    first, second, _ = linear.modules
    assert not np.array_equal(first.weight, second.weight)
    assert not np.array_equal(first.weight[:, 0], first.bias)


def test_normalisations_begin_as_those_of_torch() -> None:
    for layer in nn.LayerNorm(IN_KEYS, 3).modules:
        np.testing.assert_array_equal(layer.weight, np.ones(3))
        np.testing.assert_array_equal(layer.bias, np.zeros(3))


def test_perceptrons_begin_as_their_linear_maps() -> None:
    mlp = nn.MLP(Labels.range("k", 1), 9, [900, 900], 1, key=RANDOM)
    layers = mlp.modules[0].layers[::2]
    bounds = [np.abs(np.asarray(layer.weight)).max() for layer in layers]
    np.testing.assert_allclose(bounds, 1 / np.sqrt([9, 900, 900]), rtol=0.01)


@pytest.mark.parametrize("name", MODULES)
def test_parameters_are_leaves_of_the_dtype(name: str) -> None:
    for dtype in ("float64", "float32"):
        leaves = jax.tree.leaves(MODULES[name](np.dtype(dtype)))
        arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
        assert all(leaf.dtype == np.dtype(dtype) for leaf in arrays)
        # Activations of equinox's own modules are leaves that are no arrays.
        assert len(arrays) == len(leaves) or "equinox" in name or "Equi" in name


def test_the_default_dtype_is_the_widest() -> None:
    assert nn.Linear(IN_KEYS, 4, 2, key=RANDOM).modules[0].weight.dtype == np.float64
    assert nn.LayerNorm(IN_KEYS, 4).modules[0].weight.dtype == np.float64


def test_half_precision() -> None:
    tensor = tensor_of(gradients=()).to(dtype=jnp.bfloat16)
    result = nn.MLP(IN_KEYS, 4, [8], 2, dtype=jnp.bfloat16, key=RANDOM)(tensor)
    assert result.dtype == jnp.bfloat16


def test_activations_with_parameters_have_their_own_at_every_place() -> None:
    module = nn.MLP(KEYS, 4, [3, 3], 1, activation=eqx.nn.PReLU(0.1), key=RANDOM)
    assert len(jax.tree.leaves(module)) == 3 * (3 * 2 + 2)
    tensor = tensor_of(gradients=())

    def loss(module: Any) -> Any:
        return sum(jnp.sum(block.values) for block in module(tensor))

    slopes = [
        float(slope)
        for chain in jax.grad(loss)(module).modules
        for slope in (chain.layers[1].negative_slope, chain.layers[3].negative_slope)
    ]
    assert len(set(slopes)) == 6


# wrap, ModuleMap, EquivariantTransformation, Sequential ---------------------------------


def test_wrap_shares_parameters_among_all_keys() -> None:
    linear = eqx.nn.Linear(4, 2, key=RANDOM)
    tensor = tensor_of(components=())
    module = nn.wrap(linear, Labels.range("q", 2))
    assert len(jax.tree.leaves(module)) == 2
    for block, given in zip(module(tensor), tensor, strict=True):
        expected = np.asarray(given.values) @ np.asarray(linear.weight).T + np.asarray(
            linear.bias
        )
        np.testing.assert_allclose(block.values, expected, rtol=1e-12)
        assert block.properties == Labels.range("q", 2)


def test_wrap_of_several_is_a_map_of_modules() -> None:
    module = nn.wrap([jnp.sin, jnp.cos, jnp.tanh, jnp.exp], in_keys=IN_KEYS)
    assert isinstance(module, nn.ModuleMap)
    tensor = tensor_of(gradients=())
    functions = {(0, 1): np.sin, (2, 1): np.cos, (0, -1): np.tanh, (1, 1): np.exp}
    for key, block in module(tensor).items():
        expected = functions[tuple(key.values.tolist())](tensor.block(key).values)
        np.testing.assert_allclose(block.values, expected, rtol=1e-12)


def test_from_module_gives_each_key_its_own_parameters() -> None:
    linear = eqx.nn.Linear(4, 2, key=RANDOM)
    module = nn.ModuleMap.from_module(IN_KEYS, linear, Labels.range("q", 2))
    assert len(jax.tree.leaves(module)) == 2 * len(IN_KEYS)
    tensor = tensor_of(components=(), gradients=())
    shared = nn.wrap(linear, Labels.range("q", 2))
    assert module(tensor) == shared(tensor)

    def loss(module: Any) -> Any:
        return sum(jnp.sum(block.values) for block in module(tensor))

    slopes = jax.grad(loss)(module)
    rows = {tuple(key.values.tolist()): len(block) for key, block in tensor.items()}
    for key, slope in zip(IN_KEYS, slopes.modules, strict=True):
        expected = float(rows.get(tuple(key.values.tolist()), 0))
        np.testing.assert_allclose(slope.bias, np.full(2, expected))


def test_partial_functions_keep_their_arrays_as_leaves() -> None:
    def scaled(factor: Any, x: Any) -> Any:
        return factor * x

    module = nn.wrap(functools.partial(scaled, jnp.array(3.0)))
    assert [float(leaf) for leaf in jax.tree.leaves(module)] == [3.0]
    tensor = tensor_of(gradients=())
    np.testing.assert_allclose(module(tensor)[0].values, 3.0 * tensor[0].values)
    method = nn.wrap(functools.partial(Shift(2.0).apply, jnp.array(3.0), scale=2.0))
    expected = 2.0 * np.asarray(tensor[0].values) + 5.0
    np.testing.assert_allclose(method(tensor)[0].values, expected, rtol=1e-12)


class Shift:
    def __init__(self, shift: float) -> None:
        self.shift = shift

    def apply(self, more: Any, x: Any, scale: Any) -> Any:
        return scale * x + self.shift + more


def test_sequential_finds_the_modules_of_each_key() -> None:
    """Modules may have their keys in other orders, and more of them."""
    backwards = Labels(IN_KEYS.names, np.array(IN_KEYS.values)[::-1])
    linear = nn.Linear(backwards, 4, [2, 3, 4, 5], key=RANDOM)
    last = nn.Linear(IN_KEYS, [5, 4, 3, 2], out_properties=_numbered(), key=RANDOM)
    both = nn.Sequential(KEYS, linear, nn.SiLU(IN_KEYS), last)
    tensor = tensor_of()
    middle = nn.SiLU(IN_KEYS)(linear(tensor))
    jm.allclose_raise(both(tensor), last(middle), rtol=1e-12)


def _numbered() -> list[Labels]:
    return [Labels("q", [[i]]) for i in range(len(IN_KEYS))]


def test_sequential_of_sequential() -> None:
    tensor = tensor_of()
    inner = module_of("Sequential")
    outer = nn.Sequential(IN_KEYS, inner, nn.Tanh(IN_KEYS))
    jm.allclose_raise(outer(tensor), nn.Tanh(IN_KEYS)(inner(tensor)), rtol=1e-12)


def test_modules_of_maps_in_the_sequential_of_equinox() -> None:
    tensor = tensor_of()
    linear, shared = module_of("Linear"), nn.wrap(jnp.tanh)
    both = eqx.nn.Sequential([linear, shared])
    assert both(tensor) == shared(linear(tensor))


def test_transformations_turn_with_their_blocks() -> None:
    module = module_of("EquivariantTransformation")
    linear = module_of("EquivariantLinear")
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    tensor = tensor_of(gradients=())
    vectors = jm.filter_blocks(tensor, Labels("o3_lambda", [[1]]))

    def turned(tensor: TensorMap) -> TensorMap:
        return jm.map_samples(lambda x: jnp.asarray(rotation) @ x, tensor)

    for one in (module, linear):
        jm.allclose_raise(one(turned(vectors)), turned(one(vectors)), rtol=1e-10)


def test_transformations_where_a_norm_is_zero() -> None:
    module = module_of("EquivariantTransformation")
    key = Labels(KEYS.names, [[1, 1]])
    n, xyz = Labels.range("n", 4), Labels.range("xyz", 3)
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(1, 3, 4)))
    gradient = TensorBlock(rows, Labels("sample", [[0]]), [xyz], n)
    block = TensorBlock(jnp.zeros((1, 3, 4)), Labels.range("s", 1), [xyz], n)
    result = module(TensorMap(key, [block.with_gradient("strain", gradient)]))[0]
    np.testing.assert_array_equal(result.values, np.zeros((1, 3, 4)))
    # The derivative of f(|x|) x at zero is f(0).
    position = IN_KEYS.position([1, 1])
    assert position is not None
    at_zero = module.modules[position].module.module(jnp.zeros((1, 4)))
    np.testing.assert_allclose(
        result.gradient("strain").values, np.asarray(at_zero)[None] * rows, rtol=1e-12
    )
