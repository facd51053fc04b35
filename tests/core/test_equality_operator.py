"""`==` between blocks and between maps: what counts, what does not, what never raises."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import blocks, tensors
from test_block_constructor import ROWS, N, block, gradient, nested
from test_map_constructor import tensor
from typed_calls import untyped

from jaxmeta import Labels, NotEqualError, TensorBlock, TensorMap, equal_raise, pad


NESTED = block(gradients={"x": gradient(gradients={"y": nested()})})


@settings(max_examples=20)
@given(tensors(), st.data())
def test_one_changed_number_is_seen(tensor: TensorMap, data: st.DataObject) -> None:
    leaves = [np.array(leaf) for leaf in tensor._leaves]
    same = TensorMap._view(tensor._layout, tuple(leaves))
    assert same == tensor
    filled = [i for i, leaf in enumerate(leaves) if leaf.size]
    if filled:
        leaf = leaves[data.draw(st.sampled_from(filled))]
        leaf.reshape(-1)[data.draw(st.integers(0, leaf.size - 1))] += 1
        assert same != tensor
        assert tensor != same


@settings(max_examples=20)
@given(tensors(least_keys=2))
def test_order_of_keys_does_not_count(tensor: TensorMap) -> None:
    with untyped():
        keys = Labels(tensor.keys.names, tensor.keys.values[::-1])
        turned = TensorMap(keys, tensor.blocks()[::-1], tensor.info())
        mixed = TensorMap(keys, tensor.blocks())
    assert turned == tensor
    assert (mixed == tensor) == all(
        a == b for a, b in zip(tensor, reversed(tensor.blocks()), strict=True)
    )


@settings(max_examples=20)
@given(blocks(), blocks(nested=True))
def test_other_metadata(a: TensorBlock, b: TensorBlock) -> None:
    assert a == a.copy()
    assert a != b  # only one of them has gradients of gradients


CHANGED = [
    block(samples=Labels("system", [[9], [5]])),
    block(samples=Labels("atom", [[5], [9]])),
    block(components=[Labels("m", [[2], [1], [0]])]),
    block(properties=N.rename("n", "p")),
    block(values=jnp.zeros((2, 3, 2), "float32")),
    block(values=np.full((2, 3, 2), np.nan)),
    block(values=-jnp.ones((2, 3, 2))),
    block(gradients={"x": gradient()}),
    block(gradients={"y": gradient(gradients={"y": nested()})}),
    block(gradients={"x": gradient(gradients={"z": nested()})}),
    block(
        gradients={
            "x": gradient(samples=ROWS.rename("atom", "a"), gradients={"y": nested()})
        }
    ),
    block(
        gradients={"x": gradient(gradients={"y": nested(values=jnp.ones((1, 1, 3, 3, 2)))})}
    ),
]


@pytest.mark.parametrize("changed", CHANGED)
def test_whatever_differs(changed: TensorBlock) -> None:
    assert NESTED.copy() == NESTED
    assert (changed == NESTED) is False
    assert (changed == NESTED) is False
    one = TensorMap(Labels.single(), [NESTED])
    other = TensorMap(Labels.single(), [changed])
    assert (one == other) is False
    with pytest.raises(NotEqualError):
        equal_raise(one, other)


@pytest.mark.parametrize("other", [3, None, "text", object(), [1], Labels.single()])
def test_other_types(other: Any) -> None:
    found = tensor(NESTED, NESTED)
    for ours in (found, found.block(0)):
        assert (ours == other) is False
        assert (other == ours) is False
        assert (ours != other) is True
    assert (found == found.block(0)) is False


def test_other_keys() -> None:
    found = tensor(NESTED, NESTED)
    assert found != TensorMap(Labels("k", [[5], [3]]), [NESTED] * 2)
    assert found != TensorMap(Labels("l", [[5], [2]]), [NESTED] * 2)
    assert found != TensorMap(Labels("k", [[5]]), [NESTED])
    assert found == found.with_info(unit="eV")  # info says how, not what
    empty = TensorMap(Labels.empty("k"), [])
    assert empty == TensorMap(Labels.empty("k"), [])
    assert empty != found


def test_numpy_and_jax_arrays_are_compared_by_value() -> None:
    assert NESTED.to(arrays="numpy") == NESTED


def test_not_a_number_is_not_itself() -> None:
    found = block(values=np.full((2, 3, 2), np.nan))
    assert found != found.copy()


def test_traced_values_give_a_traced_answer() -> None:
    ones = NESTED.with_values(jnp.ones((2, 3, 2)))
    same = jax.jit(lambda a, b: a == b)
    assert bool(same(NESTED, NESTED.copy())) is True
    assert bool(same(NESTED, ones)) is False
    # Metadata are known while tracing, and decide at once.
    known = []
    jax.jit(lambda a, b: known.append(a == b))(block(), NESTED)
    assert known == [False]


@pytest.mark.parametrize("traced", [False, True])
def test_dynamic_samples(traced: bool) -> None:
    plain = block()
    padded = pad(plain, 3)

    def compare(a: Any, b: Any) -> Any:
        return a == b

    same = jax.jit(compare) if traced else compare
    assert bool(same(padded, pad(plain, 3))) is True
    assert bool(same(padded, plain)) is False
    # A capacity of one must not be stretched over others.
    one = block(values=jnp.zeros((1, 3, 2)), samples=Labels("system", [[5]]))
    for other in (pad(plain, 4), pad(one, 1)):
        assert bool(same(padded, other)) is False
        assert bool(same(other, padded)) is False
    moved = pad(block(samples=Labels("system", [[5], [8]])), 3)
    assert bool(same(padded, moved)) is False


def test_leaves_that_are_no_arrays() -> None:
    found = tensor(NESTED, NESTED)
    names = jax.tree.map(lambda _: "leaf", found)
    assert names == jax.tree.map(lambda _: "leaf", found)
    assert names != found
    shapes = jax.eval_shape(lambda t: t, found)
    assert isinstance(shapes == found, bool)
