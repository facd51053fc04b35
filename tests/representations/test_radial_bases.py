"""Radial bases other than orbitals: featomic's spliner, quadrature, and theorems."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate
from representations.dimers import peer, radial_part

from jaxmeta.errors import InvalidError
from jaxmeta.representations._hypers import (
    Bernstein,
    Cutoff,
    DiracDelta,
    Gaussian,
    Gto,
    Hypers,
    Monomials,
    RadialFunctions,
    SphericalBessel,
    Step,
    Tabulated,
    TensorProduct,
    Willatt2018,
    laplacian_eigenstates,
    parse_hypers,
)
from jaxmeta.representations._hypers.radial_bases import Radial
from jaxmeta.representations.radial import radial_table, spline_radial_integral
from jaxmeta.representations.radial._gto import gto_integrals
from jaxmeta.representations.radial._primitives import orthonormal
from jaxmeta.representations.radial._quadrature import gaussian_integrals


CUTOFF = Cutoff(4.0, Step())


def orbitals(max_radial: int, radius: float) -> RadialFunctions:
    """Gaussian type orbitals as if nobody knew them."""
    size = max_radial + 1
    widths = radius * np.sqrt(np.maximum(np.arange(size), 1)) / size

    def function(r: np.ndarray, n: int) -> np.ndarray:
        return r**n * np.exp(-((r / widths[n]) ** 2) / 2)

    def derivative(r: np.ndarray, n: int) -> np.ndarray:
        return (n * r ** max(n - 1, 0) - r ** (n + 1) / widths[n] ** 2) * np.exp(
            -((r / widths[n]) ** 2) / 2
        )

    return RadialFunctions(function, max_radial, 5 * radius, derivative)


RADIALS: dict[str, Radial] = {
    "Gto": Gto(4, 4.0),
    "SphericalBessel": SphericalBessel(4, 4.0),
    "Monomials": Monomials(3, 4.0),
    "Bernstein": Bernstein(4, 4.0),
    "functions": orbitals(3, 4.0),
}


# featomic divides by r for slopes of orbitals, which are NaN at zero: none with points.
@pytest.mark.parametrize(
    ("name", "density"),
    [
        ("LaplacianEigenstate", "Gaussian"),
        ("LaplacianEigenstate", "DiracDelta"),
        ("Monomials", "Gaussian"),
        ("Monomials", "DiracDelta"),
        ("Gto", "Gaussian"),
    ],
)
def test_as_the_spliner_of_featomic(name: str, density: str) -> None:
    basis, cutoff = peer.basis, peer.cutoff.Cutoff(4.0, smoothing=None)
    # Nor monomials of degree 0.
    degrees = (1, 2) if name == "Monomials" else (0, 2)
    spline = {"spline_accuracy": 1e-3}
    bases = {
        "LaplacianEigenstate": lambda: basis.LaplacianEigenstate(
            radius=4.0, max_radial=3, max_angular=2, **spline
        ),
        "Monomials": lambda: basis.Explicit(
            by_angular={
                degree: basis.Monomials(angular_channel=degree, max_radial=2, radius=4.0)
                for degree in degrees
            },
            **spline,
        ),
        "Gto": lambda: basis.TensorProduct(
            max_angular=2, radial=basis.Gto(max_radial=3, radius=4.0), **spline
        ),
    }
    theirs = peer.density.Gaussian(width=0.5, center_atom_weight=0.7)
    if density == "DiracDelta":
        theirs = peer.density.DiracDelta(center_atom_weight=0.7)
    expansion = bases[name]()
    splined = peer.splines.SoapSpliner(cutoff=cutoff, density=theirs, basis=expansion)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # featomic divides by zero
        expected = radial_table(parse_hypers(**splined.get_hypers()))
    found = radial_table(parse_hypers(cutoff, theirs, expansion))
    assert found.channels == expected.channels
    assert found.coefficients.shape == expected.coefficients.shape
    distances = np.linspace(0.0, 4.0, 41)
    np.testing.assert_allclose(found(distances), expected(distances), atol=1e-12)
    np.testing.assert_allclose(found.center, expected.center, atol=1e-12)


@pytest.mark.parametrize("name", RADIALS)
@pytest.mark.parametrize("degree", [0, 3])
def test_functions_are_orthonormal(name: str, degree: int) -> None:
    functions = orthonormal(RADIALS[name], degree, 4.0)
    x, weights = np.polynomial.legendre.leggauss(200)
    half = functions.reach / 2
    r, weights = half * (x + 1), half * weights
    values = functions.values(r)
    overlaps = (values * (weights * r**2)[:, None]).T @ values
    np.testing.assert_allclose(overlaps, np.eye(len(overlaps)), atol=1e-10)


@pytest.mark.parametrize("name", RADIALS)
@pytest.mark.parametrize("degree", [0, 1, 3])
def test_slopes_of_functions(name: str, degree: int) -> None:
    functions = orthonormal(RADIALS[name], degree, 4.0)
    assert functions.slopes is not None
    r, step = np.linspace(0.01, 4.0, 40), 1e-5
    differences = (functions.values(r + step) - functions.values(r - step)) / (2 * step)
    np.testing.assert_allclose(functions.slopes(r), differences, atol=1e-7)
    assert np.isfinite(functions.slopes(np.zeros(1))).all()


def test_they_span_what_they_should() -> None:
    """Before they are made orthonormal: scipy's polynomials, and zeros at the radius."""
    r = np.linspace(0.0, 4.0, 30)
    by_scipy = np.stack(
        [scipy.interpolate.BPoly(np.eye(5)[:, n, None], [0, 4])(r) for n in range(5)], -1
    )
    powers = r[:, None] ** (3 + 2 * np.arange(4))
    for radial, span in ((Bernstein(4, 4.0), by_scipy), (Monomials(3, 4.0, 3), powers)):
        values = orthonormal(radial, 0, 4.0).values(r)
        rest = span - values @ np.linalg.lstsq(values, span, rcond=None)[0]
        np.testing.assert_allclose(rest / np.abs(span).max(axis=0), 0, atol=1e-10)
    for degree in range(4):
        end = orthonormal(SphericalBessel(4, 4.0), degree, 4.0).values(np.array([4.0]))
        np.testing.assert_allclose(end, 0, atol=1e-13)
    own, other = (orthonormal(SphericalBessel(2, 4.0, l), 0, 4.0) for l in (None, 3))  # noqa: E741
    assert np.abs(own.values(r) - other.values(r)).max() > 0.1


