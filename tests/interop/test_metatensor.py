"""metatensor objects to jaxmeta and back: everything kept, memory shared."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import assert_same_block, assert_same_map, labels_here
from strategies import blocks, labels, tensors
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import errors
from jaxmeta.interop.metatensor import from_metatensor, to_metatensor


DTYPES = [
    "float16", "float32", "float64", "complex64", "complex128", "bool", "int8", "int16",
    "int32", "int64", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip
FILES = [
    "feat_soap_ps_ethanol2_pos",
    "feat_spex_carbon3_pos_cell_strain",
    "feat_spexpair_ethanol2_pos",
    "feat_composition_mad50",
    "qstack_ethanol_def2svp_dm",
    "targets_carbon100_E_F_strain",
]


def aligned(shape: tuple[int, ...], offset: int = 0) -> np.ndarray:
    """Zeros whose memory begins `offset` bytes after a multiple of 64."""
    size = 8 * int(np.prod(shape))
    memory = np.zeros(size + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    return memory[start : start + size].view(np.float64).reshape(shape)


def block_there(values: np.ndarray) -> mts.TensorBlock:
    rows, columns = values.shape
    return mts.TensorBlock(
        values, mts.Labels.range("s", rows), [], mts.Labels.range("p", columns)
    )


def block_here(values: Any) -> jm.TensorBlock:
    rows, columns = values.shape
    return jm.TensorBlock(
        values, jm.Labels.range("s", rows), [], jm.Labels.range("p", columns)
    )


def pointers(data: Any) -> list[int]:
    return [np.asarray(leaf).ctypes.data for leaf in jax.tree.leaves(data)]


# Round trips ----------------------------------------------------------------------------


@given(tensors(nested=True))
def test_maps_make_the_round_trip(tensor: jm.TensorMap) -> None:
    there = to_metatensor(tensor)
    assert_same_map(tensor, there)
    assert there.info() == {"unit": "eV"}
    for arrays in ("jax", "numpy"):
        back = from_metatensor(there, arrays)
        assert jm.equal(back, tensor)
        assert back.info() == tensor.info()


@given(blocks(nested=True))
def test_blocks_make_the_round_trip(block: jm.TensorBlock) -> None:
    there = to_metatensor(block)
    assert_same_block(block, there)
    assert from_metatensor(there) == block


@given(labels())
def test_labels_make_the_round_trip(some: jm.Labels) -> None:
    there = to_metatensor(some)
    assert labels_here(there) == some
    assert from_metatensor(there) is some


def test_entries_make_the_round_trip() -> None:
    entry = jm.Labels(["a", "b"], [[1, -2]]).entry(0)
    there = to_metatensor(entry)
    assert there.print() == "(a=1, b=-2)"
    assert from_metatensor(there) == entry


@pytest.mark.parametrize("name", FILES)
def test_real_files_make_the_round_trip(data_folder: Path, name: str) -> None:
    there = mts.load(str(data_folder / f"{name}.mts"))
    here = from_metatensor(there)
    assert_same_map(here, there)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(here))
    assert mts.equal(to_metatensor(here), there)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("arrays", ["jax", "numpy"])
def test_every_dtype_stays(dtype: str, arrays: Any) -> None:
    values = (np.arange(6).reshape(2, 3) % 2).astype(dtype)
    here = from_metatensor(block_there(values), arrays)
    assert here.dtype == dtype
    np.testing.assert_array_equal(here.values, values)
    back = to_metatensor(here)
    assert back.values.dtype == dtype
    np.testing.assert_array_equal(back.values, values)


@pytest.mark.parametrize("arrays", ["jax", "numpy"])
def test_maps_without_blocks(arrays: Any) -> None:
    empty = mts.TensorMap(mts.Labels.empty(["a", "b"]), [])
    here = from_metatensor(empty, arrays)
    assert here.keys == jm.Labels.empty(["a", "b"])
    assert len(to_metatensor(here)) == 0


def test_info_with_empty_text_stays() -> None:
    tensor = jm.TensorMap(jm.Labels.single(), [block_here(jnp.ones((1, 1)))], {"a": ""})
    assert from_metatensor(to_metatensor(tensor)).info() == {"a": ""}


# Memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 8, 16])
def test_numpy_always_shares_metatensors_memory(offset: int) -> None:
    values = aligned((4, 3), offset)
    here = from_metatensor(block_there(values), "numpy", copy=False)
    assert pointers(here) == [values.ctypes.data]
    assert values.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        here.values[0, 0] = 1.0


def test_jax_shares_aligned_memory() -> None:
    values = aligned((4, 3))
    shared = from_metatensor(block_there(values), copy=False)
    assert pointers(shared) == [values.ctypes.data]
    assert pointers(from_metatensor(block_there(values))) == [values.ctypes.data]


def test_a_copy_never_shares() -> None:
    values = aligned((4, 3))
    for arrays in ("jax", "numpy"):
        here = from_metatensor(block_there(values), arrays, copy=True)
        values[:] += 1.0
        np.testing.assert_array_equal(here.values, values - 1.0)


def test_memory_that_can_not_be_shared_is_refused_on_demand() -> None:
    there = block_there(aligned((4, 3), offset=8))
    with pytest.raises(errors.InvalidError, match=r"8 bytes after a multiple of 64"):
        from_metatensor(there, copy=False)
    np.testing.assert_array_equal(from_metatensor(there).values, there.values)


def test_a_donated_array_leaves_metatensors_memory_alone() -> None:
    values = aligned((4, 3))
    here = from_metatensor(block_there(values), copy=False)
    add = jax.jit(lambda x: x + 1.0, donate_argnums=0)
    np.testing.assert_array_equal(add(here.values), np.ones((4, 3)))
    np.testing.assert_array_equal(values, np.zeros((4, 3)))


def test_memory_lives_as_long_as_either_side() -> None:
    tensor = mts.TensorMap(mts.Labels.single(), [block_there(np.arange(6.0).reshape(2, 3))])
    views = from_metatensor(tensor, "numpy")
    del tensor
    there = to_metatensor(views)
    del views
    np.testing.assert_array_equal(there[0].values, np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("make", [jnp.asarray, np.asarray])
def test_metatensor_sees_our_memory_read_only(make: Any) -> None:
    rows = jm.TensorBlock(
        make(np.ones((1, 2))), jm.Labels("sample", [[0]]), [], jm.Labels.range("p", 2)
    )
    block = block_here(make(np.ones((3, 2)))).with_gradient("x", rows)
    there = to_metatensor(block)
    theirs = [there.values, there.gradient("x").values]
    assert [array.ctypes.data for array in theirs] == pointers(block)
    assert not any(array.flags.writeable for array in theirs)
    if make is jnp.asarray:
        assert there.values.ctypes.data == block.values.unsafe_buffer_pointer()


def test_a_copy_for_metatensor_may_be_changed() -> None:
    block = block_here(jnp.ones((3, 2)))
    there = to_metatensor(block, copy=True)
    there.values[:] = 5.0
    np.testing.assert_array_equal(block.values, np.ones((3, 2)))


def test_arrays_that_are_not_row_major_become_so() -> None:
    values = np.arange(6.0).reshape(3, 2).T
    there = to_metatensor(block_here(values))
    assert there.values.flags.c_contiguous
    np.testing.assert_array_equal(there.values, values)


def test_equal_labels_are_made_once() -> None:
    source = jm.Labels("a", [[4], [2]])
    there = to_metatensor(source)
    assert to_metatensor(jm.Labels("a", [[4], [2]])) is there
    assert there.values.ctypes.data == source.values.ctypes.data


# What can not be converted -------------------------------------------------------------


def test_float64_without_x64_is_never_rounded() -> None:
    there = block_there(np.full((1, 1), 1 / 3))
    with jax.enable_x64(False):
        with pytest.raises(errors.PrecisionError) as caught:
            from_metatensor(there)
        assert from_metatensor(there, "numpy").values[0, 0] == 1 / 3
        single = from_metatensor(there.to(dtype=np.float32))
        assert single.dtype == np.float32
    message = str(caught.value)
    for way_out in ("jax_enable_x64", "to(dtype=np.float32)", 'arrays="numpy"'):
        assert way_out in message


def test_dynamic_samples_are_refused() -> None:
    with pytest.raises(errors.DynamicSamplesError, match="unpad"):
        to_metatensor(jm.pad(block_here(jnp.ones((2, 2))), 4))


def test_traced_values_are_refused() -> None:
    with pytest.raises(errors.InvalidTypeError, match="outside of functions"):
        jax.jit(lambda block: to_metatensor(block).values.sum())(
            block_here(jnp.ones((1, 1)))
        )


def test_bfloat16_is_refused() -> None:
    with pytest.raises(errors.InvalidTypeError, match=r"bfloat16\n.*float32"):
        to_metatensor(block_here(jnp.ones((1, 1), jnp.bfloat16)))


def test_arrays_of_torch_are_refused() -> None:
    class WithTorch(mts.TensorBlock):
        values = type("Tensor", (), {"__module__": "torch"})()  # type: ignore[assignment]

    block = object.__new__(WithTorch)
    with pytest.raises(errors.InvalidTypeError, match=r'to\(arrays="numpy"\)'):
        from_metatensor(block)


def test_objects_of_metatensor_torch_are_refused() -> None:
    scripted = type("ScriptObject", (), {"__module__": "torch"})()
    with pytest.raises(errors.InvalidTypeError, match=r"metatensor\.torch\.save"):
        from_metatensor(scripted)


@pytest.mark.parametrize("convert", [from_metatensor, to_metatensor])
def test_other_objects_are_refused(convert: Any) -> None:
    with pytest.raises(errors.InvalidTypeError, match=r"found a builtins\.dict"):
        convert({})


def test_only_two_kinds_of_arrays() -> None:
    with untyped(), pytest.raises(errors.InvalidError, match="'torch'"):
        from_metatensor(block_there(np.ones((1, 1))), "torch")


def test_without_metatensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "metatensor", None)
    monkeypatch.delitem(sys.modules, "jaxmeta.interop.metatensor")
    with pytest.raises(
        errors.MissingExtraError, match=r'pip install "jaxmeta\[metatensor\]"'
    ):
        importlib.import_module("jaxmeta.interop.metatensor")


@given(st.data())
def test_operations_work_on_views_of_metatensors_arrays(data: st.DataObject) -> None:
    tensor = data.draw(tensors())
    views = from_metatensor(to_metatensor(tensor), "numpy")
    assert jm.equal(views + views, tensor + tensor)
