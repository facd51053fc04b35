"""Data sets on disk: one archive with a folder for each structure, as metatrain has it.

Folders are named 0, 1, 2 and so on; ``3/energy.mts`` is the map ``energy`` of structure 3.
metatrain keeps the bytes of each `.mts` file in a `.npy` array of bytes; both that and
plain `.mts` files are read, and the former is written. Other files are left alone, unless
a function is given that reads them.
"""

from __future__ import annotations

import mmap
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmeta.core import TensorMap
from jaxmeta.data._records import Record, record_class
from jaxmeta.data.datasets import checked_index
from jaxmeta.errors import (
    CorruptFileError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    choices,
    compose,
)
from jaxmeta.io.archive import Archive
from jaxmeta.io.conversion import Conversion
from jaxmeta.io.directory import MOST_MEMBERS, STORED
from jaxmeta.io.mts import save_buffer
from jaxmeta.io.npy import MAGIC, array_header, read_header
from jaxmeta.io.reading import open_archive, read_map
from jaxmeta.io.replacement import replaced
from jaxmeta.io.sources import BufferSource


if TYPE_CHECKING:
    Path = str | os.PathLike[str]
else:
    Path = Any  # looked at by hand, for a message that says what to do

_SUFFIX = ".mts"
_FOLDER = re.compile(r"(0|[1-9][0-9]{0,8})/([^/]+)")
_BYTES = np.dtype("u1")


