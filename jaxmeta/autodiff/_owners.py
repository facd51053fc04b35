"""Owners: which sample of a block each row of a parameter feeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.autodiff.parameters import Parameter
from jaxmeta.core import PADDING, Labels, TensorBlock
from jaxmeta.core.device._device_rows import positions
from jaxmeta.core.labels._label_values import host_array
from jaxmeta.core.labels._names import check_dimensions, dimension_names
from jaxmeta.core.rows._row_index import RowIndex
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


WHERE = "with_gradients"


class Place(NamedTuple):
    """A parameter and a block, and how messages name them."""

    name: str
    parameter: Parameter
    number: int
    blocks: int
    block_name: str
    block: TensorBlock

    def __str__(self) -> str:
        return f"parameter {self.name!r}, block {self.block_name}"


def owner_of(place: Place) -> Any:
    """For each row the sample it feeds: of numpy if static, else of JAX; None for all."""
    owner = place.parameter.owner
    if owner is None:
        return None
    if _are_names(owner):
        return _by_labels(place, dimension_names(owner, WHERE))
    if callable(owner):
        owner = owner(place.block)
    elif isinstance(owner, list | tuple) and any(not _is_integer(x) for x in owner):
        owner = _one_of(place, owner)
    if not isinstance(owner, jax.Array):
        owner = host_array(owner, f"{WHERE}: the owner")
        if owner.size == 0 or owner.dtype.kind in "iu":
            owner = owner.astype(np.int64)  # an empty list carries no dtype of its own
    _check_array(place, owner)
    if isinstance(owner, np.ndarray):
        _check_range(place, owner)
    return owner


def _is_integer(given: Any) -> bool:
    return isinstance(given, int | np.integer) and not isinstance(given, bool)


def _one_of(place: Place, owner: Any) -> Any:
    """That of one block, of a list with one for each."""
    if len(owner) != place.blocks:
        raise InvalidError(
            compose(
                f"{WHERE}: a list of owners must have one for each block: {place}.",
                f"there are {len(owner)} owners and {place.blocks} blocks",
                remedy="give one array for all blocks, or a list with one for each.",
            )
        )
    return owner[place.number]


def _check_array(place: Place, owner: Any) -> None:
    rows = place.parameter.values.shape[0]
    if not jnp.issubdtype(owner.dtype, np.integer):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the owner must be integers: {place}.",
                f"found {owner.dtype}",
                remedy="the owner of a row is the position of the sample that it feeds.",
            )
        )
    if owner.shape != (rows,):
        raise InvalidError(
            compose(
                f"{WHERE}: the owner must be one integer for each row: {place}.",
                f"found shape {tuple(owner.shape)}, the parameter has {rows} rows",
            )
        )


def _check_range(place: Place, owner: np.ndarray) -> None:
    """Of owners that are traced, those that are no sample are padding."""
    samples = place.block.shape[0]
    outside = np.flatnonzero(((owner < 0) | (owner >= samples)) & (owner != PADDING))
    if outside.size:
        row = int(outside[0])
        raise InvalidError(
            compose(
                f"{WHERE}: the owner of a row is no sample: {place}.",
                f"row {row} has owner {int(owner[row])}, there are {samples} samples",
                remedy="owners count samples from 0; jaxmeta.PADDING says that a row feeds "
                "none.",
            )
        )


# By labels ------------------------------------------------------------------------------


def _are_names(owner: Any) -> bool:
    if isinstance(owner, str):
        return True
    some = isinstance(owner, list | tuple) and len(owner) > 0
    return some and all(isinstance(name, str) for name in owner)


def _by_labels(place: Place, names: Sequence[str]) -> Any:
    """The sample with the same labels as the row; no sample where there is none."""
    own, above = place.parameter.samples, place.block.samples
    if not names:
        raise InvalidError(compose(f"{WHERE}: the owner has no name: {place}."))
    of_block = f"samples of block {place.block_name}"
    check_dimensions(WHERE, of_block, names, above.names)
    of_rows = f"samples of parameter {place.name!r}"
    check_dimensions(WHERE, of_rows, names, place.parameter.names)
    rows, table = _columns(own, names), _columns(above, names)
    if isinstance(above, Labels):
        _check_distinct(place, names, table)
        if isinstance(own, Labels):
            found = RowIndex(table).find(rows)
            return np.where(found < 0, PADDING, found)
    return positions(jnp.asarray(rows), table)


def _columns(labels: Any, names: Sequence[str]) -> Any:
    found = labels.values[:, np.array([labels.names.index(name) for name in names])]
    return np.ascontiguousarray(found) if isinstance(found, np.ndarray) else found


def _check_distinct(place: Place, names: Sequence[str], table: np.ndarray) -> None:
    different, counts = np.unique(table, axis=0, return_counts=True)
    if counts.max(initial=0) > 1:
        row = different[counts.argmax()].tolist()
        same = ", ".join(f"{n}={value}" for n, value in zip(names, row, strict=True))
        raise InvalidError(
            compose(
                f"{WHERE}: {list(names)} do not tell the samples apart: {place}.",
                f"{counts.max()} samples have {same}",
                remedy="give more names, if each row feeds one sample; without an owner, "
                "it may feed every one.",
            )
        )
