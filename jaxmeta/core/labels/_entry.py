"""LabelsEntry: one row of Labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta._render import text
from jaxmeta.core.labels._label_values import label_column
from jaxmeta.core.labels._names import dimension_names
from jaxmeta.errors import InvalidTypeError, MissingError, OutOfRangeError, choices, compose


class LabelsEntry:
    """One entry (row) of `Labels`: names, and one integer for each.

    Immutable and hashable. Two entries are equal when names and values are.

    >>> entry = LabelsEntry(["system", "atom"], [0, 4])
    >>> entry["atom"], entry[0], len(entry)
    (4, 0, 2)
    >>> entry
    LabelsEntry(system=0, atom=4)

    Raises:
        InvalidError: for wrong names, or another number of values than names.
        InvalidTypeError: for values that are not integers.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, names: str | Sequence[str], values: Any) -> None:
        self._names = dimension_names(names, "LabelsEntry")
        column = label_column(values, len(self._names), "LabelsEntry").copy()
        column.flags.writeable = False
        self._values = column

    @classmethod
    def _of(cls, names: tuple[str, ...], values: np.ndarray) -> LabelsEntry:
        """An entry of labels that were checked already."""
        entry = object.__new__(cls)
        entry._names = names
        entry._values = values
        return entry

    @property
    def names(self) -> list[str]:
        """The names, in order (a fresh list)."""
        return list(self._names)

    @property
    def values(self) -> np.ndarray:
        """The values, int32 of shape (names,), read-only."""
        return self._values

    @property
    def device(self) -> str:
        """Always ``"cpu"``: labels live on the host."""
        return "cpu"

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int | str) -> int:
        if isinstance(index, str):
            if index not in self._names:
                raise MissingError(
                    compose(
                        f"LabelsEntry: there is no dimension {index!r} in {self!r}.",
                        choices(index, self._names),
                    )
                )
            return int(self._values[self._names.index(index)])
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise InvalidTypeError(
                compose(
                    "LabelsEntry: a dimension is asked for by position or by name.",
                    f"found {index!r}, a {type(index).__name__}",
                )
            )
        if not -len(self) <= index < len(self):
            raise OutOfRangeError(
                compose(f"LabelsEntry: there is no dimension {index} in {self!r}.")
            )
        return int(self._values[index])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelsEntry):
            return NotImplemented
        return self._names == other._names and np.array_equal(self._values, other._values)

    def __hash__(self) -> int:
        return hash((self._names, self._values.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return LabelsEntry, (self._names, self._values)

    def print(self) -> str:
        """The entry as ``(a=0, b=1)``."""
        return text.entry(self._names, self._values.tolist())

    def __repr__(self) -> str:
        return f"LabelsEntry{self.print()}"
