"""Moves of metadata between keys, samples, components and properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxmeta.core.gradients._destinations import Capacity, Into, destination
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.moves import (
    _components_to_properties,
    _keys_to_properties,
    _keys_to_samples,
)
from jaxmeta.core.moves import _move_checks as checks
from jaxmeta.core.plans._plans import plan_for
from jaxmeta.core.plans._results import bare, run


def keys_to_samples(
    tensor: Any, keys: Any, fill_value: complex, sort: bool, capacity: Capacity | None
) -> Any:
    """See `TensorMap.keys_to_samples`."""
    names, _ = checks.keys_to_move("keys_to_samples", tensor.keys, keys, entries=False)
    fill = checks.fill_value("keys_to_samples", tensor, fill_value)
    sort = check_bool("keys_to_samples", "sort_samples", sort)
    asked, _ = destination("keys_to_samples", capacity=capacity)
    plan = plan_for(bare(tensor._layout), _keys_to_samples.plan, names, fill, sort, asked)
    return run(plan, tensor)


def keys_to_properties(
    tensor: Any,
    keys: Any,
    fill_value: complex,
    sort: bool,
    into: Into | None,
    capacity: Capacity | None,
) -> Any:
    """See `TensorMap.keys_to_properties`."""
    operation = "keys_to_properties"
    names, wanted = checks.keys_to_move(operation, tensor.keys, keys, entries=True)
    fill = checks.fill_value(operation, tensor, fill_value)
    sort = check_bool(operation, "sort_samples", sort)
    asked, arrays = destination(operation, into, capacity)
    own = bare(tensor._layout)
    plan = plan_for(own, _keys_to_properties.plan, names, wanted, fill, sort, asked)
    return run(plan, tensor, extra=arrays)


def components_to_properties(tensor: Any, dimensions: str | Sequence[str]) -> Any:
    """See `TensorMap.components_to_properties`."""
    names = checks.components_to_move(tensor, dimensions)
    if not names:
        return tensor
    # One after the other, each goes in front of those before it.
    return run(
        plan_for(bare(tensor._layout), _components_to_properties.plan, names[::-1]), tensor
    )
