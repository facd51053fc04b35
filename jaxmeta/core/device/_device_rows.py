"""Rows of integers on the device: their order, where they are, which ones are distinct.

What `rows/` does in numpy when a plan is made, this does when a program runs. Padding rows
come last in every order, are found nowhere and are no entries. Numbers of rows are shapes,
which may be symbolic.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxmeta.core.device._grids import Grid, in_grid
from jaxmeta.core.labels._dynamic import PADDING, in_use


class Places(NamedTuple):
    """Where rows go.

    Arguments:
        labels: the rows of the result, padding included.
        target: for each row the row of the result; the number of these where it goes
            nowhere.
        needed: how many rows the result has, whether or not there is room for them.
        lost: how many rows should have gone somewhere and found no place.
    """

    labels: Any
    target: Any
    needed: Any
    lost: Any


def taken(x: Any, index: Any, mode: str, fill: Any = 0) -> Any:
    """The rows at some positions, of arrays without rows too: JAX refuses these."""
    if isinstance(x.shape[0], int) and x.shape[0] == 0:
        return jnp.full((*index.shape, *x.shape[1:]), fill, x.dtype)
    if mode == "clip":
        return x.at[index].get(mode="clip")
    return x.at[index].get(mode="fill", fill_value=fill)


def sorted_rows(rows: Any) -> tuple[Any, Any]:
    """The rows in lexicographic order, and which row each of them was."""
    numbers = jax.lax.iota(jnp.int32, rows.shape[0])
    columns = [rows[:, i] for i in range(rows.shape[1])]
    *columns, order = jax.lax.sort((*columns, numbers), num_keys=len(columns))
    return jnp.stack(columns, axis=1), order


def positions(rows: Any, table: Any) -> Any:
    """For each row its position in a table of distinct rows; the table's size if it has
    no such row, or the row is padding.
    """
    table, size = jnp.asarray(table), table.shape[0]
    if isinstance(size, int) and size == 0:
        return jnp.zeros(rows.shape[:1], jnp.int32)

    def numbered(grid: Grid, table: Any, rows: Any) -> Any:
        numbers = jax.lax.iota(jnp.int32, size)
        slots = jnp.full((grid.room,), size, jnp.int32)
        slots = slots.at[grid.numbers(table)].set(numbers, mode="drop")
        return slots.at[grid.numbers(rows)].get(mode="fill", fill_value=size)

    def by_bisection(table: Any, rows: Any) -> Any:
        ordered, order = sorted_rows(table)
        before = _rows_before(rows, ordered)
        nearest = ordered.at[before].get(mode="clip")
        found = (nearest == rows).all(axis=1) & in_use(rows)
        return jnp.where(found, order.at[before].get(mode="clip"), size)

    return in_grid(table, numbered, by_bisection, rows)


def _rows_before(rows: Any, ordered: Any) -> Any:
    """For each row how many rows of an ordered table come before it, by bisection."""
    size = ordered.shape[0]
    bits = size.bit_length() if isinstance(size, int) else 31
    before = jnp.zeros(rows.shape[:1], jnp.int32)
    for bit in reversed(range(bits)):
        further = before + 2**bit
        passed = _less(ordered.at[further - 1].get(mode="clip"), rows) & (further <= size)
        before = jnp.where(passed, further, before)
    return before


def _less(left: Any, right: Any) -> Any:
    """Whether rows come before others, one by one."""
    less = jnp.zeros(left.shape[:1], bool)
    for i in reversed(range(left.shape[1])):
        a, b = left[:, i], right[:, i]
        less = (a < b) | ((a == b) & less)
    return less


def distinct(rows: Any, capacity: Any) -> Places:
    """The distinct rows in order, with room for `capacity` of them."""

    def numbered(grid: Grid, rows: Any) -> Places:
        number = grid.numbers(rows)
        there = jnp.zeros((grid.room,), jnp.int32).at[number].set(1, mode="drop")
        place = (jnp.cumsum(there) - 1).at[number].get(mode="fill", fill_value=capacity)
        target = jnp.minimum(place, capacity)
        labels = jnp.full((capacity, rows.shape[1]), PADDING, jnp.int32)
        labels = labels.at[target].set(rows, mode="drop")
        return Places(labels, target, there.sum(dtype=jnp.int32), _none())

    def by_order(rows: Any) -> Places:
        ordered, order = sorted_rows(rows)
        other = (ordered[1:] != ordered[:-1]).any(axis=1)
        first = jnp.ones(ordered.shape[:1], bool).at[1:].set(other)
        return _placed(ordered, order, first & in_use(ordered), capacity)

    return in_grid(rows, numbered, by_order)


def all_sorted(rows: Any, capacity: Any) -> Places:
    """All rows in order, equal ones too, with room for `capacity` of them."""
    ordered, order = sorted_rows(rows)
    return _placed(ordered, order, in_use(ordered), capacity)


def packed(rows: Any, capacity: Any) -> Places:
    """The rows in use one after another, as they come, with room for `capacity`."""
    numbers = jax.lax.iota(jnp.int32, rows.shape[0])
    return _placed(rows, numbers, in_use(rows), capacity)


def _placed(ordered: Any, order: Any, begins: Any, capacity: Any) -> Places:
    """Places of rows in an order where `begins` says which ones begin a row."""
    place = jnp.cumsum(begins, dtype=jnp.int32) - 1
    used = in_use(ordered)
    labels = jnp.full((capacity, ordered.shape[1]), PADDING, jnp.int32)
    labels = labels.at[jnp.where(begins, place, capacity)].set(ordered, mode="drop")
    fits = used & (place < capacity)
    target = jnp.zeros_like(place).at[order].set(jnp.where(fits, place, capacity))
    needed = begins.sum(dtype=jnp.int32)
    return Places(labels, target, needed, _none())


def found_in(rows: Any, table: Any) -> Places:
    """The rows of a table, and which of them each row is."""
    target = positions(rows, table)
    lost = (in_use(rows) & (target == table.shape[0])).sum(dtype=jnp.int32)
    return Places(jnp.asarray(table), target, _none(), lost)


def placed_at(rows: Any, target: Any, table: Any) -> Places:
    """The rows of a table, where each row goes to a known one of them.

    Rows of padding must have targets outside of it. Those that are sent to padding of the
    table are lost, which spoils the whole result, so their target can stay as it is: XLA
    works it out again for every number that is gathered, and it should be simple.
    """
    table, size = jnp.asarray(table), table.shape[0]
    # Without a sign, what is negative is large.
    end = jnp.asarray(size).astype(jnp.uint32)
    target = jnp.minimum(target.astype(jnp.uint32), end).astype(jnp.int32)
    there = taken(in_use(table), target, "fill", fill=False)
    lost = (in_use(rows) & ~there).sum(dtype=jnp.int32)
    return Places(table, target, _none(), lost)


def _none() -> Any:
    return jnp.zeros((), jnp.int32)


def as_they_are(rows: Any, capacity: Any) -> Places:
    """The rows where they are, padding between them."""
    return kept_in_place(rows, in_use(rows))


def kept_in_place(rows: Any, kept: Any) -> Places:
    """The rows where they are; those that are not kept become padding."""
    kept = kept & in_use(rows)
    numbers = jax.lax.iota(jnp.int32, rows.shape[0])
    target = jnp.where(kept, numbers, rows.shape[0])
    return Places(jnp.where(kept[:, None], rows, PADDING), target, _none(), _none())


def distinct_by_appearance(rows: Any, capacity: Any) -> Places:
    """The distinct rows in the order in which they come first."""
    size = rows.shape[0]
    found = distinct(rows, size)
    numbers = jax.lax.iota(jnp.int32, size)
    first = jnp.full((size,), size, jnp.int32).at[found.target].min(numbers, mode="drop")
    _, order = jax.lax.sort((first, numbers), num_keys=1)
    rank = jnp.zeros_like(order).at[order].set(numbers)
    target = rank.at[found.target].get(mode="fill", fill_value=capacity)
    target = jnp.minimum(target, capacity)
    labels = jnp.full((capacity, rows.shape[1]), PADDING, jnp.int32)
    labels = labels.at[target].set(rows, mode="drop")
    return Places(labels, target, found.needed, found.lost)


@dataclasses.dataclass(frozen=True)
class Selected:
    """Rows stay where some of their columns are in a table; the others go nowhere."""

    columns: tuple[int, ...]

    def __call__(self, rows: Any, table: Any, capacity: Any) -> Places:
        """The places of rows."""
        some = jnp.stack([rows[:, i] for i in self.columns], axis=1)
        return kept_in_place(rows, positions(some, table) < table.shape[0])


@dataclasses.dataclass(frozen=True)
class Aligned:
    """Several sources with the same rows in the same order, which become one."""

    sources: int

    def __call__(self, rows: Any, capacity: Any) -> Places:
        """The places of rows; lost are those that are not the same."""
        every = rows.reshape(self.sources, -1, rows.shape[1])
        lost = (every != every[:1]).any(axis=(0, 2)).sum(dtype=jnp.int32)
        alone = as_they_are(every[0], capacity)
        return Places(alone.labels, jnp.tile(alone.target, self.sources), lost * 0, lost)
