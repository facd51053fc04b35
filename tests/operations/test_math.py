"""Arithmetic: as metatensor where it is right, exact gradients everywhere."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from metatensor_oracle import map_there
from operations.examples import (
    Recipe,
    random_map,
    recipes,
    share,
    with_other_numbers,
    with_other_values,
)
from operations.jacobian import assert_exact
from operations.peer import assert_agree, map_here

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidTypeError


PAIRS = ["add", "subtract", "multiply", "divide"]
LINEAR = PAIRS[:2]


@pytest.mark.parametrize("name", PAIRS)
@share(4)
@given(recipe=recipes())
def test_two_maps_as_metatensor(name: str, recipe: Recipe) -> None:
    left = random_map(recipe)
    right = with_other_numbers(left, 1)
    theirs = getattr(mts, name)(map_there(left), map_there(right))
    assert_agree(getattr(jm, name)(left, right), theirs)


@pytest.mark.parametrize("name", PAIRS)
@share(8)
@given(recipe=recipes())
def test_a_map_and_a_scalar_as_metatensor(name: str, recipe: Recipe) -> None:
    tensor = random_map(recipe)
    theirs = getattr(mts, name)(map_there(tensor), 2.5)
    assert_agree(getattr(jm, name)(tensor, 2.5), theirs)


@pytest.mark.parametrize("exponent", [2, 3.0, -1.0, 1])
@share(12)
@given(recipe=recipes())
def test_powers_as_metatensor(exponent: float, recipe: Recipe) -> None:
    tensor = random_map(recipe)
    assert_agree(tensor**exponent, mts.pow(map_there(tensor), exponent))


FILES = [
    pytest.param("feat_soap_ps_ethanol2_pos", marks=pytest.mark.long),
    "feat_spex_carbon3_pos_cell_strain",
]


@pytest.mark.parametrize("file", FILES)
def test_real_descriptors_as_metatensor(file: str, data_folder: Path) -> None:
    theirs = mts.load(data_folder / f"{file}.mts")
    ours = map_here(theirs)
    shifted = mts.add(theirs, 3.0)
    assert_agree(ours + ours, mts.add(theirs, theirs))
    assert_agree(ours * ours, mts.multiply(theirs, theirs))
    assert_agree(ours / (ours + 3.0), mts.divide(theirs, shifted))
    assert_agree(2 * ours - 1, mts.subtract(mts.multiply(theirs, 2.0), 1.0))
    assert_agree(ours**3, mts.pow(theirs, 3.0))


# Gradients ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRS)
@share(8)
@given(recipe=recipes())
def test_gradients_of_two_maps_with_other_gradient_rows(name: str, recipe: Recipe) -> None:
    left = random_map(recipe)
    assert_exact(getattr(jm, name), left, with_other_values(left, recipe))


@pytest.mark.parametrize("name", LINEAR)
@share(12)
@given(recipe=recipes(nested=True))
def test_gradients_of_gradients_of_sums(name: str, recipe: Recipe) -> None:
    left = random_map(recipe)
    assert_exact(getattr(jm, name), left, with_other_values(left, recipe))


SCALARS: dict[str, Callable[[Any], Any]] = {
    "a + 2": lambda a: a + 2,
    "2 + a": lambda a: 2 + a,
    "a - 2": lambda a: a - 2,
    "2 - a": lambda a: 2 - a,
    "a * 3": lambda a: a * 3,
    "3 * a": lambda a: 3 * a,
    "a / 3": lambda a: a / 3,
    "-a": operator.neg,
    "+a": operator.pos,
}
CURVED: dict[str, Callable[[Any], Any]] = {
    "2 / a": lambda a: 2 / a,
    "a ** 3": lambda a: a**3,
    "a ** -1.5": lambda a: (a * a) ** -1.5,
}


@pytest.mark.parametrize("name", [*SCALARS, *CURVED])
@share(16)
@given(recipe=recipes())
def test_gradients_of_scalar_operators(name: str, recipe: Recipe) -> None:
    assert_exact({**SCALARS, **CURVED}[name], random_map(recipe))


@pytest.mark.parametrize("name", SCALARS)
def test_gradients_of_gradients_of_linear_operators(name: str) -> None:
    assert_exact(SCALARS[name], random_map(Recipe(nested=True, rows=(4, 0))))


@pytest.mark.parametrize("name", SCALARS)
def test_scalar_operators_on_values(name: str) -> None:
    tensor = random_map(Recipe())
    values = np.asarray(tensor[0].values)
    np.testing.assert_allclose(
        np.asarray(SCALARS[name](tensor)[0].values), SCALARS[name](values), rtol=1e-15
    )


def test_one_side_without_gradients_is_constant() -> None:
    recipe = Recipe()
    left = random_map(recipe)
    right = jm.remove_gradients(with_other_values(left, recipe))
    for name in PAIRS:
        assert_exact(getattr(jm, name), left, right)
        assert_exact(getattr(jm, name), right, left)


def test_rows_of_both_sides_are_kept_in_order_of_appearance() -> None:
    def tensor(rows: list[list[int]]) -> TensorMap:
        n = Labels.range("n", 1)
        labels = Labels(["sample", "atom"], rows)
        gradient = TensorBlock(jnp.full((len(rows), 1), 2.0), labels, [], n)
        block = TensorBlock(
            jnp.ones((2, 1)), Labels.range("s", 2), [], n, {"positions": gradient}
        )
        return TensorMap(Labels.single(), [block])

    gradient = jm.subtract(tensor([[1, 5], [0, 3]]), tensor([[0, 3], [0, 1]]))[0]
    gradient = gradient.gradient("positions")
    assert gradient.samples.values.tolist() == [[1, 5], [0, 3], [0, 1]]
    assert gradient.values.ravel().tolist() == [2.0, 0.0, -2.0]


def test_the_order_of_the_keys_is_that_of_the_left_side() -> None:
    left = random_map(Recipe(rows=(4, 4, 4)))
    order = [2, 0, 1]
    keys = Labels(left.keys.names, left.keys.values[order])
    right = TensorMap(keys, [left[i] for i in order])
    for name in PAIRS:
        result = getattr(jm, name)(left, right)
        assert jm.equal(result, getattr(jm, name)(left, left))
        assert result.keys == left.keys


# Scalars --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scalar", [2, 2.0, np.float64(2), np.float32(2), np.int64(2), True, np.array(2.0)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scalars_keep_the_dtype(scalar: Any, dtype: Any) -> None:
    tensor = random_map(Recipe(dtype=dtype))
    if isinstance(scalar, np.ndarray) and dtype == np.float32:
        with pytest.raises(InvalidTypeError, match="another dtype"):
            _ = tensor * scalar
    else:
        for result in (tensor * scalar, scalar * tensor, tensor + scalar, tensor / scalar):
            assert {leaf.dtype for leaf in jax.tree.leaves(result)} == {np.dtype(dtype)}


class _Two(enum.IntEnum):
    NUMBER = 2


class _Half(float):
    pass


@pytest.mark.parametrize(("scalar", "result"), [(_Two.NUMBER, 6.0), (_Half(0.5), 1.5)])
def test_numbers_of_derived_classes_are_numbers(scalar: Any, result: float) -> None:
    tensor = random_map(Recipe())
    tensor = tensor * 0 + 3
    assert set(np.asarray((tensor * scalar)[0].values).ravel().tolist()) == {result}


@pytest.mark.parametrize(
    ("dtype", "fitting", "too_large"),
    [
        (np.int8, [-128, 127], [-129, 128, 300]),
        (np.uint8, [-2, 255], [256]),
        (np.int64, [-(2**63), 2**63 - 1], [2**63]),
    ],
)
def test_integers_that_do_not_fit_are_never_wrapped(
    dtype: Any, fitting: list[int], too_large: list[int]
) -> None:
    block = TensorBlock(
        jnp.full((1, 1), 3, dtype), Labels.range("s", 1), [], Labels.range("n", 1)
    )
    tensor = TensorMap(Labels.single(), [block])
    for scalar in fitting:
        assert (tensor * 0 + scalar - scalar)[0].values.tolist() == [[0]]
    assert (5 - tensor)[0].values.tolist() == [[2]]
    for scalar in too_large:
        for traced in (lambda f: f, jax.jit):
            with pytest.raises(InvalidTypeError, match=f"{block.dtype}.*{scalar}"):
                traced(lambda t, scalar=scalar: t + scalar)(tensor)


@pytest.mark.parametrize("exponent", [-1, np.int64(-2)])
def test_integers_have_no_negative_powers(exponent: Any) -> None:
    block = TensorBlock(jnp.full((2, 1), 2), Labels.range("s", 2), [], Labels.range("n", 1))
    tensor = TensorMap(Labels.single(), [block])
    assert (tensor**2)[0].values.ravel().tolist() == [4, 4]
    with pytest.raises(InvalidTypeError, match="pow: the values are int64"):
        _ = tensor**exponent
    whole = tensor.to(dtype=np.float64) ** exponent
    assert whole[0].values[0, 0] == 2.0**exponent


@pytest.mark.parametrize("name", ["float_to_int", "divide", "reciprocal"])
def test_integers_stay_integers_or_are_refused(name: str) -> None:
    block = TensorBlock(
        jnp.ones((2, 1), jnp.int32), Labels.range("s", 2), [], Labels.range("n", 1)
    )
    tensor = TensorMap(Labels.single(), [block])
    refused = {
        "float_to_int": lambda: tensor + 0.5,
        "divide": lambda: tensor / 2,
        "reciprocal": lambda: 2 / tensor,
    }
    assert (tensor * 3 + 1)[0].values.ravel().tolist() == [4, 4]
    with pytest.raises(InvalidTypeError, match="dtype"):
        refused[name]()


def test_gradients_with_respect_to_the_scalar() -> None:
    tensor = random_map(Recipe())

    def total(scalar: Any) -> Any:
        return sum(leaf.sum() for leaf in jax.tree.leaves(tensor * scalar))

    expected = sum(float(leaf.sum()) for leaf in jax.tree.leaves(tensor))
    assert float(jax.grad(total)(jnp.asarray(1.5))) == pytest.approx(expected)


def test_maps_without_blocks() -> None:
    empty = TensorMap(Labels.empty("k"), [])
    for name in PAIRS:
        assert len(getattr(jm, name)(empty, empty)) == len(getattr(jm, name)(empty, 2)) == 0


def at_zero(dtype: Any = float) -> TensorMap:
    """One number, zero, with a first and a second derivative of one."""
    n, row = Labels.range("n", 1), Labels("sample", [[0]])
    one = jnp.ones((1, 1), dtype)
    gradient = TensorBlock(one, row, [], n).with_gradient("x", TensorBlock(one, row, [], n))
    block = TensorBlock(0 * one, Labels.range("s", 1), [], n, {"x": gradient})
    return TensorMap(Labels.single(), [block])


def numbers_of(tensor: TensorMap) -> list[Any]:
    return [leaf.item() for leaf in jax.tree.leaves(tensor)]


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize(
    ("exponent", "expected"),
    [(0, [1, 0, 0]), (1, [0, 1, 1]), (2, [0, 0, 2]), (3, [0, 0, 0])],
)
def test_whole_powers_of_zero(exponent: int, expected: list[int], dtype: Any) -> None:
    for n in (exponent, float(exponent)):
        for power in (lambda t, n=n: t**n, jax.jit(lambda t, n=n: t**n)):
            assert numbers_of(power(at_zero(dtype))) == expected


def test_whole_powers_of_complex_numbers_are_products() -> None:
    tensor = at_zero(complex)
    tensor = TensorMap(tensor.keys, [tensor[0].with_values(jnp.array([[1.0 + 1.0j]]))])
    for power in (lambda t: t**2, jax.jit(lambda t: t**2)):
        assert numbers_of(power(tensor))[0] == 2j


@pytest.mark.parametrize("dtype", [float, complex])
def test_the_modulus_has_no_slope_at_zero(dtype: Any) -> None:
    for modulus in (jm.abs, jax.jit(jm.abs)):
        assert numbers_of(modulus(at_zero(dtype))) == [0, 0, 0]
    there = mts.abs(map_there(jm.remove_gradients(at_zero(dtype))))
    assert there.block().values.item() == 0


def test_numbers_that_become_arguments_of_a_compiled_function_adapt() -> None:
    tensor = at_zero().to(dtype=jnp.float32)
    for operation in (operator.mul, operator.add, operator.pow, operator.truediv):
        for number in (2, 2.0):
            eager = operation(tensor, number)
            compiled = jax.jit(operation)(tensor, number)
            assert compiled.dtype == eager.dtype == jnp.float32
    with pytest.raises(InvalidTypeError, match=r"jnp\.asarray\(scalar, jnp\.int32\)"):
        jax.jit(operator.mul)(jm.remove_gradients(tensor).to(dtype=jnp.int32), 2.5)
