"""Dimensions of dynamic samples: what can become of rows that only a program knows."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxmeta.core import PADDING
from jaxmeta.core.labels._dynamic import in_use
from jaxmeta.core.plans._plans import Step
from jaxmeta.errors import DynamicSamplesError, compose
from jaxmeta.operations._changes import NEW, Change


def check_rows(change: Change, name: str) -> None:
    """Refuse what could make rows equal, and values for rows that have no fixed places."""
    if not set(range(len(change.old))) <= set(change.sources):
        raise DynamicSamplesError(
            compose(
                f"{change.operation}: the samples of {name} are dynamic.",
                f"whether rows of {list(change.old)} stay unique is only known when the "
                "program runs",
                remedy="sum_over_samples(), with into= or capacity=, merges rows that "
                "become equal; unpad(tensor) outside the traced function gives static "
                "samples.",
            )
        )
    if NEW in change.sources and not isinstance(change.values, int):
        raise DynamicSamplesError(
            compose(
                f"{change.operation}: the samples of {name} are dynamic.",
                "their rows have no fixed positions, and a list of values was given",
                remedy="give one integer for all rows.",
            )
        )


def changed_rows(change: Change, leaf: int) -> Step:
    """The step that makes the changed table of samples."""
    value = change.values if NEW in change.sources else 0
    return Step(_columns, (leaf,), (), (change.sources, value))


def _columns(rows: Any, sources: tuple[int, ...], value: int) -> Any:
    new = jnp.where(in_use(rows), value, PADDING).astype(rows.dtype)
    return jnp.stack([new if i == NEW else rows[:, i] for i in sources], axis=1)
