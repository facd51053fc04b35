"""Dimensions of labels: inserted, permuted, removed, renamed, given other values.

Known deviations from metatensor: values may also be a list with one array for each block;
gradients of gradients are kept; components can not silently be given, denied or permuted
dimensions, nor can a component be renamed that is not there; the first dimension of
gradient samples stays ``sample``; `update_dimension` is new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import assert_same_map, map_there
from operations.examples import Recipe, random_map, recipes, share, with_other_numbers
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    OutOfRangeError,
)


FULL = Recipe(rows=(4, 4), components=(3,), gradients=("positions", "strain"))
NESTED = Recipe(rows=(4, 0), components=(3,), nested=True)
NAMES = {
    "keys": ["center", "neighbor", "sigma"],
    "samples": ["system", "atom"],
    "properties": ["n", "l"],
}
ROOM = {"samples": 5, "positions": 3, "positions/positions": 3}
axes = st.sampled_from(list(NAMES))
integers = st.sampled_from([-(2**31), -1, 0, 7, 2**31 - 1])


# As metatensor --------------------------------------------------------------------------


@share(2)
@given(recipe=recipes(), axis=axes, index=st.integers(-2, 2), value=integers)
def test_insert_an_integer(recipe: Recipe, axis: str, index: int, value: int) -> None:
    tensor = random_map(recipe)
    theirs = mts.insert_dimension(map_there(tensor), axis, index, "new", value)
    assert_same_map(jm.insert_dimension(tensor, axis, index, "new", value), theirs)
    theirs = mts.append_dimension(map_there(tensor), axis, "new", value)
    assert_same_map(jm.append_dimension(tensor, axis, "new", value), theirs)


@pytest.mark.parametrize("kind", [np.array, jnp.array, list, tuple])
@pytest.mark.parametrize("axis", NAMES)
def test_insert_an_array(axis: str, kind: Callable[[Any], Any]) -> None:
    tensor = random_map(FULL)
    values = [3, -3, 5, 0][: {"keys": 2, "samples": 4, "properties": 2}[axis]]
    theirs = mts.insert_dimension(map_there(tensor), axis, 1, "new", np.array(values))
    assert_same_map(jm.insert_dimension(tensor, axis, 1, "new", kind(values)), theirs)
    theirs = mts.append_dimension(map_there(tensor), axis, "new", np.array(values))
    assert_same_map(jm.append_dimension(tensor, axis, "new", kind(values)), theirs)


@share(2)
@given(recipe=recipes(), axis=axes, data=st.data())
def test_permute(recipe: Recipe, axis: str, data: st.DataObject) -> None:
    tensor = random_map(recipe)
    order = data.draw(st.permutations(range(len(NAMES[axis]))))
    theirs = mts.permute_dimensions(map_there(tensor), axis, order)
    assert_same_map(jm.permute_dimensions(tensor, axis, order), theirs)


@share(3)
@given(recipe=recipes(), axis=axes, data=st.data())
def test_remove(recipe: Recipe, axis: str, data: st.DataObject) -> None:
    """What metatensor takes is the same here; what it refuses is refused."""
    tensor = random_map(recipe)
    name = data.draw(st.sampled_from(NAMES[axis]))
    try:
        theirs = mts.remove_dimension(map_there(tensor), axis, name)
    except mts.MetatensorError:
        with pytest.raises(InvalidError, match=r"^remove_dimension: the .* entry twice"):
            jm.remove_dimension(tensor, axis, name)
    else:
        assert_same_map(jm.remove_dimension(tensor, axis, name), theirs)


@share(2)
@given(recipe=recipes(), axis=axes, data=st.data())
def test_rename(recipe: Recipe, axis: str, data: st.DataObject) -> None:
    tensor = random_map(recipe)
    name = data.draw(st.sampled_from(NAMES[axis]))
    theirs = mts.rename_dimension(map_there(tensor), axis, name, "new")
    assert_same_map(jm.rename_dimension(tensor, axis, name, "new"), theirs)


@pytest.mark.parametrize("name", ["component_0", "xyz", "xyz_2"])
def test_rename_components(name: str) -> None:
    """Those of the values, and those that only one of the gradients has."""
    tensor = random_map(FULL)
    theirs = mts.rename_dimension(map_there(tensor), "components", name, "new")
    assert_same_map(jm.rename_dimension(tensor, "components", name, "new"), theirs)


# By hand --------------------------------------------------------------------------------


Relabel = Callable[[Labels, int], Labels]


def by_hand(tensor: TensorMap, axis: str, change: Relabel) -> TensorMap:
    """The map built anew, with changed labels along one axis; `change` knows the block."""
    keys = change(tensor.keys, 0) if axis == "keys" else tensor.keys
    blocks = [
        _block(b, axis, lambda old, i=i: change(old, i)) for i, b in enumerate(tensor)
    ]
    return TensorMap(keys, blocks, tensor.info())


def _block(block: TensorBlock, axis: str, change: Any, depth: int = 0) -> TensorBlock:
    components, properties, samples = block.components, block.properties, block.samples
    if axis == "components":
        components = [change(component) for component in components]
    if axis == "properties":
        properties = change(properties)
    if axis == "samples" and not depth:
        samples = change(samples)
    gradients = {n: _block(g, axis, change, depth + 1) for n, g in block.gradients()}
    return TensorBlock(block.values, samples, components, properties, gradients)


def replaced(labels: Labels, name: str, values: Any) -> Labels:
    """Labels with other values in one dimension; those without it as they are."""
    if name not in labels.names:
        return labels
    table = np.array(labels.values)
    table[:, labels.names.index(name)] = values
    return Labels(labels.names, table)


@pytest.mark.parametrize("recipe", [FULL, NESTED])
@pytest.mark.parametrize(
    ("axis", "name"), [(axis, name) for axis in NAMES for name in NAMES[axis]]
)
def test_update(axis: str, name: str, recipe: Recipe) -> None:
    tensor = random_map(recipe)
    sizes = {"keys": [2], "properties": [2, 2]}.get(axis, [len(block) for block in tensor])
    columns = [5 - np.arange(size) for size in sizes]
    given = columns[0] if axis == "keys" else columns
    result = jm.update_dimension(tensor, axis, name, given)
    expected = by_hand(tensor, axis, lambda old, i: replaced(old, name, columns[i]))
    assert result == expected
    assert result[0].values is tensor[0].values


@pytest.mark.parametrize("recipe", [FULL, NESTED])
@pytest.mark.parametrize("name", ["component_0", "xyz_1"])
def test_update_of_components(name: str, recipe: Recipe) -> None:
    tensor = random_map(recipe)
    values = [4, -4, 0] if name == "component_0" else [9, -9]
    result = jm.update_dimension(tensor, "components", name, values)
    assert result == by_hand(tensor, "components", lambda c, _: replaced(c, name, values))
    assert result != tensor


def test_update_with_one_integer() -> None:
    tensor = random_map(FULL)
    unique = jm.insert_dimension(tensor, "samples", 0, "new", range(4))
    result = jm.update_dimension(unique, "samples", "atom", -7)
    assert result == by_hand(unique, "samples", lambda s, _: replaced(s, "atom", -7))
    tensor = jm.update_dimension(tensor, "keys", "sigma", np.int64(3))
    assert tensor.keys["sigma"].tolist() == [3, 3]


@pytest.mark.parametrize("axis", ["samples", "properties"])
def test_one_array_for_each_block(axis: str) -> None:
    recipe = Recipe(rows=(4, 0, 1), nested=True)
    tensor = random_map(recipe)
    sizes = [4, 0, 1] if axis == "samples" else [2, 2, 2]
    columns: list[Any] = [np.arange(size) - i for i, size in enumerate(sizes)]
    columns[2] = columns[2].tolist()

    def inserted(labels: Labels, block: int) -> Labels:
        table = np.insert(labels.values, 0, columns[block], axis=1)
        return Labels(["new", *labels.names], table)

    result = jm.insert_dimension(tensor, axis, 0, "new", columns)
    assert result == by_hand(tensor, axis, inserted)
    mixed = jm.insert_dimension(
        tensor, axis, 0, "new", [columns[0], 8, jnp.array(columns[2])]
    )
    assert mixed[0] == result[0]
    assert mixed[2] == result[2]
    assert getattr(mixed[1], axis).values[:, 0].tolist() == [8] * sizes[1]


def test_gradients_of_gradients_follow() -> None:
    tensor = random_map(NESTED)
    order = [1, 0]
    expected = by_hand(
        tensor, "properties", lambda p, _: Labels(["l", "n"], p.values[:, order])
    )
    assert jm.permute_dimensions(tensor, "properties", order) == expected
    expected = by_hand(tensor, "properties", lambda p, _: Labels(["n", "x"], p.values))
    assert jm.rename_dimension(tensor, "properties", "l", "x") == expected


@pytest.mark.parametrize("name", ["component_0", "xyz", "xyz_1"])
def test_components_of_gradients_of_gradients_follow(name: str) -> None:
    tensor = random_map(NESTED)
    expected = by_hand(
        tensor, "components", lambda c, _: Labels("x", c.values) if name in c.names else c
    )
    assert jm.rename_dimension(tensor, "components", name, "x") == expected


def test_samples_of_gradients_follow_a_new_name_alone() -> None:
    tensor = random_map(NESTED)
    result = jm.rename_dimension(tensor, "samples", "atom", "center")
    inner = result[0].gradient("positions")
    assert result.sample_names == ["system", "center"]
    assert inner.samples.names == ["sample", "system", "center"]
    assert inner.gradient("strain").samples.names == ["sample"]
    permuted = jm.permute_dimensions(tensor, "samples", [1, 0])
    assert permuted.sample_names == ["atom", "system"]
    assert permuted[0].gradient("positions") == tensor[0].gradient("positions")


def test_samples_of_gradients_of_gradients_follow_too() -> None:
    block = plain(gradients=True)[0]
    outer = block.gradient("positions")
    xyz = Labels.range("xyz_2", 3)
    rows = Labels(["sample", "atom"], [[0, 3], [0, 4]])
    axes = [xyz, *outer.components]
    inner = TensorBlock(jnp.ones((2, 3, 3, 2, 2)), rows, axes, block.properties)
    block = block.with_gradient("positions", outer.with_gradient("positions", inner))
    tensor = TensorMap(Labels.single(), [block])
    for data in (tensor, jm.pad(tensor, ROOM)):
        found = jm.rename_dimension(data, "samples", "atom", "center")[0]
        for _ in range(2):
            found = found.gradient("positions")
            assert found.samples.names == ["sample", "center"]


def test_the_first_dimension_of_gradient_samples_stays() -> None:
    n = Labels.range("n", 1)
    rows = Labels(["sample", "atom"], [[0, 1]])
    gradient = TensorBlock(jnp.ones((1, 1)), rows, [], n)
    block = TensorBlock(jnp.ones((1, 1)), Labels("sample", [[4]]), [], n, {"g": gradient})
    tensor = TensorMap(Labels.single(), [block])
    result = jm.rename_dimension(tensor, "samples", "sample", "row")
    assert result.sample_names == ["row"]
    assert result[0].gradient("g").samples == rows


# What stays, and where ------------------------------------------------------------------


def test_arrays_and_info_are_handed_through() -> None:
    tensor = random_map(NESTED)
    for result in (
        jm.insert_dimension(tensor, "properties", 0, "new", 1),
        jm.rename_dimension(tensor, "keys", "sigma", "parity"),
        jm.remove_dimension(tensor.to(arrays="numpy"), "keys", "sigma"),
    ):
        assert result.info() == tensor.info()
        for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(tensor), strict=True):
            assert a is b or isinstance(a, np.ndarray)
    again = jm.rename_dimension(tensor, "samples", "atom", "atom")
    assert again._layout is tensor._layout


def test_arguments_are_not_changed() -> None:
    tensor = random_map(FULL)
    values, order = [3, 1, 2, 0], [1, 0]
    jm.append_dimension(tensor, "samples", "new", values)
    jm.permute_dimensions(tensor, "samples", order)
    assert (values, order) == ([3, 1, 2, 0], [1, 0])
    assert tensor == random_map(FULL)


def test_maps_without_blocks() -> None:
    nothing = TensorMap(Labels.empty(["a", "b"]), [])
    assert jm.append_dimension(nothing, "samples", "c", 1) == nothing
    assert jm.append_dimension(nothing, "keys", "c", []).keys.names == ["a", "b", "c"]
    assert jm.remove_dimension(nothing, "keys", "a").keys == Labels.empty("b")


def all_of_them(tensor: TensorMap) -> TensorMap:
    tensor = jm.insert_dimension(tensor, "keys", 1, "new", [4, 2])
    tensor = jm.append_dimension(tensor, "samples", "new", 1)
    tensor = jm.permute_dimensions(tensor, "samples", [2, 0, 1])
    tensor = jm.remove_dimension(tensor, "samples", "new")
    tensor = jm.rename_dimension(tensor, "components", "component_0", "m")
    return jm.update_dimension(tensor, "properties", "n", [8, 9])


def test_every_transformation() -> None:
    tensor = random_map(NESTED)
    expected = all_of_them(tensor)
    other = with_other_numbers(tensor, 2)
    assert jax.jit(all_of_them)(tensor) == expected
    shapes = jax.eval_shape(all_of_them, tensor)
    assert jax.tree.structure(shapes) == jax.tree.structure(expected)
    result, tangent = jax.jvp(all_of_them, (tensor,), (other,))
    assert (result, tangent) == (expected, all_of_them(other))
    back = jax.vjp(all_of_them, tensor)[1](all_of_them(other))[0]
    assert back == other
    stacked = jax.tree.map(lambda *x: jnp.stack(x), tensor, other)
    several = jax.vmap(all_of_them)(stacked)
    assert jax.tree.map(lambda x: x[1], several) == all_of_them(other)
    scanned = jax.lax.scan(lambda c, t: (c, all_of_them(t)), 0, stacked)[1]
    assert jax.tree.map(lambda x: x[0], scanned) == expected


def test_dynamic_samples() -> None:
    tensor = random_map(FULL)
    padded = jm.pad(tensor, {"samples": 5, "positions": 12, "strain": 6})
    for change in (
        lambda t: jm.append_dimension(t, "keys", "new", [1, 2]),
        lambda t: jm.permute_dimensions(t, "properties", [1, 0]),
        lambda t: jm.update_dimension(t, "components", "component_0", [3, 1, 2]),
        lambda t: jm.rename_dimension(t, "components", "xyz", "direction"),
        lambda t: jm.rename_dimension(t, "samples", "atom", "center"),
        lambda t: jm.append_dimension(t, "samples", "new", -3),
        lambda t: jm.insert_dimension(t, "samples", 0, "new", jm.PADDING),
        lambda t: jm.permute_dimensions(t, "samples", [1, 0]),
    ):
        result = change(padded)
        assert isinstance(result[0].samples, DynamicLabels)
        assert jm.unpad(result) == change(tensor)
    refused: list[tuple[str, Callable[[], Any]]] = [
        ("append", lambda: jm.append_dimension(padded, "samples", "new", [1, 2, 3])),
        ("remove", lambda: jm.remove_dimension(padded, "samples", "atom")),
        ("update", lambda: jm.update_dimension(padded, "samples", "atom", 1)),
    ]
    for name, call in refused:
        with pytest.raises(DynamicSamplesError, match=rf"^{name}_dimensions?: the samples"):
            call()


# What is refused ------------------------------------------------------------------------


def plain(gradients: bool = False) -> TensorMap:
    """Two blocks with three and one samples."""
    n = Labels(["n", "l"], [[0, 1], [1, 1]])
    m = Labels("m", [[-1], [1]])
    blocks = []
    for rows in (3, 1):
        samples = Labels(["system", "atom"], [[i, 6] for i in range(rows)])
        block = TensorBlock(jnp.ones((rows, 2, 2)), samples, [m], n)
        if gradients:
            table = Labels(["sample", "atom"], [[0, 3]])
            own = TensorBlock(jnp.ones((1, 3, 2, 2)), table, [Labels.range("xyz", 3), m], n)
            block = block.with_gradient("positions", own)
        blocks.append(block)
    return TensorMap(Labels(["a", "b"], [[0, 7], [1, 7]]), blocks)


def test_entries_that_would_become_equal() -> None:
    tensor = plain()
    with pytest.raises(InvalidError) as caught:
        jm.remove_dimension(tensor, "samples", "system")
    assert str(caught.value).splitlines() == [
        "remove_dimension: the samples of block (a=0, b=7) would have the same entry "
        "twice.",
        "  (atom=6) would be at row 0 and again at row 1",
        "  every entry must be unique: keep, or add, a dimension that tells them apart.",
    ]
    with pytest.raises(InvalidError, match="the keys would have the same entry twice"):
        jm.remove_dimension(tensor, "keys", "a")
    with pytest.raises(InvalidError, match=r"properties of .*\n  \(n=4, l=1\) would be at"):
        jm.update_dimension(tensor, "properties", "n", 4)
    with pytest.raises(InvalidError, match=r"the components 'm' of block .*\n  \(m=2\)"):
        jm.update_dimension(tensor, "components", "m", 2)


def test_the_only_dimension_can_not_be_removed() -> None:
    tensor = jm.remove_dimension(plain(), "samples", "atom")
    tensor = jm.remove_dimension(tensor, "properties", "l")
    tensor = jm.remove_dimension(tensor, "keys", "b")
    for axis, name in (("samples", "system"), ("properties", "n"), ("keys", "a")):
        with pytest.raises(InvalidError, match=rf"the only dimension of the {axis} can"):
            jm.remove_dimension(tensor, axis, name)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: jm.insert_dimension(t, "components", 0, "x", 0),
        lambda t: jm.append_dimension(t, "components", "x", 0),
        lambda t: jm.permute_dimensions(t, "components", [0]),
        lambda t: jm.remove_dimension(t, "components", "m"),
    ],
)
def test_components_have_one_dimension(call: Callable[[TensorMap], Any]) -> None:
    with pytest.raises(InvalidError, match=r"a component has exactly one dimension\.\n"):
        call(plain())


def test_names_that_are_not_there_or_there_already() -> None:
    tensor = plain(gradients=True)
    with pytest.raises(
        MissingError, match=r"samples have no dimension 'atm'\.\n.*'atom'\?"
    ):
        jm.remove_dimension(tensor, "samples", "atm")
    with pytest.raises(MissingError, match="the names here are 'm', 'xyz'"):
        jm.rename_dimension(tensor, "components", "q", "r")
    with pytest.raises(MissingError, match=r"^update_dimension: the keys have no dim"):
        jm.update_dimension(tensor, "keys", "c", 0)
    with pytest.raises(InvalidError, match=r"^insert_dimension: .*name of its own"):
        jm.insert_dimension(tensor, "samples", 0, "atom", 0)
    with pytest.raises(InvalidError, match=r"^rename_dimension: .*name of its own"):
        jm.rename_dimension(tensor, "properties", "n", "l")
    with pytest.raises(InvalidError, match=r"^rename_dimension: 'a b' is not a valid name"):
        jm.rename_dimension(tensor, "properties", "n", "a b")
    with pytest.raises(InvalidError, match="no axis 'sample' here"):
        jm.rename_dimension(tensor, "sample", "atom", "x")


def test_names_that_are_taken_in_gradients() -> None:
    tensor = plain(gradients=True)
    with pytest.raises(InvalidError) as caught:
        jm.rename_dimension(tensor, "components", "m", "xyz")
    assert str(caught.value).splitlines() == [
        "rename_dimension: gradient 'positions' of block (a=0, b=7) has a component 'xyz' "
        "already.",
        "  the components are ['xyz', 'm'], and 'm' would get the same name",
        "  choose another name.",
    ]
    with pytest.raises(InvalidError) as caught:
        jm.rename_dimension(tensor, "samples", "atom", "sample")
    assert str(caught.value).splitlines()[:2] == [
        "rename_dimension: the samples of gradient 'positions' of block (a=0, b=7) have a "
        "dimension 'sample' already.",
        "  they are ['sample', 'atom'], and 'atom' would get the same name",
    ]
    without = jm.remove_gradients(tensor)
    assert jm.rename_dimension(without, "samples", "atom", "sample")[0].samples.names == [
        "system",
        "sample",
    ]


def test_positions_that_are_not_there() -> None:
    tensor = plain()
    for index in (-3, 3):
        with pytest.raises(OutOfRangeError, match=rf"no position {index}\.\n  there are 2"):
            jm.insert_dimension(tensor, "samples", index, "x", 0)
    for order in ([0], [0, 0], [0, 1, 2], [1, -1]):
        with pytest.raises(InvalidError, match="every dimension must be named once"):
            jm.permute_dimensions(tensor, "samples", order)
    for wrong in (1.0, True, "0", None):
        with untyped(), pytest.raises(InvalidTypeError, match="is an integer"):
            jm.permute_dimensions(tensor, "samples", [0, wrong])  # type: ignore[list-item]
    with untyped(), pytest.raises(InvalidTypeError, match="a list of integers"):
        jm.permute_dimensions(tensor, "samples", 0)  # type: ignore[arg-type]


def test_values_that_do_not_fit() -> None:
    tensor = plain()
    with pytest.raises(InvalidError) as caught:
        jm.append_dimension(tensor, "samples", "x", [1, 2, 3])
    assert str(caught.value).splitlines() == [
        "append_dimension: the samples of block (a=1, b=7) need one value per entry.",
        "  there are 1 entries, 3 values were given",
        "  give one integer for all, or, where blocks differ, a list with one array for "
        "each block.",
    ]
    with pytest.raises(InvalidError, match=r"there are 2 blocks, 1 arrays were given"):
        jm.append_dimension(tensor, "samples", "x", [[1, 2, 3]])
    with pytest.raises(InvalidError, match=r"there is one table of keys, 2 arrays"):
        jm.append_dimension(tensor, "keys", "x", [[1], [2]])
    with pytest.raises(InvalidError, match=r"found an array of shape \(2, 3\)"):
        jm.append_dimension(tensor, "samples", "x", np.zeros((2, 3), int))
    with pytest.raises(InvalidError, match=r"^append_dimension: .*does not fit into int32"):
        jm.append_dimension(tensor, "keys", "x", 2**31)
    with pytest.raises(InvalidError, match=r"does not fit into int32\.\n  .*4294967296"):
        jm.update_dimension(tensor, "keys", "a", np.array([0, 2**32]))
    for wrong in ([0.0, 1.0], np.zeros(2), ["a", "b"]):
        with pytest.raises(InvalidTypeError, match=r"^append_dimension: .*be integers"):
            jm.append_dimension(tensor, "keys", "x", wrong)
    with pytest.raises(InvalidTypeError, match=r"^append_dimension: .*be integers"):
        jm.append_dimension(tensor, "samples", "x", [[0, 1, 2], [0.5]])


@pytest.mark.parametrize("axis", NAMES)
@pytest.mark.parametrize(
    "make", [lambda i: i, lambda i: jnp.arange(3) + i, lambda i: [i, i]]
)
def test_traced_values(axis: str, make: Callable[[Any], Any]) -> None:
    tensor = plain()
    with pytest.raises(InvalidTypeError, match=r"^append_dimension: .*traced by JAX"):
        jax.jit(lambda i: jm.append_dimension(tensor, axis, "x", make(i)))(0)
