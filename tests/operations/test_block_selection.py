"""Blocks by key.

Known deviations from metatensor: gradients of gradients stay, where it refuses them; a
map without blocks has no empty block, where it fails.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import labels_there, map_there
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact
from operations.peer import assert_agree
from operations.test_messages_of_operations import assert_house_form

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidTypeError, MissingError


NAMES = ["center", "neighbor", "sigma"]


@st.composite
def some_keys(draw: st.DrawFn) -> tuple[list[str], np.ndarray]:
    """Some of the keys that may be there, by some names or by all, in any order."""
    names = draw(st.sampled_from([NAMES[:1], NAMES[1:], NAMES, NAMES[::-1], []]))
    row = st.tuples(*[st.integers(-1, 2)] * len(names))
    rows = draw(st.lists(row, unique=True, max_size=6 if names else 0))
    return names, np.array(rows, np.int32).reshape(len(rows), len(names))


@share(2)
@given(recipe=recipes(), keys=some_keys(), known=st.booleans())
def test_some_keys_as_metatensor(recipe: Recipe, keys: Any, known: bool) -> None:
    tensor, wanted = random_map(recipe), Labels(*keys)
    if known:  # the keys themselves, in another order
        wanted = Labels(tensor.keys.names, tensor.keys.values[::-1])
    there = labels_there(wanted)
    kept = jm.filter_blocks(tensor, wanted)
    assert_agree(kept, mts.filter_blocks(map_there(tensor), there))
    assert kept.info() == tensor.info()
    dropped = jm.drop_blocks(tensor, wanted)
    assert_agree(dropped, mts.drop_blocks(map_there(tensor), there))
    assert len(kept) + len(dropped) == len(tensor)


@share(2)
@given(recipe=recipes())
def test_empty_blocks_as_metatensor(recipe: Recipe) -> None:
    tensor = random_map(recipe)
    theirs = map_there(tensor)
    assert_agree(jm.drop_empty_blocks(tensor), mts.drop_empty_blocks(theirs))
    bare = jm.slice(tensor, "properties", [])
    assert len(jm.drop_empty_blocks(bare)) == 0


def test_the_order_of_blocks() -> None:
    tensor = random_map(Recipe(rows=(1, 1, 1)))
    keys = tensor.keys
    backwards = Labels(keys.names, keys.values[::-1])
    assert jm.filter_blocks(tensor, backwards).keys == backwards
    permuted = Labels(keys.names[::-1], backwards.values[:, ::-1])
    assert jm.filter_blocks(tensor, permuted).keys == keys


def test_gradients_of_gradients_and_arrays_stay() -> None:
    tensor = random_map(Recipe(rows=(4, 0, 1), nested=True))
    one = Labels(tensor.keys.names, tensor.keys.values[2:])
    for result in (jm.filter_blocks(tensor, one), jm.drop_empty_blocks(tensor)):
        leaves = result.blocks()[-1]._leaves
        assert all(a is b for a, b in zip(leaves, tensor[2]._leaves, strict=True))
    assert jm.drop_blocks(tensor, one).blocks() == tensor.blocks()[:2]
    assert_exact(lambda t: jm.filter_blocks(t, one), tensor)


@pytest.mark.parametrize(
    "operation",
    [
        lambda t, **options: jm.filter_blocks(t, Labels.empty(""), **options),
        lambda t, **options: jm.drop_blocks(t, Labels.empty("center"), **options),
        jm.drop_empty_blocks,
    ],
)
def test_copies(operation: Any) -> None:
    tensor = random_map(Recipe(rows=(4,), nested=True)).to(arrays="numpy")
    shared, copied = operation(tensor), operation(tensor, copy=True)
    assert shared._layout is copied._layout is tensor._layout
    for own, same, other in zip(
        tensor._leaves, shared._leaves, copied._leaves, strict=True
    ):
        assert own is same
        assert not np.shares_memory(own, other)
        np.testing.assert_array_equal(own, other)


def test_dynamic_samples_are_empty_without_room() -> None:
    tensor = random_map(Recipe(rows=(1, 4, 0), gradients=()))
    blocks = [jm.pad(b, room) for b, room in zip(tensor, (2, 4, 0), strict=True)]
    padded = TensorMap(tensor.keys, [*blocks[:2], blocks[2]])
    assert jm.drop_empty_blocks(padded).keys == Labels(NAMES, tensor.keys.values[:2])
    roomy = jm.pad(tensor, 4)
    assert jm.drop_empty_blocks(roomy)._layout is roomy._layout
    wanted = Labels(NAMES, tensor.keys.values[[1]])
    found = jax.jit(lambda t: jm.filter_blocks(t, wanted))(roomy)
    assert jm.unpad(found)[0] == tensor[1]


def test_no_blocks() -> None:
    tensor = TensorMap(Labels.empty("center"), [], {"unit": "eV"})
    for result in (
        jm.drop_blocks(tensor, Labels("center", [[1]])),
        jm.filter_blocks(tensor, Labels("center", [[1]])),
        jm.drop_empty_blocks(tensor),
    ):
        assert result._layout is tensor._layout


def test_transformations() -> None:
    tensor = random_map(Recipe(rows=(1, 4)))
    wanted = Labels(NAMES, tensor.keys.values[[1]])

    def operation(t: TensorMap) -> TensorMap:
        return jm.drop_empty_blocks(jm.filter_blocks(t, wanted))

    assert jax.jit(operation)(tensor) == operation(tensor)
    two = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), tensor)
    second = jax.tree.map(lambda x: x[1], jax.vmap(operation)(two))
    assert second == 2 * operation(tensor)
    slope = jax.grad(lambda t: operation(t)[0].values.sum())(tensor)
    assert [float(block.values.sum()) for block in slope] == [0.0, 8.0]


@pytest.mark.parametrize("operation", [jm.drop_blocks, jm.filter_blocks])
def test_what_is_refused(operation: Any, wrong_types: None) -> None:
    tensor = random_map(Recipe())
    name = operation.__name__
    cases = [
        (MissingError, ("did you mean 'center'",), Labels("centre", [[1]]), False),
        (InvalidTypeError, ("the keys must be Labels", "dict", "tensor.sel(keys=...)"),
         {"center": 1}, False),
        (InvalidTypeError, ("copy is True or False", "found 1"),
         Labels("center", [[1]]), 1),
    ]  # fmt: skip
    for kind, says, keys, copy in cases:
        with pytest.raises(kind) as caught:
            operation(tensor, keys, copy=copy)
        text = str(caught.value)
        assert [part for part in says if part not in text] == [], text
        assert_house_form(text, name)
    with pytest.raises(
        InvalidTypeError, match=f"^{name}: the argument must be a TensorMap"
    ):
        operation(tensor[0], Labels("center", [[1]]))


def test_blocks_are_no_maps(wrong_types: None) -> None:
    block: Any = TensorBlock(jnp.ones((1, 1)), Labels.single(), [], Labels.range("n", 1))
    with pytest.raises(InvalidTypeError, match=r"^drop_empty_blocks: the argument"):
        jm.drop_empty_blocks(block)
    with pytest.raises(InvalidTypeError, match="copy is True or False"):
        jm.drop_empty_blocks(random_map(Recipe()), copy="yes")  # type: ignore[arg-type]
