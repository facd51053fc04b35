"""Rows that travel while a program runs: rearrangements of dynamic samples.

The rule is that of `_rearrangement.py`: for each row of the values it is found where it
goes; a gradient row belongs to the row that ``sample`` names, so its new ``sample`` is
where that row went. Here all of it happens on the device, at every depth. Several sources
travel as one, their rows under each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp

from jaxmeta.core.device._device_rows import Places, taken
from jaxmeta.core.labels._dynamic import PADDING, in_use


# (rows, tables, capacity) -> places
Finds: TypeAlias = Callable[..., Places]
# For each source the arrays of its labels, from the values to some gradient.
Paths: TypeAlias = Sequence[Sequence[Any]]


@dataclasses.dataclass(frozen=True)
class Journey:
    """Where the rows of some blocks go.

    Arguments:
        first: where rows of the values go: a function of the rows, of tables of rows,
            and of the capacity.
        below: where gradient rows go, once ``sample`` is right: a function of the rows
            and of the capacity.
        appended: for each source, what is appended to the rows of its values.
        columns: the columns that stay after that, in order; None for all of them.
    """

    first: Finds
    below: Finds
    appended: tuple[tuple[int, ...], ...] = ((),)
    columns: tuple[int, ...] | None = None


def travelled(
    paths: Paths, tables: Sequence[Any], journey: Journey, capacities: Sequence[int | None]
) -> list[Places]:
    """Where the rows of all sources go, for the values and each gradient down the path."""
    rows = _under_each_other(
        [_with(own[0], more) for own, more in zip(paths, journey.appended, strict=True)]
    )
    rows = _some_columns(rows, journey.columns)
    found = [journey.first(rows, *tables, _room(rows, capacities[0]))]
    for depth in range(1, len(paths[0])):
        above = [own[depth - 1].shape[0] for own in paths]
        rows = _under_each_other(
            [
                _moved(own[depth], found[-1], start, count)
                for own, start, count in zip(paths, starts(above), above, strict=True)
            ]
        )
        found.append(journey.below(rows, _room(rows, capacities[depth])))
    return found


def starts(counts: Sequence[Any]) -> list[Any]:
    """Where each part begins among all; numbers may be symbolic."""
    found: list[Any] = [0]
    for count in counts[:-1]:
        found.append(found[-1] + count)
    return found


def roots(path: Sequence[Places]) -> Any:
    """For each row of the last result, the row of the values that it belongs to."""
    root = jnp.arange(path[0].labels.shape[0])
    for places in path[1:]:
        root = taken(root, places.labels[:, 0], "fill")
    return root


def counts(places: Places) -> Any:
    """How many rows go to each row of the result."""
    size = places.labels.shape[0]
    ones = jnp.ones_like(places.target)
    return jnp.zeros((size,), jnp.int32).at[places.target].add(ones, mode="drop")


def _room(rows: Any, capacity: int | None) -> Any:
    return rows.shape[0] if capacity is None else capacity


def _under_each_other(parts: Sequence[Any]) -> Any:
    return jnp.concatenate(parts) if len(parts) > 1 else parts[0]


def _with(rows: Any, more: tuple[int, ...]) -> Any:
    """Rows with the same values appended to each, where they are no padding."""
    if not more:
        return rows
    wide = jnp.broadcast_to(jnp.asarray(more, jnp.int32), (rows.shape[0], len(more)))
    wide = jnp.where(in_use(rows)[:, None], wide, PADDING)
    return jnp.concatenate([rows, wide], axis=1)


def _some_columns(rows: Any, columns: tuple[int, ...] | None) -> Any:
    """Some columns; without any, rows are zero where they are in use."""
    if columns is None:
        return rows
    if not columns:
        return jnp.where(in_use(rows), 0, PADDING).astype(jnp.int32)[:, None]
    chosen = jnp.stack([rows[:, i] for i in columns], axis=1)
    return jnp.where(in_use(rows)[:, None], chosen, PADDING)


def _moved(rows: Any, above: Places, start: Any, count: Any) -> Any:
    """Gradient rows with ``sample`` replaced by where that row went.

    `start` is where the rows of the source begin among all those above, `count` how many
    there are.
    """
    parent = rows[:, 0]
    valid = (parent >= 0) & (parent < count)
    size = above.labels.shape[0]
    place = jnp.where(valid, parent, 0) + start
    new = taken(above.target, place, "fill", size)
    stays = valid & (new < size)
    moved = jnp.concatenate([new[:, None], rows[:, 1:]], axis=1)
    return jnp.where(stays[:, None], moved, PADDING)
