"""From blocks and maps to the plain facts that `_render` shows."""

from __future__ import annotations

from typing import Any

from jaxmeta._render import html, text, tree
from jaxmeta._render.facts import (
    ArrayFacts,
    BlockFacts,
    LabelFacts,
    MapFacts,
    all_gradients,
    leaf_bytes,
    total_bytes,
)
from jaxmeta.core.labels._show_labels import label_facts, rows_of
from jaxmeta.core.layouts._layout import BlockLayout, Dynamic, Layout


def _block_facts(layout: BlockLayout, leaves: tuple[Any, ...]) -> BlockFacts:
    samples = layout.samples
    if isinstance(samples, Dynamic):
        own = LabelFacts(samples.names, rows_of(leaves[1]), None, dynamic=True)
    else:
        own = label_facts(samples)
    gradients = []
    for name, gradient in layout.gradients:
        start = layout.offsets[name]
        below = leaves[start : start + gradient.size]
        gradients.append((name, _block_facts(gradient, below)))
    return BlockFacts(
        ArrayFacts.of(leaves[0]),
        own,
        tuple(label_facts(component) for component in layout.components),
        label_facts(layout.properties),
        tuple(gradients),
    )


def _map_facts(tensor: Any) -> MapFacts:
    layout: Layout = tensor._layout
    leaves = tensor._leaves

    def block(index: int) -> BlockFacts:
        start = layout.offsets[index]
        part = layout.blocks[index]
        return _block_facts(part, leaves[start : start + part.size])

    first = block(0) if layout.blocks else None
    return MapFacts(
        label_facts(layout.keys),
        block,
        dtype=first.values.dtype if first else None,
        nbytes=total_bytes(map(leaf_bytes, leaves)),
        gradients=[name for name, _ in all_gradients(first)] if first else [],
        info=[name for name, _ in layout.info],
    )


def block(block: Any) -> str:
    """The repr of a block."""
    return text.block(_block_facts(block._layout, block._leaves))


def block_html(block: Any) -> str:
    """A block in a notebook."""
    return html.block(_block_facts(block._layout, block._leaves))


def tensor_map(tensor: Any, max_keys: int) -> str:
    """A map as a table."""
    return text.tensor_map(_map_facts(tensor), max_keys)


def tensor_map_html(tensor: Any) -> str:
    """A map in a notebook."""
    return html.tensor_map(_map_facts(tensor))


def block_tree(block: Any, path: str | None, subtree_renderer: Any) -> Any:
    """A block for treescope."""
    return tree.block(_block_facts(block._layout, block._leaves), path)


def tensor_map_tree(tensor: Any, path: str | None, subtree_renderer: Any) -> Any:
    """A map for treescope."""
    return tree.tensor_map(_map_facts(tensor), path)
