"""Reading parts of large files: values stay on the disk until they are looked at."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmeta.core import Labels, LabelsEntry, TensorBlock, TensorMap
from jaxmeta.core.parts._selection import one_block, several_blocks
from jaxmeta.errors import CorruptFileError, InvalidError, InvalidTypeError, compose
from jaxmeta.io.archive import Archive
from jaxmeta.io.conversion import Conversion
from jaxmeta.io.directory import STORED
from jaxmeta.io.reading import (
    BlockReader,
    array_header,
    check_block_count,
    check_holds_map,
    open_archive,
    read_info,
)
from jaxmeta.io.sources import FileSource


if TYPE_CHECKING:
    Path = str | os.PathLike[str]
else:
    Path = Any  # looked at by hand, for a message that says what to do

_AS_NUMPY = Conversion(None, as_numpy=True)


def open(path: Path) -> TensorFile:
    """Open an `.mts` file to read parts of it: a 10 GB file costs what is asked for.

    Arguments:
        path: a file that holds a map.

    Returns:
        A `TensorFile`, to be used in a ``with`` statement or closed.

    Raises:
        CorruptFileError: when the file is no `.mts` file.
        InvalidError: when it holds a block or labels.

    Example:
        >>> import tempfile, jax.numpy as jnp
        >>> from jaxmeta.io.mts import save
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = os.path.join(folder.name, "descriptor.mts")
        >>> samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> block = TensorBlock(jnp.ones((3, 2)), samples, [], Labels.range("n", 2))
        >>> save(path, TensorMap(Labels("center_type", [[8]]), [block]))
        >>> with open(path) as file:
        ...     part = file.read(samples=Labels("system", [[0]]))
        >>> len(file), part.block(center_type=8).shape
        (1, (2, 2))
        >>> folder.cleanup()
    """
    return TensorFile(path)


class TensorFile:
    """An open `.mts` file with a map in it. Made by `jaxmeta.open`.

    Opening reads the keys and the table of contents. Blocks come with their labels, and
    with values that are views of the file: reading them reads the file. They stay valid
    after the file is closed, and must not be used after somebody has shortened or
    overwritten it in place (`jaxmeta.save` never does that). Checksums are verified for
    what is read whole, not for mapped values.
    """

    def __init__(self, path: Path) -> None:
        if not isinstance(path, str | os.PathLike):
            raise InvalidTypeError(
                compose(
                    "open: only a path can be opened for reading in parts.",
                    f"found {type(path).__name__}",
                    remedy="use load for file objects and load_buffer for bytes.",
                )
            )
        self._source = FileSource(os.fsdecode(path))
        try:
            self._archive = open_archive(self._source)
            check_holds_map(self._archive)
            self._mapped = BlockReader(self._archive, self._map_values)
            self.keys = self._mapped.labels("keys.npy")
            check_block_count(self._archive, self.keys)
            self._mapping = self._map_file()
        except BaseException:
            self._source.close()
            raise
        self._closed = False

    def _map_file(self) -> mmap.mmap:
        source = self._source
        try:
            return mmap.mmap(source.fileno(), source.size, access=mmap.ACCESS_READ)
        except ValueError as error:
            reason = f"it can not be mapped: {error}"
            raise CorruptFileError(source.name, "", reason) from error

    # What is there ------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.keys)

    def info(self) -> dict[str, str]:
        """All info of the map."""
        self._check_open()
        return read_info(self._archive)

    def block(
        self,
        selection: int | Mapping[str, int] | LabelsEntry | Labels | None = None,
        /,
        **key: int,
    ) -> TensorBlock:
        """The one block that matches, with values mapped from the file, read-only.

        Arguments:
            selection: as for `TensorMap.block`.
            **key: the same, as keyword arguments.

        Returns:
            A block with numpy arrays. Values that are compressed in the file, or in
            another byte order than the machine's, are read.

        Raises:
            MissingError: when no block matches.
            InvalidError: when more than one does, or the file has been closed.
        """
        self._check_open()
        return self._mapped.block(f"blocks/{one_block(self.keys, selection, key)}/")

    def blocks(self, selection: Any = None, /, **key: int) -> list[TensorBlock]:
        """All blocks that match, as `block` gives them; all of them without a selection."""
        self._check_open()
        found = several_blocks(self.keys, selection, key)
        return [self._mapped.block(f"blocks/{i}/") for i in found]

    def read(
        self,
        keys: Any = None,
        samples: Labels | None = None,
        *,
        dtype: Any = None,
        as_numpy: bool = False,
    ) -> TensorMap:
        """Read some blocks, and some rows of them, into memory.

        Values: the rows whose samples match, in the order of the file; a block may end up
        without rows. Gradients: the rows that belong to them, renumbered; gradients of
        gradients follow. The result is that of loading everything and then selecting.

        Arguments:
            keys: which blocks, in any form that `TensorMap.blocks` takes; None for all.
            samples: labels with some or all names of the samples: every row that matches
                one of its entries is read. None for all rows.
            dtype: as for `load`.
            as_numpy: as for `load`.

        Raises:
            MissingError: for keys that are not there, or other names than the samples'.
            PrecisionError: as for `load`.
        """
        self._check_open()
        conversion = Conversion.of(dtype, as_numpy)
        positions = several_blocks(self.keys, keys, {})
        if samples is None:
            reader = BlockReader(self._archive, conversion.read)
            blocks = [reader.block(f"blocks/{i}/") for i in positions]
        else:
            blocks = [self._rows(i, samples, conversion) for i in positions]
        chosen = Labels(self.keys.names, self.keys.values[positions])
        return conversion.delivered(TensorMap(chosen, blocks, read_info(self._archive)))

    def _rows(self, index: int, samples: Labels, conversion: Conversion) -> TensorBlock:
        prefix = f"blocks/{index}/"
        block = self._mapped.block(prefix)
        conversion.check(block.dtype, self._archive.place(f"{prefix}values.npy"))
        return _rows_of(block, np.sort(_labels(block).select(samples)), conversion)

    # Mapping ------------------------------------------------------------------------

    def _map_values(self, archive: Archive, name: str) -> np.ndarray:
        member = archive.member(name)
        if member.method != STORED:
            return _AS_NUMPY.read(archive, name)
        start = archive.start(member)
        header = array_header(archive, member, start)
        if not header.dtype.isnative or header.content_size == 0:
            return _AS_NUMPY.read(archive, name)
        count = header.content_size // header.dtype.itemsize
        flat = np.frombuffer(self._mapping, header.dtype, count, start + header.size)
        return flat.reshape(header.shape, order="F" if header.fortran_order else "C")

    # Closing ------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file; blocks that were given out stay as they are."""
        if self._closed:
            return
        self._closed = True
        self._source.close()
        # The mapping itself goes with the last array that looks at it.
        del self._mapping

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidError(
                compose(
                    f"open: {self._source.name} has been closed.",
                    remedy="read inside the with statement, or open it again.",
                )
            )

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return (
            f"<TensorFile {self._source.name!r}, {state}: {len(self)} blocks, keys "
            f"{self.keys.names}>"
        )


