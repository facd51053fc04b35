"""Plans: made once, kept within bounds, freed with their labels, compiled for shapes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operations.examples import Recipe, random_map, with_other_numbers

import jaxmeta as jm
from benchmarks._cases import NOT, cases
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.core.layouts._memory import Memory
from jaxmeta.core.plans import _groups, _plans, _schedules
from jaxmeta.testing import random_partner


def tensor_of(start: int, blocks: int = 3) -> TensorMap:
    """Labels of their own for each start, all of the same sizes."""
    samples = Labels(["system", "atom"], [[start, 0], [start, 1], [start + 1, 1]])
    n = Labels.range("n", 2)
    rows = Labels(["sample", "atom"], [[0, start], [2, start], [1, start + 1]])
    gradient = TensorBlock(jnp.ones((3, 2)), rows, [], n)
    block = TensorBlock(jnp.ones((3, 2)), samples, [], n, {"positions": gradient})
    keys = Labels(["a", "b"], [[start, i] for i in range(blocks)])
    return TensorMap(keys, [block] * blocks, {"unit": "eV"})


OPERATIONS: dict[str, Callable[[TensorMap], TensorMap]] = {
    "add": lambda t: t + t,
    "multiply": lambda t: t * t,
    "divide": lambda t: t / t,
    "pow": lambda t: t**2,
    "scalar": lambda t: 2 * t,
    "sum": lambda t: jm.sum_over_samples(t, "atom"),
    "mean": lambda t: jm.mean_over_samples(t, "atom"),
    "slice samples": lambda t: jm.slice(t, "samples", [2, 0]),
    "slice properties": lambda t: jm.slice(t, "properties", [1]),
    "join samples": lambda t: jm.join([t, t], "samples", add_dimension="part"),
    "join properties": lambda t: jm.join([t, t], "properties", add_dimension="part"),
    "keys_to_properties": lambda t: t.keys_to_properties("b"),
    "keys_to_samples": lambda t: t.keys_to_samples("b"),
    "dot": lambda t: t @ jm.remove_gradients(t),
    "lstsq": lambda t: jm.lstsq(t, t, rcond=None),
    "remove_gradients": jm.remove_gradients,
}


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest) -> Callable[[TensorMap], TensorMap]:
    return OPERATIONS[request.param]


@contextmanager
def compilations() -> Iterator[list[str]]:
    """The names of events of JAX's compiler while the context is open."""
    found: list[str] = []
    listening = True

    def note(event: str, duration_secs: float, **_: Any) -> None:
        if listening and "backend_compile" in event:
            found.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        yield found
    finally:
        listening = False


CASES = {case.title: case for case in cases()}


