"""Maps of several structures under each other in arrays of known size, in numpy.

What `join` and `pad` would give after one another, without making labels of the batch:
only arrays are filled, so that a batch costs what copying its numbers costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxmeta.core import PADDING, Labels, TensorMap
from jaxmeta.core.labels._dynamic import in_use
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import BlockLayout, Layout
from jaxmeta.core.rows._rows import first_duplicate
from jaxmeta.data._forms import (
    SAMPLES,
    Room,
    Slot,
    check_form,
    dynamic_form,
    placed,
    row_shape,
)
from jaxmeta.errors import DynamicSamplesError, InvalidError, compose


class _Level:
    """One parameter of one block: what every structure has there, in order."""

    __slots__ = ("arrays", "below", "form", "names", "parameter", "tables")

    def __init__(self, form: BlockLayout, parameter: str) -> None:
        prefix = "" if parameter == SAMPLES else f"{parameter}/"
        self.form = form
        self.names = form.sample_names
        self.parameter = parameter
        self.tables: list[np.ndarray] = []
        self.arrays: list[Any] = []
        self.below = [_Level(inner, prefix + name) for name, inner in form.gradients]

    def __iter__(self) -> Iterator[_Level]:
        yield self
        for below in self.below:
            yield from below

    def fits(self, part: BlockLayout) -> bool:
        """Whether only the rows differ. Labels are interned: identities are compared."""
        form, samples = self.form, part.samples
        return (
            isinstance(samples, Labels)
            and part.properties is form.properties
            and part.components == form.components
            and samples._names == self.names
            and len(part.gradients) == len(form.gradients)
        )

    def add(self, part: BlockLayout, leaves: tuple[Any, ...], leaf: int) -> bool:
        """Take up a block of one structure and its gradients; False where it is other."""
        if not self.fits(part):
            return False
        self.tables.append(part.samples._values)  # type: ignore[union-attr]
        self.arrays.append(leaves[leaf])
        offsets = part.offsets
        for (name, inner), below in zip(part.gradients, self.below, strict=True):
            known = below.parameter.rpartition("/")[2]
            if name != known or not below.add(inner, leaves, leaf + offsets[name]):
                return False
        return True


class Stack:
    """The maps of one field of a batch, to be put under each other.

    Arguments:
        field: its name, for messages.
        form: the layout of the result.
        tensors: the maps.

    Raises:
        NotEqualError: for a map of another kind.
        DynamicSamplesError: for a map with dynamic samples.
    """

    def __init__(self, field: str, form: Layout, tensors: Sequence[TensorMap]) -> None:
        self._field = field
        self.form = form
        self._levels = [_Level(block, SAMPLES) for block in form.blocks]
        # For each block the structures that have it.
        self._numbers: list[list[int]] = [[] for _ in form.blocks]
        for number, tensor in enumerate(tensors):
            leaves = tensor._leaves
            for i, part, leaf in placed(field, form, tensor):
                self._numbers[i].append(number)
                if not self._levels[i].add(part, leaves, leaf):
                    raise self._misfit(i, part)

    def _misfit(self, index: int, part: BlockLayout) -> Exception:
        """The error for a block that is not of the form."""
        name = block_name(self.form.keys, index)
        check_form(self._field, name, self.form.blocks[index], dynamic_form(part))
        return DynamicSamplesError(
            compose(
                f"collate {self._field!r}: {name} of a structure has dynamic samples.",
                remedy="data sets hold static samples: unpad(tensor) gives them.",
            )
        )

    def rows(self) -> dict[Slot, int]:
        """How many rows there are, slot by slot."""
        return {
            Slot(self._field, level.parameter, i): sum(map(len, level.tables))
            for i, top in enumerate(self._levels)
            for level in top
        }

    def leaves(self, room: Room, renumber: str | None, dtype: np.dtype) -> list[np.ndarray]:
        """The arrays of the result.

        Arguments:
            room: rows of each parameter and block.
            renumber: the dimension that becomes the number of the structure, or None.
            dtype: of the values.
        """
        found: list[np.ndarray] = []
        for index, level in enumerate(self._levels):
            numbers = np.array(self._numbers[index], np.int32)
            filling = _Filling(self._field, self.form, index, numbers, renumber)
            found += filling.leaves(level, room, None, dtype)
        return found


class _Filling:
    """Fills the arrays of one block of a batch.

    Arguments:
        field: the name of the field, for messages.
        form: the layout of the result.
        index: which block it is.
        numbers: of the structures that have it.
        renumber: the dimension that becomes the number of the structure, or None.
    """

    def __init__(
        self,
        field: str,
        form: Layout,
        index: int,
        numbers: np.ndarray,
        renumber: str | None,
    ) -> None:
        self._field = field
        self._form = form
        self._index = index
        self._numbers = numbers
        self._renumber = renumber

    def leaves(
        self, level: _Level, room: Room, starts: np.ndarray | None, dtype: np.dtype
    ) -> list[np.ndarray]:
        """The arrays of a parameter and of its gradients; rows above begin at `starts`."""
        counts = np.array([len(table) for table in level.tables], np.int64)
        rows = room[level.parameter][self._index]
        labels = np.full((rows, len(level.names)), PADDING, np.int32)
        self._fill_labels(labels[: counts.sum()], level, counts, starts)
        arrays = [np.asarray(array) for array in level.arrays]
        found = [_under(arrays, rows, row_shape(level.form), dtype), labels]
        begins = np.cumsum(counts) - counts
        for below in level.below:
            found += self.leaves(below, room, begins, dtype)
        return found

    def _fill_labels(
        self,
        labels: np.ndarray,
        level: _Level,
        counts: np.ndarray,
        starts: np.ndarray | None,
    ) -> None:
        """The rows of all structures, with what refers to the batch renumbered."""
        if level.tables:
            np.concatenate(level.tables, out=labels)
        names = level.names
        if starts is not None:
            # What refers to rows of the values is no label, whatever it is called.
            names = ("", *names[1:])
            labels[:, 0] += np.repeat(starts, counts).astype(np.int32)
        if self._renumber in names:
            column = names.index(self._renumber)
            self._check_one_value(labels[:, column], level.tables, column, counts)
            labels[:, column] = np.repeat(self._numbers, counts)
        elif starts is None:
            self._check_unique(labels, names)
        self._check_tellable(labels, names)

    def _check_tellable(self, rows: np.ndarray, names: tuple[str, ...]) -> None:
        """Refuse rows that nobody could tell from padding afterwards."""
        where = block_name(self._form.keys, self._index)
        if not names:
            raise InvalidError(
                compose(
                    f"collate {self._field!r}: the samples of {where} have no dimension.",
                    remedy="append one to them first.",
                )
            )
        if not in_use(rows).all():
            raise InvalidError(
                compose(
                    f"collate {self._field!r}: a sample of {where} has the labels that "
                    "mark padding.",
                    f"{PADDING} in every column stands for a row that is not in use",
                    remedy="use other labels for this row.",
                )
            )

    def _check_one_value(
        self,
        found: np.ndarray,
        tables: Sequence[np.ndarray],
        column: int,
        counts: np.ndarray,
    ) -> None:
        firsts = [table[0, column] if len(table) else 0 for table in tables]
        if (found != np.repeat(np.array(firsts, np.int32), counts)).any():
            raise InvalidError(
                compose(
                    f"collate {self._field!r}: an entry of the data set holds several "
                    f"structures: {self._renumber!r} has more than one value.",
                    remedy="renumber=None keeps the labels as they are.",
                )
            )

    def _check_unique(self, rows: np.ndarray, names: tuple[str, ...]) -> None:
        found = first_duplicate(rows)
        if found is not None:
            entry = zip(names, rows[found[0]].tolist(), strict=True)
            raise InvalidError(
                compose(
                    f"collate {self._field!r}: two structures have the same sample.",
                    f"it is ({', '.join(f'{n}={v}' for n, v in entry)}) in "
                    f"{block_name(self._form.keys, self._index)}",
                    remedy='renumber="..." makes one dimension the number of the '
                    "structure in the batch.",
                )
            )


def _under(
    arrays: Sequence[np.ndarray], room: int, shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    """Arrays under each other, and zeros below them."""
    values = np.empty((room, *shape), dtype)
    used = sum(len(array) for array in arrays)
    if used:
        np.concatenate(arrays, out=values[:used], casting="unsafe")
    values[used:] = 0
    return values


def stacked_rows(
    field: str, arrays: Sequence[np.ndarray], room: int, dtype: np.dtype
) -> np.ndarray:
    """Bare arrays under each other, those of one axis or none as one row."""
    rows = [np.atleast_2d(array) for array in arrays]
    shapes = {array.shape[1:] for array in rows}
    if len(shapes) > 1:
        raise InvalidError(
            compose(
                f"collate {field!r}: the arrays do not fit together.",
                f"their rows have the shapes {sorted(map(str, shapes))}",
            )
        )
    return _under(rows, room, rows[0].shape[1:], dtype)
