"""Arrays and labels in NumPy's `.npy` format: headers read strictly, and written.

Headers look like Python, but no Python reads them here: their grammar is three keys with
a text, a bool, a list of pairs or a tuple of integers, and a regular expression that takes
linear time does for that. Nothing can be executed, nested deeply or unpickled.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.io.archive import Place


MAGIC = b"\x93NUMPY"
# Rows without names take no bytes in a file: nothing but this bounds their number.
MOST_NAMELESS_ROWS = 1 << 24
_LONGEST_HEADER = 1 << 20
_MOST_AXES = 64
_MOST_NUMBERS = 1 << 58
_ALIGNMENT = 64
_WORTH_ALIGNING = 4096

# What the format knows: kind and bytes per number.
_NUMBERS = frozenset(
    ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
)
_TEXT = r"'[^'\\\n]*'|\"[^\"\\\n]*\""
_ITEM = re.compile(
    rf"\s*({_TEXT})\s*:\s*({_TEXT}|True|False|\[[^\]]*\]|\([\d\s,]*\))\s*(,|(?=\}}))"
)
_FIELD = re.compile(rf"\s*\(\s*({_TEXT})\s*,\s*({_TEXT})\s*,?\s*\)\s*(,|$)")
_INTEGER = re.compile(r"\d{1,19}")


class Header(NamedTuple):
    """What a header says: numbers of one dtype, or rows of labels with these names."""

    dtype: np.dtype
    names: tuple[str, ...] | None
    fortran_order: bool
    shape: tuple[int, ...]
    size: int
    """Bytes of the header; the numbers follow."""

    @property
    def content_size(self) -> int:
        """Bytes that must follow the header, as an exact integer of any size."""
        columns = 1 if self.names is None else len(self.names)
        return math.prod(self.shape) * columns * self.dtype.itemsize


def header_size(prefix: memoryview, place: Place) -> int:
    """How many bytes the header takes, told by the first 12 bytes."""
    if bytes(prefix[:6]) != MAGIC:
        place.fail(f"it is no .npy array: it begins with {bytes(prefix[:6])!r}")
    version = bytes(prefix[6:8])
    if version not in (b"\1\0", b"\2\0", b"\3\0"):
        place.fail(f"its .npy version {tuple(version)} is none of (1, 0), (2, 0), (3, 0)")
    width = 2 if version == b"\1\0" else 4
    if prefix.nbytes < 8 + width:
        place.fail("its .npy header is cut off")
    size = 8 + width + int.from_bytes(prefix[8 : 8 + width], "little")
    if size > _LONGEST_HEADER:
        place.fail(f"its .npy header claims {size} bytes, more than {_LONGEST_HEADER}")
    return size


def read_header(content: memoryview, total: int, place: Place) -> Header:
    """The header at the beginning of `content`; `total` bytes are there with the numbers.

    Raises:
        CorruptFileError: for another format, other dtypes, or when the shape does not
            account for exactly the bytes that are there.
    """
    size = header_size(content, place)
    raw = bytes(content[:size])
    if len(raw) < size:
        place.fail("its .npy header is cut off")
    header = _parsed_short(raw) if size <= 512 else _parse(raw)
    if isinstance(header, str):
        place.fail(header)
    # An axis of zero makes an array empty, and its other axes no less absurd.
    if math.prod(filter(None, header.shape)) > _MOST_NUMBERS:
        place.fail(f"its shape {header.shape} is larger than any array")
    if size + header.content_size != total:
        place.fail(
            f"its shape {header.shape} needs {header.content_size} bytes, there are "
            f"{total - size}"
        )
    return header


def _parse(raw: bytes) -> Header | str:
    """The header in these bytes, or what is wrong with it."""
    wide = raw[6] > 1
    try:
        text = raw[12 if wide else 10 :].decode("utf-8" if raw[6] == 3 else "latin-1")
    except UnicodeDecodeError:
        return "its .npy header is not UTF-8"
    items = _items(text)
    if items is None or items.keys() != {"descr", "fortran_order", "shape"}:
        return f"its .npy header can not be understood: {text[:120]!r}"
    if items["fortran_order"] not in ("True", "False"):
        return f"fortran_order is {items['fortran_order'][:40]} in its .npy header"
    shape = _shape(items["shape"])
    if shape is None:
        return f"the shape in its .npy header is {items['shape'][:120]}"
    described = _description(items["descr"])
    if isinstance(described, str):
        return described
    dtype, names = described
    return Header(dtype, names, items["fortran_order"] == "True", shape, len(raw))


_parsed_short = lru_cache(maxsize=4096)(_parse)


def _items(text: str) -> dict[str, str] | None:
    """Key and value texts of the dictionary, each key once."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    found: dict[str, str] = {}
    position = 1
    while text[position:].strip() != "}":
        item = _ITEM.match(text, position)
        if item is None or item[1][1:-1] in found or len(found) == 3:
            return None
        found[item[1][1:-1]] = item[2]
        position = item.end()
    return found


