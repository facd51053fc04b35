"""What all reductions ask of their arguments, and labels without some dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import Labels
from jaxmeta.core.functions._reducing import Kind
from jaxmeta.core.labels._names import dimension_names
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.layouts._precision import check_inexact, check_sums
from jaxmeta.core.rows._rows import unique_rows
from jaxmeta.errors import MissingError, choices, compose
from jaxmeta.operations._arguments import names_to_reduce


_RESULTS = {
    "mean": "their means",
    "var": "their variances",
    "std": "their standard deviations",
    "norm": "their norms",
}


def check_numbers(operation: str, data: Any, kind: Kind) -> None:
    """Refuse dtypes that do not hold the results."""
    if kind != "sum":
        check_inexact(operation, data, _RESULTS[kind])
    else:
        check_sums(operation, data)


def dimensions_to_reduce(
    operation: str, own: Any, axis: str, names: str | Sequence[str]
) -> tuple[str, ...]:
    """The names of dimensions of samples or properties to reduce over."""
    first = _first(own)
    if first is None:
        dimension_names(names, operation)
        return ()
    existing = first.sample_names if axis == "samples" else first.properties._names
    return names_to_reduce(operation, axis, names, existing)


def components_to_reduce(
    operation: str, own: Any, names: str | Sequence[str] | None
) -> tuple[str, ...] | None:
    """The names of components to reduce over; None for all of them."""
    found = None if names is None else dimension_names(names, operation)
    first = _first(own)
    if first is None or found is None:
        return None
    existing = first.component_names
    for name in found:
        if name not in existing:
            raise MissingError(
                compose(
                    f"{operation}: there is no component {name!r}.",
                    choices(name, existing),
                    *_of_gradients(first, name),
                )
            )
    return found


def without(labels: Labels, names: tuple[str, ...]) -> tuple[Labels, np.ndarray]:
    """Labels without some dimensions, and which of them each of the entries goes to."""
    kept = [i for i, name in enumerate(labels._names) if name not in names]
    if not kept:
        rows = Labels("_", np.zeros((min(1, len(labels)), 1), np.int32))
        return rows, np.zeros(len(labels), np.int64)
    rows, target = unique_rows(labels.values[:, kept])
    kept_names = [labels._names[i] for i in kept]
    return Labels(kept_names, rows, assume_unique=True), target


def _first(own: Any) -> BlockLayout | None:
    """The block, or the first one of a map, if it has any."""
    blocks = (own,) if isinstance(own, BlockLayout) else own.blocks
    return blocks[0] if blocks else None


def _of_gradients(part: BlockLayout, name: str) -> list[str]:
    """What to say of a component that gradients alone have."""
    return [
        f"{name!r} is a component of the gradient {parameter!r}, which keeps it"
        for parameter, gradient in part.gradients
        if name in gradient.component_names
    ]
