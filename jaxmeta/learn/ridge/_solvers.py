r"""The minimum of :math:`|X w - y|^2_W + w^T A w` by five ways, for matrices.

With the rows scaled by the roots of their weights the weights are gone, and a row of
weight zero is zero. All solvers give the weights of shape (features, targets).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxmeta.operations._least_squares import least_squares


def scaled(x: Any, y: Any, weights: Any) -> tuple[Any, Any]:
    """The rows times the roots of their weights; what does not count is zero.

    Also where it is NaN: zero times NaN were NaN.
    """
    roots = jnp.sqrt(weights)[:, None]
    there = roots > 0
    return jnp.where(there, roots * x, 0.0), jnp.where(there, roots * y, 0.0)


@partial(jax.jit, static_argnums=(0,))
def solve_rows(
    solver: str, x: Any, y: Any, weights: Any, alpha: Any, tolerance: Any, steps: Any
) -> Any:
    """The weights of a ridge regression from all of its rows.

    Arguments:
        solver: ``primal``, ``dual``, ``qr`` or ``iterative``.
        x: features, of shape (rows, features).
        y: targets, of shape (rows, targets).
        weights: of shape (rows,).
        alpha: the diagonal of the penalty, of shape (features,).
        tolerance: of the iterative solver, relative.
        steps: the most that the iterative solver may take.
    """
    x, y = scaled(x, y, weights)
    if solver == "iterative":
        return _iterative(x, y, alpha, tolerance, steps)
    return {"primal": _primal, "dual": _dual, "qr": _qr}[solver](x, y, alpha)


def _primal(x: Any, y: Any, alpha: Any) -> Any:
    return solve_normal(x.T @ x, x.T @ y, alpha)


@jax.jit
def solve_normal(gram: Any, right: Any, alpha: Any) -> Any:
    """The same from normal equations; of smallest norm where these are singular."""
    matrix = gram + jnp.diag(alpha)
    size = matrix.shape[0]
    # Features of other units are no reason to lose digits.
    diagonal = jnp.diagonal(matrix)
    scale = jnp.where(diagonal > 0, jax.lax.rsqrt(jnp.where(diagonal > 0, diagonal, 1)), 0)
    factor = jnp.linalg.cholesky(matrix * scale[:, None] * scale[None, :])
    pivots = jnp.diagonal(factor) ** 2
    sound = (pivots > jnp.finfo(matrix.dtype).eps * size).all()  # NaN is not larger

    def fast() -> Any:
        safe = jnp.where(sound, factor, jnp.eye(size, dtype=factor.dtype))
        inner = jax.scipy.linalg.cho_solve((safe, True), scale[:, None] * right)
        return scale[:, None] * inner

    return jax.lax.cond(sound, fast, partial(_smallest, matrix, right))


def _smallest(matrix: Any, right: Any) -> Any:
    """The solution of smallest norm of a system that is symmetric and singular."""
    values, vectors = jnp.linalg.eigh(matrix)
    cut = values.max(initial=0) * jnp.finfo(matrix.dtype).eps * matrix.shape[0]
    kept = values > cut
    inverse = jnp.where(kept, 1 / jnp.where(kept, values, 1), 0)
    return vectors @ (inverse[:, None] * (vectors.T @ right))


def _dual(x: Any, y: Any, alpha: Any) -> Any:
    """By the push-through identity: a system as large as there are rows."""
    roots = jax.lax.rsqrt(alpha)  # infinite, and the result NaN, where there is none
    z = x * roots[None, :]
    kernel = z @ z.T + jnp.eye(x.shape[0], dtype=x.dtype)
    factor = jnp.linalg.cholesky(kernel)
    return roots[:, None] * (z.T @ jax.scipy.linalg.cho_solve((factor, True), y))


def _qr(x: Any, y: Any, alpha: Any) -> Any:
    """By orthogonal transformations of the rows, whose products are never formed."""
    size = x.shape[1]
    penalty = jnp.diag(jnp.sqrt(alpha))
    left = jnp.concatenate([x, penalty])
    right = jnp.concatenate([y, jnp.zeros((size, y.shape[1]), y.dtype)])
    both = jnp.linalg.qr(jnp.concatenate([left, right], axis=1), mode="r")
    triangle, right = both[:size, :size], both[:size, size:]
    pivots = jnp.abs(jnp.diagonal(triangle))
    eps = jnp.finfo(x.dtype).eps
    sound = (pivots > eps * left.shape[0] * pivots.max(initial=0)).all()

    def fast() -> Any:
        safe = jnp.where(sound, triangle, jnp.eye(size, dtype=x.dtype))
        return jax.scipy.linalg.solve_triangular(safe, right)

    return jax.lax.cond(sound, fast, lambda: least_squares(triangle, right, None))


class _State(NamedTuple):
    """Where conjugate gradients are: a column for each target."""

    step: Any
    w: Any
    rest: Any
    direction: Any
    size: Any


def _iterative(x: Any, y: Any, alpha: Any, tolerance: Any, steps: Any) -> Any:
    """Conjugate gradients on the normal equations, which are never formed (CGLS).

    Hestenes and Stiefel, J. Res. Natl. Bur. Stand. 49, 409, 1952; features are divided
    by their norms. All targets go along at once, each with steps of its own. NaN where
    the tolerance is not reached.
    """
    norms = (x * x).sum(axis=0) + alpha
    scale = jax.lax.rsqrt(jnp.where(norms > 0, norms, 1.0))[:, None]
    step = partial(_conjugate_step, x, alpha[:, None], scale)
    start = jnp.zeros((x.shape[1], y.shape[1]), x.dtype)
    slope = scale * (x.T @ y)
    size = (slope**2).sum(axis=0)
    goal = tolerance**2 * size
    state = jax.lax.while_loop(
        lambda state: (state.step < steps) & (state.size > goal).any(),
        step,
        _State(jnp.zeros((), jnp.int32), start, y, slope, size),
    )
    return jnp.where((state.size <= goal)[None, :], state.w, jnp.nan)


def _conjugate_step(x: Any, penalty: Any, scale: Any, state: _State) -> _State:
    change = scale * state.direction
    moved = x @ change
    length = (moved**2).sum(axis=0) + (penalty * change**2).sum(axis=0)
    rate = _ratio(state.size, length)
    w, rest = state.w + rate * change, state.rest - rate * moved
    slope = scale * (x.T @ rest - penalty * w)
    size = (slope**2).sum(axis=0)
    direction = slope + _ratio(size, state.size) * state.direction
    return _State(state.step + 1, w, rest, direction, size)


def _ratio(a: Any, b: Any) -> Any:
    """Zero for a target that is done."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)[None, :]
