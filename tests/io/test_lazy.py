"""Reading parts of files gives what loading all and selecting gives."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import tensors
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    CorruptFileError,
    InvalidError,
    InvalidTypeError,
    MissingError,
)
from jaxmeta.io import lazy, load, save, save_buffer


@pytest.fixture
def tensor(rng: np.random.Generator) -> TensorMap:
    """Two blocks of values, with sparse gradients and gradients of those."""
    n, xyz = Labels.range("n", 5), Labels.range("xyz", 3)
    blocks = []
    for rows in (40, 7):
        samples = Labels(["system", "atom"], [[i // 4, i % 4] for i in range(rows)])
        below = Labels(["sample", "cell"], [[i, 0] for i in range(0, rows, 2)])
        nested = TensorBlock(rng.random((len(below), 3, 5)), below, [xyz], n)
        table = np.stack([rng.permutation(rows), np.arange(rows)], axis=1)
        gradient = TensorBlock(
            rng.random((rows, 5)), Labels(["sample", "atom"], table), [], n, {"x": nested}
        )
        values = rng.random((rows, 5))
        blocks.append(TensorBlock(values, samples, [], n, {"positions": gradient}))
    return TensorMap(Labels(["a", "b"], [[0, 1], [5, -2]]), blocks, {"unit": "eV"})


@pytest.fixture
def path(tensor: TensorMap, tmp_path: Path) -> Path:
    save(tmp_path / "tensor.mts", tensor)
    return tmp_path / "tensor.mts"


def test_what_is_there(path: Path, tensor: TensorMap) -> None:
    with lazy.open(path) as file:
        assert file.keys is tensor.keys
        assert len(file) == 2
        assert file.info() == {"unit": "eV"}
        assert "tensor.mts', open: 2 blocks, keys ['a', 'b']" in repr(file)
    assert "closed" in repr(file)


@pytest.mark.parametrize("align", [False, True])
def test_mapped_blocks(path: Path, tensor: TensorMap, align: bool) -> None:
    save(path, tensor, align=align)
    with lazy.open(path) as file:
        block = file.block(a=5)
        assert block == tensor.block(a=5)
        assert file.block({"a": 0, "b": 1}) == tensor.block(0)
        assert file.blocks() == tensor.blocks()
        assert file.blocks([1]) == tensor.blocks([1])
    values = block.gradient("positions").gradient("x").values
    for array in (block.values, values):
        assert isinstance(array, np.ndarray)
        assert array.base is not None
        assert not array.flags.writeable
        assert not align or array.ctypes.data % 64 == 0
    np.testing.assert_array_equal(block.values, tensor.block(1).values)
    assert jax.numpy.max(block.values) == tensor.block(1).values.max()


def test_values_are_mapped_not_read(path: Path, tensor: TensorMap) -> None:
    """A change in the file shows: nothing has been copied, no checksum been made."""
    block = tensor.block(0)
    with lazy.open(path) as file:
        mapped = file.block(0).values
        position = path.read_bytes().index(block.values.tobytes())
        with open(path, "r+b") as raw:
            raw.seek(position)
            raw.write(np.array([-77.0]).tobytes())
        assert mapped[0, 0] == -77.0
    with pytest.raises(CorruptFileError, match="checksum"):
        load(path)


@pytest.mark.parametrize("change", ["deflated", "big endian", "fortran", "empty"])
def test_arrays_that_can_not_be_mapped_are_read(change: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.mts"
    values = np.arange(12.0).reshape(4, 3)
    if change == "empty":
        values = values[:0]
    block = TensorBlock(values, Labels.range("s", len(values)), [], Labels.range("n", 3))
    tensor = TensorMap(Labels.single(), [block])
    odd = values.astype(">f8") if change == "big endian" else values
    odd = np.asfortranarray(odd) if change == "fortran" else odd
    method = zipfile.ZIP_DEFLATED if change == "deflated" else zipfile.ZIP_STORED
    with (
        zipfile.ZipFile(io.BytesIO(save_buffer(tensor))) as source,
        zipfile.ZipFile(path, "w", method) as target,
    ):
        for name in source.namelist():
            with target.open(name, "w") as member:
                if name.endswith("values.npy"):
                    np.lib.format.write_array(member, odd)
                else:
                    member.write(source.read(name))
    with lazy.open(path) as file:
        assert file.block() == block
        assert file.block().dtype.isnative
        rows = Labels("s", [[2]])
        assert file.read(samples=rows) == jm.slice(load(path), "samples", rows)


# Parts -----------------------------------------------------------------------------------


def test_whole_files_and_some_keys(path: Path, tensor: TensorMap) -> None:
    with lazy.open(path) as file:
        everything = file.read()
        assert everything == tensor
        assert everything.info() == {"unit": "eV"}
        assert all(isinstance(leaf, jax.Array) for leaf in everything._leaves)
        some = file.read({"a": 5})
        assert some.keys == Labels(["a", "b"], [[5, -2]])
        assert some.blocks() == [tensor.block(1)]
        assert file.read([1, 0]).keys.values.tolist() == [[5, -2], [0, 1]]
        single = file.read(dtype="float32", as_numpy=True)
        assert single.dtype == np.float32
        assert single == tensor.to(dtype="float32")


def test_some_rows(path: Path, tensor: TensorMap) -> None:
    selections = [
        Labels("system", [[1]]),
        Labels("atom", [[3], [0]]),
        Labels(["system", "atom"], [[7, 2], [0, 1], [99, 0]]),
        Labels(["atom", "system"], [[2, 1]]),
        Labels("system", [[99]]),
        Labels([], np.zeros((0, 0), np.int32)),
    ]
    with lazy.open(path) as file:
        for samples in selections:
            expected = load(path).sel(samples=samples)
            assert file.read(samples=samples) == expected
            narrow = file.read(samples=samples, dtype="float32")
            assert narrow.dtype == np.float32
            assert narrow == expected.to(dtype="float32")


@given(tensors(nested=True) | tensors(), st.data())
def test_any_rows_of_any_map(tensor: TensorMap, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(-1, 3), max_size=3, unique=True))
    samples = Labels("system", np.array(rows, np.int32).reshape(-1, 1))
    with tempfile.TemporaryDirectory() as folder, untyped():
        path = os.path.join(folder, "any.mts")
        save(path, tensor)
        with lazy.open(path) as file:
            assert file.read(samples=samples) == tensor.sel(samples=samples)
            assert file.blocks() == tensor.blocks()


def test_only_what_is_asked_for_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = Labels.range("s", 2000)
    block = TensorBlock(np.ones((2000, 500)), samples, [], Labels.range("n", 500))
    tensor = TensorMap(Labels.range("k", 3), [block, block, block])
    path = tmp_path / "large.mts"
    save(path, tensor)
    read = 0
    original = lazy.FileSource._read

    def counted(self: lazy.FileSource, start: int, target: memoryview) -> None:
        nonlocal read
        read += target.nbytes
        original(self, start, target)

    monkeypatch.setattr(lazy.FileSource, "_read", counted)
    with lazy.open(path) as file:
        part = file.read(keys=[1], samples=Labels("s", [[5], [1999]]), as_numpy=True)
    assert part.block().shape == (2, 500)
    assert read < 2_000_000 < 24_000_000 < path.stat().st_size


# Errors ----------------------------------------------------------------------------------


def test_errors(path: Path, tensor: TensorMap, tmp_path: Path) -> None:
    with lazy.open(path) as file:
        with pytest.raises(MissingError, match="no block matches"):
            file.block(a=77)
        with pytest.raises(InvalidError, match="2 blocks match"):
            file.block()
        with pytest.raises(MissingError, match="'center'"):
            file.read(samples=Labels("center", [[1]]))
    file.close()
    for action in (file.info, file.block, file.blocks, file.read):
        with pytest.raises(InvalidError, match="has been closed"):
            action()
    save(tmp_path / "block.mts", tensor.block(0))
    with pytest.raises(InvalidError, match=r"use jaxmeta\.load_block"):
        lazy.open(tmp_path / "block.mts")
    save(tmp_path / "labels.mts", tensor.keys)
    with pytest.raises(InvalidError, match=r"use jaxmeta\.load_labels"):
        lazy.open(tmp_path / "labels.mts")
    (tmp_path / "nothing.mts").write_bytes(b"")
    with pytest.raises(CorruptFileError, match=r"nothing\.mts can not be read"):
        lazy.open(tmp_path / "nothing.mts")
    with pytest.raises(FileNotFoundError):
        lazy.open(tmp_path / "absent.mts")


@pytest.mark.usefixtures("wrong_types")
def test_only_paths_are_opened() -> None:
    with pytest.raises(InvalidTypeError, match="use load for file objects"):
        lazy.open(io.BytesIO())  # type: ignore[arg-type]


def test_complex_dtypes_do_not_fit_floats(path: Path) -> None:
    rows = Labels("system", [[0]])
    with lazy.open(path) as file, pytest.raises(InvalidTypeError, match="does not fit"):
        file.read(samples=rows, dtype="complex64")


def test_failing_to_open_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    original = lazy.FileSource.close
    monkeypatch.setattr(
        lazy.FileSource, "close", lambda self: (closed.append(self.name), original(self))
    )
    path = tmp_path / "garbage.mts"
    path.write_bytes(b"garbage" * 100)
    with pytest.raises(CorruptFileError):
        lazy.open(path)
    assert closed == [str(path)]


@pytest.fixture(autouse=True)
def no_open_descriptors() -> Iterator[None]:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        yield
        return
    before = {os.readlink(link) for link in folder.iterdir() if link.is_symlink()}
    yield
    after = {os.readlink(link) for link in folder.iterdir() if link.exists()}
    assert not {name for name in after - before if name.endswith(".mts")}
