"""What the rooms above tell about an object that is to be shown: names and numbers.

Nothing here looks at the values of an array. Sizes are integers, symbolic dimensions
(of exported programs), or None where a leaf is no array at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np


def leaf_bytes(leaf: Any) -> int | None:
    """Bytes of one leaf of a pytree, None where its shape or dtype does not tell.

    >>> leaf_bytes(np.zeros((3, 2), np.float32)), leaf_bytes(object())
    (24, None)
    """
    try:
        size = math.prod(leaf.shape) * leaf.dtype.itemsize
    except (AttributeError, TypeError):
        return None
    return size if isinstance(size, int) else None  # else symbolic


@cache
def _dtype_name(dtype: Any) -> str:
    # JAX marks the tangents of integers by a structured dtype of no bytes.
    is_float0 = getattr(dtype, "names", None) == ("float0",)
    return "float0" if is_float0 else str(dtype)


@dataclass(frozen=True, slots=True, eq=False)
class LabelFacts:
    """Labels: their names, how many rows, and the rows where the host has them.

    Arguments:
        names: names of the dimensions.
        rows: number of rows; for dynamic labels the capacity.
        values: int32 of shape (rows, names) on the host, or None when not known here.
        dynamic: whether the rows may change from call to call.
    """

    names: tuple[str, ...]
    rows: Any
    values: np.ndarray | None = None
    dynamic: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ArrayFacts:
    """An array's dtype, shape and size in bytes; None for what can not be known."""

    dtype: str
    shape: tuple[Any, ...] | None = None
    nbytes: int | None = None

    @classmethod
    def of(cls, leaf: object) -> ArrayFacts:
        """The facts of any leaf of a pytree, from its shape and dtype alone.

        >>> ArrayFacts.of(np.zeros((3, 2), np.float32))
        ArrayFacts(dtype='float32', shape=(3, 2), nbytes=24)
        >>> ArrayFacts.of(None)
        ArrayFacts(dtype='None', shape=None, nbytes=None)
        """
        shape, dtype = getattr(leaf, "shape", None), getattr(leaf, "dtype", None)
        if shape is None or dtype is None:
            kind = "None" if leaf is None else type(leaf).__name__
            return cls(kind, None if shape is None else tuple(shape))
        return cls(_dtype_name(dtype), tuple(shape), leaf_bytes(leaf))


@dataclass(frozen=True, slots=True, eq=False)
class BlockFacts:
    """A block: its array, its labels, and its gradients by name."""

    values: ArrayFacts
    samples: LabelFacts
    components: tuple[LabelFacts, ...]
    properties: LabelFacts
    gradients: tuple[tuple[str, BlockFacts], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class MapFacts:
    """A map: its keys, how to get the facts of one block, and what all blocks share.

    Arguments:
        keys: the keys, one row per block.
        block: gives the facts of the block at a position; called for shown blocks only.
        dtype: dtype of the values, None for a map of no blocks.
        nbytes: bytes of all leaves, None where not known.
        gradients: names of the gradients of every block; ``"a/b"`` is b of a.
        info: the names in ``info``.
    """

    keys: LabelFacts
    block: Callable[[int], BlockFacts]
    dtype: str | None = None
    nbytes: int | None = None
    gradients: Sequence[str] = ()
    info: Sequence[str] = ()


def total_bytes(sizes: Iterable[int | None]) -> int | None:
    """The sum of sizes in bytes, None when one of them is not known.

    >>> total_bytes([24, 8]), total_bytes([24, None])
    (32, None)
    """
    total = 0
    for size in sizes:
        if size is None:
            return None
        total += size
    return total


def block_bytes(block: BlockFacts) -> int | None:
    """Bytes of the values of a block and of its gradients, None where not known."""
    inner = (block_bytes(gradient) for _, gradient in block.gradients)
    return total_bytes([block.values.nbytes, *inner])


def all_gradients(block: BlockFacts, above: str = "") -> list[tuple[str, BlockFacts]]:
    """Gradients and their gradients, depth first; ``"a/b"`` is the gradient b of a."""
    found = []
    for name, gradient in block.gradients:
        found.append((above + name, gradient))
        found += all_gradients(gradient, f"{above}{name}/")
    return found


def own_components(gradient: BlockFacts, block: BlockFacts) -> tuple[LabelFacts, ...]:
    """The components that a gradient has beyond those of its block: they come first."""
    return gradient.components[: len(gradient.components) - len(block.components)]
