"""Tables of radial integrals: featomic's numbers, and exact derivatives of all kinds."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
from jax.test_util import check_grads
from representations.dimers import center_part, peer, radial_part

from jaxmeta.errors import InvalidError, InvalidTypeError, PrecisionError
from jaxmeta.representations._hypers import (
    Cutoff,
    DiracDelta,
    Explicit,
    Gaussian,
    Gto,
    Hypers,
    SmearedPowerLaw,
    Step,
    Tabulated,
    TensorProduct,
    parse_hypers,
)
from jaxmeta.representations.radial import RadialTable, radial_table


STEP, WIDE = {"type": "Step"}, {"type": "ShiftedCosine", "width": 0.5}
WILLATT = {"type": "Willatt2018", "scale": 2.0, "rate": 1.5, "exponent": 3.5}


def gto(
    radius: float,
    max_angular: int,
    max_radial: int,
    width: float,
    smoothing: Any = WIDE,
    accuracy: float | None = 1e-8,
    **density: Any,
) -> dict[str, Any]:
    return {
        "cutoff": {"radius": radius, "smoothing": smoothing},
        "density": {"type": "Gaussian", "width": width, **density},
        "basis": {
            "type": "TensorProduct",
            "max_angular": max_angular,
            "radial": {"type": "Gto", "max_radial": max_radial},
            "spline_accuracy": accuracy,
        },
    }


def of(hypers: dict[str, Any], dtype: Any = np.float64) -> RadialTable:
    return radial_table(parse_hypers(**hypers), dtype)


SMALL = gto(3.0, 2, 2, 0.5, WIDE, 1e-4, scaling=WILLATT)

# The last number is what the conditions of the overlaps allow: eigenvalues of the smallest
# ones enter as their inverse square root.
AS_FEATOMIC = {
    "no smoothing": (gto(4.0, 4, 4, 0.3, STEP), 1e-12),
    "many functions": (gto(5.0, 6, 7, 0.3), 1e-10),
    "coarse": (gto(4.0, 3, 2, 0.5, WIDE, 1e-3), 1e-12),
    "scaled": (gto(4.0, 2, 3, 0.4, scaling=WILLATT, center_atom_weight=0.3), 1e-12),
    "sharp": (gto(5.0, 8, 4, 0.2, WIDE, 1e-6), 1e-11),
    "smoothing wider than the sphere": (
        gto(3.0, 1, 3, 0.4, {"type": "ShiftedCosine", "width": 5.0}, 1e-5),
        1e-12,
    ),
    "no spline": (gto(4.0, 1, 3, 0.5, STEP, None), 1e-9),
    "one function": (gto(4.0, 0, 0, 0.5), 1e-13),
}


@pytest.mark.parametrize("name", AS_FEATOMIC)
def test_values_are_those_of_featomic(name: str, rng: np.random.Generator) -> None:
    hypers, tolerance = AS_FEATOMIC[name]
    calculator, table = peer.SphericalExpansion(**hypers), of(hypers)
    radius = hypers["cutoff"]["radius"]
    distances = np.append(rng.uniform(0.1, radius, 40), radius * (1 - 1e-9))
    expected = radial_part(calculator, distances)
    np.testing.assert_allclose(table(distances), expected, atol=tolerance, rtol=0)
    np.testing.assert_allclose(table.center, center_part(calculator), atol=tolerance)


def test_explicit_bases_are_those_of_featomic(rng: np.random.Generator) -> None:
    hypers = gto(4.0, 0, 0, 0.4)
    radial = {
        str(degree): {"type": "Gto", "max_radial": 5 - degree} for degree in (3, 1, 0)
    }
    hypers["basis"] = {"type": "Explicit", "by_angular": radial}
    calculator, table = peer.SphericalExpansion(**hypers), of(hypers)
    distances = rng.uniform(0.1, 4.0, 20)
    expected = radial_part(calculator, distances)
    np.testing.assert_allclose(table(distances), expected, atol=1e-12)
    np.testing.assert_allclose(table.center, center_part(calculator), atol=1e-12)
    assert table.n_per_l == {0: 6, 1: 5, 3: 3}
    assert table.channels[:7] == (*((0, n) for n in range(6)), (1, 0))


def test_without_degree_zero_there_is_no_center() -> None:
    basis = Explicit(((2, Gto(3)),), 1e-3)
    table = radial_table(Hypers(Cutoff(4.0, Step()), Gaussian(0.5), basis))
    assert table.center.shape == (0,)
    assert table(np.ones(2)).shape == (2, 4)


def points_at(*positions: float) -> dict[str, Any]:
    points = [
        {
            "position": r,
            "values": [np.sin(r), np.cos(2 * r)],
            "derivatives": [np.cos(r), -2 * np.sin(2 * r)],
        }
        for r in positions
    ]
    return {"type": "Tabulated", "points": points}


@pytest.mark.parametrize(
    "grids",
    [
        [(0.0, 1.0, 2.0, 3.0)],
        [(0.0, 0.3, 2.0, 3.5)],  # of several widths
        [(0.0, 1.5, 3.0), (0.0, 0.75, 1.5, 2.25, 3.0)],
        [(0.0, 1.0, 2.0, 3.0), (0.0, 1.7, 3.0)],  # no common width
        [(-1.0, 1.0, 3.0)],
        [(3.0, 0.0, 1.0)],  # out of order
    ],
)
def test_given_points(grids: list[tuple[float, ...]], rng: np.random.Generator) -> None:
    by_angular = {degree: points_at(*grid) for degree, grid in enumerate(grids)}
    hypers = gto(3.0, 0, 0, 1.0)
    hypers["density"] = {"type": "DiracDelta", "scaling": WILLATT}
    hypers["basis"] = {"type": "Explicit", "by_angular": by_angular}
    calculator, table = peer.SphericalExpansion(**hypers), of(hypers)
    distances = np.append(rng.uniform(0.01, 2.99, 30), [1.0, 1.5, 2.0])
    expected = radial_part(calculator, distances)
    np.testing.assert_allclose(table(distances), expected, atol=1e-14)
    np.testing.assert_allclose(table.center, center_part(calculator), atol=1e-15)
    step = 1e-6
    differences = (table(distances + step) - table(distances - step)) / (2 * step)
    np.testing.assert_allclose(table.with_derivative(distances)[1], differences, atol=1e-5)


def test_splines_are_as_accurate_as_was_asked_for() -> None:
    distances = np.linspace(0.0, 3.99, 301)
    exact = of(gto(4.0, 3, 4, 0.4, STEP, None))(distances)
    for accuracy in (1e-2, 1e-4, 1e-6, 1e-8):
        found = of(gto(4.0, 3, 4, 0.4, STEP, accuracy))(distances)
        error = np.abs(found - exact).mean(axis=0).reshape(4, 5).mean(axis=1)
        assert (error < accuracy).all()


def test_integrals_are_integrals() -> None:
    """Straight from the definition: harmonic, orbital and Gaussian, over all of space."""
    table = of(gto(4.0, 1, 0, 0.6, STEP))
    width, orbital = 0.6, 4.0
    norm = (4 / np.sqrt(np.pi) / orbital**3) ** 0.5
    for r in (0.5, 2.0):
        for degree, angular in ((0, lambda u: 1.0), (1, lambda u: u)):

            def integrand(
                u: float, x: float, r: float = r, angular: Any = angular
            ) -> float:
                square = x**2 + r**2 - 2 * x * r * u
                density = np.exp(-square / 2 / width**2) / (np.pi * width**2) ** 0.75
                function = norm * np.exp(-(x**2) / 2 / orbital**2)
                return 2 * np.pi * x**2 * angular(u) * function * density

            expected = scipy.integrate.dblquad(integrand, 0, 10, -1, 1)[0]
            assert table(np.array(r))[degree] == pytest.approx(expected, abs=1e-8)


def slope_of(function: Any) -> Any:
    return jax.jit(lambda r: jax.jvp(function, (r,), (jnp.ones_like(r),))[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zero_and_what_is_outside(dtype: Any) -> None:
    table = of(SMALL, dtype)
    far = np.array([3.0, 3.0001, 1e6, np.inf], dtype)
    second = slope_of(table.with_derivative)
    for order in (table.with_derivative, second):
        for found in order(np.append(np.zeros(1, dtype), far)):
            assert found.dtype == dtype
            assert np.isfinite(found[0]).all()
            np.testing.assert_array_equal(found[1:], 0)
    assert np.isnan(table(np.array([np.nan], dtype))).all()  # an error is not hidden


def test_derivatives_are_those_of_the_same_spline(rng: np.random.Generator) -> None:
    table = of(SMALL)
    distances = rng.uniform(0.1, 2.9, (3, 4))
    values, slopes = table.with_derivative(distances)
    assert values.shape == slopes.shape == (3, 4, 9)
    np.testing.assert_array_equal(values, table(distances))
    step = 1e-6
    differences = (table(distances + step) - table(distances - step)) / (2 * step)
    np.testing.assert_allclose(slopes, differences, atol=1e-8)
    _, tangent = jax.jvp(table, (distances,), (np.ones_like(distances),))
    np.testing.assert_array_equal(tangent, slopes)
    weights = rng.normal(size=(3, 4, 9))
    check_grads(lambda r: (jnp.sin(table(r)) * weights).sum(), (distances,), 2, rtol=1e-6)


def test_higher_derivatives_are_those_of_lower_ones(rng: np.random.Generator) -> None:
    table, step = of(SMALL), 1e-6
    distances = rng.uniform(0.1, 2.9, 30)
    # The third derivative of the spline is constant between knots: keep off them.
    distances = distances[np.abs(distances / table.step % 1 - 0.5) < 0.4]
    function: Any = jax.jit(lambda r: table(r))
    for _ in range(4):
        slope = slope_of(function)
        differences = (function(distances + step) - function(distances - step)) / (2 * step)
        scale = np.abs(differences).max()
        np.testing.assert_allclose(slope(distances), differences, atol=1e-7 * scale)
        function = slope


def test_losses_of_forces_can_be_differentiated(rng: np.random.Generator) -> None:
    """Slopes enter a loss, and this is differentiated by a parameter: grad of grad."""
    table = of(SMALL)
    distances, weights = rng.uniform(0.5, 2.5, 5), rng.normal(size=9)

    def loss(weights: Any, distances: Any) -> Any:
        force = jax.grad(lambda r: jnp.tanh(table(r) @ weights).sum())(distances)
        return (force**2).sum()

    check_grads(jax.jit(loss), (weights, distances), 1, rtol=1e-6)


def test_differentiated_by_the_table_itself(rng: np.random.Generator) -> None:
    table, distances = of(SMALL), rng.uniform(0.1, 2.9, 6)
    arrays, rest = eqx.partition(table, eqx.is_inexact_array)

    def total(arrays: Any, distances: Any) -> Any:
        return jnp.sin(eqx.combine(arrays, rest)(distances)).sum()

    found = jax.grad(total)(arrays, distances)
    assert np.isfinite(found.coefficients).all()
    direction = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), arrays)
    slope = jax.jvp(lambda a: total(a, distances), (arrays,), (direction,))[1]
    step = 1e-6

    def moved(sign: float) -> Any:
        return jax.tree.map(lambda a, d: a + sign * step * d, arrays, direction)

    difference = (total(moved(1), distances) - total(moved(-1), distances)) / (2 * step)
    assert slope == pytest.approx(float(difference), rel=1e-7)
    np.testing.assert_allclose(
        (found.coefficients * direction.coefficients).sum(), slope, rtol=1e-12
    )


def test_under_transformations(rng: np.random.Generator) -> None:
    table, distances = of(SMALL), jnp.asarray(rng.uniform(0.1, 3.5, (3, 4)))
    expected = table(distances)
    jitted = jax.jit(lambda table, r: table(r))(table, distances)
    np.testing.assert_allclose(jitted, expected, atol=1e-14)
    np.testing.assert_array_equal(jax.vmap(table)(distances), expected)
    slopes = jax.vmap(jax.vmap(jax.jacrev(table)))(distances)
    np.testing.assert_allclose(slopes, table.with_derivative(distances)[1], atol=1e-14)
    made_inside = jax.jit(lambda r: of(SMALL)(r))(distances)
    np.testing.assert_allclose(made_inside, expected, atol=1e-14)
    assert table(distances[:0]).shape == (0, 4, 9)
    assert table(np.float64(1.0)).shape == (9,)


def test_equal_hypers_make_equal_programs() -> None:
    first, second = of(SMALL), of(dict(reversed(SMALL.items())))
    assert jax.tree.structure(first) == jax.tree.structure(second)
    assert hash(jax.tree.structure(first)) == hash(jax.tree.structure(second))


def test_single_precision(rng: np.random.Generator) -> None:
    hypers = gto(5.0, 4, 5, 0.3)
    table, single = of(hypers), of(hypers).astype(np.float32)
    assert single.dtype == np.float32
    assert single.center.dtype == np.float32
    np.testing.assert_array_equal(single.coefficients, of(hypers, "float32").coefficients)
    distances = rng.uniform(0.1, 5.0, 200).astype(np.float32)
    found = single.with_derivative(distances)
    exact = table.with_derivative(distances.astype(np.float64))
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == np.float32
        scale = np.abs(other).max()
        # A few roundings, of which the largest is that of the place within an interval.
        np.testing.assert_allclose(one, other, atol=30 * np.finfo(np.float32).eps * scale)


def test_double_precision_is_never_made_single() -> None:
    with jax.enable_x64(False):
        with pytest.raises(PrecisionError, match=r"radial_table: float64"):
            of(SMALL)
        table = of(SMALL, np.float32)
        assert table(np.ones(2, np.float32)).dtype == np.float32
        with pytest.raises(PrecisionError, match=r"float64"):
            table(np.ones(2))


def test_distances_of_another_kind_are_refused(wrong_types: None) -> None:
    table = of(SMALL)
    with pytest.raises(InvalidTypeError, match=r"float32[^$]*astype\(np.float32\)"):
        table(np.ones(2, np.float32))
    with pytest.raises(InvalidTypeError, match=r"floating point[^$]*int64"):
        table.with_derivative(np.ones(2, int))
    with pytest.raises(InvalidTypeError, match=r"floating point[^$]*float"):
        table(1.0)
    with pytest.raises(InvalidTypeError, match=r"floating point numbers[^$]*int32"):
        table.astype(np.int32)
    with pytest.raises(InvalidTypeError, match=r"floating point numbers[^$]*int32"):
        of(SMALL, np.int32)


def test_what_can_not_go_together() -> None:
    cutoff = Cutoff(3.0, Step())
    table = Tabulated((0.0, 3.0), ((1.0,), (1.0,)), ((0.0,), (0.0,)))
    with pytest.raises(InvalidError, match=r"hold the density[^$]*Gaussian"):
        radial_table(Hypers(cutoff, Gaussian(0.5), TensorProduct(1, table)))
    for positions in ((0.0, 2.9), (0.1, 3.0)):
        short = Tabulated(positions, table.values, table.derivatives)
        with pytest.raises(InvalidError, match=r"from 0 to the cutoff[^$]*radius 3.0"):
            radial_table(Hypers(cutoff, DiracDelta(), TensorProduct(1, short)))
    power = SmearedPowerLaw(1.0, 1)
    with pytest.raises(InvalidError, match=r"SmearedPowerLaw has no radial integrals"):
        radial_table(Hypers(cutoff, power, TensorProduct(1, Gto(2))))
    with pytest.raises(InvalidError, match=r"depend linearly[^$]*lower max_radial"):
        of(gto(4.0, 0, 25, 0.3))
    with pytest.raises(InvalidError, match=r"can not be splined to 1e-16"):
        of(gto(4.0, 0, 2, 0.3, STEP, 1e-16))
