"""Files of maps, blocks and labels: exactly those of metatensor, both ways."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import metatensor.io as mts_io
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import assert_same_block, assert_same_map, labels_there, map_there
from strategies import tensors
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    CorruptFileError,
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    PrecisionError,
)
from jaxmeta.io import (
    load,
    load_block,
    load_block_buffer,
    load_buffer,
    load_labels,
    load_labels_buffer,
    save,
    save_buffer,
)


DTYPES = [
    "f2",
    "f4",
    "f8",
    "i1",
    "i2",
    "i4",
    "i8",
    "u1",
    "u2",
    "u4",
    "u8",
    "b1",
    "c8",
    "c16",
]


def files(data_folder: Path) -> list[Path]:
    found = sorted(data_folder.glob("*.mts"))
    assert len(found) > 20
    return found


def simple_block(values: Any = None, **gradients: TensorBlock) -> TensorBlock:
    values = np.arange(6.0).reshape(2, 3) if values is None else values
    samples = Labels.range("system", values.shape[0])
    return TensorBlock(values, samples, [], Labels.range("n", values.shape[1]), gradients)


def simple_map(values: Any = None, info: dict[str, str] | None = None) -> TensorMap:
    return TensorMap(Labels("key", [[4]]), [simple_block(values)], info)


def bits(tensor: TensorMap) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in tensor._leaves]


# Real files ------------------------------------------------------------------------------


def test_real_files_come_back_byte_for_byte(data_folder: Path, tmp_path: Path) -> None:
    for path in files(data_folder):
        expected = path.read_bytes()
        tensor = load(path)
        assert all(isinstance(leaf, jax.Array) for leaf in tensor._leaves), path
        assert bytes(save_buffer(tensor)) == expected, path
        assert bytes(save_buffer(load_buffer(expected, as_numpy=True))) == expected, path
        copy = tmp_path / path.name
        save(copy, tensor)
        assert copy.read_bytes() == expected, path


def test_real_files_hold_what_metatensor_finds(data_folder: Path) -> None:
    for path in files(data_folder):
        there = mts.load(path)
        here = load(path, as_numpy=True)
        if len(here) < 100:
            assert_same_map(here, there)
        assert here.info() == there.info()
        assert mts.equal(mts_io.load_buffer(save_buffer(here)), there)
        aligned = save_buffer(here, align=True)
        assert mts.equal(mts_io.load_buffer(aligned), there)
        assert bits(load_buffer(aligned)) == bits(here)


# Against metatensor ----------------------------------------------------------------------


@given(tensors())
def test_maps_go_there_and_back(tensor: TensorMap) -> None:
    check_exchange(tensor)


@given(tensors(nested=True))
def test_maps_with_gradients_of_gradients_go_there_and_back(tensor: TensorMap) -> None:
    check_exchange(tensor)


def check_exchange(tensor: TensorMap) -> None:
    there = map_there(tensor)
    for name, text in tensor.info().items():
        there.set_info(name, text)
    content = bytes(mts_io.save_buffer(there))
    assert bytes(save_buffer(tensor)) == content
    with untyped():
        assert load_buffer(content) == tensor
    assert_same_map(tensor, mts_io.load_buffer(save_buffer(tensor, align=True)))


@pytest.mark.parametrize("code", DTYPES)
def test_every_dtype(code: str, rng: np.random.Generator) -> None:
    values = rng.integers(0, 256, 12 * np.dtype(code).itemsize, np.uint8)
    values = (values % 2 if code == "b1" else values).view(code).reshape(4, 3)
    tensor = simple_map(values)
    content = bytes(save_buffer(tensor))
    assert content == bytes(mts_io.save_buffer(map_there(tensor)))
    there = mts_io.load_buffer(content)
    assert there.block(0).values.tobytes() == values.tobytes()
    for as_numpy in (True, False):
        here = load_buffer(content, as_numpy=as_numpy)
        assert here.dtype == np.dtype(code)
        assert bits(here) == [values.tobytes()]


@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_files_of_metatensor_through_numpy(code: str, order: str, tmp_path: Path) -> None:
    """Among them those that metatensor itself can not read: `|b1`, and Fortran order."""
    values = np.array(np.arange(12).reshape(4, 3), code, order=order)  # type: ignore[call-overload]
    tensor = simple_map(values)
    there = map_there(tensor)
    path = tmp_path / "numpy.mts"
    mts.save(path, there, use_numpy=True)
    found = load(path, as_numpy=True)
    assert found.dtype == np.dtype(code)
    np.testing.assert_array_equal(found.block().values, values)
    assert found.keys == tensor.keys


def test_archives_made_with_other_tools(tmp_path: Path) -> None:
    tensor = simple_map(info={"a": "b"})
    path = tmp_path / "again.mts"
    with (
        zipfile.ZipFile(io.BytesIO(save_buffer(tensor))) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in reversed(source.namelist()):
            target.writestr(name, source.read(name))
        target.writestr("blocks/", b"")
        target.writestr("thumbnail.png", b"...")
    assert load(path) == tensor
    assert load(path).info() == {"a": "b"}


def test_big_endian_files(rng: np.random.Generator) -> None:
    values = rng.random((2, 3))
    samples = np.array([(1, -2), (3, 4)], [("a", ">i4"), ("b", ">i4")])
    file = io.BytesIO()
    np.savez(
        file, allow_pickle=False, values=values.astype(">f8"), samples=samples,
        properties=np.array([(0,), (5,), (2**31 - 1,)], [("n", ">i4")]),
    )  # fmt: skip
    block = load_block_buffer(file.getvalue())
    np.testing.assert_array_equal(block.values, values)
    assert block.samples == Labels(["a", "b"], [[1, -2], [3, 4]])
    assert block.properties == Labels("n", [[0], [5], [2**31 - 1]])


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
def test_empty_blocks(shape: tuple[int, int]) -> None:
    tensor = simple_map(np.zeros(shape))
    content = bytes(save_buffer(tensor))
    assert content == bytes(mts_io.save_buffer(map_there(tensor)))
    assert load_buffer(content).block().shape == shape
    assert mts_io.load_buffer(content).block(0).values.shape == shape


def test_a_map_without_blocks() -> None:
    tensor = TensorMap(Labels.empty(["a", "b"]), [])
    assert load_buffer(save_buffer(tensor)) == tensor
    there = mts.TensorMap(mts.Labels(["a", "b"], np.zeros((0, 2), np.int32)), [])
    assert bytes(save_buffer(tensor)) == bytes(mts_io.save_buffer(there))


def test_samples_without_names_come_back() -> None:
    """What a sum over all samples would give; metatensor writes it and can not read it."""
    block = TensorBlock(
        np.ones((1, 2)), Labels([], np.zeros((1, 0), np.int32)), [], Labels.range("n", 2)
    )
    assert load_block_buffer(save_buffer(block), as_numpy=True).samples is block.samples


@pytest.mark.long
def test_more_members_than_16_bits_count() -> None:
    blocks = [simple_block(np.full((1, 1), float(i))) for i in range(16400)]
    tensor = TensorMap(Labels.range("k", len(blocks)), blocks[:16400])
    components = [Labels.range("m", 1)]
    blocks = [
        TensorBlock(b.values[:, None], b.samples, components, b.properties) for b in blocks
    ]
    tensor = TensorMap(tensor.keys, blocks)
    content = bytes(save_buffer(tensor))
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 1 + 4 * 16400
    assert content == bytes(mts_io.save_buffer(map_there(tensor)))
    assert bits(load_buffer(content, as_numpy=True)) == bits(tensor)


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_info_is_that_of_metatensor(info: dict[str, str]) -> None:
    try:
        "".join([*info, *info.values()]).encode()
    except UnicodeEncodeError:
        with pytest.raises(InvalidError, match="lone surrogate"):
            save_buffer(simple_map(info=info))
        return
    tensor = simple_map(info=info)
    content = bytes(save_buffer(tensor))
    assert load_buffer(content).info() == info
    # metatensor takes its texts from C: they end at the first NUL, names are not empty.
    if all(name and "\0" not in name + text for name, text in info.items()):
        there = map_there(tensor)
        for name, text in info.items():
            there.set_info(name, text)
        assert content == bytes(mts_io.save_buffer(there))


# Blocks and labels -----------------------------------------------------------------------


def test_blocks(tmp_path: Path) -> None:
    n = Labels.range("n", 3)
    rows = Labels(["sample", "atom"], [[0, 1], [1, 0], [1, 7]])
    xyz = Labels.range("xyz", 3)
    gradient = TensorBlock(np.arange(27.0).reshape(3, 3, 3), rows, [xyz], n)
    block = simple_block(positions=gradient, **{"ü x": gradient})
    save(tmp_path / "block.mts", block)
    there = mts.load_block(tmp_path / "block.mts")
    assert_same_block(block, there)
    assert load_block(tmp_path / "block.mts") == block
    assert bytes(save_buffer(block)) == bytes(mts_io.save_buffer(there))


def test_labels(tmp_path: Path) -> None:
    labels = Labels(["a", "b"], [[1, -2], [2**31 - 1, -(2**31)]])
    save(tmp_path / "labels.mts", labels)
    assert load_labels(tmp_path / "labels.mts") is labels
    assert load_labels_buffer(save_buffer(labels)) is labels
    there = labels_there(labels)
    assert mts.load_labels(tmp_path / "labels.mts") == there
    assert bytes(save_buffer(labels)) == bytes(mts_io.save_buffer(there))


def test_methods_of_the_classes(tmp_path: Path) -> None:
    tensor = simple_map()
    for data in (tensor, tensor.block(), tensor.keys):
        path = tmp_path / f"{type(data).__name__}.mts"
        data.save(path)
        assert type(data).load(path) == data
        assert type(data).load_buffer(data.save_buffer()) == data
        assert path.read_bytes() == bytes(data.save_buffer())


HINTS = {
    (load_buffer, "block"): "holds a TensorBlock.\n  use jaxmeta.load_block",
    (load_buffer, "labels"): "holds Labels.\n  use jaxmeta.load_labels",
    (load_block_buffer, "map"): "holds a TensorMap.\n  use jaxmeta.load,",
    (load_block_buffer, "labels"): "holds Labels.\n  use jaxmeta.load_labels",
    (load_labels_buffer, "map"): "holds a TensorMap.\n  use jaxmeta.load,",
    (load_labels_buffer, "block"): "holds a TensorBlock.\n  use jaxmeta.load_block",
}


@pytest.mark.parametrize(("function", "kind"), HINTS)
def test_another_kind_of_file_is_named(function: Any, kind: str) -> None:
    tensor = simple_map()
    data = {"map": tensor, "block": tensor.block(), "labels": tensor.keys}[kind]
    with pytest.raises(InvalidError) as caught:
        function(save_buffer(data))
    assert HINTS[function, kind] in str(caught.value)
    assert not isinstance(caught.value, CorruptFileError)


# Files -----------------------------------------------------------------------------------


def test_all_kinds_of_files(tmp_path: Path) -> None:
    tensor = simple_map()
    content = bytes(save_buffer(tensor))
    file = io.BytesIO()
    file.write(b"before")
    save(file, tensor)
    assert file.getvalue() == b"before" + content
    file.seek(6)
    assert load(file) == tensor
    with open(tmp_path / "raw.mts", "wb", buffering=0) as raw:
        save(raw, tensor)
    with open(tmp_path / "raw.mts", "rb") as raw:
        assert load(raw) == tensor
    save(str(tmp_path / "text.mts"), tensor)
    assert load(str(tmp_path / "text.mts")) == tensor
    for buffer in (bytearray(content), memoryview(content), np.frombuffer(content, "u1")):
        assert load_buffer(buffer) == tensor


def test_a_missing_extension_is_added_with_a_warning(tmp_path: Path) -> None:
    for path in (tmp_path / "one", str(tmp_path / "two.npz")):
        with pytest.warns(UserWarning, match="adding '.mts' extension"):
            save(path, simple_map())
        assert load(f"{path}.mts") == simple_map()
        assert not os.path.exists(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.mts")
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "no folder" / "file.mts", simple_map())


@pytest.mark.usefixtures("wrong_types")
def test_arguments_of_wrong_types(tmp_path: Path) -> None:
    tensor: Any = simple_map()
    with pytest.raises(InvalidTypeError, match="a path or a file object opened in binary"):
        load(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="in binary mode"):
        load(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="a buffer of contiguous bytes"):
        load_buffer("text")  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="opened for writing bytes"):
        save(io.StringIO(), tensor)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"only a TensorMap.*\n  found dict"):
        save(tmp_path / "dict.mts", {})  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="would hold no array"):
        save_buffer(jax.eval_shape(lambda: simple_map(jnp.ones((1, 1)))))


def test_what_can_not_be_saved(tmp_path: Path) -> None:
    with pytest.raises(InvalidTypeError, match=r"values.npy holds bfloat16(.|\n)*float32"):
        save_buffer(simple_map(jnp.ones((2, 2), jnp.bfloat16)))
    with pytest.raises(DynamicSamplesError, match="unpad"):
        save(tmp_path / "dynamic.mts", jm.pad(simple_map(jnp.ones((2, 2))), 4))
    with pytest.raises(InvalidTypeError, match="outside transformed functions"):
        jax.jit(lambda x: save_buffer(simple_map(x)) and x)(jnp.ones((2, 2)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            lambda x: jnp.stack([x, x]),
            r"float64 of shape \(2, 2, 2\), it should be float64 of\s+shape \(2, 2\)",
        ),
        (
            lambda x: x[0],
            r"float64 of shape \(2,\), it should be float64 of\s+shape \(2, 2\)",
        ),
        (
            lambda x: x[1:],
            r"float64 of shape \(1, 2\), it should be float64 of\s+shape \(2, 2\)",
        ),
        (
            lambda x: x.astype(f"float{16 * x.shape[0]}"),
            "found float64 .*should be float32",
        ),
    ],
)
def test_arrays_that_do_not_fit_their_labels(change: Any, found: str) -> None:
    blocks = [simple_map(jnp.ones((rows, 2)))[0] for rows in (2, 4)]
    tensor = TensorMap(Labels.range("k", 2), blocks)
    with pytest.raises(InvalidError, match=rf"(?s)^save: blocks.*{found}"):
        save_buffer(jax.tree.map(change, tensor))


def peak_of(function: Callable[[], object]) -> int:
    """The most memory that was taken at once, in bytes."""
    function()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_nothing_is_copied_that_need_not_be(tmp_path: Path) -> None:
    path = tmp_path / "large.mts"
    tensor = simple_map(np.ones((1000, 1000)))
    size = 8_000_000
    slack = 1_000_000
    assert peak_of(lambda: save(path, tensor)) < slack
    assert peak_of(lambda: save_buffer(tensor)) < size + slack
    assert peak_of(lambda: load(path)) < size + slack
    assert peak_of(lambda: load(path, as_numpy=True)) < size + slack
    assert peak_of(lambda: load(path, dtype="float32")) < size + size // 2 + slack
    content = path.read_bytes()
    assert peak_of(lambda: load_buffer(content)) < size + slack


@pytest.mark.parametrize("align", [False, True])
def test_loaded_arrays_are_taken_over_by_jax(align: bool, tmp_path: Path) -> None:
    """Memory at multiples of 64 bytes becomes an array of JAX where it stands."""
    path = tmp_path / "large.mts"
    save(path, simple_map(np.ones((100, 100))), align=align)
    values = load(path, as_numpy=True).block().values
    assert values.ctypes.data % 64 == 0
    assert jax.device_put(values).unsafe_buffer_pointer() == values.ctypes.data
    with jm.open(path) as file:
        mapped = file.block().values
        assert (mapped.ctypes.data % 64 == 0) is align
        on_device = jax.device_put(mapped)
        assert (on_device.unsafe_buffer_pointer() == mapped.ctypes.data) is align
        np.testing.assert_array_equal(on_device, values)


# Precision -------------------------------------------------------------------------------

WITHOUT_X64 = """
import sys, numpy as np, jax
import jaxmeta.io as jio
from jaxmeta.errors import PrecisionError
path, code = sys.argv[1:]
wide = np.dtype(code)
try:
    jio.load(path)
    sys.exit("64 bits were loaded")
