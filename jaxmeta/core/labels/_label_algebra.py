"""Labels as sets of entries: union, intersection, difference, and selection."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from jaxmeta.core.labels._label_table import LabelTable
from jaxmeta.core.rows import _label_sets
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


T = TypeVar("T", bound="WithSetAlgebra")


class WithSetAlgebra(LabelTable):
    """The methods of `Labels` that treat it as a set of entries."""

    __slots__ = ()

    def union(self: T, other: T) -> T:
        """Every entry of `self`, then the new entries of `other`, in their order.

        >>> from jaxmeta import Labels
        >>> Labels("a", [[3], [1]]).union(Labels("a", [[1], [0]])).values.ravel().tolist()
        [3, 1, 0]
        """
        return self.union_and_mapping(other)[0]

    def union_and_mapping(self: T, other: T) -> tuple[T, np.ndarray, np.ndarray]:
        """The union, and where each entry of `self` and of `other` went (int64)."""
        self._check_same_names(other, "union")
        values, mine, theirs = _label_sets.union(self._index, other._index)
        return self._interned(self._names, values, True), mine, theirs

    def intersection(self: T, other: T) -> T:
        """The common entries, in the order of the shorter operand (`self` on a tie).

        >>> from jaxmeta import Labels
        >>> a = Labels("a", [[1], [0], [3]])
        >>> a.intersection(Labels("a", [[3], [1]])).values.ravel().tolist()
        [3, 1]
        """
        return self.intersection_and_mapping(other)[0]

    def intersection_and_mapping(self: T, other: T) -> tuple[T, np.ndarray, np.ndarray]:
        """The intersection, and where each entry went (int64), -1 where it did not."""
        self._check_same_names(other, "intersection")
        values, mine, theirs = _label_sets.intersection(self._index, other._index)
        return self._interned(self._names, values, True), mine, theirs

    def difference(self: T, other: T) -> T:
        """The entries of `self` that `other` lacks, in their order.

        >>> from jaxmeta import Labels
        >>> Labels("a", [[3], [1]]).difference(Labels("a", [[1]])).values.ravel().tolist()
        [3]
        """
        return self.difference_and_mapping(other)[0]

    def difference_and_mapping(self: T, other: T) -> tuple[T, np.ndarray]:
        """The difference, and where each entry of `self` went (int64), -1 if nowhere."""
        self._check_same_names(other, "difference")
        values, mine = _label_sets.difference(self._index, other._index)
        return self._interned(self._names, values, True), mine

    def _check_same_names(self: T, other: T, operation: str) -> None:
        if not isinstance(other, LabelTable):
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
                    f"left has {list(self._names)}, right has {list(other._names)}",
                    remedy="permute() or rename() the dimensions of one side.",
                )
            )

    def select(self, selection: LabelTable) -> np.ndarray:
        """Positions (int64) of all entries that match any entry of `selection`.

        Arguments:
            selection: labels with some or all of these names. With the same names in
                the same order the positions come in the order of the selection, else
                in the order of `self`. No names at all select everything.

        Raises:
            InvalidTypeError: for anything but Labels.
            MissingError: for a name that is not here.

        >>> from jaxmeta import Labels
        >>> labels = Labels(["system", "atom"], [[0, 1], [0, 2], [1, 1]])
        >>> labels.select(Labels("atom", [[1]]))
        array([0, 2])
        """
        if not isinstance(selection, LabelTable):
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
