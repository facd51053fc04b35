"""Coefficients and products of arrays, against featomic, scipy and their own identities."""

from __future__ import annotations

import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import sph_harm_y

from jaxmeta.errors import InvalidError, InvalidTypeError
from jaxmeta.representations.clebsch_gordan import (
    cg_coefficients,
    cg_couple,
    cg_coupling,
    cg_tensor_product,
    cg_uncouple,
)


with warnings.catch_warnings():  # torch has some at import, where it is installed
    warnings.simplefilter("ignore")
    from featomic.clebsch_gordan import _coefficients, calculate_cg_coefficients


theirs: Any = _coefficients
TABLE = calculate_cg_coefficients(8, "python-dense", "numpy", np.dtype("float64"), "cpu")
SMALL = calculate_cg_coefficients(4, "python-sparse", "numpy", np.dtype("float64"), "cpu")
DEGREES = st.integers(0, 3)


def harmonics(degree: int, points: np.ndarray) -> np.ndarray:
    """Real spherical harmonics by scipy, orders from -l to l."""
    theta = np.arccos(points[:, 2] / np.linalg.norm(points, axis=1))
    phi = np.arctan2(points[:, 1], points[:, 0])
    found = np.empty((len(points), 2 * degree + 1))
    for m in range(degree + 1):
        complex_ = (-1) ** m * math.sqrt(2) * sph_harm_y(degree, m, theta, phi)
        found[:, degree + m], found[:, degree - m] = complex_.real, complex_.imag
    found[:, degree] = sph_harm_y(degree, 0, theta, phi).real
    return found


def test_all_up_to_degree_8_are_those_of_featomic() -> None:
    wrong = 0.0
    for key, block in TABLE.items():
        own = cg_coefficients(*(int(degree) for degree in key.values))
        wrong = max(wrong, np.abs(own - block.values[0, ..., 0]).max())
    assert len(TABLE) == 369
    assert wrong < 4 * np.finfo(float).eps


@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (1, 1), (2, 3), (4, 4), (6, 5), (8, 8)])
def test_all_products_of_two_harmonics_are_an_orthogonal_matrix(l1: int, l2: int) -> None:
    degrees = range(abs(l1 - l2), l1 + l2 + 1)
    size = (2 * l1 + 1) * (2 * l2 + 1)
    tables = [cg_coefficients(l1, l2, degree).reshape(size, -1) for degree in degrees]
    whole = np.concatenate(tables, axis=1)
    assert whole.shape == (size, size)
    np.testing.assert_allclose(whole @ whole.T, np.eye(size), atol=1e-14)
    np.testing.assert_allclose(whole.T @ whole, np.eye(size), atol=1e-14)


@given(DEGREES, DEGREES, st.integers(0, 6))
def test_products_of_harmonics_are_sums_of_harmonics(l1: int, l2: int, step: int) -> None:
    """Gaunt's integral: the product of two harmonics, coupled, is another harmonic."""
    degree = abs(l1 - l2) + step % (2 * min(l1, l2) + 1)
    points = np.random.default_rng(1).normal(size=(20, 3))
    first, second = harmonics(l1, points), harmonics(l2, points)
    found = np.einsum("sa,sb,abm->sm", first, second, cg_coefficients(l1, l2, degree))
    if (l1 + l2 + degree) % 2:
        np.testing.assert_allclose(found, 0, atol=1e-13)
        return
    zero = cg_complex_at_zero(l1, l2, degree)
    factor = zero * math.sqrt(
        (2 * l1 + 1) * (2 * l2 + 1) / (4 * math.pi * (2 * degree + 1))
    )
    np.testing.assert_allclose(found, factor * harmonics(degree, points), atol=1e-13)


def cg_complex_at_zero(l1: int, l2: int, degree: int) -> float:
    r"""The coefficient at orders 0, 0, 0, which real and complex harmonics share."""
    return float(cg_coefficients(l1, l2, degree)[l1, l2, degree])


def test_exact_values() -> None:
    third = math.sqrt(1 / 3)
    assert cg_coefficients(0, 0, 0).tolist() == [[[1.0]]]
    np.testing.assert_array_equal(np.diag(cg_coefficients(2, 0, 2)[:, 0, :]), np.ones(5))
    np.testing.assert_allclose(cg_coefficients(1, 1, 0)[:, :, 0], -third * np.eye(3))
    # <20 20|40> = sqrt(18/35), <30 30|60> = 10 sqrt(1/231)
    assert cg_coefficients(2, 2, 4)[2, 2, 4] == pytest.approx(math.sqrt(18 / 35), rel=1e-15)
    assert cg_coefficients(3, 3, 6)[3, 3, 6] == pytest.approx(
        10 / math.sqrt(231), rel=1e-15
    )
    assert not cg_coefficients(2, 2, 2).flags.writeable


def test_sparse_lists_hold_all_that_is_not_zero() -> None:
    for l1, l2, degree in [(0, 2, 2), (2, 2, 3), (5, 4, 6)]:
        found = cg_coupling(l1, l2, degree)
        dense = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * degree + 1))
        dense[found.m1 + l1, found.m2 + l2, found.mu + degree] = found.values
        np.testing.assert_array_equal(dense, cg_coefficients(l1, l2, degree))
        assert (np.abs(found.values) > 1e-3).all()
        m1, m2, mu = (np.abs(x) for x in (found.m1, found.m2, found.mu))
        assert ((mu == m1 + m2) | (mu == np.abs(m1 - m2))).all()
        assert {x.dtype for x in (found.m1, found.m2, found.mu)} == {np.dtype(np.int32)}


