"""Under jit, gradient blocks are the arithmetic that jax.value_and_grad does."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from benchmarks.bench_autodiff import Structures, programs, weights


GIVEN = Structures.of(3, 5)
ARGUMENTS = weights(), GIVEN.positions, GIVEN.strain
PROGRAMS = programs(GIVEN)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_operations_are_as_many(name: str) -> None:
    ours, by_hand, _ = PROGRAMS[name]
    assert _flops(ours) == _flops(by_hand) > 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_numbers_are_the_same(name: str) -> None:
    ours, by_hand, _ = PROGRAMS[name]
    found = jax.tree.leaves(jax.jit(ours)(*ARGUMENTS))
    expected = jax.tree.leaves(jax.jit(by_hand)(*ARGUMENTS))
    for one, other in zip(found, expected, strict=True):
        other = other.reshape(one.shape)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def _flops(program: Any) -> Any:
    return jax.jit(program).lower(*ARGUMENTS).compile().cost_analysis()["flops"]
