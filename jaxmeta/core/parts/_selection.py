"""Which blocks a selection means: by position, by key, by a part of a key."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxmeta.core.labels._entry import LabelsEntry
from jaxmeta.core.labels._label_values import one_int32
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.labels._names import check_dimensions
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    OutOfRangeError,
    compose,
)


_MANY = 10


def one_block(keys: Labels, selection: Any, named: Mapping[str, int]) -> int:
    """The position of the one block that is meant."""
    if type(selection) is int and not named:
        return _checked_position(keys, selection)
    if selection is None or type(selection) is dict:
        wanted = _merged(selection, named)
        if len(wanted) == len(keys._names):
            found = _whole_key(keys, wanted)
            if found is not None:
                return found
    positions = several_positions(keys, selection, named)
    if len(positions) == 1:
        return int(positions[0])
    if len(positions) == 0:
        raise _no_match(keys, selection, named)
    raise InvalidError(
        compose(
            f"TensorMap: {len(positions)} blocks match {_told(selection, named)}, not one.",
            _some_keys(keys, positions),
            remedy="tell more of the key, or use tensor.blocks(...) to get all of them.",
        )
    )


def _whole_key(keys: Labels, wanted: Mapping[str, Any]) -> int | None:
    """One look-up in a dictionary, the way of every hot loop; None when it finds none."""
    row = tuple(map(wanted.get, keys._names))
    try:
        return None if None in row else keys._index.position(row)  # type: ignore[arg-type]
    except TypeError:  # a value that is not hashable, as those that JAX traces
        return None


def several_blocks(keys: Labels, selection: Any, named: Mapping[str, int]) -> list[int]:
    """The positions of all blocks that are meant, at least one."""
    positions = several_positions(keys, selection, named)
    if len(positions) == 0 and not (selection is None and not named):
        raise _no_match(keys, selection, named)
    return [int(i) for i in positions]


def several_positions(
    keys: Labels, selection: Any, named: Mapping[str, int]
) -> Sequence[int] | np.ndarray:
    """Positions of the blocks that match, in order."""
    if selection is None or isinstance(selection, Mapping):
        wanted = _merged(selection, named)
        return keys.select(_as_labels(keys, wanted))
    if named:
        raise InvalidTypeError(
            compose(
                "TensorMap: a selection is either one argument or keyword arguments.",
                f"found {selection!r} and {dict(named)}",
            )
        )
    if isinstance(selection, Labels):
        return keys.select(selection)
    if isinstance(selection, LabelsEntry):
        return keys.select(Labels(selection.names, selection.values.reshape(1, -1)))
    is_list = isinstance(selection, list | tuple)
    if is_list or (isinstance(selection, np.ndarray) and selection.ndim):
        return [_checked_position(keys, index) for index in selection]
    return [_checked_position(keys, selection)]


def _merged(selection: Any, named: Mapping[str, int]) -> Mapping[str, int]:
    if selection is None:
        return named
    return {**selection, **named} if named else selection


def _as_labels(keys: Labels, wanted: Mapping[str, int]) -> Labels:
    check_dimensions("TensorMap", "keys", wanted, keys._names)
    row = [one_int32(value, "TensorMap: a key") for value in wanted.values()]
    return Labels(list(wanted), np.array([row], np.int32).reshape(1, len(row)))


def _checked_position(keys: Labels, index: Any) -> int:
    is_mask = isinstance(index, bool | np.bool_)
    try:
        position = None if is_mask else operator.index(index)
    except TypeError:
        position = None
    if position is None:
        raise InvalidTypeError(
            compose(
                "TensorMap: a block is asked for by position, dictionary, LabelsEntry or "
                "Labels.",
                f"found {index!r}, a {type(index).__name__}",
                remedy="np.flatnonzero(mask) makes positions of a mask." if is_mask else "",
            )
        )
    if not 0 <= position < len(keys):
        raise OutOfRangeError(
            compose(
                f"TensorMap: there is no block at position {position}.",
                f"there are {len(keys)} blocks, counted from 0",
            )
        )
    return position


def _told(selection: Any, named: Mapping[str, int]) -> str:
    if selection is None or isinstance(selection, Mapping):
        pairs = _merged(selection, named).items()
        return f"({', '.join(f'{name}={value}' for name, value in pairs)})"
    if isinstance(selection, LabelsEntry):
        return selection.print()
    if isinstance(selection, Labels) and len(selection) == 1:
        return selection.entry(0).print()
    return f"this selection of {len(selection)}"


def _some_keys(keys: Labels, positions: Any) -> str:
    shown = ", ".join(keys.entry(int(i)).print() for i in list(positions)[:_MANY])
    more = len(positions) - _MANY
    return f"{shown}, and {more} more" if more > 0 else shown


def _no_match(keys: Labels, selection: Any, named: Mapping[str, int]) -> MissingError:
    there = _some_keys(keys, range(len(keys))) if len(keys) else "there are no blocks"
    return MissingError(
        compose(
            f"TensorMap: no block matches {_told(selection, named)}.",
            f"the keys are {there}",
        )
    )
