"""What may become the values of Labels: integers that fit int32, as a table of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax.core import Tracer
from jax.errors import TracerArrayConversionError

from jaxmeta.errors import InvalidError, InvalidTypeError, compose


INT32 = np.iinfo(np.int32)

# How to make integers of them, by the kind of dtype.
_ROUND = "round on purpose and convert, for instance with .astype(np.int32)."
_WHOLE = "give whole numbers that fit into int32."
_REMEDIES = {
    "b": "if 0 and 1 are meant, convert on purpose with .astype(int).",
    "f": _ROUND,
    "c": _ROUND,
}


def refuse_tracer(values: object, where: str) -> None:
    """Labels are static: a traced array can never become one."""
    if isinstance(values, Tracer):
        raise _traced(values, where)


def _traced(values: object, where: str) -> InvalidTypeError:
    return InvalidTypeError(
        compose(
            f"{where}: the values are traced by JAX, but labels are static.",
            f"found {values}",
            remedy="make the labels outside the traced function, or use DynamicLabels "
            "for samples that change from call to call.",
        )
    )


def host_array(values: Any, where: str) -> np.ndarray:
    """The values as an array of numpy, or an error for what can not become one."""
    refuse_tracer(values, where)
    try:
        return np.asarray(values)
    except TracerArrayConversionError as error:
        raise _traced(values, where) from error
    except ValueError as error:
        raise InvalidError(
            compose(
                f"{where}: the values are no table: its rows have different lengths.",
                f"found {values!r:.200}",
            )
        ) from error


def label_table(values: Any, names: tuple[str, ...], where: str) -> np.ndarray:
    """The values as a C-contiguous int32 array of shape (rows, names), or an error."""
    table = _as_array(values, where)
    if table.shape == (0,) and not hasattr(values, "dtype"):
        table = table.reshape(0, len(names))  # nor does [] carry columns
    if table.ndim != 2:
        raise InvalidError(
            compose(
                f"{where}: the values must be a table with one row per entry.",
                f"found an array of shape {table.shape} for the names {list(names)}",
                remedy="reshape a single column with values.reshape(-1, 1)."
                if len(names) == 1
                else f"give an array of shape (rows, {len(names)}).",
            )
        )
    if table.shape[1] != len(names):
        raise InvalidError(
            compose(
                f"{where}: the values need one column per name.",
                f"found {table.shape[1]} columns and {len(names)} names {list(names)}",
            )
        )
    return int32(table, where)


def label_column(values: Any, rows: int, where: str) -> np.ndarray:
    """One column of label values with `rows` entries, as int32."""
    column = _as_array(values, where)
    if column.shape != (rows,):
        raise InvalidError(
            compose(
                f"{where}: the values of one dimension must be one number per entry.",
                f"found shape {column.shape}, there are {rows} entries",
            )
        )
    return int32(column, where)


def _as_array(values: Any, where: str) -> np.ndarray:
    array = host_array(values, where)
    if array.size == 0 and not hasattr(values, "dtype"):
        array = array.astype(np.int32)  # an empty list carries no dtype of its own
    if array.dtype.kind not in "iu":
        raise InvalidTypeError(
            compose(
                f"{where}: label values must be integers.",
                f"found dtype {array.dtype}",
                remedy=_REMEDIES.get(array.dtype.kind, _WHOLE),
            )
        )
    return array


def int32(array: np.ndarray, where: str) -> np.ndarray:
    """The array as contiguous int32; values that do not fit are an error."""
    if array.dtype != np.int32 and array.size and array.dtype.itemsize >= 4:
        outside = (array < INT32.min) | (array > INT32.max)
        if outside.any():
            first = tuple(int(i) for i in np.argwhere(outside)[0])
            raise InvalidError(
                compose(
                    f"{where}: a label value does not fit into int32.",
                    f"the first is {array[first]} at row {first[0]}",
                    remedy="label values are kept as 32-bit integers, from "
                    f"{INT32.min} to {INT32.max}.",
                )
            )
    return np.ascontiguousarray(array, np.int32)


def one_int32(value: Any, where: str) -> int:
    """One label value as a Python int that fits int32."""
    return int(label_column([value], 1, where)[0])
