"""Parameters of potentials that know a few types of atoms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core.labels._arguments import check_list
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


def checked_types(where: str, types: Sequence[int]) -> tuple[int, ...]:
    """The types in ascending order.

    Raises:
        InvalidError: for no types, those that stand twice, and what is none.
        InvalidTypeError: for what is no list.
    """
    found = check_list(where, "types must be a list of integers", types)
    valid = all(
        isinstance(t, int | np.integer) and not isinstance(t, bool) and t >= 0
        for t in found
    )
    if not valid or not found or len(set(found)) != len(found):
        raise InvalidError(
            compose(
                f"{where}: types are integers that are not negative, once each.",
                f"found {found!r:.100}",
            )
        )
    return tuple(sorted(int(each) for each in found))


def offsets_of(
    where: str, offsets: Mapping[int, float] | None, types: Sequence[int]
) -> Any:
    """An energy for each type, zero where none is given, in the widest precision."""
    given = {} if offsets is None else offsets
    if not isinstance(given, Mapping):
        raise InvalidTypeError(
            compose(
                f"{where}: offsets are energies by type.",
                f"found {given!r:.100}",
                remedy="write offsets={8: ...}.",
            )
        )
    for each, energy in given.items():
        number = _is_number(energy)
        if each not in types or not number or not math.isfinite(energy):
            raise InvalidError(
                compose(
                    f"{where}: offsets are finite energies of the types that are known.",
                    f"found {energy} for {each}; known are {list(types)}",
                )
            )
    return jnp.asarray(np.array([float(given.get(each, 0.0)) for each in types]))


def finite(where: str, name: str, given: Any) -> float:
    """A number that is finite.

    Raises:
        InvalidTypeError: for what is no number; InvalidError for what is not finite.
    """
    if not _is_number(given):
        raise InvalidTypeError(
            compose(
                f"{where}: the {name} must be a number.",
                f"found {given!r:.100}, a {type(given).__name__}",
            )
        )
    if not math.isfinite(given):
        raise InvalidError(compose(f"{where}: the {name} is finite.", f"found {given}"))
    return float(given)


def _is_number(given: Any) -> bool:
    number = isinstance(given, int | float | np.integer | np.floating)
    return number and not isinstance(given, bool)


def in_dtype(dtype: Any, tree: Any) -> Any:
    """A tree whose floating point numbers are of the dtype that is computed in."""
    return jax.tree.map(lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, tree)
