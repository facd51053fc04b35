"""Checks of arguments that many operations share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.labels._names import check_dimensions, dimension_names
from jaxmeta.errors import InvalidError, InvalidTypeError, choices, compose


def check_map(operation: str, tensor: Any) -> TensorMap:
    """The argument, if it is a map."""
    return _check_class(operation, tensor, TensorMap)


def check_block(operation: str, block: Any) -> TensorBlock:
    """The argument, if it is a block."""
    return _check_class(operation, block, TensorBlock)


def check_tensor(operation: str, tensor: Any) -> Any:
    """The argument, if it is a map or a block."""
    return _check_class(operation, tensor, TensorMap, TensorBlock)


def _check_class(operation: str, data: Any, *wanted: type) -> Any:
    if not isinstance(data, wanted):
        names = " or a ".join(one.__name__ for one in wanted)
        raise InvalidTypeError(
            compose(
                f"{operation}: the argument must be a {names}.",
                f"found {type(data).__module__}.{type(data).__qualname__}",
            )
        )
    return data


def check_choice(operation: str, argument: str, given: Any, allowed: Sequence[str]) -> str:
    """The argument, if it is one of the words allowed for it."""
    if not isinstance(given, str) or given not in allowed:
        raise InvalidError(
            compose(
                f"{operation}: there is no {argument} {given!r} here.",
                choices(given, allowed),
            )
        )
    return given


def check_number(operation: str, argument: str, given: Any) -> float:
    """The argument, if it is a real number that is not negative, and finite."""
    number = isinstance(given, int | float | np.integer | np.floating)
    if not number or isinstance(given, bool) or not given >= 0 or not _is_finite(given):
        shown = repr(given) if len(repr(given)) < 40 else "a larger number than any float"
        raise InvalidTypeError(
            compose(
                f"{operation}: {argument} must be a number that is not negative.",
                f"found {shown}, a {type(given).__name__}",
            )
        )
    return float(given)


def _is_finite(given: Any) -> bool:
    try:
        return math.isfinite(given)
    except OverflowError:  # an integer beyond all floats
        return False


def names_to_reduce(
    operation: str, axis: str, names: str | Sequence[str], existing: Sequence[str]
) -> tuple[str, ...]:
    """The names of dimensions to sum over, which must be there."""
    found = dimension_names(names, operation)
    check_dimensions(operation, axis, found, existing)
    return found
