"""mask and where: choices value by value, with the gradients of what is chosen."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from operations.examples import Recipe, random_map, recipes, share, with_other_values
from operations.jacobian import assert_exact
from operations.test_plans_of_operations import compilations, tensor_of

import jaxmeta as jm
from jaxmeta import PADDING, DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    NotEqualError,
)


def positive(x: Any) -> Any:
    return x > 0


# Masks ----------------------------------------------------------------------------------


def test_masks() -> None:
    tensor = random_map(Recipe(rows=(4, 0), components=(3,)))
    found = jm.mask(positive, tensor)
    assert found.info() == tensor.info()
    assert found.dtype == np.bool_
    for block, of in zip(found, tensor, strict=True):
        np.testing.assert_array_equal(block.values, np.asarray(of.values) > 0)
        assert block.gradients_list() == []
        assert (block.samples, block.components) == (of.samples, of.components)
    again = jm.mask(lambda x: ~x, jm.mask(jnp.isfinite, tensor))
    assert not any(np.any(block.values) for block in again)
    assert jm.mask(positive, tensor[0]) == found[0]
    assert jax.jit(lambda t: jm.mask(positive, t))(tensor) == found
    empty = TensorMap(Labels.empty("k"), [])
    assert jm.mask(positive, empty) == empty


def test_a_mask_sees_the_whole_sample() -> None:
    values = jnp.array([[1.0, 5.0], [3.0, 2.0]])
    block = TensorBlock(values, Labels.range("s", 2), [], Labels.range("n", 2))
    assert jm.mask(lambda x: x == x.max(), block).values.tolist() == [
        [False, True],
        [True, False],
    ]


def test_masks_that_are_none() -> None:
    tensor = random_map(Recipe(rows=(4,)))
    name = f"block {tensor.keys.entry(0).print()}"
    with pytest.raises(InvalidTypeError) as raised:
        jm.mask(jnp.sin, tensor)
    assert str(raised.value) == (
        f"mask: what the function gives for {name} has another dtype.\n"
        "  it gives float64; from float64 it must give bool\n"
        "  compare: lambda x: x > 0."
    )
    with pytest.raises(InvalidError, match="must give a bool for every value"):
        jm.mask(lambda x: x.sum() > 0, tensor)


# Choices --------------------------------------------------------------------------------


@share(8)
@given(recipe=recipes())
def test_gradients_of_a_choice_between_two_maps(recipe: Recipe) -> None:
    left = random_map(recipe)
    right = with_other_values(left, recipe)
    condition = jm.mask(lambda x: jnp.sin(9 * x) > 0, left)
    result = assert_exact(lambda a, b: jm.where(condition, a, b), left, right)
    for found, c, a, b in zip(result, condition, left, right, strict=True):
        np.testing.assert_array_equal(found.values, np.where(c.values, a.values, b.values))


CHOICES = {
    "A and a number": lambda c, a, b: jm.where(c, a, 2.5),
    "a number and B": lambda c, a, b: jm.where(c, -1, b),
    "a function": lambda c, a, b: jm.where(jm.mask(positive, a), a * b, b),
}


@pytest.mark.parametrize("name", CHOICES)
def test_gradients_of_choices(name: str) -> None:
    recipe = Recipe(rows=(4, 0), components=(2,), gradients=("positions", "strain"))
    left = random_map(recipe)
    right = with_other_values(left, recipe)
    condition = jm.mask(positive, right)
    assert_exact(lambda a, b: CHOICES[name](condition, a, b), left, right)
    scalars = jm.where(condition, left, 2.5), jm.where(condition, -1, right)
    for i, c in enumerate(condition):
        chosen = np.where(c.values, left[i].values, 2.5)
        np.testing.assert_array_equal(scalars[0][i].values, chosen)
        chosen = np.where(c.values, -1, right[i].values)
        np.testing.assert_array_equal(scalars[1][i].values, chosen)


DEEP = ("positions", "positions/strain", "positions/strain/strain")


def test_choices_are_exact_at_any_depth() -> None:
    recipe = Recipe(rows=(3,), gradients=DEEP)
    left = random_map(recipe)
    condition = jm.mask(positive, left)
    result = assert_exact(
        lambda a, b: jm.where(condition, a, b), left, with_other_values(left, recipe)
    )
    assert result[0].gradient("positions").gradient("strain").has_gradient("strain")
    result = assert_exact(lambda a: jm.where(condition, 0.0, a), left)
    assert result[0].gradient("positions").gradient("strain").has_gradient("strain")


def test_what_is_not_chosen_is_never_looked_at() -> None:
    """Roots at zero have infinite derivatives, and 0 times infinity would be NaN."""
    n, samples = Labels.range("n", 2), Labels.range("s", 1)
    rows = Labels(["sample", "atom"], [[0, 1]])
    gradient = TensorBlock(jnp.array([[0.0, 1.0]]), rows, [], n)
    block = TensorBlock(jnp.array([[0.0, 4.0]]), samples, [], n, {"x": gradient})
    roots = jm.sqrt(block)
    assert roots.gradient("x").values.tolist()[0][1] == 0.25
    assert np.isnan(roots.gradient("x").values[0, 0])
    safe = jm.where(jm.mask(lambda x: x > 0, block), roots, 0.0)
    assert safe.gradient("x").values.tolist() == [[0.0, 0.25]]
    assert jm.where(jm.mask(lambda x: x <= 0, block), 0.0, roots) == safe
    safe = jm.where(jm.mask(lambda x: x > 0, block), roots, block)
    assert safe.gradient("x").values.tolist() == [[0.0, 0.25]]


def test_rows_that_only_one_of_two_has() -> None:
    n, samples = Labels.range("n", 1), Labels.range("s", 2)

    def block(rows: list[list[int]], value: float) -> TensorBlock:
        labels = Labels(["sample", "atom"], rows)
        gradient = TensorBlock(jnp.full((len(rows), 1), value), labels, [], n)
        return TensorBlock(jnp.full((2, 1), value), samples, [], n, {"x": gradient})

    condition = TensorBlock(jnp.array([[True], [False]]), samples, [], n)
    both = jm.where(condition, block([[0, 5], [1, 5]], 2.0), block([[1, 3], [0, 5]], 3.0))
    gradient = both.gradient("x")
    assert gradient.samples.values.tolist() == [[0, 5], [1, 5], [1, 3]]
    assert gradient.values.ravel().tolist() == [2.0, 0.0, 3.0]


def test_keys_in_another_order_and_info() -> None:
    left = random_map(Recipe(rows=(2, 2, 2), info=(("a", "left"),)))
    order = [2, 0, 1]
    keys = Labels(left.keys.names, left.keys.values[order])
    moved = TensorMap(keys, [left[i] for i in order], {"b": "condition"})
    condition = jm.mask(positive, moved)
    expected = jm.where(jm.mask(positive, left), left, 2 * left)
    result = jm.where(condition, left, 2 * moved)
    assert jm.equal(result, expected)
    assert result.keys == left.keys
    assert result.info() == {"a": "left", "b": "condition"}
    assert jm.where(condition, 0.0, moved).keys == keys


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.int8, jnp.bool_, jnp.complex64])
def test_the_dtype_stays(dtype: Any) -> None:
    n, samples = Labels.range("n", 2), Labels.range("s", 1)
    below = TensorBlock(jnp.ones((1, 2), dtype), Labels("sample", [[0]]), [], n)
    block = TensorBlock(jnp.ones((1, 2), dtype), samples, [], n, {"x": below})
    other = jm.remove_gradients_block(block)
    condition = TensorBlock(jnp.array([[True, False]]), samples, [], n)
    scalar = dtype(0)
    for result in (
        jm.where(condition, block, other),
        jm.where(condition, other, block),
        jm.where(condition, block, scalar),
        jm.where(condition, scalar, block),
    ):
        assert {leaf.dtype for leaf in jax.tree.leaves(result)} == {np.dtype(dtype)}
    kept = jm.where(condition, block, other).gradient("x").values
    assert np.asarray(kept).tolist() == [[1, 0]]


def test_under_the_transformations_of_jax() -> None:
    block = random_map(Recipe(rows=(4,)))[0]
    condition = jm.mask(positive, block)
    expected = jm.where(condition, block, 2.0)
    assert jax.jit(jm.where)(condition, block, jnp.asarray(2.0)) == expected

    def total(scalar: Any) -> Any:
        return jm.where(condition, block, scalar).values.sum()

    assert float(jax.grad(total)(2.0)) == np.sum(~np.asarray(condition.values))
    batch = jax.vmap(lambda c: jm.where(c, block, 2.0))(
        jax.tree.map(lambda leaf: leaf[None], condition)
    )
    np.testing.assert_array_equal(batch.values[0], expected.values)


def test_new_labels_of_known_sizes_compile_nothing() -> None:
    def choose(start: int) -> TensorMap:
        tensor = tensor_of(start)
        return jm.where(jm.mask(positive, tensor), tensor, 2 * tensor)

    choose(400)
    with compilations() as found:
        jax.block_until_ready(choose(410))
    assert found == []


# What is refused ------------------------------------------------------------------------


def block_of(dtype: Any = jnp.float64, start: int = 0) -> TensorBlock:
    samples = Labels("s", [[start], [1]])
    return TensorBlock(jnp.ones((2, 2), dtype), samples, [], Labels.range("n", 2))


def map_of(dtype: Any = jnp.float64, start: int = 0, key: int = 0) -> TensorMap:
    return TensorMap(Labels("k", [[key]]), [block_of(dtype, start)])


MASK = jnp.bool_
WRONG: dict[str, tuple[type[Exception], tuple[Any, Any, Any], str]] = {
    "no bools": (
        InvalidTypeError,
        (map_of(), map_of(), 0.0),
        "the values of the condition are float64, not bools",
    ),
    "a condition that is an array": (
        InvalidTypeError,
        (jnp.ones(2, MASK), map_of(), 0.0),
        "must be a TensorMap or a TensorBlock",
    ),
    "two scalars": (
        InvalidTypeError,
        (map_of(MASK), 1.0, 0.0),
        "A or B must be a TensorMap",
    ),
    "a block and a map": (
        InvalidTypeError,
        (map_of(MASK), block_of(), 0.0),
        "A or B must be a TensorMap.\n  of them there is \\['TensorBlock'\\]",
    ),
    "two dtypes": (
        InvalidTypeError,
        (map_of(MASK), map_of(), map_of(jnp.float32)),
        "A has float64, B has float32",
    ),
    "a scalar of another kind": (
        InvalidTypeError,
        (map_of(MASK), map_of(), 1j),
        "where: the result would have another dtype",
    ),
    "an array": (
        InvalidTypeError,
        (map_of(MASK), map_of(), jnp.ones(2)),
        "where: the other operand must be",
    ),
    "a negative number beside unsigned ones": (
        InvalidTypeError,
        (map_of(MASK), map_of(jnp.uint8), -1),
        "uint8, which has no negative ones; found -1",
    ),
    "other keys": (
        NotEqualError,
        (map_of(MASK, key=3), map_of(), 0.0),
        r"where \(left: A, right: the condition\): the keys differ",
    ),
    "other samples of the condition": (
        NotEqualError,
        (map_of(MASK, 5), 0.0, map_of()),
        r"where \(left: B, right: the condition\): the samples of block \(k=0\) differ",
    ),
    "other samples": (
        NotEqualError,
        (map_of(MASK), map_of(), map_of(start=5)),
        r"where \(left: A, right: B\): the samples of block \(k=0\) differ",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit(what: str, wrong_types: None) -> None:
    error, arguments, message = WRONG[what]
    with pytest.raises(error, match=message):
        jm.where(*arguments)


def test_conditions_with_gradients() -> None:
    n = Labels.range("n", 2)
    below = TensorBlock(jnp.ones((1, 2), MASK), Labels("sample", [[0]]), [], n)
    condition = block_of(MASK).with_gradient("x", below)
    with pytest.raises(InvalidError) as raised:
        jm.where(condition, block_of(), 0.0)
    assert str(raised.value) == (
        "where: the condition has gradients, and bools have none.\n"
        "  found ['x']\n"
        "  remove_gradients() drops them."
    )


def test_dynamic_samples_and_a_number() -> None:
    """Padding stays zero, whatever the number is."""
    n = Labels.range("n", 2)
    samples = DynamicLabels("s", jnp.array([[0], [1], [PADDING]], jnp.int32))
    dynamic = TensorBlock(jnp.arange(6.0).reshape(3, 2), samples, [], n)
    condition = jm.mask(lambda x: x > 1, dynamic)
    kept = jm.where(condition, dynamic, 7.0)
    assert kept.values.tolist() == [[7.0, 7.0], [2.0, 3.0], [0.0, 0.0]]
    dropped = jm.where(condition, 7.0, dynamic)
    assert dropped.values.tolist() == [[0.0, 1.0], [7.0, 7.0], [0.0, 0.0]]


def test_maps_without_blocks() -> None:
    empty = TensorMap(Labels.empty("k"), [])
    assert jm.where(empty, empty, empty) == empty
    assert jm.where(empty, 0.0, empty) == empty
