"""Capacities for batches: a few, so that little is compiled, and tight, so that little is
wasted.

A function that JAX has compiled serves all batches of equal capacities. Structures differ
in size, so do batches. A few capacities are chosen from the data: random batches are put
in order of size and divided into groups, such that giving every batch the room that its
group needs wastes least (by dynamic programming).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxmeta.core import TensorMap
from jaxmeta.core.layouts._layout import Layout
from jaxmeta.data._forms import SAMPLES, Room, Slot, common_form, form_of, row_sizes
from jaxmeta.data._stacking import Stack
from jaxmeta.data.grouping import columns_of, is_array
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


_BATCHES = 256
_MOST_BUCKETS = 8
_HEADROOM = 1.02


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Room for one batch.

    Arguments:
        rooms: for each field that is a map the rows of its values, under ``"samples"``,
            and of each of its gradients, by name, one number for each block; for a field
            of arrays the rows under ``"samples"``.
        forms: what batches of each map look like apart from rows.
        size: bytes that such a batch takes.
    """

    rooms: Mapping[str, Room]
    forms: Mapping[str, Layout] = dataclasses.field(default_factory=dict, repr=False)
    size: int = 0

    def lacks(self, needed: Mapping[Slot, int]) -> list[tuple[Slot, int]]:
        """Where there is too little room, and how much there is."""
        return [
            (slot, room)
            for slot, rows in needed.items()
            if rows > (room := self.rooms[slot.field][slot.parameter][slot.block])
        ]


def buckets(
    dataset: Any,
    batch_size: int,
    number: int | None = None,
    *,
    fill: float = 0.8,
    seed: int = 0,
) -> tuple[Bucket, ...]:
    """A few capacities that suit random batches of a data set.

    Every structure is read once, and the rows of its maps and arrays are counted. The
    last bucket has room for the largest structures all in one batch, so that no batch of
    this size overflows; it is rarely used, and what is not used is never compiled.

    Arguments:
        dataset: what has a length and gives samples: named tuples.
        batch_size: structures in a batch.
        number: how many buckets there are besides the last one. By default as many as
            it takes to reach `fill`, up to 8.
        fill: the least share of rows in use, by bytes and on average over batches, that
            is aimed at where `number` is not given.
        seed: of the random batches.

    Returns:
        Buckets from small to large.

    Raises:
        InvalidError: for a data set without structures or without maps and arrays, a
            size or number below one, or a `fill` that is not between 0 and 1.
        NotEqualError: for structures whose maps are of different kinds.

    Example:
        >>> from jaxmeta.core import Labels, TensorBlock
        >>> from jaxmeta.data.datasets import Dataset
        >>> def of(system):
        ...     rows = Labels(["system", "atom"], [[system, i] for i in range(system + 1)])
        ...     block = TensorBlock(np.ones((system + 1, 1)), rows, [], Labels.single())
        ...     return TensorMap(Labels.single(), [block])
        >>> found = buckets(Dataset(charges=[of(i) for i in range(4)]), 2, number=1)
        >>> [bucket.rooms["charges"]["samples"] for bucket in found]
        [(7,)]
    """
    _check("batch_size", batch_size)
    _check("number", 1 if number is None else number)
    if not 0 < fill < 1:
        raise InvalidError(compose("buckets: fill is between 0 and 1.", f"found {fill}"))
    census = _Census(dataset)
    sums = census.batches(batch_size, seed)
    largest = np.sort(census.counts, axis=0)[-batch_size:].sum(axis=0)
    rooms = _chosen(sums, census.bytes, number, fill)
    rooms = np.minimum(np.ceil(rooms * _HEADROOM).astype(np.int64), largest)
    rooms = np.unique(np.maximum([*rooms, largest], 1), axis=0)
    order = np.argsort(rooms @ census.bytes, kind="stable")
    return tuple(census.bucket(one) for one in rooms[order])


def _check(what: str, number: int) -> None:
    if number < 1:
        raise InvalidError(compose(f"buckets: {what} is at least 1.", f"found {number}"))