def test_large_degrees() -> None:
    l1, l2 = 12, 10
    tables = [cg_coefficients(l1, l2, degree) for degree in (2, 22)]
    for table in tables:
        gram = np.einsum("abm,abn->mn", table, table)
        np.testing.assert_allclose(gram, np.eye(table.shape[2]), atol=1e-14)


def test_products_of_arrays_are_those_of_featomic(rng: np.random.Generator) -> None:
    for p, q in ((3, 5), (5, 3)):
        a, b = rng.normal(size=(4, 5, p)), rng.normal(size=(4, 3, q))
        found = cg_tensor_product(jnp.asarray(a), jnp.asarray(b), [1, 2, 3])
        right = theirs.cg_tensor_product(a, b, [1, 2, 3], SMALL, "python-sparse")
        for mine, other in zip(found, right, strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-14)


def test_coupling_and_back_are_those_of_featomic(rng: np.random.Generator) -> None:
    array = rng.normal(size=(4, 5, 3, 2))
    found = cg_couple(jnp.asarray(array), [1, 2, 3])
    right = theirs.cg_couple(array, [1, 2, 3], SMALL, "python-sparse")
    for mine, other in zip(found, right, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-14)
    np.testing.assert_allclose(cg_uncouple(found, 2, 1, [1, 2, 3]), array, atol=1e-14)
    some = cg_uncouple(found[1:], 2, 1, [2, 3])
    partly = theirs.cg_uncouple(right[1:], 2, 1, [2, 3], SMALL, "python-sparse")
    np.testing.assert_allclose(some, partly, atol=1e-14)


def test_compiled_mapped_and_differentiated(rng: np.random.Generator) -> None:
    a, b = jnp.asarray(rng.normal(size=(4, 5, 2))), jnp.asarray(rng.normal(size=(4, 3, 3)))

    def product(x: Any, y: Any) -> Any:
        return cg_tensor_product(x, y, [2])[0]

    whole = product(a, b)
    np.testing.assert_allclose(jax.jit(product)(a, b), whole, atol=1e-14)
    each = jax.vmap(lambda x, y: product(x[None], y[None])[0])(a, b)
    np.testing.assert_allclose(each, whole, atol=1e-14)
    step = jnp.asarray(rng.normal(size=a.shape))
    _, slope = jax.jvp(lambda x: product(x, b), (a,), (step,))
    np.testing.assert_allclose(slope, product(step, b), atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_the_dtype_stays(dtype: Any) -> None:
    a, b = jnp.ones((2, 3, 1), dtype), jnp.ones((2, 3, 1), dtype)
    assert cg_tensor_product(a, b, [1])[0].dtype == dtype
    assert cg_couple(jnp.ones((2, 3, 3, 1), dtype), [0])[0].dtype == dtype


def test_no_samples_and_no_properties() -> None:
    a, b = jnp.ones((0, 3, 2)), jnp.ones((0, 5, 3))
    assert cg_tensor_product(a, b, [3])[0].shape == (0, 7, 6)
    assert cg_tensor_product(jnp.ones((2, 3, 0)), jnp.ones((2, 1, 3)), [1])[0].shape == (
        2,
        3,
        0,
    )


ONE = jnp.ones((2, 3, 1))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cg_coefficients(1, 1, 3), InvalidError, "o3_lambda goes from 0 to 2"),
        (lambda: cg_coefficients(-1, 1, 1), InvalidError, "l1 is not negative"),
        (lambda: cg_coefficients(1.0, 1, 1), InvalidTypeError, "l1 is an integer"),  # type: ignore[arg-type]
        (lambda: cg_coefficients(1, True, 1), InvalidTypeError, "found True, a bool"),
        (
            lambda: cg_tensor_product(ONE, ONE[:1], [0]),
            InvalidError,
            "has 2, array_2 has 1",
        ),
        (
            lambda: cg_tensor_product(ONE[:, :2], ONE, [0]),
            InvalidError,
            "axis 1 of array_1",
        ),
        (lambda: cg_tensor_product(ONE[0], ONE, [0]), InvalidError, "must have 3 axes"),
        (lambda: cg_tensor_product(ONE, ONE, [3]), InvalidError, "no product of degree 3"),
        (lambda: cg_tensor_product([1], ONE, [0]), InvalidTypeError, "found list"),
        (
            lambda: cg_tensor_product(ONE.astype(int), ONE, [0]),
            InvalidTypeError,
            "found int64",
        ),
        (
            lambda: cg_tensor_product(ONE.astype(np.float32), ONE, [0]),
            InvalidTypeError,
            "array_1 has float32, array_2 has float64",
        ),
        (lambda: cg_couple(ONE, [0]), InvalidError, "must have 4 axes"),
        (lambda: cg_uncouple([], 1, 1, []), InvalidError, "one at least"),
        (lambda: cg_uncouple([ONE], 1, 1, [0]), InvalidError, "expected \\(2, 1, 1\\)"),
    ],
)
@pytest.mark.usefixtures("wrong_types")
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
