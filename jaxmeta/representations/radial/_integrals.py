"""Radial integrals of each degree, as functions on the host, by density and basis."""

from __future__ import annotations

import functools

import numpy as np

from jaxmeta.errors import InvalidError, compose
from jaxmeta.representations._hypers import (
    DiracDelta,
    Gaussian,
    Gto,
    Hypers,
    Tabulated,
)
from jaxmeta.representations._hypers.densities import Density
from jaxmeta.representations._hypers.radial_bases import Radial
from jaxmeta.representations.radial._gto import gto_integrals
from jaxmeta.representations.radial._primitives import Functions, orthonormal
from jaxmeta.representations.radial._quadrature import gaussian_integrals
from jaxmeta.representations.radial._splines import HermiteSpline, Sampled, refined


# Where no accuracy is asked for, splines are as good as double precision is worth.
_BEST = 1e-11


def splines_of(hypers: Hypers) -> list[HermiteSpline]:
    """The splined radial integrals of each degree, in order of degrees."""
    accuracy = hypers.basis.spline_accuracy
    splines: dict[tuple[Radial, int], HermiteSpline] = {}
    for degree, radial in hypers.basis.by_angular.items():
        splines[radial, degree] = _spline(hypers, radial, degree, accuracy)
    return list(splines.values())


def _spline(
    hypers: Hypers, radial: Radial, degree: int, accuracy: float | None
) -> HermiteSpline:
    cutoff = hypers.cutoff.radius
    if isinstance(radial, Tabulated):
        return _as_given(radial, hypers.density, cutoff)
    sampled = sampled_integrals(hypers.density, radial, degree, cutoff)
    return refined(sampled, cutoff, _BEST if accuracy is None else accuracy)


def sampled_integrals(
    density: Density, radial: Radial, degree: int, cutoff: float
) -> Sampled:
    """Exact values and derivatives of the radial integrals of one degree."""
    if isinstance(density, Gaussian):
        if isinstance(radial, Gto):
            radius = cutoff if radial.radius is None else radial.radius
            sizes = {"size": radial.size, "radius": radius, "width": density.width}
            return functools.partial(gto_integrals, degree=degree, **sizes)
        functions = orthonormal(radial, degree, cutoff)
        return functools.partial(
            gaussian_integrals, functions=functions, degree=degree, width=density.width
        )
    if isinstance(density, DiracDelta):
        functions = orthonormal(radial, degree, cutoff)
        return functools.partial(_at_points, functions)
    raise InvalidError(
        compose(
            f"the density {density.type} has no radial integrals here.",
            remedy="take a Gaussian or a DiracDelta.",
        )
    )


def _at_points(functions: Functions, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the integrals with a point density are: the functions themselves."""
    if functions.slopes is None:
        raise InvalidError(
            compose(
                "RadialFunctions: the density is a point, and there are no derivatives.",
                remedy="give them: RadialFunctions(..., derivative=...).",
            )
        )
    return functions.values(r), functions.slopes(r)


def _as_given(radial: Tabulated, density: Density, cutoff: float) -> HermiteSpline:
    if not isinstance(density, DiracDelta):
        raise InvalidError(
            compose(
                "tables of radial integrals hold the density already.",
                f"found the density {density.type} with a Tabulated basis",
                remedy="the density must be of type DiracDelta.",
            )
        )
    first, last = radial.positions[0], radial.positions[-1]
    if first > 0 or last < cutoff * (1 - 1e-12):
        raise InvalidError(
            compose(
                "the points of a Tabulated basis must reach from 0 to the cutoff radius.",
                f"found points from {first} to {last}, and the radius {cutoff}",
            )
        )
    columns = (radial.positions, radial.values, radial.derivatives)
    return HermiteSpline(*map(np.array, columns))