@pytest.mark.parametrize("degree", [0, 1, 2, 7])
def test_quadrature_agrees_with_the_closed_form(degree: int) -> None:
    r = np.linspace(0.0, 4.0, 30)
    functions = orthonormal(orbitals(4, 4.0), degree, 4.0)
    found = gaussian_integrals(r, functions, degree, 0.3)
    expected = gto_integrals(r, degree, 5, 4.0, 0.3)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("width", [0.05, 0.1, 0.3])
def test_closed_form_far_out(width: float) -> None:
    """Where exponentials overflow, which featomic can not compute."""
    r = np.linspace(0.5, 12.0, 24)
    found, slopes = gto_integrals(r, 2, 4, 6.0, width)
    assert np.isfinite(found).all()
    functions = orthonormal(Gto(3, 6.0), 2, 6.0)
    expected, steps = gaussian_integrals(r, functions, 2, width)
    np.testing.assert_allclose(found, expected, atol=1e-11)
    np.testing.assert_allclose(slopes, steps, atol=1e-10)


def test_integrals_with_one_s_own_functions_are_integrals() -> None:
    """Straight from the definition, in two dimensions."""
    radial = RadialFunctions(lambda r, n: (4.0 - r) ** (n + 1), 1, 4.0)
    hypers = Hypers(CUTOFF, Gaussian(0.6), TensorProduct(1, radial, 1e-7))
    table = radial_table(hypers)
    functions = orthonormal(radial, 1, 4.0)
    for r in (0.4, 3.0):
        for n in range(2):

            def integrand(u: float, x: float, r: float = r, n: int = n) -> float:
                square = x**2 + r**2 - 2 * x * r * u
                density = np.exp(-square / 2 / 0.36) / (np.pi * 0.36) ** 0.75
                value = functions.values(np.array([x]))[0, n]
                return 2 * np.pi * x**2 * u * value * density

            expected = scipy.integrate.dblquad(integrand, 0, 4, -1, 1)[0]
            found = table(np.array(r))[table.channels.index((1, n))]
            assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("points", [None, 50])
def test_splined_integrals_run_in_featomic(points: int | None) -> None:
    basis = laplacian_eigenstates(4.0, 3, 2, 1e-3)
    density = Gaussian(0.5, center_atom_weight=0.3, scaling=Willatt2018(2.0, 1.0, 3.0))
    hypers = spline_radial_integral(CUTOFF, density, basis, n_spline_points=points)
    assert hypers.density == DiracDelta(center_atom_weight=0.3, scaling=density.scaling)
    table = radial_table(hypers)
    assert table.n_per_l == {0: 4, 1: 3, 2: 3}
    distances = np.linspace(0.1, 3.9, 15)
    calculator = peer.SphericalExpansion(**hypers.to_dict())
    expected = radial_part(calculator, distances)
    np.testing.assert_allclose(table(distances), expected, atol=1e-13)
    if points is None:
        same = radial_table(Hypers(CUTOFF, density, basis))
        np.testing.assert_allclose(table(distances), same(distances), atol=1e-14)
        np.testing.assert_allclose(table.center, same.center, atol=1e-14)
    else:
        assert table.coefficients.shape[0] == 49


def test_what_can_not_be_splined() -> None:
    def with_functions(function: Callable[..., Any], **density: Any) -> Any:
        basis = TensorProduct(0, RadialFunctions(function, 1, 4.0))
        return lambda: spline_radial_integral(CUTOFF, Gaussian(0.5, **density), basis)

    with pytest.raises(InvalidError, match=r"depend linearly"):
        with_functions(lambda r, n: np.ones_like(r))()
    with pytest.raises(InvalidError, match=r"zero everywhere"):
        with_functions(lambda r, n: r * n)()
    with pytest.raises(InvalidError, match=r"one finite number[^$]*shape \(\)"):
        with_functions(lambda r, n: 1.0)()
    with pytest.raises(InvalidError, match=r"do not converge"):
        with_functions(lambda r, n: np.abs(r - 1.1) ** (0.5 + n))()
    points = TensorProduct(0, RadialFunctions(lambda r, n: np.cos((n + 1) * r), 1, 4.0))
    with pytest.raises(InvalidError, match=r"no derivatives[^$]*derivative="):
        spline_radial_integral(CUTOFF, DiracDelta(), points)
    with pytest.raises(InvalidError, match=r"two points[^$]*n_spline_points is 1"):
        spline_radial_integral(CUTOFF, Gaussian(0.5), points, n_spline_points=1)
    table = Tabulated((0.0, 4.0), ((1.0,), (1.0,)), ((0.0,), (0.0,)))
    with pytest.raises(InvalidError, match=r"a table already[^$]*degree 0"):
        spline_radial_integral(CUTOFF, DiracDelta(), TensorProduct(0, table))
