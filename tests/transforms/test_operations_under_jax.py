"""Every operation gives the same under every transformation of JAX."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operations.examples import Recipe, random_map, with_other_numbers, with_other_values

import jaxmeta as jm
from benchmarks._cases import Case, cases
from jaxmeta import TensorMap
from jaxmeta.core.plans import _groups, _schedules


CASES = {case.title: case for case in cases()}
RECIPE = Recipe(rows=(4, 1), components=(3,), shared=("components",))
# JAX's derivative is zero on purpose, that of the values is not.
STOPPED = {"detach", "detach_block"}

Operation = Callable[..., Any]


def _operands(case: Case, dtype: Any = np.float64) -> tuple[TensorMap, ...]:
    """Operands of two maps with the same labels but for the gradient rows."""
    recipe = dataclasses.replace(RECIPE, dtype=dtype)
    left = random_map(recipe)
    return case.operands(left, with_other_values(left, recipe))


def _split(case: Case, dtype: Any = np.float64) -> tuple[Operation, tuple[TensorMap, ...]]:
    """The operation on the operands that have derivatives, and these operands."""
    every = _operands(case, dtype)
    held = [tensor for tensor in every if tensor.dtype == np.bool_]
    moving = tuple(tensor for tensor in every if tensor.dtype != np.bool_)
    return lambda *maps: case.call(jm, *held, *maps), moving


def _same(actual: Any, expected: Any, digits: float = 1e-11) -> None:
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=digits, atol=digits)


def _at_length(title: str) -> list[pytest.MarkDecorator]:
    """The forms for blocks run the plans of those for maps."""
    return [pytest.mark.long] if CASES[title].name.endswith("_block") else []


@pytest.fixture(params=[pytest.param(title, marks=_at_length(title)) for title in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_traced(case: Case) -> None:
    """jit, jvp, vjp, vmap over a stacked axis and a scan, in one compiled program."""
    operation, maps = _split(case)
    expected = operation(*maps)
    other = tuple(with_other_numbers(tensor, 9) for tensor in maps)
    tangents = tuple(with_other_numbers(tensor, 7) for tensor in maps)
    found = _everything(operation, maps, other, tangents)
    _same(found["jit"], expected)
    _same(found["value of jvp"], expected)
    if case.name not in STOPPED:
        _same(found["jvp"], _slope(operation, maps, tangents), digits=2e-6)
    forward, backward = float(found["forward"]), float(found["backward"])
    assert forward == pytest.approx(backward, rel=1e-9, abs=1e-9)
    both = jax.tree.map(lambda a, b: jnp.stack([a, b]), expected, operation(*other))
    _same(found["vmap"], both, digits=1e-9)
    _same(found["scan"], both, digits=1e-9)


def _everything(operation: Operation, maps: Any, other: Any, tangents: Any) -> Any:
    @jax.jit
    def everything(maps: Any, other: Any, tangents: Any) -> dict[str, Any]:
        stacked = jax.tree.map(lambda a, b: jnp.stack([a, b]), maps, other)
        value, tangent = jax.jvp(operation, maps, tangents)
        back = jax.tree.map(jnp.cos, value)
        cotangents = jax.vjp(operation, *maps)[1](back)
        return {
            "jit": operation(*maps),
            "value of jvp": value,
            "jvp": tangent,
            "forward": _inner(back, tangent),
            "backward": _inner(cotangents, tangents),
            "vmap": jax.vmap(operation)(*stacked),
            "scan": jax.lax.scan(lambda c, m: (c, operation(*m)), 0, stacked)[1],
        }

    return everything(maps, other, tangents)


def _slope(operation: Operation, maps: Any, tangents: Any, step: float = 1e-6) -> Any:
    """The derivative by central differences."""
    ahead = operation(*jax.tree.map(lambda x, t: x + step * t, maps, tangents))
    behind = operation(*jax.tree.map(lambda x, t: x - step * t, maps, tangents))
    return jax.tree.map(lambda p, m: (p - m) / (2 * step), ahead, behind)


def _inner(left: Any, right: Any) -> Any:
    products = jax.tree.map(jnp.vdot, left, right)
    return sum(jax.tree.leaves(products), start=jnp.zeros(()))


def test_shapes_without_values(case: Case) -> None:
    operation, maps = _split(case)
    expected = operation(*maps)
    shapes = jax.eval_shape(operation, *maps)
    assert jax.tree.structure(shapes) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(shapes), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)


def test_steps_in_groups_give_the_same_bits(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation, maps = _split(case)
    expected = operation(*maps)
    monkeypatch.setattr(_groups, "RUNS_BEFORE_COMPILING", 0)
    monkeypatch.setattr(_schedules, "COMPILED_AT_ONCE", 100)
    found = operation(*maps)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_after_pickling(case: Case) -> None:
    """Labels and layouts come back as the same objects, so do the plans on them."""
    maps = _operands(case)
    expected = case.call(jm, *maps)
    again = pickle.loads(pickle.dumps(maps))
    assert all(a._layout is b._layout for a, b in zip(again, maps, strict=True))
    _same(case.call(jm, *again), expected)


def test_single_precision_stays_single(case: Case) -> None:
    single = case.call(jm, *_operands(case, np.float32))
    double = case.call(jm, *_operands(case, np.float64))
    assert jax.tree.structure(single) == jax.tree.structure(double)
    if case.name.startswith("random"):
        return  # other numbers
    for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


def test_one_traced_operand_is_enough_to_be_traced() -> None:
    left, right = _operands(CASES["multiply"])
    jitted = jax.jit(lambda a: jm.multiply(left, a))
    _same(jitted(right), jm.multiply(left, right))
