"""with_gradients against the whole Jacobian, for every way to compute it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autodiff.functions import (
    AXES,
    NONE,
    OWNERS,
    ROWS,
    arrays,
    assert_gradients,
    compiled,
    function,
    jacobian,
    parameters,
    scaled,
)

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, assert_owners, with_gradients
from jaxmeta.testing import assert_exact_gradients


MODES = ("auto", "reverse", "forward")


@pytest.mark.parametrize(
    ("mode", "chunk"), [("auto", None), ("reverse", 4), ("forward", None), ("forward", 4)]
)
def test_rows_with_owners(mode: Any, chunk: int | None) -> None:
    at = arrays()
    tensor = compiled(mode=mode, chunk=chunk)(at)
    assert_gradients(tensor, at)
    for number, block in enumerate(tensor):
        for name in ("x", "s"):
            samples = block.gradient(name).samples
            owner = OWNERS[name][number]
            assert samples["sample"].tolist() == owner[owner != NONE].tolist()


@pytest.mark.parametrize(
    ("mode", "chunk"), [("auto", 7), ("reverse", None), ("forward", None), ("forward", 7)]
)
def test_rows_that_may_feed_every_sample(mode: Any, chunk: int | None) -> None:
    at = arrays()
    rows = {**ROWS, "s": Labels.range("row", 4)}
    tensor = _pairs(at, rows, mode, chunk)
    for number, block in enumerate(tensor):
        for name in at:
            gradient, expected = block.gradient(name), jacobian(number, name, at)
            labels = rows[name]
            assert labels is not None
            table = np.asarray(gradient.samples.values)
            pairs = len(block) * len(labels)
            assert (
                table[:, 0].tolist() == np.repeat(range(len(block)), len(labels)).tolist()
            )
            assert table[:, 1:].tolist() == labels.values.tolist() * len(block)
            expected = expected.reshape(pairs, *gradient.shape[1:])
            np.testing.assert_allclose(gradient.values, expected, rtol=1e-10, atol=1e-10)


def _pairs(at: Any, rows: Any, mode: Any, chunk: int | None) -> TensorMap:
    def of(at: Any) -> TensorMap:
        given = {name: Parameter(at[name], rows[name], AXES[name]) for name in at}
        return with_gradients(function, given, mode=mode, chunk=chunk)

    return jax.jit(of)(at)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_one_parameter_with_an_owner_and_one_without(mode: Any) -> None:
    at = arrays()
    tensor = compiled({**OWNERS, "x": None}, mode=mode)(at)
    assert_gradients(tensor, at)
    assert len(tensor[0].gradient("x")) == 20
    assert len(tensor[0].gradient("s")) == 4


def test_what_operations_make_of_the_gradients_is_exact() -> None:
    tensor = compiled()(arrays())
    assert_exact_gradients(lambda t: jm.sin(t) * t, tensor)


def test_single_precision() -> None:
    at = arrays(np.float32)
    for mode in ("reverse", "forward"):
        tensor = compiled(mode=mode)(at)
        assert tensor[0].gradient("x").dtype == np.float32
        assert_gradients(tensor, at, rtol=2e-4)


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


def test_a_block_that_does_not_depend_on_the_parameters() -> None:
    def constant(x: Any) -> TensorMap:
        values = jnp.stack([jnp.sum(x), jnp.ones(())])[:, None]
        n = Labels.range("n", 1)
        blocks = [
            TensorBlock(v, Labels.range("s", 2), [], n) for v in (values, jnp.ones((2, 1)))
        ]
        return TensorMap(Labels.range("k", 2), blocks)

    given = Parameter(jnp.arange(3.0), Labels.range("atom", 3), owner=[0, 0, 0])
    for mode in MODES:  # type: Any
        tensor = with_gradients(constant, {"x": given}, mode=mode)
        assert tensor[0].gradient("x").values.tolist() == [[1.0]] * 3
        assert tensor[1].gradient("x").values.tolist() == [[0.0]] * 3


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("sizes", [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
@pytest.mark.parametrize("owner", [True, False])
def test_nothing_at_all(mode: Any, sizes: tuple[int, ...], owner: bool) -> None:
    samples, rows, properties = sizes

    def of(x: Any) -> TensorMap:
        n, s = Labels.range("n", properties), Labels.range("s", samples)
        values = jnp.zeros((samples, properties)) + jnp.sum(x)
        return TensorMap(Labels.single(), [TensorBlock(values, s, [], n)])

    numbers = [NONE if samples == 0 else 0] * rows
    labels = Labels.range("row", rows)
    given = Parameter(jnp.ones(rows), labels, owner=numbers if owner else None)
    gradient = with_gradients(of, {"x": given}, mode=mode)[0].gradient("x")
    count = rows if owner and samples else samples * rows
    assert gradient.shape == (count, properties)
    assert (
        with_gradients(lambda x: TensorMap(Labels.empty("k"), []), {"x": given}) is not None
    )


def test_functions_with_derivatives_of_their_own() -> None:
    """Those that JAX can only pull back: custom_vjp, and checkpointed ones."""

    @jax.custom_vjp
    def cube(x: Any) -> Any:
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, c: (3 * x**2 * c,))

    @jax.checkpoint
    def inner(x: Any) -> Any:
        return jnp.sin(cube(x))

    def of(x: Any) -> TensorMap:
        values = jax.ops.segment_sum(inner(x), np.array([1, 0, 1]), 2)[:, None]
        n, samples = Labels.range("n", 1), Labels.range("s", 2)
        double = TensorBlock(2 * values, samples, [], n)
        return TensorMap(
            Labels.range("k", 2), [TensorBlock(values, samples, [], n), double]
        )

    x = jnp.array([0.3, 0.5, -0.7])
    given = Parameter(x, Labels.range("atom", 3), owner=[1, 0, 1])
    tensor = with_gradients(of, {"x": given})
    expected = np.cos(x**3) * 3 * x**2
    for factor, block in enumerate(tensor, start=1):
        found = block.gradient("x").values[:, 0]
        np.testing.assert_allclose(found, factor * expected, rtol=1e-12)


# Owners that are none -------------------------------------------------------------------


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
