"""Changes of the dimensions of one axis, made from its names alone."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

import numpy as np

from jaxmeta.core import Labels, LabelsEntry
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.core.labels._names import check_dimensions, dimension_names
from jaxmeta.core.rows._rows import first_duplicate
from jaxmeta.errors import InvalidError, InvalidTypeError, OutOfRangeError, compose
from jaxmeta.operations._columns import Columns, column_for


NEW = -1


@dataclasses.dataclass(frozen=True)
class Change:
    """What becomes of the dimensions of one axis; hashable, as plans are kept by it.

    Arguments:
        operation: which messages are to name.
        axis: keys, samples, components or properties.
        old: the names as they were; of the components, the one that changes.
        names: the names as they will be.
        sources: for each of them the position it had, `NEW` for the one with new values.
        values: the new values.
    """

    operation: str
    axis: str
    old: tuple[str, ...]
    names: tuple[str, ...]
    sources: tuple[int, ...]
    values: Columns = 0

    def labels(self, labels: Labels, block: int, where: str) -> Labels:
        """These labels with the change made; `where` says what they are."""
        table = np.empty((len(labels), len(self.names)), np.int32)
        for column, source in enumerate(self.sources):
            if source == NEW:
                values = column_for(self.operation, self.values, block, len(labels), where)
            else:
                values = labels.values[:, source]
            table[:, column] = values
        if not set(range(len(self.old))) <= set(self.sources):
            self._check_unique(table, where)
        return Labels(self.names, table, assume_unique=True)

    def _check_unique(self, table: np.ndarray, where: str) -> None:
        found = first_duplicate(table)
        if found is not None:
            row, earlier = found
            entry = LabelsEntry(self.names, table[row])
            raise InvalidError(
                compose(
                    f"{self.operation}: {where} would have the same entry twice.",
                    f"{entry.print()} would be at row {earlier} and again at row {row}",
                    remedy="every entry must be unique: keep, or add, a dimension that "
                    "tells them apart.",
                )
            )

    @property
    def renamed(self) -> tuple[str, str] | None:
        """The old name and the new one, where that is all that changes."""
        if self.sources != tuple(range(len(self.old))):
            return None
        pairs = zip(self.old, self.names, strict=True)
        return next((pair for pair in pairs if pair[0] != pair[1]), None)


def insertion(
    operation: str, axis: str, old: tuple[str, ...], index: Any, name: str, values: Columns
) -> Change:
    """A new dimension before the one at `index`; None is the end."""
    size = len(old)
    index = size if index is None else _integer(operation, index)
    if not -size <= index <= size:
        raise OutOfRangeError(
            compose(
                f"{operation}: the {axis} have no position {index}.",
                f"there are {size} dimensions {list(old)}",
            )
        )
    index += size if index < 0 else 0
    names = dimension_names((*old[:index], name, *old[index:]), operation)
    sources = (*range(index), NEW, *range(index, size))
    return Change(operation, axis, old, names, sources, values)


def permutation(operation: str, axis: str, old: tuple[str, ...], indexes: Any) -> Change:
    """The dimensions in another order."""
    positions = check_list(operation, "positions must be a list of integers", indexes)
    order = tuple(_integer(operation, position) for position in positions)
    if sorted(order) != list(range(len(old))):
        raise InvalidError(
            compose(
                f"{operation}: every dimension must be named once, by position.",
                f"found {list(order)} for {len(old)} dimensions {list(old)} of the {axis}",
            )
        )
    return Change(operation, axis, old, tuple(old[i] for i in order), order)


def removal(operation: str, axis: str, old: tuple[str, ...], name: str) -> Change:
    """The dimensions without one of them, and not without any."""
    gone = _position(operation, axis, old, name)
    if len(old) == 1:
        raise InvalidError(
            compose(
                f"{operation}: the only dimension of the {axis} can not be removed.",
                f"the {axis} have the dimension {name!r} and no other",
                remedy="insert_dimension() another one first, or rename_dimension() "
                "this one.",
            )
        )
    sources = tuple(i for i in range(len(old)) if i != gone)
    return Change(operation, axis, old, tuple(old[i] for i in sources), sources)


def renaming(
    operation: str, axis: str, old: tuple[str, ...], name: str, new: str
) -> Change:
    """Another name for one dimension."""
    position = _position(operation, axis, old, name)
    if axis == "components":
        old, position = (name,), 0
    names = dimension_names((*old[:position], new, *old[position + 1 :]), operation)
    return Change(operation, axis, old, names, tuple(range(len(old))))


def update(
    operation: str, axis: str, old: tuple[str, ...], name: str, values: Columns
) -> Change:
    """Other values for one dimension."""
    position = _position(operation, axis, old, name)
    if axis == "components":
        old, position = (name,), 0
    sources = tuple(NEW if i == position else i for i in range(len(old)))
    return Change(operation, axis, old, old, sources, values)


def _position(operation: str, axis: str, names: tuple[str, ...], name: str) -> int:
    check_dimensions(operation, axis, [name], names)
    return names.index(name)


def _integer(operation: str, index: Any) -> int:
    try:
        found = None if isinstance(index, bool | np.bool_) else operator.index(index)
    except TypeError:
        found = None
    if found is None:
        raise InvalidTypeError(
            compose(
                f"{operation}: the position of a dimension is an integer.",
                f"found {index!r}, a {type(index).__name__}",
            )
        )
    return found
