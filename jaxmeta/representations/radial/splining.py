"""Radial integrals of any basis as points of a table that featomic reads too."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta.errors import InvalidError, compose
from jaxmeta.representations._hypers import (
    DiracDelta,
    Explicit,
    Hypers,
    Tabulated,
    parse_hypers,
)
from jaxmeta.representations.radial._integrals import sampled_integrals, splines_of
from jaxmeta.representations.radial._splines import HermiteSpline


def spline_radial_integral(
    cutoff: Any, density: Any, basis: Any, *, n_spline_points: int | None = None
) -> Hypers:
    r"""The same representation with its radial integrals as tables of points.

    Where featomic has no closed form, as for spherical Bessel functions and functions of
    one's own, the integrals :math:`\int R_n(x) \, g(|x - r|) \, \mathrm dx` over the
    neighbour's density g are made here, by quadrature, and splined degree by degree. The
    result goes into `radial_table`, and ``to_dict()`` of it into calculators of featomic.

    Arguments:
        cutoff: as for `parse_hypers`.
        density: as for `parse_hypers`, a Gaussian or a point; its weight of the centre and
            its scaling are kept.
        basis: as for `parse_hypers`, or a `TensorProduct` or `Explicit` with
            `RadialFunctions`.
        n_spline_points: how many equidistant points there are; None takes as many as the
            ``spline_accuracy`` of the basis needs.

    Returns:
        Hyper-parameters with a point density and an explicit basis of tables.

    Raises:
        InvalidError: for functions that depend linearly on one another, integrals that do
            not converge, fewer than two points, and a basis that is tabulated already.
        MissingError, InvalidTypeError: as `parse_hypers`.

    Source: the documentation of featomic, whose ``SoapSpliner`` does the same.

    Example:
        >>> from jaxmeta.representations._hypers import RadialFunctions, TensorProduct
        >>> functions = RadialFunctions(lambda r, n: (4.0 - r) ** (n + 2), 2, 4.0)
        >>> hypers = spline_radial_integral(
        ...     {"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     {"type": "Gaussian", "width": 0.5},
        ...     TensorProduct(1, functions, spline_accuracy=1e-3),
        ... )
        >>> hypers.density, len(hypers.basis.by_angular[0].positions)
        (DiracDelta(center_atom_weight=1.0, scaling=None), 11)
    """
    hypers = parse_hypers(cutoff, density, basis)
    _refuse_tables(hypers)
    few = n_spline_points
    splines = splines_of(hypers) if few is None else _at_points(hypers, few)
    tables = tuple(zip(hypers.n_per_l, map(_tabulated, splines), strict=True))
    kept = {
        "center_atom_weight": hypers.density.center_atom_weight,
        "scaling": hypers.density.scaling,
    }
    return Hypers(hypers.cutoff, DiracDelta(**kept), Explicit(tables, None))


def _refuse_tables(hypers: Hypers) -> None:
    for degree, radial in hypers.basis.by_angular.items():
        if isinstance(radial, Tabulated):
            raise InvalidError(
                compose(
                    "spline_radial_integral: the basis has a table already.",
                    f"that of degree {degree} is Tabulated",
                )
            )


def _at_points(hypers: Hypers, count: int) -> list[HermiteSpline]:
    if count < 2:
        raise InvalidError(
            compose(
                "spline_radial_integral: a spline has two points or more.",
                f"n_spline_points is {count}",
            )
        )
    density, cutoff = hypers.density, hypers.cutoff.radius
    knots = np.linspace(0.0, cutoff, count)
    exact = [
        sampled_integrals(density, radial, degree, cutoff)
        for degree, radial in hypers.basis.by_angular.items()
    ]
    return [HermiteSpline(knots, *sampled(knots)) for sampled in exact]


def _tabulated(spline: HermiteSpline) -> Tabulated:
    values, slopes = (
        tuple(map(tuple, array.tolist())) for array in (spline.values, spline.slopes)
    )
    return Tabulated(tuple(spline.knots.tolist()), values, slopes)
