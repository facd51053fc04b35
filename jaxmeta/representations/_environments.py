"""Environments: the atoms that a representation looks at, and the pairs around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxmeta.atomistic.batches import Batch, check_batch
from jaxmeta.core.labels._dynamic import DynamicLabels
from jaxmeta.core.labels._labels import Labels


# Its square is a number in single precision too.
_TRACE = 1e-12


class Environments(NamedTuple):
    """Atoms with an environment, type after type, and the pairs around them.

    Arguments:
        types: those there may be, in ascending order.
        counts: how many rows each of them has, padding among them.
        samples: labels ``system, atom`` of the rows of each type.
        rows: int32 of shape (pairs,): the row of the first atom times the number of
            types, plus the position of the type of the second one. Too large for pairs
            that belong to no environment.
        vectors: (pairs, 3), from first to second atoms; none is zero.
        own_types: int32 of shape (rows,): the position of the type of each row.
    """

    types: tuple[int, ...]
    counts: tuple[Any, ...]
    samples: tuple[Labels | DynamicLabels, ...]
    rows: Any
    vectors: Any
    own_types: Any

    @property
    def n_centers(self) -> Any:
        """How many atoms have environments."""
        return sum(self.counts)

    @property
    def n_rows(self) -> Any:
        """How many rows there are for sums over pairs."""
        return self.n_centers * len(self.types)

    def of_type(self, array: Any, number: int) -> Any:
        """The rows of an array (centers, ...) that belong to one type, by its position."""
        begin = sum(self.counts[:number])
        return array[begin : begin + self.counts[number]]


def environments(batch: Batch, cutoff: float) -> Environments:
    """The environments of a batch, up to a cutoff or a little further.

    Raises:
        MissingError: where the batch has no list of pairs that reaches so far.
    """
    pairs = check_batch("representation", batch).pairs_within(cutoff)
    types = tuple(sorted(batch.centers))
    centers = [batch.centers[each] for each in types]
    counts = tuple(each.rows.shape[0] for each in centers)
    places = _places(batch, [each.rows for each in centers], sum(counts))
    kinds = _positions(batch.types, types)
    first, second = jnp.asarray(pairs.first), jnp.asarray(pairs.second)
    place = places.at[first].get(mode="fill", fill_value=sum(counts))
    kind = kinds.at[second].get(mode="fill", fill_value=0)
    return Environments(
        types,
        counts,
        tuple(each.samples for each in centers),
        place * len(types) + kind,
        apart(batch.vectors(pairs)),
        _joined(jnp.full(count, number, jnp.int32) for number, count in enumerate(counts)),
    )


def _places(batch: Batch, rows: Sequence[Any], n_centers: Any) -> Any:
    """Where each atom stands among the centers; `n_centers` if it is none."""
    order = _joined(jnp.asarray(each) for each in rows)
    places = jnp.full(batch.n_atoms, n_centers, jnp.int32)
    return places.at[order].set(jnp.arange(n_centers, dtype=jnp.int32), mode="drop")


def apart(vectors: Any) -> Any:
    """The same vectors, those of atoms in one place a trace longer, along z.

    A vector of zeros has no direction, and its norm no derivative.
    """
    trace = jnp.asarray([0.0, 0.0, _TRACE], vectors.dtype)
    together = jnp.all(vectors == 0, axis=-1, keepdims=True)
    return vectors + jnp.where(together, trace[None], jnp.zeros((), vectors.dtype))


def _joined(rows: Iterable[Any]) -> Any:
    return jnp.concatenate([jnp.zeros(0, jnp.int32), *rows])


def _positions(types: Any, known: Sequence[int]) -> Any:
    """The positions of types among those known, which are in ascending order."""
    array = jnp.asarray(types)
    above = [(array >= each).astype(jnp.int32) for each in known[1:]]
    return sum(above, start=jnp.zeros(array.shape, jnp.int32))
