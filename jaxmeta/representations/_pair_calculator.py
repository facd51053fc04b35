"""What representations of pairs of atoms have in common."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.atomistic._quantities import STRAIN, XYZ
from jaxmeta.atomistic.batches import Batch, check_batch
from jaxmeta.atomistic.batching import ROUNDED, to_batch
from jaxmeta.atomistic.neighbors.options import NeighborListOptions
from jaxmeta.atomistic.neighbors.pairs import Pairs
from jaxmeta.atomistic.systems import System
from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.representations._batchwise import computed
from jaxmeta.representations._calculator import Part, Rows
from jaxmeta.representations._pair_rows import PairChoice, PairRows, pair_rows
from jaxmeta.representations._traced_pairs import TracedPairs


class PairCalculator(abc.ABC):
    """A representation of pairs: a function of batches, and of systems.

    Called with a `Batch` it goes through `jax.jit` and `jax.grad`. Where the list of pairs
    is known, samples are static, and in featomic's order; where the batch has padding, or
    pairs are traced, they are dynamic, and in the order of the list, atoms with themselves
    last. `compute` takes systems, and gives what featomic gives, with explicit gradients
    where asked for. Of selected centers, there are the pairs whose first atom is selected.
    """

    key_names: tuple[str, ...]

    @property
    @abc.abstractmethod
    def cutoff_radius(self) -> float:
        """How far apart the atoms of a pair may be, in the unit of the positions."""

    @property
    @abc.abstractmethod
    def choice(self) -> PairChoice:
        """Which pairs there are."""

    @property
    @abc.abstractmethod
    def sections(self) -> list[Section]:
        """Numbers that have the same rows."""

    @abc.abstractmethod
    def values(self, vectors: Any) -> Any:
        """The values of pairs by vectors (pairs, 3), shape (pairs, numbers)."""

    @abc.abstractmethod
    def own(self, dtype: Any) -> Any:
        """The values of an atom with itself, shape (numbers,)."""

    @abc.abstractmethod
    def parts(self, section: int, kinds: tuple[int, int], array: Any) -> Iterator[Part]:
        """The blocks that an array (..., numbers) of pairs of two types is made of."""

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        """The lists of pairs that batches need."""
        name = type(self).__name__
        return [NeighborListOptions(self.cutoff_radius, requestors=(name,))]

    def __call__(
        self, batch: Batch, *, capacity: Mapping[tuple[int, int], int] | None = None
    ) -> TensorMap:
        """The representation of all pairs of a batch.

        Arguments:
            batch: with a list of pairs up to the cutoff or further.
            capacity: where samples are dynamic, how many rows there are for pairs of these
                types; enough for all pairs of the batch by default.

        Raises:
            MissingError: when no list of the batch reaches so far.
            DeviceCheckError: where there are more pairs than rows.
        """
        check_batch(type(self).__name__, batch)
        pairs = batch.pairs_within(self.cutoff_radius)
        vectors = batch.vectors(pairs)
        near = self._near(batch, pairs, vectors)
        values, own = self.values(vectors), self.own(vectors.dtype)
        if _is_known(batch, pairs, near):
            rows = pair_rows(batch, pairs, np.asarray(near), self.choice)
            return self._map(self._entries(rows, values, own))
        traced = TracedPairs.of(batch, pairs, near, self.choice)
        name, room = type(self).__name__, capacity or {}
        entries = []
        for number, section in enumerate(self.sections):
            some = traced if section.own else traced.without_own(len(pairs))
            columns = some.joined(values, own)[:, section.begin : section.end]
            for key, each in some.blocks(name, columns, room).items():
                entries.append(Entry(key, number, *each, {}))
        return self._map(sorted(entries, key=lambda entry: entry[:2]))

    def compute(
        self,
        systems: System | Sequence[System],
        *,
        gradients: Sequence[str] = (),
        dtype: Any = None,
        batch_size: int | None = None,
        transform: Callable[[TensorMap], TensorMap] | None = None,
    ) -> TensorMap:
        r"""The representation of the pairs of systems, with explicit gradients.

        Gradients: ``positions``, :math:`\partial x_{ij} / \partial r_k` for both atoms of
        the pair, samples ``sample, system, atom``, component ``xyz``; of an atom and its
        own image one row of zeros, of an atom with itself none. ``strain``, :math:`\partial
        x_{ij} / \partial \epsilon_{ab}`, samples ``sample``, components ``xyz_1, xyz_2``.

        Arguments:
            systems: one or several.
            gradients: ``"positions"``, ``"strain"`` or both.
            dtype: of the values; that of the systems by default.
            batch_size: how many systems are computed at a time; all by default.
            transform: applied to the map of each batch, before they are joined.

        Raises:
            InvalidError: for gradients that there are not, and as `to_batch`.
            InvalidTypeError: for arguments of other types.
            PrecisionError: for float64 while JAX runs without x64.
        """
        return computed(
            type(self).__name__,
            systems,
            self._of_systems,
            gradients=gradients,
            dtype=dtype,
            batch_size=batch_size,
            transform=transform,
        )

    def _of_systems(
        self, systems: Sequence[System], asked: Sequence[str], dtype: Any
    ) -> TensorMap:
        batch = to_batch(systems, self.cutoff_radius, room=ROUNDED, dtype=dtype)
        pairs = batch.pairs_within(self.cutoff_radius)
        real = np.asarray(pairs.first) < batch.n_atoms
        rows = pair_rows(batch, pairs, real, self.choice)
        values, *slopes = jax.tree.map(np.asarray, _arrays(self, tuple(asked), batch))
        own = np.asarray(self.own(values.dtype))
        return self._map(
            self._entries(
                rows,
                values,
                own,
                dict(zip(asked, slopes, strict=True)),
                np.asarray(batch.atoms.values),
            )
        )

    def _entries(
        self,
        rows: dict[tuple[int, int], PairRows],
        values: Any,
        own: Any,
        slopes: Mapping[str, Any] | None = None,
        atoms: Any = None,
    ) -> list[Entry]:
        """All that blocks with static samples are made of."""
        entries = []
        for key, both in rows.items():
            for number, section in enumerate(self.sections):
                these = both if section.own else both.without_own()
                columns = slice(section.begin, section.end)
                gradients = {
                    name: _GRADIENTS[name](array[..., columns], these, atoms)
                    for name, array in (slopes or {}).items()
                }
                of_pairs = _of_rows(values, own, these)[:, columns]
                entries.append(Entry(key, number, these.labels, of_pairs, gradients))
        return entries

    def _near(self, batch: Batch, pairs: Pairs, vectors: Any) -> Any:
        """Which pairs count: those of longer lists may be too far apart."""
        first = pairs.first
        # In numpy, so that it stays known in traced functions.
        known = first if isinstance(first, Tracer) else np.asarray(first)
        real = known < batch.n_atoms
        exact = NeighborListOptions(self.cutoff_radius)
        if exact in batch.pairs:
            return real
        return real & (jnp.sum(vectors**2, axis=1) < self.cutoff_radius**2)

    def _map(self, found: Sequence[Entry]) -> TensorMap:
        keys, blocks = [], []
        for entry in found:
            names = list(entry.gradients)
            arrays = [entry.values, *(each.array for each in entry.gradients.values())]
            of_arrays = (self.parts(entry.section, entry.types, array) for array in arrays)
            for part, *others in zip(*of_arrays, strict=True):
                gradients = {
                    name: _block(of_part, entry.gradients[name].labels, _AXES[name])
                    for name, of_part in zip(names, others, strict=True)
                }
                keys.append(part.key)
                blocks.append(_block(part, entry.samples, (), gradients))
        table = np.reshape(np.array(keys, np.int32), (-1, len(self.key_names)))
        return TensorMap(Labels(self.key_names, table), blocks)


class Section(NamedTuple):
    """Numbers from `begin` to `end`; whether atoms with themselves have some."""

    own: bool
    begin: int
    end: int


class Entry(NamedTuple):
    """All pairs of atoms of two types, in one section."""

    types: tuple[int, int]
    section: int
    samples: Labels | DynamicLabels
    values: Any
    gradients: dict[str, Rows]


_AXES = {"positions": (XYZ,), "strain": STRAIN}


def _block(
    part: Part,
    samples: Any,
    axes: Sequence[Labels],
    gradients: Mapping[str, TensorBlock] | None = None,
) -> TensorBlock:
    components = [*axes, *part.components]
    return TensorBlock(
        jnp.asarray(part.values), samples, components, part.properties, gradients
    )


def _is_known(batch: Batch, pairs: Pairs, near: Any) -> bool:
    """Whether rows can be told, so that labels are static."""
    arrays = [pairs.first, near, batch.types]
    return not batch.is_dynamic and not any(isinstance(a, Tracer) for a in arrays)


def _of_rows(values: Any, own: Any, rows: PairRows) -> Any:
    """The values of some pairs, (rows, numbers)."""
    if not (rows.pair < 0).any():
        return values[rows.pair]
    alone = (rows.pair < 0)[:, None]
    if not values.shape[0]:
        return jnp.broadcast_to(own, (len(rows.pair), own.shape[0]))
    return jnp.where(alone, own[None], values[np.maximum(rows.pair, 0)])


@functools.partial(jax.jit, static_argnums=(0, 1))
def _arrays(calculator: Any, names: tuple[str, ...], batch: Batch) -> list[Any]:
    """The values of all pairs of the list, and their derivatives by each name."""
    vectors = batch.vectors(batch.pairs_within(calculator.cutoff_radius))
    values = calculator.values(vectors)
    if not names:
        return [values]
    along = [
        jnp.broadcast_to(axis, vectors.shape) for axis in jnp.eye(3, dtype=vectors.dtype)
    ]
    by_vector = jnp.stack(
        [jax.jvp(calculator.values, (vectors,), (axis,))[1] for axis in along], axis=1
    )
    by = {
        "positions": lambda: by_vector,
        "strain": lambda: vectors[:, :, None, None] * by_vector[:, None],
    }
    return [values, *(by[name]() for name in names)]


def _by_positions(slopes: Any, rows: PairRows, atoms: np.ndarray) -> Rows:
    """Rows of both atoms; of an atom and its image, which move together, one."""
    alone = rows.pair < 0
    counts = np.where(alone, 0, np.where(rows.first == rows.second, 1, 2))
    sample = np.repeat(np.arange(len(counts)), counts)
    is_second = np.append(False, sample[1:] == sample[:-1])[: len(sample)]
    atom = np.where(is_second, rows.second[sample], rows.first[sample])
    sign = np.where(is_second, 1, -1) * (counts[sample] - 1)
    labels = np.column_stack([sample, atoms[atom]]).astype(np.int32)
    names = ["sample", "system", "atom"]
    array = slopes[rows.pair[sample]] * sign[:, None, None].astype(slopes.dtype)
    return Rows(Labels(names, labels, assume_unique=True), array)


def _by_strain(slopes: Any, rows: PairRows, _: np.ndarray) -> Rows:
    """A row for each sample; an atom does not move away from itself."""
    array = np.zeros((len(rows.pair), *slopes.shape[1:]), slopes.dtype)
    moving = rows.pair >= 0
    array[moving] = slopes[rows.pair[moving]]
    return Rows(Labels.range("sample", len(array)), array)


_GRADIENTS = {"positions": _by_positions, "strain": _by_strain}
