"""Rows numbered within the smallest box that holds all of them.

Labels mostly count something: systems, atoms, centers. Then the box that they span is not
much larger than they are many, and each row has a number in a table that is made at once:
no sorting, no searching. Whether it is so is only known when the program runs, so the
other way is compiled as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxmeta.core.labels._dynamic import PADDING, in_use


# How much larger than their number the box may be, and how small never matters.
_SPARSE = 4
_SMALL = 256


class Grid(NamedTuple):
    """A box of rows.

    Arguments:
        low, high: the smallest and largest value of each column.
        room: how many numbers there are.
    """

    low: Any
    high: Any
    room: int

    def numbers(self, rows: Any) -> Any:
        """The number of each row; `room` for those outside, and for padding."""
        inside = in_use(rows)
        number = jnp.zeros(rows.shape[:1], jnp.int32)
        for i in range(rows.shape[1]):
            low, high, column = self.low[0, i], self.high[0, i], rows[:, i]
            inside &= (column >= low) & (column <= high)
            # Outside, products may wrap around: they are thrown away.
            number = number * (high - low + 1) + (column - low)
        return jnp.where(inside, number, self.room)


def in_grid(
    rows: Any,
    numbered: Callable[..., Any],
    otherwise: Callable[..., Any],
    *more: Any,
) -> Any:
    """What a function makes of a grid and of rows, if these fit into one; else what the
    other one makes of the rows. Both get further arrays after them.
    """
    size = rows.shape[0]
    if not isinstance(size, int) or size == 0:
        return otherwise(rows, *more)
    room = max(_SPARSE * size, _SMALL)
    used = in_use(rows)[:, None]
    low = jnp.where(used, rows, PADDING).min(axis=0, keepdims=True)
    high = jnp.where(used, rows, -PADDING).max(axis=0, keepdims=True)
    # Differences wrap around to what they are without a sign, exactly; products of them
    # are beyond integers, and rounded where there are millions of rows.
    spans = (high - low).astype(jnp.uint32).astype(jnp.float32) + 1
    fits = (high >= low).all() & (spans.prod() <= room - (room >> 20))

    # Operands, not closures: with these shard_map fails in jax 0.10.
    def in_box(low: Any, high: Any, rows: Any, *more: Any) -> Any:
        return numbered(Grid(low, high, room), rows, *more)

    def anywhere(low: Any, high: Any, rows: Any, *more: Any) -> Any:
        return otherwise(rows, *more)

    return jax.lax.cond(fits, in_box, anywhere, low, high, rows, *more)
