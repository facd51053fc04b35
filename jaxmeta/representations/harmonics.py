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
import numpy as np

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
    parts = _components("spherical_harmonics", vectors)
    _check_degree("spherical_harmonics", max_angular)
    return jnp.moveaxis(_of_spheres(max_angular, *parts), 0, axis)


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
    parts = _components("solid_harmonics", vectors)
    _check_degree("solid_harmonics", max_angular)
    return jnp.moveaxis(_of_solids(max_angular, *parts), 0, axis)


# Eagerly one program and no steps; within other programs as if written there.
@functools.partial(jax.jit, static_argnums=0, inline=True)
def _of_spheres(max_angular: int, x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
    squares = x * x + y * y + z * z
    found = squares > 0
    # Both `where` are needed: a derivative of what is not chosen must be finite too.
    inverse = jnp.where(found, jax.lax.rsqrt(jnp.where(found, squares, 1.0)), 0.0)
    # On unit vectors r^2 is 1, but for the zero vector. There the one product that does
    # not vanish by itself is that of degree 2, m = 0.
    one = found.astype(x.dtype)
    unit = (x * inverse, y * inverse, z * inverse)
    return _degrees(*unit, max_angular, lambda degree: one if degree == 2 else None)


@functools.partial(jax.jit, static_argnums=0, inline=True)
def _of_solids(max_angular: int, x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
    squares = x * x + y * y + z * z
    return _degrees(x, y, z, max_angular, lambda _: squares)


def _degrees(
    x: jax.Array,
    y: jax.Array,
    z: jax.Array,
    max_angular: int,
    squares: Callable[[int], jax.Array | None],
) -> jax.Array:
    """All harmonics: shape ((max_angular + 1)**2, ...).

    Without the barriers XLA would work lower degrees out again for each of the higher
    ones; and a program of whole degrees is compiled much faster than one of their parts.
    """
    constant = math.sqrt(1 / (4 * math.pi))
    degrees = [jnp.full((1, *x.shape), constant, x.dtype)]
    if max_angular:
        degrees.append(math.sqrt(3) * constant * jnp.stack([y, z, x]))
    for degree in range(2, max_angular + 1):
        two, one = jax.lax.optimization_barrier(tuple(degrees[-2:]))
        factor = squares(degree)
        two = two if factor is None else two * factor[None]
        degrees.append(_next((x[None], y[None], z[None]), degree, one, two))
    return jnp.concatenate(degrees)


def _next(
    parts: tuple[jax.Array, jax.Array, jax.Array],
    degree: int,
    one: jax.Array,
    two: jax.Array,
) -> jax.Array:
    """The harmonics of a degree, from those of one degree less and of two."""
    x, y, z = parts
    m = np.arange(1 - degree, degree)
    up = np.sqrt((4 * degree**2 - 1) / (degree**2 - m * m))
    down = up * np.sqrt(((degree - 1) ** 2 - m * m) / (4 * (degree - 1) ** 2 - 1))
    none = jnp.zeros_like(one[:1])  # two degrees less have no largest |m|
    two = jnp.concatenate([none, two, none])
    inner = _rows(up, x) * z * one - _rows(down, x) * two
    sine, cosine = one[:1], one[-1:]
    diagonal = math.sqrt((2 * degree + 1) / (2 * degree))
    first = diagonal * (x * sine + y * cosine)
    last = diagonal * (x * cosine - y * sine)
    return jnp.concatenate([first, inner, last])


def _rows(numbers: np.ndarray, like: jax.Array) -> jax.Array:
    """One number for each row of arrays of as many axes."""
    return jnp.asarray(numbers.reshape(-1, *[1] * (like.ndim - 1)), like.dtype)


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
