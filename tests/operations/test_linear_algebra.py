"""dot, lstsq and solve, and the derivatives of the latter two to second order."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from metatensor_oracle import map_there
from operations.examples import Recipe, random_map, recipes, share, with_other_numbers
from operations.jacobian import assert_exact
from operations.peer import assert_agree, map_here

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, NestedGradientsError
from jaxmeta.operations._least_squares import least_squares


def right_hand(tensor: TensorMap, rows: int) -> TensorMap:
    """A map to multiply with: the same properties, samples of its own."""
    rng = np.random.default_rng(3)
    blocks = [
        TensorBlock(
            jnp.asarray(rng.normal(size=(rows, len(block.properties)))),
            Labels("target", rng.permutation(rows)[:, None]),
            [],
            block.properties,
        )
        for block in tensor
    ]
    return TensorMap(tensor.keys, blocks)


# dot ------------------------------------------------------------------------------------


@share(4)
@given(recipe=recipes())
def test_dot_as_metatensor(recipe: Recipe) -> None:
    tensor = random_map(recipe)
    other = right_hand(tensor, 3)
    theirs = mts.dot(map_there(tensor), map_there(other))
    assert_agree(jm.dot(tensor, other), theirs)
    assert jm.equal(tensor @ other, jm.dot(tensor, other))


@share(12)
@given(recipe=recipes(nested=True))
def test_gradients_of_dot(recipe: Recipe) -> None:
    tensor = random_map(recipe)
    other = right_hand(tensor, 3)
    # The right side is constant: its tangents are none.
    assert_exact(lambda a: jm.dot(a, other), tensor)


def test_dot_refuses_a_right_side_with_components() -> None:
    plain = random_map(Recipe(components=(3,), gradients=()))
    with pytest.raises(InvalidError, match=r"components \['component_0'\]"):
        jm.dot(plain, plain)


# lstsq and solve ------------------------------------------------------------------------


def targets(tensor: TensorMap) -> TensorMap:
    """Targets with two properties of their own, for the same samples and gradients."""

    def renamed(block: TensorBlock) -> TensorBlock:
        gradients = {name: renamed(g) for name, g in block.gradients()}
        properties = Labels("target", [[5], [1]])
        return TensorBlock(
            block.values, block.samples, block.components, properties, gradients
        )

    return with_other_numbers(TensorMap(tensor.keys, [renamed(b) for b in tensor]), 5)


@share(8)
@given(recipe=recipes())
def test_least_squares_as_metatensor(recipe: Recipe) -> None:
    X = random_map(dataclasses.replace(recipe, rows=(4, 1)))
    Y = targets(X)
    theirs = mts.lstsq(map_there(X), map_there(Y), rcond=1e-13)
    ours = jm.lstsq(X, Y, rcond=1e-13)
    assert_agree(ours, theirs)
    assert ours[0].samples == Y[0].properties
    assert ours[0].properties == X[0].properties


def square(rows: int = 2, gradient_rows: int = 0) -> TensorMap:
    rng = np.random.default_rng(1)
    n = Labels.range("n", rows + gradient_rows)
    size = rows + gradient_rows
    gradients = {}
    if gradient_rows:
        samples = Labels("sample", np.arange(gradient_rows)[:, None])
        values = jnp.asarray(rng.normal(size=(gradient_rows, size)))
        gradients["strain"] = TensorBlock(values, samples, [], n)
    block = TensorBlock(
        jnp.asarray(rng.normal(size=(rows, size))),
        Labels.range("s", rows),
        [],
        n,
        gradients,
    )
    return TensorMap(Labels.single(), [block])


@pytest.mark.parametrize("gradient_rows", [0, 2])
def test_solve_as_metatensor(gradient_rows: int) -> None:
    X = square(3, gradient_rows)
    Y = _column(X)
    if not gradient_rows:  # there, gradients are refused
        assert_agree(jm.solve(X, Y), mts.solve(map_there(X), map_there(Y)))
    assert jm.allclose(jm.dot(X, jm.solve(X, Y)), Y)


def _column(tensor: TensorMap) -> TensorMap:
    weights = right_hand(tensor, 2)
    return jm.dot(tensor, weights)


def test_weights_are_found_again_from_values_and_gradients() -> None:
    X = random_map(Recipe(rows=(4, 4), components=(3,), gradients=("positions", "strain")))
    weights = right_hand(X, 3)
    found = jm.lstsq(X, jm.dot(X, weights), rcond=None)
    jm.allclose_raise(found, weights, rtol=1e-11)


@pytest.mark.long
def test_real_descriptor_as_metatensor(data_folder: Path) -> None:
    theirs = mts.load(data_folder / "feat_spex_ethanol5_pos.mts")
    few = mts.slice(theirs, "properties", np.arange(3))
    Y = mts.pow(few, 2.0)
    expected = mts.lstsq(few, Y, rcond=1e-13)
    ours = jm.lstsq(map_here(few), map_here(Y), rcond=1e-13)
    for block, other in zip(ours, expected.blocks(), strict=True):
        np.testing.assert_allclose(block.values, other.values, rtol=1e-8, atol=1e-10)


def test_what_is_refused() -> None:
    X = random_map(Recipe(rows=(4,)))
    with pytest.raises(InvalidError, match=r"(?s)not square.*16 rows.*2 properties"):
        jm.solve(X, targets(X))
    with pytest.raises(InvalidTypeError, match="X has float64, Y has float32"):
        jm.lstsq(X, X.to(dtype=np.float32), rcond=None)
    nested = random_map(Recipe(rows=(4,), nested=True))
    with pytest.raises(NestedGradientsError, match="gradients of gradients"):
        jm.lstsq(nested, nested, rcond=None)
    with pytest.raises(InvalidError, match="no choice of drivers"):
        jm.lstsq(X, X, None, "gelsd")


# Derivatives ----------------------------------------------------------------------------


def assert_derivatives(function: Any, *arguments: Any) -> None:
    """First and second derivatives in a random direction, by central differences."""
    rng = np.random.default_rng(7)
    directions = [jnp.asarray(rng.normal(size=a.shape)) for a in arguments]

    def along(t: Any) -> Any:
        moved = [a + t * d for a, d in zip(arguments, directions, strict=True)]
        return jnp.sin(function(*moved)).sum()

    def slope(t: Any) -> Any:
        gradients = jax.grad(
            lambda moved: jnp.sin(function(*moved)).sum(),
        )([a + t * d for a, d in zip(arguments, directions, strict=True)])
        return sum(jnp.vdot(g, d) for g, d in zip(gradients, directions, strict=True))

    value, first = jax.jit(along), jax.jit(slope)
    second = jax.jit(jax.jacfwd(slope)), jax.jit(jax.grad(slope))
    step = 1e-5
    numeric = (value(step) - value(-step)) / (2 * step)
    assert float(first(0.0)) == pytest.approx(float(numeric), rel=1e-6, abs=1e-8)
    numeric = (first(step) - first(-step)) / (2 * step)
    for derivative in second:
        assert float(derivative(0.0)) == pytest.approx(float(numeric), rel=1e-5, abs=1e-6)


def _matrix(kind: str, rng: np.random.Generator) -> np.ndarray:
    full = rng.normal(size=(5, 3))
    if kind == "equal singular values":
        return np.linalg.qr(full)[0]
    return full if kind == "tall" else full.T


@pytest.mark.parametrize("kind", ["tall", "wide", "equal singular values"])
def test_derivatives(kind: str, rng: np.random.Generator) -> None:
    x = jnp.asarray(_matrix(kind, rng))
    y = jnp.asarray(rng.normal(size=(x.shape[0], 2)))
    assert_derivatives(lambda x, y: least_squares(x, y, None), x, y)


def test_derivatives_at_less_than_full_rank(rng: np.random.Generator) -> None:
    """The factors of the matrix vary, so that its rank stays 2."""
    left, right = jnp.asarray(rng.normal(size=(5, 2))), jnp.asarray(rng.normal(size=(2, 4)))
    y = jnp.asarray(rng.normal(size=(5, 2)))
    assert_derivatives(lambda a, b, y: least_squares(a @ b, y, 1e-10), left, right, y)


def test_the_null_matrix_has_null_weights_and_derivatives() -> None:
    x, y = jnp.zeros((4, 3)), jnp.ones((4, 2))
    w, tangent = jax.jvp(lambda y: least_squares(x, y, None), (y,), (y,))
    assert not w.any()
    assert not tangent.any()


def _leaves_in(operation: Any, X: TensorMap, Y: TensorMap) -> tuple[Any, tuple[Any, ...]]:
    """An operation as a function of arrays, values and gradients alike."""
    leaves, tree = jax.tree.flatten((X, Y))
    return lambda *arrays: operation(*tree.unflatten(arrays))[0].values, tuple(leaves)


def test_derivatives_of_solve() -> None:
    X = square(2, 1)
    function, leaves = _leaves_in(jm.solve, X, _column(X))
    assert_derivatives(function, *leaves)


def test_derivatives_through_gradient_rows() -> None:
    X = random_map(Recipe(rows=(4,), density=1.0))
    function, leaves = _leaves_in(lambda X, Y: jm.lstsq(X, Y, rcond=None), X, targets(X))
    assert_derivatives(function, *leaves)
