"""Native kernels give what XLA gives: values, derivatives, rows of gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from representations.real_structures import hypers

from jaxmeta import native
from jaxmeta.native.densities import add_density, of_factors
from jaxmeta.representations._densities import Channels, products
from jaxmeta.representations._explicit import explicit_gradients
from jaxmeta.representations._gradient_rows import Sizes, Terms
from jaxmeta.representations._hypers.hypers import parse_hypers
from jaxmeta.representations._power import power_spectra
from jaxmeta.representations._slopes import DensityTerms, SpectrumTerms
from jaxmeta.representations.radial.table import radial_table


pytestmark = pytest.mark.skipif(
    bool(native.why_not()), reason=f"there are no kernels: {native.why_not()}"
)

# All widths of vectors and numbers of sums: few and many n, and l that are left out.
LAYOUTS = {
    "one": ((0, 1),),
    "usual": ((0, 5), (1, 5), (2, 5), (3, 5), (4, 5)),
    "many n": ((0, 17), (1, 9), (2, 33)),
    "gaps": ((1, 3), (4, 8)),
    "large l": ((0, 4), (11, 6)),
}
EPS = {"float32": 1e-5, "float64": 1e-13}


def scattered(channels: Channels, onto: Any, radial: Any, angular: Any, rows: Any) -> Any:
    """The definition."""
    each = products(channels, radial, angular.T)
    # A row below zero is out of range too, where JAX counts from the end.
    return onto.at[jnp.where(rows < 0, len(onto), rows)].add(each, mode="drop")


def arrays(layout: Any, pairs: int, n_rows: int, dtype: str, ordered: bool) -> list[Any]:
    rng = np.random.default_rng(pairs + n_rows)
    channels = Channels(layout)
    n_radial = sum(n for _, n in layout)
    rows = rng.integers(-1, n_rows + 2, pairs).astype(np.int32)
    shapes = [
        (n_rows, channels.size),
        (pairs, n_radial),
        ((channels.max_angular + 1) ** 2, pairs),
    ]
    floats = [jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes]
    return [*floats, jnp.asarray(np.sort(rows) if ordered else rows)]


def assert_same(found: Any, expected: Any, dtype: str) -> None:
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype == dtype
        size = float(jnp.max(jnp.abs(other), initial=1.0))
        np.testing.assert_allclose(one, other, rtol=0, atol=EPS[dtype] * size)


def scalar(function: Callable[..., Any], order: int) -> Callable[..., Any]:
    """A number whose gradient needs one more order of derivatives, and so on."""

    def value(onto: Any, radial: Any, angular: Any) -> Any:
        found = function(onto, radial, angular)
        weights = jnp.cos(jnp.arange(1.0, found.size + 1)).reshape(found.shape)
        return jnp.sum(jnp.tanh(0.1 * found) * weights)

    for _ in range(order - 1):
        inner = jax.grad(value, argnums=(0, 1, 2))

        def value(*given: Any, inner: Any = inner) -> Any:
            return sum(jnp.sum(jnp.tanh(each)) for each in inner(*given))

    return value


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("name", list(LAYOUTS))
def test_densities_and_their_cotangents(name: str, ordered: bool, dtype: str) -> None:
    channels = Channels(LAYOUTS[name])
    onto, radial, angular, rows = arrays(LAYOUTS[name], 301, 7, dtype, ordered)

    def ours(*given: Any) -> Any:
        return add_density(channels.radial, *given, rows)

    def theirs(*given: Any) -> Any:
        return scattered(channels, *given, rows)

    (found, pull), (expected, reference) = (
        jax.vjp(each, onto, radial, angular) for each in (ours, theirs)
    )
    assert_same(found, expected, dtype)
    cotangent = jnp.cos(expected)
    assert_same(pull(cotangent), reference(cotangent), dtype)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", ["one", "gaps"])
def test_higher_derivatives(name: str, order: int) -> None:
    channels = Channels(LAYOUTS[name])
    onto, radial, angular, rows = arrays(LAYOUTS[name], 12, 3, "float64", False)

    def ours(*given: Any) -> Any:
        return add_density(channels.radial, *given, rows)

    def theirs(*given: Any) -> Any:
        return scattered(channels, *given, rows)

    found, expected = (
        jax.jit(jax.grad(scalar(each, order), argnums=(0, 1, 2)))(onto, radial, angular)
        for each in (ours, theirs)
    )
    assert_same(found, expected, "float64")


# Each shape is compiled; 128 pairs are taken at a time.
@settings(deadline=None, max_examples=12)
@given(
    pairs=st.sampled_from([0, 1, 15, 128, 129, 300]),
    n_rows=st.sampled_from([0, 1, 5]),
    layout=st.sampled_from(list(LAYOUTS.values())),
    ordered=st.booleans(),
)
def test_any_number_of_pairs_and_rows(
    pairs: int, n_rows: int, layout: Any, ordered: bool
) -> None:
    given = arrays(layout, pairs, n_rows, "float64", ordered)
    channels = Channels(layout)
    found = add_density(layout, *given)
    assert_same(found, scattered(channels, *given), "float64")
    onto, radial, angular, rows = given
    of_radial, of_angular = of_factors(layout, radial, angular, rows, onto)
    assert of_radial.shape == radial.shape
    assert of_angular.shape == angular.shape
    outside = np.flatnonzero((np.asarray(rows) < 0) | (np.asarray(rows) >= n_rows))
    assert not np.asarray(of_radial)[outside].any()
    assert not np.asarray(of_angular)[:, outside].any()


def test_what_is_added_to_is_not_changed() -> None:
    layout = LAYOUTS["usual"]
    onto, radial, angular, rows = arrays(layout, 20, 4, "float64", True)
    before = np.array(onto)
    jax.jit(add_density, static_argnums=0)(layout, onto, radial, angular, rows)
    np.testing.assert_array_equal(onto, before)


def test_vmap_and_scan() -> None:
    layout = LAYOUTS["gaps"]
    channels = Channels(layout)
    onto, radial, angular, rows = arrays(layout, 30, 4, "float64", False)
    many = jnp.stack([radial, 2 * radial, jnp.sin(radial)])

    def ours(radial: Any) -> Any:
        return jnp.sum(add_density(layout, onto, radial, angular, rows) ** 2)

    def theirs(radial: Any) -> Any:
        return jnp.sum(scattered(channels, onto, radial, angular, rows) ** 2)

    expected = jax.vmap(jax.grad(theirs))(many)
    assert_same(jax.jit(jax.vmap(jax.grad(ours)))(many), expected, "float64")
    scanned = jax.grad(
        lambda many: jnp.sum(jax.lax.scan(lambda c, x: (c + ours(x), None), 0.0, many)[0])
    )(many)
    assert_same(scanned, expected, "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", list(LAYOUTS))
def test_invariants_and_their_derivatives(name: str, dtype: str) -> None:
    channels = Channels(LAYOUTS[name])
    rng = np.random.default_rng(2)
    densities = jnp.asarray(rng.normal(size=(21, 3, channels.size)), dtype)

    def second(x: Any) -> Any:
        def value(x: Any) -> Any:
            return jnp.sum(jnp.tanh(power_spectra(x, channels)))

        return jnp.sum(jax.grad(value)(x) ** 2)

    def both(x: Any) -> Any:
        return power_spectra(x, channels), jax.grad(second)(x)

    found = jax.jit(both)(densities)
    with native.portable():
        expected = jax.jit(both)(densities)
    assert_same(found, expected, dtype)
    empty = power_spectra(densities[:0], channels)
    assert empty.shape == (6, 0, found[0].shape[2])


def terms_of(rng: np.random.Generator, n_terms: int, n_pairs: int) -> Terms:
    """Terms in any order, some of them padding in one way or another."""
    columns = [rng.integers(0, high + 1, n_terms) for high in (n_pairs, 6, 6, 4, 8)]
    kinds = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])[rng.integers(0, 4, n_terms)]
    columns += [kinds[:, 0], kinds[:, 1]]
    return Terms(*(jnp.asarray(column.astype(np.int32)) for column in columns))


@pytest.mark.parametrize(
    "names",
    [
        ("positions", "strain"),
        pytest.param(("positions",), marks=pytest.mark.long),
        pytest.param(("strain",), marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["density", "spectrum"])
def test_rows_of_gradients(kind: str, dtype: str, names: Any) -> None:
    rng = np.random.default_rng(4)
    table = radial_table(parse_hypers(**hypers(4.0, 3, 4))).astype(dtype)
    channels = Channels(tuple(table.n_per_l.items()))
    vectors = jnp.asarray(rng.normal(size=(20, 3)), dtype)
    terms = terms_of(rng, 64, 20)
    densities = jnp.asarray(rng.normal(size=(8, channels.size)), dtype)
    function = {
        "density": DensityTerms(table, channels),
        "spectrum": SpectrumTerms(table, channels, densities),
    }[kind]

    def gradients(vectors: Any) -> Any:
        return explicit_gradients(function, vectors, terms, Sizes(6, 4), names)

    found = jax.jit(gradients)(vectors)
    with native.portable():
        expected = jax.jit(gradients)(vectors)
    assert set(found) == set(names)
    assert_same(found, expected, dtype)
