"""The table of a map, one row per block: what stands in it, for text and for HTML."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from jaxmeta._render.facts import (
    BlockFacts,
    LabelFacts,
    MapFacts,
    all_gradients,
    block_bytes,
)
from jaxmeta._render.words import (
    LONGEST_NAME,
    elide,
    left,
    listing,
    memory,
    plural,
    right,
    shape,
    size,
    width,
)
from jaxmeta.errors import InvalidTypeError, compose


HEADS = ("samples", "components", "properties")
MOST_BLOCKS = 20
MOST_COMPONENTS = 4
MOST_NAMES = 3  # of one component
MOST_GRADIENTS = 4
WIDEST = 100
# Longest name and most gradients, from easy to read to just readable: the first pair
# that lets the table fit is taken.
ATTEMPTS = (
    *((limit, MOST_GRADIENTS) for limit in (LONGEST_NAME, 24, 18, 15, 13, 12)),
    *((12, gradients) for gradients in range(MOST_GRADIENTS - 1, 0, -1)),
    *((limit, 1) for limit in (11, 10, 9, 8)),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of equal width per column; `keys` of the columns are those of the keys."""

    keys: int
    head: list[str]
    rows: list[list[str]]
    widths: list[int]

    @property
    def width(self) -> int:
        """Columns of the widest line of text, its indent of two included."""
        key = 2 * self.keys + 1 if self.keys else 0
        gradients = len(self.widths) - self.keys - len(HEADS)
        return 2 + key + 2 * (len(HEADS) - 1) + 3 * gradients + sum(self.widths)


def shown(rows: int, most: int) -> tuple[range, range]:
    """Positions at the start and at the end that are shown; negative `most` is all.

    >>> shown(7, 3), shown(7, -1)
    ((range(0, 2), range(6, 7)), (range(0, 7), range(7, 7)))
    """
    try:
        most = operator.index(most)
    except TypeError:
        what = "print: the number of rows to show must be an integer."
        raise InvalidTypeError(compose(what, f"found {most!r}")) from None
    most = max(most, 2) if most >= 0 else rows
    if rows <= most:
        return range(rows), range(rows, rows)
    return range((most + 1) // 2), range(rows - most // 2, rows)


def map_title(facts: MapFacts) -> list[str]:
    """What the first line says of a map: blocks, dtype, bytes, gradients."""
    parts = [plural(facts.keys.rows, "block", "blocks")]
    parts += [facts.dtype] if facts.dtype is not None else []
    parts += [memory(facts.nbytes)] if facts.nbytes is not None and facts.dtype else []
    return parts + _gradients(facts.gradients)


def block_title(facts: BlockFacts) -> list[str]:
    """What the first line says of a block: dtype, shape, bytes, gradients."""
    parts = [facts.values.dtype, f"shape {shape(facts.values.shape)}"]
    nbytes = block_bytes(facts)
    parts += [memory(nbytes)] if nbytes is not None else []
    return parts + _gradients([name for name, _ in all_gradients(facts)])


def _gradients(names: Sequence[str]) -> list[str]:
    return [f"gradients: {listing(names, MOST_GRADIENTS)}"] if names else []


def rows_of(labels: LabelFacts) -> str:
    """The number of rows: "3", or "≤64" for dynamic labels."""
    return size(labels.rows, at_most=labels.dynamic)


def axes(labels: Sequence[LabelFacts], limit: int = LONGEST_NAME) -> str:
    """Names and sizes of components: "xyz_1 3 × xyz_2 3", "–" for none."""
    parts = [
        f"{listing(each.names, MOST_NAMES, limit)} {rows_of(each)}".strip()
        for each in labels
    ]
    if len(parts) > MOST_COMPONENTS:
        parts[MOST_COMPONENTS:] = [f"… {len(parts) - MOST_COMPONENTS} more"]
    return " × ".join(parts) or "–"


def table(
    keys: LabelFacts, positions: Sequence[int], blocks: Sequence[BlockFacts]
) -> Table:
    """The table of some blocks: shorter names, then fewer gradients, until it fits."""
    found = _table(keys, positions, blocks, *ATTEMPTS[0])
    for limit, gradients in ATTEMPTS[1:]:
        distinct = len({elide(name, limit) for name in keys.names}) == len(keys.names)
        if found.width <= WIDEST:
            break
        if distinct:
            found = _table(keys, positions, blocks, limit, gradients)
    return found


def _table(
    keys: LabelFacts,
    positions: Sequence[int],
    blocks: Sequence[BlockFacts],
    limit: int,
    most_gradients: int,
) -> Table:
    rows = [
        [
            *_key(keys, position),
            rows_of(block.samples),
            axes(block.components, limit),
            rows_of(block.properties),
            *gradients,
        ]
        for position, block, gradients in zip(
            positions, blocks, _gradient_cells(blocks, limit, most_gradients), strict=True
        )
    ]
    head = [elide(name, limit) for name in keys.names] + list(HEADS)
    head += [""] * (len(rows[0]) - len(head))
    widths = [max(map(width, column)) for column in zip(head, *rows, strict=True)]
    return Table(len(keys.names), head, rows, widths)


def _gradient_cells(blocks: Sequence[BlockFacts], limit: int, most: int) -> list[list[str]]:
    """For each block "∂name rows" of the first gradients, then "…" if there are more."""
    gradients = [dict(all_gradients(block)) for block in blocks]
    names = list(dict.fromkeys(name for each in gradients for name in each))
    columns = []
    for name in names[:most]:
        counts = [rows_of(each[name].samples) if name in each else "" for each in gradients]
        digits = max(map(width, counts))
        columns.append(
            [f"∂{elide(name, limit)} {right(n, digits)}" if n else "" for n in counts]
        )
    if len(names) > most:
        columns.append(["…"] * len(blocks))
    return [list(cells) for cells in zip(*columns, strict=True)] or [[] for _ in blocks]


def _key(keys: LabelFacts, position: int) -> list[str]:
    if keys.values is None:
        return ["?"] * len(keys.names)
    return [str(value) for value in keys.values[position].tolist()]


def line_of(found: Table, cells: Sequence[str]) -> str:
    """One row as text: key cells, a bar, then the counts."""
    first = found.keys
    samples, components, properties = first, first + 1, first + 2
    padded = [
        (right if column in (samples, properties) else left)(cell, columns)
        for column, (cell, columns) in enumerate(zip(cells, found.widths, strict=True))
    ]
    counts = "  ".join([padded[samples], padded[components], padded[properties]])
    key = "  ".join(padded[:first])
    parts = [f"{key} | {counts}" if first else counts, *padded[first + 3 :]]
    return "   ".join(parts)
