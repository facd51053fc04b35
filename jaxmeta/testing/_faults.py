"""Where two lists of arrays differ, told by direction, block, row and number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxmeta.core import Labels
from jaxmeta.testing.directions import Directions, Part, Tangents


# Relative, by the number of bits of a real number: some 1e5 times its precision, at most.
_TOLERANCES = {64: 1e-10, 32: 1e-4, 16: 3e-2}

# What may be left of terms that cancel, in units of their last digit.
_ROUNDED = 100

_SINGULAR = "the function has no finite derivative here: choose other values"


class Tolerance(NamedTuple):
    """What may differ; None for what the dtype allows."""

    relative: float | None
    absolute: float | None

    def wrong(
        self, expected: Any, found: Any, scale: float | None = None, of_terms: float = 0.0
    ) -> np.ndarray:
        """For each number whether it is another one; what is not finite always is.

        Without an absolute tolerance it is the relative one times `scale`, by default
        the largest number there is, and not below what rounding makes of terms as large
        as `of_terms` that cancel.
        """
        relative = self.relative
        if relative is None:
            relative = _TOLERANCES[jnp.finfo(found.dtype).bits]
        expected, found = _wide(expected), _wide(found)
        if scale is None:
            scale = largest([expected, found])
        absolute = self.absolute
        if absolute is None:
            rounded = _ROUNDED * float(jnp.finfo(found.dtype).eps) * of_terms
            absolute = max(relative * scale, rounded)
        with np.errstate(invalid="ignore"):
            error = np.asarray(np.abs(found - expected))
            return ~(error <= absolute + relative * np.abs(expected))


def largest(arrays: Sequence[Any]) -> float:
    """The largest finite magnitude in some arrays."""
    sizes = [np.abs(_wide(array)) for array in arrays]
    return max((s.max(where=np.isfinite(s), initial=0.0) for s in sizes), default=0.0)


def _wide(array: Any) -> np.ndarray:
    wide = np.complex128 if jnp.issubdtype(array.dtype, np.complexfloating) else np.float64
    return np.asarray(array).astype(wide)


def first_fault(
    parts: Sequence[Part],
    found: Tangents,
    wanted: Sequence[Directions],
    expected: Sequence[np.ndarray],
    tolerance: Tolerance,
    of_terms: float,
) -> list[str]:
    """The first direction and row in which gradients are wrong, as facts; else nothing.

    `of_terms` is how large the terms may be that derivatives are added up from.
    """
    actual = [
        np.stack(arrays)
        for arrays in zip(*(found.along(each) for each in wanted), strict=True)
    ]
    scale = largest([*expected, *actual])
    wrong = [
        tolerance.wrong(right, own, scale, of_terms).any(axis=tuple(range(2, right.ndim)))
        for right, own in zip(expected, actual, strict=True)
    ]
    places = enumerate(np.argwhere(rows).tolist() for rows in wrong)
    faults = [(number, place, row) for place, some in places for number, row in some]
    if not faults:
        return []
    number, place, row = min(faults)
    pair = expected[place][number, row], actual[place][number, row]
    stored = (wanted[number], place, row) in found.rows
    return [
        f"by {', then by '.join(map(str, wanted[number]))}",
        f"{parts[place].name}, {_row_name(parts[place], row)}",
        _numbers(parts[place], *pair),
        "" if stored else "the gradient has no such row, which counts as zero",
        "" if np.isfinite(_wide(pair[0])).all() else _SINGULAR,
        f"and {len(faults) - 1} more like this" if len(faults) > 1 else "",
    ]


def _row_name(part: Part, row: int) -> str:
    samples = part.block.samples
    label = f" {samples.entry(row).print()}" if isinstance(samples, Labels) else ""
    return f"row {row} of the values{label}"


def _numbers(part: Part, expected: np.ndarray, found: np.ndarray) -> str:
    """The entry of a row that differs most."""
    with np.errstate(invalid="ignore"):
        error = np.abs(_wide(found) - _wide(expected))
    index = np.unravel_index(int(np.argmax(np.nan_to_num(error, nan=np.inf))), error.shape)
    axes = zip([*part.block.components, part.block.properties], index, strict=True)
    where = ", ".join(axis.entry(int(i)).print() for axis, i in axes)
    return f"at {where}: expected {expected[index]!s}, found {found[index]!s}"
