"""Regression with nothing in it, and arguments of wrong types: no raw errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from typed_calls import untyped

from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, JaxmetaError
from jaxmeta.learn import (
    Composition,
    NormalEquations,
    PolynomialKernel,
    Ridge,
    RidgePath,
    Scaler,
    SparseGPR,
    Uncertainty,
    composition_of,
    select_cur,
    select_fps,
    split_data,
)


def table(rows: int, properties: int, name: str = "n") -> TensorMap:
    values = np.random.default_rng(0).normal(size=(rows, properties))
    labels = Labels.range("system", rows), [], Labels.range(name, properties)
    return TensorMap(Labels.single(), [TensorBlock(values, *labels)])


EMPTY = TensorMap(Labels.empty("k"), [])
X, Y = table(4, 3), table(4, 1, "e")
SUMS = NormalEquations.zeros(X, Y).add(X, Y)
BARE = PolynomialKernel(2, aggregate=())


@pytest.mark.parametrize("solver", ["auto", "primal", "dual", "qr", "iterative"])
@pytest.mark.parametrize(
    ("rows", "features", "targets"), [(0, 3, 1), (4, 0, 1), (4, 3, 0), (0, 0, 0)]
)
def test_nothing_gives_weights_that_are_zero(
    solver: Any, rows: int, features: int, targets: int
) -> None:
    model = Ridge.fit(
        table(rows, features), table(rows, targets, "e"), alpha=1.0, solver=solver
    )
    assert model.weights[0].shape == (targets, features)
    if not rows:
        assert not np.asarray(model.weights[0].values).any()


@pytest.mark.parametrize(("rows", "features", "targets"), [(0, 3, 1), (4, 0, 1), (4, 3, 0)])
def test_paths_sums_and_variances_of_nothing(
    rows: int, features: int, targets: int
) -> None:
    X, y = table(rows, features), table(rows, targets, "e")
    assert RidgePath.fit(X, y, [1.0]).leave_one_out[0].shape == (1, targets)
    sums = NormalEquations.zeros(X, y).add(X, y)
    assert sums.solve(1.0).weights[0].shape == (targets, features)
    assert Uncertainty.of(sums, 1.0).variance(X)[0].shape == (rows, targets)
    assert Scaler.fit(y).transform(y)[0].shape == (rows, targets)


def test_maps_without_blocks() -> None:
    assert len(Ridge.fit(EMPTY, EMPTY, alpha=1.0).weights) == 0
    assert len(NormalEquations.zeros(EMPTY, EMPTY).add(EMPTY, EMPTY).left) == 0
    assert len(Scaler.fit(EMPTY).transform(EMPTY)) == 0
    assert len(select_fps(EMPTY, 2).support) == 0
    with pytest.raises(InvalidError, match="no block"):
        BARE(EMPTY, EMPTY)
    with pytest.raises(InvalidError, match="from 1 to the number"):
        select_cur(table(0, 3), -1)


WRONG: list[Callable[[], Any]] = [
    lambda: Ridge.fit(1, Y, alpha=1.0),  # type: ignore[arg-type]
    lambda: Ridge.fit(X, None, alpha=1.0),  # type: ignore[arg-type]
    lambda: Ridge.fit(X, Y, alpha=None),
    lambda: Ridge.fit(X, Y, alpha=np.ones(3)),
    lambda: Ridge.fit(X, Y, alpha=1.0, sample_weight=np.ones(4)),
    lambda: Ridge.fit(X, Y, alpha=1.0, tolerance="x"),  # type: ignore[arg-type]
    lambda: Ridge.fit(X, Y, alpha=1.0, max_steps=-3),
    lambda: Ridge.fit(X, Y, alpha=1.0).predict(3),  # type: ignore[arg-type]
    lambda: Ridge.fit(X, Y, alpha=1.0).score(3, Y),  # type: ignore[arg-type]
    lambda: NormalEquations.zeros(X, 3),  # type: ignore[arg-type]
    lambda: SUMS.add(X, 3),  # type: ignore[arg-type]
    lambda: SUMS.solve("a"),
    lambda: RidgePath.fit(X, 3, [1.0]),  # type: ignore[arg-type]
    lambda: RidgePath.fit(X, Y, ["a"]),  # type: ignore[list-item]
    lambda: RidgePath.fit(X, Y, [1.0]).model("a"),  # type: ignore[arg-type]
    lambda: Composition.fit(3, Y),  # type: ignore[arg-type]
    lambda: Composition.fit(composition_of([[1]] * 4), 3),  # type: ignore[arg-type]
    lambda: composition_of(3),  # type: ignore[arg-type]
    lambda: Scaler.fit(3),  # type: ignore[arg-type]
    lambda: Scaler.fit(Y).transform(3),  # type: ignore[arg-type]
    lambda: select_fps(3, 1),
    lambda: select_fps(X, 1, start="a"),  # type: ignore[arg-type]
    lambda: select_fps(X, {"a": 1}),
    lambda: select_fps(X, 1).transform(3),
    lambda: split_data(3, "samples", "s", [1], seed=0),  # type: ignore[arg-type]
    lambda: Uncertainty.of(3, 1.0),  # type: ignore[arg-type]
    lambda: Uncertainty.of(SUMS, 1.0).variance(3),  # type: ignore[arg-type]
    lambda: Uncertainty.of(SUMS, 1.0).calibrated(X, Y, 3),  # type: ignore[arg-type]
    lambda: BARE(3, X),  # type: ignore[arg-type]
    lambda: BARE(X, X, into=3),  # type: ignore[arg-type]
    lambda: BARE(X, X, chunk="a"),  # type: ignore[arg-type]
    lambda: SparseGPR.fit(X, Y, sparse=X, kernel=3, alpha=1.0),  # type: ignore[arg-type]
    lambda: SparseGPR.fit(X, Y, sparse=3, kernel=BARE, alpha=1.0),  # type: ignore[arg-type]
    lambda: SparseGPR.fit(X, 3, sparse=X, kernel=BARE, alpha=1.0),  # type: ignore[arg-type]
    lambda: SparseGPR.fit(X, Y, sparse=X, kernel=BARE, alpha="a"),  # type: ignore[arg-type]
    lambda: fit_kernel(None, X),
    lambda: fit_kernel(BARE(X, X), None),
    lambda: SparseGPR.fit(X, Y, sparse=X, kernel=BARE, alpha=1.0).predict(
        X,
        per_environment=np.ones(2),  # type: ignore[arg-type]
    ),
    lambda: Ridge.fit(X, Y, alpha=1.0).score(X, Y, ["values"]),  # type: ignore[arg-type]
    lambda: Uncertainty.of(SUMS, 1.0).variance(X, np.ones(2)),  # type: ignore[arg-type]
    lambda: Uncertainty.of(SUMS, 1.0).calibrated(
        X,
        Y,
        SUMS.solve(1.0),
        parameter=[],  # type: ignore[arg-type]
    ),
    lambda: Scaler.fit(Y, parameter=["values"]),  # type: ignore[arg-type]
    lambda: SUMS.map(None),  # type: ignore[arg-type]
    lambda: composition_of([[1]], dtype="float33"),
    lambda: composition_of([[1]], dtype=[]),
    lambda: composition_of([[1]], dtype=np.ones(2)),
    lambda: Ridge(3),  # type: ignore[arg-type]
    lambda: Composition(np.ones(3)),  # type: ignore[arg-type]
    lambda: Scaler({}),  # type: ignore[arg-type]
    lambda: NormalEquations(X, 3),  # type: ignore[arg-type]
    lambda: Uncertainty(X, 3),  # type: ignore[arg-type]
    lambda: SparseGPR(X, X, 3),  # type: ignore[arg-type]
]


def fit_kernel(K: Any, sparse: Any) -> SparseGPR:
    return SparseGPR.fit_kernel(K, Y, sparse=sparse, kernel=BARE, alpha=1.0)


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_types_get_errors_of_the_house(number: int) -> None:
    with untyped(), pytest.raises((InvalidTypeError, InvalidError)) as caught:
        WRONG[number]()
    assert isinstance(caught.value, JaxmetaError)
    assert "found" in str(caught.value)


def ones(number: float) -> TensorMap:
    """A map with a weight for each row of the target, one of them of this size."""
    values = np.ones((4, 1))
    values[2] = number
    return TensorMap(Y.keys, [Y[0].with_values(values)])


NO_WEIGHTS: dict[str, Callable[[], Any]] = {
    "zero": lambda: Ridge.fit(X, Y, alpha=1.0, sample_weight=0),
    "NaN in a map": lambda: Ridge.fit(X, Y, alpha=1.0, sample_weight=ones(np.nan)),
    "infinity in a map": lambda: Ridge.fit(X, Y, alpha=1.0, sample_weight=ones(np.inf)),
    "NaN of JAX": lambda: Ridge.fit(X, Y, alpha=1.0, sample_weight=jnp.asarray(np.nan)),
    "NaN among sizes": lambda: SUMS.add(X, Y, sizes=np.array([1.0, np.nan, 1.0, 1.0])),
    "negative sizes": lambda: SUMS.add(X, Y, sizes=np.array([1, -1, 1, 1])),
    "no name": lambda: RidgePath.fit(X, Y, [1.0], leave_out=[]),
}


@pytest.mark.parametrize("name", NO_WEIGHTS)
def test_rows_are_never_left_out_unasked(name: str) -> None:
    """A weight that is no number would leave its row out, as zero does."""
    with pytest.raises(InvalidError):
        NO_WEIGHTS[name]()


def test_as_many_steps_as_there_can_be() -> None:
    model = Ridge.fit(X, Y, alpha=1.0, solver="iterative", max_steps=10**20)
    exact = Ridge.fit(X, Y, alpha=1.0)
    np.testing.assert_allclose(model.weights[0].values, exact.weights[0].values, rtol=1e-10)
    whole = Ridge.fit(X, Y, alpha=1.0, sample_weight=10**20).weights[0].values
    assert np.isfinite(np.asarray(whole)).all()
