"""Reading the members of a ZIP archive: bounded, checked, and without needless copies."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from jaxmeta.errors import CorruptFileError
from jaxmeta.io.directory import (
    DEFLATED,
    LOCAL,
    LOCAL_MAGIC,
    STORED,
    Member,
    read_directory,
)
from jaxmeta.io.sources import Source


_SMALL = 1 << 16


class Place(NamedTuple):
    """Which part of which file something is read from, for error messages."""

    path: str
    entry: str

    def fail(self, reason: str) -> NoReturn:
        """Raise the error of files."""
        raise CorruptFileError(self.path, self.entry, reason)


class Archive:
    """The members of one archive; contents are read when they are asked for.

    Arguments:
        source: the bytes of the archive.

    Raises:
        CorruptFileError: now when the table of contents, later when a member is not as
            the format promises: damaged, duplicate, overlapping, encrypted, too large.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._members = read_directory(source)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def place(self, name: str) -> Place:
        """What errors about this member call it."""
        return Place(self.source.name, name)

    def member(self, name: str) -> Member:
        """What the table of contents says of one member."""
        found = self._members.get(name)
        if found is None:
            self.place(name).fail("there is no such member in the file")
        return found

    def read(self, name: str) -> memoryview:
        """All bytes of one member, with their checksum verified."""
        member = self.member(name)
        reach = member.end - member.offset
        if reach < _SMALL:
            # One request for its header and content together.
            region = self.source.view(member.offset, reach)
            start = self._checked_start(member, region)
            packed = region[start : start + member.packed]
        else:
            packed = self.source.view(self.start(member), member.packed)
        content = packed if member.method == STORED else self._inflated(member, packed)
        self.check(member, zlib.crc32(content))
        return content

    def start(self, member: Member) -> int:
        """Where the bytes of a member begin in the file."""
        header = self.source.view(member.offset, LOCAL.size + len(member.raw_name))
        return member.offset + self._checked_start(member, header)

    def _checked_start(self, member: Member, region: memoryview) -> int:
        """How far behind its own header the content of a member begins."""
        (magic, _, flags, method, _, _, _, _, _, name_size, extra_size) = LOCAL.unpack_from(
            region
        )
        if (
            magic != LOCAL_MAGIC
            or flags & 1
            or method != member.method
            or name_size != len(member.raw_name)
            or region[LOCAL.size : LOCAL.size + name_size] != member.raw_name
        ):
            self.place(member.name).fail(
                "its own header disagrees with the table of contents"
            )
        start = LOCAL.size + name_size + extra_size
        if member.offset + start + member.packed > member.end:
            self.place(member.name).fail("it overlaps with the member after it, or the end")
        return start

    def check(self, member: Member, crc: int) -> None:
        """Compare a checksum with the one in the table of contents."""
        if crc != member.crc:
            self.place(member.name).fail(
                f"its checksum is {crc:08x} and should be {member.crc:08x}: bytes changed"
            )

    def _inflated(self, member: Member, packed: memoryview) -> memoryview:
        assert member.method == DEFLATED
        place = self.place(member.name)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, member.size + 1)
        except zlib.error as error:
            place.fail(f"it can not be inflated: {error}")
        if len(content) != member.size or not inflater.eof or inflater.unused_data:
            place.fail(f"it does not inflate to the {member.size} bytes that it claims")
        return memoryview(content)
