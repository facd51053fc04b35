"""Binary operations on maps whose keys are not the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from operations.examples import Recipe, random_map, with_other_numbers, with_other_values
from operations.jacobian import assert_exact

import jaxmeta as jm
from jaxmeta import JaxmetaError, Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, NotEqualError


RECIPE = Recipe(rows=(4, 1, 4), gradients=("positions",), components=(3,))
PAIRS = {
    "add": jm.add,
    "subtract": jm.subtract,
    "multiply": jm.multiply,
    "divide": jm.divide,
}
# What stands for a block that is not there.
PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "add": jnp.add,
    "subtract": jnp.subtract,
    "multiply": jnp.multiply,
    "divide": jnp.divide,
}


def some(tensor: TensorMap, blocks: list[int]) -> TensorMap:
    """A map of some of its blocks, in this order."""
    keys = Labels(tensor.keys.names, tensor.keys.values[blocks])
    return TensorMap(keys, [tensor[i] for i in blocks], tensor.info())


def maps(recipe: Recipe = RECIPE) -> tuple[TensorMap, TensorMap]:
    left = random_map(recipe)
    return left, with_other_values(left, recipe)


SHORT = [pytest.param(n, marks=[pytest.mark.long] * (n != "subtract")) for n in PAIRS]


@pytest.mark.parametrize("name", SHORT)
@given(
    left=st.permutations([0, 1, 2]).map(lambda p: p[:2]),
    right=st.permutations([0, 1, 2]).map(lambda p: p[:2]),
    nested=st.booleans(),
)
def test_the_intersection_is_the_operation_on_common_blocks(
    name: str, left: list[int], right: list[int], nested: bool
) -> None:
    a, b = maps(dataclasses.replace(RECIPE, nested=nested and name in ("add", "subtract")))
    result = PAIRS[name](some(a, left), some(b, right), different_keys="intersection")
    common = [i for i in left if i in right]
    assert jm.equal(result, PAIRS[name](some(a, common), some(b, common)))
    assert result.keys == some(a, common).keys


@pytest.mark.parametrize("name", ["add", "subtract", "multiply"])
@given(left=st.permutations([0, 1, 2]), right=st.permutations([0, 1, 2]))
def test_the_union_takes_missing_blocks_for_zero(
    name: str, left: list[int], right: list[int]
) -> None:
    a, b = maps()
    result = PAIRS[name](some(a, left[:2]), some(b, right[:2]), different_keys="union")
    order = left[:2] + [i for i in right[:2] if i not in left[:2]]
    assert result.keys == some(a, order).keys
    for i, block in zip(order, result, strict=True):
        there = [x[i].values if i in xs[:2] else 0 for x, xs in ((a, left), (b, right))]
        np.testing.assert_array_equal(block.values, PLAIN[name](*there) + 0 * a[i].values)
        assert block.gradients_list() == ["positions"]


@pytest.mark.parametrize("name", ["add", "subtract", "multiply"])
def test_gradients_of_the_union_are_exact(name: str) -> None:
    a, b = maps()
    assert_exact(
        lambda a, b: PAIRS[name](a, b, different_keys="union"),
        some(a, [0, 1]),
        some(b, [2, 0]),
    )


def test_dividing_by_a_block_that_is_not_there_is_refused() -> None:
    a, b = maps()
    with pytest.raises(InvalidError) as raised:
        jm.divide(some(a, [0, 1]), some(b, [0]), different_keys="union")
    key = a.keys.entry(1).print()
    assert str(raised.value) == (
        f"divide: the block {key} is only in the left map.\n"
        "  with different_keys='union' a block that is not there is zero, and there is no "
        "result for zero here\n"
        "  different_keys='intersection' leaves such blocks out."
    )
    quotient = jm.divide(some(b, [0]), some(a, [0, 1]), different_keys="union")
    assert not np.any(quotient[1].values)


def test_blocks_of_the_union_have_the_gradients_of_both_maps() -> None:
    a, b = maps(dataclasses.replace(RECIPE, gradients=("positions", "strain")))
    b = jm.remove_gradients(b, "strain")
    a = jm.remove_gradients(a, "positions")
    result = jm.add(some(a, [0, 1]), some(b, [1, 2]), different_keys="union")
    for block in result:
        assert block.gradients_list() == ["positions", "strain"]
        assert block.gradient("positions").components[0].names == ["xyz"]
    assert len(result[0].gradient("positions").samples) == 0
    assert len(result[2].gradient("strain").samples) == 0
    assert_exact(
        lambda a, b: jm.add(a, b, different_keys="union"), some(a, [0, 1]), some(b, [1, 2])
    )


def test_gradients_of_gradients_in_the_union() -> None:
    a, b = maps(dataclasses.replace(RECIPE, nested=True))
    plain = jm.remove_gradients(b)
    result = jm.subtract(some(plain, [0]), some(a, [0, 2]), different_keys="union")
    for block in result:
        assert block.gradient("positions").gradients_list() == ["strain"]
    below = result[1].gradient("positions").gradient("strain")
    expected = a[2].gradient("positions").gradient("strain")
    np.testing.assert_array_equal(below.values, -expected.values)
    back = jm.subtract(some(a, [0, 2]), some(plain, [1]), different_keys="union")
    assert len(back[2].gradient("positions").gradient("strain").samples) == 0


def test_names_of_axes_must_agree_without_common_keys() -> None:
    a, b = maps()
    others = [
        TensorBlock(
            x.values, Labels(["s", "t"], x.samples.values), x.components, x.properties
        )
        for x in some(b, [2])
    ]
    other = TensorMap(some(b, [2]).keys, others)
    with pytest.raises(NotEqualError, match=r"names of the samples.*\n.*\['s', 't'\]"):
        jm.add(some(a, [0]), other, different_keys="union")


def test_names_of_gradients_must_agree_without_common_keys() -> None:
    a, b = maps()
    gradient = b[2].gradient("positions")
    rows = Labels(["sample", "center", "atom"], gradient.samples.values)
    renamed = TensorBlock(gradient.values, rows, gradient.components, gradient.properties)
    other = TensorMap(some(b, [2]).keys, [b[2].with_gradient("positions", renamed)])
    with pytest.raises(NotEqualError, match=r"samples of gradient 'positions' of block"):
        jm.add(some(a, [0]), other, different_keys="union")


def test_keys_of_other_names_and_other_words_are_refused() -> None:
    a, b = maps()
    renamed = TensorMap(Labels(["x", "y", "z"], b.keys.values), list(b))
    for choice in ("error", "union", "intersection"):
        with pytest.raises(NotEqualError, match="the keys differ"):
            jm.add(a, renamed, different_keys=choice)
    remedy = r'only left has.*\n.*different_keys="intersection"'
    for operation in (jm.add, jm.multiply, jm.dot, jm.einsum):
        given = ("s n, t n -> s t",) if operation is jm.einsum else ()
        with pytest.raises(NotEqualError, match=remedy):
            operation(*given, a, some(b, [0]))
    with pytest.raises(NotEqualError, match=remedy):
        jm.join([a, some(b, [0])], "samples")


def test_empty_maps() -> None:
    a, _ = maps()
    empty = some(a, [])
    assert jm.equal(jm.add(a, empty, different_keys="union"), a)
    assert jm.equal(jm.subtract(empty, a, different_keys="union"), -1.0 * a)
    assert len(jm.add(a, empty, different_keys="intersection")) == 0


def test_under_every_transformation() -> None:
    a, b = maps()
    left, right = some(a, [0, 1]), some(b, [2, 0])

    def union(left: TensorMap, right: TensorMap) -> TensorMap:
        return jm.subtract(left, right, different_keys="union")

    expected = union(left, right)
    for leaf, other in zip(
        jax.tree.leaves(jax.jit(union)(left, right)), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_array_equal(leaf, other)
    two = jax.tree.map(lambda x, y: jnp.stack([x, y]), left, with_other_numbers(left, 3))
    mapped = jax.vmap(union, in_axes=(0, None))(two, right)
    for leaf, other in zip(jax.tree.leaves(mapped), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(leaf[0], other)
    slopes = jax.grad(lambda r: jnp.sum(union(left, r)[2].values))(right)
    np.testing.assert_array_equal(slopes[0].values, -jnp.ones_like(right[0].values))


def test_another_word_is_refused(wrong_types: None) -> None:
    a, b = maps()
    with pytest.raises(JaxmetaError, match=r"'onion'.*\n.*'union'"):
        jm.add(a, b, different_keys="onion")  # type: ignore[arg-type]
