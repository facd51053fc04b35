"""Data sets on disk: the layout of metatrain, and files that are not what they claim."""

from __future__ import annotations

import io
import os
import pickle
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structures import charges_of, energy_of

import jaxmeta as jm
from jaxmeta import Labels, TensorMap
from jaxmeta.data import Dataset, DiskDataset, Loader, buckets, save_dataset


@pytest.fixture
def dataset(rng: np.random.Generator) -> Dataset:
    types = [[1, 1, 8], [6, 1], [8]]
    return Dataset.from_dict(
        {
            "energy": [energy_of(rng, len(kinds), i) for i, kinds in enumerate(types)],
            "mtt::charges": [charges_of(rng, kinds, i) for i, kinds in enumerate(types)],
        }
    )


@pytest.fixture
def path(dataset: Dataset, tmp_path: Path) -> Path:
    path = tmp_path / "data.zip"
    save_dataset(path, dataset)
    return path


def test_what_is_written_is_read(dataset: Dataset, path: Path) -> None:
    with DiskDataset(path) as found:
        assert len(found) == 3
        assert found.fields == ["energy", "mtt::charges"]
        for here, there in zip(found, dataset, strict=True):
            assert here == there
            assert here.energy.info() == {"unit": "eV"}
            assert all(isinstance(leaf, np.ndarray) for leaf in here.energy._leaves)
        assert DiskDataset(path, ["mtt::charges"])[1] == (dataset[1]["mtt::charges"],)
        assert "of 3, fields ['energy', 'mtt::charges']" in repr(found)
    with pytest.raises(ValueError, match="has been closed"):
        found[0]


def test_metatrain_reads_it(dataset: Dataset, path: Path) -> None:
    """What metatrain does: numpy reads bytes out of the archive, metatensor a map."""
    metatensor_io = pytest.importorskip("metatensor.io")
    from jaxmeta.interop.metatensor import from_metatensor

    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[:2] == ["0/energy.mts", "0/mtt::charges.mts"]
        with archive.open("2/energy.mts") as file:
            content = np.load(file)
    assert content.dtype == np.uint8
    there = metatensor_io.load_buffer(content.tobytes(), use_numpy=True)
    assert from_metatensor(there, "numpy") == dataset[2].energy


@pytest.mark.parametrize("name", ["spherical_disk_dataset", "spherical_targets_rotated"])
def test_what_metatrain_wrote_is_read(name: str, data_folder: Path) -> None:
    metatensor_io = pytest.importorskip("metatensor.io")
    from jaxmeta.interop.metatensor import from_metatensor

    path = data_folder / f"{name}.zip"
    found = DiskDataset(path)
    assert len(found) == 2
    with zipfile.ZipFile(path) as archive:
        files = [file for file in archive.namelist() if file.startswith("1/")]
        for file in [file for file in files if file.endswith(".mts")]:
            with archive.open(file) as opened:
                content = np.load(opened)
            there = metatensor_io.load_buffer(content.tobytes(), use_numpy=True)
            field = file.removeprefix("1/").removesuffix(".mts")
            assert found[1][field] == from_metatensor(there, "numpy")
        raw = archive.read("0/system.mta")
    assert "system" not in found.fields
    readers = {"system.mta": bytes}
    assert DiskDataset(path, ["system"], readers=readers)[0].system == raw


