"""Values for one dimension of labels, as users give them: for all blocks, or for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

import jax
import numpy as np

from jaxmeta.core.labels._label_values import host_array, label_column, one_int32
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


# One integer for all entries, one array for every block, or a list of one for each.
Values: TypeAlias = int | np.integer | np.ndarray | jax.Array | Sequence[Any]

# The same, hashable: arrays as bytes of int32.
Columns: TypeAlias = int | bytes | tuple[int | bytes, ...]


def hashable(operation: str, values: Values, blocks: int | None) -> Columns:
    """The values as integers and bytes, checked.

    Arguments:
        operation: which messages are to name.
        values: what the user gave.
        blocks: how many blocks there are; None for keys, of which there is one table.
    """
    if callable(values):
        _refuse_function(operation, blocks)
    if not _is_one_for_each(values):
        return _column(operation, values)
    given = "there is one table of keys" if blocks is None else f"there are {blocks} blocks"
    if len(values) != blocks:  # type: ignore[arg-type]
        raise InvalidError(
            compose(
                f"{operation}: a list of arrays has one for each block.",
                f"{given}, {len(values)} arrays were given",  # type: ignore[arg-type]
                remedy="for the same values everywhere, give one array, or an integer.",
            )
        )
    return tuple(_column(operation, column) for column in values)  # type: ignore[union-attr]


def _refuse_function(operation: str, blocks: int | None) -> NoReturn:
    remedy = (
        "call it first: function(tensor.keys)."
        if blocks is None
        else "call it first, for each block: [function(block.samples) for block in tensor]."
    )
    raise InvalidTypeError(
        compose(
            f"{operation}: the values of a dimension are integers or arrays.",
            "found a function",
            remedy=remedy,
        )
    )


def _is_one_for_each(values: Any) -> bool:
    if not isinstance(values, list | tuple):
        return False
    return any(isinstance(v, list | tuple) or getattr(v, "ndim", 0) for v in values)


def _column(operation: str, values: Any) -> int | bytes:
    array = host_array(values, operation)
    if array.ndim == 0:
        return one_int32(array[()], operation)
    if array.ndim != 1:
        raise InvalidError(
            compose(
                f"{operation}: the values of a dimension are one number per entry.",
                f"found an array of shape {array.shape}",
                remedy="give an array with one axis; for other values in each block, a "
                "list of arrays.",
            )
        )
    given = array if array.size else values
    return label_column(given, len(array), operation).tobytes()


def column_for(
    operation: str, columns: Columns, block: int, rows: int, where: str
) -> int | np.ndarray:
    """The values for the labels of one block, as many as there are rows."""
    column = columns[block] if isinstance(columns, tuple) else columns
    if isinstance(column, int):
        return column
    found = np.frombuffer(column, np.int32)
    if len(found) != rows:
        raise InvalidError(
            compose(
                f"{operation}: {where} need one value per entry.",
                f"there are {rows} entries, {len(found)} values were given",
                remedy="give one integer for all, or, where blocks differ, a list with "
                "one array for each block.",
            )
        )
    return found
