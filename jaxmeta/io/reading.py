"""From the members of an archive to labels, blocks and maps, with numpy arrays."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, JaxmetaError, compose
from jaxmeta.io.archive import Archive, Place
from jaxmeta.io.directory import STORED, Member
from jaxmeta.io.npy import (
    MAGIC,
    MOST_NAMELESS_ROWS,
    Header,
    aligned_bytes,
    header_size,
    read_header,
    shaped,
)
from jaxmeta.io.sources import Source


# Below this size one request for the whole member is faster than two for its parts.
_SMALL = 1 << 14
_LARGEST_INFO = 1 << 24
# Label files that are remembered while blocks are read: a bound for files left open.
_LARGEST_KEPT = 1 << 14
_MOST_KEPT = 1 << 12
_DEEPEST_GRADIENTS = 16

ReadArray = Callable[[Archive, str], np.ndarray]


def open_archive(source: Source) -> Archive:
    """The archive in this source, with a hint when labels stand there instead."""
    if source.size >= len(MAGIC) and bytes(source.view(0, len(MAGIC))) == MAGIC:
        raise wrong_kind(source, "Labels", "load_labels")
    return Archive(source)


def wrong_kind(source: Source, kind: str, function: str) -> InvalidError:
    """The error for a sound file that holds something else."""
    return InvalidError(
        compose(
            f"load: {source.name} holds a {kind}.".replace("a Labels", "Labels"),
            remedy=f"use jaxmeta.{function}, or jaxmeta.{function}_buffer for bytes.",
        )
    )


# Labels ----------------------------------------------------------------------------------


def parse_labels(content: memoryview, place: Place) -> Labels:
    """The labels in the bytes of one `.npy` file."""
    header = read_header(content, content.nbytes, place)
    if header.names is None or len(header.shape) != 1:
        place.fail(
            "labels are a one-dimensional array of named integers, found "
            f"{header.dtype.name} values of shape {header.shape}"
        )
    rows = header.shape[0]
    if not header.names and rows > MOST_NAMELESS_ROWS:
        place.fail(f"it claims {rows} rows without any name")
    # No bytes: the array gets its shape, not its content, from the header.
    flat = np.frombuffer(content[header.size :], header.dtype)
    table = flat.reshape(rows, len(header.names)).astype(np.int32, copy=False)
    try:
        return Labels(header.names, table)
    except JaxmetaError as error:
        place.fail(str(error))


# Arrays ----------------------------------------------------------------------------------


def array_header(archive: Archive, member: Member, start: int) -> Header:
    """The header of the array in a stored member that begins at `start`."""
    place = archive.place(member.name)
    probe = archive.source.view(start, min(12, member.size))
    size = min(header_size(probe, place), member.size)
    header = read_header(archive.source.view(start, size), member.size, place)
    _check_is_array(header, place)
    return header


def _check_is_array(header: Header, place: Place) -> None:
    if header.names is not None:
        place.fail("it should hold values, but it holds labels")


def read_array(
    archive: Archive, name: str, check: Callable[[np.dtype, Place], None]
) -> np.ndarray:
    """The array in one member, in memory of its own, with its checksum verified.

    Arguments:
        archive: where the member is.
        name: name of the member.
        check: sees the dtype before anything large is read.
    """
    member = archive.member(name)
    if member.method == STORED and member.size > _SMALL:
        return _read_large(archive, member, check)
    content = archive.read(name)
    place = archive.place(name)
    header = read_header(content, content.nbytes, place)
    _check_is_array(header, place)
    check(header.dtype, place)
    memory = aligned_bytes(header.content_size)
    memory[:] = np.frombuffer(content[header.size :], np.uint8)
    return shaped(memory, header)


def _read_large(
    archive: Archive, member: Member, check: Callable[[np.dtype, Place], None]
) -> np.ndarray:
    start = archive.start(member)
    header = array_header(archive, member, start)
    check(header.dtype, archive.place(member.name))
    memory = aligned_bytes(header.content_size)
    archive.source.fill(start + header.size, memoryview(memory))
    crc = zlib.crc32(archive.source.view(start, header.size))
    archive.check(member, zlib.crc32(memory, crc))
    return shaped(memory, header)


# Blocks ----------------------------------------------------------------------------------


class BlockReader:
    """Builds blocks out of the members of one archive.

    Equal label files, of which a map with many blocks has many, are parsed once.

    Arguments:
        archive: where the blocks are.
        read_values: makes the array of one member.
    """

    def __init__(self, archive: Archive, read_values: ReadArray) -> None:
        self._archive = archive
        self._read_values = read_values
        self._known: dict[bytes, Labels] = {}
        self._gradients = _gradient_names(archive)

    def labels(self, name: str) -> Labels:
        """The labels in one member."""
        content = self._archive.read(name)
        if content.nbytes > _LARGEST_KEPT:
            return parse_labels(content, self._archive.place(name))
        key = bytes(content)
        labels = self._known.get(key)
        if labels is None:
            labels = parse_labels(content, self._archive.place(name))
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[key] = labels
        return labels

    def block(self, prefix: str) -> TensorBlock:
        """The block whose members have names that begin like this."""
        return self._block(prefix, self.labels(f"{prefix}properties.npy"))

    def _block(self, prefix: str, properties: Labels) -> TensorBlock:
        name = f"{prefix}values.npy"
        values = self._read_values(self._archive, name)
        if values.ndim < 2:
            self._archive.place(name).fail(
                f"values have samples and properties, found the shape {values.shape}"
            )
        samples = self.labels(f"{prefix}samples.npy")
        components = self._components(prefix, values.ndim - 2)
        gradients = {
            parameter: self._block(f"{prefix}gradients/{parameter}/", properties)
            for parameter in self._gradients.get(prefix, ())
        }
        try:
            return TensorBlock(values, samples, components, properties, gradients)
        except JaxmetaError as error:
            self._archive.place(prefix or name).fail(str(error))

    def _components(self, prefix: str, count: int) -> list[Labels]:
        beyond = f"{prefix}components/{count}.npy"
        if beyond in self._archive:
            self._archive.place(beyond).fail(f"the values have only {count} component axes")
        return [self.labels(f"{prefix}components/{i}.npy") for i in range(count)]


def _gradient_names(archive: Archive) -> dict[str, dict[str, None]]:
    """Prefix of a block to the names of its gradients, in the order of the file."""
    found: dict[str, dict[str, None]] = {}
    for name in archive:
        if "gradients/" not in name:
            continue
        parts = name.split("/")
        depth = 2 if parts[0] == "blocks" else 0
        if len(parts) > depth + 2 * _DEEPEST_GRADIENTS:
            archive.place(name[:80]).fail("gradients of gradients are nested too deeply")
        if parts[-1] not in ("values.npy", "samples.npy"):
            continue
        while len(parts) > depth + 2 and parts[depth] == "gradients":
            prefix = "".join(f"{part}/" for part in parts[:depth])
            found.setdefault(prefix, {})[parts[depth + 1]] = None
            depth += 2
    return found


# Maps ------------------------------------------------------------------------------------


def check_holds_map(archive: Archive) -> None:
    """Refuse an archive that holds a block, or neither."""
    if "keys.npy" not in archive:
        if "values.npy" in archive:
            raise wrong_kind(archive.source, "TensorBlock", "load_block")
        archive.place("").fail("there is neither keys.npy nor values.npy in it")


def check_holds_block(archive: Archive) -> None:
    """Refuse an archive that holds a map, or neither."""
    if "keys.npy" in archive:
        raise wrong_kind(archive.source, "TensorMap", "load")
    if "values.npy" not in archive:
        archive.place("").fail("there is neither keys.npy nor values.npy in it")


def check_block_count(archive: Archive, keys: Labels) -> None:
    """As many blocks as keys: none is left out without a word."""
    count = sum(
        name.startswith("blocks/") and name.endswith("/values.npy") and name.count("/") == 2
        for name in archive
    )
    if count != len(keys):
        archive.place("keys.npy").fail(f"there are {len(keys)} keys and {count} blocks")


def read_map(archive: Archive, read_values: ReadArray) -> TensorMap:
    """The map in the archive."""
    check_holds_map(archive)
    reader = BlockReader(archive, read_values)
    keys = reader.labels("keys.npy")
    check_block_count(archive, keys)
    blocks = [reader.block(f"blocks/{i}/") for i in range(len(keys))]
    try:
        return TensorMap(keys, blocks, read_info(archive))
    except (InvalidError, InvalidTypeError) as error:
        archive.place("").fail(str(error))


def read_block(archive: Archive, read_values: ReadArray) -> TensorBlock:
    """The block in the archive."""
    check_holds_block(archive)
    return BlockReader(archive, read_values).block("")


def read_info(archive: Archive) -> dict[str, str]:
    """The texts in `info.json`; nothing when there is no such member."""
    name = "info.json"
    if name not in archive:
        return {}
    place = archive.place(name)
    if archive.member(name).size > _LARGEST_INFO:
        place.fail(f"it is larger than {_LARGEST_INFO} bytes")
    try:
        text = bytes(archive.read(name)).decode("utf-8")
        found: Any = json.loads(text, object_pairs_hook=_unique_pairs)
    except (ValueError, RecursionError) as error:
        if isinstance(error, JaxmetaError):
            raise
        place.fail(f"it is no JSON in UTF-8: {error}")
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        place.fail("it must be one object that maps names to texts")
    if any("\ud800" <= c <= "\udfff" for pair in found.items() for c in "".join(pair)):
        place.fail("it holds half a character (a lone surrogate)")
    return found


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a name stands twice"
        raise ValueError(message)
    return found
