"""What JAX does with metadata on every call: nothing in Python, and no new compilation."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_interning import build

from jaxmeta import Labels, LabelsEntry, TensorBlock, TensorMap
from jaxmeta.core.layouts._layout import BlockLayout, Dynamic, Layout


COUNTED = (
    *(c for c in Labels.__mro__ if c is not object),
    LabelsEntry,
    Layout,
    BlockLayout,
    Dynamic,
    TensorBlock,
    TensorMap,
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts of Python-level comparisons and hashes of metadata."""
    counts: Counter[str] = Counter()

    def counting(kind: type, name: str) -> Any:
        original = getattr(kind, name)

        def method(*arguments: Any) -> Any:
            counts[f"{kind.__name__}.{name}"] += 1
            return original(*arguments)

        return method

    for kind in COUNTED:
        for name in ("__eq__", "__hash__"):
            if getattr(kind, name) is not None:
                monkeypatch.setattr(kind, name, counting(kind, name))
    yield counts
    monkeypatch.undo()


def on_device(tensor: TensorMap) -> TensorMap:
    return tensor.to(arrays="jax")


def test_the_counter_counts(calls: Counter[str]) -> None:
    assert {Labels.single(): 1}[Labels.single()] == 1
    assert build()._layout == build()._layout
    assert sum(calls.values()) > 0


def test_no_comparison_per_dispatch(calls: Counter[str]) -> None:
    tensor = on_device(build())
    rebuilt = on_device(build())
    unpickled = pickle.loads(pickle.dumps(tensor))
    function = jax.jit(lambda t: jax.tree.map(lambda x: 2 * x, t))
    block_function = jax.jit(lambda b: b.values)
    function(tensor)
    block_function(tensor.block(0))
    same = (tensor, rebuilt, unpickled, copy.deepcopy(tensor))
    blocks = [t.block(0) for t in same]
    calls.clear()
    for _ in range(3):
        for t, block in zip(same, blocks, strict=True):
            jax.tree.structure(function(t))
            block_function(block)
            jax.tree.unflatten(jax.tree.structure(t), jax.tree.leaves(t))
    assert calls == {}


def test_no_comparison_in_eager_operations_that_are_planned(calls: Counter[str]) -> None:
    tensor = on_device(build())
    (tensor + tensor).block(0)
    calls.clear()
    tensor + tensor
    # Plans are found by identity: hashes of what they are kept under, no comparison.
    assert not any(name.endswith("__eq__") for name in calls)


@pytest.mark.parametrize("rows", [4, 10**5])
def test_equal_metadata_is_compiled_once(rows: int) -> None:
    traces = 0

    def function(t: TensorMap) -> TensorMap:
        nonlocal traces
        traces += 1
        return jax.tree.map(jnp.negative, t)

    compiled = jax.jit(function)
    tensor = on_device(build(rows=rows))
    for _ in range(2):
        for t in (tensor, on_device(build(rows=rows)), pickle.loads(pickle.dumps(tensor))):
            assert compiled(t)._layout is tensor._layout
        compiled(copy.deepcopy(tensor))
        compiled(tensor.with_info(unit="eV"))
        compiled(TensorMap(tensor.keys, tensor.blocks(), tensor.info()))
    assert traces == 1
    compiled(tensor.with_info(unit="meV"))
    assert traces == 2


def test_results_of_operations_are_compiled_once_with_inputs() -> None:
    """A loop that feeds results back compiles once: results have the same layouts."""
    step = jax.jit(lambda t: 0.5 * t + t)
    tensor = on_device(build())
    for _ in range(4):
        tensor = step(tensor)
    assert step._cache_size() == 1


def test_layout_as_static_argument() -> None:
    traces = 0

    def function(x: Any, layout: Layout) -> TensorMap:
        nonlocal traces
        traces += 1
        return TensorMap._view(layout, x)

    compiled = jax.jit(function, static_argnums=1)
    for _ in range(2):
        tensor = on_device(build())
        assert compiled(tensor._leaves, tensor._layout) == tensor
    assert traces == 1


def test_labels_as_static_argument() -> None:
    counted = jax.jit(lambda x, labels: x + len(labels), static_argnums=1)
    for _ in range(2):
        assert counted(jnp.zeros(()), Labels("a", np.arange(3).reshape(-1, 1))) == 3
    assert counted._cache_size() == 1