# Rows ------------------------------------------------------------------------------------


def _rows_of(block: TensorBlock, rows: np.ndarray, conversion: Conversion) -> TensorBlock:
    """Some rows of a mapped block, in ascending order, in memory."""
    values = conversion.taken(block.values, rows)
    samples = block.samples.values[rows]
    gradients = {
        name: _gradient_rows(gradient, rows, len(block), conversion)
        for name, gradient in block.gradients()
    }
    return _with_samples(block, values, samples, gradients)


def _gradient_rows(
    gradient: TensorBlock, rows: np.ndarray, parent_rows: int, conversion: Conversion
) -> TensorBlock:
    """The rows of a gradient that belong to some rows of its parent, renumbered."""
    renumbered = np.full(parent_rows, -1, np.int32)
    renumbered[rows] = np.arange(len(rows), dtype=np.int32)
    parents = renumbered[_labels(gradient).column("sample")]
    kept = np.flatnonzero(parents >= 0)
    part = _rows_of(gradient, kept, conversion)
    samples = part.samples.values.copy()
    samples[:, 0] = parents[kept]
    return _with_samples(part, part.values, samples, dict(part.gradients()))


def _labels(block: TensorBlock) -> Labels:
    assert isinstance(block.samples, Labels), "files have static samples only"
    return block.samples


def _with_samples(
    block: TensorBlock, values: Any, samples: np.ndarray, gradients: dict[str, TensorBlock]
) -> TensorBlock:
    # Some of rows that were unique are unique, also when counted anew.
    labels = Labels(block.samples.names, samples, assume_unique=True)
    return TensorBlock(values, labels, block.components, block.properties, gradients)