def _shape(text: str) -> tuple[int, ...] | None:
    if text[0] != "(":
        return None
    parts = [part.strip() for part in text[1:-1].split(",")]
    # (3) is a number to Python, and no tuple.
    if len(parts) == 1 and parts[0]:
        return None
    if not parts[-1]:
        parts.pop()
    if len(parts) > _MOST_AXES or not all(_INTEGER.fullmatch(part) for part in parts):
        return None
    return tuple(int(part) for part in parts)


def _description(text: str) -> tuple[np.dtype, tuple[str, ...] | None] | str:
    """The dtype of numbers; or int32 and the names of labels; or what is wrong."""
    if text[0] in "'\"":
        dtype = _dtype(text[1:-1])
        if dtype is None:
            return f"its dtype {text[:80]} is not among the numbers and bools of the format"
        return dtype, None
    fields = _fields(text)
    if fields is None:
        return f"its dtype {text[:120]} can not be understood"
    kinds = {kind for _, kind in fields} or {"<i4"}
    if len(kinds) > 1 or not kinds <= {"<i4", ">i4", "=i4"}:
        return f"labels are 32-bit integers of one byte order, found {sorted(kinds)[:4]}"
    return np.dtype(kinds.pop()), tuple(name for name, _ in fields)


def _fields(text: str) -> list[tuple[str, str]] | None:
    if text[0] != "[":
        return None
    inner = text[1:-1].strip()
    fields: list[tuple[str, str]] = []
    position = 0
    while position < len(inner):
        field = _FIELD.match(inner, position)
        if field is None:
            return None
        fields.append((field[1][1:-1], field[2][1:-1]))
        position = field.end()
    return fields


def _dtype(code: str) -> np.dtype | None:
    order, number = code[:1], code[1:]
    if number not in _NUMBERS or order not in ("<", ">", "=", "|"):
        return None
    if order == "|" and number[1:] != "1":
        return None
    return np.dtype(number if order == "|" else code)


# Contents --------------------------------------------------------------------------------


def aligned_bytes(size: int) -> np.ndarray:
    """Fresh memory at a multiple of 64 bytes, which JAX takes over without a copy."""
    if size < _WORTH_ALIGNING:
        return np.empty(size, np.uint8)
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % _ALIGNMENT
    return memory[start : start + size]


def shaped(content: np.ndarray, header: Header) -> np.ndarray:
    """An array of the header's shape on these bytes, in the byte order of the machine."""
    flat = content.view(header.dtype)
    order = "F" if header.fortran_order else "C"
    array = np.asarray(flat.reshape(header.shape, order=order), order="C")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


# Writing ---------------------------------------------------------------------------------


def array_header(dtype: np.dtype, shape: Sequence[int], name: str) -> bytes:
    """The header of an array, in the words that metatensor uses: never `|` for bytes.

    Raises:
        InvalidTypeError: for a dtype that the format does not have.
    """
    number = f"{dtype.kind}{dtype.itemsize}"
    # The small floats of machine learning may share kind and size with one of numpy's.
    if number not in _NUMBERS or np.dtype(number) != dtype.newbyteorder("="):
        raise InvalidTypeError(
            compose(
                f"save: {name} holds {dtype.name} values, which .mts files can not.",
                f"they hold {', '.join(sorted(np.dtype(n).name for n in _NUMBERS))}",
                remedy="convert them on purpose first, for instance with "
                '.to(dtype="float32").',
            )
        )
    return _header(f"'<{number}'", shape)


def labels_header(names: Sequence[str], rows: int) -> bytes:
    """The header of labels: a structured array with one field per name.

    Raises:
        InvalidError: for more rows without names than are read again.
    """
    if not names and rows > MOST_NAMELESS_ROWS:
        raise InvalidError(
            compose(
                "save: there are too many rows without names.",
                f"found {rows}, {MOST_NAMELESS_ROWS} are possible",
                remedy="give the samples a dimension that tells them apart.",
            )
        )
    fields = "".join(f"('{name}', '<i4'), " for name in names)
    return _header(f"[{fields}]", (rows,))


def _padding(text: str, width: int) -> int:
    """Spaces up to a multiple of 64, from 1 to 64 of them as numpy and metatensor do."""
    return _ALIGNMENT - (len(MAGIC) + 2 + width + len(text) + 1) % _ALIGNMENT


@lru_cache(maxsize=4096)
def _header_of(description: str, shape: tuple[int, ...]) -> bytes:
    axes = "".join(f"{size}, " for size in shape)
    text = f"{{ 'descr': {description}, 'fortran_order': False, 'shape': ({axes}) }}"
    width = 2
    if len(text) + _padding(text, width) + 1 >= 1 << 16:
        width = 4
    padding = _padding(text, width)
    length = (len(text) + padding + 1).to_bytes(width, "little")
    start = MAGIC + bytes([width // 2, 0]) + length
    return start + text.encode("ascii") + b" " * padding + b"\n"


def _header(description: str, shape: Sequence[int]) -> bytes:
    return _header_of(description, tuple(int(size) for size in shape))


def little_endian(array: Any) -> np.ndarray:
    """The array as contiguous bytes in the order that files have."""
    array = np.asarray(array, order="C")
    little = array.dtype.newbyteorder("<")
    if array.dtype != little:
        array = array.astype(little)
    return array.reshape(-1).view(np.uint8)
