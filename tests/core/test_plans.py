"""Plans: remembered within bounds, run in three ways, leaking nothing between calls."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import Shape, make_tensor
from test_interning import in_threads

from jaxmeta import Labels, TensorBlock, TensorMap, clear_caches
from jaxmeta.core.layouts._memory import Memory


@pytest.fixture
def tensor(rng: np.random.Generator) -> TensorMap:
    like = Shape((), ("positions",), False, "float64")
    return make_tensor(rng, like, ["system", "atom"], 4, same_properties=True)


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    memory = Memory()
    assert len(memory) == 0
    for i in range(Memory.LIMIT + 10):
        assert memory.get(i, lambda i=i: i * i) == i * i
        assert memory.get("often", lambda: "kept") == "kept"
        assert len(memory) <= Memory.LIMIT
    assert memory.get("often", lambda: "made again") == "kept"
    assert memory.get(0, lambda: "made again") == "made again"
    assert memory.get(Memory.LIMIT + 9, lambda: "made again") == (Memory.LIMIT + 9) ** 2


def test_memory_gives_all_threads_the_same() -> None:
    memory, threads = Memory(), 8
    few = in_threads(threads, lambda _: [memory.get(i, object) for i in range(32)])
    assert all(len({id(result[i]) for result in few}) == 1 for i in range(32))
    in_threads(threads, lambda _: [memory.get(i, object) for i in range(200)])
    # Threads that evict at once may each take one more than they had to.
    assert Memory.LIMIT - threads < len(memory) <= Memory.LIMIT
    again = in_threads(8, lambda _: memory.get(199, object))
    assert len({id(one) for one in again}) == 1


def test_a_failed_computation_is_not_remembered() -> None:
    memory = Memory()
    with pytest.raises(ZeroDivisionError):
        memory.get("key", lambda: 1 // 0)
    assert memory.get("key", lambda: 1) == 1


def test_plans_on_a_layout_are_bounded(
    tensor: TensorMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Memory, "LIMIT", 3)
    for i in range(5):
        tensor.keys_to_properties("k", fill_value=i)
    assert len(tensor._layout.bare.plans) == 3


@pytest.mark.parametrize(
    "written", ["nan", "nanj", "1+nanj", "nan-infj", "nan+nanj", "1-0j"]
)
def test_a_complex_fill_value_is_one_key(written: str) -> None:
    """NaN equals nothing, itself neither; and signs of zeros are not told apart."""
    n = Labels.range("n", 1)
    blocks = [
        TensorBlock(jnp.ones((1, 1), complex), Labels("s", [[i]]), [], n) for i in range(2)
    ]
    tensor = TensorMap(Labels.range("k", 2), blocks)
    for value in (complex(written), np.complex128(written), complex(written).conjugate()):
        wide = tensor.keys_to_properties("k", fill_value=value).block()
        found = complex(wide.values[0, 1])
        assert repr(found) == repr(complex(value) + 0)
        assert wide.values[0, 0] == 1
    known = len(tensor._layout.plans)
    assert known == 1 + ("inf" in written)
    for _ in range(3):
        tensor.keys_to_properties("k", fill_value=complex(written))
    assert len(tensor._layout.plans) == known


def test_info_does_not_make_plans_anew(tensor: TensorMap) -> None:
    plans = tensor._layout.bare.plans
    assert tensor.info()
    for info in ("eV", "eV", "meV"):
        tensor.with_info(unit=info).keys_to_samples("k")
        assert tensor._layout.bare.plans is plans
        assert len(plans) == 1


def test_concrete_maps_within_a_traced_function(tensor: TensorMap) -> None:
    """The first call within a trace leaves nothing traced behind for later calls."""

    @jax.jit
    def function(x: Any) -> Any:
        moved = tensor.keys_to_samples(["k", "l"])
        return x * moved.block().values.sum(), moved

    for _ in range(4):
        total, moved = function(2.0)
        eager = tensor.keys_to_samples(["k", "l"])
        assert moved == eager
        assert total == 2 * eager.block().values.sum()
        assert not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(eager))


def test_a_tracer_in_any_place_is_seen(tensor: TensorMap) -> None:
    leaves, tree = jax.tree.flatten(tensor)
    expected = tensor.keys_to_samples("k")
    for i in range(len(leaves)):

        @jax.jit
        def function(x: Any, i: int = i) -> TensorMap:
            mixed = [x if j == i else np.asarray(leaf) for j, leaf in enumerate(leaves)]
            return jax.tree.unflatten(tree, mixed).keys_to_samples("k")

        assert function(leaves[i]) == expected


def test_very_many_blocks() -> None:
    count = 300
    one = TensorBlock(jnp.ones((1, 2)), Labels.range("s", 1), [], Labels.range("n", 2))
    tensor = TensorMap(Labels.range("k", count), [one] * count)
    for _ in range(3):
        doubled = 2 * tensor
        assert len(doubled) == count
        assert all((block.values == 2).all() for block in doubled)
        stacked = tensor.keys_to_samples("k").block()
        assert stacked.shape == (count, 2)


def test_same_shapes_and_other_labels_are_not_mixed_up() -> None:
    """Programs are shared between layouts; what tells them apart are index arrays."""
    rng = np.random.default_rng(1)
    for _ in range(6):
        orders = [rng.permutation(4) for _ in range(2)]
        blocks = [
            TensorBlock(
                jnp.asarray(order[:, None] * [1.0, 10.0]),
                Labels("s", order[:, None]),
                [],
                Labels.range("n", 2),
            )
            for order in orders
        ]
        tensor = TensorMap(Labels.range("k", 2), blocks)
        wide = tensor.keys_to_properties("k").block()
        assert wide.samples == Labels.range("s", 4)
        expected = np.arange(4)[:, None] * [1.0, 10.0, 1.0, 10.0]
        np.testing.assert_array_equal(wide.values, expected)


def test_cleared_caches(tensor: TensorMap) -> None:
    before = tensor.keys_to_samples("k")
    clear_caches()
    assert tensor.keys_to_samples("k") == before


def test_threads_run_the_same_plan(tensor: TensorMap) -> None:
    expected = tensor.keys_to_properties(["l", "k"])
    fresh = tensor.with_info(unit="threads")
    results = in_threads(
        8, lambda _: [fresh.keys_to_properties(["l", "k"]) for _ in range(5)]
    )
    assert all(found == expected for result in results for found in result)
