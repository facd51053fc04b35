"""Sorting, and the different labels that there are.

Known deviations from metatensor: blocks and gradients without rows are sorted along the
other axes too (there such blocks stay as they are, and such gradients are an IndexError);
gradients of gradients are sorted; `axes` is never changed; no name at all is an error for
`unique_metadata`, and a map without blocks gives no entry.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import block_there, map_there
from operations.examples import Recipe, random_map, recipes, share, with_other_numbers
from operations.jacobian import assert_exact
from operations.peer import assert_agree, assert_blocks_agree, map_here
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
)


AXES = ["keys", "samples", "components", "properties"]
axes = st.one_of(
    st.sampled_from(["all", *AXES]),
    st.lists(st.sampled_from(AXES), unique=True),
)
FULL = Recipe(rows=(4, 1), components=(3,), gradients=("positions", "strain"))
NESTED = Recipe(rows=(4, 0), components=(3,), nested=True, density=1.0)


@share(2)
@given(recipe=recipes(), axes=axes, descending=st.booleans())
def test_sort_as_metatensor(recipe: Recipe, axes: Any, descending: bool) -> None:
    tensor = random_map(_with_rows(recipe))
    given = axes if isinstance(axes, str) else list(axes)
    theirs = mts.sort(map_there(tensor), given, descending)
    assert_agree(jm.sort(tensor, axes, descending), theirs)


def _with_rows(recipe: Recipe) -> Recipe:
    """The recipe with rows in every block and gradient: metatensor fails without."""
    rows = tuple(max(1, n) for n in recipe.rows)
    density = 1.0 if 1 in rows else max(0.5, recipe.density)
    return dataclasses.replace(recipe, rows=rows, density=density)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("axes", ["samples", ["components", "properties"], "all"])
def test_blocks_alone_as_metatensor(axes: Any, descending: bool) -> None:
    block = random_map(FULL)[0]
    theirs = mts.sort_block(block_there(block), axes, descending)
    assert_blocks_agree(jm.sort_block(block, axes, descending), theirs)


@pytest.mark.parametrize(
    ("file", "descending"),
    [("feat_soap_ps_ethanol2_pos", True), ("feat_spex_ethanol5_pos", False)],
)
def test_real_descriptors_as_metatensor(
    file: str, descending: bool, data_folder: Path
) -> None:
    theirs = mts.load(data_folder / f"{file}.mts")
    ours = jm.sort(map_here(theirs), descending=descending)
    assert_agree(ours, mts.sort(theirs, descending=descending))


Entries = dict[tuple[Any, ...], float]


def entries(block: TensorBlock, rows: Sequence[Any] = ((),), path: Any = ()) -> Entries:
    """Every number of a block and its gradients, by all labels that say what it is."""
    found: Entries = {}
    table = np.asarray(block.samples.values).tolist()
    own = [(*rows[r[0]], *r[1:]) for r in table] if path else [tuple(r) for r in table]
    labels = [own, *[c.values.tolist() for c in [*block.components, block.properties]]]
    for where in np.ndindex(block.shape):
        entry = [str(axis[i]) for axis, i in zip(labels, where, strict=True)]
        found[(path, *entry)] = float(block.values[where])
    for name, gradient in block.gradients():
        found |= entries(gradient, own, (*path, name))
    return found


def assert_sorted(block: TensorBlock, descending: bool) -> None:
    for labels in (block.samples, *block.components, block.properties):
        rows = np.asarray(labels.values).tolist()
        assert rows == sorted(rows, reverse=descending)
    for _, gradient in block.gradients():
        assert_sorted(gradient, descending)


@share(4)
@given(recipe=recipes(nested=True), descending=st.booleans())
def test_every_number_keeps_its_labels(recipe: Recipe, descending: bool) -> None:
    tensor = random_map(recipe)
    result = jm.sort(tensor, descending=descending)
    before = {key: entries(block) for key, block in tensor.items()}
    assert {key: entries(block) for key, block in result.items()} == before
    keys = result.keys.values.tolist()
    assert keys == sorted(keys, reverse=descending)
    for block in result:
        assert_sorted(block, descending)


@share(8)
@given(recipe=recipes(nested=True), axes=axes)
def test_gradients_are_exact(recipe: Recipe, axes: Any) -> None:
    assert_exact(lambda a: jm.sort(a, axes), random_map(recipe))


def test_components_of_gradients_alone_are_sorted_too() -> None:
    backward = jm.sort(random_map(NESTED), "components", descending=True)
    strain = backward[0].gradient("positions").gradient("strain")
    names = [component.names[0] for component in strain.components]
    assert names == ["xyz_1", "xyz_2", "xyz", "component_0"]
    assert strain.components[0].values.tolist() == [[1], [0]]
    forward = jm.sort(backward, "components")
    assert_sorted(jm.sort(forward)[0], descending=False)
    assert [entries(b) for b in forward] == [entries(b) for b in random_map(NESTED)]


def test_blocks_without_rows_are_sorted_along_the_other_axes() -> None:
    n = Labels("n", [[1], [0]])
    gradient = TensorBlock(jnp.zeros((0, 2)), Labels.empty("sample"), [], n)
    block = TensorBlock(jnp.zeros((0, 2)), Labels.empty("s"), [], n, {"g": gradient})
    result = jm.sort_block(block)
    assert result.properties.values.tolist() == [[0], [1]]
    assert result.gradient("g").properties is result.properties
    plain = mts.sort_block(block_there(jm.remove_gradients_block(block)))
    assert plain.properties.values.tolist() == [[1], [0]]


def test_what_is_sorted_keeps_its_arrays() -> None:
    tensor = jm.sort(random_map(NESTED))
    again = jm.sort(tensor)
    assert again._layout is tensor._layout
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(tensor), strict=True):
        assert a is b
    assert jm.sort(random_map(NESTED), []) == random_map(NESTED)


def test_arguments_are_not_changed() -> None:
    axes = ["keys", "samples"]
    tensor = random_map(FULL)
    assert jm.sort(tensor, axes) == jm.sort(tensor, ("samples", "keys", "samples"))
    assert axes == ["keys", "samples"]
    assert tensor == random_map(FULL)


def test_numpy_arrays_are_sorted_as_those_of_jax() -> None:
    tensor = random_map(NESTED)
    result = jm.sort(tensor.to(arrays="numpy"), descending=True)
    assert result == jm.sort(tensor, descending=True)


def test_sort_without_blocks_or_rows() -> None:
    nothing = TensorMap(Labels.empty("k"), [])
    assert jm.sort(nothing) == nothing
    assert jm.sort(nothing, "samples", descending=True) == nothing


@pytest.mark.parametrize("descending", [False, True])
def test_sort_under_every_transformation(descending: bool) -> None:
    def operation(tensor: TensorMap) -> TensorMap:
        return jm.sort(tensor, descending=descending)

    tensor = random_map(NESTED)
    expected = operation(tensor)
    assert jax.jit(operation)(tensor) == expected
    shapes = jax.eval_shape(operation, tensor)
    assert jax.tree.structure(shapes) == jax.tree.structure(expected)
    tangent = with_other_numbers(tensor, 3)
    assert jax.jit(lambda a, t: jax.jvp(operation, (a,), (t,)))(tensor, tangent) == (
        expected,
        operation(tangent),
    )
    stacked = jax.tree.map(lambda *x: jnp.stack(x), tensor, tangent)
    several = jax.jit(jax.vmap(operation))(stacked)
    assert jax.tree.map(lambda x: x[1], several) == operation(tangent)
    scan = jax.jit(lambda s: jax.lax.scan(lambda c, t: (c, operation(t)), 0, s)[1])
    assert jax.tree.map(lambda x: x[0], scan(stacked)) == expected


def test_derivatives_go_back_where_the_rows_came_from() -> None:
    tensor = random_map(NESTED)
    back = with_other_numbers(jm.sort(tensor), 5)
    pulled = jax.vjp(jm.sort, tensor)[1](back)[0]
    assert jm.sort(pulled) == back


def test_dynamic_samples_stay_where_they_are() -> None:
    tensor = random_map(FULL)
    room = {"samples": 5, "positions": 12, "strain": 6}
    padded = jm.pad(tensor, room)
    assert isinstance(padded[0].samples, jm.DynamicLabels)
    result = jm.sort(padded, ["keys", "components", "properties"])
    expected = jm.sort(tensor, ["keys", "components", "properties"])
    assert jm.unpad(result) == expected
    with pytest.raises(DynamicSamplesError, match=r"^sort: the samples .* dynamic"):
        jm.sort(padded)
    half = padded[0].gradient("strain")
    block = tensor[0].with_gradient("strain", half)
    with pytest.raises(DynamicSamplesError, match=r"^sort_block: the samples \['sample'\]"):
        jm.sort_block(block, "samples")


def test_what_sort_refuses() -> None:
    tensor = random_map(FULL)
    with pytest.raises(InvalidError, match=r"^sort: there is no axis 'sample' here"):
        jm.sort(tensor, "sample")
    with pytest.raises(InvalidError, match="no axis 'all' here"):
        jm.sort(tensor, ["all"])
    with pytest.raises(InvalidError, match=r"^sort_block: there is no axis 'keys'"):
        jm.sort_block(tensor[0], "keys")
    with untyped(), pytest.raises(InvalidTypeError, match=r"^sort: the axes are one name"):
        jm.sort(tensor, 3)  # type: ignore[arg-type]
    with untyped(), pytest.raises(InvalidTypeError, match="True or False"):
        jm.sort(tensor, "samples", "down")  # type: ignore[arg-type]
    with untyped(), pytest.raises(InvalidTypeError, match="must be a TensorMap"):
        jm.sort(tensor[0])  # type: ignore[arg-type]


# Unique metadata ------------------------------------------------------------------------


@share(2)
@given(
    recipe=recipes(),
    where=st.sampled_from([
        ("samples", ["system"]), ("samples", ["atom", "system"]), ("samples", "atom"),
        ("properties", ["l"]), ("properties", ("n", "l")),
    ]),
)  # fmt: skip
def test_unique_metadata_as_metatensor(recipe: Recipe, where: Any) -> None:
    tensor = random_map(recipe)
    theirs = mts.unique_metadata(map_there(tensor), *where)
    ours = jm.unique_metadata(tensor, *where)
    assert ours.names == list(theirs.names)
    np.testing.assert_array_equal(ours.values, theirs.values)


@pytest.mark.parametrize("density", [0.0, 0.5])
@pytest.mark.parametrize("axis", ["samples", "properties"])
def test_unique_metadata_of_gradients_as_metatensor(axis: str, density: float) -> None:
    tensor = random_map(Recipe(rows=(4, 1, 0), density=density))
    names = ["atom", "sample"] if axis == "samples" else ["n"]
    theirs = mts.unique_metadata(map_there(tensor), axis, names, "positions")
    ours = jm.unique_metadata(tensor, axis, names, "positions")
    assert ours.names == names
    np.testing.assert_array_equal(ours.values, theirs.values)
    block = mts.unique_metadata_block(block_there(tensor[0]), axis, names, "positions")
    found = jm.unique_metadata_block(tensor[0], axis, names, gradient="positions")
    np.testing.assert_array_equal(found.values, block.values)


def test_unique_metadata_of_gradients_of_gradients() -> None:
    tensor = random_map(NESTED)
    found = jm.unique_metadata(tensor, "samples", "sample", "positions/strain")
    rows = [b.gradient("positions").gradient("strain").samples["sample"] for b in tensor]
    assert found.values.ravel().tolist() == np.unique(np.concatenate(rows)).tolist()


def test_unique_metadata_is_found_once_and_anywhere() -> None:
    tensor = random_map(FULL)
    first = jm.unique_metadata(tensor, "samples", "system")
    assert jm.unique_metadata(random_map(FULL), "samples", ["system"]) is first
    seen = []
    jax.jit(lambda t: seen.append(jm.unique_metadata(t, "samples", "system")))(tensor)
    assert seen == [first]
    nothing = TensorMap(Labels.empty("k"), [])
    assert jm.unique_metadata(nothing, "samples", ["a", "b"]) == Labels.empty(["a", "b"])


def test_unique_metadata_of_dynamic_samples() -> None:
    tensor = jm.remove_gradients(random_map(FULL))
    padded = jm.pad(tensor, 5)
    assert jm.unique_metadata(padded, "properties", "n") == jm.unique_metadata(
        tensor, "properties", "n"
    )
    assert jm.unique_metadata(padded, "samples", "system") == jm.unique_metadata(
        tensor, "samples", "system"
    )
    with pytest.raises(DynamicSamplesError, match=r"^unique_metadata: .*traced by JAX"):
        jax.jit(lambda t: jm.unique_metadata(t, "samples", "system").values)(padded)


def test_what_unique_metadata_refuses() -> None:
    tensor = random_map(FULL)
    with pytest.raises(
        MissingError, match=r"have no dimension 'systm'\.\n.*did you mean 'system'"
    ):
        jm.unique_metadata(tensor, "samples", ["atom", "systm"])
    with pytest.raises(MissingError, match=r"block \(center=.* no gradient 'cell'"):
        jm.unique_metadata(tensor, "samples", "atom", "cell")
    with pytest.raises(MissingError, match=r"gradient 'strain' of the block has no grad"):
        jm.unique_metadata_block(tensor[0], "samples", "atom", "strain/cell")
    with pytest.raises(InvalidError, match="no axis 'keys' here"):
        jm.unique_metadata(tensor, "keys", "center")
    with pytest.raises(InvalidError, match="no dimension is named"):
        jm.unique_metadata(tensor, "samples", [])
    with untyped(), pytest.raises(InvalidTypeError, match="found axis=0 and gradient=None"):
        jm.unique_metadata(tensor, 0, "system")  # type: ignore[arg-type]
    with untyped(), pytest.raises(InvalidTypeError, match="gradient=3"):
        jm.unique_metadata(tensor, "samples", "system", 3)  # type: ignore[arg-type]
    with untyped(), pytest.raises(InvalidTypeError, match="must be a string"):
        jm.unique_metadata(tensor, "samples", [1])  # type: ignore[list-item]
