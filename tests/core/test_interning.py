"""Equal labels and layouts are one object, wherever they come from; unused ones go."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap, pad
from jaxmeta.core.labels._interning import InternTable
from jaxmeta.core.layouts import _layout


def build(first: int = 0, rows: int = 4) -> TensorMap:
    """A map with gradients, built from nothing."""
    n = Labels("n", [[0], [first]] if first else [[0], [1]])
    blocks = []
    for k in range(2):
        samples = Labels(["system", "atom"], [[first, i] for i in range(rows + k)])
        xyz = Labels.range("xyz", 3)
        gradient = TensorBlock(
            np.ones((2, 3, 2)), Labels(["sample", "atom"], [[1, 0], [0, 7]]), [xyz], n
        )
        values = np.full((rows + k, 2), 1.0 + k)
        blocks.append(TensorBlock(values, samples, [], n, {"positions": gradient}))
    return TensorMap(Labels("k", [[3], [8]]), blocks, {"unit": "eV"})


REBUILT: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "oldest pickle": lambda x: pickle.loads(pickle.dumps(x, protocol=2)),
    "pickle out of band": lambda x: pickle.loads(pickle.dumps(x, protocol=5)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("rebuilt", REBUILT.values(), ids=REBUILT)
def test_copies_have_the_same_metadata(rebuilt: Callable[[Any], Any]) -> None:
    tensor = build()
    again = rebuilt(tensor)
    assert again._layout is tensor._layout
    assert again == tensor
    assert again.info() == {"unit": "eV"}
    assert rebuilt(tensor.block(0))._layout is tensor.block(0)._layout
    assert rebuilt(tensor.keys) is tensor.keys
    assert rebuilt(tensor.keys[0]) == tensor.keys[0]
    assert rebuilt({"a": [tensor.keys]})["a"][0] is tensor.keys
    assert rebuilt(tensor._layout) is tensor._layout


def test_deep_copies_do_not_share_numpy_arrays() -> None:
    tensor = build()
    for again in (copy.deepcopy(tensor), tensor.copy(), tensor.copy(deep=True)):
        again.block(0).values[0, 0] = 7
        assert tensor.block(0).values[0, 0] == 1
    assert tensor.copy(deep=False).block(0).values is tensor.block(0).values


def test_equal_metadata_is_one_object() -> None:
    first, second = build(), build()
    assert first._layout is second._layout
    assert first.keys is second.keys
    assert first.block(0).samples is second.block(0).samples
    other = first.with_info(unit="meV")
    assert other._layout is not first._layout
    assert other.with_info(unit="eV")._layout is first._layout
    assert first.block(0)._layout is first.block(0).copy()._layout
    assert build(first=5)._layout is not first._layout


def test_a_derived_class_never_stands_for_labels() -> None:
    class Derived(Labels):  # type: ignore[misc]
        pass

    derived = Derived("of_a_derived_class", [[7]])
    plain = Labels("of_a_derived_class", [[7]])
    assert (type(derived), type(plain)) == (Derived, Labels)
    assert Derived("of_a_derived_class", [[7]]) is derived


def test_gradients_are_sorted_by_name() -> None:
    block = build().block(0)
    g = block.gradient("positions")
    parts = (block.values, block.samples, block.components, block.properties)
    orders = [("a", "b", "ab"), ("ab", "b", "a"), ("b", "a", "ab")]
    found = [TensorBlock(*parts, dict.fromkeys(order, g)) for order in orders]
    assert all(block._layout is found[0]._layout for block in found)
    assert found[0].gradients_list() == ["a", "ab", "b"]
    assert [name for name, _ in found[2].gradients()] == ["a", "ab", "b"]


def test_dynamic_layouts_do_not_know_the_capacity() -> None:
    small = pad(build(rows=2), {"samples": 5, "positions": 2})
    large = pad(build(rows=4), {"samples": 9, "positions": 3})
    assert small._layout is large._layout


def test_other_process_gives_the_same_object() -> None:
    code = (
        "import pickle, sys; from jaxmeta import Labels;"
        "sys.stdout.buffer.write(pickle.dumps(Labels(['a', 'b'], [[1, 2], [-3, 4]])))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert pickle.loads(run.stdout) is Labels(["a", "b"], [[1, 2], [-3, 4]])


def test_many_rows() -> None:
    rows = 10**5
    values = np.stack([np.arange(rows), np.zeros(rows, int)], axis=1)
    labels = Labels(["i", "j"], values)
    assert Labels(["i", "j"], values.copy()) is labels
    assert pickle.loads(pickle.dumps(labels)) is labels
    seen = {labels}
    for row in (1, 777, rows // 2, rows - 2):
        # These differ in one row that the hash does not look at.
        other_values = values.copy()
        other_values[row, 1] = 1
        other = Labels(["i", "j"], other_values)
        assert other != labels
        seen.add(other)
    assert len(seen) == 5
    assert Labels(["i", "k"], values) not in seen


def unused(of_this: list[Any]) -> list[weakref.ref[Any]]:
    references = [weakref.ref(x) for x in of_this]
    of_this.clear()
    return references


def test_what_nobody_uses_is_freed() -> None:
    tensor = build(first=1001)
    layout = tensor._layout
    parts = [tensor.keys, layout, layout.blocks[0], layout.blocks[0].samples]
    keys = tensor.keys
    doubled = jax.jit(lambda t: 2 * t)(tensor)  # what a compilation keeps is dropped below
    del layout, tensor, doubled
    references = unused(parts)
    jax.clear_caches()
    gc.collect()
    assert [reference() for reference in references] == [keys, None, None, None]


def test_layouts_are_freed_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        for info in ({}, {"unit": "eV"}):
            tensor = TensorMap(build().keys, build(first=1002).blocks(), info)
            tensor = tensor.to(arrays="jax")
            result = tensor.keys_to_samples("k")
            references = unused([tensor._layout, tensor._layout.bare, result._layout])
            del tensor, result
            assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()


def test_tables_do_not_grow() -> None:
    def sizes() -> tuple[int, ...]:
        gc.collect()
        from jaxmeta.core.labels import _label_table

        return (len(_label_table._TABLE), len(_layout._BLOCKS), len(_layout._LAYOUTS))

    before = sizes()
    for i in range(2000, 2100):
        build(first=i)
    assert sizes() == before


def in_threads(count: int, function: Callable[[int], Any]) -> list[Any]:
    """Results of the function in as many threads, which start at the same moment."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def work(index: int) -> None:
        barrier.wait()
        results[index] = function(index)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    return results


