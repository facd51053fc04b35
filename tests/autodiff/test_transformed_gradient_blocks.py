"""Gradient blocks under jit, vmap and grad, and what they cost there."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autodiff.functions import (
    AXES,
    OWNERS,
    ROWS,
    arrays,
    assert_gradients,
    function,
    parameters,
    scaled,
    values,
)

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, _passes, with_gradients


def test_compiled_once_and_called_once_a_trace() -> None:
    calls: list[int] = []

    def counted(x: Any, s: Any) -> TensorMap:
        calls.append(1)
        return function(x, s)

    program = jax.jit(lambda at: with_gradients(counted, parameters(at)))
    for seed in range(2):
        at = arrays(seed=seed)
        tensor = program(at)
        assert_gradients(tensor, at, rtol=1e-9)
    assert len(calls) == 1
    assert (
        tensor[0].gradient("x").samples
        is with_gradients(function, parameters(at))[0].gradient("x").samples
    )
    with_gradients(counted, parameters(at), second=["x/x"], mode="forward", chunk=3)
    assert len(calls) == 2


@pytest.mark.parametrize("owner", [True, False])
def test_mapped_over_a_batch(owner: bool) -> None:
    batch = jax.tree.map(lambda *each: jnp.stack(each), *[arrays(seed=i) for i in range(3)])
    owners = OWNERS if owner else {**OWNERS, "x": None}

    def of(at: Any) -> TensorMap:
        return with_gradients(function, parameters(at, owners), chunk=5)

    together, one = jax.jit(jax.vmap(of))(batch), jax.jit(of)
    for i in range(3):
        at = jax.tree.map(lambda x, i=i: x[i], batch)
        alone = jax.tree.map(lambda x, i=i: x[i], together)
        jm.allclose_raise(alone, one(at), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_training_on_gradient_blocks(mode: Any) -> None:
    """A loss on values and gradients, by the parameters of a model and by the arrays."""
    at = arrays()
    weights = np.random.default_rng(5).normal(size=(5, 3, 2, 3))

    def loss(power: Any, at: Any, chunk: Any = None) -> Any:
        given = parameters(at, names=["x"])
        tensor = with_gradients(scaled_by(at["s"]), given, power, mode=mode, chunk=chunk)
        gradient = tensor[0].gradient("x").values
        return jnp.sum(weights * gradient**2) + jnp.sum(tensor[1].values ** 2)

    def scaled_by(s: Any) -> Any:
        return lambda power, x: scaled(power, x, s)

    def loss_of_arrays(power: Any, at: Any) -> Any:
        each = jax.jacfwd(lambda x: values(0, x, at["s"], power))(at["x"])
        owner = OWNERS["x"][0]
        gradient = jnp.moveaxis(each, 3, 1)[owner, np.arange(5)]
        gradient = jnp.moveaxis(gradient, -1, 1)
        second = values(1, **at, power=power)
        return jnp.sum(weights * gradient**2) + jnp.sum(second**2)

    expected = jax.jit(jax.grad(loss_of_arrays, (0, 1)))(1.3, at)
    for chunk in (None, 3):
        found = jax.jit(jax.grad(partial(loss, chunk=chunk), (0, 1)))(1.3, at)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9),
            found,
            expected,
        )


def test_more_arguments_and_more_results() -> None:
    at = arrays()

    def of(power: Any, x: Any, s: Any) -> Any:
        return scaled(power, x, s), {"power": power * x, "note": "any", "f": jnp.sin}

    tensor, aux = with_gradients(of, parameters(at), 3.0, has_aux=True)
    jm.allclose_raise(tensor, with_gradients(scaled, parameters(at), 3.0), rtol=1e-12)
    assert aux["note"] == "any"
    assert aux["f"] is jnp.sin
    np.testing.assert_array_equal(aux["power"], 3.0 * at["x"])


def test_passes_are_as_few_as_they_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    original = _passes.in_chunks

    def counted(one: Any, count: int, chunk: int | None) -> Any:
        counts.append(count)
        return original(one, count, chunk)

    monkeypatch.setattr(_passes, "in_chunks", counted)
    at = arrays()

    def passes(**options: Any) -> list[int]:
        counts.clear()
        jax.eval_shape(lambda at: with_gradients(function, parameters(at), **options), at)
        return list(counts)

    # Backwards one for each component and property of a block; forwards as many as a
    # sample has rows at most, times the entries of a row.
    assert passes(mode="reverse") == [6, 2]
    assert passes(mode="forward") == [9, 4, 6, 4]
    assert passes() == [6, 2]

    def wide(x: Any, s: Any) -> TensorMap:
        columns = jnp.tile(function(x, s)[0].values, (1, 1, 9))
        n, c = Labels.range("n", 27), Labels.range("c", 2)
        block = TensorBlock(columns, Labels.range("system", 4), [c], n)
        return TensorMap(Labels.single(), [block])

    owners = {name: each[0] for name, each in OWNERS.items()}
    counts.clear()
    jax.eval_shape(lambda at: with_gradients(wide, parameters(at, owners)), at)
    assert counts == [9, 4]


def test_numpy_arrays_are_parameters_too() -> None:
    at = arrays()
    host = {name: np.asarray(array) for name, array in at.items()}
    jm.equal_raise(
        with_gradients(function, parameters(host)), with_gradients(function, parameters(at))
    )


def test_traced_owners_of_static_samples() -> None:
    at = arrays()

    def of(at: Any, owner: Any) -> TensorMap:
        given = Parameter(at["x"], ROWS["x"], AXES["x"], owner)
        return with_gradients(lambda x: function(x, at["s"]), {"x": given})

    owners = [jnp.asarray(owner) for owner in OWNERS["x"]]
    tensor = jax.jit(of)(at, owners)
    assert_gradients(tensor, at)
    assert isinstance(tensor[0].gradient("x").samples, DynamicLabels)
    assert len(tensor[1].gradient("x")) == 5
