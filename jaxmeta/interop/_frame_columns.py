"""The columns of a data frame that become labels and values. Needs no pandas itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core.labels._label_values import label_table
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose
from jaxmeta.interop._flat import Table


def check_columns(frame: Any, groups: Sequence[Sequence[str]]) -> None:
    """Every column is named once, and is there once."""
    names = [name for group in groups for name in group]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise InvalidError(
                compose(
                    f"from_pandas: the column {name!r} is asked for twice.",
                    remedy="a column is one dimension; copy it under another name, "
                    f'frame.assign({name}_2=frame["{name}"]), where it is to be two.',
                )
            )
        _check_column(frame, name)


def _check_column(frame: Any, name: str) -> None:
    columns = list(frame.columns)
    if columns.count(name) > 1:
        raise InvalidError(
            compose(
                f"from_pandas: the frame has {columns.count(name)} columns {name!r}.",
                remedy="give each a name of its own.",
            )
        )
    if name not in columns:
        raise MissingError(
            compose(
                f"from_pandas: the frame has no column {name!r}.",
                f"its columns have the levels {list(frame.columns.names)}"
                if _is_wide(frame)
                else choices(name, columns),
                remedy=_way_to_column(frame, name),
            )
        )


def _way_to_column(frame: Any, name: str) -> str:
    if _is_wide(frame):
        return (
            "this frame is wide; the long form is frame.stack(list(frame.columns.names), "
            'future_stack=True).rename("value").reset_index().'
        )
    if name in frame.index.names:
        return "it is a level of the index: frame.reset_index() makes it a column."
    return ""


def _is_wide(frame: Any) -> bool:
    """Whether the columns have levels, as those of wide frames do."""
    return hasattr(frame.columns, "levels")


def label_columns(frame: Any, names: Sequence[str]) -> Table:
    """These columns as int32, or an error for what is no label."""
    columns = [np.zeros((len(frame), 0), np.int32)]
    for name in names:
        column = frame[name].to_numpy().reshape(-1, 1)
        columns.append(label_table(column, (name,), f"from_pandas: column {name!r}"))
    return Table(tuple(names), np.hstack(columns))


def value_column(frame: Any, value: str) -> np.ndarray:
    """The values in their dtype; pandas has more dtypes than numpy, some with holes."""
    dtype = frame.dtypes[value]
    if not isinstance(dtype, np.dtype) or dtype.kind not in "fiubc":
        raise InvalidTypeError(
            compose(
                f"from_pandas: the column {value!r} does not hold plain numbers.",
                f"found dtype {dtype}",
                remedy="convert on purpose, for instance with "
                f'frame.astype({{"{value}": "float64"}}).',
            )
        )
    return frame[value].to_numpy()