def test_plain_and_compressed_members_are_read(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(path, "w", method) as archive:
            # In any order, with folders and files of others between them.
            for i in (2, 0, 1):
                archive.writestr(f"{i}/", b"")
                archive.writestr(f"{i}/energy.mts", jm.save_buffer(dataset[i].energy))
                archive.writestr(f"{i}/notes.txt", b"seen")
            archive.writestr("metadata/atom_counts.npy", b"what")
            archive.writestr("007/energy.mts", b"no number")
        found = DiskDataset(path)
        assert [s.energy for s in found] == [s.energy for s in dataset]
        notes = DiskDataset(path, readers={"notes.txt": bytes.decode})
        assert sorted(notes[2]._fields) == ["energy", "notes"]
        assert notes[2].notes == "seen"


def test_other_entries_need_a_writer(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "names.zip"
    dataset = Dataset(energy=[energy_of(rng, 1), energy_of(rng, 2)], name=["a", "b"])
    with pytest.raises(TypeError, match="the field 'name' of sample 0 is no map"):
        save_dataset(path, dataset)
    assert list(tmp_path.iterdir()) == []
    save_dataset(path, dataset, writers={"name.txt": str.encode})
    found = DiskDataset(path, readers={"name.txt": bytes.decode})
    assert list(found) == list(dataset)


def test_writing_is_all_or_nothing(path: Path, dataset: Dataset) -> None:
    before = path.read_bytes()

    def fail(index: int) -> TensorMap:
        if index == 2:
            raise OSError
        return dataset[index].energy

    with pytest.raises(ValueError, match="the field 'energy' failed"):
        save_dataset(path, Dataset(3, energy=fail))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_structures_are_taken_one_by_one(tmp_path: Path, rng: Any) -> None:
    asked = []

    def make(index: int) -> TensorMap:
        asked.append(index)
        return energy_of(np.random.default_rng(index), 2)

    save_dataset(tmp_path / "lazy.zip", Dataset(4, energy=make))
    assert sorted(asked[1:]) == [0, 1, 2, 3]  # the first is looked at for its fields


def test_an_empty_data_set(tmp_path: Path) -> None:
    save_dataset(tmp_path / "empty.zip", Dataset(energy=[]))
    assert list(DiskDataset(tmp_path / "empty.zip")) == []


@pytest.mark.parametrize("name", ["a/b", "", "..", "a\\b", "a\0"])
def test_fields_that_are_no_names_of_files(name: str, tmp_path: Path, rng: Any) -> None:
    with pytest.raises(ValueError, match="can not be the name of a file"):
        save_dataset(tmp_path / "x.zip", Dataset.from_dict({name: [energy_of(rng, 1)]}))


def test_dynamic_samples_are_not_written(tmp_path: Path, rng: Any) -> None:
    padded = jm.pad(charges_of(rng, [1]), 3)
    with pytest.raises(NotImplementedError, match="unpad"):
        save_dataset(tmp_path / "x.zip", Dataset(q=[padded]))


def test_precision_is_that_of_the_file(path: Path, dataset: Dataset) -> None:
    found = DiskDataset(path, dtype="float32")[1]
    assert found.energy == dataset[1].energy.to(dtype="float32")
    with pytest.raises(TypeError, match="dtype must be floating"):
        DiskDataset(path, dtype="int32")


def test_it_is_a_data_set_for_loaders(path: Path, dataset: Dataset) -> None:
    found = DiskDataset(path, ["energy"])
    rooms = buckets(found, 2)
    names = []
    for batch in Loader(found, 2, buckets=rooms, shuffle=True):
        names += jm.unpad(batch.energy)[0].samples["system"].tolist()
    assert sorted(names) == [0, 1, 2]


def test_it_travels_by_its_path(path: Path) -> None:
    found = DiskDataset(path, ["energy"], dtype="float32")
    again = pickle.loads(pickle.dumps(found))
    assert again[2] == found[2]
    assert again.fields == ["energy"]


def test_threads_read_at_once(path: Path, dataset: Dataset) -> None:
    found, wrong = DiskDataset(path), []

    def read() -> None:
        for _ in range(10):
            wrong.extend(i for i in range(3) if found[i] != dataset[i])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("index", [-1, 3])
def test_structures_that_are_not_there(index: int, path: Path) -> None:
    with pytest.raises(IndexError, match="there are 3 entries"):
        DiskDataset(path)[index]


# Files of others -------------------------------------------------------------------------


def _archive(path: Path, members: dict[str, bytes], method: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


MAP = bytes(jm.save_buffer(TensorMap(Labels.empty("k"), [])))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"0/e.mts": MAP, "2/e.mts": MAP}, "there is no folder 1, but 2"),
        ({"0/e.mts": b""}, "0/e.mts"),
        ({"0/e.mts": b"junk" * 20}, "0/e.mts"),
        ({"0/e.mts": MAP[:-5]}, "0/e.mts"),
        ({"0/e.mts": _npy(np.ones(3))}, "no one-dimensional one of bytes: found float64"),
        ({"0/e.mts": _npy(np.ones((2, 2), np.uint8))}, "of shape (2, 2)"),
        ({"0/e.mts": _npy(np.frombuffer(MAP[:-5], np.uint8))}, "0/e.mts"),
        ({"0/e.mts": _npy(np.frombuffer(MAP, np.uint8))[:-5]}, "0/e.mts"),
    ],
)
def test_damaged_files(members: dict[str, bytes], words: str, tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.zip", members)
    with pytest.raises(jm.CorruptFileError) as error:
        DiskDataset(path)[0]
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "sprung"),)

    file = io.BytesIO()
    np.save(file, np.array([Trap()], object), allow_pickle=True)
    path = _archive(tmp_path / "x.zip", {"0/e.mts": file.getvalue()})
    with pytest.raises(jm.CorruptFileError):
        DiskDataset(path)[0]
    assert not (tmp_path / "sprung").exists()


