"""Radial functions on the host: what they are before and after orthonormalisation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxmeta.errors import InvalidError, compose
from jaxmeta.representations._hypers import (
    Bernstein,
    Gto,
    Monomials,
    RadialFunctions,
    SphericalBessel,
)
from jaxmeta.representations._hypers.bessel_zeros import bessel_zeros
from jaxmeta.representations._hypers.radial_bases import Radial
from jaxmeta.representations.radial._gto import (
    gto_norms,
    gto_overlaps,
    gto_widths,
    orthonormalizer,
)
from jaxmeta.representations.radial._panels import Panels, panels


# Gaussian type orbitals have no end: they are below 1e-16 there for all that featomic does.
_GTO_REACH = 5.0
_RESOLVED = 1e-11

Evaluate = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Functions:
    """Radial functions, (points, size) at distances, and how far they reach.

    `slopes` are derivatives by the distance; None where nobody gave them.
    """

    values: Evaluate
    slopes: Evaluate | None
    reach: float


def orthonormal(radial: Radial, degree: int, cutoff: float) -> Functions:
    """The orthonormal radial functions of one degree."""
    bare = primitives_of(radial, degree, cutoff)
    what = type(radial).__name__
    if isinstance(radial, Gto):
        radius = bare.reach / _GTO_REACH
        overlaps = gto_overlaps(radial.size, radius)
        norms = gto_norms(radial.size, radius)
    else:
        grid = _resolved(bare, what)
        weighted = grid.values * (grid.points.weights * grid.points.nodes**2)[:, None]
        overlaps = grid.values.T @ weighted
        norms = np.sqrt(np.diag(overlaps))
        _check_norms(norms, what)
        overlaps = overlaps / norms / norms[:, None]
    mixing = orthonormalizer(overlaps, what) / norms
    values, slopes = bare.values, bare.slopes
    return Functions(
        lambda r: values(r) @ mixing.T,
        None if slopes is None else lambda r: slopes(r) @ mixing.T,
        bare.reach,
    )


@dataclasses.dataclass(frozen=True)
class _Grid:
    points: Panels
    values: np.ndarray


def _resolved(bare: Functions, what: str) -> _Grid:
    """The functions at nodes that are enough for integrals of their products."""
    count, before = 16, None
    while count <= 512:
        points = panels(bare.reach, bare.reach / count)
        values = bare.values(points.nodes)
        norms = (points.weights * points.nodes**2) @ values**2
        if before is not None and np.allclose(norms, before, rtol=_RESOLVED, atol=0):
            return _Grid(points, values)
        before, count = norms, 2 * count
    raise InvalidError(
        compose(
            f"{what}: the integrals of the radial functions do not converge.",
            f"with {count // 2} panels of quadrature they change by more than {_RESOLVED}",
            remedy="give functions that are smooth and finite from 0 to the radius.",
        )
    )


def _check_norms(norms: np.ndarray, what: str) -> None:
    if not (norms > 0).all():
        raise InvalidError(
            compose(
                f"{what}: a radial function is zero everywhere.",
                f"the norms are {norms.tolist()}",
            )
        )


def primitives_of(radial: Radial, degree: int, cutoff: float) -> Functions:
    """The radial functions as they are defined, not orthonormal."""
    if isinstance(radial, Gto):
        return _gto(radial, cutoff if radial.radius is None else radial.radius)
    if isinstance(radial, RadialFunctions):
        return Functions(_of_user(radial, radial.function), _slopes(radial), radial.radius)
    if isinstance(radial, Bernstein):
        values, slopes = _bernstein(radial)
    elif isinstance(radial, SphericalBessel | Monomials):
        own = radial.angular_channel
        order = degree if own is None else own
        bessel = isinstance(radial, SphericalBessel)
        values, slopes = _bessel(radial, order) if bessel else _powers(radial, order)
    else:
        raise InvalidError(
            compose("a table of radial integrals is no basis of radial functions.")
        )
    return Functions(values, slopes, radial.radius)


def _gto(radial: Gto, radius: float) -> Functions:
    widths, n = gto_widths(radial.size, radius), np.arange(radial.size)

    def values(r: np.ndarray) -> np.ndarray:
        return r[:, None] ** n * np.exp(-0.5 * (r[:, None] / widths) ** 2)

    def slopes(r: np.ndarray) -> np.ndarray:
        r = r[:, None]
        power = n * r ** np.maximum(n - 1, 0) - r ** (n + 1) / widths**2
        return power * np.exp(-0.5 * (r / widths) ** 2)

    return Functions(values, slopes, _GTO_REACH * radius)


def _bessel(radial: SphericalBessel, order: int) -> tuple[Evaluate, Evaluate]:
    from scipy.special import spherical_jn

    rates = np.array(bessel_zeros(order, radial.size)) / radial.radius
    return (
        lambda r: spherical_jn(order, r[:, None] * rates),
        lambda r: spherical_jn(order, r[:, None] * rates, derivative=True) * rates,
    )


def _powers(radial: Monomials, order: int) -> tuple[Evaluate, Evaluate]:
    exponents, radius = order + 2 * np.arange(radial.size), radial.radius
    return (
        lambda r: (r[:, None] / radius) ** exponents,
        lambda r: (
            exponents * (r[:, None] / radius) ** np.maximum(exponents - 1, 0) / radius
        ),
    )


def _bernstein(radial: Bernstein) -> tuple[Evaluate, Evaluate]:
    last, radius = radial.max_radial, radial.radius

    def values(r: np.ndarray) -> np.ndarray:
        return _polynomials(r / radius, last)

    def slopes(r: np.ndarray) -> np.ndarray:
        if last == 0:
            return np.zeros((len(r), 1))
        below = np.pad(_polynomials(r / radius, last - 1), ((0, 0), (1, 1)))
        return (below[:, :-1] - below[:, 1:]) * (last / radius)

    return values, slopes


def _polynomials(x: np.ndarray, last: int) -> np.ndarray:
    from scipy.special import comb

    n = np.arange(last + 1)
    return comb(last, n) * x[:, None] ** n * (1 - x[:, None]) ** (last - n)


def _of_user(radial: RadialFunctions, function: Callable[..., Any]) -> Evaluate:
    def evaluate(r: np.ndarray) -> np.ndarray:
        columns = []
        for n in range(radial.size):
            column = np.asarray(function(r, n), float)
            if column.shape != r.shape or not np.isfinite(column).all():
                raise InvalidError(
                    compose(
                        f"RadialFunctions: function {n} must give one finite number for "
                        "each distance.",
                        f"found shape {column.shape} for {len(r)} distances",
                        f"{np.count_nonzero(~np.isfinite(column))} of them are not finite",
                    )
                )
            columns.append(column)
        return np.stack(columns, axis=-1)

    return evaluate


def _slopes(radial: RadialFunctions) -> Evaluate | None:
    """The given derivatives."""
    if radial.derivative is None:
        return None
    return _of_user(radial, radial.derivative)
