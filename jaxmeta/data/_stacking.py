"""Maps of several structures under each other in arrays of known size, in numpy.

What `join` and `pad` would give after one another, without making labels of the batch:
only arrays are filled, so that a batch costs what copying its numbers costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.core import PADDING, Labels, TensorMap
from jaxmeta.core.layouts._differences import block_name, check_same_labels
from jaxmeta.core.layouts._layout import (
    BlockLayout,
    Dynamic,
    Layout,
    block_layout,
    layout,
)
from jaxmeta.core.rows._rows import first_duplicate
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    NotEqualError,
    compose,
)


# The rows that a batch has room for: by parameter, one number for each block.
Room = dict[str, tuple[int, ...]]
SAMPLES = "samples"


def form_of(tensor: TensorMap) -> Layout:
    """The layout that a map has with dynamic samples: what batches have in common."""
    blocks = tuple(_dynamic(block) for block in tensor._layout.blocks)
    return layout(tensor.keys, blocks)


def _dynamic(block: BlockLayout) -> BlockLayout:
    gradients = tuple((name, _dynamic(inner)) for name, inner in block.gradients)
    names = Dynamic(block.sample_names)
    return block_layout(names, block.components, block.properties, gradients)


def common_form(field: str, forms: Sequence[Layout]) -> Layout:
    """The form with the keys of all, in order of first appearance."""
    if all(form is forms[0] for form in forms):
        return forms[0]
    found: dict[tuple[int, ...], BlockLayout] = {}
    for form in forms:
        if form.keys._names != forms[0].keys._names:
            check_same_labels(f"collate {field!r}", "", "keys", forms[0].keys, form.keys)
        for i, (row, block) in enumerate(
            zip(form.keys.values.tolist(), form.blocks, strict=True)
        ):
            known = found.setdefault(tuple(row), block)
            if known is not block:
                _check_form(field, block_name(form.keys, i), known, block)
    names = forms[0].keys._names
    table = np.array(list(found), np.int32).reshape(-1, len(names))
    return layout(Labels(names, table), tuple(found.values()))


def _check_form(field: str, name: str, known: BlockLayout, block: BlockLayout) -> None:
    """Refuse a block of another kind: everything but the rows must be the same."""
    where = f"collate {field!r}"
    for what, own, other in (
        ("sample names", known.sample_names, block.sample_names),
        ("component names", known.component_names, block.component_names),
        ("gradients", _names(known), _names(block)),
    ):
        if own != other:
            raise NotEqualError(
                compose(
                    f"{where}: the {what} of {name} differ between structures.",
                    f"one has {list(own)}, another {list(other)}",
                )
            )
    for own, other in zip(known.components, block.components, strict=True):
        check_same_labels(where, name, f"components {own.names[0]!r}", own, other)
    check_same_labels(where, name, "properties", known.properties, block.properties)
    for (parameter, own), (_, other) in zip(known.gradients, block.gradients, strict=True):
        _check_form(field, f"gradient {parameter!r} of {name}", own, other)


def _names(block: BlockLayout) -> tuple[str, ...]:
    return tuple(name for name, _ in block.gradients)


# Counting --------------------------------------------------------------------------------


class Slot(NamedTuple):
    """Rows that need room: of one field, one parameter and one block."""

    field: str
    parameter: str
    block: int


def row_sizes(field: str, form: Layout, itemsize: int) -> dict[Slot, int]:
    """For each slot of a form how many bytes a row takes, labels included."""
    found: dict[Slot, int] = {}
    for i, block in enumerate(form.blocks):
        _add_sizes(found, field, i, SAMPLES, block, itemsize)
    return found


def _add_sizes(
    found: dict[Slot, int], field: str, i: int, path: str, block: BlockLayout, size: int
) -> None:
    shape = _row_shape(block)
    row = int(np.prod(shape)) * size + 4 * len(block.sample_names)
    found[Slot(field, path, i)] = row
    for name, inner in block.gradients:
        below = name if path == SAMPLES else f"{path}/{name}"
        _add_sizes(found, field, i, below, inner, size)


def _row_shape(block: BlockLayout) -> tuple[int, ...]:
    return (*(len(labels) for labels in block.components), len(block.properties))


def row_counts(field: str, form: Layout, tensor: TensorMap) -> dict[Slot, int]:
    """For each slot of a form how many rows a map has, if it has such a block."""
    found: dict[Slot, int] = {}
    for i, part, _ in _placed(field, form, tensor):
        _add_counts(found, field, i, SAMPLES, part)
    return found


def _add_counts(
    found: dict[Slot, int], field: str, i: int, path: str, part: BlockLayout
) -> None:
    found[Slot(field, path, i)] = len(_static(field, part))
    for name, inner in part.gradients:
        _add_counts(found, field, i, name if path == SAMPLES else f"{path}/{name}", inner)


def _static(field: str, part: BlockLayout) -> Labels:
    if isinstance(part.samples, Dynamic):
        raise DynamicSamplesError(
            compose(
                f"collate {field!r}: a structure has dynamic samples.",
                f"they are {list(part.sample_names)}",
                remedy="data sets hold static samples: unpad(tensor) gives them.",
            )
        )
    return part.samples


def _placed(
    field: str, form: Layout, tensor: TensorMap
) -> list[tuple[int, BlockLayout, int]]:
    """For each block of a map its position in the form, its layout and its first leaf."""
    own = tensor._layout
    if own.keys is form.keys:
        return list(zip(range(len(own.blocks)), own.blocks, own.offsets, strict=False))
    if own.keys._names != form.keys._names:
        check_same_labels(f"collate {field!r}", "", "keys", form.keys, own.keys)
    positions = form.keys._index.find(own.keys.values)
    for i in np.flatnonzero(positions < 0):
        raise NotEqualError(
            compose(
                f"collate {field!r}: a structure has a block that batches lack.",
                f"it is {block_name(own.keys, int(i))}; batches have {len(form.keys)} keys",
                remedy="buckets(dataset, ...) finds the keys of all structures.",
            )
        )
    return list(zip(positions.tolist(), own.blocks, own.offsets, strict=False))


# Filling ---------------------------------------------------------------------------------


class _Source(NamedTuple):
    """A block of one structure, and where it stands among the leaves of its map."""

    number: int
    part: BlockLayout
    leaves: tuple[Any, ...]
    leaf: int


class Stack:
    """Fills the arrays of one field of a batch.

    Arguments:
        field: its name, for messages.
        form: the layout of the result.
        room: rows of each parameter and block.
        renumber: the dimension that becomes the number of the structure, or None.
    """

    def __init__(self, field: str, form: Layout, room: Room, renumber: str | None) -> None:
        self._field = field
        self._form = form
        self._room = room
        self._renumber = renumber

    def leaves(self, tensors: Sequence[TensorMap], dtype: np.dtype) -> list[np.ndarray]:
        """The arrays of the result."""
        sources: list[list[_Source]] = [[] for _ in self._form.blocks]
        for number, tensor in enumerate(tensors):
            for i, part, leaf in _placed(self._field, self._form, tensor):
                sources[i].append(_Source(number, part, tensor._leaves, leaf))
        found: list[np.ndarray] = []
        for i, (block, several) in enumerate(zip(self._form.blocks, sources, strict=True)):
            name = block_name(self._form.keys, i)
            for source in several:
                if not _is_of_form(source.part, block):
                    _check_form(self._field, name, block, _dynamic(source.part))
            found += self._block(i, SAMPLES, block, several, None, dtype)
        return found

    def _block(
        self,
        index: int,
        path: str,
        block: BlockLayout,
        sources: Sequence[_Source],
        starts: np.ndarray | None,
        dtype: np.dtype,
    ) -> list[np.ndarray]:
        tables = [_static(self._field, source.part).values for source in sources]
        counts = np.array([len(table) for table in tables], np.int64)
        room = self._room[path][index]
        rows = self._labels(block, tables, counts, sources, starts)
        if starts is None:
            self._check_unique(index, block, rows[: counts.sum()])
        values = _under(
            [np.asarray(source.leaves[source.leaf]) for source in sources],
            room,
            _row_shape(block),
            dtype,
        )
        labels = np.full((room, len(block.sample_names)), PADDING, np.int32)
        labels[: len(rows)] = rows
        found = [values, labels]
        begins = np.cumsum(counts) - counts
        for name, inner in block.gradients:
            below = [_below(source, name) for source in sources]
            where = name if path == SAMPLES else f"{path}/{name}"
            found += self._block(index, where, inner, below, begins, dtype)
        return found

    def _labels(
        self,
        block: BlockLayout,
        tables: Sequence[np.ndarray],
        counts: np.ndarray,
        sources: Sequence[_Source],
        starts: np.ndarray | None,
    ) -> np.ndarray:
        """The rows of all structures, with what refers to the batch renumbered."""
        empty = np.zeros((0, len(block.sample_names)), np.int32)
        rows = np.concatenate([empty, *tables])
        if starts is not None:
            rows[:, 0] += np.repeat(starts, counts).astype(np.int32)
        if self._renumber in block.sample_names:
            column = block.sample_names.index(self._renumber)
            numbers = np.array([source.number for source in sources], np.int32)
            self._check_one_value(rows[:, column], tables, column, counts)
            rows[:, column] = np.repeat(numbers, counts)
        return rows

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

    def _check_unique(self, index: int, block: BlockLayout, rows: np.ndarray) -> None:
        if self._renumber in block.sample_names:
            return
        found = first_duplicate(rows)
        if found is not None:
            entry = zip(block.sample_names, rows[found[0]].tolist(), strict=True)
            raise InvalidError(
                compose(
                    f"collate {self._field!r}: two structures have the same sample.",
                    f"it is ({', '.join(f'{n}={v}' for n, v in entry)}) in "
                    f"{block_name(self._form.keys, index)}",
                    remedy='renumber="..." makes one dimension the number of the '
                    "structure in the batch.",
                )
            )


def _below(source: _Source, name: str) -> _Source:
    leaf = source.leaf + source.part.offsets[name]
    return _Source(source.number, source.part.gradient_layouts[name], source.leaves, leaf)


def _is_of_form(part: BlockLayout, form: BlockLayout) -> bool:
    """Whether only the rows differ; labels are interned, so this compares identities."""
    return (
        part.properties is form.properties
        and part.components == form.components
        and part.sample_names == form.sample_names
        and len(part.gradients) == len(form.gradients)
        and all(
            own[0] == other[0] and _is_of_form(own[1], other[1])
            for own, other in zip(part.gradients, form.gradients, strict=True)
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
