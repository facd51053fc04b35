"""Single words and numbers as they appear in every display: safe, short, measured."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any


LONGEST_NAME = 40


def printable(text: str) -> str:
    r"""The text with line breaks, controls and invisible characters written out.

    >>> print(printable("a\nb"))
    a\nb
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def width(text: str) -> int:
    """Columns that a text takes in a terminal: wide characters two, combining none.

    >>> width("∂a"), width("水"), width("e\u0301")
    (2, 2, 1)
    """
    return len(text) if text.isascii() else sum(_columns(c) for c in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def elide(text: str, limit: int = LONGEST_NAME) -> str:
    """The text in at most `limit` columns, its middle replaced by "…" if need be.

    >>> elide("neighbor_1_type", 12)
    'neigh…1_type'
    """
    text = printable(text)
    if width(text) <= limit:
        return text
    head = _start(text, (limit - 1) // 2)
    tail = _start(text[::-1], limit - 1 - width(head))[::-1]
    return f"{head}…{tail}"


def _start(text: str, limit: int) -> str:
    used = 0
    for position, character in enumerate(text):
        used += _columns(character)
        if used > limit:
            return text[:position]
    return text


def left(text: str, columns: int) -> str:
    """The text, then spaces up to `columns`."""
    return text + " " * (columns - width(text))


def right(text: str, columns: int) -> str:
    """Spaces up to `columns`, the text at their end."""
    return " " * (columns - width(text)) + text


def listing(names: Sequence[str], most: int = 6, limit: int = LONGEST_NAME) -> str:
    """Names with commas, the first `most` of them.

    >>> listing(["a", "b", "c", "d"], most=2)
    'a, b, … 2 more'
    """
    shown = [elide(name, limit) for name in names[:most]]
    rest = len(names) - len(shown)
    return ", ".join([*shown, f"… {rest} more"] if rest > 0 else shown)


def plural(count: Any, one: str, many: str) -> str:
    """A number and its noun: "1 entry", "3 entries"."""
    return f"{size(count)} {one if isinstance(count, int) and count == 1 else many}"


def size(count: Any, at_most: bool = False) -> str:
    """A number of rows: an integer, a symbolic dimension, or "?" when not known.

    >>> size(3), size(64, at_most=True), size(None)
    ('3', '≤64', '?')
    """
    number = "?" if count is None else elide(str(count), 20)
    return f"≤{number}" if at_most else number


def shape(sizes: Sequence[Any] | None) -> str:
    """A shape as Python writes it, with symbolic dimensions by their names.

    >>> shape((3, 2)), shape((3,)), shape(None)
    ('(3, 2)', '(3,)', '?')
    """
    if sizes is None:
        return "?"
    return f"({', '.join(map(size, sizes))}{',' if len(sizes) == 1 else ''})"


def memory(nbytes: int) -> str:
    """A number of bytes in decimal units.

    >>> memory(72), memory(1_234), memory(999_960)
    ('72 B', '1.2 kB', '1.0 MB')
    """
    if nbytes < 1000:
        return f"{nbytes} B"
    amount, units = nbytes / 1000, ["kB", "MB", "GB", "TB", "PB"]
    while amount >= 999.95 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.1f} {units[0]}"
