"""New arrays like others: of one value."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.core.plans._plans import run_kernel


# To put an array from the host on the device takes 14 µs and compiles nothing; a compiled
# program takes 3 µs for one array, and 1 µs for each of many. So compiled are programs for
# large arrays, which should not cross from the host, and for kinds that many arrays have,
# at once or by and by: compiling takes as long as some hundred arrays from the host.
TOGETHER = 32
OFTEN = 512
LARGE_BYTES = 2**18

# shape, dtype, and the device or sharding where JAX would not choose it
Kind: TypeAlias = tuple[tuple[int, ...], Any, Any]

# position among the leaves, array, where it is to be
Moved: TypeAlias = tuple[int, Any, Any]


def constant_leaves(operation: str, tensor: Any, value: int) -> tuple[Any, ...]:
    """Leaves of one value in place of all values and gradients.

    No two of them share memory: then each can be donated to a compiled function.
    """
    made = list(tensor._leaves)
    alike: dict[Kind, list[int]] = {}
    for i in positions_of_values(tensor._layout):
        leaf = made[i]
        if isinstance(leaf, Tracer):
            made[i] = jnp.full_like(leaf, value, leaf.dtype)
        elif isinstance(leaf, np.ndarray):
            made[i] = np.full(leaf.shape, value, leaf.dtype)
        else:
            alike.setdefault((leaf.shape, leaf.dtype, place_of(leaf)), []).append(i)
    for dtype in {dtype for _, dtype, _ in alike}:
        check_dtype(dtype, operation)
    moved: list[Moved] = []
    for kind, positions in alike.items():
        arrays = _alike(kind, value, len(positions))
        for i, array in zip(positions, arrays, strict=True):
            made[i] = array
            if isinstance(array, np.ndarray):
                moved.append((i, array, kind[2]))
    put(made, moved)
    return tuple(made)


def constants(shape: Any, dtype: Any, value: int, place: Any, count: int) -> Any:
    """Kernel: several arrays of one value, on one device."""
    made = [jnp.full(shape, value, dtype) for _ in range(count)]
    return made if place is None else jax.lax.with_sharding_constraint(made, place)


def _alike(kind: Kind, value: int, count: int) -> list[Any]:
    """Arrays of one kind, some of them still to be put on the device."""
    shape, dtype, place = kind
    if place is not None and len(place.device_set) > 1:
        return [jnp.full(shape, value, dtype, device=place) for _ in range(count)]
    tally = _tally(kind, value)
    tally[0] += count
    if is_large(shape, dtype):
        programs, together = count, 1
    elif count >= TOGETHER:
        programs, together = math.ceil(count / TOGETHER), TOGETHER
    elif tally[0] > OFTEN:
        programs, together = 1, count
    else:
        return [np.full(shape, value, dtype) for _ in range(count)]
    made: list[Any] = []
    for _ in range(programs):
        made += run_kernel(constants, (), shape, dtype, value, place, together)
    return made[:count]


@lru_cache(maxsize=4096)
def _tally(kind: Kind, value: int) -> list[int]:
    """How many arrays of a kind and value were asked for, as a list to count in."""
    return [0]


def is_large(shape: tuple[int, ...], dtype: Any) -> bool:
    """Whether an array should not cross from the host to the device."""
    return math.prod(shape) * np.dtype(dtype).itemsize >= LARGE_BYTES


def positions_of_values(layout: Any) -> Sequence[int]:
    """Which leaves are values: all but the rows of dynamic samples."""
    if layout.shapes is not None:
        return range(len(layout.shapes))
    paths = layout.paths
    return [i for i, path in enumerate(paths) if not path.endswith(".samples.values")]


def place_of(leaf: Any) -> Hashable:
    """Where an array was put on purpose; None for the default device."""
    if isinstance(leaf, np.ndarray | Tracer):
        return None
    return leaf.sharding if getattr(leaf, "committed", True) else None


def put(leaves: list[Any], moved: Iterable[Moved]) -> None:
    """Put arrays where they are to be, at their positions among the leaves."""
    by_place: dict[Any, list[tuple[int, Any]]] = {}
    for i, array, place in moved:
        by_place.setdefault(place, []).append((i, array))
    for place, numbered in by_place.items():
        arrays = jax.device_put([array for _, array in numbered], place)
        for (i, _), array in zip(numbered, arrays, strict=True):
            leaves[i] = array
