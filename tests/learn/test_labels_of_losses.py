"""Predictions and targets whose labels differ are never compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from energies import ROOM, energies

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.learn import huber, mae, metrics, mse, r2, rmse


EVERY = [mse, mae, huber, rmse, r2, metrics]
every_one = pytest.mark.parametrize("function", EVERY, ids=lambda f: f.__name__)


def _energies(values: Any, systems: Any, keys: Any = (0,)) -> TensorMap:
    block = TensorBlock(
        np.array(values)[:, None],
        Labels("system", np.reshape(systems, (-1, 1))),
        [],
        Labels("energy", [[0]]),
    )
    return TensorMap(Labels("model", np.reshape(keys, (-1, 1))), [block] * len(keys))


@every_one
def test_other_samples_are_told_from_both_sides(function: Callable[..., Any]) -> None:
    left, right = _energies([1.0, 2.0], [0, 1]), _energies([1.0, 2.0], [0, 4])
    with pytest.raises(jm.NotEqualError) as error:
        function(left, right)
    words = ("samples of block (model=0)", "row 1", "(system=1) vs (system=4)", "slice()")
    for word in (function.__name__, *words):
        assert word in str(error.value)


@every_one
def test_other_keys_are_told(function: Callable[..., Any]) -> None:
    left, right = _energies([1.0], [0], [0, 1]), _energies([1.0], [0], [0, 2])
    with pytest.raises(jm.NotEqualError, match="only left has") as error:
        function(left, right)
    assert "(model=1)" in str(error.value)
    assert "(model=2)" in str(error.value)


@pytest.mark.parametrize("function", [mse, mae, huber])
def test_gradient_rows_in_another_order(
    function: Callable[..., Any], rng: np.random.Generator
) -> None:
    tensor = energies(rng)
    forces = tensor[0].gradient("positions")
    order = np.array([1, 0, 2, 3, 4, 5, 6, 7, 8])
    moved = TensorBlock(
        forces.values[order],
        Labels(forces.samples.names, forces.samples.values[order]),
        forces.components,
        forces.properties,
    )
    block = TensorBlock(
        tensor[0].values,
        tensor[0].samples,
        [],
        tensor[0].properties,
        {"positions": moved},
    )
    other = TensorMap(tensor.keys, [block])
    with pytest.raises(jm.NotEqualError) as error:
        function(tensor, other, {"positions": 1.0})
    words = (
        "gradient 'positions' of block (model=0)",
        "row 0: (sample=0, system=0, atom=0) vs (sample=0, system=0, atom=1)",
        "sort() both",
    )
    for word in words:
        assert word in str(error.value)
    assert float(function(tensor, jm.sort(other), {"positions": 1.0})) == 0.0
    # What has no weight is not looked at.
    assert float(function(tensor, other)) == 0.0


@every_one
def test_other_properties_and_components(function: Callable[..., Any], rng: Any) -> None:
    left = energies(rng)
    right = jm.rename_dimension(left, "properties", "energy", "n")
    with pytest.raises(jm.NotEqualError, match="properties of block"):
        function(left, right)


@pytest.mark.parametrize("function", [mse, mae, huber])
def test_values_must_agree_for_gradients_to_be_compared(
    function: Callable[..., Any], rng: np.random.Generator
) -> None:
    """Rows of gradients are numbers of rows of values: of other samples they lie."""
    left = energies(rng)
    block = left[0]
    renamed = Labels("system", [[7], [8], [9], [10], [11], [12]])
    right = TensorMap(
        left.keys,
        [TensorBlock(block.values, renamed, [], block.properties, dict(block.gradients()))],
    )
    with pytest.raises(jm.NotEqualError, match=r"\(system=0\) vs \(system=7\)"):
        function(left, right, {"strain": 1.0})


# Dynamic samples -------------------------------------------------------------------------


@pytest.mark.parametrize("function", [mse, mae, huber])
def test_dynamic_samples_that_differ_give_nan(
    function: Callable[..., Any], rng: np.random.Generator
) -> None:
    left = jm.pad(_energies([1.0, 2.0], [0, 1]), 3)
    same = jm.pad(_energies([3.0, 2.0], [0, 1]), 3)
    other = jm.pad(_energies([1.0, 2.0], [0, 4]), 3)
    compiled = jax.jit(function)
    assert float(compiled(left, same)) > 0
    assert np.isnan(float(compiled(left, other)))
    assert np.isnan(float(function(left, other)))
    with (
        jm.debug.raising(),
        pytest.raises(Exception, match="rows are not the same") as error,
    ):
        jax.block_until_ready(jax.jit(lambda a, b: function(a, b))(left, other))
    assert f"{function.__name__}: the samples of block (model=0)" in str(error.value)


def test_dynamic_rows_of_gradients_are_compared(rng: np.random.Generator) -> None:
    left = jm.pad(energies(rng), ROOM)
    right = jm.pad(energies(rng, (1, 2, 0, 3, 1, 2)), ROOM)
    assert np.isfinite(float(mse(left, right)))
    assert np.isnan(float(mse(left, right, {"positions": 1.0})))
    assert np.isfinite(float(mse(left, right, {"strain": 1.0})))


def test_the_same_leaf_is_not_compared() -> None:
    tensor = jm.pad(_energies([1.0, 2.0], [0, 1]), 3)

    def of_one(tensor: TensorMap) -> Any:
        return mse(2.0 * tensor, tensor)

    def of_two(tensor: TensorMap, target: TensorMap) -> Any:
        return mse(2.0 * tensor, target)

    one = jax.make_jaxpr(of_one)(tensor).jaxpr.eqns
    two = jax.make_jaxpr(of_two)(tensor, tensor).jaxpr.eqns
    assert len(one) < len(two)


def test_static_beside_dynamic_is_refused() -> None:
    tensor = _energies([1.0, 2.0], [0, 1])
    with pytest.raises(jm.NotEqualError, match="pad\\(\\) or unpad\\(\\) both"):
        mse(tensor, jm.pad(tensor, 3))
    with pytest.raises(jm.NotEqualError, match="room for 4 rows, right for 3"):
        mse(jm.pad(tensor, 4), jm.pad(tensor, 3))


# Other arguments -------------------------------------------------------------------------


@every_one
def test_other_dtypes(function: Callable[..., Any]) -> None:
    tensor = _energies([1.0, 2.0], [0, 1])
    with pytest.raises(
        TypeError, match="the prediction has float32, the target has float64"
    ):
        function(tensor.to(dtype="float32"), tensor)
    for dtype in ("int32", "complex128"):
        other = _energies(np.ones(2, dtype), [0, 1])
        with pytest.raises(TypeError, match=dtype):
            function(other, other)


@every_one
@pytest.mark.usefixtures("wrong_types")
def test_no_maps(function: Callable[..., Any]) -> None:
    tensor = _energies([1.0, 2.0], [0, 1])
    for pair in ((tensor, tensor[0]), (1.0, tensor)):
        with pytest.raises(TypeError, match=f"{function.__name__}: .* TensorMap"):
            function(*pair)
