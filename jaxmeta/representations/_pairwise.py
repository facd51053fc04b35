"""Sums over pairs, a few hundred pairs at a time, and their derivatives of any order.

What is made of a pair is often hundreds of numbers: for all pairs at once they would not
fit into any cache, and for large systems not into memory. So pairs come in pieces: what
a piece needs of the atoms is gathered, a function is called, and what it gives is added
to the atoms. The derivative of such a sum is such a sum: where something was gathered,
its cotangent is added, and the other way round.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.errors import InvalidTypeError, compose


# Of constants, of pairs, of what is gathered for pairs: to what pairs get, and to what is
# added to rows. All of them trees of arrays; the constants have no derivatives.
PairFunction = Callable[[Any, Any, Any], tuple[Any, Any]]

# With a few hundred numbers a pair, this much fits into the second cache of a core.
_PIECE = {"cpu": 256}
_LARGE = 2**16


class SumFunction(abc.ABC):
    """What is made of a piece of pairs, added to rows by itself: static, with a hash."""

    @abc.abstractmethod
    def __call__(
        self, constants: Any, rows: Any, of_pairs: Any, of_rows: Any, onto: Any, /
    ) -> tuple[Any, Any]:
        """What stays with these pairs; and the sums that there are, `onto`, with theirs.

        `of_rows` and `onto` have all rows, not only those of these pairs.
        """

    @abc.abstractmethod
    def zeros(self, constants: Any, of_pairs: Any, of_rows: Any, n_rows: Any, /) -> Any:
        """The sums over no pairs."""

    @abc.abstractmethod
    def piece(self, n_rows: Any) -> int:
        """How many pairs should come at a time."""

    @abc.abstractmethod
    def pullback(self) -> SumFunction:
        """What pulls cotangents back: of `(of_pairs, kept)` and `(of_rows, sums)`."""


def over_pairs(
    function: PairFunction | SumFunction,
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
            function of a module, or one with a hash. Or one that adds by itself.
        constants: arrays for the function; no derivatives go there.
        rows: int32 of shape (pairs,): which row a pair belongs to, `n_rows` or more for
            padding.
        of_pairs: a tree of arrays of shape (pairs, ...), of floating point numbers.
        of_rows: a tree of arrays of shape (n_rows, ...), of floating point numbers.
        n_rows: how many rows there are.

    Returns:
        What stays with the pairs, and the sums: trees of arrays of shape (pairs, ...) and
        (n_rows, ...).

    Raises:
        InvalidTypeError: for derivatives in forward mode, outside of compiled functions.
    """
    summing = function if isinstance(function, SumFunction) else Scattered(function)
    constants = jax.lax.stop_gradient(constants)
    try:
        return _over_pairs(summing, n_rows, constants, rows, of_pairs, of_rows)
    except TypeError as error:
        # Within compiled functions JAX finds out when nothing is left of this call.
        if "custom_vjp" not in str(error) or isinstance(error, InvalidTypeError):
            raise
        raise InvalidTypeError(
            compose(
                "densities of neighbours have derivatives in reverse mode only.",
                "jax.jvp, jax.jacfwd and jax.hessian go forwards (through a custom_vjp)",
                remedy="use jax.vjp, jax.jacrev, or jax.jacrev of jax.grad for second "
                "derivatives.",
            )
        ) from error


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _over_pairs(
    function: SumFunction,
    n_rows: Any,
    constants: Any,
    rows: jax.Array,
    of_pairs: Any,
    of_rows: Any,
) -> tuple[Any, Any]:
    n_pairs = rows.shape[0]
    size = function.piece(n_rows)
    zeros = function.zeros(constants, of_pairs, of_rows, n_rows)
    is_known = isinstance(n_pairs, int)  # a symbol in programs for any number
    if is_known and n_pairs <= size:
        return function(constants, rows, of_pairs, of_rows, zeros)
    n_pieces = -(-n_pairs // size)
    size = -(-n_pairs // n_pieces) if is_known else size

    def of_piece(sums: Any, one: tuple[Any, Any]) -> tuple[Any, Any]:
        where, of_these = one
        kept, sums = function(constants, where, of_these, of_rows, sums)
        return sums, kept

    pieces = (_cut(rows, n_pieces, size, n_rows), _cut_all(of_pairs, n_pieces, size))
    scanned: Any = jax.lax.scan(of_piece, zeros, pieces)
    sums, kept = scanned
    return jax.tree.map(lambda array: _joined(array, n_pairs), kept), sums


def _forward(
    function: SumFunction,
    n_rows: Any,
    constants: Any,
    rows: jax.Array,
    of_pairs: Any,
    of_rows: Any,
) -> tuple[Any, Any]:
    given: Any = _over_pairs(function, n_rows, constants, rows, of_pairs, of_rows)
    return given, (constants, rows, of_pairs, of_rows)


def _backward(
    function: SumFunction, n_rows: Any, kept: Any, cotangents: Any
) -> tuple[Any, Any, Any, Any]:
    constants, rows, of_pairs, of_rows = kept
    pulled: Any = _over_pairs(
        function.pullback(),
        n_rows,
        constants,
        rows,
        (of_pairs, cotangents[0]),
        (of_rows, cotangents[1]),
    )
    for_pairs, for_rows = pulled
    return None, None, for_pairs, for_rows


_over_pairs.defvjp(_forward, _backward)


@dataclasses.dataclass(frozen=True)
class Scattered(SumFunction):
    """A function of pairs: gathers what it needs of rows, adds what it gives to them."""

    function: PairFunction

    def __call__(
        self, constants: Any, rows: Any, of_pairs: Any, of_rows: Any, onto: Any
    ) -> tuple[Any, Any]:
        """One addition to a row after another, by XLA."""
        gathered = jax.tree.map(lambda array: _taken(array, rows), of_rows)
        kept, added = self.function(constants, of_pairs, gathered)
        return kept, jax.tree.map(lambda total, one: _added(total, rows, one), onto, added)

    def zeros(self, constants: Any, of_pairs: Any, of_rows: Any, n_rows: Any) -> Any:
        """As many numbers a row as the function gives for a pair."""
        _, like = _shapes(self.function, constants, of_pairs, of_rows)
        return _zeros(like, n_rows)

    def piece(self, n_rows: Any) -> int:
        """Few pairs, of which each has hundreds of numbers."""
        return _PIECE.get(jax.default_backend(), _LARGE)

    def pullback(self) -> Scattered:
        """Where something was gathered its cotangent is added, and the other way round."""
        return Scattered(_Pullback(self.function))


@dataclasses.dataclass(frozen=True)
class _Pullback:
    """The function of pairs that pulls cotangents back through another one."""

    function: PairFunction

    def __call__(self, constants: Any, of_pairs: Any, of_rows: Any) -> tuple[Any, Any]:
        (pairs, of_kept), (rows, of_added) = of_pairs, of_rows
        _, pull = jax.vjp(functools.partial(self.function, constants), pairs, rows)
        return pull((of_kept, of_added))


@dataclasses.dataclass(frozen=True)
class Pulled(SumFunction):
    """The pullback of a function that adds by itself, by the rules that JAX knows for it.

    What it adds to rows, if anything, is made for all of them at each piece: pieces have
    several times more pairs than there are rows, so that this does not count.
    """

    function: SumFunction
    order: int = 1

    def __call__(
        self, constants: Any, rows: Any, of_pairs: Any, of_rows: Any, onto: Any
    ) -> tuple[Any, Any]:
        """Cotangents for pairs, and the sums of those for rows."""
        (pairs, of_kept), (inner, of_sums) = of_pairs, of_rows
        zeros = jax.tree.map(jnp.zeros_like, of_sums)

        def of_both(pairs: Any, inner: Any) -> tuple[Any, Any]:
            return self.function(constants, rows, pairs, inner, zeros)

        _, pull = jax.vjp(of_both, pairs, inner)
        for_pairs, for_rows = pull((of_kept, of_sums))
        return for_pairs, jax.tree.map(jnp.add, onto, for_rows)

    def zeros(self, constants: Any, of_pairs: Any, of_rows: Any, n_rows: Any) -> Any:
        """Zeros for what the function takes of rows."""
        return jax.tree.map(jnp.zeros_like, of_rows[0])

    def piece(self, n_rows: Any) -> int:
        """More than rows, from the second order on."""
        few = self.function.piece(n_rows)
        return few if self.order == 1 else max(few, 4 * n_rows)

    def pullback(self) -> Pulled:
        """The next order."""
        return Pulled(self, self.order + 1)


def _taken(array: jax.Array, rows: jax.Array) -> jax.Array:
    return array.at[rows].get(mode="fill", fill_value=0)


def _added(total: jax.Array, rows: jax.Array, array: jax.Array) -> jax.Array:
    return total.at[rows].add(array, mode="drop")


def _cut_all(tree: Any, n_pieces: Any, size: Any) -> Any:
    # Zeros would have no direction: padding repeats what the first pair has.
    return jax.tree.map(lambda array: _cut(array, n_pieces, size, None), tree)


def _cut(array: jax.Array, n_pieces: Any, size: Any, padding: Any) -> jax.Array:
    missing = n_pieces * size - array.shape[0]
    fill = array[:1] if padding is None else jnp.full((1,), padding, array.dtype)
    shape = (missing, *array.shape[1:])
    filled = jnp.concatenate([array, jnp.broadcast_to(fill, shape)])
    return filled.reshape(n_pieces, size, *array.shape[1:])


def _joined(pieces: jax.Array, n_pairs: Any) -> jax.Array:
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


def _zeros(shapes: Any, rows: Any) -> Any:
    return jax.tree.map(lambda one: jnp.zeros((rows, *one.shape[1:]), one.dtype), shapes)
