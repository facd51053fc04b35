"""What the arrays of a System must be. Traced arrays are checked by shape alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core.labels._label_values import INT32
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


_AXES = "abc"

# A cell whose volume is smaller, beside that of the box with the same edges, is flat.
_FLAT = 1e-10


def positions(given: Any) -> Any:
    """Floating point numbers of shape (atoms, 3)."""
    if isinstance(given, list | tuple) and not given:
        given = np.zeros((0, 3))
    array = _numbers("positions", given)
    _check_shape("positions", array, (None, 3))
    _check_finite("positions", array)
    return array


def types(given: Any, n_atoms: int) -> Any:
    """Integers of shape (atoms,), as int32."""
    if isinstance(given, list | tuple) and not given:
        given = np.zeros(0, np.int32)
    array = given if isinstance(given, jax.Array) else _on_host("types", given)
    if array.dtype.kind not in "iu":
        raise InvalidTypeError(
            compose("System: the types must be integers.", f"found dtype {array.dtype}")
        )
    _check_shape("types", array, (n_atoms,))
    if not isinstance(array, Tracer):
        _check_range(np.asarray(array))
    return array.astype(np.int32)


def _check_range(array: np.ndarray) -> None:
    # The largest integer stands for padding.
    wrong = np.flatnonzero((array < 0) | (array >= INT32.max))
    if wrong.size:
        row = int(wrong[0])
        raise InvalidError(
            compose(
                f"System: types are integers from 0 to {INT32.max - 1}.",
                f"atom {row} has type {int(array[row])}",
            )
        )


def cell(given: Any, dtype: Any) -> Any:
    """Three vectors, of the dtype of the positions; zero for no cell."""
    if given is None:
        return np.zeros((3, 3), dtype)
    array = _numbers("cell", given)
    _check_shape("cell", array, (3, 3))
    _check_finite("cell", array)
    return array.astype(dtype)


def periodic(given: Any, has_cell: bool) -> Any:
    """Three truth values."""
    if given is None and has_cell:
        raise InvalidError(
            compose(
                "System: there is a cell, but nothing says along which axes it repeats.",
                remedy="pbc=True, or three truth values as pbc=[True, True, False].",
            )
        )
    if isinstance(given, jax.Array):
        _check_bools(given)
        _check_shape("pbc", given, (3,))
        return given
    array = np.asarray(False if given is None else given)
    _check_bools(array)
    if array.shape == ():
        array = np.repeat(array, 3)
    _check_shape("pbc", array, (3,))
    return array


def _check_bools(array: Any) -> None:
    if array.dtype != np.bool_:
        raise InvalidTypeError(
            compose("System: pbc are truth values.", f"found dtype {array.dtype}")
        )


def check_cell(cell: Any, pbc: Any) -> None:
    """Periodic axes have vectors that span something; the others have none."""
    if isinstance(cell, Tracer) or isinstance(pbc, Tracer):
        return
    vectors, repeats = np.asarray(cell, np.float64), np.asarray(pbc)
    for axis, vector, repeated in zip(_AXES, vectors, repeats, strict=True):
        _check_vector(axis, vector, bool(repeated))
    lengths = np.linalg.norm(vectors[repeats], axis=1)
    if repeats.any():
        # The square of the volume of what the vectors span, whatever their number.
        unit = vectors[repeats] / lengths[:, None]
        if np.linalg.det(unit @ unit.T) < _FLAT:
            raise InvalidError(
                compose(
                    "System: the vectors of the cell are not independent.",
                    f"the cell is {vectors.tolist()}",
                )
            )


def _check_vector(axis: str, vector: np.ndarray, repeated: bool) -> None:
    if repeated and not vector.any():
        raise InvalidError(
            compose(
                f"System: the axis {axis} is periodic, but its vector is zero.",
                remedy="give the vector in cell=, or say pbc=False for this axis.",
            )
        )
    if not repeated and vector.any():
        raise InvalidError(
            compose(
                f"System: the axis {axis} is not periodic, but has a vector in the cell.",
                f"found {vector.tolist()}",
                remedy="say pbc=True for this axis, or make its row of the cell zero.",
            )
        )


def extra(name: str, given: Any, n_atoms: int) -> Any:
    """One number for each atom, or three for momenta."""
    array = _numbers(name, given)
    _check_shape(name, array, (n_atoms, 3) if name == "momentum" else (n_atoms,))
    _check_finite(name, array)
    return array


def _numbers(name: str, given: Any) -> Any:
    """Floating point numbers: integers become float64."""
    array = given if isinstance(given, jax.Array) else _on_host(name, given)
    if array.dtype.kind in "iu" and isinstance(array, np.ndarray):
        return array.astype(np.float64)
    if not jnp.issubdtype(array.dtype, np.floating):
        raise InvalidTypeError(
            compose(
                f"System: the {name} must be real numbers.", f"found dtype {array.dtype}"
            )
        )
    return array


def _on_host(name: str, given: Any) -> np.ndarray:
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:  # rows of different lengths
        raise InvalidError(
            compose(f"System: the {name} are no array.", f"found {given!r:.100}")
        ) from error


def _check_shape(name: str, array: Any, expected: tuple[int | None, ...]) -> None:
    shape = tuple(array.shape)
    fits = len(shape) == len(expected) and all(
        wanted is None or found == wanted
        for found, wanted in zip(shape, expected, strict=True)
    )
    if not fits:
        words = ", ".join("atoms" if n is None else str(n) for n in expected)
        raise InvalidError(
            compose(
                f"System: the {name} have another shape than they should.",
                f"found {shape}, expected ({words}{',' if len(expected) == 1 else ''})",
            )
        )


def _check_finite(name: str, array: Any) -> None:
    if isinstance(array, Tracer):
        return
    wrong = np.argwhere(~np.isfinite(np.asarray(array, np.float64)))
    if len(wrong):
        row = int(wrong[0][0])
        raise InvalidError(
            compose(
                f"System: the {name} are not finite.",
                f"row {row} is {np.asarray(array)[row].tolist()}",
            )
        )
