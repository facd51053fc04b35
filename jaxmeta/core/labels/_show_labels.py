"""From labels to the plain facts that `_render` shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta._render import html, text, tree
from jaxmeta._render.facts import LabelFacts


def label_facts(labels: Any) -> LabelFacts:
    """Facts of static or dynamic labels; values only where the host has them."""
    values = labels.values
    dynamic = not hasattr(labels, "_data")
    known = isinstance(values, np.ndarray)
    return LabelFacts(
        labels._names,
        rows_of(values),
        values if known and not dynamic else None,
        dynamic=dynamic,
    )


def rows_of(values: Any) -> Any:
    """The first dimension of an array, None for what is no array."""
    shape = getattr(values, "shape", None)
    return shape[0] if shape else None


def print_labels(labels: Any, max_entries: int, indent: int) -> str:
    """Labels as columns, the way metatensor prints them."""
    return text.labels(label_facts(labels), max_entries, indent)


def labels(labels: Any) -> str:
    """The repr of labels."""
    return text.labels_repr(label_facts(labels))


def labels_html(labels: Any) -> str:
    """Labels in a notebook."""
    return html.labels(label_facts(labels))


def labels_tree(labels: Any, path: str | None, subtree_renderer: Any) -> Any:
    """Labels for treescope."""
    return tree.labels(label_facts(labels), path)
