"""Rows of blocks of pairs where pairs are traced: packed, with padding behind them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.neighbors.pairs import Pairs
from jaxmeta.core import PADDING, DynamicLabels
from jaxmeta.core.device._device_checks import guarded, mode, too_small
from jaxmeta.representations._pair_rows import NAMES, PairChoice, half, is_reverse


class TracedPairs(NamedTuple):
    """The pairs of a list, and each atom with itself, if there are such pairs.

    Arguments:
        types: those there may be, in ascending order.
        labels: (rows, 6), padding where a row does not count.
        kinds: (rows, 2), the types of both atoms; -1 where a row does not count.
        choice: which pairs there are.
    """

    types: tuple[int, ...]
    labels: Any
    kinds: Any
    choice: PairChoice

    @classmethod
    def of(cls, batch: Batch, pairs: Pairs, near: Any, choice: PairChoice) -> TracedPairs:
        """The pairs that are near enough, of which the first atom has an environment."""
        first, second = jnp.asarray(pairs.first), jnp.asarray(pairs.second)
        shifts, there = jnp.asarray(pairs.shifts), jnp.asarray(near)
        if choice.own:
            alone = jnp.arange(batch.n_atoms, dtype=jnp.int32)
            first, second = (jnp.concatenate([a, alone]) for a in (first, second))
            none = jnp.zeros((batch.n_atoms, 3), jnp.int32)
            shifts = jnp.concatenate([shifts, none])
            there = jnp.concatenate([there, jnp.ones(batch.n_atoms, bool)])
        there = there & _rows(_chosen(batch), first, False)
        types = jnp.asarray(batch.types)
        kinds = jnp.stack([_rows(types, first, -1), _rows(types, second, -1)], axis=1)
        if not choice.full:
            there = there & half(kinds, is_reverse(first, second, shifts))
        atoms = jnp.asarray(batch.atoms.values)
        columns = [
            _rows(atoms, first, PADDING),
            _rows(atoms, second, PADDING)[:, 1:],
            shifts,
        ]
        labels = jnp.concatenate(columns, axis=1)
        return cls(
            tuple(sorted(batch.centers)),
            jnp.where(there[:, None], labels, jnp.int32(PADDING)),
            jnp.where(there[:, None], kinds, jnp.int32(-1)),
            choice,
        )

    def without_own(self, n_pairs: int) -> TracedPairs:
        """The same but for atoms with themselves."""
        return self._replace(labels=self.labels[:n_pairs], kinds=self.kinds[:n_pairs])

    def joined(self, values: Any, own: Any) -> Any:
        """The values of the pairs of the list, then those of atoms with themselves."""
        missing = self.labels.shape[0] - values.shape[0]
        alone = jnp.broadcast_to(own, (missing, own.shape[0]))
        return jnp.concatenate([values, alone])

    def blocks(
        self, operation: str, values: Any, capacity: Mapping[tuple[int, int], int]
    ) -> dict[tuple[int, int], tuple[DynamicLabels, Any]]:
        """By types of both atoms, samples and values."""
        found = {}
        for key in [(a, b) for a in self.types for b in self.types]:
            if self.choice.full or key[0] <= key[1]:
                room = capacity.get(key, self.labels.shape[0])
                found[key] = self._block(operation, values, key, room)
        return found

    def _block(
        self, operation: str, values: Any, key: tuple[int, int], room: int
    ) -> tuple[DynamicLabels, Any]:
        there = (self.kinds[:, 0] == key[0]) & (self.kinds[:, 1] == key[1])
        outside = self.labels.shape[0]
        (rows,) = jnp.nonzero(there, size=room, fill_value=outside)
        samples = DynamicLabels(NAMES, _rows(self.labels, rows, PADDING))
        packed = _rows(values, rows, 0)
        if room < outside:
            what = functools.partial(_too_small, operation, key)
            needed = there.sum(dtype=jnp.int32)
            message = None if mode() == "nan" else what
            packed = guarded(packed, needed > room, message, needed, jnp.int32(room))
        return samples, packed


def _too_small(operation: str, key: tuple[int, int], needed: int, capacity: int) -> str:
    return too_small(operation, f"pairs of types {key[0]}, {key[1]}", needed, capacity)


def _chosen(batch: Batch) -> Any:
    """Which atoms have an environment."""
    chosen = jnp.zeros(batch.n_atoms, bool)
    for each in batch.centers.values():
        chosen = chosen.at[jnp.asarray(each.rows)].set(True, mode="drop")
    return chosen


def _rows(array: Any, rows: Any, missing: Any) -> Any:
    if array.shape[0] == 0:
        shape = (*rows.shape, *array.shape[1:])
        return jnp.full(shape, missing, array.dtype)
    return array.at[rows].get(mode="fill", fill_value=missing)
