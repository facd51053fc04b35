"""Blocks and maps as data frames of pandas, and back: one row for each sample or value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np

from jaxmeta.core import Labels, LabelsEntry, TensorBlock, TensorMap
from jaxmeta.core.labels._names import dimension_names
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingExtraError,
    compose,
)
from jaxmeta.interop._arrays import Arrays, check_arrays, delivered, host_values
from jaxmeta.interop._flat import (
    Axis,
    Table,
    axes_of,
    block_of,
    check_names,
    parts_by_key,
    product,
    rows_of,
)
from jaxmeta.interop._frame_columns import check_columns, label_columns, value_column


try:
    import pandas
except ImportError as error:
    raise MissingExtraError(__name__, "pandas", "pandas") from error


Form = Literal["wide", "long"]


def to_pandas(
    obj: TensorBlock | TensorMap,
    gradient: str | None = None,
    *,
    form: Form | None = None,
    value: str = "value",
    copy: bool = False,
) -> pandas.DataFrame:
    """A flat view of values, or of one gradient, as a data frame.

    Wide: one row for each sample, one column for each entry along the other axes. The
    index has a level for each dimension of the keys (of a map) and of the samples, the
    columns have one for each component and each dimension of the properties. The frame
    of one block sees the values where they are, read-only; that of a map is a copy.

    Long: one row for each value, with columns for keys, samples, components, properties
    and the value. Blocks may have different components and properties; a block without
    values leaves no row.

    Gradients: the same table of one gradient. Its dimension ``sample`` counts rows of the
    values; the labels of that row stand in front, as ``sample.system`` for ``system``.

    Arguments:
        obj: a block or a map with static samples.
        gradient: the name of a gradient; ``"positions/strain"`` is the gradient
            ``strain`` of the gradient ``positions``. None takes the values.
        form: ``"wide"`` or ``"long"``; by default wide for a block, long for a map.
        value: what the column of values is called in the long form.
        copy: True gives a frame of its own memory, which may be changed in place.

    Raises:
        InvalidError: where two columns, or two levels of one axis, would have the same
            name; for a wide map whose blocks have different components or properties;
            for a map without blocks.
        MissingError: for a gradient that is not there.
        DynamicSamplesError: for dynamic samples.
        InvalidTypeError: for other objects, and for values that JAX traces.

    Example:
        >>> import numpy as np
        >>> block = TensorBlock(
        ...     np.eye(2), Labels("atom", [[4], [1]]), [], Labels.range("n", 2)
        ... )
        >>> to_pandas(block).loc[4].to_numpy()
        array([[1., 0.]])
        >>> to_pandas(TensorMap(Labels("type", [[8]]), [block])).query("n == 0")
           type  atom  n  value
        0     8     4  0    1.0
        2     8     1  0    0.0
    """
    if not isinstance(obj, TensorBlock | TensorMap):
        raise InvalidTypeError(
            compose(
                "to_pandas: this is no TensorBlock or TensorMap.",
                f"found a {type(obj).__module__}.{type(obj).__name__}",
            )
        )
    if form not in (None, "wide", "long"):
        raise InvalidError(
            compose('to_pandas: form must be "wide" or "long".', f"found {form!r}")
        )
    if not isinstance(gradient, str | None):
        what = "to_pandas: the gradient must be a name, or a path of names with slashes."
        raise InvalidTypeError(compose(what, f"found {gradient!r}"))
    path = [] if gradient is None else gradient.split("/")
    parts = _parts(obj, path, copy)
    wide = form == "wide" or (form is None and isinstance(obj, TensorBlock))
    return _wide(parts) if wide else _long(parts, value)


class _Part:
    """One block that becomes rows: its key, its axes and its values."""

    def __init__(self, block: TensorBlock, path: list[str], copy: bool, key: Any) -> None:
        block, samples = rows_of(block, path, "to_pandas", True)
        where = "the block" if key is None else f"block {key.print()}"
        self.where = where
        self.axes = axes_of(block, samples)
        self.values = host_values(block.values, "to_pandas", where, copy)
        self.key = Axis("keys", Table((), np.zeros((1, 0), np.int32)))
        if key is not None:
            self.key = Axis("keys", Table(tuple(key.names), key.values.reshape(1, -1)))
        self.columns = (*block.components, block.properties)


def _parts(obj: TensorBlock | TensorMap, path: list[str], copy: bool) -> list[_Part]:
    if isinstance(obj, TensorBlock):
        return [_Part(obj, path, copy, None)]
    if len(obj) == 0:
        raise InvalidError(
            compose(
                "to_pandas: the map has no blocks.",
                "nothing says what samples and properties would be called",
            )
        )
    return [_Part(block, path, copy, key) for key, block in obj.items()]


def _wide(parts: list[_Part]) -> pandas.DataFrame:
    first = parts[0]
    for part in parts:
        _check_same_columns(first, part)
    kinds = [(axis.kind, name) for axis in (first.key, *first.axes) for name in axis[1][0]]
    rows = ("keys", "samples")
    check_names([n for n in kinds if n[0] in rows], "to_pandas", "levels of the index")
    check_names(
        [n for n in kinds if n[0] not in rows], "to_pandas", "levels of the columns"
    )
    columns = product([axis.table for axis in first.axes[1:]])
    index = _stacked([product([part.key[1], part.axes[0][1]]) for part in parts])
    values = [part.values.reshape(len(part.values), len(columns.rows)) for part in parts]
    return pandas.DataFrame(
        values[0] if len(values) == 1 else np.concatenate(values),
        index=_index(index),
        columns=_index(columns),
        copy=False,
    )


def _check_same_columns(first: _Part, part: _Part) -> None:
    for one, other in zip(first.columns, part.columns, strict=True):
        if one != other:
            raise InvalidError(
                compose(
                    f"to_pandas: the labels {one.names} differ between blocks, so that a "
                    "wide frame would have holes.",
                    f"{first.where} has {len(one)} entries, {part.where} has {len(other)}"
                    if len(one) != len(other)
                    else f"{first.where} and {part.where} have {len(one)} entries each, "
                    "other ones or in another order",
                    remedy='form="long" takes any map; tensor.keys_to_properties(...) '
                    "fills what blocks lack with a number of your choice.",
                )
            )


def _long(parts: list[_Part], value: str) -> pandas.DataFrame:
    first = parts[0]
    taken = [(axis.kind, name) for axis in (first.key, *first.axes) for name in axis[1][0]]
    if value in [name for _, name in taken]:
        raise InvalidError(
            compose(
                f"to_pandas: a dimension is called {value!r}, as is the column of values.",
                remedy='call that column something else: value="...".',
            )
        )
    check_names(taken, "to_pandas", "columns")
    tables = [product([axis.table for axis in (p.key, *p.axes)]) for p in parts]
    names, rows = _stacked(tables)
    values = [part.values.reshape(-1) for part in parts]
    columns: dict[str, Any] = dict(zip(names, np.ascontiguousarray(rows.T), strict=True))
    columns[value] = values[0] if len(values) == 1 else np.concatenate(values)
    return pandas.DataFrame(columns, copy=False)


def _stacked(tables: Sequence[Table]) -> Table:
    return Table(tables[0].names, np.concatenate([table.rows for table in tables]))


def _index(table: Table) -> pandas.Index:
    """Levels by name; pandas has none without levels, but counts."""
    if not table.names:
        return pandas.RangeIndex(len(table.rows))
    return pandas.MultiIndex.from_arrays(list(table.rows.T), names=list(table.names))


@overload
def from_pandas(
    frame: pandas.DataFrame,
    *,
    samples: str | Sequence[str],
    components: Sequence[str] = ...,
    properties: str | Sequence[str],
    keys: None = ...,
    value: str = ...,
    arrays: Arrays = ...,
) -> TensorBlock: ...
@overload
def from_pandas(
    frame: pandas.DataFrame,
    *,
    samples: str | Sequence[str],
    components: Sequence[str] = ...,
    properties: str | Sequence[str],
    keys: str | Sequence[str],
    value: str = ...,
    arrays: Arrays = ...,
) -> TensorMap: ...
def from_pandas(
    frame: pandas.DataFrame,
    *,
    samples: str | Sequence[str],
    components: Sequence[str] = (),
    properties: str | Sequence[str],
    keys: str | Sequence[str] | None = None,
    value: str = "value",
    arrays: Arrays = "jax",
) -> TensorBlock | TensorMap:
    """The block, or the map, that a long data frame tells of: one row for each value.

    Values: each goes where its row says. Samples, components, properties and keys stand
    in the order in which they first appear; rows may be in any order. Every block has the
    samples, components and properties that its own rows have, and needs a value for each
    combination. The dtype is that of the column.

    Gradients: there are none. The frame of a gradient gives the block of that gradient,
    with ``samples=["sample", ...]``, for `TensorBlock.with_gradient`.

    Arguments:
        frame: with one column for each name. Other columns are left out.
        samples: columns that are dimensions of the samples.
        components: columns that are components, one axis each.
        properties: columns that are dimensions of the properties.
        keys: columns that tell blocks apart, for a map; None makes one block.
        value: the column of values.
        arrays: ``"jax"`` or ``"numpy"``. Values are always copied.

    Returns:
        A `TensorMap` if there are keys, otherwise a `TensorBlock`.

    Raises:
        MissingError: for a column that is not there.
        InvalidError: for two values of one entry; for combinations without a value; for a
            column that is named twice, or stands twice in the frame.
        InvalidTypeError: for labels that are not integers, or values that are not numbers.
        PrecisionError: for values of 64 bits in arrays of JAX that runs without x64.

    Example:
        >>> import pandas
        >>> frame = pandas.DataFrame(
        ...     {"type": [8, 1, 1], "atom": [0, 1, 2], "n": 0, "value": [0.5, 1.5, 2.5]}
        ... )
        >>> tensor = from_pandas(frame, samples="atom", properties="n", keys="type")
        >>> tensor.block(type=1).values.tolist()
        [[1.5], [2.5]]
    """
    check_arrays(arrays, "from_pandas")
    wanted = {"keys": keys or (), "samples": samples, "properties": properties}
    names = {kind: dimension_names(n, "from_pandas") for kind, n in wanted.items()}
    separate = dimension_names(components, "from_pandas")
    _check_frame(frame)
    check_columns(frame, [*names.values(), separate, (value,)])
    axes = [
        Axis("samples", label_columns(frame, names["samples"])),
        *(Axis("components", label_columns(frame, (name,))) for name in separate),
        Axis("properties", label_columns(frame, names["properties"])),
    ]
    numbers = value_column(frame, value)
    if keys is None:
        _check_filled(frame, separate)
        rows = np.arange(len(frame))
        data: Any = block_of(axes, numbers, rows, "from_pandas: the block")
    else:
        data = _map(label_columns(frame, names["keys"]), axes, numbers)
    return delivered(data, arrays, None, "from_pandas", _OTHERWISE.format(value))


_OTHERWISE = (
    'convert on purpose, frame.astype({{"{}": "float32"}}); or keep numpy arrays, '
    'arrays="numpy".'
)


def _map(keys: Table, axes: Sequence[Axis], numbers: np.ndarray) -> TensorMap:
    found, rows = parts_by_key(keys.rows)
    blocks = []
    for key, own in zip(found, rows, strict=True):
        entry = LabelsEntry(keys.names, key).print()
        blocks.append(block_of(axes, numbers, own, f"from_pandas: block {entry}"))
    return TensorMap(Labels(keys.names, found, assume_unique=True), blocks)


def _check_filled(frame: pandas.DataFrame, components: Sequence[str]) -> None:
    if components and not len(frame):
        raise InvalidError(
            compose(
                "from_pandas: the frame has no rows.",
                f"a component needs an entry or more, {components[0]!r} would have none",
            )
        )


def _check_frame(frame: Any) -> None:
    if not isinstance(frame, pandas.DataFrame):
        raise InvalidTypeError(
            compose(
                "from_pandas: this is no data frame of pandas.",
                f"found a {type(frame).__module__}.{type(frame).__name__}",
            )
        )
