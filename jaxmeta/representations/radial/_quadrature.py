r"""Radial integrals of any functions with a Gaussian density, by quadrature.

:math:`I_{nl}(r) = \frac{4 \pi}{(\pi \sigma^2)^{3/4}} \int_0^{r_0} x^2 R_n(x) e^{-(x -
r)^2 / 2 \sigma^2} \left[e^{-z} i_l(z)\right] \mathrm dx`, with :math:`z = x r / \sigma^2`
and the modified spherical Bessel function :math:`i_l`, whose derivative is :math:`(l i_{l -
1} + (l + 1) i_{l + 1}) / (2 l + 1)`.

Source: NIST Digital Library of Mathematical Functions, 10.51.5, and the documentation of
featomic on radial integrals.
"""

from __future__ import annotations

import numpy as np

from jaxmeta.errors import InvalidError, compose
from jaxmeta.representations.radial._panels import Panels, panels
from jaxmeta.representations.radial._primitives import Functions


_RESOLVED = 1e-11
_MOST = 2**22  # numbers in memory at a time


def gaussian_integrals(
    distances: np.ndarray, functions: Functions, degree: int, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Integrals of one degree, and derivatives: each of shape (distances, size)."""
    reach, panel = functions.reach, min(width, functions.reach / 8)
    points = panels(reach, panel)
    few = distances[:: max(1, len(distances) // 8)]
    coarse = _integrals(few, functions, degree, width, points)
    fine = _integrals(few, functions, degree, width, panels(reach, panel / 2))
    error = max(
        np.abs(a - b).max() / np.abs(b).max(initial=1.0)
        for a, b in zip(coarse, fine, strict=True)
    )
    if not error < _RESOLVED:
        raise InvalidError(
            compose(
                f"the radial integrals of degree {degree} do not converge.",
                f"with twice as many panels of quadrature they change by {error:.2g}",
                remedy="give functions that are smooth and finite from 0 to the radius.",
            )
        )
    step = max(1, _MOST // len(points.nodes))
    parts = [
        _integrals(distances[i : i + step], functions, degree, width, points)
        for i in range(0, len(distances), step)
    ]
    values, slopes = zip(*parts, strict=True)
    return np.concatenate(values), np.concatenate(slopes)


def _integrals(
    distances: np.ndarray, functions: Functions, degree: int, width: float, points: Panels
) -> tuple[np.ndarray, np.ndarray]:
    x, r, square = points.nodes, distances[:, None], width**2
    factor = 4 * np.pi / (np.pi * square) ** 0.75
    weighted = factor * (points.weights * x**2)[:, None] * functions.values(x)
    bell = np.exp(-((x - r) ** 2) / (2 * square))
    z = x * r / square
    bessel = _bessel(degree, z)
    slope = (degree + 1) * _bessel(degree + 1, z)
    if degree:
        slope += degree * _bessel(degree - 1, z)
    slope /= 2 * degree + 1
    values = (bell * bessel) @ weighted
    steps = (bell * (slope * x - bessel * r)) @ weighted / square
    return values, steps


def _bessel(degree: int, z: np.ndarray) -> np.ndarray:
    """The modified spherical Bessel function times exp(-z), for z >= 0."""
    from scipy.special import ive

    positive = np.where(z > 0, z, 1.0)
    found = np.sqrt(np.pi / (2 * positive)) * ive(degree + 0.5, positive)
    return np.where(z > 0, found, 1.0 if degree == 0 else 0.0)
