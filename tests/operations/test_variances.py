"""Variances and standard deviations over samples.

Known deviations from metatensor: gradients are divided by the number of samples, not by
that of gradient rows; variances of complex values are those of numpy, real ones, not means
of complex squares. Gradients of gradients are unknown there.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import map_there
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact
from operations.peer import assert_agree
from operations.test_plans_of_operations import compilations, tensor_of
from operations.test_second_order import (
    BOTH,
    assert_second_order,
    block_of,
    function,
    parameters,
)
from operations.transformed import assert_same_when_transformed

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    InvalidTypeError,
    MissingError,
    NestedGradientsError,
)


NAMES = st.sampled_from(["atom", "system", ("system",), ("atom", "system"), ()])
OPERATIONS = ["var_over_samples", "std_over_samples"]


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest) -> Any:
    return getattr(jm, request.param)


@pytest.mark.parametrize("name", OPERATIONS)
@share(8)
@given(recipe=recipes(), names=NAMES)
def test_values_and_labels_as_metatensor(name: str, recipe: Recipe, names: Any) -> None:
    if 0 in recipe.rows and len(names) == 2:
        return  # there, no samples reduced over all names have no dimension at all
    tensor = random_map(recipe)
    theirs = getattr(mts, name)(map_there(tensor), names)
    assert_agree(getattr(jm, name)(tensor, names), theirs, numbers="values")


def test_gradients_as_metatensor_where_it_is_right(operation: Any) -> None:
    """Every sample has every gradient row."""
    rng = np.random.default_rng(1)
    samples = Labels(["system", "atom"], [[3, 1], [0, 0], [0, 1], [3, 0]])
    n = Labels.range("n", 2)
    rows = Labels(["sample", "atom"], [[i, a] for i in range(4) for a in (0, 1)])
    m, xyz = Labels.range("m", 3), Labels.range("xyz", 2)
    gradient = TensorBlock(jnp.asarray(rng.normal(size=(8, 2, 3, 2))), rows, [xyz, m], n)
    values = jnp.asarray(rng.normal(size=(4, 3, 2)))
    block = TensorBlock(values, samples, [m], n, {"positions": gradient})
    tensor = TensorMap(Labels.single(), [block])
    theirs = getattr(mts, operation.__name__)(map_there(tensor), "atom")
    assert_agree(operation(tensor, "atom"), theirs)


def test_gradients_are_divided_by_the_number_of_samples() -> None:
    n = Labels.range("n", 1)
    gradient = TensorBlock(jnp.array([[6.0]]), Labels("sample", [[0]]), [], n)
    values = jnp.array([[1.0], [2.0], [3.0]])
    block = TensorBlock(values, Labels.range("s", 3), [], n, {"x": gradient})
    ours = jm.var_over_samples_block(block, "s").gradient("x")
    assert ours.values.item() == pytest.approx(-4.0, rel=1e-15)
    theirs = mts.var_over_samples(map_there(TensorMap(Labels.single(), [block])), "s")
    assert theirs[0].gradient("x").values.item() == pytest.approx(-12.0)


# Gradients ------------------------------------------------------------------------------


SPARSE = Recipe(rows=(6, 0), components=(3,), gradients=("positions", "strain"), seed=5)


@pytest.mark.parametrize("names", ["atom", "system", ["system", "atom"]])
def test_gradients(operation: Any, names: Any) -> None:
    assert_exact(lambda a: operation(a, names), random_map(SPARSE))


NESTED = Recipe(rows=(5,), gradients=("positions", "strain"), nested=True)


def test_gradients_of_gradients(operation: Any) -> None:
    assert_exact(lambda a: operation(a, "atom"), random_map(NESTED))


def variances_of_systems(array: Any) -> Any:
    """Of the samples of `test_second_order`: the first is alone, the others together."""
    return jnp.stack([jnp.var(array[1:], 0), jnp.var(array[:1], 0)])


def deviation(array: Any) -> Any:
    return jnp.sqrt(jnp.var(array, 0, keepdims=True))


def test_second_order_of_variances_has_terms_of_pairs_of_samples() -> None:
    values = function(1)
    block = block_of(values, parameters(), BOTH, ["positions"])
    of_systems = lambda a: jm.var_over_samples(a, "atom")  # noqa: E731
    assert_second_order(of_systems, variances_of_systems, block, of=[values])


@pytest.mark.long
def test_second_order_of_standard_deviations() -> None:
    values = function(1)
    block = block_of(values, parameters(), BOTH, ["strain"])
    of_all = lambda a: jm.std_over_samples(a, ["system", "atom"])  # noqa: E731
    assert_second_order(of_all, deviation, block, of=[values])


def test_rows_of_gradients_of_gradients_are_sorted(operation: Any) -> None:
    tensor = random_map(NESTED)
    gradient = operation(tensor, "atom")[0].gradient("positions")
    for part in (gradient, gradient.gradient("strain")):
        rows = part.samples.values.tolist()
        assert rows == sorted(rows)
        assert rows


def test_what_second_order_needs(operation: Any) -> None:
    name = operation.__name__
    block = block_of(function(2), parameters(), ["positions"], ["strain"])
    with pytest.raises(NestedGradientsError, match=f"^{name}: .* need those of the values"):
        operation(TensorMap(Labels("k", [[7]]), [block]), "atom")
    recipe = Recipe(
        rows=(4,),
        gradients=("positions", "strain", "positions/strain", "positions/strain/strain"),
    )
    with pytest.raises(NestedGradientsError, match=f"^{name}: .* at this depth"):
        operation(random_map(recipe), "atom")


# Numbers --------------------------------------------------------------------------------


def _of_values(values: Any, groups: int = 1) -> TensorBlock:
    samples = Labels(["group", "i"], [[i % groups, i] for i in range(len(values))])
    n = Labels.range("n", values.shape[1])
    gradient = TensorBlock(
        jnp.ones((len(values), values.shape[1]), values.dtype),
        Labels.range("sample", len(values)),
        [],
        n,
    )
    return TensorBlock(jnp.asarray(values), samples, [], n, {"x": gradient})


def test_a_large_offset_costs_no_digits_in_float32(rng: np.random.Generator) -> None:
    values = (1e4 + rng.normal(size=(3000, 2))).astype(np.float32)
    found = jm.var_over_samples_block(_of_values(values, 3), "i")
    assert found.dtype == np.float32
    exact = [np.var(values[i::3].astype(np.float64), 0) for i in range(3)]
    np.testing.assert_allclose(found.values, exact, rtol=3e-6)
    alike = np.abs(np.array([np.var(values[i::3], 0) for i in range(3)]) / exact - 1).max()
    assert alike > 1e-5  # in float32 numpy loses some of them
    deviation = jm.std_over_samples_block(_of_values(values, 3), "i")
    np.testing.assert_allclose(deviation.values, np.sqrt(exact), rtol=3e-6)


def test_samples_that_are_the_same_do_not_deviate_and_have_no_slope() -> None:
    block = _of_values(np.full((3, 1), 0.1))  # whose mean numpy rounds to another number
    result = jm.std_over_samples_block(block, "i")
    assert result.values.tolist() == [[0.0]]
    assert result.gradient("x").values.tolist() == [[0.0]]

    def total(block: TensorBlock) -> Any:
        return sum(map(jnp.sum, jax.tree.leaves(jm.std_over_samples_block(block, "i"))))

    for order in (jax.grad(total), jax.jacfwd(jax.grad(total))):
        for leaf in jax.tree.leaves(jax.jit(order)(block)):
            np.testing.assert_array_equal(leaf, np.zeros_like(leaf))


def test_what_is_not_a_number_stays_so() -> None:
    values = np.array([[np.nan, 1.0], [1.0, 3.0]])
    found = jm.std_over_samples_block(_of_values(values), "i").values
    np.testing.assert_array_equal(found, [[np.nan, 1.0]])


def test_variances_of_complex_numbers_are_those_of_numpy(rng: np.random.Generator) -> None:
    values, slopes = rng.normal(size=(2, 6, 2)) + 1j * rng.normal(size=(2, 6, 2))
    block = _of_values(values, 2)
    rows = block.gradient("x")
    gradient = TensorBlock(jnp.asarray(slopes), rows.samples, [], rows.properties)
    found = jm.var_over_samples_block(block.with_gradient("x", gradient), "i")
    expected = np.stack([np.var(values[i::2], 0) for i in range(2)])
    np.testing.assert_allclose(found.values, expected, rtol=1e-13)
    deviation = jm.std_over_samples_block(block, "i").values
    np.testing.assert_allclose(deviation, np.sqrt(expected), rtol=1e-13)
    # The derivative of the sum of squared moduli, along complex directions.
    assert found.gradient("x").dtype == found.dtype == np.float64
    for i, row in enumerate(found.gradient("x").values):
        centred = values[i::2] - values[i::2].mean(0)
        expected = 2 * (centred.conj() * slopes[i::2]).real.mean(0)
        np.testing.assert_allclose(row, expected, rtol=1e-12)


def test_every_transformation(operation: Any) -> None:
    tensor = random_map(Recipe(rows=(4,), components=(3,)))
    assert_same_when_transformed(lambda a: operation(a, ["system", "atom"]), tensor)


def test_every_transformation_of_gradients_of_gradients() -> None:
    tensor = random_map(NESTED)
    assert_same_when_transformed(lambda a: jm.var_over_samples(a, "atom"), tensor)


def test_new_labels_of_known_sizes_compile_nothing() -> None:
    operations = [jm.std_over_samples, jm.var_over_samples]
    for operation in operations:
        operation(tensor_of(0), "atom")
    with compilations() as found:
        for operation in operations:
            jax.block_until_ready(operation(tensor_of(10), "atom"))
    assert found == []


def test_what_is_refused(operation: Any) -> None:
    name = operation.__name__
    with pytest.raises(MissingError, match=f"^{name}: .*\n.* did you mean 'atom'"):
        operation(random_map(Recipe()), "atoms")
    whole = random_map(Recipe(gradients=())).to(dtype="int64")
    with pytest.raises(InvalidTypeError, match=f"^{name}: the values are int64, their "):
        operation(whole, "atom")


@pytest.mark.parametrize("name", OPERATIONS)
def test_blocks_alone(name: str) -> None:
    tensor = random_map(Recipe(rows=(4,)))
    of_block = getattr(jm, f"{name}_block")(tensor[0], "atom")
    assert jm.equal_block(of_block, getattr(jm, name)(tensor, "atom")[0])
