"""Labels, blocks and maps as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from jaxmeta._render.facts import (
    BlockFacts,
    LabelFacts,
    MapFacts,
    all_gradients,
    own_components,
)
from jaxmeta._render.table import (
    axes,
    block_title,
    line_of,
    map_title,
    rows_of,
    shown,
    table,
)
from jaxmeta._render.words import left, listing, plural, right, size, width


REPR_ENTRIES = 20
REPR_KEYS = 20


def entry(names: Sequence[str], values: Sequence[int]) -> str:
    """One row of labels.

    >>> entry(["a", "b"], [0, 1])
    '(a=0, b=1)'
    """
    pairs = zip(names, values, strict=True)
    return f"({', '.join(f'{name}={value}' for name, value in pairs)})"


def labels(facts: LabelFacts, max_entries: int = -1, indent: int = 0) -> str:
    """Names and rows in centred columns, the format that metatensor prints.

    Arguments:
        facts: the labels.
        max_entries: how many rows, half from each end; negative for all, at least 2.
        indent: spaces before every line but the first.
    """
    if not facts.names:
        return "()" if facts.rows else ""
    if facts.values is None:
        return _unknown(facts, indent)
    first, last = shown(len(facts.values), max_entries)
    rows = [
        [str(value) for value in row]
        for part in (first, last)
        for row in facts.values[part.start : part.stop].tolist()
    ]
    lines = columns(facts.names, rows)
    if last:
        lines.insert(1 + len(first), _dots(facts.names, rows))
    return f"\n{' ' * indent}".join(lines)


def columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A line of names and a line per row, everything centred in its column."""
    widths = _widths(names, rows)
    return [
        " " + "  ".join(map(_centre, cells, widths)).rstrip() for cells in (names, *rows)
    ]


def _widths(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(width, column)) for column in zip(names, *rows, strict=True)]


def _centre(cell: str, columns: int) -> str:
    before = (columns - width(cell)) // 2
    return left(" " * before + cell, columns)


def _dots(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # Where metatensor puts them: in the middle of a wide table, beside a narrow one.
    middle = (sum(_widths(names, rows)) + 2 * len(names)) // 2
    return " " * (middle - 2 if middle > 3 else middle + 1) + "..."


def _unknown(facts: LabelFacts, indent: int) -> str:
    count = plural(facts.rows, "entry", "entries")
    note = f" {'≤' if facts.dynamic else ''}{count}, values not shown"
    return f"\n{' ' * indent}".join([*columns(facts.names, []), note])


def labels_title(facts: LabelFacts) -> str:
    """The first line about labels: "Labels: 3 entries"."""
    if facts.dynamic:
        return f"DynamicLabels: {rows_of(facts)} entries of {listing(facts.names)}"
    return f"Labels: {plural(facts.rows, 'entry', 'entries')}"


def labels_repr(facts: LabelFacts, max_entries: int = REPR_ENTRIES) -> str:
    """Labels under a title that counts them; dynamic labels are the title alone."""
    title = labels_title(facts)
    if facts.values is None or not facts.names:
        return title
    return f"{title}\n   {labels(facts, max_entries, indent=3)}"


def block(facts: BlockFacts) -> str:
    """A block: a title, then one line per axis and per gradient."""
    lines = [("samples", rows_of(facts.samples), listing(facts.samples.names))]
    for index, component in enumerate(facts.components):
        heading = "" if index else "components"
        lines.append((heading, rows_of(component), listing(component.names)))
    names = listing(facts.properties.names)
    lines.append(("properties", rows_of(facts.properties), names))
    lines += _gradient_lines(facts)
    heads = max(width(head) for head, _, _ in lines)
    digits = max(width(number) for _, number, _ in lines)
    body = [
        f"  {left(head, heads)}  {right(number, digits)}  {names}"
        for head, number, names in lines
    ]
    return _joined([f"TensorBlock: {', '.join(block_title(facts))}", *body])


def _gradient_lines(facts: BlockFacts) -> list[tuple[str, str, str]]:
    lines = []
    for name, gradient in all_gradients(facts):
        parts = [listing(gradient.samples.names)]
        own = own_components(gradient, facts)
        parts += [axes(own)] if own else []
        lines.append((f"∂{listing([name])}", rows_of(gradient.samples), " × ".join(parts)))
    return lines


def tensor_map(facts: MapFacts, max_keys: int = REPR_KEYS) -> str:
    """A map as a table with one line per block.

    Arguments:
        facts: the map.
        max_keys: how many blocks, half from each end; negative for all, at least 2.
    """
    title = f"TensorMap: {', '.join(map_title(facts))}"
    info = [f"  info: {listing(facts.info)}"] if facts.info else []
    if not facts.keys.rows:
        names = [f"  keys: {listing(facts.keys.names)}"] if facts.keys.names else []
        return _joined([title, *names, *info])
    first, last = shown(facts.keys.rows, max_keys)
    positions = [*first, *last]
    found = table(facts.keys, positions, [facts.block(index) for index in positions])
    lines = [f"  {line_of(found, cells)}" for cells in (found.head, *found.rows)]
    hidden = facts.keys.rows - len(positions)
    if hidden:
        more = f"  ... {size(hidden)} more {'block' if hidden == 1 else 'blocks'}"
        lines.insert(1 + len(first), more)
    return _joined([title, *lines, *info])


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(line.rstrip() for line in lines)