except PrecisionError as error:
    for text in (path, wide.name, "dtype=", "as_numpy=True", "jax_enable_x64"):
        assert text in str(error), text
values = jio.load(path, as_numpy=True).block().values
assert values.dtype == wide and values[0, 0] == np.array(1 / 3).astype(wide)
if wide.kind in "fc":
    narrow = "float32" if wide.kind == "f" else "complex64"
    values = jio.load(path, dtype=narrow).block().values
    assert isinstance(values, jax.Array) and values.dtype == narrow
with jio.open(path) as file:
    assert file.block().dtype == wide
    for samples in (None, file.block().samples):
        assert file.read(samples=samples, as_numpy=True).dtype == wide
        try:
            file.read(samples=samples)
            sys.exit("64 bits were read")
        except PrecisionError:
            pass
"""


@pytest.mark.parametrize("code", ["f8", "c16", "i8", "u8"])
def test_64_bits_without_x64_are_refused(code: str, tmp_path: Path) -> None:
    path = tmp_path / "wide.mts"
    save(path, simple_map(np.full((2, 3), 1 / 3).astype(code)))
    environment = {k: v for k, v in os.environ.items() if k != "JAX_ENABLE_X64"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_X64, str(path), code],
        capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("as_numpy", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32", jnp.bfloat16, np.float64])
def test_floats_are_converted_on_purpose(
    dtype: Any, as_numpy: bool, rng: np.random.Generator
) -> None:
    values = rng.random((40, 30))
    found = load_buffer(save_buffer(simple_map(values)), dtype=dtype, as_numpy=as_numpy)
    assert isinstance(found.block().values, np.ndarray) is as_numpy
    assert found.dtype == jnp.dtype(dtype)
    assert bits(found) == [values.astype(jnp.dtype(dtype)).tobytes()]


@pytest.mark.parametrize(
    ("code", "dtype", "message"),
    [
        ("i8", "float32", "holds int64 values"),
        ("b1", "float32", "holds bool values"),
        ("c16", "float32", "holds complex128 values"),
        ("f8", "complex64", "holds float64 values"),
        ("f8", "int32", "must be floating or complex.\n  found int32"),
        ("f8", "no such", "dtype must be a dtype"),
    ],
)
def test_other_conversions_are_refused(code: str, dtype: str, message: str) -> None:
    content = save_buffer(simple_map(np.ones((2, 2), code)))
    with pytest.raises(InvalidTypeError, match=message):
        load_buffer(content, dtype=dtype)


def test_precision_errors_are_of_the_family() -> None:
    assert issubclass(PrecisionError, jm.JaxmetaError)
    assert issubclass(CorruptFileError, jm.JaxmetaError)


# Atomic saving ---------------------------------------------------------------------------


class Crash(Exception):
    pass


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_crash_leaves_the_old_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jaxmeta.io import mts as room

    path = tmp_path / "kept.mts"
    save(path, simple_map())
    before = path.read_bytes()

    def crash(*_: Any) -> None:
        raise Crash

    if step == "write":
        chunks = room.archive_chunks

        def half(*arguments: Any) -> Any:
            yield next(iter(chunks(*arguments)))
            raise Crash

        monkeypatch.setattr(room, "archive_chunks", half)
    else:
        monkeypatch.setattr(os, step, crash)
    with pytest.raises(Crash):
        save(path, simple_map(np.zeros((100, 100))))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_refused_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.mts"
    save(path, simple_map())
    before = path.read_bytes()
    with pytest.raises(InvalidTypeError):
        save(path, simple_map(jnp.ones((2, 2), jnp.bfloat16)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    for mask in (0o022, 0o077, 0o002):
        old = os.umask(mask)
        try:
            save(tmp_path / "file.mts", simple_map())
        finally:
            os.umask(old)
        assert (tmp_path / "file.mts").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.mts").write_bytes(b"old")
    (tmp_path / "link.mts").symlink_to("real.mts")
    save(tmp_path / "link.mts", simple_map())
    assert (tmp_path / "link.mts").is_symlink()
    assert load(tmp_path / "real.mts") == simple_map()


def test_a_file_can_be_replaced_while_it_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "file.mts"
    save(path, simple_map())
    with jm.io.open(path) as file:
        block = file.block()
        save(path, simple_map(np.zeros((1, 1))))
        np.testing.assert_array_equal(block.values, simple_map().block().values)
    assert load(path).block().shape == (1, 1)


def test_a_missing_folder_is_named_as_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "tensor.mts"
    with pytest.raises(FileNotFoundError) as caught:
        save(str(path), Labels.single())
    assert caught.value.filename == str(path)
