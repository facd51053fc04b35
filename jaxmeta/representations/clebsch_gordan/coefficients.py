r"""Clebsch-Gordan coefficients of real spherical harmonics, from exact arithmetic.

Two tensors that rotate as the harmonics :math:`Y_{l_1}` and :math:`Y_{l_2}` have products
that rotate as :math:`Y_\lambda`, for each :math:`\lambda` from :math:`|l_1 - l_2|` to
:math:`l_1 + l_2`: these coefficients say which. Harmonics are real, with
:math:`\mu = -l \ldots l`, as those of featomic and sphericart.
"""

from __future__ import annotations

import math
import operator
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.errors import InvalidError, InvalidTypeError, compose


class Coupling(NamedTuple):
    """The coefficients that are not zero, one entry each, sorted by `m1`, `m2`, `mu`.

    Arguments:
        m1: orders of the first harmonic, from `-l1` to `l1`, int32.
        m2: orders of the second one.
        mu: orders of the product.
        values: the coefficients, float64.
    """

    m1: np.ndarray
    m2: np.ndarray
    mu: np.ndarray
    values: np.ndarray


def cg_coefficients(l1: int, l2: int, o3_lambda: int) -> np.ndarray:
    r"""All coefficients of one coupling, as a dense array.

    :math:`C_{m_1 m_2 \mu} = \sum U^\lambda_{\mu \mu'} \langle l_1 m_1' l_2 m_2' | \lambda
    \mu' \rangle \bar U^{l_1}_{m_1 m_1'} \bar U^{l_2}_{m_2 m_2'}`, where :math:`U^l` makes
    real harmonics of complex ones, and of which the imaginary part is taken where
    :math:`l_1 + l_2 + \lambda` is odd: then the real one is zero. The complex
    coefficients are roots of fractions, by Racah's formula in integers; those here are
    correct to a few units in the last digit. For each pair of :math:`l_1, l_2` all of
    them together are an orthogonal matrix.

    Arguments:
        l1: degree of the first harmonic.
        l2: that of the second one.
        o3_lambda: that of their product.

    Returns:
        A float64 array of shape ``(2 l1 + 1, 2 l2 + 1, 2 o3_lambda + 1)``, read-only and
        the same at every call.

    Raises:
        InvalidTypeError: for degrees that are not integers.
        InvalidError: for negative degrees, or where `o3_lambda` is not between
            ``|l1 - l2|`` and ``l1 + l2``.

    Source: Racah, Phys. Rev. 62, 438 (1942); signs as in featomic 0.6.

    Example:
        >>> cg_coefficients(1, 1, 0)[:, :, 0].round(3).tolist()
        [[-0.577, 0.0, 0.0], [0.0, -0.577, 0.0], [0.0, 0.0, -0.577]]
    """
    where = "cg_coefficients"
    l1, l2 = check_degree(where, "l1", l1), check_degree(where, "l2", l2)
    o3_lambda = check_product(where, l1, l2, o3_lambda)
    return _dense(l1, l2, o3_lambda)


def cg_coupling(l1: int, l2: int, o3_lambda: int) -> Coupling:
    """The coefficients of one coupling that are not zero.

    Arguments, source and errors are those of `cg_coefficients`.

    Example:
        >>> found = cg_coupling(1, 1, 0)
        >>> list(zip(found.m1.tolist(), found.m2.tolist(), found.values.round(3).tolist()))
        [(-1, -1, -0.577), (0, 0, -0.577), (1, 1, -0.577)]
    """
    dense = cg_coefficients(l1, l2, o3_lambda)
    places = np.nonzero(dense)
    m1, m2, mu = (
        (place - degree).astype(np.int32)
        for place, degree in zip(places, (l1, l2, o3_lambda), strict=True)
    )
    return Coupling(m1, m2, mu, dense[places])


