"""Blocks as flat tables, one row for each value, and back. In numpy alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.core import Labels, LabelsEntry, TensorBlock
from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.rows._rows import first_duplicate, sorted_order, unique_rows
from jaxmeta.errors import InvalidError, MissingError, choices, compose


# Names of dimensions have no dot, so that nothing else is ever called this.
PARENT = "sample."


class Table(NamedTuple):
    """Names, and rows of int32 with one column for each: labels with any names."""

    names: tuple[str, ...]
    rows: np.ndarray


class Axis(NamedTuple):
    """One axis of a block that was a table: its kind, and its labels."""

    kind: str
    table: Table


# From blocks ----------------------------------------------------------------------------


def rows_of(
    block: TensorBlock, path: Iterable[str], operation: str, positions: bool
) -> tuple[TensorBlock, Table]:
    """The gradient at this path, and its samples with those of its parents in front.

    What a parent's dimension is called goes behind ``sample.``; the dimension ``sample``
    itself, which counts the parent's rows, stays if `positions` are wanted.
    """
    samples = static_samples(block._layout, operation)
    found = Table(samples._names, samples.values)
    for name in path:
        if not block.has_gradient(name):
            raise MissingError(
                compose(
                    f"{operation}: there is no gradient {name!r}.",
                    choices(name, block.gradients_list()),
                )
            )
        block = block.gradient(name)
        own = static_samples(block._layout, operation)
        parents = found.rows.take(own.column("sample"), axis=0)
        first = 0 if positions else 1
        names = (*(PARENT + name for name in found.names), *own._names[first:])
        found = Table(names, np.hstack([parents, own.values[:, first:]]))
    return block, found


def axes_of(block: TensorBlock, samples: Table) -> list[Axis]:
    """All axes of a block, with these rows along the first."""
    labels = [*block.components, block.properties]
    kinds = ["components"] * len(block.components) + ["properties"]
    others = [
        Axis(kind, Table(own._names, own.values))
        for kind, own in zip(kinds, labels, strict=True)
    ]
    return [Axis("samples", samples), *others]


def product(tables: Sequence[Table]) -> Table:
    """One row for each combination of rows, the last table counting fastest."""
    sizes = [len(table.rows) for table in tables]
    columns = []
    for i, table in enumerate(tables):
        before = int(np.prod(sizes[:i], dtype=np.int64))
        after = int(np.prod(sizes[i + 1 :], dtype=np.int64))
        columns.append(np.tile(np.repeat(table.rows, after, axis=0), (before, 1)))
    names = tuple(name for table in tables for name in table.names)
    empty = np.zeros((int(np.prod(sizes, dtype=np.int64)), 0), np.int32)
    return Table(names, np.hstack([empty, *columns]))


def check_names(taken: Sequence[tuple[str, str]], operation: str, purpose: str) -> None:
    """Refuse a name that stands twice among pairs of an axis and a name."""
    seen: dict[str, str] = {}
    for axis, name in taken:
        if name in seen:
            known = [kind for kind in (axis, seen[name]) if kind in _AXES]
            raise InvalidError(
                compose(
                    f"{operation}: two {purpose} would be called {name!r}.",
                    f"one is of the {seen[name]}, the other is of the {axis}",
                    remedy="rename one of them first, for instance with rename_dimension("
                    f'tensor, "{known[0]}", "{name}", "{name}_2").'
                    if known
                    else "give one of them another name first.",
                )
            )
        seen[name] = axis


_AXES = ("keys", "samples", "components", "properties")


# To blocks ------------------------------------------------------------------------------


class Parts(NamedTuple):
    """What tells which rows belong together: their key, or nothing, and which they are."""

    keys: np.ndarray
    rows: list[np.ndarray]


def by_appearance(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows as they first appear, and which of them each row is.

    >>> rows, which = by_appearance(np.array([[3], [1], [3]], np.int32))
    >>> rows.ravel().tolist(), which.tolist()
    ([3, 1], [0, 1, 0])
    """
    different, which = unique_rows(rows)
    first = np.empty(len(different), np.int64)
    first[which[::-1]] = np.arange(len(rows))[::-1]  # of several, the last one stays
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return different.take(order, axis=0), rank.take(which)


def parts_by_key(keys: np.ndarray) -> Parts:
    """For each key, in order of appearance, the rows that have it."""
    different, which = by_appearance(keys)
    order = np.argsort(which, kind="stable")
    ends = np.cumsum(np.bincount(which, minlength=len(different)))
    return Parts(different, np.split(order, ends[:-1]) if len(different) else [])


def block_of(
    axes: Sequence[Axis], values: np.ndarray, rows: np.ndarray, where: str
) -> TensorBlock:
    """The block whose entries are these rows of a table.

    Arguments:
        axes: samples, components and properties, one row for each row of the table.
        values: one for each row of the table.
        rows: the positions of the rows in the table.
        where: the operation, and the key if there is one.
    """
    found = [by_appearance(table.rows.take(rows, axis=0)) for _, table in axes]
    codes = np.stack([which for _, which in found], axis=1).astype(np.int32)
    labels = [
        Labels(table.names, different, assume_unique=True)
        for (_, table), (different, _) in zip(axes, found, strict=True)
    ]
    order = sorted_order(codes)
    shape = tuple(len(own) for own in labels)
    _check_unique(labels, codes, rows, where)
    _check_complete(labels, codes.take(order, axis=0), where)
    array = values.take(rows.take(order)).reshape(shape)
    return TensorBlock(array, labels[0], labels[1:-1], labels[-1])


def _check_unique(
    labels: Sequence[Labels], codes: np.ndarray, rows: np.ndarray, where: str
) -> None:
    found = first_duplicate(codes)
    if found is not None:
        row, earlier = found
        raise InvalidError(
            compose(
                f"{where} has two values for one entry.",
                f"{_entry(labels, codes[row])} is row {rows[earlier]} and again row "
                f"{rows[row]} (counted from 0)",
                remedy="keep one of them, add them up, or name the column that tells them "
                "apart.",
            )
        )


def _check_complete(labels: Sequence[Labels], ordered: np.ndarray, where: str) -> None:
    """Unique entries in order are all there are, if each is where it would be then."""
    wanted = 1
    for own in labels:
        wanted *= len(own)
    if len(ordered) == wanted:
        return
    expected = np.stack(list(_digits(len(ordered), labels)), axis=1)
    wrong = np.flatnonzero((expected != ordered).any(axis=1))
    first = int(wrong[0]) if wrong.size else len(ordered)
    missing = list(_digits(1, labels, first))
    raise InvalidError(
        compose(
            f"{where} lacks values.",
            f"there is none for {_entry(labels, [int(code[0]) for code in missing])}",
            f"found {len(ordered)} values, but {wanted} combinations: "
            + " × ".join(f"{len(own)} {own.names}" for own in labels),
            remedy="add the rows; or name the columns that tell blocks apart in keys: "
            "every block has its own samples, components and properties.",
        )
    )


def _digits(count: int, labels: Sequence[Labels], start: int = 0) -> Iterator[np.ndarray]:
    """The position along each axis of so many entries, counted along all axes."""
    numbers = np.arange(start, start + count)
    digits = []
    for own in reversed(labels):
        numbers, digit = np.divmod(numbers, len(own))
        digits.append(digit)
    return reversed(digits)


def _entry(labels: Sequence[Labels], codes: Any) -> str:
    """An entry across all axes, in words."""
    names = [name for own in labels for name in own.names]
    row = [
        int(value)
        for own, code in zip(labels, codes, strict=True)
        for value in own.values[code]
    ]
    return LabelsEntry(names, row).print()
