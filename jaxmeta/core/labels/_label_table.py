"""What Labels are made of: names over an immutable table, one object per content."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from jaxmeta.core.labels._entry import LabelsEntry
from jaxmeta.core.labels._interning import InternTable
from jaxmeta.core.labels._names import dimension_names
from jaxmeta.core.rows._row_index import RowIndex
from jaxmeta.core.rows._rows import first_duplicate
from jaxmeta.errors import InvalidError, MissingError, choices, compose


T = TypeVar("T", bound="LabelTable")

_HASHED_ROWS = 64


class LabelTable:
    """Names, and unique rows of int32 backed by bytes. Equal tables are one object."""

    __slots__ = ("__weakref__", "_checked", "_data", "_hash", "_index", "_names", "_values")

    _names: tuple[str, ...]
    _data: bytes
    _values: np.ndarray
    _hash: int
    _index: RowIndex
    _checked: bool

    @classmethod
    def _interned(
        cls: type[T],
        names: tuple[str, ...],
        table: np.ndarray,
        unique: bool,
        promised: bool = False,
    ) -> T:
        """The one object with these checked names and this int32 table.

        Rows are checked to be unique, unless they are known to be, or somebody promised
        it: who makes the same labels without a promise still gets the check.
        """
        rows = table.shape[0]
        data = table.tobytes()
        sample = table[:: max(1, rows // _HASHED_ROWS)].tobytes()
        key = hash((names, rows, sample, data[-256:]))

        # Lambdas: what checks types at run time decorates every inner `def` anew.
        labels: Any = _TABLE.intern(
            key,
            lambda other: (
                (other._names, len(other), other._data) == (names, rows, data)
                and type(other) is cls
            ),
            lambda: _create(cls, names, data, rows, key),
        )
        if not (unique or promised or labels._checked):
            _check_unique(labels)
        labels._checked = labels._checked or unique
        return labels

    def __len__(self) -> int:
        return self._values.shape[0]

    def _column_of(self, dimension: str, operation: str) -> int:
        if not isinstance(dimension, str) or dimension not in self._names:
            raise MissingError(
                compose(
                    f"Labels.{operation}: there is no dimension {dimension!r}.",
                    choices(dimension, self._names),
                )
            )
        return self._names.index(dimension)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return False if isinstance(other, LabelTable) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (type(self), self._names, self._data, len(self), self._checked)
        return _from_bytes, parts

    def __copy__(self: T) -> T:
        return self

    def __deepcopy__(self: T, memo: dict[int, Any]) -> T:
        return self


_TABLE: InternTable[LabelTable] = InternTable()


def _create(cls: type[T], names: tuple[str, ...], data: bytes, rows: int, key: int) -> T:
    labels = object.__new__(cls)
    labels._names = names
    labels._data = data
    labels._values = np.frombuffer(data, np.int32).reshape(rows, len(names))
    labels._hash = key
    labels._index = RowIndex(labels._values)
    labels._checked = not names or rows < 2
    return labels


def _check_unique(labels: LabelTable) -> None:
    found = first_duplicate(labels._values)
    if found is not None:
        row, earlier = found
        entry = LabelsEntry._of(labels._names, labels._values[row])
        raise InvalidError(
            compose(
                "Labels: the same entry stands twice.",
                f"{entry.print()} is at row {earlier} and again at row {row}",
                remedy="every entry must be unique; add a dimension that tells them apart.",
            )
        )
    labels._checked = True


def _from_bytes(
    cls: type[T], names: tuple[str, ...], data: bytes, rows: int, checked: bool
) -> T:
    """Unpickle: the one object with this content."""
    table = np.frombuffer(data, np.int32).reshape(rows, len(names))
    return cls._interned(dimension_names(names, "Labels"), table, checked)
