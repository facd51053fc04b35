"""Blocks as arrays, datasets and trees of xarray: everything back, memory shared."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from interop.tables import block_of, with_forces
from strategies import blocks, rows, tensors
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import errors
from jaxmeta.interop.xarray import from_xarray, to_xarray
from jaxmeta.testing import Recipe, random_map


def pointers(data: Any) -> list[int]:
    return [np.asarray(leaf).ctypes.data for leaf in jax.tree.leaves(data)]


# Round trips ----------------------------------------------------------------------------


@st.composite
def any_labels(draw: st.DrawFn, names: tuple[str, ...]) -> jm.Labels:
    """Labels with none to three of the names, in any order, and any rows."""
    found = draw(st.permutations(names))[: draw(st.integers(0, 3))]
    table = draw(rows(len(found)))
    with untyped():
        return jm.Labels(found, table)


@given(any_labels(("a", "b", "c")), any_labels(("n", "l", "m")), st.booleans())
def test_labels_of_any_kind_make_the_round_trip(
    samples: jm.Labels, properties: jm.Labels, components: bool
) -> None:
    along = [jm.Labels("xyz", [[1], [-1], [0]]), jm.Labels("k", [[7]])] * components
    shape = (len(samples), *map(len, along), len(properties))
    values = np.arange(float(np.prod(shape))).reshape(shape)
    block = jm.TensorBlock(values, samples, along, properties)
    array = to_xarray(block)
    assert array.dims == ("samples", *("xyz", "k")[: 2 * components], "properties")
    assert from_xarray(array, "numpy") == block


@settings(max_examples=25)
@given(blocks(nested=True))
def test_blocks_make_the_round_trip(block: jm.TensorBlock) -> None:
    dataset = to_xarray(block, gradients=True)
    assert from_xarray(dataset) == block
    assert from_xarray(to_xarray(block)) == jm.remove_gradients_block(block)
    for _, gradient in block.gradients():
        alone = jm.remove_gradients_block(gradient)
        assert from_xarray(to_xarray(gradient)) == alone


@settings(max_examples=15)
@given(tensors(nested=True))
def test_maps_make_the_round_trip(tensor: jm.TensorMap) -> None:
    tree = to_xarray(tensor)
    back = from_xarray(tree)
    assert jm.equal(back, tensor)
    assert back.info() == tensor.info() == {"unit": "eV"}


def test_gradients_of_labels_without_names_make_the_round_trip() -> None:
    one, n = jm.Labels("", np.zeros((1, 0), int)), jm.Labels("", np.zeros((1, 0), int))
    gradient = jm.TensorBlock(np.full((1, 1), 3.0), jm.Labels.range("sample", 1), [], n)
    block = jm.TensorBlock(np.ones((1, 1)), one, [], n, {"x": gradient})
    dataset = to_xarray(block, gradients=True)
    assert not dataset.coords
    assert from_xarray(dataset) == block


@pytest.mark.parametrize("keys", [jm.Labels("", np.zeros((1, 0), int)), jm.Labels.single()])
def test_maps_of_one_block_make_the_round_trip(keys: jm.Labels) -> None:
    tensor = jm.TensorMap(keys, [block_of(np.ones((1, 2)))])
    assert jm.equal(from_xarray(to_xarray(tensor), "numpy"), tensor)


@pytest.mark.parametrize(
    "dtype", ["float16", "complex64", "bool", "int8", "uint16", "int64", "uint64"]
)
def test_every_dtype_is_kept(dtype: str) -> None:
    values = np.array([[0, 1], [1, 0]], dtype)
    for arrays in ("jax", "numpy"):
        back = from_xarray(to_xarray(block_of(values)), arrays)
        assert back.dtype == dtype
        np.testing.assert_array_equal(back.values, values)


# What is seen there ---------------------------------------------------------------------


def test_values_are_found_by_their_labels() -> None:
    array = to_xarray(with_forces())
    assert array.sel(system=4, n=1).item() == 3.0
    assert array.dtype == np.float64
    assert [array[name].dtype for name in ("system", "n")] == [np.int32] * 2
    assert dict(array.sizes) == {"samples": 2, "properties": 2}


def test_gradients_know_the_labels_of_their_samples() -> None:
    forces = to_xarray(with_forces(), gradients=True)["positions"]
    assert forces.dims == ("positions.samples", "positions.xyz", "properties")
    of_system = forces.sel({"positions.sample.system": 4, "n": 2})
    assert of_system["positions.atom"].values.tolist() == [0, 7]
    np.testing.assert_array_equal(of_system, [[0, 2, 4], [12, 14, 16]])


def test_gradients_of_gradients_have_both_names() -> None:
    tensor = random_map(Recipe(rows=(3,), gradients=("positions", "positions/strain")))
    dataset = to_xarray(tensor[0], gradients=True)
    assert list(dataset.data_vars) == ["values", "positions", "positions.strain"]
    strain = dataset["positions.strain"]
    assert strain.dims == (
        "positions.strain.samples", "positions.strain.xyz_1", "positions.strain.xyz_2",
        "positions.xyz", "properties",
    )  # fmt: skip
    assert strain.indexes["positions.strain.samples"].names == [
        "positions.strain.sample.sample.system",
        "positions.strain.sample.sample.atom",
        "positions.strain.sample.system",
        "positions.strain.sample.atom",
    ]


def test_groups_are_named_after_keys() -> None:
    keys = jm.Labels(["center", "neighbor"], [[8, -1], [1, 8]])
    tensor = jm.TensorMap(keys, [with_forces(), with_forces()], {"unit": "eV"})
    tree = to_xarray(tensor)
    assert list(tree.children) == ["center=8,neighbor=-1", "center=1,neighbor=8"]
    assert tree.attrs == {"unit": "eV"}
    assert tree["center=1,neighbor=8/positions"].shape == (3, 3, 2)
    doubled = from_xarray(2 * tree)
    assert doubled.keys == keys
    assert doubled[0].gradient("positions") == (2 * tensor)[0].gradient("positions")


def test_axes_come_back_in_their_order() -> None:
    values = np.arange(12.0).reshape(2, 3, 2)
    xyz = jm.Labels.range("xyz", 3)
    block = jm.TensorBlock(values, jm.Labels.range("s", 2), [xyz], jm.Labels.range("p", 2))
    array = to_xarray(block).transpose("properties", "xyz", "samples")
    for arrays in ("jax", "numpy"):
        assert from_xarray(array, arrays) == block


def test_rows_of_gradients_follow_the_labels_of_their_samples() -> None:
    block = with_forces()
    dataset = to_xarray(block, gradients=True)
    turned = from_xarray(dataset.isel(samples=[1, 0]))
    assert turned.samples["system"].tolist() == [4, 9]
    forces = turned.gradient("positions")
    assert forces.samples.values.tolist() == [[0, 0], [1, 5], [0, 7]]
    with pytest.raises(errors.InvalidError, match=r"row 1 belongs to system=9\n.*sel\("):
        from_xarray(dataset.isel(samples=[1]))


# Memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [jnp.asarray, np.asarray])
def test_xarray_sees_our_memory_read_only(make: Any) -> None:
    block = with_forces().to(arrays="jax" if make is jnp.asarray else "numpy")
    array = to_xarray(block)
    dataset = to_xarray(jm.TensorMap(jm.Labels.single(), [block]))["_=0"]
    theirs = [dataset["positions"].values, dataset["values"].values]
    assert sorted(view.ctypes.data for view in theirs) == sorted(pointers(block))
    assert array.values.ctypes.data == pointers(block)[0]
    assert not any(view.flags.writeable for view in (*theirs, array.values))
    if make is jnp.asarray:
        assert array.values.ctypes.data == block.values.unsafe_buffer_pointer()


def test_a_copy_for_xarray_may_be_changed() -> None:
    block = block_of(jnp.ones((3, 2)))
    array = to_xarray(block, copy=True)
    array[:] = 5.0
    np.testing.assert_array_equal(block.values, np.ones((3, 2)))


def test_numpy_always_shares_xarrays_memory() -> None:
    array = to_xarray(block_of(np.ones((3, 2))), copy=True)
    back = from_xarray(array, "numpy", copy=False)
    assert pointers(back) == [array.values.ctypes.data]
    assert array.values.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        back.values[0, 0] = 2.0


def test_jax_shares_aligned_memory() -> None:
    block = block_of(jnp.ones((4, 3)))
    array = to_xarray(block)
    assert pointers(from_xarray(array, copy=False)) == pointers(block)
    copied = from_xarray(array, copy=True)
    assert pointers(copied) != pointers(block)
    with pytest.raises(errors.InvalidError, match=r"from_xarray: .*copy=False"):
        from_xarray(array.isel(samples=slice(1, None)), copy=False)


# Names ----------------------------------------------------------------------------------


def test_one_name_on_two_axes_is_refused() -> None:
    with pytest.raises(errors.InvalidError) as caught:
        to_xarray(block_of(np.ones((1, 1)), "n", "n"))
    assert str(caught.value) == (
        "to_xarray: two things in the dataset of the block would be called 'n'.\n"
        "  one is of the samples, the other is of the properties\n"
        "  rename one of them first, for instance with rename_dimension(tensor, "
        '"properties", "n", "n_2").'
    )


def test_the_remedy_for_one_name_on_two_axes_helps() -> None:
    tensor = jm.TensorMap(jm.Labels.single(), [block_of(np.ones((1, 1)), "n", "n")])
    with pytest.raises(errors.InvalidError, match=r"of block \(_=0\)"):
        to_xarray(tensor)
    renamed = jm.rename_dimension(tensor, "properties", "n", "n_2")
    assert jm.equal(from_xarray(to_xarray(renamed), "numpy"), renamed)


@pytest.mark.parametrize("name", ["samples", "properties", "values"])
def test_names_that_xarray_needs_are_refused(name: str) -> None:
    with pytest.raises(errors.InvalidError, match=rf'"samples", "{name}", "{name}_2"'):
        to_xarray(block_of(np.ones((1, 1)), samples=name))
    with pytest.raises(errors.InvalidError, match=rf'"properties", "{name}", "{name}_2"'):
        to_xarray(block_of(np.ones((1, 1)), properties=name))


@pytest.mark.parametrize("name", ["values", "samples", "s", "p", "a.b"])
def test_names_of_gradients_that_would_be_ambiguous_are_refused(name: str) -> None:
    block = block_of(np.ones((1, 1)))
    rows_of_it = jm.Labels("sample", [[0]])
    gradient = jm.TensorBlock(np.ones((1, 1)), rows_of_it, [], block.properties)
    block = block.with_gradient(name, gradient)
    assert to_xarray(block).shape == (1, 1)
    with pytest.raises(errors.InvalidError, match=f"'{name}'"):
        to_xarray(block, gradients=True)


# What can not be converted --------------------------------------------------------------


def multi(array: xarray.DataArray) -> xarray.DataArray:
    return array.stack(samples=["s"], properties=["p"])


PLAIN = xarray.DataArray(
    np.zeros((2, 3, 2)), coords={"s": [0, 1], "x": [0, 1, 2], "p": [3, 4]}
)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (PLAIN, r"no dimension 'samples'\.\n  found \('s', 'x', 'p'\)\n  array\.stack"),
        (PLAIN.stack(samples=["s"]), "no dimension 'properties'"),
        (PLAIN.rename(s="samples", p="properties"), "found a single Index for 2"),
        (
            multi(PLAIN).drop_vars(["samples", "s"]),
            r"'samples' has no levels\.\n  found nothing for 2 entries",
        ),
        (multi(PLAIN).drop_vars("x"), r"'x' has no coordinate(.|\n)*3 entries"),
    ],
)
def test_dimensions_without_labels_are_refused(
    array: xarray.DataArray, message: str
) -> None:
    with pytest.raises(errors.InvalidError, match=message):
        from_xarray(array)


@pytest.mark.parametrize("name", ["s", "x", "p"])
def test_labels_that_are_no_integers_are_refused(name: str) -> None:
    halves = PLAIN.assign_coords({name: PLAIN[name] + 0.5})
    with pytest.raises(errors.InvalidTypeError, match=rf"from_xarray: '{name}': .*integer"):
        from_xarray(multi(halves))


def test_repeated_labels_are_refused() -> None:
    twice = multi(PLAIN).isel(samples=[0, 0])
    with pytest.raises(errors.InvalidError, match="stands twice"):
        from_xarray(twice)


def test_values_that_are_not_in_memory_are_refused() -> None:
    class Lazy:
        shape, ndim, dtype = (2, 3, 2), 3, np.dtype(np.float64)

        def __array_function__(self, *_: Any) -> Any:
            raise NotImplementedError

        def __array_ufunc__(self, *_: Any) -> Any:
            raise NotImplementedError

        def transpose(self, *_: Any) -> Any:
            return self

    array = multi(PLAIN).copy(data=np.zeros((3, 2, 2)))
    array.variable._data = Lazy()  # type: ignore[attr-defined]
    with pytest.raises(errors.InvalidTypeError, match=r"Lazy\n.*compute"):
        from_xarray(array.transpose("samples", "x", "properties"))


def test_float64_without_x64_is_never_rounded() -> None:
    array = to_xarray(block_of(np.full((1, 1), 1 / 3)))
    with jax.enable_x64(False):
        with pytest.raises(errors.PrecisionError, match=r'array\.astype\("float32"\)'):
            from_xarray(array)
        assert from_xarray(array.astype("float32")).dtype == np.float32
        assert from_xarray(array, "numpy").values[0, 0] == 1 / 3


def test_datasets_that_are_no_blocks_are_refused() -> None:
    dataset = to_xarray(with_forces(), gradients=True)
    with pytest.raises(errors.InvalidError, match="'positions' belongs to no other"):
        from_xarray(dataset.drop_vars("values"))
    with pytest.raises(errors.InvalidError, match="no variable 'values'"):
        from_xarray(xarray.Dataset())
    stray = dataset.rename_vars({"positions": "a.b"})
    with pytest.raises(errors.InvalidError, match=r"no variable 'a'; there are"):
        from_xarray(stray)
    atoms = pandas.MultiIndex.from_arrays([[0, 5, 7]], names=["positions.atom"])
    levels = ["positions.samples", "positions.sample.system", "positions.atom"]
    lacking = dataset.drop_vars(levels).assign_coords(
        xarray.Coordinates.from_pandas_multiindex(atoms, "positions.samples")
    )
    with pytest.raises(errors.InvalidError, match=r"'sample\.system' is missing"):
        from_xarray(lacking)


def test_trees_that_are_no_maps_are_refused() -> None:
    dataset = to_xarray(with_forces(), gradients=True)
    make = xarray.DataTree.from_dict
    for tree in (make({"/": dataset}), make({"/": None}), make({"a=1/b=2": dataset})):
        with pytest.raises(errors.InvalidError, match="one group for each key"):
            from_xarray(tree)
    for name in ("water", "a=1,", "a=1.5", "a=99999999999999999999"):
        with pytest.raises(errors.InvalidError, match="not named after a key"):
            from_xarray(make({name: dataset}))
    with pytest.raises(errors.InvalidError, match="'a=1' and 'b=1'"):
        from_xarray(make({"a=1": dataset, "b=1": dataset}))
    with pytest.raises(errors.InvalidError, match=r"group 'a=1': .*'values'"):
        from_xarray(make({"a=1": xarray.Dataset()}))
    with untyped(), pytest.raises(errors.InvalidTypeError, match="info maps strings"):
        from_xarray(make({"/": xarray.Dataset(attrs={"n": 1}), "a=1": dataset}))


def test_a_map_without_blocks_is_refused() -> None:
    with pytest.raises(errors.InvalidError, match=r"keys are \['a'\]"):
        to_xarray(jm.TensorMap(jm.Labels.empty("a"), []))


def test_dynamic_samples_are_refused() -> None:
    padded = jm.pad(block_of(jnp.ones((2, 2))), 4)
    with pytest.raises(errors.DynamicSamplesError, match=r"to_xarray(.|\n)*unpad"):
        to_xarray(padded)


def test_traced_values_are_refused() -> None:
    with pytest.raises(errors.InvalidTypeError, match="outside of functions"):
        jax.jit(lambda block: to_xarray(block).values.sum())(block_of(jnp.ones((1, 1))))


def test_bfloat16_is_refused() -> None:
    block = with_forces().to(arrays="jax").to(dtype=jnp.bfloat16)
    with pytest.raises(
        errors.InvalidTypeError, match=r"the block\.\n.*bfloat16\n.*float32"
    ):
        to_xarray(block)


@pytest.mark.parametrize("convert", [from_xarray, to_xarray])
def test_other_objects_are_refused(convert: Any) -> None:
    with untyped(), pytest.raises(errors.InvalidTypeError, match=r"found a builtins\.dict"):
        convert({})


def test_only_two_kinds_of_arrays() -> None:
    with untyped(), pytest.raises(errors.InvalidError, match="'torch'"):
        from_xarray(to_xarray(block_of(np.ones((1, 1)))), "torch")


def test_without_xarray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    monkeypatch.delitem(sys.modules, "jaxmeta.interop.xarray")
    with pytest.raises(errors.MissingExtraError, match=r'pip install "jaxmeta\[xarray\]"'):
        importlib.import_module("jaxmeta.interop.xarray")
