"""DynamicLabels: samples that change from call to call of one compiled program."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core.labels import _show_labels
from jaxmeta.core.labels._label_values import INT32, label_table
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.labels._names import dimension_names
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


# Sorts after every real row and lies out of bounds as an index: scatters drop it.
PADDING = int(INT32.max)


@final
@jax.tree_util.register_pytree_with_keys_class
class DynamicLabels:
    """Sample labels whose values are traced: a pytree with one int32 leaf.

    The names are static, and so is the capacity: the number of rows of the leaf. Rows
    that are not in use hold `jaxmeta.PADDING` in every column. One compiled program
    serves every batch that fits into the capacity. Nothing is checked about values that
    are traced; `to_labels` checks them, on the host.

    Arguments:
        names: names of the columns, at least one.
        values: int32 of shape (capacity, names): an array, possibly traced.

    Raises:
        InvalidError: for a wrong shape or wrong names.
        InvalidTypeError: for another dtype than int32.

    Example:
        >>> labels = DynamicLabels.from_labels(Labels("system", [[0], [1]]), capacity=3)
        >>> labels.capacity, labels.names
        (3, ['system'])
        >>> labels.to_labels() == Labels("system", [[0], [1]])
        True
    """

    __slots__ = ("_names", "_values")

    _names: tuple[str, ...]
    _values: Any

    def __init__(self, names: str | Sequence[str], values: Any) -> None:
        self._names = dimension_names(names, "DynamicLabels")
        if not self._names:
            raise InvalidError(
                compose("DynamicLabels: at least one dimension needs a name.")
            )
        if not isinstance(values, np.ndarray | jax.Array | jax.ShapeDtypeStruct):
            values = label_table(values, self._names, "DynamicLabels")
        if values.dtype != np.int32:
            raise InvalidTypeError(
                compose(
                    "DynamicLabels: the values must be int32.",
                    f"found dtype {values.dtype}",
                    remedy="convert on purpose with .astype(jnp.int32).",
                )
            )
        if len(values.shape) != 2 or values.shape[1] != len(self._names):
            raise InvalidError(
                compose(
                    "DynamicLabels: the values need one row per entry, a column per name.",
                    f"found shape {values.shape} for the names {list(self._names)}",
                )
            )
        self._values = values

    @classmethod
    def _view(cls, names: tuple[str, ...], values: Any) -> DynamicLabels:
        labels = object.__new__(cls)
        labels._names = names
        labels._values = values
        return labels

    @classmethod
    def from_labels(cls, labels: Labels, capacity: int | None = None) -> DynamicLabels:
        """Static labels as dynamic ones, with padding rows up to `capacity`."""
        if not isinstance(labels, Labels):
            raise InvalidTypeError(
                compose(
                    "DynamicLabels.from_labels: the first argument must be Labels.",
                    f"found {type(labels).__name__}",
                )
            )
        capacity = len(labels) if capacity is None else capacity
        rows = padded_rows(labels.values, capacity, "samples")
        return cls._view(labels._names, jnp.asarray(rows))

    def to_labels(self) -> Labels:
        """The rows in use as static `Labels`; only outside of traced functions.

        Raises:
            InvalidTypeError: when the values are traced.
            InvalidError: when a row stands twice.
        """
        values = label_table(self._values, self._names, "DynamicLabels.to_labels")
        return Labels(self._names, values[in_use(values)])

    @property
    def names(self) -> list[str]:
        """The names of the dimensions, in order (a fresh list)."""
        return list(self._names)

    @property
    def values(self) -> Any:
        """The rows, int32 of shape (capacity, names), padding included."""
        return self._values

    @property
    def capacity(self) -> Any:
        """How many rows there are, padding included (symbolic when exported so)."""
        return self._values.shape[0]

    @property
    def mask(self) -> Any:
        """True for rows in use: bool of shape (capacity,)."""
        return in_use(self._values)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of the values: (capacity, names)."""
        return tuple(self._values.shape)

    def __repr__(self) -> str:
        return _show_labels.labels(self)

    def _repr_html_(self) -> str:
        return _show_labels.labels_html(self)

    def __treescope_repr__(self, path: Any, subtree_renderer: Any) -> Any:
        return _show_labels.labels_tree(self, path, subtree_renderer)

    # Pytree -------------------------------------------------------------------------

    def tree_flatten_with_keys(self) -> tuple[tuple[Any], tuple[str, ...]]:
        return ((jax.tree_util.GetAttrKey("values"), self._values),), self._names

    def tree_flatten(self) -> tuple[tuple[Any], tuple[str, ...]]:
        return (self._values,), self._names

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], children: Any) -> DynamicLabels:
        return cls._view(names, children[0])


def in_use(values: Any) -> Any:
    """Which rows are not padding: bool of shape (capacity,), of numpy or JAX."""
    # One column after another: XLA does not vectorise a reduction of so few.
    columns = [values[:, i] != PADDING for i in range(values.shape[1])]
    return functools.reduce(operator.or_, columns)


def padded_rows(values: np.ndarray, capacity: int, axis: str) -> np.ndarray:
    """Label rows with padding up to `capacity`, on the host."""
    check_capacity(values.shape[0], capacity, axis)
    _check_tellable(values, axis)
    padded = np.full((capacity, values.shape[1]), PADDING, np.int32)
    padded[: values.shape[0]] = values
    return padded


def _check_tellable(values: np.ndarray, axis: str) -> None:
    """Refuse rows that could not be told from padding afterwards."""
    if values.shape[1] == 0:
        raise InvalidError(
            compose(
                f"pad: dynamic {axis} need at least one dimension.",
                f"there are {values.shape[0]} rows without a name",
                remedy="append a dimension to the samples first.",
            )
        )
    same = np.flatnonzero(~in_use(values))
    if same.size:
        raise InvalidError(
            compose(
                f"pad: row {same[0]} of the {axis} has the labels that mark padding.",
                f"{PADDING} in every column stands for a row that is not in use",
                remedy="use other labels for this row.",
            )
        )


def check_capacity(rows: int, capacity: int, axis: str) -> None:
    """Refuse a capacity that would lose rows."""
    if capacity < rows:
        raise InvalidError(
            compose(
                f"pad: the capacity for the {axis} is too small.",
                f"there are {rows} rows, the capacity is {capacity}",
                remedy=f"give a capacity of at least {rows}.",
            )
        )
    if capacity >= 2**31:
        raise InvalidError(
            compose(
                f"pad: the capacity for the {axis} is too large.",
                f"found {capacity}; rows are numbered by 32-bit integers",
                remedy="give a capacity near the number of rows that come.",
            )
        )
