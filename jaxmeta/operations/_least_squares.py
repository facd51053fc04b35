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


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _solved(x: Any, y: Any, rcond: float | None) -> Any:
    """As `least_squares`, in operations that are plainly linear in y."""
    cut = float(jnp.finfo(x.dtype).eps) * max(x.shape) if rcond is None else rcond
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    kept = s > cut * s.max(initial=0)
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0)[:, None]
    return _h(vh) @ (inverse * (_h(u) @ y))


def _derivative(rcond: float | None, primals: Any, tangents: Any) -> tuple[Any, Any]:
    (x, y), (dx, dy) = primals, tangents
    w = _solved(x, y, rcond)
    fitted = _solved(x, dy - dx @ w, rcond)
    curved = _solved(x, _solved(_h(x), _h(dx) @ (y - x @ w), rcond), rcond)
    outside = _h(dx) @ _solved(_h(x), w, rcond)
    outside = outside - _solved(x, x @ outside, rcond)
    return w, fitted + curved + outside


least_squares.defjvp(_derivative)
_solved.defjvp(_derivative)


def _h(matrix: Any) -> Any:
    return matrix.conj().T
