"""Least squares with derivatives that hold for any rank, and to any order.

The derivative of the singular value decomposition, which JAX would take, is infinite
where two singular values are equal; that of the solution is not. The rule here is the
differential of the pseudo-inverse at constant rank (Golub and Pereyra, SIAM J. Numer.
Anal. 10, 413, 1973), written with the pseudo-inverse itself, so that it can be
differentiated again.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def least_squares(x: Any, y: Any, rcond: float | None) -> Any:
    """The smallest of all w that make ``|x w - y|`` smallest.

    Arguments:
        x: matrix of shape (rows, columns).
        y: matrix of shape (rows, targets).
        rcond: singular values below this fraction of the largest one count as zero;
            None is the machine precision times the larger dimension.
    """
    return jnp.linalg.lstsq(x, y, rcond=rcond)[0]


@least_squares.defjvp
def _least_squares_derivative(
    rcond: float | None, primals: Any, tangents: Any
) -> tuple[Any, Any]:
    (x, y), (dx, dy) = primals, tangents
    # A function of x alone: were it applied to tangents, its rule would be lost in
    # reverse mode, and second derivatives would be those of the decomposition.
    p = _pseudo_inverse(x, rcond)
    w = p @ y
    curved = p @ (_h(p) @ (_h(dx) @ (y - x @ w)))
    outside = _h(dx) @ (_h(p) @ w)
    return w, p @ (dy - dx @ w) + curved + outside - p @ (x @ outside)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _pseudo_inverse(x: Any, rcond: float | None) -> Any:
    cut = float(jnp.finfo(x.dtype).eps) * max(x.shape) if rcond is None else rcond
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    kept = (s > 0) & (s >= cut * s.max(initial=0))
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0)
    return (_h(vh) * inverse[None, :]) @ _h(u)


@_pseudo_inverse.defjvp
def _pseudo_inverse_derivative(
    rcond: float | None, primals: Any, tangents: Any
) -> tuple[Any, Any]:
    (x,), (dx,) = primals, tangents
    p = _pseudo_inverse(x, rcond)
    curved = p @ (_h(p) @ (_h(dx) - (_h(dx) @ x) @ p))
    outside = (_h(dx) @ _h(p)) @ p
    return p, curved + outside - p @ (x @ outside) - p @ (dx @ p)


def _h(matrix: Any) -> Any:
    return matrix.conj().T
