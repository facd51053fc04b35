"""What a selection along one axis asks for, and which positions of the labels match.

A selection becomes a *query*: hashable, so that plans are remembered by it. A function
or a mask is asked for each block, and becomes the positions that it gave.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from jax.core import Tracer

from jaxmeta.core.labels._entry import LabelsEntry
from jaxmeta.core.labels._label_values import host_array, int32, one_int32
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.labels._names import check_dimensions
from jaxmeta.core.parts._positions import checked_positions, host_positions
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


# What users may give for one axis.
Selector: TypeAlias = (
    Mapping[str, Any]
    | Labels
    | LabelsEntry
    | Callable[[Labels], Any]
    | Sequence[int]
    | np.ndarray
    | jax.Array
    | None
)


@dataclasses.dataclass(frozen=True)
class Place:
    """Whose labels are meant: for messages, and the number of the block."""

    operation: str
    where: str
    number: int = 0


@dataclasses.dataclass(frozen=True)
class Matching:
    """Every entry that matches one of some labels, which have some of the names."""

    wanted: Labels

    def find(self, labels: Labels, place: Place) -> np.ndarray:
        """The positions that are meant, ascending."""
        return np.sort(labels.select(self.wanted))


@dataclasses.dataclass(frozen=True)
class Conditions:
    """Every entry whose dimensions are all among some values: a range, or int32 bytes."""

    wanted: tuple[tuple[str, range | bytes], ...]

    def find(self, labels: Labels, place: Place) -> np.ndarray:
        """The positions that are meant, ascending."""
        kept = np.ones(len(labels), bool)
        for name, values in self.wanted:
            kept &= _among(labels.column(name), values)
        return np.flatnonzero(kept)


@dataclasses.dataclass(frozen=True)
class At:
    """The entries at some positions, the same in every block: int64 bytes."""

    positions: bytes

    def find(self, labels: Labels, place: Place) -> np.ndarray:
        """The positions that are meant, ascending."""
        found = checked_positions(place.operation, place.where, self.positions, len(labels))
        return np.sort(found)


@dataclasses.dataclass(frozen=True)
class Found:
    """Positions that were found in each block, by the number of the block."""

    positions: tuple[bytes, ...]

    def find(self, labels: Labels, place: Place) -> np.ndarray:
        """The positions that are meant, ascending."""
        return np.frombuffer(self.positions[place.number], np.int64)


Query: TypeAlias = Matching | Conditions | At | Found


@dataclasses.dataclass(frozen=True)
class Masks:
    """A selection that is asked for each block: it becomes `Found`."""

    mask: Callable[[Labels, Place], np.ndarray]
    constant: bool = False

    def find(self, labels: Labels, place: Place) -> np.ndarray:
        """The positions that are meant, ascending."""
        return np.flatnonzero(self.mask(labels, place))


def query(
    operation: str, axis: str, selection: Any, names: Sequence[str] | None
) -> Query | Masks:
    """The query that a selection stands for.

    Arguments:
        operation: for messages.
        axis: for messages.
        selection: what the user gave; not None.
        names: of the labels; None where no block tells them.
    """
    if isinstance(selection, LabelsEntry):
        selection = Labels(selection.names, selection.values.reshape(1, -1))
    if isinstance(selection, Labels):
        if names is not None:
            check_dimensions(operation, axis, selection.names, names)
        return Matching(selection)
    if isinstance(selection, Mapping):
        if names is not None:
            check_dimensions(operation, axis, selection, names)
        return _conditions(operation, axis, selection)
    if callable(selection):
        return Masks(lambda labels, place: _mask(selection(labels), len(labels), place))
    array = host_positions(operation, selection, f"the selection of {axis}", _ACCEPTED)
    if array.dtype == np.bool_:
        return Masks(lambda labels, place: _mask(array, len(labels), place), constant=True)
    return At(array.tobytes())


_ACCEPTED = "a dictionary, Labels, a function of Labels, a list of positions or a mask"


def _conditions(operation: str, axis: str, wanted: Mapping[str, Any]) -> Conditions | Masks:
    masks = {name: value for name, value in wanted.items() if callable(value)}
    known = Conditions(
        tuple(
            (name, _values(f"{operation}: {axis} {name!r}", value))
            for name, value in wanted.items()
            if name not in masks
        )
    )
    if not masks:
        return known

    def mask(labels: Labels, place: Place) -> np.ndarray:
        kept = np.zeros(len(labels), bool)
        kept[known.find(labels, place)] = True
        for name, function in masks.items():
            kept &= _mask(function(labels.column(name)), len(labels), place)
        return kept

    return Masks(mask)


def _values(where: str, value: Any) -> range | bytes:
    """Values of one dimension in a form that can be compared."""
    if isinstance(value, range):
        if value.step != 1:
            one_int32(value.step, where)
        return value
    array = host_array(value, where)
    if array.size == 0 and not hasattr(value, "dtype"):
        array = array.astype(np.int32)
    if array.ndim > 1 or array.dtype.kind not in "iu":
        raise InvalidTypeError(
            compose(
                f"{where}: the values must be an integer, several of them, or a function.",
                f"found {type(value).__name__} of dtype {array.dtype} and shape "
                f"{array.shape}",
                remedy="a function of the column may give a mask: lambda v: v > 3."
                if array.dtype == np.bool_
                else "",
            )
        )
    return np.unique(int32(array.reshape(-1), where)).tobytes()


def _among(column: np.ndarray, values: range | bytes) -> np.ndarray:
    if isinstance(values, bytes):
        return np.isin(column, np.frombuffer(values, np.int32))
    up = values if values.step > 0 else values[::-1]
    inside = (column >= up.start) & (column < up.stop)
    if up.step > 1:
        inside &= column.astype(np.int64) % up.step == up.start % up.step
    return inside


def _mask(given: Any, rows: int, place: Place) -> np.ndarray:
    """A mask that a user or a user's function gave, if it is one."""
    if isinstance(given, Tracer):
        raise InvalidTypeError(
            compose(
                f"{place.operation}: a mask of {place.where} is traced by JAX.",
                "labels are static, and so is what is selected of them",
                remedy="compare with numpy: inside of jit, jax.numpy gives traced arrays.",
            )
        )
    mask = host_array(given, f"{place.operation}: a mask of {place.where}")
    if mask.size == 0 and not hasattr(given, "dtype"):
        mask = mask.astype(bool)  # an empty list carries no dtype of its own
    if mask.dtype == np.bool_ and mask.shape == (rows,):
        return mask
    error = InvalidError if mask.dtype == np.bool_ else InvalidTypeError
    raise error(
        compose(
            f"{place.operation}: this is no mask of {place.where}.",
            f"found {type(given).__name__} of dtype {mask.dtype} and shape {mask.shape}",
            f"there are {rows} entries: a mask has dtype bool and shape ({rows},)",
            remedy='compare columns, as in lambda labels: labels["system"] > 3.',
        )
    )
