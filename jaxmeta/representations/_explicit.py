"""Explicit gradients: what each neighbour adds to them, a few neighbours at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.atomistic.neighbors.pairs import FAR
from jaxmeta.native.choice import in_use
from jaxmeta.representations._gradient_rows import Sizes, Terms


# A neighbour adds thousands of numbers to gradients.
_PIECE = {"cpu": 32}
_LARGE = 2**12

# Of vectors (pairs, 3) and the terms of these pairs: the derivatives, by the vectors, of
# what they add to the values, of shape (pairs, 3, numbers).
TermFunction = Callable[[Any, Terms], Any]


def explicit_gradients(
    function: TermFunction, vectors: Any, terms: Terms, sizes: Sizes, names: Sequence[str]
) -> dict[str, Any]:
    """Sums of derivatives by vectors, with respect to positions and strains.

    Arguments:
        function: the derivatives of what a term adds to the values. Where it has a method
            `native`, this gives both sums by native kernels.
        vectors: of all pairs, shape (pairs, 3).
        terms: which pairs there are, and where they add to, padded.
        sizes: how many rows of gradients there are.
        names: ``"positions"``, ``"strain"`` or both.

    Returns:
        ``positions`` of shape (sizes.rows, 3, numbers), ``strain`` of shape
        (sizes.samples, 3, 3, numbers).
    """
    native = getattr(function, "native", None)
    if native is not None and in_use(vectors.dtype):
        return _by_kernels(native, vectors, terms, sizes, names)
    size = min(_PIECE.get(jax.default_backend(), _LARGE), terms.pair.shape[0])
    shapes = {"positions": (sizes.rows, 3), "strain": (sizes.samples, 3, 3)}
    one = jax.tree.map(lambda column: column[:1], terms)
    like = jax.eval_shape(function, vectors[:1], one)
    sums = {name: jnp.zeros((*shapes[name], like.shape[-1]), like.dtype) for name in names}
    if size == 0:
        return sums

    def of_piece(sums: Any, piece: Terms) -> tuple[Any, None]:
        these = vectors.at[piece.pair].get(mode="fill", fill_value=FAR)
        slopes = function(these, piece)
        return {name: _ADD[name](sums[name], slopes, these, piece) for name in names}, None

    pieces = jax.tree.map(lambda column: _cut(column, size), terms)
    return jax.lax.scan(of_piece, sums, pieces)[0]


def _by_kernels(
    native: Callable[..., tuple[Any, Any]],
    vectors: Any,
    terms: Terms,
    sizes: Sizes,
    names: Sequence[str],
) -> dict[str, Any]:
    """Both sums at once; what was not asked for has no rows."""
    rows = sizes.rows if "positions" in names else 0
    samples = sizes.samples if "strain" in names else 0
    positions, strain = native(vectors, terms, Sizes(rows, samples))
    found = {"positions": positions, "strain": strain}
    return {name: found[name] for name in names}


def _add_to_positions(total: Any, slopes: Any, _: Any, piece: Terms) -> Any:
    total = total.at[piece.row].add(slopes, mode="drop")
    return total.at[piece.center_row].add(-slopes, mode="drop")


def _add_to_strain(total: Any, slopes: Any, vectors: Any, piece: Terms) -> Any:
    products = vectors[:, :, None, None] * slopes[:, None]
    return total.at[piece.sample].add(products, mode="drop")


_ADD = {"positions": _add_to_positions, "strain": _add_to_strain}


def _cut(column: Any, size: int) -> Any:
    """Pieces of equal size; the capacity is a multiple of it."""
    return column.reshape(-1, size, *column.shape[1:])


def whole_pieces(count: int) -> int:
    """A capacity with room for so many terms, a little more, in whole pieces."""
    piece = _PIECE.get(jax.default_backend(), _LARGE)
    return -(-max(count, 1) // piece) * piece
