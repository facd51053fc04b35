"""Labels: an immutable, ordered set of named integer rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, final

import jax
import numpy as np

from jaxmeta.core.labels import _show_labels
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.labels._entry import LabelsEntry
from jaxmeta.core.labels._label_algebra import WithSetAlgebra
from jaxmeta.core.labels._label_dimensions import WithDimensions
from jaxmeta.core.labels._label_values import host_array, label_table, one_int32
from jaxmeta.core.labels._names import dimension_names
from jaxmeta.core.labels._storage import Stored
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    OutOfRangeError,
    compose,
)


@final
@jax.tree_util.register_static
class Labels(WithDimensions, WithSetAlgebra, Stored):
    """An ordered set of unique rows of 32-bit integers, with one name per column.

    Labels say what the entries along one axis of an array mean. They are immutable,
    hashable and static under every JAX transformation: pytrees without leaves. Equal
    labels are one object, so comparing them costs nothing, at any number of rows.

    Arguments:
        names: names of the columns; one string is one name, ``""`` no name at all.
        values: integers of shape (rows, names), in any integer dtype or as nested
            lists. They are copied; values outside int32 are an error.
        assume_unique: the caller knows that no row stands twice; not checked then.

    Raises:
        InvalidError: for a wrong shape, wrong or repeated names, repeated rows, or
            values that do not fit into int32.
        InvalidTypeError: for values that are not integers, as bools, or that JAX traces.

    Example:
        >>> labels = Labels(["system", "atom"], [[0, 1], [0, 4], [2, 1]])
        >>> labels.position([0, 4]), [2, 1] in labels
        (1, True)
        >>> labels["atom"]
        array([1, 4, 1], dtype=int32)
        >>> labels == Labels(labels.names, labels.values)
        True
    """

    __slots__ = ()

    def __new__(
        cls, names: str | Sequence[str], values: Any, assume_unique: bool = False
    ) -> Labels:
        checked_names = dimension_names(names, "Labels")
        table = label_table(values, checked_names, "Labels")
        promised = check_bool("Labels", "assume_unique", assume_unique)
        return cls._interned(checked_names, table, False, promised)

    @staticmethod
    def single() -> Labels:
        """Labels with the one entry 0 of the one dimension ``_``: "nothing to tell".

        >>> Labels.single()
        Labels: 1 entry
            _
            0
        """
        return Labels._interned(("_",), np.zeros((1, 1), np.int32), True)

    @staticmethod
    def empty(names: str | Sequence[str]) -> Labels:
        """Labels with these names and no entry.

        >>> len(Labels.empty(["system", "atom"]))
        0
        """
        found = dimension_names(names, "Labels.empty")
        return Labels._interned(found, np.zeros((0, len(found)), np.int32), True)

    @staticmethod
    def range(name: str, end: int) -> Labels:
        """Labels with one dimension that counts from 0 to ``end - 1``.

        >>> Labels.range("n", 3).values.ravel()
        array([0, 1, 2], dtype=int32)
        """
        found = dimension_names(name, "Labels.range")
        end = one_int32(end, "Labels.range")
        if len(found) != 1 or end < 0:
            raise InvalidError(
                compose(
                    "Labels.range: it takes one name and an end of zero or more.",
                    f"found the names {list(found)} and the end {end}",
                )
            )
        return Labels._interned(found, np.arange(end, dtype=np.int32).reshape(-1, 1), True)

    # What is there ------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """The names of the dimensions, in order (a fresh list)."""
        return list(self._names)

    @property
    def values(self) -> np.ndarray:
        """The entries, int32 of shape (entries, names), read-only."""
        return self._values

    @property
    def device(self) -> str:
        """Always ``"cpu"``: labels live on the host."""
        return "cpu"

    def to(self, device: Any = None) -> Labels:
        """These labels: they live on the host, wherever the values are."""
        return self

    def __iter__(self) -> Iterator[LabelsEntry]:
        return (LabelsEntry._of(self._names, row) for row in self._values)

    def __getitem__(self, index: int | str) -> Any:
        if isinstance(index, str):
            return self.column(index)
        return self.entry(index)

    def entry(self, index: int) -> LabelsEntry:
        """The entry at one position; negative positions count from the end.

        Raises:
            InvalidTypeError: for anything but an integer.
            OutOfRangeError: for a position that is not there.
        """
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise InvalidTypeError(
                compose(
                    "Labels: an entry is asked for by one integer, a column by its name.",
                    f"found {index!r}, a {type(index).__name__}",
                    remedy="for several rows at once, index the array: labels.values[...].",
                )
            )
        if not -len(self) <= index < len(self):
            raise OutOfRangeError(
                compose(
                    f"Labels: there is no entry {index}.", f"there are {len(self)} entries"
                )
            )
        return LabelsEntry._of(self._names, self._values[index])

    def column(self, dimension: str) -> np.ndarray:
        """The values of one dimension, int32 of shape (entries,), read-only.

        Raises:
            MissingError: when no dimension has this name.
        """
        return self._values[:, self._column_of(dimension, "column")]

    def position(self, entry: LabelsEntry | Sequence[int] | np.ndarray) -> int | None:
        """Where an entry stands, or None when it is not there.

        Arguments:
            entry: an entry with the same names, or one integer per dimension.

        Raises:
            InvalidError: for other names, or another number of integers.
            InvalidTypeError: for values that are not integers.

        >>> Labels(["a", "b"], [[1, 2], [3, 4]]).position((3, 4))
        1
        """
        if type(entry) is tuple and len(entry) == len(self._names):
            try:
                found = self._index.position(entry)
            except TypeError:  # not hashable
                found = None
            if found is not None:
                return found
        return self._index.position(self._row(entry))

    def _row(self, entry: Any) -> tuple[int, ...]:
        if isinstance(entry, LabelsEntry):
            if entry._names != self._names:
                raise InvalidError(
                    compose(
                        "Labels.position: the entry has other names.",
                        f"the entry has {entry.names}, the labels have {self.names}",
                    )
                )
            return tuple(entry._values.tolist())
        row = host_array(entry, "Labels.position")
        if row.shape != (len(self._names),):
            raise InvalidError(
                compose(
                    "Labels.position: an entry is one integer per dimension.",
                    f"found {entry!r} for the names {self.names}",
                )
            )
        if row.size and row.dtype.kind not in "iub":
            raise InvalidTypeError(
                compose("Labels.position: entries are integers.", f"found {entry!r}")
            )
        return tuple(row.tolist())

    def __contains__(self, entry: object) -> bool:
        return self.position(entry) is not None  # type: ignore[arg-type]

    # Display ------------------------------------------------------------------------

    def print(self, max_entries: int = -1, indent: int = 0) -> str:
        """The names and entries as aligned columns.

        Arguments:
            max_entries: how many entries to show, half from each end; -1 for all.
            indent: spaces before every line but the first.
        """
        return _show_labels.print_labels(self, max_entries, indent)

    def __str__(self) -> str:
        return _show_labels.print_labels(self, 4, 0)

    def __repr__(self) -> str:
        return _show_labels.labels(self)

    def _repr_html_(self) -> str:
        return _show_labels.labels_html(self)

    def __treescope_repr__(self, path: Any, subtree_renderer: Any) -> Any:
        return _show_labels.labels_tree(self, path, subtree_renderer)
