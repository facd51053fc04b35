r"""Radial integrals in reciprocal space: :math:`\int r^2 R_{nl}(r) j_l(k r) \mathrm dr`.

Source: Huguenin-Dumittan, Loche, Haoran, Ceriotti, J. Phys. Chem. Lett. 14, 9612 (2023).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from jaxmeta.errors import InvalidError, compose
from jaxmeta.representations._hypers import Gto, LodeHypers, SmearedPowerLaw, Tabulated
from jaxmeta.representations._hypers.radial_bases import Radial
from jaxmeta.representations.radial._panels import Panels, panels
from jaxmeta.representations.radial._primitives import Functions, orthonormal
from jaxmeta.representations.radial._splines import HermiteSpline, on_one_grid, refined


_BEST = 1e-11
_Y00 = 1 / math.sqrt(4 * math.pi)


@functools.lru_cache(maxsize=16)
def lode_on_host(hypers: LodeHypers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Knots, cubics of all channels, and what an atom gives to its own expansion."""
    splines = [
        _spline(radial, degree, hypers)
        for degree, radial in hypers.basis.by_angular.items()
    ]
    center = np.zeros(0)
    if 0 in hypers.n_per_l:
        center = _center(hypers.basis.by_angular[0], hypers)
    return *on_one_grid(splines), center


def _spline(radial: Radial, degree: int, hypers: LodeHypers) -> HermiteSpline:
    limit, accuracy = hypers.k_cutoff, hypers.basis.spline_accuracy
    if isinstance(radial, Tabulated):
        return _as_given(radial, limit)
    functions = _functions(radial, degree)
    sampled = functools.partial(
        _integrals, functions=functions, degree=degree, points=_points(functions, limit)
    )
    return refined(sampled, limit, _BEST if accuracy is None else accuracy)


def _functions(radial: Radial, degree: int) -> Functions:
    if isinstance(radial, Gto) and radial.radius is None:
        raise InvalidError(
            compose(
                "basis: radial functions of long-range densities need a radius.",
                f"found {radial}",
                remedy='give one, as in {"type": "Gto", "max_radial": 5, "radius": 3.0}.',
            )
        )
    radius = radial.radius if not isinstance(radial, Tabulated) else None
    assert radius is not None
    return orthonormal(radial, degree, radius)


def _points(functions: Functions, limit: float) -> Panels:
    """Nodes that resolve both the functions and the waves."""
    return panels(functions.reach, min(functions.reach / 32, 4 / limit))


def _integrals(
    k: np.ndarray, functions: Functions, degree: int, points: Panels
) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives by k, each of shape (points, size)."""
    from scipy.special import spherical_jn

    r = points.nodes
    weighted = (points.weights * r**2)[:, None] * functions.values(r)
    phases = k[:, None] * r
    values = spherical_jn(degree, phases) @ weighted
    return values, (spherical_jn(degree, phases, derivative=True) * r) @ weighted


def _center(radial: Radial, hypers: LodeHypers) -> np.ndarray:
    """The density of the atom itself on radial functions and the constant harmonic."""
    if isinstance(radial, Tabulated):
        return _given_center(radial, hypers.density.center_atom_weight)
    functions = _functions(radial, 0)
    assert isinstance(hypers.density, SmearedPowerLaw)
    fine = min(functions.reach / 32, hypers.density.smearing)
    points = panels(functions.reach, fine)
    density = density_at(points.nodes, hypers.density)
    weights = points.weights * points.nodes**2 * density / _Y00
    return weights @ functions.values(points.nodes)


def density_at(r: np.ndarray, density: SmearedPowerLaw) -> np.ndarray:
    """The smeared power law at distances above zero."""
    from scipy.special import gammainc

    width, power = density.smearing, density.exponent
    squares = (r / width) ** 2 / 2
    if power == 0:
        return (math.pi * width**2) ** -0.75 * np.exp(-squares)
    return gammainc(power / 2, squares) / r**power


def _given_center(radial: Tabulated, weight: float) -> np.ndarray:
    if radial.center_contribution is not None:
        return np.array(radial.center_contribution)
    if weight != 1.0:
        raise InvalidError(
            compose(
                "basis: a table that says nothing of the center has all of its weight.",
                f"center_atom_weight is {weight}, there is no center_contribution",
                remedy="give center_contribution with the table.",
            )
        )
    return np.zeros(radial.size)


def _as_given(radial: Tabulated, limit: float) -> HermiteSpline:
    first, last = radial.positions[0], radial.positions[-1]
    if first > 0 or last < limit * (1 - 1e-12):
        raise InvalidError(
            compose(
                "the points of a Tabulated basis must reach from 0 to the k_cutoff.",
                f"found points from {first} to {last}, and the k_cutoff {limit}",
            )
        )
    columns = (radial.positions, radial.values, radial.derivatives)
    return HermiteSpline(*map(np.array, columns))
