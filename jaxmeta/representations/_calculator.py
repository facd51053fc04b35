"""What all representations of atomic environments have in common."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic._quantities import STRAIN, XYZ
from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.batching import ROUNDED, host_batch, rounded_up
from jaxmeta.atomistic.neighbors.options import NeighborListOptions
from jaxmeta.atomistic.neighbors.pairs import FAR
from jaxmeta.atomistic.systems import System
from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.representations._batchwise import computed
from jaxmeta.representations._environments import Environments, environments
from jaxmeta.representations._explicit import whole_pieces
from jaxmeta.representations._gradient_rows import Sizes, Terms, gradient_rows, padded
from jaxmeta.representations._presence import Group, Presence


class Part(NamedTuple):
    """One block of the result: its key, its labels, its values or those of a gradient.

    Arguments:
        key: the entries of the key.
        components: labels of the axes between rows and properties.
        properties: labels of the last axis.
        values: (rows, ..., *components, properties).
    """

    key: tuple[int, ...]
    components: list[Labels]
    properties: Labels
    values: Any


class Rows(NamedTuple):
    """Rows of gradients of one group: their labels, and an array (rows, ..., numbers)."""

    labels: Labels
    array: Any


_AXES = {"positions": (XYZ,), "strain": STRAIN}


class Calculator(abc.ABC):
    """A representation: a function of batches for programs, and of systems for people.

    Called with a `Batch` it goes through `jax.jit` and `jax.grad`, and has one row for
    each center, for all types that the batch knows; rows without neighbours of a type are
    zero. `compute` takes systems, compiles by itself, and gives the rows and the keys
    that featomic gives, with explicit gradients where asked for.
    """

    key_names: tuple[str, ...]

    @property
    @abc.abstractmethod
    def cutoff_radius(self) -> float:
        """How far an atom sees, in the unit of the positions."""

    @abc.abstractmethod
    def groups(self, types: Sequence[int]) -> list[Group]:
        """What is computed together: types of centers and of their neighbours."""

    @abc.abstractmethod
    def coefficients(self, around: Environments) -> Any:
        """What values and gradients are made of: shape (centers, types, numbers)."""

    @abc.abstractmethod
    def stacked(self, coefficients: Any) -> Any:
        """The values of all centers, shape (groups of one type, centers, numbers).

        In one array: programs with a result for each group take minutes to compile where
        there are dozens of types.
        """

    @abc.abstractmethod
    def parts(self, group: Group, array: Any) -> Iterator[Part]:
        """The blocks that an array (..., numbers) of one group is made of."""

    @abc.abstractmethod
    def derivatives(
        self,
        around: Environments,
        coefficients: Any,
        terms: Terms,
        sizes: Sizes,
        names: Sequence[str],
    ) -> dict[str, Any]:
        """Gradients of all groups: (rows, 3, numbers) and (samples, 3, 3, numbers)."""

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        """The lists of pairs that batches need."""
        name = type(self).__name__
        return [NeighborListOptions(self.cutoff_radius, requestors=(name,))]

    def __call__(self, batch: Batch) -> TensorMap:
        """The representation of all centers of a batch, for all types it knows."""
        around = environments(batch, self.cutoff_radius)
        keys, blocks = [], []
        groups = self.groups(around.types)
        values = self.stacked(self.coefficients(around)) if groups else None
        arrays = _of_groups(around.counts, values) if groups else []
        for group, array in zip(groups, arrays, strict=True):
            samples = around.samples[around.types.index(group.center)]
            for part in self.parts(group, without_padding(array, samples)):
                keys.append(part.key)
                blocks.append(
                    TensorBlock(part.values, samples, part.components, part.properties)
                )
        return TensorMap(self._keys(keys), blocks)

    def compute(
        self,
        systems: System | Sequence[System],
        *,
        gradients: Sequence[str] = (),
        dtype: Any = None,
        batch_size: int | None = None,
        transform: Callable[[TensorMap], TensorMap] | None = None,
    ) -> TensorMap:
        r"""The representation of systems, with explicit gradients where asked for.

        Values: those of calling the representation with a batch of the systems; blocks and
        rows are those that have neighbours, as featomic has them. Programs are compiled
        for rounded numbers of atoms and pairs, and serve similar systems too.

        Gradients: ``positions``, :math:`\partial x_i / \partial r_j` for the center and
        each neighbour of the types of the block, samples ``sample, system, atom``,
        component ``xyz``; ``strain``, :math:`\partial x_i / \partial \epsilon_{ab}`,
        samples ``sample``, components ``xyz_1, xyz_2``. They are large: one row for each
        pair of neighbours. With `batch_size` and a `transform` that makes them smaller,
        they are never all in memory.

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
            self._of_batch,
            gradients=gradients,
            dtype=dtype,
            batch_size=batch_size,
            transform=transform,
        )

    def _of_batch(
        self, systems: Sequence[System], asked: Sequence[str], dtype: Any
    ) -> TensorMap:
        """The representation of some systems, all at once."""
        batch = host_batch(systems, self.cutoff_radius, room=ROUNDED, dtype=dtype)
        presence = Presence.of(batch, self.cutoff_radius)
        groups = self.groups(presence.types)
        if not groups:
            return TensorMap(self._keys([]), [])
        keys: list[tuple[int, ...]] = []
        blocks: list[TensorBlock] = []
        if asked:
            values, found = _with_gradients(self, batch, presence, asked)
        else:
            values, found = np.asarray(_values(self, batch)), {}
        counts = [batch.centers[each].rows.shape[0] for each in presence.types]
        for number, array in enumerate(_of_groups(counts, values)):
            rows = presence.rows(groups[number])
            if not len(rows):
                continue
            samples = presence.labels(groups[number].center, rows)
            of_group = {name: one[number] for name, one in found.items()}
            for part in self.parts(groups[number], _of_rows(array, rows)):
                keys.append(part.key)
                blocks.append(self._block(groups[number], part, samples, of_group))
        # One transfer for all of them. What stands together in memory is not copied.
        return jax.device_put(TensorMap(self._keys(keys), blocks), may_alias=True)

    def _block(
        self, group: Group, part: Part, samples: Labels, found: dict[str, Rows]
    ) -> TensorBlock:
        """One block without padding, with its part of the gradients of its group."""
        gradients = {}
        for name, (labels, array) in found.items():
            (of_part,) = [
                each.values for each in self.parts(group, array) if each.key == part.key
            ]
            gradients[name] = TensorBlock(
                of_part,
                labels,
                [*_AXES[name], *part.components],
                part.properties,
            )
        return TensorBlock(
            part.values, samples, part.components, part.properties, gradients
        )

    def _keys(self, keys: list[tuple[int, ...]]) -> Labels:
        table = np.reshape(np.array(keys, np.int32), (-1, len(self.key_names)))
        return Labels(self.key_names, table)