def check_degree(where: str, name: str, degree: Any) -> int:
    """A degree: an integer that is not negative."""
    try:
        found = operator.index(degree)
    except TypeError:
        found = None
    if found is None or isinstance(degree, bool | np.bool_):
        raise InvalidTypeError(
            compose(
                f"{where}: {name} is an integer.",
                f"found {degree!r:.100}, a {type(degree).__name__}",
            )
        )
    if found < 0:
        raise InvalidError(compose(f"{where}: {name} is not negative.", f"found {found}"))
    return found


def check_product(where: str, l1: int, l2: int, o3_lambda: Any) -> int:
    """A degree that products of two harmonics have."""
    found = check_degree(where, "o3_lambda", o3_lambda)
    if not abs(l1 - l2) <= found <= l1 + l2:
        raise InvalidError(
            compose(
                f"{where}: harmonics of degrees {l1} and {l2} have no product of degree "
                f"{found}.",
                remedy=f"o3_lambda goes from {abs(l1 - l2)} to {l1 + l2}.",
            )
        )
    return found


@cache
def _dense(l1: int, l2: int, o3_lambda: int) -> np.ndarray:
    found: Any = _of_complex(l1, l2, o3_lambda)
    # The matrices have signs and units alone; roots of 1/2 come together, rounded once.
    halves = np.zeros((), np.int64)
    for axis, degree in enumerate((l1, l2, o3_lambda)):
        matrix = _to_real(degree) if axis == 2 else _to_real(degree).conj()
        found = np.moveaxis(np.tensordot(matrix, found, (1, axis)), 0, axis)
        halves = halves[..., None] + (np.arange(-degree, degree + 1) != 0)
    dense = found.imag if (l1 + l2 + o3_lambda) % 2 else found.real
    dense = dense * np.sqrt(0.5**halves)
    # Entries that are not zero are larger by far; what is below is left of terms that
    # cancel.
    dense = np.where(np.abs(dense) < 1e-13, 0.0, dense)
    dense.setflags(write=False)
    return dense


def _of_complex(l1: int, l2: int, o3_lambda: int) -> np.ndarray:
    """The coefficients of complex harmonics, in the phases of Condon and Shortley."""
    found = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * o3_lambda + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(-l2, l2 + 1):
            mu = m1 + m2
            if abs(mu) <= o3_lambda:
                found[m1 + l1, m2 + l2, mu + o3_lambda] = _racah(
                    (l1, l2, o3_lambda), (m1, m2, mu)
                )
    return found


def _racah(degrees: tuple[int, int, int], orders: tuple[int, int, int]) -> float:
    """One coefficient: the root of a fraction, with a sign."""
    (l1, l2, l3), (m1, m2, m3) = degrees, orders
    total = Fraction(0)
    last = min(l1 + l2 - l3, l1 - m1, l2 + m2)
    for k in range(max(0, l2 - l3 - m1, l1 - l3 + m2), last + 1):
        below = _factorials(k, l1 + l2 - l3 - k, l1 - m1 - k, l2 + m2 - k)
        below *= _factorials(l3 - l2 + m1 + k, l3 - l1 - m2 + k)
        total += Fraction((-1) ** k, below)
    sides = _factorials(l1 + l2 - l3, l1 - l2 + l3, l2 - l1 + l3)
    square = total * total * Fraction((2 * l3 + 1) * sides, _factorials(l1 + l2 + l3 + 1))
    square *= _factorials(l1 + m1, l1 - m1, l2 + m2, l2 - m2, l3 + m3, l3 - m3)
    return math.copysign(math.sqrt(square), total)


def _factorials(*numbers: int) -> int:
    return math.prod(map(math.factorial, numbers))


def _to_real(degree: int) -> np.ndarray:
    """The matrix that makes real harmonics of complex ones, orders going upwards.

    Rows of orders other than 0 are still to be divided by the root of 2.
    """
    found = np.zeros((2 * degree + 1, 2 * degree + 1), complex)
    found[degree, degree] = 1
    for m in range(1, degree + 1):
        sign, up, down = (-1) ** m, degree + m, degree - m
        found[up, down], found[up, up] = 1, sign
        found[down, down], found[down, up] = 1j, -1j * sign
    return found
