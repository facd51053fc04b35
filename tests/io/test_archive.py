"""ZIP archives: `zipfile` is the oracle of both directions; hostile ones are refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typed_calls import untyped

from jaxmeta.errors import CorruptFileError, InvalidError
from jaxmeta.io import directory, writing
from jaxmeta.io.archive import Archive
from jaxmeta.io.sources import BufferSource, FileSource
from jaxmeta.io.writing import Item, archive_chunks, archive_size


CONTENTS = {
    "keys.npy": b"some keys",
    "blocks/0/values.npy": bytes(range(256)) * 40,
    "blocks/0/gradients/ü x/samples.npy": b"",
    "read me.txt": b"z" * 5000,
}


class Stream(io.RawIOBase):
    """A file that can not go back: zipfile then writes sizes behind the data."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.content += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


def zipped(
    contents: dict[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b""
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.comment = comment
    return file.getvalue()


def streamed(contents: dict[str, bytes]) -> bytes:
    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for name, content in contents.items():
            archive.writestr(name, content)
    return stream.content


def in_zip64(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    return file.getvalue()


def read_all(content: bytes) -> dict[str, bytes]:
    archive = Archive(BufferSource(content))
    return {name: bytes(archive.read(name)) for name in archive}


@pytest.mark.parametrize(
    "content",
    [
        zipped(CONTENTS),
        zipped(CONTENTS, zipfile.ZIP_DEFLATED),
        zipped(CONTENTS, comment=b"written on a rainy day PK\5\6"),
        zipped(CONTENTS, comment=b"c" * 65535),
        zipped(dict(reversed(CONTENTS.items()))),
        streamed(CONTENTS),
        in_zip64(CONTENTS),
    ],
    ids=["stored", "deflated", "comment", "long", "order", "streamed", "zip64"],
)
def test_what_zipfile_writes_is_read(content: bytes) -> None:
    assert read_all(content) == CONTENTS


def test_an_empty_archive() -> None:
    assert read_all(zipped({})) == {}


def test_entries_of_folders_are_members_like_others() -> None:
    assert read_all(zipped({"blocks/": b"", "blocks/a": b"1"})) == {
        "blocks/": b"",
        "blocks/a": b"1",
    }


def items_of(contents: dict[str, bytes]) -> list[Item]:
    return [
        Item.of(name, content[:5], np.frombuffer(content[5:], np.uint8))
        for name, content in contents.items()
    ]


def written(contents: dict[str, bytes], align: bool = False) -> bytes:
    items = items_of(contents)
    content = b"".join(bytes(chunk) for chunk in archive_chunks(items, align))
    assert len(content) == archive_size(items, align)
    return content


names = st.text("abc/ü .é☃", min_size=1, max_size=12).filter(
    lambda name: not {"", ".", ".."} & set(name.split("/"))
)


@given(st.dictionaries(names, st.binary(max_size=300), max_size=8), st.booleans())
def test_what_is_written_is_read_by_zipfile_and_again(
    contents: dict[str, bytes], align: bool
) -> None:
    content = written(contents, align)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents
    assert read_all(content) == contents


def test_alignment() -> None:
    content = written(CONTENTS, align=True)
    archive = Archive(BufferSource(content))
    starts = [archive.start(archive.member(name)) for name in archive]
    assert [start % 64 for start in starts] == [0] * len(CONTENTS)


def test_members_beyond_four_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the border between 32 and 64 bits lowered, zipfile must still understand."""
    plain = written(CONTENTS)
    monkeypatch.setattr(writing, "_is_large", lambda *_: True)
    monkeypatch.setattr(
        writing,
        "_large",
        lambda size, offset: struct.pack("<HHQQQ", 1, 24, size, size, offset),
    )
    pack = writing.CENTRAL.pack

    class AllFull:
        size = writing.CENTRAL.size

        @staticmethod
        def pack(*fields: int) -> bytes:
            full = 0xFFFFFFFF
            return pack(*fields[:8], full, full, *fields[10:-1], full)

    monkeypatch.setattr(writing, "CENTRAL", AllFull)
    end = writing.END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    content = written(CONTENTS)[: -len(end)] + end
    assert len(content) == len(plain) + 28 * len(CONTENTS) + 56 + 20
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS
    assert read_all(content) == CONTENTS


def test_more_members_than_16_bits_count() -> None:
    with untyped():
        check_many_members()


def check_many_members() -> None:
    item = Item.of("0", b"", np.zeros(0, np.uint8))
    items = [item.named(f"{i}") for i in range(65537)]
    content = b"".join(bytes(chunk) for chunk in archive_chunks(items, False))
    assert len(content) == archive_size(items, False)
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 65537
    assert len(directory.read_directory(BufferSource(content))) == 65537
    # Exactly as many as 16 bits can tell: no record of large archives.
    content = b"".join(bytes(chunk) for chunk in archive_chunks(items[:65535], False))
    assert directory.END64_MAGIC not in content
    assert len(directory.read_directory(BufferSource(content))) == 65535


def test_numbers_that_need_64_bits_are_those_that_get_them() -> None:
    full = 0xFFFFFFFF
    assert writing._large(full - 1, full - 1) == b""
    assert struct.unpack("<HHQQ", writing._large(full, 0)) == (1, 16, full, full)
    assert struct.unpack("<HHQ", writing._large(0, full)) == (1, 8, full)
    assert writing._is_large(65535, full, full) is False
    assert writing._is_large(65536, 0, 0) is True
    assert writing._is_large(0, full + 1, 0) is True


def test_names_too_long_and_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidError, match="70000 bytes, 65535 are possible"):
        Item.of("n" * 70000, b"", np.zeros(0, np.uint8))
    monkeypatch.setattr(writing, "MOST_MEMBERS", 3)
    with pytest.raises(InvalidError, match="make 4 members, 3 are possible"):
        list(archive_chunks(items_of(CONTENTS), False))


# Hostile archives ------------------------------------------------------------------------


def patched(content: bytes, index: int, **fields: int) -> bytes:
    """An archive with some fields of one entry in its table of contents replaced."""
    order = ["magic", "made", "needs", "flags", "method", "time", "date", "crc", "packed"]
    order += ["size", "name", "extra", "comment", "disk", "inner", "outer", "offset"]
    raw = bytearray(content)
    start = struct.unpack_from("<L", raw, len(raw) - 6)[0]
    for _ in range(index):
        sizes = directory.CENTRAL.unpack_from(raw, start)[10:13]
        start += directory.CENTRAL.size + sum(sizes)
    old = directory.CENTRAL.unpack_from(raw, start)
    new = [fields.get(name, value) for name, value in zip(order, old, strict=True)]
    directory.CENTRAL.pack_into(raw, start, *new)
    return bytes(raw)


def end_patched(content: bytes, **fields: int) -> bytes:
    order = ["magic", "disk", "first", "here", "members", "size", "start", "comment"]
    old = directory.END.unpack(content[-22:])
    new = [fields.get(name, value) for name, value in zip(order, old, strict=True)]
    return content[:-22] + directory.END.pack(*new)


def renamed(old: str, new: str) -> bytes:
    content = zipped({"first.npy": b"1" * 50, old: b"2" * 50})
    return content.replace(old.encode("cp437"), new.encode("cp437"))


def bomb() -> bytes:
    return zipped({f"{i}.npy": bytes(30 << 20) for i in range(3)}, zipfile.ZIP_DEFLATED)


def encrypted_inside() -> bytes:
    content = bytearray(zipped(CONTENTS))
    content[6] |= 1
    return bytes(content)


GOOD = zipped(CONTENTS)
DEFLATED = zipped(CONTENTS, zipfile.ZIP_DEFLATED)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "0 bytes are too few"),
    "garbage": (lambda: bytes(range(256)) * 10, "there is no end of a ZIP archive"),
    "cut off": (lambda: GOOD[:-1], "there is no end of a ZIP archive"),
    "something before": (lambda: b"#!/bin/sh\n" + GOOD, "table of contents should end"),
    "several parts": (lambda: end_patched(GOOD, disk=1, first=1), "one part of several"),
    "many members": (lambda: end_patched(GOOD, here=60000, members=60000), "60000 members"),
    "few members": (lambda: end_patched(GOOD, here=3, members=3), "bytes too many"),
    "table too small": (lambda: end_patched(GOOD, size=9), "table of contents should end"),
    "huge start": (lambda: end_patched(GOOD, start=2**32 - 1), "should end at byte"),
    "encrypted": (lambda: patched(GOOD, 0, flags=1), "encrypted or patched"),
    "encrypted inside": (encrypted_inside, "disagrees with the table of contents"),
    "strongly encrypted": (lambda: patched(GOOD, 1, flags=64), "encrypted or patched"),
    "bzip2": (lambda: patched(GOOD, 0, method=12), "compressed by method 12"),
    "lzma": (lambda: zipped(CONTENTS, zipfile.ZIP_LZMA), "compressed by method 14"),
    "method of its own": (lambda: patched(DEFLATED, 0, method=0), "claims to hold"),
    "stored too large": (lambda: patched(GOOD, 0, size=10**6), "claims to hold 1000000"),
    "both too large": (
        lambda: patched(GOOD, 0, size=10**9, packed=10**9),
        "claims 1000000000 bytes",
    ),
    "inflated too large": (lambda: patched(DEFLATED, 0, size=10**8), "can not be inflated"),
    "inflated more": (lambda: patched(DEFLATED, 3, size=4999), "does not inflate to"),
    "inflated less": (lambda: patched(DEFLATED, 3, size=5001), "does not inflate to"),
    "packed less": (lambda: patched(DEFLATED, 3, packed=10), "inflate"),
    "bomb": (bomb, "made to exhaust memory"),
    "overlap": (lambda: patched(GOOD, 1, offset=0), "overlaps"),
    "behind": (lambda: patched(GOOD, 3, offset=10**9), "behind the table of contents"),
    "other place": (lambda: patched(GOOD, 3, offset=300), "disagrees|overlaps"),
    "other disk": (lambda: patched(GOOD, 0, disk=3), "another part"),
    "zip64 without numbers": (lambda: patched(GOOD, 0, size=2**32 - 1), "claims to hold"),
    "checksum": (lambda: patched(GOOD, 0, crc=1), "its checksum is"),
    "duplicate": (lambda: renamed("first.npx", "first.npy"), "two members of this name"),
    "absolute": (lambda: renamed("/etc/passwd", "/etc/passwd"), "no plain relative path"),
    "above": (lambda: renamed("a/../../b", "a/../../b"), "no plain relative path"),
    "here": (lambda: renamed("a/./b", "a/./b"), "no plain relative path"),
    "backslash": (lambda: renamed("a/b.npy", "a\\b.npy"), "no plain relative path"),
    "nul": (lambda: renamed("a/b.npy", "a/b\0npy"), "no plain relative path"),
    "not utf-8": (
        lambda: zipped({"é": b""}).replace(b"\xc3\xa9", b"\xc3("),
        "is not UTF-8",
    ),
    "long name": (lambda: patched(GOOD, 3, name=60000), "damaged at byte"),
    "magic": (lambda: patched(GOOD, 2, magic=b"PK\1\3"), "damaged at byte"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_are_refused(case: str) -> None:
    make, message = HOSTILE[case]
    content = make()
    tracemalloc.start()
    with pytest.raises(CorruptFileError, match=message):
        read_all(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_member_that_is_not_there() -> None:
    with pytest.raises(CorruptFileError, match=r"the buffer: values\.npy can not be read"):
        Archive(BufferSource(GOOD)).read("values.npy")


def test_every_cut_is_noticed() -> None:
    end = len(GOOD)
    for size in (*range(200), *range(200, end - 600, 97), *range(end - 600, end)):
        with pytest.raises(CorruptFileError):
            read_all(GOOD[:size])


def test_every_flipped_bit_of_a_content_is_noticed(tmp_path: Path) -> None:
    start = GOOD.index(b"some keys")
    for bit in range(8 * 9):
        content = bytearray(GOOD)
        content[start + bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptFileError, match="checksum"):
            read_all(bytes(content))


# Sources ---------------------------------------------------------------------------------


@pytest.fixture
def file_source(tmp_path: Path) -> Iterator[FileSource]:
    path = tmp_path / "numbers"
    path.write_bytes(np.arange(400_000, dtype="<u4").tobytes())
    source = FileSource(str(path))
    yield source
    source.close()


def test_a_file_gives_the_same_bytes_in_any_order(
    file_source: FileSource, rng: np.random.Generator
) -> None:
    whole = np.arange(400_000, dtype="<u4").tobytes()
    for size in (0, 1, 1000, 100_000, 500_000):
        for start in rng.integers(0, len(whole) - size, 20).tolist():
            assert file_source.view(start, size) == whole[start : start + size]
            target = bytearray(size)
            file_source.fill(start, memoryview(target))
            assert target == whole[start : start + size]


@pytest.mark.parametrize(("start", "size"), [(-1, 2), (1_599_999, 2), (0, 2**62), (0, -1)])
def test_no_byte_beyond_the_file(file_source: FileSource, start: int, size: int) -> None:
    with pytest.raises(CorruptFileError, match="are needed, there are 1600000"):
        file_source.view(start, size)


def test_a_file_that_shrinks_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "shrinks"
    path.write_bytes(bytes(1_000_000))
    source = FileSource(str(path))
    path.write_bytes(b"short")
    with pytest.raises(CorruptFileError, match="ends while it is read"):
        source.fill(10, memoryview(bytearray(500_000)))
    source.close()
