"""keys_to_samples, keys_to_properties and components_to_properties against metatensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given, settings
from metatensor_oracle import assert_same_map, labels_there, map_there, outcome
from strategies import COMPONENTS, Shape, make_tensor, some_rows, tensors
from typed_calls import untyped

from jaxmeta import JaxmetaError, Labels, TensorBlock, TensorMap


MOVED = st.sampled_from([["k"], ["l"], ["k", "l"], ["l", "k"], [], "k"])

fewer = settings(max_examples=15)


def compare(
    tensor: TensorMap, move: Callable[[Any], Any], theirs: Callable[[Any], Any]
) -> None:
    """The same result eagerly and under jit as metatensor's, or an error on both sides."""
    expected = outcome(theirs, map_there(tensor))
    found = outcome(move, tensor)
    if isinstance(expected, Exception):
        assert isinstance(found, JaxmetaError), expected
        return
    assert isinstance(found, TensorMap), found
    assert_same_map(found, expected)
    assert found.info() == tensor.info()
    assert jax.eval_shape(move, tensor)._layout is found._layout


@fewer
@given(tensors(), MOVED, st.sampled_from([0.0, -2.0, 7]), st.booleans())
def test_keys_to_samples(tensor: TensorMap, keys: Any, fill: float, sort: bool) -> None:
    def move(t: Any) -> Any:
        return t.keys_to_samples(keys, fill_value=fill, sort_samples=sort)

    compare(tensor, move, move)


@fewer
@given(tensors(), MOVED, st.sampled_from([0.0, -2.0, 7]), st.booleans())
def test_keys_to_properties(tensor: TensorMap, keys: Any, fill: float, sort: bool) -> None:
    def move(t: Any) -> Any:
        return t.keys_to_properties(keys, fill_value=fill, sort_samples=sort)

    compare(tensor, move, move)


@st.composite
def fixed_keys(draw: st.DrawFn) -> Labels:
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    found = draw(st.sampled_from([["k"], ["l"], ["k", "l"], ["l", "k"]]))
    with untyped():
        if len(found) == 1:
            return Labels(found, some_rows(rng, [(-1,), (5,), (0,), (3,), (9,)], (1, 2, 4)))
        grid = [(a, b) for a in (-1, 5, 3, 0, -7) for b in (-7, 0, 3, 5, -1)]
        return Labels(found, some_rows(rng, grid, (1, 3, 12)))


@fewer
@given(tensors(), fixed_keys(), st.booleans())
def test_keys_to_properties_with_fixed_keys(
    tensor: TensorMap, keys: Labels, sort: bool
) -> None:
    there = labels_there(keys)
    compare(
        tensor,
        lambda t: t.keys_to_properties(keys, sort_samples=sort),
        lambda t: t.keys_to_properties(there, sort_samples=sort),
    )


@fewer
@given(tensors(), st.sampled_from([["m"], ["c"], ["m", "c"], ["c", "m"], "m"]))
def test_components_to_properties(tensor: TensorMap, dimensions: Any) -> None:
    def move(t: Any) -> Any:
        return t.components_to_properties(dimensions)

    compare(tensor, move, move)


@fewer
@given(tensors(nested=True), st.sampled_from([["m"], ["c", "m"]]))
def test_components_to_properties_with_nested_gradients(
    tensor: TensorMap, dimensions: Any
) -> None:
    def move(t: Any) -> Any:
        return t.components_to_properties(dimensions)

    compare(tensor, move, move)


MOVES: dict[str, Callable[[Any], Any]] = {
    "samples": lambda t: t.keys_to_samples("l"),
    "unsorted samples": lambda t: t.keys_to_samples(["k", "l"], sort_samples=False),
    "properties": lambda t: t.keys_to_properties("k"),
    "all properties": lambda t: t.keys_to_properties(["l", "k"], fill_value=-1),
    "components": lambda t: t.components_to_properties(["c", "m"]),
}


@pytest.fixture
def tensor(rng: np.random.Generator) -> TensorMap:
    like = Shape(COMPONENTS, ("positions", "strain"), False, "float64")
    return make_tensor(rng, like, ["system", "atom"], 4, same_properties=False)


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_compiled_is_eager_and_differentiable(
    move: Callable[[Any], Any], tensor: TensorMap
) -> None:
    eager = move(tensor)
    compiled = jax.jit(move)(tensor)
    assert compiled._layout is eager._layout
    assert compiled == eager
    # Moves are linear up to the fill value: the derivative moves the tangent.
    tangent = jax.tree.map(lambda x: jnp.sin(x), tensor)
    zero = move(jax.tree.map(jnp.zeros_like, tensor))
    _, moved = jax.jvp(move, (tensor,), (tangent,))
    assert moved == jax.tree.map(jnp.subtract, move(tangent), zero)
    # Every entry goes somewhere exactly once.
    ones = jax.grad(lambda t: sum(leaf.sum() for leaf in jax.tree.leaves(move(t))))(tensor)
    assert all((leaf == 1).all() for leaf in jax.tree.leaves(ones))


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_third_call_is_as_the_first(move: Callable[[Any], Any], tensor: TensorMap) -> None:
    """The ways in which a plan runs (step by step, then fused) agree."""
    calls = [move(tensor) for _ in range(4)]
    assert all(call == calls[0] for call in calls[1:])
    assert all(call._layout is calls[0]._layout for call in calls[1:])


