"""Ridge against the textbook, all solvers, weights of rows, and what is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learn.regressions import PARTS, normal_solution, problem, rows
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    NestedGradientsError,
    NotEqualError,
)
from jaxmeta.learn import Ridge
from jaxmeta.testing import Recipe, random_map


SOLVERS = ("auto", "primal", "dual", "qr", "iterative")
COMPONENTS = ((), (Labels.range("o3_mu", 3),))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("components", COMPONENTS)
def test_weights_are_those_of_the_textbook(
    rng: np.random.Generator, solver: Any, components: tuple[Labels, ...]
) -> None:
    X, y = problem(rng, components=components)
    model = Ridge.fit(X, y, alpha=0.3, solver=solver)
    for key, x in X.items():
        expected = normal_solution(rows(x), rows(y.block(key)), 0.3)
        weights = model.weights.block(key)
        np.testing.assert_allclose(weights.values, expected, rtol=0, atol=1e-10)
        assert weights.samples == y.block(key).properties
        assert weights.properties == x.properties


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("features", [4, 200])
def test_solvers_agree_with_weights_and_a_penalty_for_each_property(
    rng: np.random.Generator, solver: Any, features: int
) -> None:
    """With 200 features there are more of them than rows: what the dual is for."""
    X, y = problem(rng, features)
    blocks = [
        TensorBlock(
            rng.uniform(0.1, 3.0, size=(1, len(x.properties))),
            Labels.single(),
            [],
            x.properties,
        )
        for x in X
    ]
    alpha = TensorMap(X.keys, blocks)
    weights = {"values": 2.5, "positions": 0.5, "strain": 0.125}
    model = Ridge.fit(X, y, alpha=alpha, sample_weight=weights, solver=solver)
    counts = np.repeat([2.5, 0.5, 0.125], [4, 24, 36])
    for key, x in X.items():
        expected = normal_solution(
            rows(x), rows(y.block(key)), np.asarray(alpha.block(key).values[0]), counts
        )
        np.testing.assert_allclose(
            model.weights.block(key).values, expected, rtol=0, atol=1e-10
        )


def test_single_precision_stays_single(rng: np.random.Generator) -> None:
    X, y = problem(rng, dtype=np.float32)
    for solver in ("primal", "dual", "qr", "iterative"):
        weights = Ridge.fit(X, y, alpha=0.5, solver=solver).weights[0]
        assert weights.dtype == np.float32
        expected = normal_solution(
            rows(X[0]).astype(np.float64), rows(y[0]).astype(np.float64), 0.5
        )
        np.testing.assert_allclose(weights.values, expected, rtol=0, atol=2e-5)


def test_weights_of_every_row(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    one = Labels.range("weight", 1)

    def weights(part: TensorBlock) -> TensorBlock:
        shape = (*part.shape[:-1], 1)
        values = rng.uniform(size=shape) * (rng.uniform(size=shape) > 0.3)
        below = {name: weights(inner) for name, inner in part.gradients()}
        return TensorBlock(values, part.samples, part.components, one, below)

    given = TensorMap(y.keys, [weights(block) for block in y])
    for solver in ("primal", "dual", "qr", "iterative"):
        model = Ridge.fit(X, y, alpha=0.1, sample_weight=given, solver=solver)
        for key, x in X.items():
            counts = rows(given.block(key))[:, 0]
            assert (counts == 0).any()
            expected = normal_solution(rows(x), rows(y.block(key)), 0.1, counts)
            found = model.weights.block(key).values
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_what_has_no_weight_does_not_count_even_where_it_is_nan(
    rng: np.random.Generator,
) -> None:
    X, y = problem(rng)
    broken = [x.with_values(x.values * np.nan) for x in X]
    model = Ridge.fit(
        TensorMap(X.keys, broken), y, alpha=0.1, sample_weight={"positions": 1.0}
    )
    expected = normal_solution(rows(X[0], PARTS[1:2]), rows(y[0], PARTS[1:2]), 0.1)
    np.testing.assert_allclose(model.weights[0].values, expected, rtol=0, atol=1e-10)


def test_targets_that_are_nan_do_not_count(rng: np.random.Generator) -> None:
    X, y = problem(rng, targets=1)
    values = np.array(y[0].gradient("strain").values)
    values[1:3] = np.nan
    strain = y[0].gradient("strain").with_values(values)
    y = TensorMap(y.keys, [y[0].with_gradient("strain", strain), y[1]])
    known = ~np.isnan(rows(y[0])[:, 0])
    assert known.sum() == 4 + 24 + 18
    expected = normal_solution(rows(X[0])[known], rows(y[0])[known], 0.1)
    weights = Ridge.fit(X, y, alpha=0.1).weights[0]
    np.testing.assert_allclose(weights.values, expected, rtol=0, atol=1e-10)


def test_errors_for_each_atom(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    sizes = np.array([2, 1, 3, 0])
    model = Ridge.fit(X, y, alpha=0.1, sizes=sizes)
    counts = np.concatenate([[1 / 4, 1, 1 / 9, 0], np.ones(60)])
    expected = normal_solution(rows(X[0]), rows(y[0]), 0.1, counts)
    np.testing.assert_allclose(model.weights[0].values, expected, rtol=0, atol=1e-10)


def test_gradient_rows_in_any_order_and_absent_ones_are_zero(
    rng: np.random.Generator,
) -> None:
    X, y = problem(rng)
    full = X[0].gradient("positions")
    order = [5, 0, 7, 2, 3, 1]  # rows 4 and 6 are absent
    part = TensorBlock(
        np.asarray(full.values)[order],
        Labels(full.samples.names, full.samples.values[order]),
        full.components,
        full.properties,
    )
    zeroed = np.array(full.values)
    zeroed[[4, 6]] = 0.0
    sparse = TensorMap(X.keys, [X[0].with_gradient("positions", part), X[1]])
    dense = X[0].with_gradient("positions", full.with_values(zeroed))
    dense = TensorMap(X.keys, [dense, X[1]])
    a, b = (Ridge.fit(each, y, alpha=0.1).weights for each in (sparse, dense))
    assert jm.allclose(a, b, rtol=0, atol=1e-14)


def test_keys_may_come_in_another_order(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    other = TensorMap(Labels("center_type", [[8], [1]]), [y[1], y[0]])
    a, b = (Ridge.fit(X, each, alpha=0.1).weights for each in (y, other))
    assert jm.equal(a, b)


def test_without_penalty_the_solution_of_smallest_norm(rng: np.random.Generator) -> None:
    """Of features that are dependent, and of fewer rows than features."""
    for features in (6, 90):
        X, y = problem(rng, features, noise=0.0)
        x = X[0]
        doubled = [
            part.with_values(np.asarray(part.values) @ np.diag([0, *[1] * (features - 1)]))
            for part in (jm.remove_gradients_block(x), *(g for _, g in x.gradients()))
        ]
        x = doubled[0]
        for name, part in zip(PARTS[1:], doubled[1:], strict=True):
            x = x.with_gradient(name, part)
        X, y = TensorMap(Labels.single(), [x]), TensorMap(Labels.single(), [y[0]])
        expected = np.linalg.lstsq(rows(X[0]), rows(y[0]), rcond=None)[0].T
        for solver, atol in (("auto", 1e-10), ("qr", 1e-10), ("primal", 1e-7)):
            weights = Ridge.fit(X, y, alpha=0.0, solver=solver).weights[0]
            np.testing.assert_allclose(weights.values, expected, rtol=0, atol=atol)


def test_predictions_have_gradients_and_a_perfect_model_no_errors(
    rng: np.random.Generator,
) -> None:
    X, y = problem(rng, noise=0.0)
    model = Ridge.fit(X, y, alpha=0.0)
    assert jm.allclose(model.predict(X), y, rtol=0, atol=1e-12)
    for parameter in PARTS:
        assert max(model.score(X, y, parameter)) < 1e-12


def test_scores_are_root_mean_square_errors_of_each_block(
    rng: np.random.Generator,
) -> None:
    X, y = problem(rng)
    model = Ridge.fit(X, y, alpha=0.1)
    prediction = model.predict(X)
    for parameter in PARTS:
        expected = [
            np.sqrt(np.mean((rows(p, (parameter,)) - rows(t, (parameter,))) ** 2))
            for p, t in zip(prediction, y, strict=True)
        ]
        np.testing.assert_allclose(model.score(X, y, parameter), expected, rtol=1e-13)


def test_some_of_the_blocks_are_enough_for_a_prediction(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    model = Ridge.fit(X, y, alpha=0.1)
    oxygen = jm.filter_blocks(X, Labels("center_type", [[8]]))
    assert jm.equal_block(model.predict(oxygen)[0], model.predict(X)[1])


@pytest.mark.parametrize("solver", SOLVERS)
def test_fits_compile(rng: np.random.Generator, solver: Any) -> None:
    X, y = problem(rng)

    @jax.jit
    def fitted(X: TensorMap, y: TensorMap, alpha: Any) -> TensorMap:
        return Ridge.fit(X, y, alpha=alpha, solver=solver).predict(X)

    expected = Ridge.fit(X, y, alpha=0.2, solver=solver).predict(X)
    found = fitted(X, y, jnp.asarray(0.2))
    assert jm.allclose(found, expected, rtol=0, atol=1e-11)


def test_derivatives_by_the_penalty_are_those_of_finite_differences(
    rng: np.random.Generator,
) -> None:
    X, y = problem(rng)

    X, y = (jm.filter_blocks(each, Labels("center_type", [[1]])) for each in (X, y))

    @partial(jax.jit, static_argnums=1)
    def total(alpha: Any, solver: Any) -> Any:
        return (Ridge.fit(X, y, alpha=alpha, solver=solver).weights[0].values ** 2).sum()

    step = 1e-5
    for solver in ("primal", "dual", "qr"):
        slope = jax.jit(jax.grad(total), static_argnums=1)(jnp.asarray(0.3), solver)
        up, down = (total(jnp.asarray(0.3 + s), solver) for s in (step, -step))
        np.testing.assert_allclose(slope, (up - down) / (2 * step), rtol=1e-7)


def test_padding_does_not_count(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    room = {"samples": 7, "positions": 13, "strain": 9}
    a = Ridge.fit(jm.pad(X, room), jm.pad(y, room), alpha=0.1).weights
    assert jm.allclose(a, Ridge.fit(X, y, alpha=0.1).weights, rtol=0, atol=1e-13)


def test_many_models_at_once(rng: np.random.Generator) -> None:
    X, y = problem(rng)

    def weights(alpha: Any) -> Any:
        return Ridge.fit(X, y, alpha=alpha).weights[0].values

    found = jax.jit(jax.vmap(weights))(jnp.array([0.1, 1.0]))
    for row, alpha in zip(found, (0.1, 1.0), strict=True):
        np.testing.assert_allclose(row, weights(alpha), rtol=0, atol=1e-12)


# What is refused ------------------------------------------------------------------------


def test_labels_that_differ(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    other, _ = problem(rng, atoms=(1, 1, 1))
    with pytest.raises(NotEqualError, match=r"Ridge.fit: the samples of block \(center_"):
        Ridge.fit(other, y, alpha=1.0)
    with pytest.raises(NotEqualError, match="the keys differ"):
        Ridge.fit(jm.drop_blocks(X, Labels("center_type", [[1]])), y, alpha=1.0)


def test_gradients_that_features_lack(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    bare = jm.remove_gradients(X, "strain")
    with pytest.raises(MissingError, match=r"X has no gradient 'strain', y has one"):
        Ridge.fit(bare, y, alpha=1.0)
    Ridge.fit(bare, y, alpha=1.0, sample_weight={"values": 1.0, "positions": 1.0})
    Ridge.fit(X, jm.remove_gradients(y), alpha=1.0)


def test_rows_of_gradients_that_the_target_lacks(rng: np.random.Generator) -> None:
    X, y = problem(rng, atoms=(2, 1))
    full = y[0].gradient("positions")
    part = TensorBlock(
        np.asarray(full.values)[:2],
        Labels(full.samples.names, full.samples.values[:2]),
        full.components,
        full.properties,
    )
    short = TensorMap(y.keys, [y[0].with_gradient("positions", part), y[1]])
    with pytest.raises(NotEqualError, match=r"X has rows .*\n.*sample=1, system=1, atom=0"):
        Ridge.fit(X, short, alpha=1.0)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"alpha": -1.0}, InvalidTypeError, "alpha must be a number"),
        ({"alpha": "1"}, InvalidTypeError, "alpha must be a number"),
        ({"alpha": 1.0, "solver": "svd"}, InvalidError, "no solver 'svd'"),
        ({"alpha": 0.0, "solver": "dual"}, InvalidError, "divides by alpha"),
        ({"alpha": 1.0, "sample_weight": -1.0}, InvalidTypeError, "sample_weight must"),
        ({"alpha": 1.0, "sample_weight": {"a": 1.0}}, MissingError, "no gradient 'a'"),
        ({"alpha": 1.0, "sample_weight": {"values": 0.0}}, InvalidError, "nothing counts"),
        (
            {"alpha": 1.0, "sample_weight": jnp.asarray(-1.0)},
            InvalidError,
            "the weight of 'values' is negative",
        ),
        ({"alpha": 1.0, "sizes": np.ones(3)}, InvalidError, "one number for each sample"),
        (
            {"alpha": 1e-9, "solver": "iterative", "max_steps": 2},
            InvalidError,
            "not converged in 2 steps",
        ),
    ],
)
def test_wrong_options(
    rng: np.random.Generator, options: dict[str, Any], error: Any, words: str
) -> None:
    X, y = problem(rng)
    with untyped(), pytest.raises(error, match=words):
        Ridge.fit(X, y, **options)


def test_maps_of_penalties_and_weights_that_do_not_fit(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    with pytest.raises(InvalidError, match="alpha is one number for each property"):
        Ridge.fit(X, y, alpha=jm.remove_gradients(X))
    with pytest.raises(NotEqualError, match="properties of block"):
        Ridge.fit(X, y, alpha=jm.remove_gradients(y))
    with pytest.raises(InvalidError, match="a weight is one number for each row"):
        Ridge.fit(X, y, alpha=1.0, sample_weight=abs(y))
    one = jm.slice(abs(y), "properties", Labels("energy", [[0]]))
    with pytest.raises(MissingError, match="no weights for the gradient 'positions'"):
        Ridge.fit(X, y, alpha=1.0, sample_weight=jm.remove_gradients(one))
    with pytest.raises(InvalidError, match=r"a weight of .* is negative"):
        Ridge.fit(X, y, alpha=1.0, sample_weight=-1.0 * one)


def test_numbers_that_are_not_finite(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    broken = TensorMap(X.keys, [x.with_values(x.values * np.inf) for x in X])
    for solver in ("primal", "dual", "qr"):
        with pytest.raises(InvalidError, match="has no finite solution"):
            Ridge.fit(broken, y, alpha=1.0, solver=solver)
    values = np.array(y[0].values)
    values[1, 0] = np.nan
    partly = TensorMap(y.keys, [y[0].with_values(values), y[1]])
    with pytest.raises(InvalidError, match="NaN for some properties"):
        Ridge.fit(X, partly, alpha=1.0)


def test_other_kinds_of_numbers(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    with pytest.raises(InvalidTypeError, match="the dtypes differ"):
        Ridge.fit(X.to(dtype=np.float32), y, alpha=1.0)
    half = X.to(dtype=jnp.float16), y.to(dtype=jnp.float16)
    with pytest.raises(InvalidTypeError, match="float16"):
        Ridge.fit(*half, alpha=1.0)
    with pytest.raises(InvalidTypeError, match="int32"):
        Ridge.fit(X.to(dtype=np.int32), y.to(dtype=np.int32), alpha=1.0)


def test_gradients_of_gradients() -> None:
    tensor = random_map(Recipe(gradients=("positions", "positions/strain")))
    with pytest.raises(NestedGradientsError, match=r"Ridge\.fit"):
        Ridge.fit(tensor, tensor, alpha=1.0)


def test_predictions_and_scores_that_can_not_be(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    model = Ridge.fit(X, y, alpha=1.0)
    other = TensorMap(Labels("center_type", [[1], [6]]), list(X))
    with pytest.raises(MissingError, match=r"no weights for block \(center_type=6\)"):
        model.predict(other)
    with pytest.raises(InvalidTypeError, match="scores are numbers"):
        jax.jit(lambda X, y: model.score(X, y))(X, y)
    with pytest.raises(MissingError, match="no gradient 'cell'"):
        model.score(X, y, "cell")
