"""Labels, blocks and maps as HTML for notebooks: the table of the text, to unfold.

Self-contained, without scripts or fixed colours, so that it reads on dark and on light
pages. What is shown is bounded, whatever the size of the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from jaxmeta._render import text
from jaxmeta._render.facts import BlockFacts, LabelFacts, MapFacts, own_components
from jaxmeta._render.table import (
    MOST_BLOCKS,
    MOST_COMPONENTS,
    MOST_GRADIENTS,
    Table,
    block_title,
    map_title,
    rows_of,
    table,
)
from jaxmeta._render.words import elide, listing


MOST_ROWS = 7
LONGEST_LINE = 100
# Blocks that would bring a page beyond this many bytes are not to be unfolded.
BUDGET = 50_000

STYLE = (
    ".jaxmeta{font:13px/1.5 ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
    "overflow-x:auto;color:inherit}"
    ".jaxmeta pre{all:unset;display:block;white-space:pre;font:inherit}"
    ".jaxmeta summary{cursor:pointer;list-style:none}"
    ".jaxmeta summary::-webkit-details-marker{display:none}"
    ".jaxmeta summary::before{content:'▸ ';opacity:.6}"
    ".jaxmeta details[open]>summary::before{content:'▾ '}"
    ".jaxmeta .row{display:inline-grid;grid-template-columns:var(--c);column-gap:2ch;"
    "vertical-align:top;white-space:pre}"
    ".jaxmeta .head,.jaxmeta .flat,.jaxmeta .deep{padding-left:2ch}"
    ".jaxmeta .dim,.jaxmeta .head{opacity:.65}"
    ".jaxmeta .n{text-align:right}"
    ".jaxmeta .bar{border-left:1px solid;padding-left:1ch}"
    ".jaxmeta .in{display:flex;flex-wrap:wrap;gap:.5em 3ch;margin:.3em 0 .6em .5ch;"
    "padding-left:1.5ch;border-left:1px dotted}"
)


def labels(facts: LabelFacts) -> str:
    """Labels: a title and at most 20 rows."""
    body = ""
    if facts.names:
        body = _lines(text.labels(facts, text.REPR_ENTRIES).split("\n"))
    return _page(_bold(text.labels_title(facts)), body)


def block(facts: BlockFacts) -> str:
    """A block: a title, the first rows of its labels, and its gradients to unfold."""
    title = _bold("TensorBlock", ", ".join(block_title(facts)))
    return _page(title, _inside(facts, facts.components, with_properties=True))


def tensor_map(facts: MapFacts) -> str:
    """A map: the table, of which each row unfolds to the block."""
    parts = [_bold("TensorMap", ", ".join(map_title(facts)))]
    columns = ""
    count = min(facts.keys.rows, MOST_BLOCKS)
    if count:
        blocks = [facts.block(index) for index in range(count)]
        found = table(facts.keys, range(count), blocks)
        columns = " ".join(
            f"{width + (i == found.keys)}ch" for i, width in enumerate(found.widths)
        )
        parts.append(f'<div class="head">{_row(found, found.head)}</div>')
        parts += _blocks(found, blocks)
    elif facts.keys.names:
        parts.append(_dim(f"keys: {listing(facts.keys.names)}"))
    if facts.keys.rows > count:
        parts.append(_dim(f"… {facts.keys.rows - count} more"))
    if facts.info:
        parts.append(_dim(f"info: {listing(facts.info)}"))
    return _page(*parts, columns=columns)


def _blocks(found: Table, blocks: Sequence[BlockFacts]) -> list[str]:
    parts, used = [], 0
    for cells, facts in zip(found.rows, blocks, strict=True):
        row, inside = _row(found, cells), ""
        if used <= BUDGET:
            inside = _inside(facts, facts.components, with_properties=True)
            used += len(inside.encode())
        flat = f'<div class="flat">{row}</div>'
        parts.append(_fold(row, inside) if used <= BUDGET else flat)
    return parts


def _page(*parts: str, columns: str = "") -> str:
    style = f' style="--c:{columns}"' if columns else ""
    body = "\n".join(part for part in parts if part)
    return f'<div class="jaxmeta"{style}><style>{STYLE}</style>\n{body}\n</div>'


def _row(found: Table, cells: Sequence[str]) -> str:
    numbers = (found.keys, found.keys + 2)
    spans = []
    for column, cell in enumerate(cells):
        names = ["n"] if column in numbers else []
        names += ["bar"] if column == found.keys and found.keys else []
        kind = f' class="{" ".join(names)}"' if names else ""
        spans.append(f"<span{kind}>{escape(cell)}</span>")
    return f'<span class="row">{" ".join(spans)}</span>'


def _inside(
    facts: BlockFacts, components: Sequence[LabelFacts], with_properties: bool
) -> str:
    """The labels of a block side by side; a gradient shows what its block does not."""
    parts = [_axis("samples", facts.samples)]
    parts += [_axis("component", each) for each in components[:MOST_COMPONENTS]]
    if len(components) > MOST_COMPONENTS:
        parts.append(_dim(f"… {len(components) - MOST_COMPONENTS} more components"))
    if with_properties:
        parts.append(_axis("properties", facts.properties))
    inside = f'<div class="in">{"".join(parts)}</div>'
    return inside + "".join(_gradients(facts))


def _gradients(facts: BlockFacts) -> list[str]:
    parts = []
    for name, gradient in facts.gradients[:MOST_GRADIENTS]:
        title = ", ".join(block_title(gradient))
        inside = _inside(gradient, own_components(gradient, facts), with_properties=False)
        parts.append(_fold(f"∂{escape(elide(name))} {_quiet(title)}", inside))
    more = len(facts.gradients) - MOST_GRADIENTS
    if more > 0:
        parts.append(_dim(f"… {more} more gradients"))
    indented = "".join(parts)
    return [f'<div class="deep">{indented}</div>'] if parts else []


def _axis(kind: str, facts: LabelFacts) -> str:
    title = f"<span>{kind} {_quiet(rows_of(facts))}</span>"
    return f"<div>{title}{_first_rows(facts)}</div>"


def _first_rows(facts: LabelFacts) -> str:
    if not facts.names:
        return ""
    if facts.values is None:
        return _lines(text.columns(facts.names, []))
    rows = [[str(value) for value in row] for row in facts.values[:MOST_ROWS].tolist()]
    lines = text.columns(facts.names, rows)
    more = len(facts.values) - len(rows)
    return _lines([*lines, f" … {more} more"] if more else lines)


def _lines(lines: Sequence[str]) -> str:
    head, *rest = [
        escape(line if len(line) <= LONGEST_LINE else f"{line[:99]}…") for line in lines
    ]
    return "<pre>" + "\n".join([_quiet(head, escaped=True), *rest]) + "</pre>"


def _fold(summary: str, inside: str) -> str:
    return f"<details><summary>{summary}</summary>{inside}</details>"


def _bold(name: str, rest: str = "") -> str:
    quiet = f" {_quiet(rest)}" if rest else ""
    return f"<div><strong>{escape(name)}</strong>{quiet}</div>"


def _quiet(words: str, escaped: bool = False) -> str:
    return f'<span class="dim">{words if escaped else escape(words)}</span>'


def _dim(words: str) -> str:
    return f'<div class="dim">{escape(words)}</div>'
