r"""Real spherical harmonics, and the polynomials that they are on the sphere.

They are orthonormal, and in the order and with the signs of featomic: degree by degree,
:math:`m = -l \ldots l`, with :math:`Y_{1} = \sqrt{3 / 4\pi} (y, z, x)` on unit vectors.
Negative :math:`m` go with :math:`\sin |m| \varphi`, positive ones with :math:`\cos m
\varphi`, without the phase of Condon and Shortley.

All of them are polynomials, by recursion: :math:`\mathrm{Re}, \mathrm{Im} (x + i y)^m`
times a polynomial of z and :math:`r^2` that has three terms in :math:`l`. Nothing is
divided, so all derivatives are finite, by `grad`, `jvp` and what is made of them.

Source: NIST Digital Library of Mathematical Functions, 14.30 and 14.10.3.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.representations._floats import floats_of


def spherical_harmonics(vectors: Any, max_angular: int, *, axis: int = -1) -> jax.Array:
    r"""Real spherical harmonics of the directions of vectors, of any length.

    Values: orthonormal on the sphere, :math:`\int Y_{lm} Y_{l'm'} = \delta`. The zero
    vector has no direction: it gets the constant of degree 0, and zeros. Gradients: those
    of the formulas; zero for the zero vector.

    Squares of lengths must be within the range of the dtype: lengths between 1e-18 and 1e18
    in single precision.

    Arguments:
        vectors: floating point numbers of shape ``(..., 3)``, in any unit.
        max_angular: the highest degree.
        axis: where the axis of the harmonics is in the result; with ``axis=0`` the numbers
            of one harmonic lie side by side, which is faster.

    Returns:
        Shape ``(..., (max_angular + 1)**2)``, :math:`l, m` at ``l * l + l + m``.

    Raises:
        InvalidError: for other shapes, and a degree below zero.
        InvalidTypeError: for numbers that are no floating point numbers.

    Example:
        >>> import numpy as np
        >>> values = spherical_harmonics(np.array([0.0, 0.0, 2.0]), 1)
        >>> values.tolist(), (3 / (4 * np.pi)) ** 0.5
        ([0.282..., 0.0, 0.488..., 0.0], 0.488...)
    """
    x, y, z = _components("spherical_harmonics", vectors)
    _check_degree("spherical_harmonics", max_angular)
    return _stacked(spherical_harmonics_columns, max_angular, axis, x, y, z)


def spherical_harmonics_columns(
    x: Any, y: Any, z: Any, max_angular: int
) -> list[jax.Array]:
    """The same as `spherical_harmonics`, one array for each harmonic: the fastest form.

    Arguments:
        x: first Cartesian components, any shape; `y` and `z` have the same one.
        y: second Cartesian components.
        z: third Cartesian components.
        max_angular: the highest degree.

    Returns:
        ``(max_angular + 1)**2`` arrays of that shape.

    Raises:
        InvalidError: for shapes that differ, and a degree below zero.
        InvalidTypeError: for numbers that are no floating point numbers, or of several
            dtypes.

    Example:
        >>> import numpy as np
        >>> len(spherical_harmonics_columns(np.zeros(5), np.ones(5), np.ones(5), 2))
        9
    """
    operation = "spherical_harmonics_columns"
    x, y, z = _same(operation, x, y, z)
    _check_degree(operation, max_angular)
    squares = x * x + y * y + z * z
    found = squares > 0
    # Both `where` are needed: a derivative of what is not chosen must be finite too.
    inverse = jnp.where(found, jax.lax.rsqrt(jnp.where(found, squares, 1.0)), 0.0)
    # On unit vectors r^2 is 1, but for the zero vector. There the one product that does
    # not vanish by itself is that of degree 2, m = 0.
    one = found.astype(x.dtype)
    return _harmonics(
        x * inverse,
        y * inverse,
        z * inverse,
        max_angular,
        lambda term, degree, m: term * one if (degree, m) == (2, 0) else term,
    )


def solid_harmonics(vectors: Any, max_angular: int, *, axis: int = -1) -> jax.Array:
    r"""Spherical harmonics times :math:`r^l`: homogeneous polynomials of x, y and z.

    Values: :math:`r^l Y_{lm}`, without any division: exact at zero too. Gradients: those of
    polynomials, everywhere.

    Arguments:
        vectors: floating point numbers of shape ``(..., 3)``.
        max_angular: the highest degree.
        axis: where the axis of the harmonics is in the result.

    Returns:
        Shape ``(..., (max_angular + 1)**2)``, in units of the vectors to the power of l.

    Raises:
        InvalidError: for other shapes, and a degree below zero.
        InvalidTypeError: for numbers that are no floating point numbers.

    Example:
        >>> import numpy as np
        >>> solid_harmonics(np.array([0.0, 0.0, 2.0]), 1).tolist()
        [0.282..., 0.0, 0.977..., 0.0]
    """
    x, y, z = _components("solid_harmonics", vectors)
    _check_degree("solid_harmonics", max_angular)
    return _stacked(solid_harmonics_columns, max_angular, axis, x, y, z)


def solid_harmonics_columns(x: Any, y: Any, z: Any, max_angular: int) -> list[jax.Array]:
    """The same as `solid_harmonics`, one array for each harmonic.

    Arguments and errors are those of `spherical_harmonics_columns`.

    Example:
        >>> import numpy as np
        >>> columns = solid_harmonics_columns(np.zeros(5), np.ones(5), np.ones(5), 2)
        >>> columns[1].tolist()[:2]
        [0.488..., 0.488...]
    """
    operation = "solid_harmonics_columns"
    x, y, z = _same(operation, x, y, z)
    _check_degree(operation, max_angular)
    squares = x * x + y * y + z * z
    return _harmonics(x, y, z, max_angular, lambda term, degree, m: term * squares)


# Eagerly one program and no steps; within other programs as if written there.
@functools.partial(jax.jit, static_argnums=(0, 1, 2), inline=True)
def _stacked(
    columns: Callable[..., list[jax.Array]],
    max_angular: int,
    axis: int,
    x: jax.Array,
    y: jax.Array,
    z: jax.Array,
) -> jax.Array:
    return jnp.stack(columns(x, y, z, max_angular), axis)


def _harmonics(
    x: jax.Array,
    y: jax.Array,
    z: jax.Array,
    max_angular: int,
    times_squares: Callable[[jax.Array, int, int], jax.Array],
) -> list[jax.Array]:
    columns = [x] * (max_angular + 1) ** 2
    cosine, sine = jnp.ones_like(x), jnp.zeros_like(x)
    diagonal = math.sqrt(1 / (4 * math.pi))
    for m in range(max_angular + 1):
        if m == 1:
            cosine, sine, diagonal = x, y, diagonal * math.sqrt(3)
        elif m:
            cosine, sine = x * cosine - y * sine, x * sine + y * cosine
            diagonal *= math.sqrt((2 * m + 1) / (2 * m))
        rows = _legendre(z, m, diagonal, max_angular, times_squares)
        for degree, polynomial in enumerate(rows, m):
            center = degree * degree + degree
            columns[center + m] = polynomial * cosine if m else polynomial
            if m:
                columns[center - m] = polynomial * sine
    return columns


def _legendre(
    z: jax.Array,
    m: int,
    diagonal: float,
    max_angular: int,
    times_squares: Callable[[jax.Array, int, int], jax.Array],
) -> list[jax.Array]:
    """Associated Legendre functions over sin^m, normalised, of degree m ... max_angular."""
    rows = [jnp.full_like(z, diagonal)]
    if m < max_angular:
        rows.append((math.sqrt(2 * m + 3) * diagonal) * z)
    for degree in range(m + 2, max_angular + 1):
        square = (degree - 1) ** 2
        up = math.sqrt((4 * degree**2 - 1) / (degree**2 - m * m))
        down = up * math.sqrt((square - m * m) / (4 * square - 1))
        lower = times_squares(down * rows[-2], degree, m)
        rows.append((up * z) * rows[-1] - lower)
    return rows


def _components(operation: str, vectors: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    array = floats_of(operation, "the vectors", vectors)
    if array.ndim == 0 or array.shape[-1] != 3:
        raise InvalidError(
            compose(
                f"{operation}: the last axis of the vectors must be x, y, z.",
                f"found the shape {array.shape}",
            )
        )
    return array[..., 0], array[..., 1], array[..., 2]


def _same(operation: str, *given: Any) -> list[jax.Array]:
    arrays = [
        floats_of(operation, name, each) for name, each in zip("xyz", given, strict=True)
    ]
    if len({each.shape for each in arrays}) > 1:
        raise InvalidError(
            compose(
                f"{operation}: x, y and z must have one shape.",
                f"found {', '.join(str(each.shape) for each in arrays)}",
            )
        )
    if len({each.dtype for each in arrays}) > 1:
        raise InvalidTypeError(
            compose(
                f"{operation}: x, y and z must have one dtype.",
                f"found {', '.join(str(each.dtype) for each in arrays)}",
            )
        )
    return arrays


def _check_degree(operation: str, max_angular: Any) -> None:
    if isinstance(max_angular, bool) or not isinstance(max_angular, int):
        raise InvalidTypeError(
            compose(
                f"{operation}: the highest degree must be an integer.",
                f"found {type(max_angular).__name__}",
            )
        )
    if max_angular < 0:
        raise InvalidError(
            compose(
                f"{operation}: the highest degree must be 0 or more.",
                f"found {max_angular}",
            )
        )
