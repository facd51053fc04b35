"""What the moves of metadata demand of their arguments."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.labels._names import check_dimensions, dimension_names
from jaxmeta.core.layouts._differences import block_name, labels_facts
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose


def keys_to_move(
    operation: str, keys: Labels, moved: Any, entries: bool
) -> tuple[tuple[str, ...], Labels | None]:
    """The names to move, and the Labels with entries that fix the result, if any."""
    wanted = None
    if isinstance(moved, Labels):
        names = moved._names
        if len(moved):
            if not entries:
                raise InvalidError(
                    compose(
                        f"{operation}: Labels with entries can not be moved to samples.",
                        f"found {len(moved)} entries of {moved.names}",
                        remedy="give only the names.",
                    )
                )
            wanted = moved
    else:
        names = dimension_names(moved, operation)
    check_dimensions(operation, "keys", names, keys._names)
    return names, wanted


def fill_value(operation: str, tensor: Any, value: Any) -> Any:
    """The fill value as a Python number that the dtype of the tensor can hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, bool | int | float | complex):
        raise InvalidTypeError(
            compose(f"{operation}: the fill value must be a number.", f"found {value!r}")
        )
    if tensor.dtype is None:
        return value
    held = _held(value, tensor.dtype)
    if held is None:
        raise InvalidError(
            compose(
                f"{operation}: the values can not hold the fill value.",
                f"the values are {tensor.dtype}, the fill value is {value!r}",
            )
        )
    return held


def _held(value: complex, dtype: Any) -> Any:
    """The number as the dtype holds it; None when that would be another number."""
    if not jnp.issubdtype(dtype, np.complexfloating) and isinstance(value, complex):
        return None
    if isinstance(value, float) and math.isnan(value) and jnp.issubdtype(dtype, np.inexact):
        return math.nan  # always the same object: plans are remembered by it
    try:
        with np.errstate(all="ignore"):
            held = np.asarray(value).astype(dtype)
    except (OverflowError, ValueError):
        return None
    # Floating point numbers are rounded, all others must be the same.
    if not (jnp.issubdtype(dtype, np.inexact) or held == value):
        return None
    if cmath.isfinite(value) and not cmath.isfinite(held.item()):
        return None
    if not held:
        return 0  # plans can not tell 0.0 from -0.0
    number = held.item()
    return _complex(repr(number + 0)) if isinstance(number, complex) else number


@lru_cache(maxsize=64)
def _complex(written: str) -> complex:
    """One object for all that are written alike: NaN is a key only by identity."""
    return complex(written)


def no_clash(
    operation: str, axis: str, existing: Sequence[str], names: Sequence[str]
) -> None:
    """The moved names must be new where they go."""
    twice = [name for name in names if name in existing]
    if twice:
        raise InvalidError(
            compose(
                f"{operation}: the {axis} have the dimension {twice[0]!r} already.",
                f"the {axis} have {list(existing)}, the moved names are {list(names)}",
                remedy="rename_dimension() one of the two first.",
            )
        )


def same_components(
    operation: str, keys: Labels, group: list[int], parts: list[BlockLayout]
) -> None:
    """Blocks that become one need the same components, in their gradients too."""
    for index, part in zip(group[1:], parts[1:], strict=True):
        _same_components(operation, keys, (group[0], index), parts[0], part, "")


def _same_components(
    operation: str,
    keys: Labels,
    indices: tuple[int, int],
    first: BlockLayout,
    other: BlockLayout,
    gradient: str,
) -> None:
    if first is other:
        return
    for left, right in zip(first.components, other.components, strict=True):
        if left is not right:
            facts, _ = labels_facts(left, right)
            raise InvalidError(
                compose(
                    f"{operation}: the components {left.names[0]!r}{gradient} of "
                    f"{block_name(keys, indices[0])} (left) and "
                    f"{block_name(keys, indices[1])} (right) differ.",
                    facts,
                    remedy="blocks with other components stay apart: leave the key that "
                    "tells them apart where it is.",
                )
            )
    for (name, left), (_, right) in zip(first.gradients, other.gradients, strict=True):
        _same_components(operation, keys, indices, left, right, f" in gradient {name!r}")


def same_properties(
    operation: str, keys: Labels, group: list[int], parts: list[BlockLayout]
) -> None:
    """Fixed keys need blocks with the same properties, for those that have no block."""
    for index, part in zip(group[1:], parts[1:], strict=True):
        if part.properties is not parts[0].properties:
            facts, _ = labels_facts(parts[0].properties, part.properties)
            raise InvalidError(
                compose(
                    f"{operation}: the properties of {block_name(keys, group[0])} (left) "
                    f"and {block_name(keys, index)} (right) differ.",
                    facts,
                    remedy="Labels with entries need equal properties in all blocks; give "
                    "only the names to move.",
                )
            )


def components_to_move(tensor: Any, dimensions: str | Sequence[str]) -> tuple[str, ...]:
    """The names of components to move, which all blocks must have."""
    operation = "components_to_properties"
    names = dimension_names(dimensions, operation)
    for name in names:
        if tensor._layout.blocks and name not in tensor.component_names:
            raise MissingError(
                compose(
                    f"{operation}: there is no component {name!r}.",
                    choices(name, tensor.component_names),
                )
            )
    if tensor._layout.blocks:
        no_clash(operation, "properties", tensor.property_names, names)
    return names
