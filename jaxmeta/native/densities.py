"""Sums of products of radial functions and harmonics, closed under differentiation."""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.native.choice import name_of


# Angular momenta in ascending order, and how many radial functions each of them has.
Layout: TypeAlias = tuple[tuple[int, int], ...]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def add_density(layout: Layout, onto: Any, radial: Any, angular: Any, rows: Any) -> Any:
    r"""Adds :math:`\sum_p R_{p, l n} Y_{p, l m}` to the rows of pairs p.

    Values: linear in `onto`, bilinear in the other two. Pairs may come in any order; sorted
    by row they are fastest. Rows out of range are left out. Derivatives in reverse mode, of
    any order, are made of this function and `of_factors`.

    Arguments:
        layout: angular momenta and numbers of radial functions.
        onto: shape (rows, numbers), numbers by l, then m, then n.
        radial: shape (pairs, all n of all l).
        angular: shape ((l + 1)**2 for the last l, pairs): one harmonic after another.
        rows: int32 of shape (pairs,).

    Returns:
        Shape (rows, numbers).
    """
    like = jax.ShapeDtypeStruct(onto.shape, onto.dtype)
    call = jax.ffi.ffi_call(
        name_of("density", onto.dtype),
        like,
        vmap_method="sequential",
        input_output_aliases={0: 0},
    )
    return call(onto, radial, angular, rows, layout=_flat(layout))


def _kept(layout: Layout, onto: Any, radial: Any, angular: Any, rows: Any) -> Any:
    return add_density(layout, onto, radial, angular, rows), (radial, angular, rows)


def _pulled(layout: Layout, kept: Any, of_sums: Any) -> Any:
    radial, angular, rows = kept
    of_radial, of_angular = _of_factors(layout, radial, angular, rows, of_sums)
    return of_sums, of_radial, of_angular, None


add_density.defvjp(_kept, _pulled)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def of_factors(layout: Layout, radial: Any, angular: Any, rows: Any, of_sums: Any) -> Any:
    r"""The cotangents of `radial` and `angular`, from those of the sums of `add_density`.

    Values: :math:`\sum_m B_{lmn} Y_{lm}` and :math:`\sum_n B_{lmn} R_{ln}` for each pair,
    with the row B of the pair; zero for rows out of range.

    Arguments:
        layout: angular momenta and numbers of radial functions.
        radial: shape (pairs, all n of all l).
        angular: shape ((l + 1)**2 for the last l, pairs): one harmonic after another.
        rows: int32 of shape (pairs,).
        of_sums: shape (rows, numbers).

    Returns:
        Arrays of the shapes of `radial` and `angular`.
    """
    like = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in (radial, angular)]
    call = jax.ffi.ffi_call(
        name_of("pullback", of_sums.dtype), like, vmap_method="sequential"
    )
    return tuple(call(radial, angular, rows, of_sums, layout=_flat(layout)))


def _kept_of_factors(
    layout: Layout, radial: Any, angular: Any, rows: Any, of_sums: Any
) -> Any:
    kept = (radial, angular, rows, of_sums)
    return of_factors(layout, radial, angular, rows, of_sums), kept


def _pulled_of_factors(layout: Layout, kept: Any, cotangents: Any) -> Any:
    radial, angular, rows, of_sums = kept
    u, v = cotangents
    sums = add_density(layout, jnp.zeros_like(of_sums), u, angular, rows)
    sums = add_density(layout, sums, radial, v, rows)
    of_radial, of_angular = _of_factors(layout, u, v, rows, of_sums)
    return of_radial, of_angular, None, sums


_of_factors: Any = of_factors

of_factors.defvjp(_kept_of_factors, _pulled_of_factors)


def products(layout: Layout, densities: Any) -> Any:
    r"""Products of two densities that rotations leave alone.

    Values: :math:`(-1)^l / \sqrt{2 l + 1} \sum_m x_{l m n} y_{l m n'}`, times the root of
    two for densities of two types. There are no derivatives by the kernel itself.

    Arguments:
        layout: angular momenta and numbers of radial functions.
        densities: shape (centers, types, numbers), numbers by l, then m, then n.

    Returns:
        Shape (pairs of types, centers, products): pairs by first, then second type, not
        below the first; products by l, n of the first, n of the second one.
    """
    centers, types, _ = densities.shape
    size = sum(n * n for _, n in layout)
    shape = (types * (types + 1) // 2, centers, size)
    like = jax.ShapeDtypeStruct(shape, densities.dtype)
    name = name_of("products", densities.dtype)
    call = jax.ffi.ffi_call(name, like, vmap_method="sequential")
    return call(densities, layout=_flat(layout))


def _flat(layout: Layout) -> np.ndarray:
    return np.array(layout, np.int64).reshape(-1)
