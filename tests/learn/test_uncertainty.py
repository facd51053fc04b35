"""Variances against Bayes' formula, an ensemble of posteriors, and likelihoods."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learn.regressions import PARTS, problem, rows

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, MissingError, NotEqualError
from jaxmeta.learn import NormalEquations, Ridge, Uncertainty


WEIGHTS = {"values": 2.0, "positions": 0.5, "strain": 0.1}
COUNTS = np.repeat([2.0, 0.5, 0.1], [4, 24, 36])


def sums_of(X: TensorMap, y: TensorMap) -> NormalEquations:
    return NormalEquations.zeros(X, y).add(X, y, sample_weight=WEIGHTS)


@pytest.mark.parametrize("parameter", PARTS)
def test_variances_are_those_of_the_posterior(
    rng: np.random.Generator, parameter: str
) -> None:
    X, y = problem(rng)
    other, _ = problem(rng, atoms=(1, 3))
    uncertainty = Uncertainty.of(sums_of(X, y), 0.7)
    found = uncertainty.variance(other, parameter)
    for key, x in X.items():
        table = rows(x)
        gram = table.T @ (COUNTS[:, None] * table) + 0.7 * np.eye(table.shape[1])
        covariance = np.linalg.inv(gram)
        wanted = rows(other.block(key), (parameter,))
        expected = np.einsum("rp,pq,rq->r", wanted, covariance, wanted)
        block = found.block(key)
        part = other.block(key)
        part = part if parameter == "values" else part.gradient(parameter)
        assert block.samples == part.samples
        assert block.components == part.components
        assert block.properties == y.block(key).properties
        values = np.asarray(block.values).reshape(-1, 2)
        np.testing.assert_allclose(values, np.stack([expected] * 2, axis=1), rtol=1e-10)


def test_variances_are_those_of_fits_to_noisy_targets(rng: np.random.Generator) -> None:
    """Without penalty, and with inverse variances of the noise as weights."""
    X, y = problem(rng)
    X, y = (jm.filter_blocks(t, Labels("center_type", [[1]])) for t in (X, y))
    uncertainty = Uncertainty.of(sums_of(X, y), 0.0)
    table = rows(X[0])
    hat = np.linalg.solve(table.T @ (COUNTS[:, None] * table), table.T @ np.diag(COUNTS))
    noise = rng.normal(size=(20000, len(table))) / np.sqrt(COUNTS)[None, :]
    for parameter in PARTS:
        predictions = noise @ (rows(X[0], (parameter,)) @ hat).T
        found = np.asarray(uncertainty.variance(X, parameter)[0].values)
        # Variances of 20000 numbers are known to one percent; five of these.
        np.testing.assert_allclose(
            found.reshape(-1, 2)[:, 0], predictions.var(axis=0), rtol=0.05
        )


@pytest.mark.parametrize("parameter", PARTS)
def test_calibrated_scales_make_errors_most_likely(
    rng: np.random.Generator, parameter: str
) -> None:
    X, y = problem(rng)
    sums = sums_of(X, y)
    model, uncertainty = sums.solve(0.7), Uncertainty.of(sums, 0.7)
    new, target = problem(rng, atoms=(2, 2, 1))
    found = uncertainty.calibrated(new, target, model, parameter=parameter)
    prediction = model.predict(new)
    for index, block in enumerate(found.scales):
        errors = rows(prediction[index], (parameter,)) - rows(target[index], (parameter,))
        variance = np.asarray(uncertainty.variance(new, parameter)[index].values)
        variance = variance.reshape(errors.shape)

        def likelihood(
            scale: float, errors: np.ndarray = errors, variance: np.ndarray = variance
        ) -> np.ndarray:
            v = scale * variance
            return -0.5 * (errors**2 / v + np.log(v)).sum(axis=0)

        scales = np.asarray(block.values)[0]
        for target_index, scale in enumerate(scales):
            best = likelihood(scale)[target_index]
            assert best > likelihood(1.01 * scale)[target_index]
            assert best > likelihood(0.99 * scale)[target_index]
    again = found.variance(new, parameter)[0].values
    plain = uncertainty.variance(new, parameter)[0].values
    ratio = np.asarray(again) / np.asarray(plain)
    np.testing.assert_allclose(
        ratio, np.broadcast_to(found.scales[0].values[0], ratio.shape), rtol=1e-13
    )


def test_what_has_no_reference_does_not_count(rng: np.random.Generator) -> None:
    X, y = problem(rng, targets=1)
    sums = sums_of(X, y)
    model, uncertainty = sums.solve(0.7), Uncertainty.of(sums, 0.7)
    holes = [b.with_values(np.where([[0], [1], [1], [0]], b.values, np.nan)) for b in y]
    found = uncertainty.calibrated(X, TensorMap(y.keys, holes), model)
    kept = Labels("system", [[1], [2]])
    a, b = (jm.slice(each, "samples", kept) for each in (X, y))
    expected = uncertainty.calibrated(a, b, model)
    assert jm.allclose(found.scales, expected.scales, rtol=1e-12)


def test_variances_compile_and_have_no_padding(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    uncertainty = Uncertainty.of(sums_of(X, y), 0.7)
    padded = jm.pad(X, {"samples": 6, "positions": 12, "strain": 5})

    @jax.jit
    def forces(uncertainty: Uncertainty, X: TensorMap) -> TensorMap:
        return uncertainty.variance(X, "positions")

    found = forces(uncertainty, padded)
    assert (np.asarray(found[0].values)[8:] == 0).all()
    expected = uncertainty.variance(X, "positions")
    np.testing.assert_allclose(found[0].values[:8], expected[0].values, rtol=1e-12)
    fitted = jax.jit(lambda X, y: Uncertainty.of(sums_of(X, y), 0.7))(X, y)
    assert jm.allclose(fitted.roots, uncertainty.roots, rtol=1e-9, atol=1e-12)


def test_single_precision_is_kept(rng: np.random.Generator) -> None:
    X, y = problem(rng, dtype=np.float32)
    sums = sums_of(X, y)
    uncertainty = Uncertainty.of(sums, 0.7).calibrated(X, y, sums.solve(0.7))
    assert uncertainty.variance(X).dtype == np.float32


def test_uncertainties_that_can_not_be(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    sums = sums_of(X, y)
    uncertainty, model = Uncertainty.of(sums, 0.7), sums.solve(0.7)
    with pytest.raises(InvalidError, match="no finite solution"):
        Uncertainty.of(NormalEquations.zeros(X, y), 0.0)
    dependent = TensorMap(X.keys, [x.with_values(x.values * 0.0 + 1.0) for x in X])
    bare = jm.remove_gradients(dependent), jm.remove_gradients(y)
    with pytest.raises(InvalidError, match="no finite solution"):
        Uncertainty.of(NormalEquations.zeros(*bare).add(*bare), 0.0)
    with pytest.raises(MissingError, match="X has no gradient 'cell'"):
        uncertainty.variance(X, "cell")
    with pytest.raises(MissingError, match="no weights for block"):
        uncertainty.variance(TensorMap(Labels("center_type", [[6]]), [X[0]]))
    with pytest.raises(NotEqualError, match="the properties of block"):
        uncertainty.variance(TensorMap(X.keys, [X[1], X[0]]))
    nothing = TensorMap(y.keys, [b.with_values(b.values * np.nan) for b in y])
    with pytest.raises(InvalidError, match="there is no scale"):
        uncertainty.calibrated(X, nothing, model)
    zero = TensorMap(X.keys, [x.with_values(x.values * 0.0) for x in X])
    with pytest.raises(InvalidError, match="features are zero where there is an error"):
        uncertainty.calibrated(zero, y, model)


def test_an_exact_model_is_certain() -> None:
    """One feature, one number seen: Bayes' rule by hand."""
    s, n = Labels.range("s", 1), Labels.range("n", 1)
    X = TensorMap(Labels.single(), [TensorBlock(jnp.array([[2.0]]), s, [], n)])
    sums = NormalEquations.zeros(X, X).add(X, X, sample_weight=3.0)
    variance = Uncertainty.of(sums, 4.0).variance(X)[0].values
    np.testing.assert_allclose(variance, [[2.0 * 2.0 / (3.0 * 4.0 + 4.0)]], rtol=1e-15)
    assert isinstance(sums.solve(4.0), Ridge)
