"""Sums and means over samples.

Known deviation from metatensor: gradients of a mean. There they are divided by the
number of gradient rows that fall together, here by the number of samples, as the
derivative of a mean is. The two agree only where every sample has every gradient row.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import block_there, map_there
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact
from operations.peer import assert_agree, assert_blocks_agree, map_here
from operations.transformed import assert_same_when_transformed

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidTypeError, MissingError


NAMES = st.sampled_from(["atom", "system", ("system",), ("atom", "system")])


@share(3)
@given(recipe=recipes(), names=NAMES)
def test_sums_as_metatensor(recipe: Recipe, names: Any) -> None:
    tensor = random_map(recipe)
    if 0 in recipe.rows and len(names) == 2:
        return  # there, no samples summed over all names have no dimension at all
    theirs = mts.sum_over_samples(map_there(tensor), names)
    assert_agree(jm.sum_over_samples(tensor, names), theirs)


@share(3)
@given(recipe=recipes(), names=NAMES)
def test_means_as_metatensor(recipe: Recipe, names: Any) -> None:
    tensor = random_map(recipe)
    if 0 in recipe.rows and len(names) == 2:
        return
    theirs = mts.mean_over_samples(map_there(tensor), names)
    assert_agree(jm.mean_over_samples(tensor, names), theirs, numbers="values")


def test_gradients_of_means_as_metatensor_where_it_is_right() -> None:
    samples = Labels(["system", "atom"], [[0, 0], [0, 1], [3, 0], [3, 1]])
    n = Labels.range("n", 2)
    rows = Labels(["sample", "atom"], [[i, a] for i in range(4) for a in (0, 1)])
    values = jnp.arange(16.0).reshape(8, 2)
    gradient = TensorBlock(values, rows, [], n)
    block = TensorBlock(jnp.ones((4, 2)), samples, [], n, {"positions": gradient})
    tensor = TensorMap(Labels.single(), [block])
    theirs = mts.mean_over_samples(map_there(tensor), "atom")
    assert_agree(jm.mean_over_samples(tensor, "atom"), theirs)


def test_the_gradient_of_a_mean_is_divided_by_the_number_of_samples() -> None:
    n = Labels.range("n", 1)
    rows = Labels(["sample", "atom"], [[0, 0]])
    gradient = TensorBlock(jnp.array([[6.0]]), rows, [], n)
    values = jnp.array([[1.0], [2.0], [3.0]])
    block = TensorBlock(values, Labels.range("s", 3), [], n, {"positions": gradient})
    tensor = TensorMap(Labels.single(), [block])
    ours = jm.mean_over_samples(tensor, "s")[0].gradient("positions")
    theirs = mts.mean_over_samples(map_there(tensor), "s")[0].gradient("positions")
    assert (ours.values.item(), theirs.values.item()) == (2.0, 6.0)


REAL = [
    pytest.param("feat_soap_ps_ethanol2_pos", marks=pytest.mark.long),
    "feat_spex_carbon3_pos_cell_strain",
]


@pytest.mark.parametrize("file", REAL)
def test_real_descriptors_as_metatensor(file: str, data_folder: Path) -> None:
    theirs = mts.load(data_folder / f"{file}.mts")
    ours = map_here(theirs)
    assert_agree(jm.sum_over_samples(ours, "atom"), mts.sum_over_samples(theirs, "atom"))
    mean = mts.mean_over_samples(theirs, "atom")
    assert_agree(jm.mean_over_samples(ours, "atom"), mean, numbers="values")


@pytest.mark.parametrize("operation", ["sum_over_samples", "mean_over_samples"])
@share(6)
@given(recipe=recipes(), names=NAMES)
def test_gradients(operation: str, recipe: Recipe, names: Any) -> None:
    assert_exact(lambda a: getattr(jm, operation)(a, names), random_map(recipe))


@pytest.mark.parametrize("operation", ["sum_over_samples", "mean_over_samples"])
@share(12)
@given(recipe=recipes(nested=True), names=NAMES)
def test_gradients_of_gradients(operation: str, recipe: Recipe, names: Any) -> None:
    assert_exact(lambda a: getattr(jm, operation)(a, names), random_map(recipe))


def test_blocks_alone() -> None:
    block = random_map(Recipe(density=1.0))[0]
    theirs = block_there(block)
    sums = jm.sum_over_samples_block(block, "atom")
    assert_blocks_agree(sums, mts.sum_over_samples_block(theirs, "atom"))
    means = jm.mean_over_samples_block(block, "atom")
    peer = mts.mean_over_samples_block(theirs, "atom")
    assert_blocks_agree(means, peer, numbers="values")


@pytest.mark.parametrize("operation", [jm.sum_over_samples, jm.mean_over_samples])
def test_all_names_leave_the_single_sample(operation: Any) -> None:
    result = operation(random_map(Recipe(rows=(4, 0))), ["system", "atom"])
    assert result[0].samples == Labels.single()
    assert result[1].samples == Labels.empty("_")
    assert result[1].shape == (0, 2)


def test_no_names_sort_the_samples() -> None:
    tensor = random_map(Recipe(rows=(4,)))
    result = jm.sum_over_samples(tensor, [])
    order = np.lexsort(np.asarray(tensor[0].samples.values).T[::-1])
    np.testing.assert_array_equal(result[0].values, np.asarray(tensor[0].values)[order])
    assert_exact(lambda a: jm.sum_over_samples(a, []), tensor)


def test_a_mean_of_one_sample_each_is_the_sample_itself() -> None:
    tensor = random_map(Recipe(rows=(1,)))
    ordered = jm.sort(tensor, "samples")
    assert jm.equal(ordered, jm.mean_over_samples(tensor, []))


DEEP = Recipe(
    rows=(4,), gradients=("positions", "positions/strain", "positions/strain/strain")
)


@pytest.mark.parametrize("operation", [jm.sum_over_samples, jm.mean_over_samples])
def test_gradients_of_gradients_of_gradients(operation: Any) -> None:
    tensor = random_map(dataclasses.replace(DEEP, density=0.7))
    result = assert_exact(lambda a: operation(a, "atom"), tensor)
    deepest = result[0].gradient("positions").gradient("strain").gradient("strain")
    assert len(deepest) > 0


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("operation", [jm.sum_over_samples, jm.mean_over_samples])
def test_other_numbers(operation: Any, dtype: str) -> None:
    tensor = random_map(dataclasses.replace(DEEP, gradients=("positions",))).to(dtype=dtype)
    turned = tensor if dtype == "float32" else (0.6 + 0.8j) * tensor
    result = operation(turned, "atom")[0]
    assert result.dtype == dtype
    rows = [turned[0].values[turned[0].samples["system"] == i] for i in result.samples]
    reduced = [np.asarray(x).sum(0) for x in rows]
    if operation is jm.mean_over_samples:
        reduced = [x / len(y) for x, y in zip(reduced, rows, strict=True)]
    np.testing.assert_allclose(result.values, reduced, rtol=1e-6)


@pytest.mark.parametrize("operation", [jm.sum_over_samples, jm.mean_over_samples])
def test_other_transformations(operation: Any) -> None:
    tensor = random_map(Recipe(rows=(4, 1)))
    assert_same_when_transformed(lambda a: operation(a, "atom"), tensor)


def _integers(dtype: str) -> TensorBlock:
    values = jnp.asarray([[3], [4]], dtype)
    return TensorBlock(values, Labels.range("s", 2), [], Labels.range("n", 1))


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
def test_integers_are_summed_and_their_means_refused(dtype: str) -> None:
    total = jm.sum_over_samples_block(_integers(dtype), "s")
    assert (total.values.tolist(), total.dtype) == ([[7]], dtype)
    with pytest.raises(InvalidTypeError, match=dtype):
        jm.mean_over_samples_block(_integers(dtype), "s")


@pytest.mark.parametrize("dtype", ["int4", "int8", "int16", "uint8", "uint16"])
def test_sums_that_would_soon_wrap_around_are_refused(dtype: str) -> None:
    block = _integers(dtype)
    with pytest.raises(InvalidTypeError) as raised:
        jm.sum_over_samples_block(block, "s")
    assert str(raised.value) == (
        f"sum_over_samples_block: the values are {dtype}, whose sums soon wrap around.\n"
        f"  the largest {dtype} is {jnp.iinfo(dtype).max}\n"
        "  convert on purpose first: tensor.to(dtype=jnp.int32)."
    )
    total = jm.sum_over_samples_block(block.to(dtype=jnp.int32), "s")
    assert total.values.tolist() == [[7]]


def test_sums_of_bools_are_refused() -> None:
    with pytest.raises(InvalidTypeError, match="counts"):
        jm.sum_over_samples_block(_integers("bool"), "s")


def test_names_that_are_none_are_refused_even_without_blocks(wrong_types: None) -> None:
    nothing = TensorMap(Labels.empty("k"), [])
    assert jm.sum_over_samples(nothing, "anything").keys == nothing.keys
    with pytest.raises(InvalidTypeError, match="the names must be a string"):
        jm.sum_over_samples(nothing, 3)


def test_an_unknown_name_is_met_with_those_there_are() -> None:
    with pytest.raises(MissingError, match="did you mean 'atom'"):
        jm.sum_over_samples(random_map(Recipe()), "atoms")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("unequal", [False, True])
def test_half_precision_is_added_up_in_single_precision(dtype: str, unequal: bool) -> None:
    """In half precision a sum of ones stops to grow at 256, or at 2048."""
    count = 3000 + unequal
    of_group = np.arange(count) % 2
    rows = Labels(["system", "atom"], np.stack([of_group, np.arange(count)], axis=1))
    values = jnp.full((count, 1), 3.0, dtype)
    n = Labels.range("n", 1)
    below = Labels("sample", np.arange(count)[:, None])
    gradient = TensorBlock(values, below, [], n)
    block = TensorBlock(values, rows, [], n, {"x": gradient})
    mean = jm.mean_over_samples_block(block, "atom")
    total = jm.sum_over_samples_block(block, "atom")
    sizes = np.bincount(of_group)[:, None]
    for found, one in ((mean, 3.0), (total, 3.0 * sizes)):
        expected = np.broadcast_to(np.asarray(one), (2, 1)).astype(jnp.dtype(dtype))
        for data in (found, found.gradient("x")):
            assert data.values.dtype == dtype
            np.testing.assert_array_equal(np.asarray(data.values), expected)
    wide = TensorBlock(values.T, Labels.range("s", 1), [], rows)
    np.testing.assert_array_equal(
        np.asarray(jm.mean_over_properties_block(wide, "atom").values), [[3.0, 3.0]]
    )
