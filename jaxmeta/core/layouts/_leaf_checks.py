"""Leaves that have lost their labels: caught before an operation trusts the labels.

JAX rebuilds maps around any leaves, and ``jax.tree.map`` may stack, index or cut them.
An operation on such a map would move, add or broadcast the wrong rows without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from jax.core import Tracer

from jaxmeta.errors import InvalidError, InvalidTypeError, compose


def leaves_fit(tensors: Sequence[Any]) -> bool:
    """Whether every array of some blocks or maps has the shape that its labels say."""
    for tensor in tensors:
        shapes = tensor._layout.shapes
        if shapes is not None and _shapes(tensor._leaves) != shapes:
            return False
    return True


def _shapes(leaves: Sequence[Any]) -> list[Any] | None:
    try:
        return [leaf.shape for leaf in leaves]
    except AttributeError:
        return None


def check_shares(tensors: Sequence[Any], rows_stay: bool) -> None:
    """Raise unless all arrays hold an equal share of their rows, and that is enough.

    Arguments:
        tensors: the operands.
        rows_stay: whether no row is moved or merged: then a share of the rows is enough,
            which is what each device sees under ``shard_map``.
    """
    shares: set[Fraction] = set()
    for tensor in tensors:
        layout = tensor._layout
        if layout.shapes is None:
            continue
        for leaf, shape, path in zip(
            tensor._leaves, layout.shapes, layout.paths, strict=True
        ):
            found = _shape(leaf, path)
            is_share = isinstance(leaf, Tracer) and found[1:] == shape[1:]
            if found != shape and not (is_share and rows_stay):
                _refuse(path, found, shape, is_share)
            if shape[0]:
                shares.add(Fraction(found[0], shape[0]))
            if len(shares) > 1:
                _refuse(path, found, shape, is_share)


def _shape(leaf: Any, path: str) -> tuple[int, ...]:
    shape = getattr(leaf, "shape", None)
    if shape is None:
        raise InvalidTypeError(
            compose(
                f"an operation on arrays: {path} is no array.",
                f"found {type(leaf).__name__}",
                remedy="trees of other things keep the structure, not the operations.",
            )
        )
    return tuple(shape)


def _refuse(
    path: str, found: tuple[int, ...], shape: tuple[int, ...], is_share: bool
) -> None:
    share = (
        "a share of the rows, as jax.shard_map gives it, is enough only where no row is "
        "moved or merged; jax.jit with shardings takes whole maps, for every operation."
    )
    raise InvalidError(
        compose(
            f"an operation on arrays: {path} does not fit its labels.",
            f"the array has shape {found}, the labels say {shape}",
            *([share] if is_share else []),
            remedy="was it stacked, indexed or cut by jax.tree.map? jax.vmap goes through "
            "stacked maps; slice() and join() keep labels and arrays together.",
        )
    )
