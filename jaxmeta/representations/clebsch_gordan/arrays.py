r"""Products of spherical harmonics as arrays: coupled, taken apart again, multiplied.

Everything here is linear in each array, written in JAX, and so compiled, mapped and
differentiated as any other function of arrays. Coefficients are constants in the precision
of the arrays; sums are made in full precision on every device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmeta.core.labels._arguments import check_list
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.representations.clebsch_gordan.coefficients import (
    cg_coefficients,
    check_degree,
    check_product,
)


# Graphics cards would else multiply numbers of 32 bits with 10 bits of precision.
_einsum = partial(jnp.einsum, precision="highest")


def cg_tensor_product(array_1: Any, array_2: Any, o3_lambdas: Sequence[int]) -> list[Any]:
    r"""Products of two arrays that rotate as harmonics, one for each degree.

    Values: :math:`T^\lambda_{s \mu (pq)} = (-1)^{l_1 + l_2 + \lambda} \sum_{m_1 m_2}
    C_{m_1 m_2 \mu} A_{s m_1 p} B_{s m_2 q}`, with the coefficients of `cg_coefficients`
    and the degrees :math:`l_1, l_2` that the shapes tell. Gradients are those of JAX.

    Arguments:
        array_1: of shape ``(samples, 2 l1 + 1, p)``, of real or complex floating point
            numbers.
        array_2: of shape ``(samples, 2 l2 + 1, q)`` and the same dtype.
        o3_lambdas: degrees of the products, between ``|l1 - l2|`` and ``l1 + l2``.

    Returns:
        For each degree an array of shape ``(samples, 2 o3_lambda + 1, p q)``; properties
        of the second array count fastest.

    Raises:
        InvalidError: for arrays of other shapes, and degrees that do not go together.
        InvalidTypeError: for dtypes that differ, or are no floating point numbers.

    Example:
        >>> a, b = jnp.array([[[0.0], [0.0], [1.0]]]), jnp.array([[[0.0], [0.0], [2.0]]])
        >>> scalar, vector = cg_tensor_product(a, b, [0, 1])  # x and 2 x, as (y, z, x)
        >>> scalar.ravel().tolist(), vector.ravel().tolist()
        ([-1.154...], [0.0, 0.0, 0.0])
    """
    where = "cg_tensor_product"
    _check_axes(where, "array_1", array_1, 3)
    _check_axes(where, "array_2", array_2, 3)
    if array_1.dtype != array_2.dtype:
        raise InvalidTypeError(
            compose(
                f"{where}: the dtypes differ.",
                f"array_1 has {array_1.dtype}, array_2 has {array_2.dtype}",
                remedy="convert one of them on purpose: array.astype(...).",
            )
        )
    if array_1.shape[0] != array_2.shape[0]:
        raise InvalidError(
            compose(
                f"{where}: the two arrays have other numbers of samples.",
                f"array_1 has {array_1.shape[0]}, array_2 has {array_2.shape[0]}",
            )
        )
    l1 = _degree(where, "array_1", array_1.shape, 1)
    l2 = _degree(where, "array_2", array_2.shape, 1)
    degrees = _checked_degrees(where, l1, l2, o3_lambdas)
    return [product(array_1, array_2, l1, l2, degree) for degree in degrees]


def cg_couple(array: Any, o3_lambdas: Sequence[int]) -> list[Any]:
    r"""An array that rotates as a product of two harmonics, as sums of single ones.

    Values: :math:`T^\lambda_{s \mu q} = (-1)^{l_1 + l_2 + \lambda} \sum_{m_1 m_2}
    C_{m_1 m_2 \mu} A_{s m_1 m_2 q}`. Gradients are those of JAX.

    Arguments:
        array: of shape ``(samples, 2 l1 + 1, 2 l2 + 1, q)``, of floating point numbers.
        o3_lambdas: the degrees wanted, between ``|l1 - l2|`` and ``l1 + l2``.

    Returns:
        For each degree an array of shape ``(samples, 2 o3_lambda + 1, q)``.

    Raises:
        InvalidError: for an array of another shape, and degrees that do not go together.
        InvalidTypeError: for an array of anything but floating point numbers.

    Example:
        >>> [trace] = cg_couple(jnp.eye(3).reshape(1, 3, 3, 1), [0])
        >>> trace.ravel().tolist()
        [-1.732...]
    """
    _check_axes("cg_couple", "the array", array, 4)
    l1, l2 = (_degree("cg_couple", "the array", array.shape, axis) for axis in (1, 2))
    return [
        coupled(array, l1, l2, degree)
        for degree in _checked_degrees("cg_couple", l1, l2, o3_lambdas)
    ]


def cg_uncouple(arrays: Sequence[Any], l1: int, l2: int, o3_lambdas: Sequence[int]) -> Any:
    r"""The inverse of `cg_couple`: an array that rotates as a product of two harmonics.

    Values: :math:`A_{s m_1 m_2 q} = \sum_{\lambda \mu} (-1)^{l_1 + l_2 + \lambda}
    C_{m_1 m_2 \mu} T^\lambda_{s \mu q}`; degrees that are not given count as zero. With
    all of them this is the exact inverse. Gradients are those of JAX.

    Arguments:
        arrays: for each degree one of shape ``(samples, 2 o3_lambda + 1, q)``.
        l1: degree of the first harmonic.
        l2: that of the second one.
        o3_lambdas: the degrees of the arrays.

    Returns:
        An array of shape ``(samples, 2 l1 + 1, 2 l2 + 1, q)``.

    Raises:
        InvalidError: for no arrays, another number or shape of arrays than the degrees
            say, several dtypes, and degrees that do not go together.
        InvalidTypeError: for arrays of anything but floating point numbers.

    Example:
        >>> array = jnp.arange(9.0).reshape(1, 3, 3, 1)
        >>> back = cg_uncouple(cg_couple(array, [0, 1, 2]), 1, 1, [0, 1, 2])
        >>> bool(jnp.allclose(back, array, atol=1e-6))
        True
    """
    where = "cg_uncouple"
    l1, l2 = check_degree(where, "l1", l1), check_degree(where, "l2", l2)
    degrees = _checked_degrees(where, l1, l2, o3_lambdas)
    arrays = check_list(where, "arrays must be a list of arrays", arrays)
    if not degrees or len(arrays) != len(degrees):
        raise InvalidError(
            compose(
                f"{where}: there must be one array for each degree, and one at least.",
                f"there are {len(arrays)} arrays for the degrees {degrees}",
            )
        )
    for number, (array, degree) in enumerate(zip(arrays, degrees, strict=True)):
        _check_axes(where, f"arrays[{number}]", array, 3)
        shape = (arrays[0].shape[0], 2 * degree + 1, arrays[0].shape[2])
        if array.shape != shape or array.dtype != arrays[0].dtype:
            raise InvalidError(
                compose(
                    f"{where}: arrays[{number}] does not fit its degree or the first one.",
                    f"it has the shape {array.shape} and {array.dtype}, expected {shape} "
                    f"and {arrays[0].dtype}",
                )
            )
    pairs = zip(arrays, degrees, strict=True)
    return sum(uncoupled(array, l1, l2, degree) for array, degree in pairs)


# Kernels: degrees are static, and known to fit -------------------------------------------


def product(x: Any, y: Any, l1: int, l2: int, o3_lambda: int) -> Any:
    """Kernel: the product of degree `o3_lambda`, see `cg_tensor_product`.

    The coefficients go to the array with fewer properties first, in one loop: what remains
    is one product of matrices for each sample. What has degree 0 is a number.
    """
    shape = (x.shape[0], 2 * o3_lambda + 1, x.shape[-1] * y.shape[-1])
    if l1 == 0 or l2 == 0:
        return (x[..., None] * y[..., None, :]).reshape(shape)
    table = signed(l1, l2, o3_lambda, x.dtype)
    if x.shape[-1] <= y.shape[-1]:
        rows = x.transpose(0, 2, 1)[:, None, :, None, :]
        turned = jnp.sum(rows * table.transpose(2, 1, 0)[None, :, None, :, :], axis=-1)
        return _einsum("smpb,sbq->smpq", turned, y).reshape(shape)
    rows = y.transpose(0, 2, 1)[:, None, None, :, :]
    turned = jnp.sum(rows * table.transpose(2, 0, 1)[None, :, :, None, :], axis=-1)
    return _einsum("sap,smaq->smpq", x, turned).reshape(shape)


def invariants(x: Any, y: Any, degree: int) -> Any:
    """Kernel: the products of degree zero of two harmonics of one degree."""
    factor = (-1) ** degree / (2 * degree + 1) ** 0.5
    found = factor * _einsum("smp,smq->spq", x, y)
    return found.reshape(x.shape[0], x.shape[-1] * y.shape[-1])


def coupled(x: Any, l1: int, l2: int, o3_lambda: int) -> Any:
    """Kernel: see `cg_couple`."""
    return _einsum("sabq,abm->smq", x, signed(l1, l2, o3_lambda, x.dtype))


def uncoupled(x: Any, l1: int, l2: int, o3_lambda: int) -> Any:
    """Kernel: the share of one degree in `cg_uncouple`."""
    return _einsum("smq,abm->sabq", x, signed(l1, l2, o3_lambda, x.dtype))


def signed(l1: int, l2: int, o3_lambda: int, dtype: Any) -> Any:
    """The coefficients with the sign that products have."""
    sign = (-1) ** (l1 + l2 + o3_lambda)
    return jnp.asarray((sign * cg_coefficients(l1, l2, o3_lambda)).astype(dtype))


# Checks ---------------------------------------------------------------------------------


def _check_axes(where: str, name: str, array: Any, axes: int) -> None:
    shape, dtype = getattr(array, "shape", None), getattr(array, "dtype", None)
    if shape is None or dtype is None or not jnp.issubdtype(dtype, np.inexact):
        found = type(array).__name__ if dtype is None else f"{dtype}"
        raise InvalidTypeError(
            compose(
                f"{where}: {name} is no array of floating point numbers.", f"found {found}"
            )
        )
    if len(shape) != axes:
        raise InvalidError(
            compose(f"{where}: {name} must have {axes} axes.", f"it has the shape {shape}")
        )


def _degree(where: str, name: str, shape: tuple[int, ...], axis: int) -> int:
    if shape[axis] % 2 == 0:
        raise InvalidError(
            compose(
                f"{where}: axis {axis} of {name} is not that of a harmonic.",
                f"the shape is {shape}; a harmonic of degree l has 2 l + 1 components",
            )
        )
    return (shape[axis] - 1) // 2


def _checked_degrees(where: str, l1: int, l2: int, o3_lambdas: Sequence[int]) -> list[int]:
    found = check_list(where, "o3_lambdas must be a list of degrees", o3_lambdas)
    return [check_product(where, l1, l2, degree) for degree in found]
