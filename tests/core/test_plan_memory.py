"""What plans keep alive: freed at once, without the garbage collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.core.layouts._layout import BlockLayout, Layout, block_layout
from jaxmeta.core.plans import _groups
from jaxmeta.core.plans._plans import Plan, plan_for
from jaxmeta.errors import MetatensorError


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def block_of(name: str, depth: int = 2, rows: int = 3) -> TensorBlock:
    """A block with gradients of gradients, whose labels nobody else has."""
    n = Labels(name, [[7], [3]])
    samples = Labels([f"{name}_system", "atom"], [[i, i % 2] for i in range(rows)])
    values = jnp.ones((rows, 2))
    below = {"positions": _gradient(name, depth - 1, n)} if depth else {}
    return TensorBlock(values, samples, [], n, below)


def _gradient(name: str, depth: int, n: Labels, above: int = 0) -> TensorBlock:
    rows = Labels(["sample", f"{name}_{depth}"], [[2, 5], [0, 4], [0, 9]])
    below = {"strain": _gradient(name, depth - 1, n, above + 1)} if depth > 0 else {}
    axes = [Labels(f"xyz_{i}", [[0], [1]]) for i in reversed(range(above + 1))]
    return TensorBlock(jnp.ones((3, *[2] * (above + 1), 2)), rows, axes, n, below)


def map_of(name: str, depth: int = 2, info: dict[str, str] | None = None) -> TensorMap:
    block = block_of(name, depth)
    return TensorMap(Labels([f"{name}_key", "part"], [[0, 0], [0, 1]]), [block] * 2, info)


# Everything goes ------------------------------------------------------------------------


class Watch:
    """Weak references to all that belongs to some layouts, what is planned on it too."""

    def __init__(self) -> None:
        self.kinds: dict[str, list[weakref.ref[Any]]] = {}
        self._seen: set[int] = set()

    def add(self, *tensors: Any) -> None:
        for tensor in tensors:
            self._layout(tensor._layout)

    def _note(self, thing: Any) -> bool:
        if thing is None or id(thing) in self._seen:
            return False
        self._seen.add(id(thing))
        self.kinds.setdefault(type(thing).__name__, []).append(weakref.ref(thing))
        return True

    def _layout(self, layout: Any) -> None:
        if not self._note(layout):
            return
        if isinstance(layout, Layout):
            self._note(layout.keys)
            parts = [layout.bare, *layout.blocks]
        else:
            assert isinstance(layout, BlockLayout)
            self._note(layout.samples)
            self._note(layout.properties)
            parts = [gradient for _, gradient in layout.gradients]
        for part in parts:
            self._layout(part)
        for entry in layout.plans._kept.values():
            self._plan(entry.value)

    def _plan(self, plan: Plan[Any]) -> None:
        self._note(plan)
        self._note(plan.program)
        for array in plan.index:
            self._note(array)
        self._note(plan.program._schedule)
        for result in plan.results():
            found = result() if isinstance(result, weakref.ref) else result
            if found is not None:
                self._layout(found)

    def alive(self) -> dict[str, int]:
        """How many are left of each kind."""
        left = {
            kind: sum(r() is not None for r in refs) for kind, refs in self.kinds.items()
        }
        return {kind: count for kind, count in left.items() if count}


OPERATIONS: dict[str, Callable[[TensorMap], Any]] = {
    "2 * t": lambda t: 2 * t,
    "t + t": lambda t: t + t,
    "t + u": lambda t: (t + 3 * t, 3 * t + t),
    "sum": lambda t: jm.sum_over_samples(t, "atom"),
    "mean": lambda t: jm.mean_over_samples(t, "atom"),
    "slice": lambda t: jm.slice(t, "samples", [2, 0]),
    "slice there, join back": lambda t: _joined(_parts(t)),
    "join both ways": lambda t: [
        jm.join(p, "samples") for p in (_parts(t), _parts(t)[::-1])
    ],
    "split, join back": lambda t: _joined(jm.split(t, "samples", [[0], [1], [2]])),
    "join, split back": lambda t: _split_back(_parts(t)),
    "split_by": lambda t: jm.split_by(t, "properties", t[0].properties.names),
    "keys_to_samples": lambda t: t.keys_to_samples("part"),
    "keys_to_properties": lambda t: t.keys_to_properties("part"),
    "there and back": lambda t: _there_and_back(t),
    "remove_gradients": lambda t: jm.remove_gradients(t),
    "info": lambda t: (t.with_info(a="1") + t.with_info(b="2"), 2 * t.with_info(a="1")),
    "blocks": lambda t: _block_by_block(t[0]),
    "fails": lambda t: _failing(t),
}


def _parts(t: TensorMap) -> list[TensorMap]:
    return [jm.slice(t, "samples", [i]) for i in range(3)]


def _joined(parts: list[TensorMap]) -> list[TensorMap]:
    """Joined, and cut into its parts again: results that are older than their operand."""
    joined = jm.join(parts, "samples")
    again = [jm.slice(joined, "samples", [i]) for i in range(3)]
    for one, other in zip(again, parts, strict=True):
        assert one._layout is other._layout
    return again


def _split_back(parts: list[TensorMap]) -> list[Any]:
    """Maps and blocks whose parts were there before they were."""
    joined, block = (
        jm.join(parts, "samples"),
        jm.join_blocks([p[0] for p in parts], "samples"),
    )
    chosen = [[0], [1], [2]]
    again = jm.split(joined, "samples", chosen)
    blocks = jm.split_block(block, "samples", chosen)
    for one, own, part in zip(again, blocks, parts, strict=True):
        assert one._layout is part._layout
        assert own._layout is part[0]._layout
    return [*again, *blocks]


def _there_and_back(t: TensorMap) -> TensorMap:
    one = jm.slice(t, "samples", [2, 0, 1])
    back = jm.slice(one, "samples", [1, 2, 0])
    assert back._layout is t._layout
    return back


def _block_by_block(block: TensorBlock) -> Any:
    """Blocks and their own gradients as operands of each other."""
    bare = jm.remove_gradients_block(block)
    gradient = block.gradient("positions")
    apart = [jm.slice_block(block, "samples", [i]) for i in range(3)]
    return [
        jm.join_blocks([block, block], "samples", add_dimension="copy"),
        jm.join_blocks(apart, "samples"),
        jm.sum_over_samples_block(bare, "atom"),
        jm.slice_block(gradient, "samples", [1, 0, 2]),
        jm.slice_block(jm.slice_block(block, "properties", [1]), "properties", [0]),
    ]


def _failing(t: TensorMap) -> None:
    other = map_of("other")
    for operation in (
        lambda: t + other,
        lambda: other + t,
        lambda: jm.slice(t, "samples", [9]),
        lambda: jm.join([t, other], "properties"),
        lambda: t.keys_to_samples("unknown"),
    ):
        try:
            operation()
        except MetatensorError:
            continue
        pytest.fail("it is not refused")


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("grouped", [False, True])
def test_what_nobody_uses_is_freed_at_once(
    operation: Callable[[TensorMap], Any], grouped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if grouped:
        monkeypatch.setattr(_groups, "RUNS_BEFORE_COMPILING", 0)
    watch = Watch()
    tensor = map_of("lonely")
    for _ in range(1 + 2 * grouped):
        jax.block_until_ready(jax.tree.leaves(operation(tensor)))
    watch.add(tensor, tensor.with_info(a="1"))
    assert watch.alive()["Layout"] >= 1
    assert watch.alive()["Labels"] >= 3
    del tensor
    assert watch.alive() == {}


def test_the_watch_sees_circles() -> None:
    watch = Watch()
    tensor = map_of("circle", 0)
    tensor._layout.plans.keep("self", Plan(tensor._layout, []))
    watch.add(tensor)
    del tensor
    assert watch.alive()["Layout"] == 1
    gc.collect()
    assert watch.alive() == {}


# The rule -------------------------------------------------------------------------------


def counted(result: Callable[[Any], Any]) -> tuple[Callable[..., Plan[Any]], list[int]]:
    """A function that makes plans with a certain result, and how often it was called."""
    made: list[int] = []

    def build(own: Any, *_: Any) -> Plan[Any]:
        made.append(1)
        found = result(own)
        return Plan(None if found is own else found, [])

    return build, made


def test_containers_rank_above_their_parts_and_old_above_new() -> None:
    first = map_of("first")
    second = map_of("second")
    block, other = first[0]._layout, second[0]._layout
    inner = first[0].gradient("positions")
    innermost = inner.gradient("strain")._layout
    with_info = first.with_info(a="1")._layout
    chain = [
        with_info,
        first._layout,
        second._layout,
        block,
        other,
        inner._layout,
        innermost,
    ]
    assert [layout.rank for layout in chain] == sorted(
        (x.rank for x in chain), reverse=True
    )
    assert len({layout.rank for layout in chain}) == len(chain)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("constant_first", [False, True])
def test_a_constant_made_anew_finds_its_plan(swapped: bool, constant_first: bool) -> None:
    def constant() -> TensorMap:
        return map_of("constant", 0)

    older = constant() if constant_first else None
    tensor = map_of("long", 0)
    del older
    build, made = counted(lambda own: own)
    for i in range(5):
        pair = (constant()._layout, tensor._layout)
        left, right = pair if swapped else pair[::-1]
        plan_for(left, build, right, "other argument")
        del pair, left, right
        assert len(made) == 1, i


def test_operands_in_tuples_are_seen() -> None:
    first, second = map_of("one", 0), map_of("two", 0)
    build, made = counted(lambda own: own)
    for _ in range(2):
        plan_for(second._layout, build, ((first._layout, 1), second._layout))
    assert len(made) == 1
    assert len(first._layout.plans) == 1
    assert len(second._layout.plans) == 0
    watch = Watch()
    watch.add(first, second)
    del first, second
    assert watch.alive() == {}


def test_a_plan_goes_with_an_older_result_and_is_made_again() -> None:
    old = map_of("old", 0)
    new = map_of("new", 0)
    results = [old._layout]
    build, made = counted(lambda _: results[0])
    for _ in range(3):
        assert plan_for(new._layout, build).layout is old._layout
    assert len(made) == 1
    results.clear()
    assert len(new._layout.plans) == 1
    del old
    assert len(new._layout.plans) == 0
    results.append(map_of("old", 0)._layout)
    assert plan_for(new._layout, build).layout is results[0]
    assert len(made) == 2
    # Now it is the younger one, and kept.
    watch = weakref.ref(results.pop())
    assert watch() is not None
    assert plan_for(new._layout, build).layout is watch()
    assert len(made) == 2


def test_a_deeper_result_is_held_weakly() -> None:
    """A block with gradients refers to them, and they may not refer to it."""
    inner = block_of("inner", 0)._layout
    build, made = counted(
        lambda own: block_layout(own.samples, (), own.properties, (("g", own),))
    )
    result = plan_for(inner, build).layout
    assert plan_for(inner, build).layout is result
    assert len(made) == 1
    assert len(inner.plans) == 1
    watch = weakref.ref(result)
    del result
    assert watch() is None
    assert len(inner.plans) == 0


def test_a_plan_in_use_keeps_its_result() -> None:
    old, new = map_of("older", 0), map_of("newer", 0)
    known = weakref.ref(old._layout)
    build, _ = counted(lambda _: known())
    plan_for(new._layout, build)
    plan = plan_for(new._layout, build)
    keys = old.keys
    del old
    assert plan.layout is not None
    assert plan.layout.keys is keys
