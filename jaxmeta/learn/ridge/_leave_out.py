r"""All penalties from one decomposition, and the residuals of rows that are left out.

With the singular value decomposition :math:`X = U \sigma V^T` of the scaled rows, the
matrix from targets to predictions is :math:`H = U \sigma^2 / (\sigma^2 + \alpha) U^T`.
What counts is :math:`1 - H`, which loses all its digits where it is taken as a
difference and the penalty is small. So it is put together of two terms that are not
negative: :math:`(1 - U U^T) + U \alpha / (\sigma^2 + \alpha) U^T`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.learn.ridge._solvers import scaled


class PathOfBlock(NamedTuple):
    """For each penalty the weights (features, targets), and the errors (targets,)."""

    weights: Any
    leave_one_out: Any
    generalised: Any


def same_sizes(groups: np.ndarray) -> list[np.ndarray]:
    """The rows of each group, groups of one size together: arrays (groups, rows)."""
    order = np.argsort(groups, kind="stable")
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    return [
        order[starts[sizes == size][:, None] + np.arange(size)[None, :]]
        for size in np.unique(sizes)
    ]


@jax.jit
def path_of_block(
    x: Any, y: Any, weights: Any, diagonal: Any, alphas: Any, groups: list[Any]
) -> PathOfBlock:
    """The models of one block for all penalties.

    Arguments:
        x: features, of shape (rows, features).
        y: targets, of shape (rows, targets).
        weights: of the rows, of shape (rows,).
        diagonal: what multiplies the penalties, of shape (features,).
        alphas: penalties, of shape (penalties,).
        groups: rows that leave together, arrays of shape (groups, rows).
    """
    x, y = scaled(x, y, weights)
    roots = jax.lax.rsqrt(jnp.asarray(diagonal))
    u, sigma, vt = jnp.linalg.svd(x * roots[None, :], full_matrices=False)
    inside = u.T @ y
    full = u.shape[1] == u.shape[0]
    # With no more rows than features nothing is left over, exactly.
    outside = jnp.zeros_like(y) if full else y - u @ inside
    number = (weights > 0).sum().astype(x.dtype)

    def of(alpha: Any) -> PathOfBlock:
        rest = alpha / (sigma**2 + alpha)
        shrunk = (sigma / (sigma**2 + alpha))[:, None] * inside
        residuals = outside + u @ (rest[:, None] * inside)
        kept = (1 - rest).sum()
        mean = (residuals**2).sum(axis=0) / number
        left_out = jnp.zeros_like(mean)
        for rows in groups:
            left_out += _left_out(u[rows], rest, residuals[rows], full)
        return PathOfBlock(
            roots[:, None] * (vt.T @ shrunk),
            left_out / weights.sum(),
            mean / (1 - kept / number) ** 2,
        )

    return jax.lax.map(of, alphas)


def _left_out(u: Any, rest: Any, residuals: Any, full: bool) -> Any:
    """The sums of squares of what is left of groups that are left out, by target."""
    matrix = jnp.einsum("gmr,r,gnr->gmn", u, rest, u)
    if not full:
        matrix += jnp.eye(u.shape[1], dtype=u.dtype)[None]
        matrix -= jnp.einsum("gmr,gnr->gmn", u, u)
    return (jnp.linalg.solve(matrix, residuals) ** 2).sum(axis=(0, 1))