class DiskDataset:
    """Structures in an archive on disk, read when they are asked for.

    Opening reads the table of contents alone. The file is mapped into memory: where it
    is not compressed nothing is copied but the numbers that are asked for, and their
    checksums are verified. Nothing in the file is executed or unpickled, and everything
    it claims is held against its size first. It must not be shortened while it is open.

    Maps hold numpy arrays, in the precision of the file whatever JAX is set to: what
    makes batches brings them to the device. Entries are named tuples `Sample`, read anew
    each time. Several threads may read at once; it can be pickled, by its path.

    Arguments:
        path: the archive.
        fields: names of the fields to read; by default all that structure 0 has.
        readers: functions from the bytes of other files to what their field holds, by
            the name of the file: with ``{"system.mta": read}`` there is a field ``system``.
        dtype: convert floating numbers to this dtype, on purpose.

    Raises:
        CorruptFileError: for a damaged or hostile file, or structures that are missing;
            what is wrong with one structure is found when it is read.
        MissingError: for fields that structure 0 lacks, or that another one lacks, and
            where there is none at all.
        InvalidError: for two files that would make one field, and after `close`.
        InvalidTypeError: for what is no path, or a dtype that is none.

    Example:
        >>> import tempfile
        >>> from jaxmeta.core import Labels, TensorBlock
        >>> from jaxmeta.data.datasets import Dataset
        >>> block = TensorBlock(np.ones((1, 1)), Labels.single(), [], Labels.single())
        >>> energy = TensorMap(Labels.single(), [block])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "data.zip")
        ...     save_dataset(path, Dataset(energy=[energy, 2.0 * energy]))
        ...     with DiskDataset(path) as dataset:
        ...         print(len(dataset), dataset[1].energy[0].values.tolist())
        2 [[2.0]]
    """

    def __init__(
        self,
        path: Path,
        fields: Sequence[str] | None = None,
        *,
        readers: Mapping[str, Callable[[bytes], Any]] | None = None,
        dtype: Any = None,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise InvalidTypeError(
                compose("DiskDataset: path must be a path.", f"found {type(path).__name__}")
            )
        self._arguments = (os.fsdecode(path), fields, readers, dtype)
        self._conversion = Conversion.of(dtype, True)
        self._readers = dict(readers or {})
        self._archive: Archive | None = Archive(_mapped(os.fsdecode(path)))
        folders = self._folders(self._archive)
        self._files = self._chosen(folders[0] if folders else {}, fields)
        self._check_complete(folders)
        self._size = len(folders)
        self._sample = record_class("Sample", tuple(self._files))

    # Table of contents ----------------------------------------------------------------

    def _folders(self, archive: Archive) -> list[dict[str, str]]:
        """For each structure its files: field to name of the file."""
        found: dict[int, dict[str, str]] = {}
        for member in archive:
            parts = _FOLDER.fullmatch(member)
            if parts is None:
                continue
            fields = found.setdefault(int(parts[1]), {})
            name = self._field(parts[2])
            if name is not None and name in fields:
                raise InvalidError(
                    compose(
                        f"DiskDataset: two files make the field {name!r}.",
                        f"they are {fields[name]} and {parts[2]} in folder {parts[1]}",
                    )
                )
            if name is not None:
                fields[name] = parts[2]
        missing = next((i for i in range(len(found)) if i not in found), None)
        if missing is not None:
            archive.place("").fail(f"there is no folder {missing}, but {max(found)}")
        return [found[i] for i in range(len(found))]

    def _field(self, file: str) -> str | None:
        """The field that a file makes, if any."""
        if file in self._readers:
            return file.rpartition(".")[0] or file
        return file.removesuffix(_SUFFIX) if file.endswith(_SUFFIX) else None

    def _chosen(self, found: Mapping[str, str], fields: Any) -> dict[str, str]:
        if fields is None:
            return dict(found)
        for name in fields:
            if name not in found:
                raise MissingError(
                    compose(
                        f"DiskDataset: structure 0 has no field {name!r}.",
                        choices(name, found),
                    )
                )
        return {name: found[name] for name in fields}

    def _check_complete(self, folders: Sequence[Mapping[str, str]]) -> None:
        if folders and not self._files:
            raise MissingError(
                compose(
                    "DiskDataset: structure 0 has nothing that can be read.",
                    remedy='maps are files named .mts; readers={"system.mta": ...} read '
                    "others.",
                )
            )
        for i, found in enumerate(folders):
            for name in self._files:
                if found.get(name) != self._files[name]:
                    raise MissingError(
                        compose(
                            f"DiskDataset: structure {i} has no field {name!r}.",
                            f"it has {list(found)}",
                            remedy="fields=[...] names those that all structures have.",
                        )
                    )

    @property
    def fields(self) -> list[str]:
        """The names of the fields of each structure."""
        return list(self._files)

    # Structures -----------------------------------------------------------------------

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Record:
        archive = self._archive
        if archive is None:
            raise InvalidError(
                compose(
                    f"DiskDataset: {self._arguments[0]} has been closed.",
                    remedy="open it again.",
                )
            )
        position = checked_index("DiskDataset", index, len(self))
        return self._sample(
            *(self._read(archive, position, file) for file in self._files.values())
        )

    def _read(self, archive: Archive, index: int, file: str) -> Any:
        name = f"{index}/{file}"
        content = archive.read(name)
        if file in self._readers:
            return self._readers[file](bytes(content))
        place = archive.place(name)
        source = BufferSource(_unwrapped(content, place), f"{place.path}: {name}")
        inner = open_archive(source)
        if archive.member(name).method != STORED:
            for member in inner:
                # Twice compressed, a few bytes could claim any amount of memory.
                if inner.member(member).method != STORED:
                    place.fail("it is compressed twice")
        return read_map(inner, self._conversion.read)

    # Closing --------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file; what was read stays."""
        self._archive = None

    def __enter__(self) -> DiskDataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        path, fields, readers, dtype = self._arguments
        return _opened, (path, fields, readers, dtype)

    def __repr__(self) -> str:
        return f"<DiskDataset {self._arguments[0]!r} of {len(self)}, fields {self.fields}>"


def _opened(path: str, fields: Any, readers: Any, dtype: Any) -> DiskDataset:
    return DiskDataset(path, fields, readers=readers, dtype=dtype)


def _mapped(path: str) -> BufferSource:
    """The bytes of a file, which are read from the disk when they are looked at."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise CorruptFileError(path, "", "it is empty")
        # The mapping goes with the last view of it.
        content = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    return BufferSource(content, path)


def _unwrapped(content: memoryview, place: Any) -> memoryview:
    """The bytes of an `.mts` file, out of the array that metatrain keeps them in."""
    if bytes(content[: len(MAGIC)]) != MAGIC:
        return content
    header = read_header(content, content.nbytes, place)
    if header.names is not None or header.dtype != _BYTES or len(header.shape) != 1:
        place.fail(
            "it is an array, but no one-dimensional one of bytes: found "
            f"{header.dtype.name} of shape {header.shape}"
        )
    return content[header.size :]


# Writing ---------------------------------------------------------------------------------


def save_dataset(
    path: Path,
    dataset: Any,
    *,
    writers: Mapping[str, Callable[[Any], bytes]] | None = None,
) -> None:
    """Write a data set to an archive that `DiskDataset` reads, and metatrain too.

    The structures are taken one after another, so that a data set may be larger than
    memory. A path gets all of it or nothing, as with `jaxmeta.save`. (metatrain wants a
    ``system.mta`` for every structure.)

    Arguments:
        path: of the archive, which is replaced if it is there.
        dataset: what has a length and gives samples: named tuples with equal fields, all
            maps but those that have a writer.
        writers: functions from an entry to bytes, by the name of a file: with
            ``{"system.mta": write}`` the field ``system`` is written as ``system.mta``.

    Raises:
        InvalidError: for names that are no names of files, or samples with other fields.
        InvalidTypeError: for entries that are no maps and have no writer, and as for
            `jaxmeta.save`.
        DynamicSamplesError: for dynamic samples.

    Example:
        >>> import tempfile
        >>> from jaxmeta.data.datasets import Dataset
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "names.zip")
        ...     save_dataset(path, Dataset(name=["a"]), writers={"name.txt": str.encode})
        ...     DiskDataset(path, readers={"name.txt": bytes.decode})[0]
        Sample(name='a')
    """
    by_field = {
        name.rpartition(".")[0] or name: (name, write)
        for name, write in (writers or {}).items()
    }
    names = _field_names(dataset)
    with (
        replaced(os.fsdecode(path)) as target,
        zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive,
    ):
        for index in range(len(dataset)):
            sample = dataset[index]
            _check_fields(index, names, tuple(sample._fields))
            for name, entry in zip(names, sample, strict=True):
                file, content = _file(index, name, entry, by_field.get(name))
                # Without a date: equal data make equal files.
                archive.writestr(zipfile.ZipInfo(f"{index}/{file}"), content)


def _field_names(dataset: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = tuple(dataset[0]._fields) if len(dataset) else ()
    for name in names:
        _check_name(name)
    members = len(dataset) * len(names)
    if members > MOST_MEMBERS:
        raise InvalidError(
            compose(
                "save_dataset: there are too many structures for one file.",
                f"they make {members} members, {MOST_MEMBERS} are possible",
                remedy="write several files.",
            )
        )
    return names


def _check_fields(index: int, names: tuple[str, ...], found: tuple[str, ...]) -> None:
    if found != names:
        raise InvalidError(
            compose(
                "save_dataset: the samples have different fields.",
                f"sample 0 has {list(names)}, sample {index} {list(found)}",
            )
        )


def _file(index: int, name: str, entry: Any, writer: Any) -> tuple[str, bytes]:
    """The name of the file of an entry, and its bytes."""
    if writer is not None:
        file, write = writer
        return file, write(entry)
    if not isinstance(entry, TensorMap):
        raise InvalidTypeError(
            compose(
                f"save_dataset: the field {name!r} of sample {index} is no map.",
                f"found {type(entry).__name__}",
                remedy=f'writers={{"{name}.txt": ...}} says how to write it.',
            )
        )
    content = save_buffer(entry)
    file = f"{name}{_SUFFIX}"
    return file, array_header(_BYTES, (content.nbytes,), file) + content


def _check_name(name: str) -> None:
    if not name or name in (".", "..") or any(c in name for c in "/\\\0"):
        raise InvalidError(
            compose(
                f"save_dataset: the field {name!r} can not be the name of a file.",
                remedy="rename it; slashes make folders.",
            )
        )
