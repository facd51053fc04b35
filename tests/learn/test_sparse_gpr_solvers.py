"""The fastest solver of sparse Gaussian processes, where kernels are large or differ."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError
from jaxmeta.learn import PolynomialKernel, SparseGPR


KERNEL = PolynomialKernel(4, aggregate=())
SYSTEMS, CHOSEN = 600, 80


def features(rng: np.random.Generator, rows: int, spread: float) -> Any:
    """Similar environments, whose norms may differ."""
    mixed = np.random.default_rng(1).normal(size=(10, 30))
    x = np.random.default_rng(2).normal(size=(1, 30))
    x = x + 0.1 * rng.normal(size=(rows, 10)) @ mixed
    return x * np.exp(spread * rng.normal(size=(rows, 1)))


def table(values: Any, name: str) -> TensorMap:
    samples = Labels.range("system", len(values))
    block = TensorBlock(
        jnp.asarray(values), samples, [], Labels.range(name, values.shape[1])
    )
    return TensorMap(Labels.single(), [block])


def problem(scale: float, spread: float = 0.0) -> tuple[TensorMap, TensorMap, TensorMap]:
    """Features, a target that is no polynomial of them, and some environments."""
    rng = np.random.default_rng(0)
    x = features(rng, SYSTEMS, spread)
    y = np.sin(3 * x[:, :1]) + x[:, 1:2] * x[:, 2:3] + 1e-3 * rng.normal(size=(SYSTEMS, 1))
    X = table(scale * x, "n")
    return X, table(y, "energy"), table(scale * x[:CHOSEN], "n")


@pytest.mark.parametrize(("scale", "spread"), [(1.0, 0.0), (10.0, 0.0), (0.1, 0.3)])
def test_without_a_jitter_that_is_given_it_solves_what_the_others_solve(
    scale: float, spread: float
) -> None:
    """The jitter is smaller than a penalty that is much smaller than the best one."""
    X, y, sparse = problem(scale, spread)
    own = np.asarray(KERNEL.between(sparse)).diagonal()
    alpha = 1e-6 * float(own.mean())
    found = [
        np.asarray(
            SparseGPR.fit(X, y, sparse=sparse, kernel=KERNEL, alpha=alpha, solver=solver)
            .predict(X)[0]
            .values
        )
        for solver in ("rkhs-qr", "solve")
    ]
    # Normal equations have half of the digits.
    np.testing.assert_allclose(*found, rtol=0, atol=1e-6 * np.abs(found[0]).max())


def test_environments_twice_and_without_features_are_no_obstacle() -> None:
    X, y, sparse = problem(1.0)
    x = np.asarray(sparse[0].values)
    twice = table(np.concatenate([x, x, np.zeros((2, 30))]), "n")
    once = SparseGPR.fit(X, y, sparse=sparse, kernel=KERNEL, alpha=1.0, solver="solve")
    model = SparseGPR.fit(X, y, sparse=twice, kernel=KERNEL, alpha=1.0, solver="solve")
    expected = np.asarray(once.predict(X)[0].values)
    np.testing.assert_allclose(
        model.predict(X)[0].values, expected, rtol=0, atol=1e-6 * np.abs(expected).max()
    )


def test_features_that_are_not_finite_are_refused() -> None:
    X, y, sparse = problem(1.0)
    broken = TensorMap(X.keys, [X[0].with_values(X[0].values.at[3, 1].set(jnp.nan))])
    with pytest.raises(InvalidError, match="finite"):
        SparseGPR.fit(broken, y, sparse=sparse, kernel=KERNEL, alpha=1.0, solver="solve")


def test_single_precision_and_compiled() -> None:
    X, y, sparse = problem(1.0)

    def predicted(X: TensorMap, y: TensorMap, sparse: TensorMap) -> TensorMap:
        # As large as kernels are: eigenvalues below what single precision knows of the
        # largest do not count.
        model = SparseGPR.fit(X, y, sparse=sparse, kernel=KERNEL, alpha=1e6, solver="solve")
        return model.predict(X)

    expected = np.asarray(predicted(X, y, sparse)[0].values)
    compiled = jax.jit(predicted)(X, y, sparse)[0].values
    largest = np.abs(expected).max()
    np.testing.assert_allclose(compiled, expected, rtol=0, atol=1e-6 * largest)
    single = predicted(*(each.to(dtype="float32") for each in (X, y, sparse)))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single[0].values, expected, rtol=0, atol=1e-2 * largest)


def test_it_can_be_differentiated() -> None:
    X, y, sparse = problem(1.0)

    def error(factor: Any) -> Any:
        scaled = TensorMap(y.keys, [y[0].with_values(factor * y[0].values)])
        model = SparseGPR.fit(
            X, scaled, sparse=sparse, kernel=KERNEL, alpha=1.0, solver="solve"
        )
        return (model.predict(X)[0].values ** 2).sum()

    # Predictions are linear in targets.
    np.testing.assert_allclose(
        jax.grad(error)(jnp.asarray(1.0)), 2 * error(jnp.asarray(1.0)), rtol=1e-8
    )
