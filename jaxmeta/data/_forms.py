"""What batches of one field have in common, whatever their rows: layouts with dynamic
samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.layouts._differences import block_name, check_same_labels
from jaxmeta.core.layouts._layout import (
    BlockLayout,
    Dynamic,
    Layout,
    block_layout,
    layout,
)
from jaxmeta.errors import NotEqualError, compose


# The rows that a batch has room for: by parameter, one number for each block.
Room = dict[str, tuple[int, ...]]
SAMPLES = "samples"


def form_of(tensor: TensorMap) -> Layout:
    """The layout that a map has with dynamic samples: what batches have in common."""
    blocks = tuple(dynamic_form(block) for block in tensor._layout.blocks)
    return layout(tensor.keys, blocks)


def dynamic_form(block: BlockLayout) -> BlockLayout:
    """The layout that a block has with dynamic samples."""
    gradients = tuple((name, dynamic_form(inner)) for name, inner in block.gradients)
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
                check_form(field, block_name(form.keys, i), known, block)
    names = forms[0].keys._names
    table = np.array(list(found), np.int32).reshape(-1, len(names))
    return layout(Labels(names, table), tuple(found.values()))


def check_form(field: str, name: str, known: BlockLayout, block: BlockLayout) -> None:
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
        check_form(field, f"gradient {parameter!r} of {name}", own, other)


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
    shape = row_shape(block)
    row = int(np.prod(shape)) * size + 4 * len(block.sample_names)
    found[Slot(field, path, i)] = row
    for name, inner in block.gradients:
        below = name if path == SAMPLES else f"{path}/{name}"
        _add_sizes(found, field, i, below, inner, size)


def row_shape(block: BlockLayout) -> tuple[int, ...]:
    """The shape of one row of its values."""
    return (*(len(labels) for labels in block.components), len(block.properties))


# Finding ---------------------------------------------------------------------------------


def placed(
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
