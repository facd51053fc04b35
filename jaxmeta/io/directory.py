"""The table of contents of a ZIP archive, read so that no hostile file can do harm.

The format is PKWARE's APPNOTE 6.3. The standard library's `zipfile` reads more kinds of
archives than `.mts` files are, and takes 5 microseconds and a large object for each of the
thousands of members that a map with a thousand blocks has, before a hostile number of
them can be noticed. Here the end of the archive
says how long the table is, every number is held against the size of the file before it
is used, and whatever could be read in two ways is refused.
"""

from __future__ import annotations

import re
import struct
from itertools import pairwise
from typing import NamedTuple, NoReturn

from jaxmeta.errors import CorruptFileError
from jaxmeta.io.sources import Source


STORED, DEFLATED = 0, 8
MOST_MEMBERS = 1 << 22
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
LOCATOR64 = struct.Struct("<4sLQL")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCAL_MAGIC, CENTRAL_MAGIC = b"PK\3\4", b"PK\1\2"
END_MAGIC, LOCATOR64_MAGIC, END64_MAGIC = b"PK\5\6", b"PK\6\7", b"PK\6\6"
ZIP64_EXTRA = 1

UTF8_FLAG = 1 << 11
# Encrypted, patched, strongly encrypted, or with a masked directory.
_REFUSED_FLAGS = 1 << 0 | 1 << 5 | 1 << 6 | 1 << 13

# What names in `.mts` files look like: parts that begin with a letter, digit or underscore.
_PLAIN_NAME = re.compile(rb"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*")

# Deflate makes at most 1032 bytes of one. Archives that hold more than this much in all,
# at a ratio that only runs of equal bytes reach, are taken for bombs.
_INFLATED_FREELY = 1 << 26
_MOST_INFLATION = 200


class Member(NamedTuple):
    """One file of the archive, as the table of contents describes it."""

    name: str
    raw_name: bytes
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    end: int


class Extent(NamedTuple):
    """Where the table of contents stands, and how many members it has."""

    start: int
    size: int
    members: int


def read_directory(source: Source) -> dict[str, Member]:
    """All members by name; CorruptFileError for anything that is not as it must be."""
    extent = _find_extent(source)
    table = bytes(source.view(extent.start, extent.size))
    members: list[Member] = []
    position = 0
    for _ in range(extent.members):
        member, position = _read_entry(source, table, position)
        members.append(member)
    if position != len(table):
        _fail(source, f"the table of contents has {len(table) - position} bytes too many")
    _check_inflation(source, members)
    return _by_name(source, members, extent.start)


def _fail(source: Source, reason: str, entry: str = "") -> NoReturn:
    raise CorruptFileError(source.name, entry, reason)


# The end of the archive ------------------------------------------------------------------


def _find_extent(source: Source) -> Extent:
    position, fields = _find_end(source)
    _, disk, first_disk, here, members, size, start, _ = fields
    last = position
    if FULL16 in (disk, first_disk, here, members) or FULL32 in (size, start):
        found = _find_end64(source, position)
        if found is not None:
            last, (disk, first_disk, here, members, size, start) = found
    if disk or first_disk or here != members:
        _fail(source, "the archive is one part of several")
    if start + size != last:
        _fail(
            source,
            f"the table of contents should end at byte {start + size}, but the end of the "
            f"archive is described at byte {last}",
        )
    if members > MOST_MEMBERS or members * CENTRAL.size > size:
        _fail(source, f"{members} members can not stand in {size} bytes")
    return Extent(start, size, members)


def _find_end(source: Source) -> tuple[int, tuple]:
    """The record at the end of every archive, before a comment of at most 64 KiB."""
    if source.size < END.size:
        _fail(source, f"{source.size} bytes are too few for a ZIP archive")
    for reach in (END.size, min(source.size, END.size + FULL16)):
        tail = bytes(source.view(source.size - reach, reach))
        found = tail.rfind(END_MAGIC)
        while found >= 0:
            if len(tail) - found >= END.size:
                fields = END.unpack_from(tail, found)
                if found + END.size + fields[-1] == len(tail):
                    return source.size - reach + found, fields
            found = tail.rfind(END_MAGIC, 0, found)
    _fail(source, "there is no end of a ZIP archive: no such archive, or cut off")


def _find_end64(source: Source, end: int) -> tuple[int, tuple[int, ...]] | None:
    """The record of large archives, or None: a small one may hold exactly 65535 members."""
    if end < LOCATOR64.size + END64.size:
        return None
    locator = LOCATOR64.unpack(source.view(end - LOCATOR64.size, LOCATOR64.size))
    if locator[0] != LOCATOR64_MAGIC:
        return None
    position = end - LOCATOR64.size - END64.size
    record = END64.unpack(source.view(position, END64.size))
    if locator[2] != position or record[0] != END64_MAGIC or record[1] != END64.size - 12:
        _fail(source, "the record of a large archive (zip64) is not where it should be")
    return position, record[4:]


