"""The check of explicit gradients, pointed at metatensor.

What is known to be wrong there is found: gradients of means, variances and standard
deviations over samples are divided by the number of gradient rows that fall together, not
by the number of samples. What is right there passes, by the same means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given, settings
from metatensor_oracle import map_there
from operations.examples import with_other_numbers
from operations.peer import map_here

import jaxmeta as jm
from jaxmeta import TensorMap
from jaxmeta.errors import FailedCheckError
from jaxmeta.testing import Recipe, assert_exact_gradients, random_map
from jaxmeta.testing.strategies import tensors


Statistic = Callable[[Any], Any]


def over_systems(statistic: Statistic) -> Callable[[TensorMap], list[Any]]:
    """A statistic of the samples of each system, written out in numpy's functions."""

    def values(tensor: TensorMap) -> list[Any]:
        found = []
        for block in tensor:
            systems = np.asarray(block.samples.values)[:, 0]
            groups = [np.flatnonzero(systems == system) for system in np.unique(systems)]
            rows = [statistic(block.values[group]) for group in groups]
            found.append(jnp.stack(rows) if rows else block.values)
        return found

    return values


def there(name: str) -> Callable[[TensorMap], TensorMap]:
    """An operation of metatensor, over the atoms of each system."""
    operation = getattr(mts, name)
    return lambda tensor: map_here(operation(map_there(tensor), "atom"))


STATISTICS: dict[str, Statistic] = {
    "mean_over_samples": lambda rows: rows.mean(0),
    "var_over_samples": lambda rows: rows.var(0),
    "std_over_samples": lambda rows: jnp.sqrt(rows.var(0)),
}
# With two atoms or more in each system, so that no standard deviation is zero.
RECIPE = Recipe(rows=(16,))
SPARSE = random_map(RECIPE)


def test_no_standard_deviation_is_zero() -> None:
    samples = np.asarray(SPARSE[0].samples.values)
    assert np.unique(samples[:, 0], return_counts=True)[1].tolist() == [3, 4, 2, 2, 2, 3]


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_with_sparse_gradient_rows_are_wrong_there(name: str) -> None:
    values = over_systems(STATISTICS[name])
    with pytest.raises(FailedCheckError, match="by positions"):
        assert_exact_gradients(there(name), SPARSE, values=values)


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_right_there_where_no_gradient_row_is_missing(name: str) -> None:
    tensor = random_map(dataclasses.replace(RECIPE, density=1.0))
    values = over_systems(STATISTICS[name])
    assert_exact_gradients(there(name), tensor, values=values)


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_right_here(name: str) -> None:
    values = over_systems(STATISTICS[name])
    operation = getattr(jm, name)
    assert_exact_gradients(lambda t: operation(t, "atom"), SPARSE, values=values)
    assert_exact_gradients(lambda t: operation(t, "atom"), SPARSE)


@settings(max_examples=8)
@given(tensors(properties=2))
def test_sums_are_right_there(tensor: TensorMap) -> None:
    values = over_systems(lambda rows: rows.sum(0))
    assert_exact_gradients(there("sum_over_samples"), tensor, values=values)


@pytest.mark.parametrize("name", ["multiply", "divide", "add"])
def test_arithmetic_is_right_there(name: str) -> None:
    operation = getattr(mts, name)
    left = random_map(Recipe(rows=(4, 0), components=(3,)))
    assert_exact_gradients(
        lambda *pair: map_here(operation(*map(map_there, pair))),
        left,
        with_other_numbers(left, 1),
        values=getattr(jm, name),
    )
