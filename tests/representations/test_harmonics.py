"""Spherical harmonics: against scipy and featomic, by their theorems, by derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from representations.dimers import expanded, peer

from jaxmeta.errors import InvalidError, InvalidTypeError
from jaxmeta.representations.harmonics import (
    solid_harmonics,
    spherical_harmonics,
)


HIGHEST = 12
NUMBER = (HIGHEST + 1) * (2 * HIGHEST + 1)  # of points: one shape is one compilation


def degrees(max_angular: int) -> np.ndarray:
    return np.repeat(np.arange(max_angular + 1), 2 * np.arange(max_angular + 1) + 1)


def by_scipy(vectors: np.ndarray, max_angular: int) -> np.ndarray:
    x, y, z = np.moveaxis(vectors / np.linalg.norm(vectors, axis=-1)[..., None], -1, 0)
    theta, phi = np.arccos(z), np.arctan2(y, x)
    columns = []
    for degree in range(max_angular + 1):
        for m in range(-degree, degree + 1):
            value = scipy.special.sph_harm_y(degree, abs(m), theta, phi) * (-1.0) ** m
            part = value.real if m >= 0 else value.imag
            columns.append(part * (np.sqrt(2) if m else 1))
    return np.stack(columns, -1)


def test_values_are_those_of_scipy(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(NUMBER, 3)) * 10.0 ** rng.uniform(-6, 6, (NUMBER, 1))
    found = spherical_harmonics(vectors, HIGHEST)
    assert found.dtype == np.float64
    # scipy goes by way of angles, whose rounding the high degrees multiply.
    np.testing.assert_allclose(found, by_scipy(vectors, HIGHEST), atol=1e-13, rtol=0)


def test_order_and_signs_are_those_of_featomic(rng: np.random.Generator) -> None:
    """A point density with one constant radial function shows the bare harmonics."""
    slope = {"values": [1.0], "derivatives": [0.0]}
    points = [{"position": 0.0, **slope}, {"position": 4.0, **slope}]
    calculator = peer.SphericalExpansion(
        cutoff={"radius": 4.0, "smoothing": {"type": "Step"}},
        density={"type": "DiracDelta"},
        basis={
            "type": "TensorProduct",
            "max_angular": 8,
            "radial": {"type": "Tabulated", "points": points},
        },
    )
    for vector in rng.normal(size=(10, 3)):
        blocks = expanded(calculator, vector / np.linalg.norm(vector) * 2.5)
        found = spherical_harmonics(vector, 8)
        np.testing.assert_allclose(
            found, np.concatenate(blocks)[:, 0], atol=1e-14, rtol=1e-13
        )


def test_they_are_orthonormal() -> None:
    """By quadrature that is exact for polynomials of degree 2 * HIGHEST."""
    z, weights = np.polynomial.legendre.leggauss(HIGHEST + 1)
    phi = np.arange(2 * HIGHEST + 1) * 2 * np.pi / (2 * HIGHEST + 1)
    z, phi = np.repeat(z, len(phi)), np.tile(phi, len(z))
    weights = np.repeat(weights, 2 * HIGHEST + 1) * 2 * np.pi / (2 * HIGHEST + 1)
    sine = np.sqrt(1 - z**2)
    points = np.stack([sine * np.cos(phi), sine * np.sin(phi), z], -1)
    values = np.asarray(spherical_harmonics(points, HIGHEST))
    overlaps = np.einsum("pi,p,pj->ij", values, weights, values)
    np.testing.assert_allclose(overlaps, np.eye(len(overlaps)), atol=2e-14)


def _vectors() -> st.SearchStrategy[np.ndarray]:
    number = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-3)
    return st.tuples(number, number, number).filter(any).map(np.array)


@hypothesis.given(_vectors(), _vectors())
def test_addition_theorem(a: np.ndarray, b: np.ndarray) -> None:
    left, right = (np.asarray(spherical_harmonics(v, HIGHEST)) for v in (a, b))
    sums = np.bincount(degrees(HIGHEST), left * right)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    for degree, found in enumerate(sums):
        legendre = scipy.special.eval_legendre(degree, np.clip(cosine, -1, 1))
        # A rounding of the cosine grows by P_l'(1) = l (l + 1) / 2 at most.
        expected = (2 * degree + 1) / (4 * np.pi) * legendre
        assert found == pytest.approx(expected, abs=1e-13 * (degree + 1) ** 2)


@hypothesis.given(_vectors())
def test_parity_and_length(vector: np.ndarray) -> None:
    plus, minus = (np.asarray(spherical_harmonics(v, HIGHEST)) for v in (vector, -vector))
    np.testing.assert_array_equal(minus, plus * (-1.0) ** degrees(HIGHEST))
    solid = np.asarray(solid_harmonics(vector, HIGHEST))
    powers = np.linalg.norm(vector) ** degrees(HIGHEST)
    np.testing.assert_allclose(solid / powers, plus, atol=1e-13)


def test_solid_harmonics_solve_the_equation_of_laplace(rng: np.random.Generator) -> None:
    def laplacian(vector: Any) -> Any:
        hessian = jax.hessian(lambda v: solid_harmonics(v, 3))(vector)
        return jnp.trace(hessian, axis1=-2, axis2=-1)

    vectors = np.stack([np.zeros(3), *rng.normal(size=(5, 3))])
    np.testing.assert_allclose(jax.jit(jax.vmap(laplacian))(vectors), 0, atol=1e-12)


@pytest.mark.parametrize("function", [spherical_harmonics, solid_harmonics])
def test_derivatives_are_those_by_differences(
    function: Callable[..., Any], rng: np.random.Generator
) -> None:
    def values(vector: Any) -> Any:
        return function(vector, 4)

    vectors, step = rng.normal(size=(4, 3)), 1e-5
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    steps = np.stack([vectors + step * axis for axis in (*np.eye(3), *-np.eye(3))])
    first, second = jax.jacrev(values), jax.jacfwd(jax.jacrev(values))
    for lower, upper in ((values, first), (first, second)):
        around = np.asarray(jax.jit(jax.vmap(jax.vmap(lower)))(steps))
        differences = np.moveaxis(around[:3] - around[3:], 0, -1) / (2 * step)
        # The error is step^2 / 6 times a third derivative, of the order of l^3.
        np.testing.assert_allclose(
            jax.jit(jax.vmap(upper))(vectors), differences, atol=1e-7
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_zero_vector_is_harmless(dtype: Any) -> None:
    zero, highest = np.zeros(3, dtype), 3
    expected = np.zeros((highest + 1) ** 2)
    expected[0] = (4 * np.pi) ** -0.5
    for function in (spherical_harmonics, solid_harmonics):
        values = function(zero, highest)
        assert values.dtype == dtype
        np.testing.assert_allclose(values, expected, rtol=1e-7)
        for derivative in (jax.jacrev, jax.hessian):
            found = jax.jit(derivative(lambda v, f=function: f(v, highest)))(zero)
            assert np.isfinite(found).all()
    np.testing.assert_array_equal(
        jax.jit(jax.jacrev(lambda v: spherical_harmonics(v, highest)))(zero), 0
    )
    solid = jax.jit(jax.jacrev(lambda v: solid_harmonics(v, highest)))(zero)
    factor = (3 / (4 * np.pi)) ** 0.5  # of y, z and x
    np.testing.assert_allclose(solid[1:4], factor * np.eye(3)[[1, 2, 0]], rtol=1e-6)
    np.testing.assert_array_equal(solid[4:], 0)


def test_single_precision(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(NUMBER, 3)).astype(np.float32)
    found = spherical_harmonics(vectors, HIGHEST)
    assert found.dtype == np.float32
    exact = spherical_harmonics(vectors.astype(np.float64), HIGHEST)
    # At the poles the slope of degree l is l (l + 1) / 2 times the value.
    slope = HIGHEST * (HIGHEST + 1) / 2 * np.sqrt((2 * HIGHEST + 1) / (4 * np.pi))
    tolerance = slope * np.finfo(np.float32).eps
    np.testing.assert_allclose(found, exact, atol=tolerance, rtol=0)
    for scale in (1e-15, 1e15):
        scaled = spherical_harmonics(vectors * np.float32(scale), HIGHEST)
        np.testing.assert_allclose(scaled, exact, atol=tolerance, rtol=0)


def test_under_transformations(rng: np.random.Generator) -> None:
    vectors = jnp.asarray(rng.normal(size=(4, 2, 3)))
    expected = spherical_harmonics(vectors, 3)
    assert expected.shape == (4, 2, 16)
    jitted = jax.jit(spherical_harmonics, static_argnums=1)(vectors, 3)
    mapped = jax.vmap(jax.vmap(lambda v: spherical_harmonics(v, 3)))(vectors)
    # Compiled code may contract a product and a sum into one rounding.
    np.testing.assert_allclose(jitted, expected, atol=1e-14)
    np.testing.assert_allclose(mapped, expected, atol=1e-14)
    first = spherical_harmonics(vectors, 3, axis=0)
    np.testing.assert_array_equal(first, np.moveaxis(np.asarray(expected), -1, 0))
    gradient = jax.jit(jax.grad(lambda v: jnp.sin(spherical_harmonics(v, 3)).sum()))
    one = jax.grad(lambda v: jnp.sin(spherical_harmonics(v, 3)).sum())(vectors[1, 1])
    np.testing.assert_allclose(gradient(vectors)[1, 1], one, atol=1e-13)


def test_gradients_are_perpendicular_to_vectors(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(20, 3))
    jacobian = jax.vmap(jax.jacfwd(lambda v: spherical_harmonics(v, 8)))(vectors)
    np.testing.assert_allclose(np.einsum("pix,px->pi", jacobian, vectors), 0, atol=1e-12)


@pytest.mark.parametrize("max_angular", [0, 1, 2])
def test_small_degrees(max_angular: int, rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(7, 3))
    found = spherical_harmonics(vectors, max_angular)
    assert found.shape == (7, (max_angular + 1) ** 2)
    np.testing.assert_allclose(found, by_scipy(vectors, max_angular), atol=1e-15)
    assert spherical_harmonics(vectors[:0], max_angular).shape == (0, found.shape[1])


@pytest.mark.parametrize("function", [spherical_harmonics, solid_harmonics])
def test_bad_arguments(function: Callable[..., Any], wrong_types: None) -> None:
    with pytest.raises(InvalidError, match=r"last axis .* x, y, z[^$]*\(2,\)"):
        function(np.zeros(2), 3)
    with pytest.raises(InvalidError, match=r"last axis"):
        function(np.float64(1.0), 3)
    with pytest.raises(InvalidTypeError, match=r"floating point numbers[^$]*int64"):
        function(np.zeros(3, int), 3)
    with pytest.raises(InvalidTypeError, match=r"floating point numbers[^$]*list"):
        function([0.0, 0.0, 1.0], 3)
    with pytest.raises(InvalidError, match=r"0 or more[^$]*-1"):
        function(np.zeros(3), -1)
    with pytest.raises(InvalidTypeError, match=r"integer[^$]*float"):
        function(np.zeros(3), 2.0)