def _with_gradients(
    calculator: Calculator, batch: Batch, presence: Presence, names: Sequence[str]
) -> tuple[np.ndarray, dict[str, list[Rows]]]:
    """Values; and by name, the rows of gradients of each group and their numbers."""
    radius = calculator.cutoff_radius
    groups = calculator.groups(presence.types)
    rows = gradient_rows(batch, presence, groups, radius)
    sizes = Sizes(rounded_up(int(rows.rows[-1])), rounded_up(int(rows.samples[-1])))
    capacity = whole_pieces(rounded_up(len(rows.terms.pair)))
    terms = padded(rows.terms, sizes, capacity, len(batch.pairs_within(radius)))
    found = _values_and_gradients(calculator, tuple(names), sizes, batch, terms)
    values, gradients = jax.tree.map(np.asarray, found)
    return values, {
        name: [
            Rows(rows.labels_of(name, number), array[rows.slice_of(name, number)])
            for number in range(len(groups))
        ]
        for name, array in gradients.items()
    }


@functools.partial(jax.jit, static_argnums=0)
def _values(calculator: Any, batch: Batch) -> Any:
    around = environments(batch, calculator.cutoff_radius)
    return calculator.stacked(calculator.coefficients(around))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _values_and_gradients(
    calculator: Any, names: tuple[str, ...], sizes: Sizes, batch: Batch, terms: Terms
) -> tuple[Any, dict[str, Any]]:
    around = environments(batch, calculator.cutoff_radius)
    if not around.vectors.shape[0]:  # pairs that are padding refer to one
        vectors = jnp.full((1, 3), FAR, around.vectors.dtype)
        rows = jnp.full(1, around.n_rows, jnp.int32)
        around = around._replace(vectors=vectors, rows=rows)
    coefficients = calculator.coefficients(around)
    gradients = calculator.derivatives(around, coefficients, terms, sizes, names)
    return calculator.stacked(coefficients), gradients


def without_padding(array: Any, samples: Labels | DynamicLabels) -> Any:
    """An array (rows, numbers), zero in rows of padding."""
    if isinstance(samples, Labels):
        return array
    return jnp.where(samples.mask[:, None], array, jnp.zeros((), array.dtype))


def _of_groups(counts: Sequence[Any], stacked: Any) -> Iterator[Any]:
    """The values of each group, (centers, numbers), by numbers of centers of each type."""
    begin = 0
    for count in counts:
        yield from stacked[:, begin : begin + count]
        begin = begin + count


def _of_rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows, in ascending order; the first ones are not copied."""
    is_begin = rows[-1] == len(rows) - 1
    return array[: len(rows)] if is_begin else array[rows]