# One entry -------------------------------------------------------------------------------


def _read_entry(source: Source, table: bytes, position: int) -> tuple[Member, int]:
    if position + CENTRAL.size > len(table):
        _fail(source, "the table of contents is cut off")
    (magic, _, _, flags, method, _, _, crc, packed, size, name_size, extra_size,
     comment_size, disk, _, _, offset) = CENTRAL.unpack_from(table, position)  # fmt: skip
    name_end = position + CENTRAL.size + name_size
    extra_end = name_end + extra_size
    end = extra_end + comment_size
    if magic != CENTRAL_MAGIC or end > len(table):
        _fail(source, f"the table of contents is damaged at byte {position}")
    raw_name = table[position + CENTRAL.size : name_end]
    plain = _PLAIN_NAME.fullmatch(raw_name) is not None
    name = raw_name.decode("ascii") if plain else _checked_name(source, raw_name, flags)
    if packed == FULL32 or size == FULL32 or offset == FULL32:
        size, packed, offset = _large_numbers(
            source, name, table[name_end:extra_end], (size, packed, offset)
        )
    if disk:
        _fail(source, "it is on another part of the archive", name)
    if flags & _REFUSED_FLAGS:
        _fail(source, "it is encrypted or patched", name)
    if method != STORED or packed != size or packed > source.size:
        _check_sizes(source, name, method, packed, size)
    return Member(name, raw_name, method, crc, packed, size, offset, 0), end


def _checked_name(source: Source, raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & UTF8_FLAG else "cp437")
    except UnicodeDecodeError:
        _fail(source, f"the name {raw[:80]!r} of a member is not UTF-8")
    # A folder's own entry ends with a slash.
    parts = name.removesuffix("/").split("/")
    if "\\" in name or "\0" in name or "" in parts or "." in parts or ".." in parts:
        _fail(source, f"the name {name[:80]!r} of a member is no plain relative path")
    return name


def _large_numbers(
    source: Source, name: str, extra: bytes, numbers: tuple[int, int, int]
) -> tuple[int, int, int]:
    """The numbers that did not fit into 32 bits, from the extra field for them."""
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, position)
        position += 4
        if kind == ZIP64_EXTRA:
            wanted = numbers.count(FULL32)
            if size < 8 * wanted or position + size > len(extra):
                break
            large = iter(struct.unpack_from(f"<{wanted}Q", extra, position))
            found = [next(large) if number == FULL32 else number for number in numbers]
            return found[0], found[1], found[2]
        position += size
    # Without the field the numbers are what they are: the checks that follow decide.
    return numbers


def _check_sizes(source: Source, name: str, method: int, packed: int, size: int) -> None:
    if method not in (STORED, DEFLATED):
        _fail(source, f"it is compressed by method {method}, not stored or deflated", name)
    if packed > source.size:
        _fail(source, f"it claims {packed} bytes, the whole file has {source.size}", name)
    if method == STORED and packed != size:
        _fail(source, f"it is stored in {packed} bytes and claims to hold {size}", name)
    if method == DEFLATED and size > 1032 * packed + 64:
        _fail(source, f"{packed} bytes can not be inflated to {size}", name)


# All of them -----------------------------------------------------------------------------


def _check_inflation(source: Source, members: list[Member]) -> None:
    size = sum(member.size for member in members if member.method == DEFLATED)
    packed = sum(member.packed for member in members if member.method == DEFLATED)
    if size > max(_INFLATED_FREELY, _MOST_INFLATION * packed):
        _fail(
            source,
            f"{packed} compressed bytes claim to hold {size}: more than "
            f"{_MOST_INFLATION} times as many, as in an archive made to exhaust memory",
        )


def _by_name(source: Source, members: list[Member], limit: int) -> dict[str, Member]:
    """Members by name, in the order of the file, each with the byte where it must end."""
    members.sort(key=lambda member: member.offset)
    if members and members[-1].offset + LOCAL.size > limit:
        _fail(source, "it stands behind the table of contents", members[-1].name)
    ends = [*(after.offset for _, after in pairwise(members)), limit]
    found: dict[str, Member] = {}
    for member, end in zip(members, ends, strict=False):
        if member.name in found:
            _fail(source, "there are two members of this name", member.name)
        if member.offset + LOCAL.size + len(member.raw_name) + member.packed > end:
            _fail(source, "it overlaps with the member after it, or the end", member.name)
        found[member.name] = Member(*member[:-1], end)
    return found
