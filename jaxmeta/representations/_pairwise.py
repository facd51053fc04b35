"""Sums over pairs, a few hundred pairs at a time, and their derivatives of any order.

What is made of a pair is often hundreds of numbers: for all pairs at once they would not
fit into any cache, and for large systems not into memory. So pairs come in pieces: what
a piece needs of the atoms is gathered, a function is called, and what it gives is added
to the atoms. The derivative of such a sum is such a sum: where something was gathered,
its cotangent is added, and the other way round.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


# Of constants, of pairs, of what is gathered for pairs: to what pairs get, and to what is
# added to rows. All of them trees of arrays; the constants have no derivatives.
PairFunction = Callable[[Any, Any, Any], tuple[Any, Any]]

# With a few hundred numbers a pair, this much fits into the second cache of a core.
_PIECE = {"cpu": 256}
_LARGE = 2**16


def over_pairs(
    function: PairFunction,
    constants: Any,
    rows: jax.Array,
    of_pairs: Any,
    of_rows: Any,
    n_rows: Any,
) -> tuple[Any, Any]:
    """What a function gives for each pair, and the sums of what it gives for rows.

    Arguments:
        function: takes `constants`, a piece of `of_pairs`, and the rows of `of_rows` that
            belong to this piece; gives a pair of trees, with one row for each pair. The
            first stays with the pairs, the second is added up by rows. It is static: a
            function of a module, or one with a hash.
        constants: arrays for the function; no derivatives go there.
        rows: int32 of shape (pairs,): which row a pair belongs to, `n_rows` or more for
            padding.
        of_pairs: a tree of arrays of shape (pairs, ...), of floating point numbers.
        of_rows: a tree of arrays of shape (n_rows, ...), of floating point numbers.
        n_rows: how many rows there are.

    Returns:
        What stays with the pairs, and the sums: trees of arrays of shape (pairs, ...) and
        (n_rows, ...).
    """
    piece = _PIECE.get(jax.default_backend(), _LARGE)
    constants = jax.lax.stop_gradient(constants)
    return _over_pairs(function, n_rows, piece, constants, rows, of_pairs, of_rows)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _over_pairs(
    function: PairFunction,
    n_rows: Any,
    piece: int,
    constants: Any,
    rows: jax.Array,
    of_pairs: Any,
    of_rows: Any,
) -> tuple[Any, Any]:
    n_pairs = rows.shape[0]
    size = min(piece, n_pairs)
    if size == 0:
        return _of_no_pairs(function, constants, of_pairs, of_rows, n_rows)
    n_pieces = -(-n_pairs // size)

    def of_piece(sums: Any, one: tuple[Any, Any]) -> tuple[Any, Any]:
        where, of_these = one
        gathered = jax.tree.map(lambda array: _taken(array, where), of_rows)
        kept, added = function(constants, of_these, gathered)
        sums = jax.tree.map(lambda total, one: _added(total, where, one), sums, added)
        return sums, kept

    pieces = (_cut(rows, n_pieces, size, n_rows), _cut_all(of_pairs, n_pieces, size))
    _, like = _shapes(function, constants, of_pairs, of_rows)
    zeros = _zeros(like, n_rows)
    if n_pieces == 1:
        first: Any = jax.tree.map(lambda array: array[0], pieces)
        sums, kept = of_piece(zeros, first)
        return kept, sums
    scanned: Any = jax.lax.scan(of_piece, zeros, pieces)
    sums, kept = scanned
    return jax.tree.map(lambda array: _joined(array, n_pairs), kept), sums


def _forward(
    function: PairFunction,
    n_rows: Any,
    piece: int,
    constants: Any,
    rows: jax.Array,
    of_pairs: Any,
    of_rows: Any,
) -> tuple[Any, Any]:
    given = _over_pairs(function, n_rows, piece, constants, rows, of_pairs, of_rows)
    return given, (constants, rows, of_pairs, of_rows)


def _backward(
    function: PairFunction, n_rows: Any, piece: int, kept: Any, cotangents: Any
) -> tuple[Any, Any, Any, Any]:
    constants, rows, of_pairs, of_rows = kept
    for_pairs, for_rows = _over_pairs(
        _Pullback(function),
        n_rows,
        piece,
        constants,
        rows,
        (of_pairs, cotangents[0]),
        (of_rows, cotangents[1]),
    )
    return None, None, for_pairs, for_rows


_over_pairs.defvjp(_forward, _backward)


@dataclasses.dataclass(frozen=True)
class _Pullback:
    """The function of pairs that pulls cotangents back through another one."""

    function: PairFunction

    def __call__(self, constants: Any, of_pairs: Any, of_rows: Any) -> tuple[Any, Any]:
        (pairs, of_kept), (rows, of_added) = of_pairs, of_rows
        _, pull = jax.vjp(functools.partial(self.function, constants), pairs, rows)
        return pull((of_kept, of_added))


def _taken(array: jax.Array, rows: jax.Array) -> jax.Array:
    return array.at[rows].get(mode="fill", fill_value=0)


def _added(total: jax.Array, rows: jax.Array, array: jax.Array) -> jax.Array:
    return total.at[rows].add(array, mode="drop")


def _cut_all(tree: Any, n_pieces: int, size: int) -> Any:
    # Zeros would have no direction: padding repeats what the first pair has.
    return jax.tree.map(lambda array: _cut(array, n_pieces, size, None), tree)


def _cut(array: jax.Array, n_pieces: int, size: int, padding: Any) -> jax.Array:
    missing = n_pieces * size - array.shape[0]
    fill = array[:1] if padding is None else jnp.full((1,), padding, array.dtype)
    shape = (missing, *array.shape[1:])
    filled = jnp.concatenate([array, jnp.broadcast_to(fill, shape)])
    return filled.reshape(n_pieces, size, *array.shape[1:])


def _joined(pieces: jax.Array, n_pairs: int) -> jax.Array:
    return pieces.reshape(-1, *pieces.shape[2:])[:n_pairs]


def _shapes(
    function: PairFunction, constants: Any, of_pairs: Any, of_rows: Any
) -> tuple[Any, Any]:
    """What the function gives for one pair, as shapes and dtypes."""

    def one(tree: Any) -> Any:
        return jax.tree.map(
            lambda array: jax.ShapeDtypeStruct((1, *array.shape[1:]), array.dtype), tree
        )

    return jax.eval_shape(function, constants, one(of_pairs), one(of_rows))


def _of_no_pairs(
    function: PairFunction, constants: Any, of_pairs: Any, of_rows: Any, n_rows: Any
) -> tuple[Any, Any]:
    kept, added = _shapes(function, constants, of_pairs, of_rows)
    return _zeros(kept, 0), _zeros(added, n_rows)


def _zeros(shapes: Any, rows: Any) -> Any:
    return jax.tree.map(lambda one: jnp.zeros((rows, *one.shape[1:]), one.dtype), shapes)
