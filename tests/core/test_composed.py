"""Steps of one operation after those of another: one call for each leaf."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmeta.core.gradients import _composed
from jaxmeta.core.gradients._composed import Expression, composed, then
from jaxmeta.core.plans._kernels import take_rows
from jaxmeta.core.plans._plans import Plan, Step, keep


def double(x: Any) -> Any:
    return 2 * x


def plus(x: Any, y: Any) -> Any:
    return x + y


def power(x: Any, exponent: int) -> Any:
    return x**exponent


REVERSED = np.array([2, 1, 0], np.int32)
X, Y = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])

# Three leaves of two: twice the first one, the second as it is, their sum reversed.
INNER = [
    Step(double, (0,)),
    keep(1),
    *then([Step(plus, (0, 1))], [Step(take_rows, (0,), (REVERSED,))]),
]


def run(steps: list[Step]) -> list[np.ndarray]:
    """What the steps give for X and Y, eagerly and traced."""
    plan: Plan[Any] = Plan(None, steps)
    leaves = [jnp.asarray(X), jnp.asarray(Y)]
    eager = [np.asarray(leaf) for leaf in plan.run(leaves)]
    traced = jax.jit(lambda leaves: plan.run(leaves))(leaves)
    for a, b in zip(eager, traced, strict=True):
        np.testing.assert_array_equal(a, b)
    return eager


def expression(step: Step) -> Expression:
    assert step.kernel is composed
    (found,) = step.static
    assert isinstance(found, Expression)
    return found


def calls(step: Step) -> list[str]:
    return [call.kernel.__name__ for call in expression(step).calls]


def test_steps_on_the_results_of_steps() -> None:
    outer = [
        Step(power, (0,), (), (2,)),
        Step(plus, (1, 2)),
        Step(plus, (0, 0)),
        Step(take_rows, (2,), (REVERSED,)),
    ]
    found = run(then(INNER, outer))
    both = (X + Y)[::-1]
    expected = [(2 * X) ** 2, Y + both, 4 * X, both[::-1]]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_kept_stays_what_it_was() -> None:
    steps = then(INNER, [keep(2), keep(1), keep(0)])
    assert [step is old for step, old in zip(steps, INNER[::-1], strict=True)] == [True] * 3


def test_a_step_on_kept_leaves_only_takes_them_from_elsewhere() -> None:
    (step,) = then(INNER, [Step(plus, (1, 1))])
    assert step == Step(plus, (1, 1))
    (step,) = then([keep(5), keep(3)], [Step(power, (1,), (), (3,))])
    assert step == Step(power, (3,), (), (3,))


def test_calls_and_arrays_that_are_needed_twice_are_there_once() -> None:
    (step,) = then(INNER, [Step(plus, (2, 2))])
    assert calls(step) == ["plus", "take_rows", "plus"]
    assert step.inputs == (0, 1)
    assert [array is REVERSED for array in step.index] == [True]
    (step,) = then(INNER, [Step(take_rows, (2,), (REVERSED,))])
    assert len(step.index) == 1
    np.testing.assert_array_equal(run([step])[0], X + Y)


def test_equal_numbers_in_two_index_arrays_stay_two() -> None:
    """Other labels with other numbers then find the same compiled call."""
    (step,) = then(INNER, [Step(take_rows, (2,), (REVERSED.copy(),))])
    (other,) = then(INNER, [Step(take_rows, (2,), (np.array([1, 1, 0], np.int32),))])
    assert step.static == other.static


def test_three_operations_are_one_flat_expression() -> None:
    (first,) = then(then(INNER, [Step(plus, (0, 2))]), [Step(double, (0,))])
    (second,) = then(INNER, then([Step(plus, (0, 2))], [Step(double, (0,))]))
    assert calls(first) == ["double", "plus", "take_rows", "plus", "double"]
    assert expression(first) is expression(second)
    np.testing.assert_array_equal(run([first])[0], 2 * (2 * X + (X + Y)[::-1]))


def test_equal_expressions_are_one_object_that_is_freed() -> None:
    def make() -> Step:
        return then([Step(double, (4,))], [Step(power, (0,), (), (7,))])[0]

    kept = make()
    assert expression(make()) is expression(kept)
    other = then([Step(double, (4,))], [Step(power, (0,), (), (8,))])[0]
    assert expression(other) is not expression(kept)
    before = len(_composed._EXPRESSIONS)
    del kept
    assert len(_composed._EXPRESSIONS) == before - 1


def test_a_leaf_that_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        then(INNER, [Step(double, (3,))])
