"""Labels: an immutable, ordered set of named integer rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxmeta.core import _label_sets, _show_labels
from jaxmeta.core._entry import LabelsEntry
from jaxmeta.core._interning import InternTable
from jaxmeta.core._label_values import label_column, label_table, one_int32, refuse_tracer
from jaxmeta.core._names import dimension_names
from jaxmeta.core._row_index import RowIndex
from jaxmeta.core._rows import first_duplicate
from jaxmeta.core._storage import Stored
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    OutOfRangeError,
    choices,
    compose,
)


_HASHED_ROWS = 64


class Labels(Stored):
    """An ordered set of unique rows of 32-bit integers, with one name per column.

    Labels say what the entries along one axis of an array mean. They are immutable,
    hashable and static under every JAX transformation. Equal labels are one object, so
    comparing them costs nothing, at any number of rows.

    Arguments:
        names: names of the columns; one string is one name, ``""`` no name at all.
        values: integers of shape (rows, names), in any integer dtype or as nested
            lists. They are copied; values outside int32 are an error.
        assume_unique: the caller knows that no row stands twice; not checked then.

    Raises:
        InvalidError: for a wrong shape, wrong or repeated names, repeated rows, or
            values that do not fit into int32.
        InvalidTypeError: for values that are not integers, or that JAX traces.

    Example:
        >>> labels = Labels(["system", "atom"], [[0, 1], [0, 4], [2, 1]])
        >>> labels.position([0, 4]), [2, 1] in labels
        (1, True)
        >>> labels["atom"]
        array([1, 4, 1], dtype=int32)
        >>> labels == Labels(labels.names, labels.values)
        True
    """

    __slots__ = ("__weakref__", "_checked", "_data", "_hash", "_index", "_names", "_values")

    _names: tuple[str, ...]
    _data: bytes
    _values: np.ndarray
    _hash: int
    _index: RowIndex
    _checked: bool

    def __new__(
        cls, names: str | Sequence[str], values: Any, assume_unique: bool = False
    ) -> Labels:
        checked_names = dimension_names(names, "Labels")
        table = label_table(values, checked_names, "Labels")
        return _interned(checked_names, table, assume_unique)

    @staticmethod
    def single() -> Labels:
        """Labels with the one entry 0 of the one dimension ``_``: "nothing to tell".

        >>> Labels.single()
        Labels: 1 entry
            _
            0
        """
        return _interned(("_",), np.zeros((1, 1), np.int32), True)

    @staticmethod
    def empty(names: str | Sequence[str]) -> Labels:
        """Labels with these names and no entry.

        >>> len(Labels.empty(["system", "atom"]))
        0
        """
        found = dimension_names(names, "Labels.empty")
        return _interned(found, np.zeros((0, len(found)), np.int32), True)

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
        return _interned(found, np.arange(end, dtype=np.int32).reshape(-1, 1), True)

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

    def __len__(self) -> int:
        return self._values.shape[0]

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

    def _column_of(self, dimension: str, operation: str) -> int:
        if dimension not in self._names:
            raise MissingError(
                compose(
                    f"Labels.{operation}: there is no dimension {dimension!r}.",
                    choices(dimension, self._names),
                )
            )
        return self._names.index(dimension)

    def position(self, entry: LabelsEntry | Sequence[int]) -> int | None:
        """Where an entry stands, or None when it is not there.

        Arguments:
            entry: an entry with the same names, or one integer per dimension.

        Raises:
            InvalidError: for other names, or another number of integers.
            InvalidTypeError: for values that are not integers.

        >>> Labels(["a", "b"], [[1, 2], [3, 4]]).position((3, 4))
        1
        """
        if type(entry) is tuple:
            found = self._index.position(entry) if len(entry) == len(self._names) else None
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
        refuse_tracer(entry, "Labels.position")
        row = np.asarray(entry)
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

    # Identity -----------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return False if isinstance(other, Labels) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_bytes, (self._names, self._data, len(self), self._checked)

    def __copy__(self) -> Labels:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Labels:
        return self

    # Other labels from these --------------------------------------------------------

    def append(self, name: str, values: Any) -> Labels:
        """These labels with one more dimension at the end.

        >>> Labels("a", [[1], [2]]).append("b", [5, 6]).values.tolist()
        [[1, 5], [2, 6]]
        """
        return self._with_column("append", len(self._names), name, values)

    def insert(self, index: int, name: str, values: Any) -> Labels:
        """These labels with one more dimension before position `index`.

        Arguments:
            index: from 0 to the number of dimensions; negative counts from the end.
            name: a name that is not there yet.
            values: one integer per entry.

        >>> Labels("a", [[1], [2]]).insert(0, "b", [5, 6]).names
        ['b', 'a']
        """
        size = len(self._names)
        if not -size <= index <= size:
            raise OutOfRangeError(
                compose(
                    f"Labels.insert: there is no position {index}.",
                    f"there are {size} dimensions {self.names}",
                )
            )
        return self._with_column(
            "insert", index + size if index < 0 else index, name, values
        )

    def _with_column(self, operation: str, index: int, name: str, values: Any) -> Labels:
        where = f"Labels.{operation}"
        names = dimension_names((*self._names[:index], name, *self._names[index:]), where)
        column = label_column(values, len(self), where)
        # Rows that were unique stay unique, whatever is added to them.
        return _interned(
            names,
            np.insert(self._values, index, column, axis=1),
            bool(self._names) and self._checked,
        )

    def permute(self, dimensions_indexes: Sequence[int]) -> Labels:
        """These labels with the dimensions in another order.

        >>> Labels(["a", "b"], [[1, 2]]).permute([1, 0]).names
        ['b', 'a']
        """
        order = [int(i) for i in dimensions_indexes]
        if sorted(order) != list(range(len(self._names))):
            raise InvalidError(
                compose(
                    "Labels.permute: every dimension must be named once, by position.",
                    f"found {order} for {len(self._names)} dimensions {self.names}",
                )
            )
        names = tuple(self._names[i] for i in order)
        return _interned(names, self._values[:, order], self._checked)

    def remove(self, name: str) -> Labels:
        """These labels without one dimension; what is left must still be unique.

        >>> Labels(["a", "b"], [[1, 2], [3, 2]]).remove("b").values.tolist()
        [[1], [3]]
        """
        index = self._column_of(name, "remove")
        names = self._names[:index] + self._names[index + 1 :]
        return _interned(names, np.delete(self._values, index, axis=1), False)

    def rename(self, old: str, new: str) -> Labels:
        """These labels with another name for one dimension.

        >>> Labels(["a", "b"], [[1, 2]]).rename("a", "c").names
        ['c', 'b']
        """
        index = self._column_of(old, "rename")
        renamed = (*self._names[:index], new, *self._names[index + 1 :])
        names = dimension_names(renamed, "Labels.rename")
        return _interned(names, self._values, self._checked)

    # Set algebra --------------------------------------------------------------------

    def union(self, other: Labels) -> Labels:
        """Every entry of `self`, then the new entries of `other`, in their order.

        >>> Labels("a", [[3], [1]]).union(Labels("a", [[1], [0]])).values.ravel().tolist()
        [3, 1, 0]
        """
        return self.union_and_mapping(other)[0]

    def union_and_mapping(self, other: Labels) -> tuple[Labels, np.ndarray, np.ndarray]:
        """The union, and where each entry of `self` and of `other` went (int64)."""
        self._check_same_names(other, "union")
        values, mine, theirs = _label_sets.union(self._index, other._index)
        return _interned(self._names, values, True), mine, theirs

    def intersection(self, other: Labels) -> Labels:
        """The common entries, in the order of the shorter operand (`self` on a tie).

        >>> a = Labels("a", [[1], [0], [3]])
        >>> a.intersection(Labels("a", [[3], [1]])).values.ravel().tolist()
        [3, 1]
        """
        return self.intersection_and_mapping(other)[0]

    def intersection_and_mapping(
        self, other: Labels
    ) -> tuple[Labels, np.ndarray, np.ndarray]:
        """The intersection, and where each entry went (int64), -1 where it did not."""
        self._check_same_names(other, "intersection")
        values, mine, theirs = _label_sets.intersection(self._index, other._index)
        return _interned(self._names, values, True), mine, theirs

    def difference(self, other: Labels) -> Labels:
        """The entries of `self` that `other` lacks, in their order.

        >>> Labels("a", [[3], [1]]).difference(Labels("a", [[1]])).values.ravel().tolist()
        [3]
        """
        return self.difference_and_mapping(other)[0]

    def difference_and_mapping(self, other: Labels) -> tuple[Labels, np.ndarray]:
        """The difference, and where each entry of `self` went (int64), -1 if nowhere."""
        self._check_same_names(other, "difference")
        values, mine = _label_sets.difference(self._index, other._index)
        return _interned(self._names, values, True), mine

    def _check_same_names(self, other: Labels, operation: str) -> None:
        if not isinstance(other, Labels):
            raise InvalidTypeError(
                compose(
                    f"Labels.{operation}: the other side must be Labels.",
                    f"found {type(other).__name__}",
                )
            )
        if self._names != other._names:
            raise InvalidError(
                compose(
                    f"Labels.{operation}: both sides need the same names in order.",
                    f"left has {self.names}, right has {other.names}",
                    remedy="permute() or rename() the dimensions of one side.",
                )
            )

    def select(self, selection: Labels) -> np.ndarray:
        """Positions (int64) of all entries that match any entry of `selection`.

        Arguments:
            selection: labels with some or all of these names. With the same names in
                the same order the positions come in the order of the selection, else
                in the order of `self`. No names at all select everything.

        Raises:
            InvalidTypeError: for anything but Labels.
            MissingError: for a name that is not here.

        >>> labels = Labels(["system", "atom"], [[0, 1], [0, 2], [1, 1]])
        >>> labels.select(Labels("atom", [[1]]))
        array([0, 2])
        """
        if not isinstance(selection, Labels):
            raise InvalidTypeError(
                compose(
                    "Labels.select: the selection must be Labels.",
                    f"found {type(selection).__name__}",
                )
            )
        if selection._names and selection._names == self._names:
            found = self._index.find(selection._values)
            return found[found >= 0]
        columns = [self._column_of(name, "select") for name in selection._names]
        return self._index.select(columns, selection._values)

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


_TABLE: InternTable[Labels] = InternTable()


def _interned(names: tuple[str, ...], table: np.ndarray, unique: bool) -> Labels:
    """The one Labels with these checked names and this int32 table."""
    rows = table.shape[0]
    data = table.tobytes()
    sample = table[:: max(1, rows // _HASHED_ROWS)].tobytes()
    key = hash((names, rows, sample, data[-256:]))

    def same(other: Labels) -> bool:
        return other._names == names and len(other) == rows and other._data == data

    def create() -> Labels:
        return _create(names, data, rows, key)

    labels = _TABLE.intern(key, same, create)
    if not unique and not labels._checked:
        _check_unique(labels)
    labels._checked = labels._checked or unique
    return labels


def _create(names: tuple[str, ...], data: bytes, rows: int, key: int) -> Labels:
    labels = object.__new__(Labels)
    labels._names = names
    labels._data = data
    labels._values = np.frombuffer(data, np.int32).reshape(rows, len(names))
    labels._hash = key
    labels._index = RowIndex(labels._values)
    labels._checked = not names or rows < 2
    return labels


def _check_unique(labels: Labels) -> None:
    found = first_duplicate(labels._values)
    if found is not None:
        row, earlier = found
        raise InvalidError(
            compose(
                "Labels: the same entry stands twice.",
                f"{labels.entry(row).print()} is at row {earlier} and again at row {row}",
                remedy="every entry must be unique; add a dimension that tells them apart.",
            )
        )
    labels._checked = True


def _from_bytes(names: tuple[str, ...], data: bytes, rows: int, checked: bool) -> Labels:
    """Unpickle: the one object with this content."""
    table = np.frombuffer(data, np.int32).reshape(rows, len(names))
    return _interned(dimension_names(names, "Labels"), table, checked)
