"""Blocks and maps as data frames of pandas, and long data frames as blocks and maps."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interop.tables import block_of, with_forces
from strategies import rows, tensors
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import errors
from jaxmeta.interop.pandas import from_pandas, to_pandas
from jaxmeta.testing import Recipe, random_map


def pointer(frame: pandas.DataFrame | pandas.Series) -> int:
    return frame.to_numpy().__array_interface__["data"][0]


def two_blocks() -> jm.TensorMap:
    """Two blocks with other samples and other properties."""
    first = block_of(np.array([[1.0, 2.0]]))
    second = jm.TensorBlock(
        np.array([[3.0], [4.0]]), jm.Labels.range("s", 2), [], jm.Labels("p", [[7]])
    )
    return jm.TensorMap(jm.Labels("type", [[8], [1]]), [first, second])


# Round trips ----------------------------------------------------------------------------


def names_of(tensor: jm.TensorMap) -> dict[str, list[str]]:
    return {
        "samples": tensor.sample_names,
        "components": tensor.component_names,
        "properties": tensor.property_names,
        "keys": tensor.keys.names,
    }


def without_empty_blocks(tensor: jm.TensorMap) -> jm.TensorMap:
    """What a long frame can know: bare blocks that have values, and no info."""
    kept = [i for i, block in enumerate(tensor) if block.values.size]
    keys = jm.Labels(tensor.keys.names, tensor.keys.values[kept])
    return jm.TensorMap(keys, [jm.remove_gradients_block(tensor[i]) for i in kept])


@settings(max_examples=25)
@given(tensors(), st.booleans())
def test_maps_make_the_round_trip(tensor: jm.TensorMap, shuffled: bool) -> None:
    frame = to_pandas(tensor)
    assert len(frame) == sum(block.values.size for block in tensor)
    names = names_of(tensor)
    expected = without_empty_blocks(tensor)
    back = from_pandas(frame, **names, arrays="numpy")
    assert isinstance(back, jm.TensorMap)
    if len(expected):  # a map without blocks has no dtype
        assert jm.equal(back, expected)
    if shuffled and len(frame):
        frame = frame.sample(frac=1.0, random_state=1)
        again = from_pandas(frame, **names, arrays="numpy")
        assert_same_values(again, expected)
    assert back.keys == expected.keys


def assert_same_values(left: Any, right: jm.TensorMap) -> None:
    """The same values under the same labels, in whatever order."""
    frames = [to_pandas(tensor) for tensor in (left, right)]
    names = [name for name in frames[0].columns if name != "value"]
    one, other = (frame.sort_values(names, ignore_index=True) for frame in frames)
    pandas.testing.assert_frame_equal(one, other)


@settings(max_examples=25)
@given(tensors(nested=True), st.sampled_from(["positions", "positions/cell"]))
def test_gradients_make_the_round_trip(tensor: jm.TensorMap, path: str) -> None:
    gradients = list(tensor)
    for name in path.split("/"):
        gradients = [block.gradient(name) for block in gradients]
    bare = jm.TensorMap(tensor.keys, gradients)
    expected = without_empty_blocks(bare)
    frame = to_pandas(tensor, path)
    if len(expected):
        assert jm.equal(from_pandas(frame, **names_of(bare)), expected)
    else:
        assert len(frame) == 0


@st.composite
def tables(draw: st.DrawFn, *names: str) -> jm.Labels:
    """Labels with none to three of the names, in any order, and at least one row."""
    found = draw(st.permutations(names))[: draw(st.integers(0, 3))]
    table = draw(rows(len(found)).filter(len))
    with untyped():
        return jm.Labels(found, table)


@given(tables("a", "b", "c"), tables("n", "l", "m"), st.booleans())
def test_labels_of_any_kind_make_the_round_trip(
    samples: jm.Labels, properties: jm.Labels, components: bool
) -> None:
    along = [jm.Labels("xyz", [[1], [-1], [0]]), jm.Labels("k", [[7]])] * components
    shape = (len(samples), *map(len, along), len(properties))
    values = np.arange(float(np.prod(shape))).reshape(shape)
    block = jm.TensorBlock(values, samples, along, properties)
    names = {
        "samples": samples.names,
        "components": [c.names[0] for c in along],
        "properties": properties.names,
    }
    frame = to_pandas(block, form="long")
    assert from_pandas(frame, **names, arrays="numpy") == block
    wide = to_pandas(block)
    assert wide.shape == (len(samples), wide.size // len(samples))
    np.testing.assert_array_equal(wide.to_numpy().ravel(), values.ravel())
    if samples.names and wide.columns.names[0] is not None:
        stacked = wide.stack(list(wide.columns.names), future_stack=True)
        frame = stacked.rename("value").reset_index()
        assert from_pandas(frame, **names, arrays="numpy") == block


@pytest.mark.parametrize(
    "dtype",
    ["float16", "float32", "complex64", "bool", "int8", "uint16", "int64", "uint64"],
)
def test_every_dtype_is_kept(dtype: str) -> None:
    values = np.array([[0, 1], [1, 0]], dtype)
    assert (to_pandas(block_of(values)).dtypes == dtype).all()
    frame = to_pandas(block_of(values), form="long")
    assert frame["value"].dtype == dtype
    for arrays in ("jax", "numpy"):
        back = from_pandas(frame, samples="s", properties="p", arrays=arrays)
        assert back.dtype == dtype
        np.testing.assert_array_equal(back.values, values)


def test_labels_stay_32_bit_integers() -> None:
    frame = to_pandas(with_forces(), "positions")
    assert {level.dtype for level in (*frame.index.levels, *frame.columns.levels)} == {
        np.dtype(np.int32)
    }
    long = to_pandas(with_forces(), "positions", form="long")
    assert set(long.dtypes.drop("value")) == {np.dtype(np.int32)}


# What is seen there ---------------------------------------------------------------------


def test_a_wide_frame_of_a_block() -> None:
    values = np.arange(12.0).reshape(2, 3, 2)
    samples = jm.Labels(["system", "atom"], [[3, -1], [0, 5]])
    properties = jm.Labels(["n", "l"], [[1, 0], [0, 0]])
    block = jm.TensorBlock(values, samples, [jm.Labels.range("xyz", 3)], properties)
    frame = to_pandas(block)
    assert frame.index.names == ["system", "atom"]
    assert frame.index.to_list() == [(3, -1), (0, 5)]
    assert frame.columns.names == ["xyz", "n", "l"]
    assert frame.columns.to_list()[:3] == [(0, 1, 0), (0, 0, 0), (1, 1, 0)]
    assert frame.loc[(0, 5), (2, 1, 0)] == values[1, 2, 0] == 10.0
    assert frame.xs(1, level="xyz", axis="columns").to_numpy().tolist() == [[2, 3], [8, 9]]


def test_a_long_frame_of_a_map() -> None:
    expected = pandas.DataFrame(
        {"type": [8, 8, 1, 1], "s": [0, 0, 0, 1], "p": [0, 1, 7, 7]}, dtype=np.int32
    ).assign(energy=[1.0, 2.0, 3.0, 4.0])
    frame = to_pandas(two_blocks(), value="energy")
    pandas.testing.assert_frame_equal(frame, expected)
    back = from_pandas(frame, samples="s", properties="p", keys="type", value="energy")
    assert jm.equal(back, two_blocks())


def test_a_wide_frame_of_a_map() -> None:
    first = block_of(np.array([[1.0, 2.0]]))
    second = block_of(np.array([[3.0, 4.0], [5.0, 6.0]]))
    tensor = jm.TensorMap(jm.Labels("type", [[8], [1]]), [first, second])
    frame = to_pandas(tensor, form="wide")
    assert frame.index.names == ["type", "s"]
    assert frame.loc[(1, 1)].to_list() == [5.0, 6.0]
    assert frame.to_numpy().tolist() == [[1, 2], [3, 4], [5, 6]]


def test_gradients_have_the_labels_of_their_samples_in_front() -> None:
    frame = to_pandas(with_forces(), "positions")
    assert frame.index.names == ["sample.system", "sample", "atom"]
    assert frame.index.to_list() == [(4, 1, 0), (9, 0, 5), (4, 1, 7)]
    assert frame.columns.names == ["xyz", "n"]
    total = frame.groupby("sample.system").sum()
    assert total.loc[4, (2, 1)] == 5.0 + 17.0


def test_gradients_of_gradients_have_the_labels_of_both() -> None:
    recipe = Recipe(rows=(3,), gradients=("positions", "positions/strain"))
    (block,) = random_map(recipe)
    frame = to_pandas(block, "positions/strain")
    assert frame.index.names == [
        "sample.sample.system", "sample.sample.atom",
        "sample.sample", "sample.system", "sample.atom", "sample",
    ]  # fmt: skip
    positions = block.gradient("positions")
    for label, row in zip(frame.index, positions.gradient("strain").samples, strict=True):
        parent = positions.samples.entry(row["sample"])
        assert label[:2] == tuple(block.samples.values[parent["sample"]])
        assert label[2:] == (*parent.values, row["sample"])


def test_a_frame_of_a_gradient_makes_that_gradient() -> None:
    block = with_forces()
    frame = to_pandas(block, "positions", form="long")
    made = from_pandas(
        frame, samples=["sample", "atom"], components=["xyz"], properties="n"
    )
    bare = jm.remove_gradients_block(block).to(arrays="jax")
    assert bare.with_gradient("positions", made) == block


def test_rows_in_any_order_with_other_columns() -> None:
    frame = pandas.DataFrame(
        {
            "atom": [3, 1, 3, 1],
            "value": [1.0, 2.0, 3.0, 4.0],
            "element": ["O", "H", "O", "H"],
            "n": [5, 4, 4, 5],
        },
        index=list("dbca"),
    )
    block = from_pandas(frame, samples="atom", properties="n")
    assert block.samples.values.tolist() == [[3], [1]]
    assert block.properties.values.tolist() == [[5], [4]]
    assert block.values.tolist() == [[1.0, 3.0], [4.0, 2.0]]


def test_frames_without_rows() -> None:
    frame = pandas.DataFrame({"k": [], "s": [], "p": []}, dtype=np.int32)
    frame["value"] = np.zeros(0, np.float32)
    assert len(from_pandas(frame, samples="s", properties="p", keys="k")) == 0
    block = from_pandas(frame, samples="s", properties="p")
    assert block.shape == (0, 0)
    assert block.dtype == np.float32
    with pytest.raises(errors.InvalidError, match="'k' would have none"):
        from_pandas(frame, samples="s", components=["k"], properties="p")


# Memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [jnp.asarray, np.asarray])
def test_a_frame_of_one_block_sees_our_memory_read_only(make: Any) -> None:
    block = block_of(make(np.arange(6.0).reshape(3, 2)))
    expected = np.asarray(block.values).ctypes.data
    frame = to_pandas(block)
    assert pointer(frame) == expected
    assert pointer(to_pandas(block, form="long")["value"]) == expected
    with pytest.raises(ValueError, match="read-only"):
        frame.iloc[0, 0] = 7.0
    assert block.values[0, 0] == 0.0
    assert (frame + 1).iloc[0, 0] == 1.0


@pytest.mark.parametrize("form", ["wide", "long"])
def test_a_copy_may_be_changed(form: Any) -> None:
    block = block_of(np.zeros((3, 2)))
    frame = to_pandas(block, form=form, copy=True)
    frame.iloc[0, -1] = 7.0
    assert frame.iloc[0, -1] == 7.0
    assert not block.values.any()


@pytest.mark.parametrize("arrays", ["jax", "numpy"])
def test_blocks_do_not_see_later_changes_of_the_frame(arrays: Any) -> None:
    frame = to_pandas(block_of(np.zeros((3, 2))), form="long", copy=True)
    block = from_pandas(frame, samples="s", properties="p", arrays=arrays)
    frame.loc[:, "value"] = 7.0
    assert not np.asarray(block.values).any()


def test_arrays_that_are_not_row_major() -> None:
    values = np.arange(6.0).reshape(3, 2).T
    np.testing.assert_array_equal(to_pandas(block_of(values)), values)
    assert to_pandas(block_of(values), form="long")["value"].to_list() == [0, 2, 4, 1, 3, 5]


# Names ----------------------------------------------------------------------------------


def test_samples_and_properties_may_share_a_name_in_a_wide_frame() -> None:
    block = block_of(np.ones((2, 1)), "n", "n")
    frame = to_pandas(block)
    assert (frame.index.names, frame.columns.names) == (["n"], ["n"])
    with pytest.raises(errors.InvalidError) as caught:
        to_pandas(block, form="long")
    assert str(caught.value) == (
        "to_pandas: two columns would be called 'n'.\n"
        "  one is of the samples, the other is of the properties\n"
        "  rename one of them first, for instance with rename_dimension(tensor, "
        '"properties", "n", "n_2").'
    )


def test_one_name_on_one_axis_of_a_frame_is_refused() -> None:
    block = block_of(np.ones((2, 1)), "n", "p")
    tensor = jm.TensorMap(jm.Labels("n", [[0]]), [block])
    with pytest.raises(
        errors.InvalidError, match="levels of the index would be called 'n'"
    ):
        to_pandas(tensor, form="wide")
    xyz = jm.Labels.range("p", 1)
    block = jm.TensorBlock(np.ones((2, 1, 1)), block.samples, [xyz], block.properties)
    with pytest.raises(errors.InvalidError, match=r"levels of the columns would be .*'p'"):
        to_pandas(block)


def test_a_dimension_called_value() -> None:
    block = block_of(np.ones((2, 1)), "value")
    with pytest.raises(errors.InvalidError, match=r"called 'value'(.|\n)*value=\"\.\.\.\""):
        to_pandas(block, form="long")
    frame = to_pandas(block, form="long", value="number")
    back = from_pandas(frame, samples="value", properties="p", value="number")
    assert back == block


# Blocks that make no frame --------------------------------------------------------------


def test_wide_maps_with_holes_are_refused() -> None:
    with pytest.raises(errors.InvalidError) as caught:
        to_pandas(two_blocks(), form="wide")
    assert str(caught.value) == (
        "to_pandas: the labels ['p'] differ between blocks, so that a wide frame would "
        "have holes.\n"
        "  block (type=8) has 2 entries, block (type=1) has 1\n"
        '  form="long" takes any map; tensor.keys_to_properties(...) fills what blocks '
        "lack with a number of your choice."
    )
    first, second = block_of(np.ones((1, 2))), block_of(np.ones((1, 1)))
    other = jm.Labels("p", [[1], [0]])
    second = jm.TensorBlock(first.values, first.samples, [], other)
    tensor = jm.TensorMap(jm.Labels("type", [[8], [1]]), [first, second])
    with pytest.raises(errors.InvalidError, match="2 entries each, other ones or in"):
        to_pandas(tensor, form="wide")


def test_a_map_without_blocks_is_refused() -> None:
    with pytest.raises(errors.InvalidError, match="no blocks"):
        to_pandas(jm.TensorMap(jm.Labels.empty("a"), []))


@pytest.mark.parametrize("path", ["position", "positions/strain", ""])
def test_gradients_that_are_not_there(path: str) -> None:
    with pytest.raises(errors.MissingError, match="to_pandas: there is no gradient"):
        to_pandas(with_forces(), path)


def test_only_two_forms() -> None:
    with untyped(), pytest.raises(errors.InvalidError, match="'tall'"):
        to_pandas(with_forces(), form="tall")


def test_dynamic_samples_are_refused() -> None:
    padded = jm.pad(block_of(jnp.ones((2, 2))), 4)
    with pytest.raises(errors.DynamicSamplesError, match=r"to_pandas(.|\n)*unpad"):
        to_pandas(padded)


def test_traced_values_are_refused() -> None:
    with pytest.raises(errors.InvalidTypeError, match="outside of functions"):
        jax.jit(lambda block: to_pandas(block).size)(block_of(jnp.ones((1, 1))))


def test_bfloat16_is_refused() -> None:
    block = block_of(jnp.ones((1, 1), jnp.bfloat16))
    tensor = jm.TensorMap(jm.Labels("type", [[8]]), [block])
    with pytest.raises(errors.InvalidTypeError, match=r"block \(type=8\)\.\n.*bfloat16"):
        to_pandas(tensor)


def test_other_objects_are_refused() -> None:
    with untyped(), pytest.raises(errors.InvalidTypeError, match=r"found a builtins\.dict"):
        to_pandas({})
    with untyped(), pytest.raises(errors.InvalidTypeError, match=r"found a builtins\.dict"):
        from_pandas({}, samples="s", properties="p")
    frame = to_pandas(block_of(np.ones((1, 1))), form="long")
    with untyped(), pytest.raises(errors.InvalidError, match="'torch'"):
        from_pandas(frame, samples="s", properties="p", arrays="torch")


# Frames that make no block --------------------------------------------------------------


def long_frame(**changed: Any) -> pandas.DataFrame:
    """Two types with one atom each, two components, one property."""
    columns = {
        "type": [8, 8, 1, 1],
        "atom": [0, 0, 5, 5],
        "x": [0, 1, 0, 1],
        "n": 3,
        "value": [1.0, 2.0, 3.0, 4.0],
    }
    return pandas.DataFrame(columns | changed)


def made_of(frame: pandas.DataFrame, keys: str | None = "type", **others: Any) -> Any:
    names = {"samples": "atom", "components": ["x"], "properties": "n"} | others
    return from_pandas(frame, **names, keys=keys)


def test_two_values_for_one_entry_are_refused() -> None:
    with pytest.raises(errors.InvalidError) as caught:
        made_of(long_frame(x=[0, 1, 1, 1]))
    assert str(caught.value) == (
        "from_pandas: block (type=1) has two values for one entry.\n"
        "  (atom=5, x=1, n=3) is row 2 and again row 3 (counted from 0)\n"
        "  keep one of them, add them up, or name the column that tells them apart."
    )
    with pytest.raises(errors.InvalidError, match="the block has two values"):
        made_of(long_frame(atom=0), keys=None)


def test_combinations_without_a_value_are_refused() -> None:
    frame = long_frame(atom=[0, 0, 0, 4], type=[8, 8, 1, 8], x=[0, 1, 0, 1])
    with pytest.raises(errors.InvalidError) as caught:
        made_of(frame)
    assert str(caught.value) == (
        "from_pandas: block (type=8) lacks values.\n"
        "  there is none for (atom=4, x=0, n=3)\n"
        "  found 3 values, but 4 combinations: 2 ['atom'] × 2 ['x'] × 1 ['n']\n"
        "  add the rows; or name the columns that tell blocks apart in keys: every block "
        "has its own samples, components and properties."
    )


def test_the_last_combination_may_be_the_one_that_is_missing() -> None:
    with pytest.raises(errors.InvalidError, match=r"the block(.|\n)*\(atom=5, x=1, n=3\)"):
        made_of(long_frame().iloc[:3], keys=None)


def test_sparse_frames_cost_no_dense_array() -> None:
    # All combinations would be 10^15 values.
    count = 10**5
    frame = pandas.DataFrame(
        {name: np.arange(count) for name in ("atom", "x", "n")}
    ).assign(value=1.0)
    with pytest.raises(errors.InvalidError, match=r"\(atom=0, x=0, n=1\)"):
        made_of(frame, keys=None)
    tensor = made_of(frame.iloc[:50].assign(type=range(50)))
    assert [block.shape for block in tensor] == [(1, 1, 1)] * 50


def test_columns_that_are_not_there() -> None:
    with pytest.raises(errors.MissingError, match=r"'aton'\.\n.*did you mean 'atom'"):
        made_of(long_frame(), samples="aton")
    with pytest.raises(errors.MissingError, match=r"'atom'(.|\n)*reset_index\(\)"):
        made_of(long_frame().set_index("atom"))
    wide = to_pandas(with_forces())
    with pytest.raises(errors.MissingError, match=r"levels \['n'\]\n.*frame\.stack\("):
        from_pandas(wide, samples="system", properties="n")
    with pytest.raises(errors.MissingError, match="no column 'value'"):
        made_of(long_frame().drop(columns="value"))


def test_columns_that_are_there_or_wanted_twice() -> None:
    twice = long_frame()
    twice.columns = ["type", "atom", "x", "n", "n"]
    with pytest.raises(errors.InvalidError, match="has 2 columns 'n'"):
        made_of(twice, value="x", components=[])
    with pytest.raises(errors.InvalidError, match=r"'n' is asked for twice\.\n.*n_2="):
        made_of(long_frame(), samples=["atom", "n"])
    with pytest.raises(errors.InvalidError, match="'value' is asked for twice"):
        made_of(long_frame(), samples="value")


@pytest.mark.parametrize("name", ["type", "atom", "x", "n"])
@pytest.mark.parametrize("column", [[0.5, 0.0, 1.0, 2.0], ["O", "H", "C", "N"]])
def test_labels_that_are_no_integers_are_refused(name: str, column: list[Any]) -> None:
    frame = long_frame(**{name: column})
    with pytest.raises(errors.InvalidTypeError, match=rf"column '{name}': .*integers"):
        made_of(frame)


def test_labels_beyond_32_bits_are_refused() -> None:
    with pytest.raises(errors.InvalidError, match="2147483648 at row 2"):
        made_of(long_frame(atom=[0, 0, 2**31, 2**31]))


@pytest.mark.parametrize("dtype", ["object", "str", "Float64", "category"])
def test_values_that_are_no_plain_numbers_are_refused(dtype: str) -> None:
    frame = long_frame().astype({"value": dtype})
    with pytest.raises(
        errors.InvalidTypeError, match=r"'value' does not hold(.|\n)*astype"
    ):
        made_of(frame)


def test_float64_without_x64_is_never_rounded() -> None:
    with jax.enable_x64(False):
        with pytest.raises(
            errors.PrecisionError, match=r'astype\(\{"value": "float32"\}\)'
        ):
            made_of(long_frame())
        single = made_of(long_frame().astype({"value": "float32"}))
        assert single.dtype == np.float32


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.delitem(sys.modules, "jaxmeta.interop.pandas")
    with pytest.raises(errors.MissingExtraError, match=r'pip install "jaxmeta\[pandas\]"'):
        importlib.import_module("jaxmeta.interop.pandas")


@pytest.mark.parametrize("gradient", [3, ["positions"]])
def test_a_gradient_is_a_name(gradient: Any, wrong_types: None) -> None:
    with pytest.raises(errors.InvalidTypeError, match=r"must be a name.*\n.*found"):
        to_pandas(with_forces(), gradient)
