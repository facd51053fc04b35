"""Dropping gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import metatensor as mts
import pytest
from hypothesis import given
from metatensor_oracle import block_there, map_there
from operations.examples import Recipe, random_map, recipes, share
from operations.peer import assert_agree, assert_blocks_agree
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta.errors import InvalidTypeError, MissingError


BOTH = Recipe(gradients=("positions", "strain"), components=(3,))


@share(4)
@given(recipe=recipes())
def test_all_as_metatensor(recipe: Recipe) -> None:
    tensor = random_map(recipe)
    assert_agree(jm.remove_gradients(tensor), mts.remove_gradients(map_there(tensor)))


@pytest.mark.parametrize("name", ["positions", "strain"])
def test_some_as_metatensor(name: str) -> None:
    tensor = random_map(BOTH)
    theirs = mts.remove_gradients(map_there(tensor), [name])
    assert_agree(jm.remove_gradients(tensor, name), theirs)
    assert_agree(jm.remove_gradients(tensor, [name]), theirs)
    block = jm.remove_gradients_block(tensor[0], name)
    theirs = mts.remove_gradients_block(block_there(tensor[0]), [name])
    assert_blocks_agree(block, theirs)


def test_what_stays_is_shared_with_its_own_gradients() -> None:
    tensor = random_map(Recipe(nested=True))
    assert jm.remove_gradients(tensor)[0].values is tensor[0].values
    kept = jm.remove_gradients(tensor, [])
    leaves = jax.tree.leaves(tensor)
    assert all(a is b for a, b in zip(jax.tree.leaves(kept), leaves, strict=True))


def test_an_unknown_name_is_met_with_those_there_are() -> None:
    with pytest.raises(MissingError, match="did you mean 'strain'"):
        jm.remove_gradients(random_map(BOTH), "strains")


def test_what_is_no_name_is_told() -> None:
    block = jm.TensorBlock(
        jnp.ones((1, 1)), jm.Labels.range("s", 1), [], jm.Labels.range("n", 1)
    )
    with untyped(), pytest.raises(InvalidTypeError, match="a name, or a list of them"):
        jm.remove_gradients_block(block, 5)
