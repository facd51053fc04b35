"""Labels, blocks and maps as trees for treescope, which draws them in notebooks.

treescope calls these (through ``__treescope_repr__``), so it is there when they run;
nothing else needs it. The trees are built from names and numbers alone: no array is
fetched from its device to be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from jaxmeta._render import text
from jaxmeta._render.facts import BlockFacts, LabelFacts, MapFacts, own_components
from jaxmeta._render.table import MOST_BLOCKS, block_title, map_title, rows_of
from jaxmeta._render.words import elide, listing
from jaxmeta.errors import MissingExtraError


def labels(facts: LabelFacts, path: str | None = None) -> Any:
    """Labels: the title, and at most 20 rows when unfolded."""
    parts = _parts()
    return _node(parts, text.labels_title(facts), "", _label_lines(parts, facts), path)


def block(facts: BlockFacts, path: str | None = None) -> Any:
    """A block: a node for each axis and each gradient."""
    parts = _parts()
    title = ", ".join(block_title(facts))
    children = _block_children(parts, facts, facts.components, path, gradient=False)
    return _node(parts, f"TensorBlock({title}", ")", children, path)


def tensor_map(facts: MapFacts, path: str | None = None) -> Any:
    """A map: a node for each of the first 20 blocks."""
    parts = _parts()
    count = min(facts.keys.rows, MOST_BLOCKS)
    children = [_map_block(parts, facts, index, path) for index in range(count)]
    if facts.keys.rows > count:
        children.append(_note(parts, f"… {facts.keys.rows - count} more"))
    if facts.info:
        children.append(_note(parts, f"info: {listing(facts.info)}"))
    return _node(parts, f"TensorMap({', '.join(map_title(facts))}", ")", children, path)


def _parts() -> ModuleType:
    method = "__treescope_repr__"
    try:
        from treescope import rendering_parts
    except ImportError as error:
        raise MissingExtraError(method, "treescope", "display") from error
    return rendering_parts


def _map_block(parts: ModuleType, facts: MapFacts, index: int, path: str | None) -> Any:
    found = facts.block(index)
    values = facts.keys.values
    key = text.entry(facts.keys.names, values[index].tolist()) if values is not None else ""
    inner = None if path is None else f"{path}.block({index})"
    title = f"{key}: {', '.join(block_title(found))}"
    children = _block_children(parts, found, found.components, inner, gradient=False)
    return _node(parts, title, "", children, inner)


def _block_children(
    parts: ModuleType,
    facts: BlockFacts,
    components: Sequence[LabelFacts],
    path: str | None,
    gradient: bool,
) -> list[Any]:
    """A node per axis; a gradient shows only the axes that its block does not."""
    axes = [("samples", "samples", facts.samples)]
    axes += [("component", f"components[{i}]", each) for i, each in enumerate(components)]
    axes += [] if gradient else [("properties", "properties", facts.properties)]
    children = [
        _node(
            parts,
            f"{kind}: {rows_of(each)} {listing(each.names)}".rstrip(),
            "",
            _label_lines(parts, each),
            None if path is None else f"{path}.{attribute}",
        )
        for kind, attribute, each in axes
    ]
    for name, inner in facts.gradients:
        where = None if path is None else f"{path}.gradient({name!r})"
        title = f"∂{elide(name)}: {', '.join(block_title(inner))}"
        own = own_components(inner, facts)
        inside = _block_children(parts, inner, own, where, gradient=True)
        children.append(_node(parts, title, "", inside, where))
    return children


def _label_lines(parts: ModuleType, facts: LabelFacts) -> list[Any]:
    lines = text.labels(facts, text.REPR_ENTRIES).split("\n") if facts.names else []
    return [_note(parts, lines[0]), *map(parts.text, lines[1:])] if lines else []


def _note(parts: ModuleType, words: str) -> Any:
    return parts.comment_color(parts.text(words))


def _node(
    parts: ModuleType, title: str, close: str, children: list[Any], path: str | None
) -> Any:
    """A title that unfolds to its children; "…" stands for them while it is folded."""
    if not children:
        return parts.build_one_line_tree_node(parts.text(title + close), path)
    inside = parts.fold_condition(
        collapsed=_note(parts, " …"), expanded=parts.indented_children(children)
    )
    return parts.build_custom_foldable_tree_node(
        label=parts.text(title), contents=parts.siblings(inside, close), path=path
    )
