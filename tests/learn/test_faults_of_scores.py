"""Losses and metrics where sizes, weights or references are odd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError
from jaxmeta.learn import mae, metrics, mse, r2, rmse


def _tensor(values: Any) -> TensorMap:
    values = np.asarray(values)[:, None]
    systems, energy = Labels.range("system", len(values)), Labels.range("energy", 1)
    return TensorMap(Labels.single(), [TensorBlock(values, systems, [], energy)])


PREDICTION, TARGET = _tensor([0.2, 0.1, 0.4]), _tensor([0.1, 0.2, 0.3])


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-5, -7.7, 1e20])
def test_references_that_do_not_vary_have_no_r2(value: float) -> None:
    """Their mean is rounded: what is left of them must not be taken for a spread."""
    for rows in (1, 3, 7, 10):
        target = _tensor([value] * rows)
        prediction = _tensor(np.linspace(0.0, 1.0, rows))
        assert np.isnan(r2(prediction, target))
        assert np.isnan(r2(target, target))
        assert np.isnan(metrics(prediction, target)["(_=0)", "values"].r2)


@pytest.mark.parametrize("function", [rmse, r2, metrics])
def test_metrics_refuse_traced_sizes(function: Callable[..., Any]) -> None:
    for given in (np.ones(3), _tensor([1.0, 1.0, 1.0])):
        with pytest.raises(InvalidTypeError, match=r"the sizes are traced by JAX"):
            jax.jit(lambda s: function(PREDICTION, TARGET, sizes=s))(given)
    with pytest.raises(InvalidTypeError, match=r"the sizes are traced by JAX"):
        jax.jit(lambda s: function(PREDICTION, TARGET, sizes=[s, 1, 2]))(1.0)


def test_a_size_that_is_no_number_is_seen() -> None:
    """In metrics as in losses: it drops no row."""
    sizes = np.array([1.0, np.nan, 2.0])
    assert np.isnan(float(mse(PREDICTION, TARGET, sizes=sizes)))
    found = metrics(PREDICTION, TARGET, sizes=sizes)["(_=0)", "values"]
    assert found.count == 3
    assert np.isnan([found.rmse, found.mae, found.r2]).all()


@pytest.mark.parametrize("function", [mse, mae, rmse, metrics])
def test_sizes_of_other_kinds(function: Callable[..., Any]) -> None:
    for wrong in ([[1], [2, 3]], [1, None, 2]):
        with pytest.raises(InvalidError, match="sizes= must have one number for each"):
            function(PREDICTION, TARGET, sizes=wrong)
    for kind in (np.complex128, np.bool_):
        other = _tensor(np.ones(3, kind))
        with pytest.raises(
            InvalidTypeError, match=rf"sizes must be real.\n.*{np.dtype(kind)}"
        ):
            function(PREDICTION, TARGET, sizes=other)


def test_a_list_of_traced_sizes_is_told_what_to_be() -> None:
    with pytest.raises(InvalidError, match=r"sizes= must have .*\n.*\n.*jnp.stack"):
        jax.jit(lambda s: mse(PREDICTION, TARGET, sizes=[s, 1, 2]))(1.0)


@pytest.mark.parametrize("weight", [1 + 2j, True], ids=str)
def test_weights_of_jax_are_real_numbers(weight: Any) -> None:
    with pytest.raises(InvalidTypeError, match="weight of 'values' must be a real number"):
        mse(PREDICTION, TARGET, {"values": jnp.array(weight)})
    with pytest.raises(InvalidTypeError, match="weight of 'values' must be a real number"):
        mse(PREDICTION, TARGET, {"values": jax.random.key(0)})
    assert mse(PREDICTION, TARGET, {"values": jnp.array(2)}) == 2 * mse(PREDICTION, TARGET)


@pytest.mark.usefixtures("wrong_types")
def test_parameters_of_metrics_are_names() -> None:
    with pytest.raises(InvalidTypeError, match="rmse: parameter must be a name"):
        rmse(PREDICTION, TARGET, 3)  # type: ignore[arg-type]