@pytest.mark.parametrize("title", CASES)
def test_nothing_is_planned_twice(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither while the results of the first call are there, nor when they are gone."""
    made: list[Any] = []
    make = _plans.Plan.__init__

    def counted(self: Any, *arguments: Any) -> None:
        made.append(self)
        make(self, *arguments)

    monkeypatch.setattr(_plans.Plan, "__init__", counted)
    case = CASES[title]
    depth = ("positions", "strain") if case.gradients != NOT else ()
    shared = ("components", "properties")
    recipe = Recipe(rows=(4, 3), components=(3,), gradients=depth, shared=shared)
    left = random_map(recipe)
    maps = case.operands(left, random_partner(left, recipe))

    def call() -> Any:
        """Traced, which makes the same plans and compiles nothing."""
        return jax.eval_shape(lambda *given: case.call(jm, *given), *maps)

    result = call()
    made.clear()
    again = call()
    assert made == []
    del result, again
    gc.collect()
    call()
    assert made == []


def test_the_compiler_is_watched() -> None:
    with compilations() as found:
        jax.jit(lambda x: x * 3 - 1)(jnp.ones(7)).block_until_ready()
    assert found


def test_new_labels_of_known_sizes_compile_nothing(
    operation: Callable[[TensorMap], TensorMap],
) -> None:
    tensors = [tensor_of(start) for start in (0, 10, 20)]
    operation(tensors[0])
    with compilations() as found:
        for tensor in tensors[1:]:
            for _ in range(3):
                jax.block_until_ready(operation(tensor))
    assert found == []


def test_nor_in_groups(
    operation: Callable[[TensorMap], TensorMap], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_groups, "RUNS_BEFORE_COMPILING", 0)
    monkeypatch.setattr(_schedules, "COMPILED_AT_ONCE", 100)
    tensors = [tensor_of(start) for start in (30, 40)]
    first = [operation(tensors[0]) for _ in range(2)][1]
    with compilations() as found:
        second = [operation(tensors[1]) for _ in range(3)][2]
    assert found == []
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_blocks_of_one_shape_share_a_kernel() -> None:
    with compilations() as found:
        jax.block_until_ready(jm.sum_over_samples(_tall(blocks=40), "atom"))
    assert 0 < len(found) <= 2


def _tall(blocks: int) -> TensorMap:
    samples = Labels(["system", "atom"], [[i // 3, i] for i in range(17)])
    block = TensorBlock(jnp.ones((17, 3)), samples, [], Labels.range("n", 3))
    return TensorMap(Labels.range("k", blocks), [block] * blocks)


def test_a_plan_is_made_once(
    operation: Callable[[TensorMap], TensorMap], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = _plans.Plan.__init__

    def counted(self: Any, *arguments: Any) -> None:
        made.append(self)
        original(self, *arguments)

    monkeypatch.setattr(_plans.Plan, "__init__", counted)
    held = tensor_of(50)  # plans live as long as the layout that they are kept on
    operation(held)
    first = len(made)
    for _ in range(3):
        operation(tensor_of(50))
        operation(tensor_of(50).with_info(other="text"))
        jax.jit(operation)(tensor_of(50))
    assert len(made) == first <= 2


def test_plans_are_kept_within_bounds() -> None:
    tensor = tensor_of(60).with_info({})
    for i in range(Memory.LIMIT + 10):
        jm.slice(tensor, "samples", Labels("system", [[i]]))
    assert len(tensor._layout.bare.plans) == Memory.LIMIT


def test_layouts_are_freed_with_their_plans(
    operation: Callable[[TensorMap], TensorMap],
) -> None:
    tensor = tensor_of(70)
    operation(tensor)
    layouts = [weakref.ref(tensor._layout.bare), weakref.ref(tensor[0]._layout)]
    del tensor
    gc.collect()
    assert [reference() for reference in layouts] == [None, None]


def test_what_goes_in_both_ways_is_freed_too() -> None:
    """Plans of two layouts that were each other's operands form a cycle."""
    left, right = tensor_of(80), tensor_of(90)
    for pair in ([left, right], [right, left]):
        jm.join(pair, "samples", different_keys="union")
    layouts = [weakref.ref(left._layout.bare), weakref.ref(right._layout.bare)]
    del left, right, pair
    gc.collect()
    assert [reference() for reference in layouts] == [None, None]


def test_info_goes_along(operation: Callable[[TensorMap], TensorMap]) -> None:
    assert operation(tensor_of(0)).info() == {"unit": "eV"}
    jitted = jax.jit(operation)(tensor_of(0).with_info(source="jit"))
    assert jitted.info() == {"unit": "eV", "source": "jit"}
    assert operation(tensor_of(0).with_info(unit="kcal")).info() == {"unit": "kcal"}


def test_info_of_several_maps_is_merged_and_the_first_one_decides() -> None:
    first = tensor_of(0).with_info(a="1", only="first")
    second = tensor_of(0).with_info(a="2", other="second")
    expected = {"unit": "eV", "a": "1", "only": "first", "other": "second"}
    results = [
        first + second,
        first / second,
        jm.join([first, second], "samples", add_dimension="part"),
        jm.lstsq(first, second, rcond=None),
        first @ jm.remove_gradients(second),
    ]
    assert [result.info() for result in results] == [expected] * len(results)


def test_operations_in_many_threads() -> None:
    recipes = [Recipe(rows=(4, 1), seed=seed) for seed in range(6)]

    def work(seed: int) -> list[Any]:
        tensor = with_other_numbers(random_map(recipes[seed % 6]), seed)
        results = [
            tensor * tensor,
            jm.sum_over_samples(tensor, "atom"),
            jm.join([tensor, tensor], "samples", add_dimension="part"),
        ]
        return jax.tree.leaves(results)

    expected = [work(seed) for seed in range(24)]
    jm.clear_caches()
    for recipe in recipes:
        random_map(recipe)._layout.plans.__init__()  # type: ignore[misc]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(24)))
    for several, others in zip(found, expected, strict=True):
        for a, b in zip(several, others, strict=True):
            np.testing.assert_array_equal(a, b)
