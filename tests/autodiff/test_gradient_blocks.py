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
)

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, with_gradients
from jaxmeta.errors import InvalidTypeError
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

    def wide(x: Any) -> TensorMap:  # fewer passes forwards, if these were possible
        block, n = of(x)[0], Labels.range("n", 9)
        values = block.values * jnp.arange(9.0)[None]
        return TensorMap(Labels.single(), [TensorBlock(values, block.samples, [], n)])

    gradient = with_gradients(wide, {"x": given}, second=["x/x"])[0].gradient("x")
    np.testing.assert_allclose(
        gradient.values, expected[:, None] * np.arange(9.0)[None], rtol=1e-12
    )
    second = gradient.gradient("x").values[:, 2]
    slope = jax.vmap(jax.grad(jax.grad(lambda x: 2 * jnp.sin(x**3))))(x)
    # Rows 0 and 2 feed one sample, which is a sum: no mixed derivatives.
    table = [slope[0], 0.0, slope[1], 0.0, slope[2]]
    np.testing.assert_allclose(second, table, rtol=1e-12, atol=1e-12)
    with pytest.raises(InvalidTypeError, match="no derivatives forwards"):
        with_gradients(wide, {"x": given}, mode="forward")
