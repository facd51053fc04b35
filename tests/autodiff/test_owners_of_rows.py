"""Owners of rows: the ways to say them, random ones, and the check that finds faults."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autodiff.functions import NONE, OWNERS, arrays, compiled, function, parameters, scaled

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, assert_owners, with_gradients


def test_owners_as_lists_functions_and_arrays_of_numpy() -> None:
    at = arrays()
    expected = compiled()(at)
    lists = {name: [owner.tolist() for owner in each] for name, each in OWNERS.items()}
    by_rows = {4: 0, 3: 1}
    functions = {
        name: (lambda block, name=name: OWNERS[name][by_rows[len(block)]])
        for name in OWNERS
    }
    for owners in (lists, functions):
        found = compiled(owners)(at)
        assert jm.equal(found, expected)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_random_owners(mode: Any, seed: int) -> None:
    """Any numbers of rows and samples, in any order, with rows that feed nothing."""
    rng = np.random.default_rng(seed)
    rows, samples = int(rng.integers(1, 9)), int(rng.integers(1, 7))
    owner = rng.integers(0, samples + 1, rows)
    weights = jnp.asarray(rng.normal(size=(2, 3)))
    x = jnp.asarray(rng.normal(size=(rows, 2)))

    def numbers(x: Any) -> Any:
        return jnp.sin(jax.ops.segment_sum(x @ weights, owner, samples)) ** 2

    def of(x: Any) -> TensorMap:
        axes = Labels.range("s", samples), [], Labels.range("n", 3)
        return TensorMap(Labels.single(), [TensorBlock(numbers(x), *axes)])

    @jax.jit
    def gradients(x: Any) -> TensorMap:
        given = Parameter(
            x, Labels.range("row", rows), [Labels.range("c", 2)],
            owner=np.where(owner < samples, owner, NONE),
        )  # fmt: skip
        return with_gradients(of, {"x": given}, mode=mode, chunk=2)

    gradient = gradients(x)[0].gradient("x")
    found = np.zeros((samples, rows, 2, 3))
    sample, row = np.asarray(gradient.samples.values).T
    found[sample, row] = gradient.values
    assert row.tolist() == np.flatnonzero(owner < samples).tolist()
    expected = jnp.einsum("snrc->srcn", jax.jacfwd(numbers)(x))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_owners_by_labels() -> None:
    """They fit every block, also where some rows have no sample there."""
    rng = np.random.default_rng(0)
    atoms = Labels(["image", "system"], [[0, 7], [0, 3], [1, 7], [0, -2], [1, 3]])
    systems = [Labels(["system"], [[3], [7], [-2]]), Labels(["system"], [[7], [9], [3]])]
    owners = [np.array([1, 0, 1, 2, 0]), np.array([0, 2, 0, NONE, 2])]
    x = jnp.asarray(rng.normal(size=5))

    def of(x: Any) -> TensorMap:
        found = []
        for samples, owner in zip(systems, owners, strict=True):
            to = np.where(owner == NONE, 3, owner)
            values = jax.ops.segment_sum(jnp.sin(x), to, 3)[:, None] ** 2
            found.append(TensorBlock(values, samples, [], Labels.range("n", 1)))
        return TensorMap(Labels.range("k", 2), found)

    def by(owner: Any) -> TensorMap:
        return with_gradients(of, {"x": Parameter(x, atoms, owner=owner)})

    assert_owners(of, {"x": Parameter(x, atoms, owner="system")})
    for names in ("system", ["system"], ("system",)):
        assert jm.equal(by(names), by(owners))


def test_the_check_of_owners_finds_what_is_wrong() -> None:
    at = arrays()
    assert_owners(function, parameters(at))
    assert_owners(function, parameters(at), chunk=3)
    assert_owners(scaled, parameters(at), 2.0)
    wrong = {**OWNERS, "x": [np.array([2, 0, 0, 2, 3]), OWNERS["x"][1]]}
    with pytest.raises(AssertionError, match="row 4 feeds sample 2 and has owner 3"):
        assert_owners(function, parameters(at, wrong))
    assert_owners(function, parameters(at, wrong), atol=100.0)
    none = {**OWNERS, "x": [OWNERS["x"][0], np.array([0, NONE, 2, 2, NONE])]}
    with pytest.raises(AssertionError, match=r"'x', block \(k=1\): row 4 feeds sample 0"):
        assert_owners(function, parameters(at, none))
    assert_owners(function, parameters(at, {**OWNERS, "x": None}))


@pytest.mark.parametrize(("samples", "rows", "sizes"), [(0, 3, 1), (2, 0, 1), (2, 3, 0)])
def test_the_check_of_owners_where_there_is_nothing(
    samples: int, rows: int, sizes: int
) -> None:
    """No samples, no rows, no properties: nothing feeds what it should not."""

    def of(x: Any) -> TensorMap:
        values = jnp.ones((samples, sizes)) * jnp.sum(x)
        labels = Labels.range("s", samples), [], Labels.range("n", sizes)
        return TensorMap(Labels.single(), [TensorBlock(values, *labels)])

    x = Parameter(jnp.ones(rows), Labels.range("atom", rows), owner=[NONE] * rows)
    assert_owners(of, {"x": x})


def test_the_check_of_owners_takes_integers_of_every_kind() -> None:
    def of(x: Any) -> TensorMap:
        labels = Labels.range("s", 2), [], Labels.range("n", 1)
        return TensorMap(Labels.single(), [TensorBlock(x[:, None], *labels)])

    for dtype in ("uint8", "int8", "uint32", "int64"):
        atoms = DynamicLabels("atom", jnp.array([[0], [1]], jnp.int32))
        for samples in (Labels.range("atom", 2), atoms):
            owner = jnp.array([0, 1], dtype)
            assert_owners(of, {"x": Parameter(jnp.ones(2), samples, owner=owner)})
