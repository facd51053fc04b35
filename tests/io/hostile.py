"""Mutations of files that reach the readers: checksums and sizes are made to fit again."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.io import save_buffer


Members = list[tuple[str, bytes]]

PIECES = [
    b"'|O'", b"'<f8'", b"'<i4'", b"'>f4'", b"True", b"(0, )", b"(4611686018427387904, )",
    b"(-1, )", b"[]", b"('sample', '<i4')", b"\x93NUMPY", b"PK\1\2", b"PK\3\4", b"PK\5\6",
    b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff", b"{", b"}", b"[[[[", b"\x80\4\x95",
    b"../", b"values.npy", b"keys.npy", b"samples.npy", b"gradients/", b"blocks/1/",
    b"info.json",
]  # fmt: skip


def small_map() -> TensorMap:
    """Two blocks with components, sparse gradients, gradients of gradients and info."""
    n, xyz, m = Labels.range("n", 2), Labels.range("xyz", 3), Labels("m", [[-1], [1]])
    blocks = []
    for rows in (3, 1):
        below = TensorBlock(np.ones((1, 2, 2)), Labels("sample", [[rows - 1]]), [m], n)
        gradient = TensorBlock(
            np.ones((rows, 3, 2, 2)),
            Labels(["sample", "atom"], [[i, 7] for i in range(rows)]),
            [xyz, m],
            n,
        )
        block = TensorBlock(
            np.arange(rows * 4.0).reshape(rows, 2, 2),
            Labels("system", [[5 - i] for i in range(rows)]),
            [m],
            n,
            {"positions": gradient, "x": below},
        )
        blocks.append(block)
    return TensorMap(Labels(["a", "b"], [[1, 2], [3, 4]]), blocks, {"unit": "eV"})


def members_of(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def archive_of(members: Members, method: int = 0) -> bytes:
    """An archive with these members, whatever their names: written by hand for speed."""
    local, table = bytearray(), bytearray()
    for name, content in members:
        raw = name.encode("utf-8", "surrogateescape")[:65535]
        packed = content
        if method:
            deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
            packed = deflater.compress(content) + deflater.flush()
        crc = zlib.crc32(content)
        sizes = (crc, len(packed), len(content), len(raw), 0)
        fixed = (20, 2048, method, 0, 33)
        table += struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *fixed, *sizes, 0, 0, 0, 0,
                             len(local)) + raw  # fmt: skip
        local += struct.pack("<4s5H3L2H", b"PK\3\4", *fixed, *sizes) + raw + packed
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(table), len(local), 0
    )
    return bytes(local + table + end)


def mutated_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three small injuries."""
    raw = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        position = int(rng.integers(0, len(raw) + 1))
        kind = rng.integers(0, 6)
        if kind == 0 and position < len(raw):
            raw[position] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1 and position < len(raw):
            raw[position] = int(rng.integers(0, 256))
        elif kind == 2:
            piece = PIECES[rng.integers(0, len(PIECES))]
            raw[position : position + len(piece)] = piece
        elif kind == 3:
            raw[position:position] = PIECES[rng.integers(0, len(PIECES))]
        elif kind == 4:
            del raw[position : position + int(rng.integers(1, 20))]
        else:
            other = int(rng.integers(0, len(raw) + 1))
            raw[position:position] = raw[other : other + int(rng.integers(1, 64))]
    return bytes(raw)


def truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, len(content) + 1))]


def injured_member(content: bytes, rng: np.random.Generator) -> bytes:
    """Injuries inside one member, behind a correct checksum."""
    members = members_of(content)
    index = int(rng.integers(0, len(members)))
    name, inner = members[index]
    change = truncated if rng.integers(0, 5) == 0 else mutated_bytes
    # Most of what can go wrong is in the header.
    cut = len(inner) if rng.integers(0, 3) else min(len(inner), 128)
    members[index] = (name, change(inner[:cut], rng) + inner[cut:])
    return archive_of(members, 8 if rng.integers(0, 6) == 0 else 0)


def moved_members(content: bytes, rng: np.random.Generator) -> bytes:
    """Members that are missing, doubled, exchanged or renamed."""
    members = members_of(content)
    for _ in range(rng.integers(1, 3)):
        one, other = rng.integers(0, len(members), 2).tolist()
        kind = rng.integers(0, 5)
        if kind == 0 and len(members) > 1:
            del members[one]
        elif kind == 1:
            members.append(members[one])
        elif kind == 2:
            a, b = members[one], members[other]
            members[one], members[other] = (a[0], b[1]), (b[0], a[1])
        elif kind == 3:
            name = mutated_bytes(members[one][0].encode(), rng)
            members[one] = (name.decode("utf-8", "surrogateescape"), members[one][1])
        else:
            members.insert(other, (members[one][0] + "x", members[one][1]))
    return archive_of(members)


def field_of_archive(content: bytes, rng: np.random.Generator) -> bytes:
    """One number in the archive's own structures replaced by an extreme one."""
    raw = bytearray(archive_of(members_of(content)))
    magics = [b"PK\1\2", b"PK\3\4", b"PK\5\6"]
    magic = magics[rng.integers(0, 3)]
    starts = []
    position = raw.find(magic)
    while position >= 0:
        starts.append(position)
        position = raw.find(magic, position + 4)
    start = starts[rng.integers(0, len(starts))] + int(rng.integers(4, 46))
    width = int(rng.choice([1, 2, 4]))
    value = int(rng.choice([0, 1, 8, 12, 255, 65535, 2**31 - 1, 2**32 - 1, len(raw)]))
    raw[start : start + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(raw)


MUTATIONS: list[Callable[[bytes, np.random.Generator], bytes]] = [
    mutated_bytes,
    truncated,
    injured_member,
    injured_member,
    moved_members,
    field_of_archive,
]


def originals() -> list[bytes]:
    """Small files of every kind."""
    tensor = small_map()
    block = tensor.block(1)
    files = [tensor, tensor.block(0), block, TensorMap(Labels.single(), [block])]
    plain = [bytes(save_buffer(data)) for data in files]
    aligned = bytes(save_buffer(tensor, align=True))
    return [*plain, aligned, archive_of(members_of(plain[0]), 8)]
