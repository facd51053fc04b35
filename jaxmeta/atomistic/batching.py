"""to_batch: systems as one batch; Room: how many rows batches of one shape have."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxmeta.atomistic._batch_data import joined_data
from jaxmeta.atomistic.batches import Batch, Centers
from jaxmeta.atomistic.neighbors.lists import batched_neighbor_pairs
from jaxmeta.atomistic.neighbors.options import NeighborListOptions
from jaxmeta.atomistic.neighbors.pairs import Pairs
from jaxmeta.atomistic.systems import System
from jaxmeta.core import DynamicLabels, Labels
from jaxmeta.core.labels._dynamic import padded_rows
from jaxmeta.core.layouts._precision import check_dtype, dtype_of
from jaxmeta.errors import InvalidError, InvalidTypeError, choices, compose


ROUNDED = "rounded"

_WHERE = "to_batch"
_OF_PADDING = -1  # no type


@dataclasses.dataclass(frozen=True)
class Room:
    """How many rows batches have: those with the same room share compiled programs.

    Arguments:
        systems: rows of systems.
        atoms: rows of atoms.
        pairs: rows of each list of pairs.
        centers: by type, how many atoms of this type there may be.

    Example:
        >>> small, large = Room(1, 3, 6, {1: 2, 8: 1}), Room(2, 4, 2, {1: 4})
        >>> Room.largest([small, large])
        Room(systems=2, atoms=4, pairs=6, centers={1: 4, 8: 1})
    """

    systems: int
    atoms: int
    pairs: int
    centers: Mapping[int, int]

    def __post_init__(self) -> None:
        counts = [self.systems, self.atoms, self.pairs, *self.centers.values()]
        if not all(isinstance(n, int | np.integer) and n >= 0 for n in counts):
            raise InvalidError(
                compose("Room: numbers of rows are not negative.", f"found {self}")
            )

    @classmethod
    def largest(cls, rooms: Iterable[Room]) -> Room:
        """The smallest room that has room for each of several."""
        found = list(rooms)
        if not found:
            raise InvalidError(compose("Room.largest: there is no room among these."))
        types = sorted({t for room in found for t in room.centers})
        return cls(
            max(room.systems for room in found),
            max(room.atoms for room in found),
            max(room.pairs for room in found),
            {t: max(room.centers.get(t, 0) for room in found) for t in types},
        )

    def rounded(self, factor: float = 1.2) -> Room:
        """The same or more, so that similar batches have equal room: powers of a factor."""
        return Room(
            rounded_up(self.systems, factor),
            rounded_up(self.atoms, factor),
            rounded_up(self.pairs, factor),
            {each: rounded_up(count, factor) for each, count in self.centers.items()},
        )

    @classmethod
    def of(cls, batch: Batch) -> Room:
        """As many rows as a batch has, padding among them."""
        return cls(
            batch.n_systems,
            batch.n_atoms,
            max((len(pairs) for pairs in batch.pairs.values()), default=0),
            {t: each.rows.shape[0] for t, each in batch.centers.items()},
        )


def rounded_up(rows: int, factor: float = 1.2) -> int:
    """The next power of the factor, from 8 on, that is at least as large; in eights."""
    if rows == 0:
        return 0
    size = 8.0
    while math.ceil(size) < rows:
        size *= factor
    # Parts of arrays that begin at such rows are aligned in memory.
    return math.ceil(size / 8) * 8


def to_batch(
    systems: System | Sequence[System],
    cutoff: float | NeighborListOptions | Sequence[float | NeighborListOptions] = (),
    *,
    types: Sequence[int] | None = None,
    room: Room | str | None = None,
    dtype: Any = None,
) -> Batch:
    """Systems as one batch, with their lists of neighbours, on the device.

    Atoms stand one system after another, in the order of the systems. Pairs are ordered by
    first atom, type of the second one, second atom. The number of a system in the batch is
    its label.

    Arguments:
        systems: one or several, of one dtype, outside of traced functions.
        cutoff: how far neighbours are apart, or what models ask for; full lists of pairs
            for numbers. Several make several lists.
        types: the types that models know, in ascending order; atoms of another type are
            refused. Those of the systems by default.
        room: rows that there should be, for compiled programs; the labels are dynamic
            then, padding comes last. ``"rounded"`` takes what there is, and a little more,
            so that few programs are compiled. Static labels and no padding by default.
        dtype: convert floating numbers to this dtype, on purpose.

    Raises:
        InvalidError: for no systems, systems of several dtypes, too little room (the
            message says how much it takes), types that are not known, and lists of pairs
            that are too long for memory.
        InvalidTypeError: for what is no system.
        PrecisionError: for float64 while JAX runs without x64.
        MissingExtraError: where there is neither a C++ compiler nor vesin.

    Example:
        >>> dimer = System([[0.0, 0, 0], [0, 0, 1]], [1, 8])
        >>> batch = to_batch([dimer, dimer], cutoff=2.0)
        >>> batch.atoms.values.tolist()
        [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> batch.pairs_within(2.0).second.tolist()
        [1, 0, 3, 2]
        >>> room = Room(systems=3, atoms=8, pairs=8, centers={1: 4, 8: 4})
        >>> to_batch([dimer, dimer], cutoff=2.0, room=room).positions.shape
        (8, 3)
    """
    return jax.device_put(host_batch(systems, cutoff, types=types, room=room, dtype=dtype))


def host_batch(
    systems: System | Sequence[System],
    cutoff: float | NeighborListOptions | Sequence[float | NeighborListOptions] = (),
    *,
    types: Sequence[int] | None = None,
    room: Room | str | None = None,
    dtype: Any = None,
) -> Batch:
    """As `to_batch`, with arrays of numpy: for programs that are called with it once."""
    given = _checked_systems(systems)
    dtype = _common_dtype(given, dtype)
    arrays = _Arrays(given, dtype)
    if isinstance(room, str) and room != ROUNDED:
        raise InvalidError(compose(f"{_WHERE}: {choices(room, [ROUNDED])}."))
    known = _known_types(arrays.types, types, room if isinstance(room, Room) else None)
    lists = {asked: arrays.pairs(asked) for asked in _options(cutoff)}
    if room == ROUNDED:
        room = _needed(arrays, known, lists).rounded()
    if isinstance(room, Room):
        _check_room(room, arrays, lists)
        data = joined_data(given, dtype, room)
        return arrays.padded(room, known, lists, data)
    return arrays.batch(known, lists, joined_data(given, dtype, None))


class _Arrays:
    """What all systems have, one after another, in numpy."""

    def __init__(self, systems: Sequence[System], dtype: Any) -> None:
        self.sizes = np.array([len(system) for system in systems], np.int32)
        self.positions = np.concatenate([np.asarray(s.positions) for s in systems])
        self.types = np.concatenate([np.asarray(s.types) for s in systems])
        self.cells = np.stack([np.asarray(s.cell) for s in systems])
        self.pbc = np.stack([np.asarray(s.pbc) for s in systems])
        self.dtype = dtype
        numbers = np.arange(len(systems), dtype=np.int32)
        self.owners = np.repeat(numbers, self.sizes)
        begins = np.cumsum(self.sizes) - self.sizes
        within = np.arange(len(self.types)) - np.repeat(begins, self.sizes)
        self.atoms = np.stack([self.owners, within.astype(np.int32)], axis=1)
        self.systems = numbers[:, None]

    def pairs(self, asked: NeighborListOptions) -> Pairs:
        return batched_neighbor_pairs(
            self.positions, self.cells, self.pbc, self.sizes, asked, types=self.types
        )

    def batch(self, known: Sequence[int], lists: dict[Any, Pairs], data: Any) -> Batch:
        """Exactly these systems, with static labels."""
        names = ["system", "atom"]
        centers = {}
        for each in known:
            rows = np.flatnonzero(self.types == each).astype(np.int32)
            labels = Labels(names, self.atoms[rows], assume_unique=True)
            centers[each] = Centers(rows, labels)
        return Batch(
            self.positions.astype(self.dtype),
            self.cells.astype(self.dtype),
            self.pbc,
            self.types,
            self.owners,
            Labels("system", self.systems, assume_unique=True),
            Labels(names, self.atoms, assume_unique=True),
            lists,
            centers,
            data,
        )

    def padded(
        self, room: Room, known: Sequence[int], lists: dict[Any, Pairs], data: Any
    ) -> Batch:
        """The same with padding, and dynamic labels."""
        n_atoms, n_systems = room.atoms, room.systems
        return Batch(
            _filled(self.positions.astype(self.dtype), n_atoms, 0),
            _filled(self.cells.astype(self.dtype), n_systems, 0),
            _filled(self.pbc, n_systems, False),
            _filled(self.types, n_atoms, _OF_PADDING),
            _filled(self.owners, n_atoms, n_systems),
            DynamicLabels("system", padded_rows(self.systems, n_systems, "systems")),
            DynamicLabels(["system", "atom"], padded_rows(self.atoms, n_atoms, "atoms")),
            {
                asked: _padded_pairs(pairs, len(self.types), room)
                for asked, pairs in lists.items()
            },
            {each: self._centers(each, room) for each in known},
            data,
        )

    def _centers(self, center_type: int, room: Room) -> Centers:
        rows = np.flatnonzero(self.types == center_type).astype(np.int32)
        size = room.centers.get(center_type, 0)
        labels = padded_rows(self.atoms[rows], size, f"centers of type {center_type}")
        samples = DynamicLabels(["system", "atom"], labels)
        return Centers(_filled(rows, size, room.atoms), samples)


def _filled(array: np.ndarray, size: int, value: Any) -> np.ndarray:
    padding = np.full((size - len(array), *array.shape[1:]), value, array.dtype)
    return np.concatenate([array, padding])


def _padded_pairs(pairs: Pairs, n_atoms: int, room: Room) -> Pairs:
    return Pairs(
        _filled(np.asarray(pairs.first), room.pairs, room.atoms),
        _filled(np.asarray(pairs.second), room.pairs, room.atoms),
        _filled(np.asarray(pairs.shifts), room.pairs, 0),
    )


def _check_room(room: Room, arrays: _Arrays, lists: Mapping[Any, Pairs]) -> None:
    needed = _needed(arrays, np.unique(arrays.types).tolist(), lists)
    if Room.largest([room, needed]) != Room.largest([room]):
        raise InvalidError(
            compose(
                f"{_WHERE}: there is too little room.",
                f"found {room}",
                f"it takes {needed}",
                remedy="Room.largest([room, needed]) has room for both.",
            )
        )


def _needed(arrays: _Arrays, types: Sequence[int], lists: Mapping[Any, Pairs]) -> Room:
    return Room(
        len(arrays.sizes),
        len(arrays.types),
        max((len(pairs) for pairs in lists.values()), default=0),
        {each: int((arrays.types == each).sum()) for each in types},
    )


def _checked_systems(systems: Any) -> list[System]:
    given = [systems] if isinstance(systems, System) else list(systems)
    if not given:
        raise InvalidError(compose(f"{_WHERE}: there are no systems."))
    for index, system in enumerate(given):
        if not isinstance(system, System):
            raise InvalidTypeError(
                compose(
                    f"{_WHERE}: entry {index} is no System.",
                    f"found {type(system).__module__}.{type(system).__name__}",
                    remedy="jaxmeta.interop.ase.to_system makes one of an ase.Atoms.",
                )
            )
    return given


def _common_dtype(systems: Sequence[System], dtype: Any) -> Any:
    if dtype is None:
        found = {system.positions.dtype.name for system in systems}
        if len(found) > 1:
            raise InvalidError(
                compose(
                    f"{_WHERE}: the dtypes of the systems differ.",
                    f"found {', '.join(sorted(found))}",
                    remedy="choose one with dtype=...",
                )
            )
        dtype = found.pop()
    dtype = dtype_of(_WHERE, dtype)
    check_dtype(dtype, _WHERE, 'convert on purpose: to_batch(..., dtype="float32").')
    return dtype


def _known_types(
    there: np.ndarray, types: Sequence[int] | None, room: Room | None
) -> list[int]:
    found = np.unique(there).tolist()
    if types is None and room is None:
        return found
    known = sorted(room.centers if types is None and room is not None else types or ())
    unknown = sorted(set(found) - set(known))
    if unknown:
        row = int(np.flatnonzero(there == unknown[0])[0])
        raise InvalidError(
            compose(
                f"{_WHERE}: there are atoms of types that are not known.",
                f"atom {row} of all is of type {unknown[0]}; known are {known}",
                remedy="use a model that was made for these types.",
            )
        )
    return known


def _options(cutoff: Any) -> list[NeighborListOptions]:
    given = [cutoff] if isinstance(cutoff, int | float | NeighborListOptions) else cutoff
    return sorted(
        {
            each if isinstance(each, NeighborListOptions) else NeighborListOptions(each)
            for each in given
        }
    )
