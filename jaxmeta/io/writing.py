"""Writing ZIP archives, byte for byte as metatensor writes them.

Members are stored as they are, dated 2000-01-01, with their sizes in a zip64 field even
when 32 bits would do, as the streaming writer of metatensor leaves them. The same data
thus give the same bytes, here and there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxmeta.errors import InvalidError, compose
from jaxmeta.io.directory import (
    CENTRAL,
    CENTRAL_MAGIC,
    END,
    END64,
    END64_MAGIC,
    END_MAGIC,
    FULL16,
    FULL32,
    LOCAL,
    LOCAL_MAGIC,
    LOCATOR64,
    LOCATOR64_MAGIC,
    MOST_MEMBERS,
    STORED,
    UTF8_FLAG,
    ZIP64_EXTRA,
)


_TIME, _DATE = 0, (2000 - 1980) << 9 | 1 << 5 | 1
_NEEDS, _NEEDS_ZIP64, _MADE_BY_UNIX = 20, 45, 3 << 8 | 46
_NEEDS_LARGE_TABLE = 46
_REGULAR_0644 = 0o100644 << 16
_SIZES = struct.Struct("<HHQQ")
# The field that Android's zipalign made common: its content is only there to take room.
_PADDING_EXTRA = 0xD935
_ALIGNMENT = 64


class Item(NamedTuple):
    """One member to be written: its name, its header, and the bytes that follow."""

    name: bytes
    header: bytes
    content: np.ndarray
    size: int
    crc: int

    @classmethod
    def of(cls, name: str, header: bytes, content: np.ndarray) -> Item:
        """The member with this name and these bytes."""
        crc = zlib.crc32(content, zlib.crc32(header))
        return cls(_raw(name), header, content, len(header) + content.nbytes, crc)

    def named(self, name: str) -> Item:
        """The same bytes under another name."""
        return Item(_raw(name), *self[1:])


def _raw(name: str) -> bytes:
    raw = name.encode()
    if len(raw) > FULL16:
        raise InvalidError(
            compose(
                "save: a name is too long for a file.",
                f"{name[:60]!r}... takes {len(raw)} bytes, {FULL16} are possible",
                remedy="give the gradient a shorter name.",
            )
        )
    return raw


def archive_size(items: Sequence[Item], align: bool) -> int:
    """How many bytes `archive_chunks` will give, known before any is made."""
    position = table = 0
    for item in items:
        name_size = len(item.name)
        offset, position = position, position + LOCAL.size + name_size + _SIZES.size
        position += len(_padding(position)) if align else 0
        position += item.size
        table += CENTRAL.size + name_size + len(_large(item.size, offset))
    large = _is_large(len(items), table, position)
    return position + table + END.size + (END64.size + LOCATOR64.size if large else 0)


def archive_chunks(items: Sequence[Item], align: bool) -> Iterator[bytes | np.ndarray]:
    """The bytes of the archive, piece by piece; contents are not copied.

    Arguments:
        items: the members, in the order of the file.
        align: begin every member at a multiple of 64 bytes.

    Raises:
        InvalidError: for more members than can be read again, or names too long.
    """
    if len(items) > MOST_MEMBERS:
        raise InvalidError(
            compose(
                "save: there are too many blocks for one file.",
                f"they make {len(items)} members, {MOST_MEMBERS} are possible",
                remedy="save several maps, or join blocks with keys_to_properties.",
            )
        )
    position = 0
    table: list[bytes] = []
    for item in items:
        start = _local_header(item, position, align)
        table.append(_table_entry(item, position))
        yield start + item.header
        yield item.content
        position += len(start) + item.size
    directory = b"".join(table)
    yield directory
    yield _end(len(items), len(directory), position)


def _flags(name: bytes) -> int:
    return 0 if name.isascii() else UTF8_FLAG


def _local_header(item: Item, position: int, align: bool) -> bytes:
    extra = _SIZES.pack(ZIP64_EXTRA, 16, item.size, item.size)
    if align:
        extra += _padding(position + LOCAL.size + len(item.name) + len(extra))
    fixed = LOCAL.pack(
        LOCAL_MAGIC, _NEEDS, _flags(item.name), STORED, _TIME, _DATE, item.crc, FULL32,
        FULL32, len(item.name), len(extra),
    )  # fmt: skip
    return fixed + item.name + extra


def _padding(position: int) -> bytes:
    """An extra field after which the next byte stands at a multiple of 64."""
    size = -(position + 4) % _ALIGNMENT
    return struct.pack("<HH", _PADDING_EXTRA, size) + bytes(size)


def _large(size: int, offset: int) -> bytes:
    """The zip64 field of the table of contents: the numbers that need more than 32 bits."""
    numbers = [size, size] if size >= FULL32 else []
    numbers += [offset] if offset >= FULL32 else []
    if not numbers:
        return b""
    count = len(numbers)
    return struct.pack(f"<HH{count}Q", ZIP64_EXTRA, 8 * count, *numbers)


def _table_entry(item: Item, offset: int) -> bytes:
    extra = _large(item.size, offset)
    size = min(item.size, FULL32)
    fixed = CENTRAL.pack(
        CENTRAL_MAGIC, _MADE_BY_UNIX, _NEEDS_ZIP64 if extra else _NEEDS,
        _flags(item.name), STORED, _TIME, _DATE, item.crc, size, size, len(item.name),
        len(extra), 0, 0, 0, _REGULAR_0644, min(offset, FULL32),
    )  # fmt: skip
    return fixed + item.name + extra


def _is_large(members: int, table: int, position: int) -> bool:
    return members > FULL16 or max(table, position) > FULL32


def _end(members: int, table: int, position: int) -> bytes:
    large = b""
    if _is_large(members, table, position):
        large = END64.pack(
            END64_MAGIC, END64.size - 12, _NEEDS_LARGE_TABLE, _NEEDS_LARGE_TABLE, 0, 0,
            members, members, table, position,
        ) + LOCATOR64.pack(LOCATOR64_MAGIC, 0, position + table, 1)  # fmt: skip
    count = min(members, FULL16)
    return large + END.pack(
        END_MAGIC, 0, 0, count, count, min(table, FULL32), min(position, FULL32), 0
    )
