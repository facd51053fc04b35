"""Loading and saving `.mts` files: maps, blocks and labels."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.io.archive import Place
from jaxmeta.io.conversion import Conversion
from jaxmeta.io.directory import LOCAL_MAGIC
from jaxmeta.io.reading import (
    open_archive,
    parse_labels,
    read_block,
    read_map,
    wrong_kind,
)
from jaxmeta.io.replacement import replaced
from jaxmeta.io.saving import block_items, labels_parts, map_items
from jaxmeta.io.sources import BufferSource, Source, source_of
from jaxmeta.io.writing import archive_chunks, archive_size


if TYPE_CHECKING:
    File = str | os.PathLike[str] | BinaryIO
    Buffer = bytes | bytearray | memoryview
    Data = TensorMap | TensorBlock | Labels
else:
    # Looked at by hand, for messages that say what to do.
    File = Buffer = Data = Any


def load(file: File, *, dtype: Any = None, as_numpy: bool = False) -> TensorMap:
    """Load a map from an `.mts` file, written by jaxmeta, metatensor or numpy.

    Labels and values come back exactly as they were saved. Files are data: nothing in
    them is ever executed, and everything they claim is held against their size before
    memory is taken. (Compressed members, which metatensor and jaxmeta never write, may
    grow to 64 MiB in all, or to 200 times their size.)

    Arguments:
        file: a path, or a binary file object that is read from where it stands.
        dtype: convert floating values to this floating dtype, on purpose (complex values
            to a complex one). Integers and bools are not converted: asking for it is an
            error.
        as_numpy: keep the values in numpy arrays, whatever precision JAX is set to.

    Returns:
        The map, in arrays of JAX on its default device unless `as_numpy`.

    Raises:
        CorruptFileError: when the file is damaged, hostile, or no `.mts` file at all.
        InvalidError: when the file holds a block or labels; the message names the
            function to use.
        InvalidTypeError: when `dtype` does not fit the values.
        PrecisionError: for 64-bit values while JAX runs without x64: choose `dtype`,
            `as_numpy=True`, or enable x64. Nothing is rounded silently.

    Example:
        >>> import io, jax.numpy as jnp
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3)), Labels.range("system", 2), [], Labels.range("n", 3)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block], {"unit": "eV"})
        >>> file = io.BytesIO()
        >>> save(file, tensor)
        >>> loaded = load(io.BytesIO(file.getvalue()))
        >>> loaded == tensor, loaded.info()
        (True, {'unit': 'eV'})
    """
    with closing(source_of(file)) as source:
        return _load_map(source, Conversion.of(dtype, as_numpy))


def load_block(file: File, *, dtype: Any = None, as_numpy: bool = False) -> TensorBlock:
    """Load a single block from an `.mts` file; arguments and errors as for `load`.

    >>> import io, jax.numpy as jnp
    >>> n = Labels.range("n", 3)
    >>> block = TensorBlock(jnp.ones((2, 3)), Labels.range("system", 2), [], n)
    >>> load_block(io.BytesIO(save_buffer(block))) == block
    True
    """
    with closing(source_of(file)) as source:
        return _load_block(source, Conversion.of(dtype, as_numpy))


def load_labels(file: File) -> Labels:
    """Load labels from an `.mts` (or `.npy`) file.

    Raises:
        CorruptFileError: when the file is damaged or holds no labels.
        InvalidError: when the file holds a map or a block.

    >>> import io
    >>> load_labels(io.BytesIO(save_buffer(Labels.range("atom", 2)))).values.tolist()
    [[0], [1]]
    """
    with closing(source_of(file)) as source:
        return _load_labels(source)


def load_buffer(buffer: Buffer, *, dtype: Any = None, as_numpy: bool = False) -> TensorMap:
    """Load a map from the bytes of an `.mts` file; see `load`.

    >>> load_buffer(save_buffer(TensorMap(Labels.empty("k"), []))).keys.names
    ['k']
    """
    return _load_map(BufferSource(buffer), Conversion.of(dtype, as_numpy))


def load_block_buffer(
    buffer: Buffer, *, dtype: Any = None, as_numpy: bool = False
) -> TensorBlock:
    """Load a block from the bytes of an `.mts` file; see `load_block`.

    >>> n = Labels.range("n", 1)
    >>> block = TensorBlock(np.ones((1, 1)), Labels.single(), [], n)
    >>> load_block_buffer(save_buffer(block), as_numpy=True).values
    array([[1.]])
    """
    return _load_block(BufferSource(buffer), Conversion.of(dtype, as_numpy))


def load_labels_buffer(buffer: Buffer) -> Labels:
    """Load labels from the bytes of an `.mts` file; see `load_labels`.

    >>> load_labels_buffer(save_buffer(Labels.single())) is Labels.single()
    True
    """
    return _load_labels(BufferSource(buffer))


def save(file: File, data: Data, *, align: bool = False) -> None:
    """Save a map, a block or labels to an `.mts` file, which metatensor reads too.

    A path gets all of it or nothing: the file is written beside it and takes its place
    when it is complete and on the disk; a crash or an exception leaves the old file. A
    path without ``.mts`` gets it, with a warning, as in metatensor.

    Arguments:
        file: a path, or a file object opened for writing bytes.
        data: what to save, with static samples.
        align: let arrays begin at multiples of 64 bytes, by some padding between the
            members. Arrays that are mapped from such a file need no copy to be used by
            JAX. Off by default: only without padding the file has byte for byte what
            metatensor would write, so that equal data make equal files everywhere.
            Both load either.

    Raises:
        InvalidTypeError: for other data, tracers, or a dtype without a place in the
            format, such as bfloat16: convert to float32 first.
        DynamicSamplesError: for dynamic samples: `unpad` them first.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> save(file, Labels.range("atom", 3))
        >>> file.getvalue()[:6]
        b'\\x93NUMPY'
    """
    _, chunks = _encoded(data, align)
    if isinstance(file, str | os.PathLike):
        with replaced(_with_suffix(os.fsdecode(file))) as target:
            _write(target, chunks)
    elif callable(getattr(file, "write", None)) and not isinstance(file, io.TextIOBase):
        _write(file, chunks)
    else:
        raise InvalidTypeError(
            compose(
                "save: the file must be a path or a file object opened for writing bytes.",
                f"found {type(file).__name__}",
                remedy="open it in binary mode: open(path, 'wb').",
            )
        )


def save_buffer(data: Data, *, align: bool = False) -> memoryview:
    """The bytes that `save` would write to a file, read-only.

    >>> bytes(save_buffer(TensorMap(Labels.empty("k"), []))[:4])
    b'PK\\x03\\x04'
    """
    size, chunks = _encoded(data, align)
    memory = memoryview(np.empty(size, np.uint8))
    position = 0
    for chunk in chunks:
        view = memoryview(chunk)
        memory[position : position + view.nbytes] = view
        position += view.nbytes
    assert position == size
    return memory.toreadonly()


def _load_map(source: Source, conversion: Conversion) -> TensorMap:
    return conversion.delivered(read_map(open_archive(source), conversion.read))


def _load_block(source: Source, conversion: Conversion) -> TensorBlock:
    return conversion.delivered(read_block(open_archive(source), conversion.read))


def _load_labels(source: Source) -> Labels:
    if source.size >= 4 and bytes(source.view(0, 4)) == LOCAL_MAGIC:
        archive = open_archive(source)
        if "keys.npy" in archive:
            raise wrong_kind(source, "TensorMap", "load")
        raise wrong_kind(source, "TensorBlock", "load_block")
    return parse_labels(source.view(0, source.size), Place(source.name, ""))


def _encoded(data: Any, align: bool) -> tuple[int, Iterable[bytes | np.ndarray]]:
    """How many bytes the file has, and the bytes."""
    if isinstance(data, Labels):
        header, content = labels_parts(data)
        return len(header) + content.nbytes, (header, content)
    if isinstance(data, TensorMap):
        items = map_items(data)
    elif isinstance(data, TensorBlock):
        items = block_items(data)
    else:
        raise InvalidTypeError(
            compose(
                "save: only a TensorMap, a TensorBlock or Labels can be saved.",
                f"found {type(data).__name__}",
            )
        )
    return archive_size(items, align), archive_chunks(items, align)


def _write(file: Any, chunks: Iterable[bytes | np.ndarray]) -> None:
    for chunk in chunks:
        view = memoryview(chunk)
        # An unbuffered file may take a part and say how much.
        while view.nbytes:
            written = file.write(view)
            view = view[view.nbytes if written is None else written :]


def _with_suffix(path: str) -> str:
    if not os.path.basename(path):
        raise InvalidError(compose("save: the path names no file.", f"found {path!r}"))
    if path.endswith(".mts"):
        return path
    path = f"{path}.mts"
    warnings.warn(
        f"adding '.mts' extension, the file will be saved at '{path}'",
        UserWarning,
        stacklevel=3,
    )
    return path