def test_eight_threads_at_once() -> None:
    def work(index: int) -> list[TensorMap]:
        own = [build(first=3000 + 100 * index + i) for i in range(10)]
        shared = [build(first=4000 + i) for i in range(10)]
        for i in range(50):  # built and dropped at once: others may just look it up
            build(first=5000 + i % 3)
        return own + shared

    results = in_threads(8, work)
    assert all(len(result) == 20 for result in results)
    for i in range(10, 20):
        assert len({id(result[i]._layout) for result in results}) == 1
        assert len({id(result[i].block(0).samples) for result in results}) == 1
    different = {id(result[i]._layout) for result in results for i in range(10)}
    assert len(different) == 80


def test_threads_agree_on_positions_and_sets() -> None:
    rng = np.random.default_rng(0)
    table = rng.permutation(3000)[:2000].reshape(-1, 2)
    labels = Labels(["a", "b"], table)
    other = Labels(["a", "b"], np.concatenate([table[::3], table[:5] + 10**6]))

    def work(index: int) -> Any:
        row = table[index * 7]
        union, mine, theirs = labels.union_and_mapping(other)
        return labels.position(row), union, mine.tolist(), theirs.tolist()

    results = in_threads(8, work)
    assert [result[0] for result in results] == [i * 7 for i in range(8)]
    assert all(result[1] is results[0][1] for result in results)
    assert all(result[2:] == results[0][2:] for result in results)


def test_hash_collisions_are_told_apart() -> None:
    class Thing:
        def __init__(self, name: str) -> None:
            self.name = name

    table: InternTable[Thing] = InternTable()

    def intern(name: str) -> Thing:
        return table.intern(0, lambda thing: thing.name == name, lambda: Thing(name))

    a, b = intern("a"), intern("b")
    assert (intern("a") is a, intern("b") is b, a is not b) == (True, True, True)
    del a
    gc.collect()
    assert intern("b") is b
    assert intern("a").name == "a"
    del b
    gc.collect()
    assert len(table) == 0


def test_dynamic_labels_are_no_part_of_it() -> None:
    labels = DynamicLabels("a", np.array([[1], [2]], np.int32))
    again = pickle.loads(pickle.dumps(labels))
    assert again.names == labels.names
    np.testing.assert_array_equal(again.values, labels.values)
