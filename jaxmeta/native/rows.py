"""Rows of explicit gradients: what neighbours add to each, worked out and added at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmeta.native.choice import name_of
from jaxmeta.native.densities import Layout


class PairFactors(NamedTuple):
    """What the coefficients of pairs are products of, and derivatives of that.

    Arguments:
        radial: shape (pairs, all n of all l).
        slopes: derivatives of them by the distance.
        directions: unit vectors, (pairs, 3).
        angular: one harmonic after another, ((l + 1)**2 for the last l, pairs).
        of_angular: derivatives of them by the vector, (3, (l + 1)**2, pairs).
    """

    radial: Any
    slopes: Any
    directions: Any
    angular: Any
    of_angular: Any


def density_rows(
    layout: Layout, factors: PairFactors, vectors: Any, terms: Sequence[Any], sizes: Any
) -> tuple[Any, Any]:
    """Gradients of densities of neighbours: sums of derivatives of products of factors.

    Values: the derivative of a neighbour by its vector is added to its row, taken from the
    row of the center, and times the vector added to the sample. What is out of range is
    left out. There are no derivatives.

    Arguments:
        layout: angular momenta and numbers of radial functions.
        factors: of all pairs.
        vectors: shape (pairs, 3).
        terms: seven columns of int32: pair, row, row of the center, sample, other density,
            whether the neighbour is in the first density, and in the second.
        sizes: with the numbers of `rows` and of `samples`.

    Returns:
        Shape (rows, 3, numbers) and (samples, 3, 3, numbers).
    """
    numbers = sum((2 * degree + 1) * n for degree, n in layout)
    arrays = (*factors, vectors, _table(terms))
    return _call("density_rows", layout, numbers, sizes, arrays, vectors.dtype)


def spectrum_rows(
    layout: Layout,
    factors: PairFactors,
    vectors: Any,
    densities: Any,
    terms: Sequence[Any],
    sizes: Any,
) -> tuple[Any, Any]:
    """Gradients of invariant products of two densities, where neighbours add to either.

    Values: as of `density_rows`, of what a neighbour adds to the product with the other
    density; products of two densities of different types count by the root of two.

    Arguments:
        layout: as of `density_rows`.
        factors: of all pairs.
        vectors: shape (pairs, 3).
        densities: shape (densities, numbers), with centers.
        terms: as of `density_rows`.
        sizes: with the numbers of `rows` and of `samples`.

    Returns:
        Shape (rows, 3, products) and (samples, 3, 3, products), by l and both n.
    """
    numbers = sum(n * n for _, n in layout)
    arrays = (*factors, vectors, densities, _table(terms))
    return _call("spectrum_rows", layout, numbers, sizes, arrays, vectors.dtype)


def _table(terms: Sequence[Any]) -> Any:
    return jax.numpy.stack([jax.numpy.asarray(column) for column in terms])


def _call(
    kernel: str, layout: Layout, numbers: int, sizes: Any, arrays: Any, dtype: Any
) -> tuple[Any, Any]:
    shapes = ((sizes.rows, 3, numbers), (sizes.samples, 3, 3, numbers))
    like = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    call = jax.ffi.ffi_call(name_of(kernel, dtype), like, vmap_method="sequential")
    found: Any = call(*arrays, layout=np.array(layout, np.int64).reshape(-1))
    return found[0], found[1]
