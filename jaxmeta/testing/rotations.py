r"""Rotations and reflections of space, and how harmonics and tensors turn with them.

Matrices act on column vectors, :math:`r' = R\,r`. What an equivariant function gives for
turned structures is what it gives for the structures, turned: `transform_tensor` turns
maps, by the names of their components and keys.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmeta.errors import InvalidError, InvalidTypeError, compose


# How far from orthogonal a matrix of 32 bits may be.
_ORTHOGONAL = 1e-5


def random_rotations(count: int, seed: int, *, improper: bool = False) -> np.ndarray:
    r"""Rotations that are distributed uniformly, the same for the same seed.

    Each is that of a unit quaternion of four normal numbers, which is uniform on the group
    (Shoemake, Graphics Gems III, 1992).

    Arguments:
        count: how many.
        seed: of the random numbers, not negative.
        improper: give improper ones, each a rotation and the inversion.

    Returns:
        A float64 array of shape ``(count, 3, 3)``, of matrices with determinant 1, or -1 if
        `improper`.

    Raises:
        InvalidTypeError: for what is no integer, or no truth value.
        InvalidError: for negative numbers.

    Example:
        >>> matrix = random_rotations(1, seed=0)[0]
        >>> bool(np.allclose(matrix @ matrix.T, np.eye(3)))
        True
        >>> float(np.linalg.det(matrix).round(12))
        1.0
    """
    where = "random_rotations"
    count, seed = _natural(where, "count", count), _natural(where, "seed", seed)
    if not isinstance(improper, bool | np.bool_):
        raise InvalidTypeError(
            compose(f"{where}: improper is True or False.", f"found {improper!r:.100}")
        )
    numbers = np.random.default_rng(seed).normal(size=(count, 4))
    w, x, y, z = (numbers / np.linalg.norm(numbers, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    found = np.moveaxis(np.array(rows), -1, 0)
    return -found if improper else found


def wigner_d(degree: int, matrix: Any) -> np.ndarray:
    r"""How real spherical harmonics turn: the real Wigner matrix of one degree.

    :math:`Y_{l m}(R\,r) = \sum_{m'} D^l_{m m'}(R)\, Y_{l m'}(r)`, for harmonics with
    :math:`m = -l \ldots l`, and so :math:`D^l(R S) = D^l(R)\,D^l(S)`, orthogonal.
    Improper matrices are those of harmonics too: :math:`D^l(-R) = (-1)^l D^l(R)`. The
    elements are polynomials of those of :math:`R`, by the recursion of Ivanic and
    Ruedenberg, so that no angle has to be found.

    Arguments:
        degree: :math:`l`, 0 or more.
        matrix: an orthogonal matrix of shape ``(3, 3)``, in any precision.

    Returns:
        A float64 array of shape ``(2 degree + 1, 2 degree + 1)``.

    Raises:
        InvalidTypeError: for a degree that is no integer, or no array of real numbers.
        InvalidError: for a negative degree, or a matrix that is not orthogonal.

    Source: Ivanic, Ruedenberg, J. Phys. Chem. 100, 6342 (1996), and 102, 9099 (1998).

    Example:
        >>> quarter = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # about z: x to y, y to -x
        >>> wigner_d(1, quarter).tolist()  # orders -1, 0, 1 are y, z, x
        [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
    """
    degree = _natural("wigner_d", "the degree", degree)
    turn = checked_matrix("wigner_d", matrix)
    cyclic = [1, 2, 0]  # orders -1, 0, 1 are y, z, x
    first = turn[np.ix_(cyclic, cyclic)]
    found = np.ones((1, 1))
    for own in range(1, degree + 1):
        found = first if own == 1 else _next_degree(own, first, found)
    return found


def transform_positions(positions: Any, matrix: Any) -> Any:
    r"""Vectors, turned: positions, forces, or the vectors of cells.

    :math:`r' = R\,r` for every vector. Vectors that are traced are turned in JAX.

    Arguments:
        positions: of shape ``(..., 3)``, floating point numbers in any unit.
        matrix: an orthogonal matrix of shape ``(3, 3)``.

    Returns:
        An array of the same shape and dtype, a numpy array for one of numpy.

    Raises:
        InvalidTypeError: for what is no array of floating point numbers.
        InvalidError: for another shape, or a matrix that is not orthogonal.

    Example:
        >>> quarter = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
        >>> transform_positions(np.array([[1.0, 0.0, 2.0]]), quarter).tolist()
        [[0.0, 1.0, 2.0]]
    """
    return _turned_vectors("transform_positions", "positions", positions, matrix)


def transform_cell(cell: Any, matrix: Any) -> Any:
    r"""A cell, turned: its rows are vectors, each of which is :math:`R\,a`.

    Arguments:
        cell: of shape ``(..., 3, 3)``, a vector in each row.
        matrix: an orthogonal matrix of shape ``(3, 3)``.

    Returns:
        An array of the same shape and dtype.

    Raises:
        InvalidTypeError: for what is no array of floating point numbers.
        InvalidError: for another shape, or a matrix that is not orthogonal.

    Example:
        >>> quarter = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
        >>> transform_cell(np.diag([1.0, 2.0, 3.0]), quarter).tolist()
        [[0.0, 1.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]
    """
    shape = getattr(cell, "shape", ())
    if shape[-2:-1] != (3,):
        raise InvalidError(
            compose("transform_cell: a cell has three vectors.", f"found the shape {shape}")
        )
    return _turned_vectors("transform_cell", "the cell", cell, matrix)


def checked_matrix(where: str, matrix: Any) -> np.ndarray:
    """An orthogonal matrix, in double precision."""
    found = _as_array(where, matrix)
    if found.shape != (3, 3):
        raise InvalidError(
            compose(f"{where}: the matrix has the shape (3, 3).", f"found {found.shape}")
        )
    with np.errstate(invalid="ignore"):
        error = float(np.abs(found @ found.T - np.eye(3)).max())
    if not error <= _ORTHOGONAL:
        raise InvalidError(
            compose(
                f"{where}: the matrix is not orthogonal.",
                f"R R^T differs from 1 by {error:.3g}",
                remedy="random_rotations() gives orthogonal ones.",
            )
        )
    return found


def _as_array(where: str, matrix: Any) -> np.ndarray:
    try:
        return np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(
            compose(
                f"{where}: the matrix is an array of real numbers, known when a program is "
                "traced.",
                f"found {matrix!r:.100}",
            )
        ) from error


def _turned_vectors(where: str, what: str, vectors: Any, matrix: Any) -> Any:
    turn = checked_matrix(where, matrix)
    dtype, shape = getattr(vectors, "dtype", None), getattr(vectors, "shape", None)
    if dtype is None or shape is None or not jnp.issubdtype(dtype, np.floating):
        raise InvalidTypeError(
            compose(
                f"{where}: {what} must be an array of floating point numbers.",
                f"found {type(vectors).__name__ if dtype is None else dtype}",
            )
        )
    if shape[-1:] != (3,):
        raise InvalidError(
            compose(
                f"{where}: {what} must be vectors of space.",
                f"found the shape {shape}, expected (..., 3)",
            )
        )
    if isinstance(vectors, np.ndarray):
        return (vectors @ turn.T).astype(dtype)
    return jnp.matmul(vectors, jnp.asarray(turn.T.astype(dtype)), precision="highest")


def _natural(where: str, what: str, number: Any) -> int:
    try:
        found = operator.index(number)
    except TypeError:
        found = None
    if found is None or isinstance(number, bool | np.bool_):
        raise InvalidTypeError(
            compose(f"{where}: {what} is an integer.", f"found {number!r:.100}")
        )
    if found < 0:
        raise InvalidError(compose(f"{where}: {what} is not negative.", f"found {found}"))
    return found


# The recursion --------------------------------------------------------------------------


def _next_degree(degree: int, first: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The matrix of a degree from those of degree 1 and of one degree less."""
    columns = np.arange(-degree, degree + 1)
    edge = np.abs(columns) == degree
    under = np.where(edge, 2 * degree * (2 * degree - 1), degree**2 - columns**2)
    mixed = partial(_mixed, degree, first, below)
    rows = [_row(degree, m, mixed) for m in range(-degree, degree + 1)]
    return np.stack(rows) / np.sqrt(under)


def _mixed(
    degree: int, first: np.ndarray, below: np.ndarray, i: int, order: int
) -> np.ndarray:
    """The row of an order of one degree less, times the one of order `i` of degree 1."""
    row, line = below[order + degree - 1], first[i + 1]
    found = np.concatenate([[0.0], line[1] * row, [0.0]])
    found[-1] = line[2] * row[-1] - line[0] * row[0]
    found[0] = line[2] * row[0] + line[0] * row[-1]
    return found


def _row(degree: int, m: int, mixed: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """One row, not yet divided by what depends on its columns."""
    size, sign = abs(m), 1 if m >= 0 else -1
    total = np.zeros(2 * degree + 1)
    if size < degree:
        total += math.sqrt(degree**2 - m**2) * mixed(0, m)
    near = math.sqrt((1 + (m == 0)) * (degree + size - 1) * (degree + size)) / 2
    if m == 0:
        return total - near * (mixed(1, 1) + mixed(-1, -1))
    total += near * _nearer(size, sign, mixed)
    if size <= degree - 2:
        beyond = -math.sqrt((degree - size - 1) * (degree - size)) / 2
        up = sign * (size + 1)
        total += beyond * (mixed(1, up) + sign * mixed(-1, -up))
    return total


def _nearer(size: int, sign: int, mixed: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """The share of the orders nearer to zero; where they are zero there is but one."""
    if size == 1:
        return math.sqrt(2) * mixed(sign, 0)
    near = sign * (size - 1)
    return mixed(1, near) - sign * mixed(-1, -near)