def test_order_of_the_keys_that_remain() -> None:
    block = TensorBlock(jnp.zeros((1, 1)), Labels.range("s", 1), [], Labels.range("p", 1))
    tensor = TensorMap(Labels(["k", "l"], [[5, 1], [0, 1], [5, 0]]), [block] * 3)
    assert tensor.keys_to_samples("l").keys == Labels("k", [[5], [0]])
    assert tensor.keys_to_properties("k").keys == Labels("l", [[1], [0]])
    assert tensor.keys_to_properties(["l", "k"]).keys == Labels.single()
    assert tensor.keys_to_properties(["l", "k"]).property_names == ["l", "k", "p"]
    assert tensor.keys_to_samples(Labels.empty("l")) == tensor.keys_to_samples("l")


def two_blocks(dtype: Any) -> TensorMap:
    blocks = [
        TensorBlock(
            jnp.arange(1, 5).reshape(2, 2).astype(dtype),
            Labels("s", [[i], [i + 1]]),
            [],
            Labels("p", [[i], [i + 1]]),
        )
        for i in range(2)
    ]
    return TensorMap(Labels("k", [[0], [1]]), blocks)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_fill_value_takes_the_dtype_of_each_map(order: slice) -> None:
    """Maps of one layout share plans: 0, 0.0, 0j and False must not be mixed up."""
    for fill in (0, 1):
        for dtype in ["complex128", "float32", "bool", "int32", "float64"][order]:
            tensor = two_blocks(dtype)
            for _ in range(4):
                wide = tensor.keys_to_properties("k", fill_value=fill).block()
                long = tensor.keys_to_samples("k", fill_value=fill).block()
                assert wide.dtype == long.dtype == dtype
                filled = np.asarray(fill).astype(dtype)
                assert wide.values[0, 2] == long.values[0, 2] == filled


@pytest.mark.parametrize("fills", [(0.0, -0.0), (-0.0, 0.0)])
def test_the_sign_of_a_zero_to_fill_with_is_dropped(fills: tuple[float, float]) -> None:
    """Else it would be that of the zero that came first: the two are equal as keys."""
    tensor = two_blocks("float64")
    for fill in fills:
        filled = tensor.keys_to_properties("k", fill_value=fill).block().values[0, 2]
        assert filled == 0
        assert not np.signbit(filled)


def test_nan_as_fill_value_is_planned_once() -> None:
    tensor = two_blocks("float64")
    memory = tensor._layout.plans
    before = len(memory)
    for _ in range(5):
        found = tensor.keys_to_properties("k", fill_value=float("nan")).block().values
        assert int(jnp.isnan(found).sum()) == 4
    assert len(memory) == before + 1


def test_no_fixed_key_has_a_block() -> None:
    tensor = two_blocks("float64").keys_to_properties([])
    block = tensor.block(0)
    tensor = TensorMap(tensor.keys, [block, block])
    there = map_there(tensor)
    wanted = mts.Labels(["k"], np.array([[8], [7]]))
    for compiled in (False, True):

        def move(t: TensorMap) -> TensorMap:
            return t.keys_to_properties(Labels("k", [[8], [7]]), fill_value=3)

        found = (jax.jit(move) if compiled else move)(tensor)
        assert_same_map(found, there.keys_to_properties(wanted, fill_value=3.0))


def test_maps_without_blocks() -> None:
    empty = TensorMap(Labels.empty(["k", "l"]), [], {"unit": "eV"})
    for found in (empty.keys_to_samples("k"), empty.keys_to_properties("k")):
        assert (found.keys, found.info()) == (Labels.empty("l"), {"unit": "eV"})
    assert empty.keys_to_samples(["k", "l"]).keys == Labels.empty("_")
    assert empty.components_to_properties("m") == empty


def test_nothing_to_move() -> None:
    tensor = two_blocks("float64")
    assert tensor.components_to_properties([]) == tensor
    assert tensor.keys_to_samples([]) == tensor
