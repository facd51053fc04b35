"""Labels with other dimensions: appended, inserted, permuted, removed, renamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from jaxmeta.core.labels._arguments import check_list
from jaxmeta.core.labels._label_table import LabelTable
from jaxmeta.core.labels._label_values import label_column, one_int32
from jaxmeta.core.labels._names import dimension_names
from jaxmeta.errors import InvalidError, OutOfRangeError, compose


T = TypeVar("T", bound="WithDimensions")


class WithDimensions(LabelTable):
    """The methods of `Labels` that change its dimensions."""

    __slots__ = ()

    def append(self: T, name: str, values: Any) -> T:
        """These labels with one more dimension at the end.

        >>> from jaxmeta import Labels
        >>> Labels("a", [[1], [2]]).append("b", [5, 6]).values.tolist()
        [[1, 5], [2, 6]]
        """
        return self._with_column("append", len(self._names), name, values)

    def insert(self: T, index: int, name: str, values: Any) -> T:
        """These labels with one more dimension before position `index`.

        Arguments:
            index: from 0 to the number of dimensions; negative counts from the end.
            name: a name that is not there yet.
            values: one integer per entry.

        >>> from jaxmeta import Labels
        >>> Labels("a", [[1], [2]]).insert(0, "b", [5, 6]).names
        ['b', 'a']
        """
        size = len(self._names)
        index = one_int32(index, "Labels.insert")
        if not -size <= index <= size:
            raise OutOfRangeError(
                compose(
                    f"Labels.insert: there is no position {index}.",
                    f"there are {size} dimensions {list(self._names)}",
                )
            )
        return self._with_column(
            "insert", index + size if index < 0 else index, name, values
        )

    def _with_column(self: T, operation: str, index: int, name: str, values: Any) -> T:
        where = f"Labels.{operation}"
        names = dimension_names((*self._names[:index], name, *self._names[index:]), where)
        column = label_column(values, len(self), where)
        # Rows that were unique stay unique, whatever is added to them.
        return self._interned(
            names,
            np.insert(self._values, index, column, axis=1),
            bool(self._names) and self._checked,
        )

    def permute(self: T, dimensions_indexes: Sequence[int]) -> T:
        """These labels with the dimensions in another order.

        >>> from jaxmeta import Labels
        >>> Labels(["a", "b"], [[1, 2]]).permute([1, 0]).names
        ['b', 'a']
        """
        wanted = "positions must be a list of integers"
        positions = check_list("Labels.permute", wanted, dimensions_indexes)
        order = [one_int32(position, "Labels.permute") for position in positions]
        if sorted(order) != list(range(len(self._names))):
            raise InvalidError(
                compose(
                    "Labels.permute: every dimension must be named once, by position.",
                    f"found {order} for {len(self._names)} dimensions {list(self._names)}",
                )
            )
        names = tuple(self._names[i] for i in order)
        return self._interned(names, self._values[:, order], self._checked)

    def remove(self: T, name: str) -> T:
        """These labels without one dimension; what is left must still be unique.

        >>> from jaxmeta import Labels
        >>> Labels(["a", "b"], [[1, 2], [3, 2]]).remove("b").values.tolist()
        [[1], [3]]
        """
        index = self._column_of(name, "remove")
        names = self._names[:index] + self._names[index + 1 :]
        return self._interned(names, np.delete(self._values, index, axis=1), False)

    def rename(self: T, old: str, new: str) -> T:
        """These labels with another name for one dimension.

        >>> from jaxmeta import Labels
        >>> Labels(["a", "b"], [[1, 2]]).rename("a", "c").names
        ['c', 'b']
        """
        index = self._column_of(old, "rename")
        renamed = (*self._names[:index], new, *self._names[index + 1 :])
        names = dimension_names(renamed, "Labels.rename")
        return self._interned(names, self._values, self._checked)
