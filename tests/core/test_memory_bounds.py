"""How much is kept: so many plans, so many bytes, whatever the order they are made in."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from test_interning import in_threads
from test_plan_memory import map_of

import jaxmeta as jm
from jaxmeta.core.layouts import _memory
from jaxmeta.core.layouts._memory import Memory
from jaxmeta.core.plans._plans import Plan, plan_for, run_kernel


def test_memory_forgets_what_was_not_used_longest() -> None:
    memory = Memory()
    for i in range(Memory.LIMIT):
        memory.keep(i, -i)
    assert memory.find(0) == 0
    assert memory.find(2) == -2
    memory.keep("new", "value")
    assert len(memory) == Memory.LIMIT
    assert memory.find(1) is None
    assert [memory.find(key) for key in (0, 2, 3, "new")] == [0, -2, -3, "value"]


def test_memory_is_bounded_by_size_too() -> None:
    memory = Memory()
    for i in range(5):
        memory.keep(i, i, Memory.BYTES // 3)
    assert [memory.find(i) for i in range(5)] == [None, None, 2, 3, 4]
    memory.keep("huge", "value", 2 * Memory.BYTES)
    assert len(memory) == 1
    assert memory.find("huge") == "value"
    memory.keep("small", "value", 1)
    assert memory.find("small") == "value"
    assert memory.find("huge") is None


def test_index_arrays_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "BYTES", 100)
    tensor = map_of("bytes", 0)
    for i in range(3):  # two index arrays of 8 bytes each
        jm.slice(tensor, "samples", [i, (i + 1) % 3])
    assert len(tensor._layout.plans) == 3
    monkeypatch.setattr(Memory, "BYTES", 40)
    jm.slice(tensor, "samples", [2, 0, 1])
    assert len(tensor._layout.plans) == 2


def test_chains_of_results_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each layout keeps the next one: all would live as long as the first."""
    monkeypatch.setattr(_memory, "_QUEUE", deque())
    monkeypatch.setattr(_memory, "MOST_ENTRIES", 10)
    first = tensor = map_of("chain", 0)
    watched = []
    for i in range(40):
        tensor = jm.join([tensor, tensor], "properties", add_dimension=f"d{i}")
        tensor = jm.slice(tensor, "properties", [0, 1])
        watched.append(weakref.ref(tensor._layout))
        jm.slice(first, "samples", [0])  # in use all the time
    alive = [one() is not None for one in watched]
    assert alive[-1]
    assert sum(alive) <= 10
    assert len(_memory._QUEUE) <= _memory.MOST_ENTRIES
    # What was joined is forgotten, the slice is not.
    assert len(first._layout.plans) == 1
    assert "slice" in str(list(first._layout.plans._kept))


def test_all_entries_can_be_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "_QUEUE", deque())
    monkeypatch.setattr(_memory, "MOST_ENTRIES", 5)
    memory = Memory()
    for i in range(200):
        memory.keep(i, i)
        for j in range(i):
            memory.find(j)
        assert len(_memory._QUEUE) <= 5
    assert len(memory) <= 5


def test_clear_caches_drops_plans() -> None:
    tensor = map_of("cleared")
    expected = tensor + tensor
    plans = tensor._layout.plans
    reference = weakref.ref(next(iter(plans._kept.values())).value)
    jm.clear_caches()
    assert len(plans) == 0
    assert reference() is None
    assert tensor + tensor == expected
    assert run_kernel(jnp.add, [np.ones(2), np.ones(2)]).tolist() == [2, 2]


def test_threads_that_forget_and_make_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "LIMIT", 2)
    monkeypatch.setattr(_memory, "_QUEUE", deque())
    monkeypatch.setattr(_memory, "MOST_ENTRIES", 8)
    tensor = map_of("threads", 1)
    orders = [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]]
    expected = [jm.slice(tensor, "samples", order) for order in orders]

    def work(seed: int) -> bool:
        own = map_of("threads", 1)
        found = True
        for i in range(40):
            which = (seed + i) % len(orders)
            there = jm.slice(own, "samples", orders[which])
            back = jm.slice(there, "samples", np.argsort(orders[which]))
            found &= there._layout is expected[which]._layout
            found &= back._layout is tensor._layout
            found &= bool((there[0].values == expected[which][0].values).all())
        return found

    assert all(in_threads(4, work))
    assert len(tensor._layout.plans) <= 2


def test_one_result_for_all_threads() -> None:
    tensor = map_of("one_for_all", 0)
    plans = in_threads(8, lambda _: plan_for(tensor._layout, _slow, "argument").program)
    again = in_threads(8, lambda _: plan_for(tensor._layout, _slow, "argument").program)
    assert len({id(program) for program in again}) == 1
    assert {id(program) for program in again} <= {id(program) for program in plans}


def _slow(own: Any, _: str) -> Plan[Any]:
    return Plan(None, [])