class _Census:
    """The rows of every structure of a data set, slot by slot."""

    def __init__(self, dataset: Any) -> None:
        samples = [dataset[i] for i in range(len(dataset))]
        if not samples:
            raise InvalidError(compose("buckets: there are no structures."))
        columns_of("buckets", samples)
        self.forms = _forms(samples)
        self.slots = _slots(samples[0], self.forms)
        if not self.slots:
            raise InvalidError(
                compose(
                    "buckets: no field of the data set holds maps or arrays.",
                    f"the fields are {list(samples[0]._fields)}",
                )
            )
        self.bytes = np.array(list(self.slots.values()), np.int64)
        self.counts = np.array([self._row(sample) for sample in samples], np.int64)

    def _row(self, sample: Any) -> list[int]:
        found: dict[Slot, int] = {}
        for name, entry in zip(sample._fields, sample, strict=True):
            if isinstance(entry, TensorMap):
                found |= Stack(name, self.forms[name], [entry]).rows()
            elif is_array(entry):
                found[Slot(name, SAMPLES, 0)] = rows_of(entry)
        return [found[slot] for slot in self.slots]

    def batches(self, batch_size: int, seed: int) -> np.ndarray:
        """The rows of random batches, as a shuffled data set has them."""
        random = np.random.default_rng(seed)
        total = len(self.counts)
        size = min(batch_size, total)
        found: list[np.ndarray] = []
        while len(found) < _BATCHES:
            order = random.permutation(total)
            parts = order[: total // size * size].reshape(-1, size)
            found += list(self.counts[parts].sum(axis=1))
        return np.array(found[:_BATCHES])

    def bucket(self, rooms: np.ndarray) -> Bucket:
        """The bucket with these rows."""
        found: dict[str, dict[str, list[int]]] = {}
        for slot, rows in zip(self.slots, rooms.tolist(), strict=True):
            found.setdefault(slot.field, {}).setdefault(slot.parameter, []).append(rows)
        tuples = {f: {p: tuple(r) for p, r in of.items()} for f, of in found.items()}
        return Bucket(tuples, self.forms, int(rooms @ self.bytes))


def _forms(samples: Sequence[Any]) -> dict[str, Layout]:
    """For each field of maps what they have in common."""
    return {
        name: common_form(name, [form_of(sample[i]) for sample in samples])
        for i, name in enumerate(samples[0]._fields)
        if isinstance(samples[0][i], TensorMap)
    }


def _slots(sample: Any, forms: Mapping[str, Layout]) -> dict[Slot, int]:
    """What needs room, and the bytes of a row of it."""
    found: dict[Slot, int] = {}
    for name, entry in zip(sample._fields, sample, strict=True):
        if isinstance(entry, TensorMap):
            itemsize = 8 if entry.dtype is None else np.dtype(entry.dtype).itemsize
            found |= row_sizes(name, forms[name], itemsize)
        elif is_array(entry):
            row = np.atleast_2d(np.asarray(entry))[:1]
            shape = np.atleast_2d(np.asarray(entry)).shape[1:]
            found[Slot(name, SAMPLES, 0)] = max(1, math.prod(shape) * row.itemsize)
    return found


def rows_of(array: Any) -> int:
    """The rows of an array; one where it has one axis or none."""
    return array.shape[0] if array.ndim > 1 else 1


# Choosing --------------------------------------------------------------------------------


def _chosen(
    sums: np.ndarray, sizes: np.ndarray, number: int | None, fill: float
) -> np.ndarray:
    """The rooms of groups of batches: of so many, or of as few as reach the fill."""
    order = np.argsort(sums @ sizes, kind="stable")
    sums = sums[order]
    used = float((sums @ sizes).sum())
    waste = _costs(sums, sizes)
    # Batches to come are not those that were drawn: aim a little higher.
    wanted = fill + (1 - fill) / 4
    groups = []
    for count in [number] if number else range(1, _MOST_BUCKETS + 1):
        groups, cost = _divided(waste, min(count, len(sums)))
        if used >= wanted * cost:
            break
    return np.array([sums[i:j].max(axis=0) for i, j in groups])


def _costs(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Bytes of the batches from i up to and without j, in one group."""
    total = len(sums)
    costs = np.full((total + 1, total + 1), np.inf)
    for i in range(total):
        rooms = np.maximum.accumulate(sums[i:], axis=0) @ sizes
        costs[i, i + 1 :] = rooms * np.arange(1, total - i + 1)
    return costs


def _divided(costs: np.ndarray, groups: int) -> tuple[list[tuple[int, int]], float]:
    """The cheapest division into groups of neighbours, and what it costs."""
    total = len(costs) - 1
    best = costs[0]
    begins: list[np.ndarray] = []
    for _ in range(groups - 1):
        every = best[:, None] + costs
        begins.append(np.argmin(every, axis=0))
        best = np.min(every, axis=0)
    found, end = [], total
    for begin in reversed(begins):
        found.append((int(begin[end]), end))
        end = int(begin[end])
    return [(0, end), *reversed(found)], float(best[total])


# What users give -------------------------------------------------------------------------


def checked_buckets(given: Any) -> tuple[Bucket, ...]:
    """Buckets, from one, several, or a dictionary of capacities by field."""
    several = [given] if isinstance(given, Bucket | Mapping) else given
    if not isinstance(several, Sequence) or not several or isinstance(several, str):
        raise InvalidTypeError(
            compose(
                "collate: capacities are a dictionary by field, or buckets.",
                f"found {given!r:.100}",
                remedy='buckets(dataset, batch_size), or {"energy": {"samples": 8}}.',
            )
        )
    return tuple(one if isinstance(one, Bucket) else Bucket(_rooms(one)) for one in several)


def _rooms(given: Any) -> dict[str, Room]:
    if not isinstance(given, Mapping):
        raise InvalidTypeError(
            compose(
                "collate: capacities are a dictionary by field.", f"found {given!r:.100}"
            )
        )
    found = {}
    for field, rows in given.items():
        by_name = rows if isinstance(rows, Mapping) else {SAMPLES: rows}
        found[field] = {name: _numbers(field, one) for name, one in by_name.items()}
    return found


def _numbers(field: str, rows: Any) -> tuple[int, ...]:
    numbers = tuple(rows) if isinstance(rows, list | tuple) else (rows,)
    for number in numbers:
        whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
        if not whole or number < 0:
            raise InvalidTypeError(
                compose(
                    f"collate: a capacity of {field!r} must be an integer, or one for "
                    "each block.",
                    f"found {rows!r:.100}",
                )
            )
    return tuple(int(number) for number in numbers)
