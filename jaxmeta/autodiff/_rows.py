"""Which rows a gradient by a parameter has, and what their labels are."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxmeta.autodiff._owners import WHERE, Place, owner_of
from jaxmeta.core import PADDING, DynamicLabels, Labels
from jaxmeta.errors import InvalidError, compose


class Rows(NamedTuple):
    """The rows of the gradient of a block by a parameter.

    Arguments:
        samples: their labels.
        sample: the row of the values that each belongs to.
        row: the row of the parameter; None where these are all, in order.
        used: True for rows that are no padding; None where no row is.
        owner: that of the parameter's rows; None where every row feeds every sample.
    """

    samples: Labels | DynamicLabels
    sample: Any
    row: np.ndarray | None
    used: Any
    owner: Any

    @property
    def dense(self) -> bool:
        """Whether every row of the parameter may feed every sample."""
        return self.owner is None

    @property
    def static(self) -> bool:
        """Whether it is known which rows there are before the program runs."""
        return isinstance(self.samples, Labels)


def rows_of(place: Place) -> Rows:
    """The rows of the gradient of one block."""
    owner = owner_of(place)
    row = None
    if owner is None:
        samples, rows = place.block.shape[0], place.parameter.values.shape[0]
        sample = np.repeat(np.arange(samples), rows)
        row = np.tile(np.arange(rows), samples)
    elif isinstance(owner, np.ndarray):
        row = np.flatnonzero(owner != PADDING)
        sample = owner[row]
        row = None if len(row) == len(owner) else row
    else:
        sample = owner
    labels, used = _labelled(place, sample, row)
    return Rows(labels, sample, row, used, owner)


def _labelled(
    place: Place, sample: Any, row: np.ndarray | None
) -> tuple[Labels | DynamicLabels, Any]:
    own, above = place.parameter.samples, place.block.samples
    names = ["sample", *place.parameter.names]
    static = isinstance(sample, np.ndarray) and isinstance(above, Labels)
    if own is None and (static or place.parameter.owner is None):
        _check_alone(place, sample)
    if not static or isinstance(own, DynamicLabels):
        table, used = _on_device(own, above, place.block.shape[0], sample, row)
        return DynamicLabels(names, table), used
    columns = [sample[:, None]] + ([] if own is None else [_rows(own.values, row)])
    table = np.concatenate(columns, axis=1).astype(np.int32)
    return Labels(names, table, assume_unique=True), None


def _on_device(own: Any, above: Any, count: Any, sample: Any, row: Any) -> tuple[Any, Any]:
    """The table of labels that the program makes, and which of its rows are in use."""
    sample = jnp.asarray(sample)
    used = (sample >= 0) & (sample < count)
    sample = jnp.where(used, sample, 0).astype(jnp.int32)
    if isinstance(above, DynamicLabels):
        used &= above.mask.at[sample].get(mode="fill", fill_value=False)
    columns = [sample[:, None]]
    if own is not None:
        columns.append(jnp.asarray(_rows(own.values, row)))
    if isinstance(own, DynamicLabels):
        used &= _rows(own.mask, row)
    return jnp.where(used[:, None], jnp.concatenate(columns, axis=1), PADDING), used


def _rows(table: Any, row: np.ndarray | None) -> Any:
    return table if row is None else table[row]


def _check_alone(place: Place, sample: np.ndarray) -> None:
    """Rows without labels are told apart by their sample alone."""
    counts = np.bincount(sample, minlength=1)
    if counts.max() > 1:
        raise InvalidError(
            compose(
                f"{WHERE}: rows without labels that feed the same sample: {place}.",
                f"sample {int(counts.argmax())} has {int(counts.max())} of them",
                remedy="give Parameter(..., samples=...) with a label for each row.",
            )
        )