def test_blocks_and_labels_are_no_maps(tmp_path: Path, rng: np.random.Generator) -> None:
    for data, word in (
        (charges_of(rng, [1])[0], "TensorBlock"),
        (Labels.single(), "no one-dimensional one of bytes"),
    ):
        path = _archive(tmp_path / "x.zip", {"0/e.mts": bytes(jm.save_buffer(data))})
        with pytest.raises(ValueError, match=word) as error:
            DiskDataset(path)[0]
        assert "0/e.mts" in str(error.value)


def test_what_is_compressed_twice_is_refused(tmp_path: Path) -> None:
    """A thousandth of a thousandth of the memory that it claims would do for a file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as inner:
        inner.writestr("keys.npy", MAP)
    path = _archive(tmp_path / "x.zip", {"0/e.mts": file.getvalue()}, zipfile.ZIP_DEFLATED)
    with pytest.raises(jm.CorruptFileError, match="it is compressed twice"):
        DiskDataset(path)[0]


def test_bombs_are_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.zip", {"0/e.mts": bytes(1 << 27)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(jm.CorruptFileError, match="exhaust memory"):
        DiskDataset(path)


@pytest.mark.parametrize("change", range(0, 400, 13))
def test_every_changed_byte_is_an_error_or_harmless(
    change: int, path: Path, dataset: Dataset
) -> None:
    content = bytearray(path.read_bytes())
    content[change * len(content) // 400] ^= 0x55
    path.write_bytes(content)
    try:
        found = list(DiskDataset(path))
    except (jm.JaxmetaError, OSError):
        return
    assert found == list(dataset)


def test_fields_that_are_missing(dataset: Dataset, tmp_path: Path) -> None:
    members = {f"{i}/energy.mts": MAP for i in range(3)} | {"0/charge.mts": MAP}
    path = _archive(tmp_path / "x.zip", members)
    with pytest.raises(KeyError, match="structure 1 has no field 'charge'"):
        DiskDataset(path)
    assert len(DiskDataset(path, ["energy"])) == 3
    with pytest.raises(KeyError, match="did you mean 'energy'"):
        DiskDataset(path, ["energi"])


def test_nothing_to_read(tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.zip", {"0/system.mta": b"", "1/system.mta": b""})
    with pytest.raises(KeyError, match="structure 0 has nothing that can be read"):
        DiskDataset(path)
    assert list(DiskDataset(path, readers={"system.mta": len})) == [(0,), (0,)]


def test_two_files_for_one_field(tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.zip", {"0/e.mts": MAP, "0/e.txt": b""})
    with pytest.raises(ValueError, match="two files make the field 'e'"):
        DiskDataset(path, readers={"e.txt": bytes})


@pytest.mark.usefixtures("wrong_types")
def test_no_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DiskDataset(tmp_path / "nothing.zip")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(jm.CorruptFileError, match="it is empty"):
        DiskDataset(tmp_path / "empty")
    with pytest.raises(TypeError, match="path must be a path"):
        DiskDataset(3)  # type: ignore[arg-type]
