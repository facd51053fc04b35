"""One row after another: the farthest, or the one that explains most of the rest."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@partial(jax.jit, static_argnums=(1,))
def farthest(rows: Any, number: int, start: Any) -> tuple[Any, Any]:
    """Rows that are as far as possible from those chosen before.

    Arguments:
        rows: of shape (rows, columns).
        number: how many to choose, one at least.
        start: the first of them.

    Returns:
        Positions, and the distance of each from those before it; infinite for the first.
    """

    def step(state: Any, _: Any) -> Any:
        squares, chosen = state
        found = chosen, squares[chosen]
        # Differences, and not products, so that equal rows have no distance at all.
        own = ((rows - rows[chosen][None, :]) ** 2).sum(axis=1)
        squares = jnp.minimum(squares, own).at[chosen].set(-1.0)
        return (squares, jnp.argmax(squares).astype(jnp.int32)), found

    first = jnp.full(rows.shape[0], jnp.inf, rows.dtype)
    state = first, jnp.asarray(start, jnp.int32)
    _, (positions, squares) = jax.lax.scan(step, state, None, length=number)
    return positions, jnp.sqrt(squares)


def most_important(
    rows: np.ndarray, number: int, leading: int, recompute: int
) -> tuple[list[int], list[float]]:
    """Rows by their weights in the leading singular vectors of what is left.

    Arguments:
        rows: of shape (rows, columns), double precision.
        number: how many to choose, at most: fewer where the others depend on them.
        leading: how many singular vectors count.
        recompute: after how many choices the weights are computed again; zero for never.

    Returns:
        Positions, and the weight of each when it was chosen.
    """
    rest, positions, found = rows.copy(), [], []
    norms = np.linalg.norm(rows, axis=1)
    scores = np.zeros(len(rows))
    for step in range(number):
        if step == 0 or (recompute and step % recompute == 0):
            scores = _weights(rest, leading)
        independent = np.linalg.norm(rest, axis=1) > 1e-10 * norms
        independent[positions] = False
        if not independent.any():
            break
        chosen = int(np.argmax(np.where(independent, scores, -1.0)))
        positions.append(chosen)
        found.append(float(scores[chosen]))
        direction = rest[chosen] / np.linalg.norm(rest[chosen])
        rest -= (rest @ direction)[:, None] * direction[None, :]
    return positions, found


def _weights(rows: np.ndarray, leading: int) -> np.ndarray:
    """The squares of the leading left singular vectors, summed for each row."""
    import scipy.sparse.linalg  # slow to import

    linalg: Any = scipy.sparse.linalg
    wide = rows.shape[0] <= rows.shape[1]
    short = rows if wide else rows.T
    size = len(short)
    if size <= max(64, 4 * leading):
        vectors = np.linalg.eigh(short @ short.T)[1][:, -leading:]
    else:
        # Always the same start, so that the choice is always the same.
        start = np.random.default_rng(0).normal(size=size)
        operator = linalg.LinearOperator(
            (size, size), matvec=lambda v: short @ (short.T @ v), dtype=np.float64
        )
        vectors = linalg.eigsh(operator, k=leading, v0=start, tol=1e-12)[1]
    if not wide:
        vectors = rows @ vectors
        sizes = np.linalg.norm(vectors, axis=0)
        vectors = vectors / np.where(sizes > 0, sizes, 1.0)[None, :]
    return (vectors**2).sum(axis=1)
