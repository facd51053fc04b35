"""Sums over batches against all rows at once; left-out errors against refits."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learn.regressions import problem, rows
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    NotEqualError,
    OutOfRangeError,
)
from jaxmeta.learn import NormalEquations, Ridge, RidgePath


WEIGHTS = {"values": 2.0, "positions": 0.5, "strain": 0.1}


def batches(rng: np.random.Generator) -> list[tuple[TensorMap, TensorMap]]:
    return [problem(rng, atoms=atoms) for atoms in ((2, 1), (3,), (1, 1, 2))]


def at_once(parts: list[tuple[TensorMap, TensorMap]]) -> tuple[TensorMap, TensorMap]:
    return tuple(
        jm.join(list(side), axis="samples", add_dimension="batch")
        for side in zip(*parts, strict=True)
    )


def test_sums_over_batches_are_those_over_all_rows(rng: np.random.Generator) -> None:
    parts = batches(rng)
    sums = NormalEquations.zeros(*parts[0])
    for X, y in parts:
        sums = sums.add(X, y, sample_weight=WEIGHTS)
    expected = Ridge.fit(*at_once(parts), alpha=0.1, sample_weight=WEIGHTS)
    assert jm.allclose(sums.solve(0.1).weights, expected.weights, rtol=0, atol=1e-10)


def test_sums_of_parts_add_up(rng: np.random.Generator) -> None:
    parts = batches(rng)
    zero = NormalEquations.zeros(*parts[0])
    a, b, c = (zero.add(X, y) for X, y in parts)
    whole = zero.add(*parts[0]).add(*parts[1]).add(*parts[2])
    assert jm.allclose((a + (b + c)).left, whole.left, rtol=0, atol=1e-12)
    halved = whole.map(lambda x: 0.5 * x)
    assert jm.allclose(2.0 * halved.right, whole.right, rtol=0, atol=1e-12)


def test_sums_in_a_scan(rng: np.random.Generator) -> None:
    parts = [problem(rng) for _ in range(4)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
    start = NormalEquations.zeros(*parts[0])

    @jax.jit
    def fitted(stacked: Any) -> Ridge:
        def step(sums: NormalEquations, batch: Any) -> tuple[NormalEquations, None]:
            return sums.add(*batch, sample_weight=WEIGHTS), None

        return jax.lax.scan(step, start, stacked)[0].solve(0.2)

    expected = Ridge.fit(*at_once(parts), alpha=0.2, sample_weight=WEIGHTS)
    found = fitted(stacked)
    assert jm.allclose(found.weights, expected.weights, rtol=0, atol=1e-10)


def test_one_program_for_batches_of_dynamic_samples(rng: np.random.Generator) -> None:
    parts, room = batches(rng), {"samples": 4, "positions": 6, "strain": 5}
    traced = 0

    @jax.jit
    def add(sums: NormalEquations, X: TensorMap, y: TensorMap) -> NormalEquations:
        nonlocal traced
        traced += 1
        return sums.add(X, y)

    sums = NormalEquations.zeros(*parts[0])
    for X, y in parts:
        sums = add(sums, jm.pad(X, room), jm.pad(y, room))
    assert traced == 1
    expected = Ridge.fit(*at_once(parts), alpha=0.1)
    assert jm.allclose(sums.solve(0.1).weights, expected.weights, rtol=0, atol=1e-10)


def test_sums_that_can_not_be(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    sums = NormalEquations.zeros(X, y)
    with pytest.raises(NotEqualError, match=r"NormalEquations.add: the properties"):
        sums.add(*problem(rng, features=4))
    with untyped(), pytest.raises(InvalidTypeError, match="only other normal equations"):
        sums + 1.0  # type: ignore[operator]
    with pytest.raises(InvalidError, match="has no finite solution"):
        sums.add(X * np.inf, y).solve(1.0)


# Paths ----------------------------------------------------------------------------------


def one_block(X: TensorMap, y: TensorMap) -> tuple[TensorMap, TensorMap]:
    first = Labels("center_type", [[1]])
    return jm.filter_blocks(X, first), jm.filter_blocks(y, first)


def refit_errors(
    x: np.ndarray, y: np.ndarray, s: np.ndarray, alpha: Any, groups: np.ndarray
) -> np.ndarray:
    """The weighted mean square of what refits without each group make of it."""
    total = np.zeros(y.shape[1])
    for group in np.unique(groups):
        kept = groups != group
        gram = x[kept].T @ (s[kept, None] * x[kept]) + np.diag(alpha)
        w = np.linalg.solve(gram, x[kept].T @ (s[kept, None] * y[kept]))
        total += (s[~kept, None] * (y[~kept] - x[~kept] @ w) ** 2).sum(axis=0)
    return total / s.sum()


@pytest.mark.parametrize("features", [5, 90])
@pytest.mark.parametrize("components", [(), (Labels.range("o3_mu", 3),)])
def test_left_out_errors_are_those_of_refits(
    rng: np.random.Generator, features: int, components: tuple[Labels, ...]
) -> None:
    X, y = one_block(*problem(rng, features, components=components))
    each = 3 if components else 1
    alphas = [0.01, 0.3, 10.0]
    blocks = [
        TensorBlock(
            rng.uniform(0.5, 2.0, size=(1, len(x.properties))),
            Labels.single(),
            [],
            x.properties,
        )
        for x in X
    ]
    penalty = TensorMap(X.keys, blocks)
    path = RidgePath.fit(X, y, alphas, penalty=penalty, sample_weight=WEIGHTS)
    s = np.repeat([2.0, 0.5, 0.1], [each * n for n in (4, 24, 36)])
    owners = np.concatenate(
        [
            np.repeat(np.arange(4), each),
            np.repeat(X[0].gradient("positions").samples["sample"], 3 * each),
            np.repeat(np.arange(4), 9 * each),
        ]
    )
    for key, x in X.items():
        block = path.leave_one_out.block(key)
        assert block.samples == Labels.range("alpha", 3)
        for alpha, found in zip(alphas, np.asarray(block.values), strict=True):
            diagonal = alpha * np.asarray(penalty.block(key).values[0])
            expected = refit_errors(rows(x), rows(y.block(key)), s, diagonal, owners)
            np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_models_of_a_path_are_those_of_fits(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    alphas = [0.05, 2.0]
    path = RidgePath.fit(X, y, alphas, sample_weight=WEIGHTS, sizes=np.array([2, 1, 3, 2]))
    for position, alpha in enumerate(alphas):
        expected = Ridge.fit(
            X, y, alpha=alpha, sample_weight=WEIGHTS, sizes=np.array([2, 1, 3, 2])
        )
        found = path.model(position)
        assert jm.allclose(found.weights, expected.weights, rtol=0, atol=1e-11)


def test_samples_that_leave_together(rng: np.random.Generator) -> None:
    samples = Labels(["system", "atom"], [[0, 0], [3, 0], [0, 1], [5, 0], [3, 1], [3, 2]])
    x = TensorBlock(rng.normal(size=(6, 4)), samples, [], Labels.range("n", 4))
    y = TensorBlock(rng.normal(size=(6, 2)), samples, [], Labels.range("e", 2))
    X, Y = (TensorMap(Labels.single(), [each]) for each in (x, y))
    path = RidgePath.fit(X, Y, [0.5], leave_out="system")
    expected = refit_errors(
        rows(x, ("values",)), rows(y, ("values",)), np.ones(6), np.full(4, 0.5),
        samples["system"],
    )  # fmt: skip
    np.testing.assert_allclose(path.leave_one_out[0].values[0], expected, rtol=1e-10)


def test_generalised_cross_validation_is_its_formula(rng: np.random.Generator) -> None:
    X, y = one_block(*problem(rng))
    path = RidgePath.fit(X, y, [0.7])
    x, target = rows(X[0]), rows(y[0])
    hat = x @ np.linalg.solve(x.T @ x + 0.7 * np.eye(x.shape[1]), x.T)
    mean = ((target - hat @ target) ** 2).mean(axis=0)
    expected = mean / (1 - np.trace(hat) / len(x)) ** 2
    np.testing.assert_allclose(path.generalised[0].values[0], expected, rtol=1e-10)


@pytest.mark.parametrize("by", ["leave_one_out", "generalised"])
def test_the_best_model_is_that_of_the_smallest_error(
    rng: np.random.Generator, by: str
) -> None:
    X, y = problem(rng, features=60, noise=3.0)
    path = RidgePath.fit(X, y, [1e-3, 1.0, 30.0, 1e6])
    table = getattr(path, by)
    for index, (position, alpha) in enumerate(path.best_alphas(by)):
        errors = np.asarray(table[index].values).sum(axis=1)
        assert position == errors.argmin()
        assert alpha == [1e-3, 1.0, 30.0, 1e6][position]
        assert jm.equal_block(
            path.best(by).weights[index], path.model(position).weights[index]
        )


def test_paths_compile(rng: np.random.Generator) -> None:
    X, y = one_block(*problem(rng))
    expected = RidgePath.fit(X, y, [0.1, 1.0])
    found = jax.jit(lambda X, y: RidgePath.fit(X, y, [0.1, 1.0]))(X, y)
    assert jm.allclose(found.leave_one_out, expected.leave_one_out, rtol=1e-10)


def test_paths_that_can_not_be(rng: np.random.Generator) -> None:
    X, y = problem(rng)
    for alphas in ([], [0.0, 1.0]):
        with pytest.raises(InvalidError, match="larger than zero"):
            RidgePath.fit(X, y, alphas)
    with untyped(), pytest.raises(InvalidTypeError, match="list of numbers"):
        RidgePath.fit(X, y, 1.0)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match="samples have no dimension 'atom'"):
        RidgePath.fit(X, y, [1.0], leave_out="atom")
    padded = [jm.pad(each, {"samples": 4, "positions": 9, "strain": 4}) for each in (X, y)]
    with pytest.raises(DynamicSamplesError, match="samples are dynamic"):
        RidgePath.fit(*padded, [1.0])
    zero = jm.zeros_like(jm.slice(X, "samples", Labels("system", [[0]])))
    with pytest.raises(InvalidError, match="penalty= is zero"):
        RidgePath.fit(X, y, [1.0], penalty=jm.remove_gradients(zero))
    path = RidgePath.fit(X, y, [1.0])
    with pytest.raises(OutOfRangeError, match="no penalty 1"):
        path.model(1)
    with pytest.raises(InvalidError, match="no by 'aic'"):
        path.best("aic")
    with pytest.raises(InvalidTypeError, match="can not choose"):
        jax.jit(lambda path: path.best().weights)(path)
