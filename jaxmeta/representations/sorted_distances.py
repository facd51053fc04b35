"""SortedDistances: how far the nearest neighbours are."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic.batches import Batch, check_batch
from jaxmeta.atomistic.batching import ROUNDED, to_batch
from jaxmeta.atomistic.neighbors.options import NeighborListOptions, check_length
from jaxmeta.atomistic.systems import System
from jaxmeta.core import PADDING, Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_bool, check_whole
from jaxmeta.representations._batchwise import computed
from jaxmeta.representations._calculator import without_padding
from jaxmeta.representations._environments import Environments, environments


@final
@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, kw_only=True)
class SortedDistances:
    """The distances from each atom to its nearest neighbours, in ascending order.

    Values: distances below the cutoff, and the cutoff where there are fewer neighbours.
    Derivatives go to positions and cells; where two distances are equal, those of either
    order. There are no explicit gradients.

    Called with a `Batch` there is one row for each center, and a block for all types that
    the batch knows; `compute` gives the keys and rows that featomic gives.

    Arguments:
        cutoff: how far an atom sees, a length.
        max_neighbors: how many distances there are.
        separate_neighbor_types: whether each type of neighbours has distances of its own.

    Result: keys ``center_type``, and ``neighbor_type`` if types are separate; samples
    ``system, atom``; property ``neighbor``.

    Raises:
        InvalidError: for a cutoff that is not positive and finite, or no neighbours.
        InvalidTypeError: for what is no number, or no truth value.

    Source: conventions of featomic (https://metatensor.github.io/featomic).

    Example:
        >>> import numpy as np
        >>> water = System(np.array([[0, 0, 0], [3.0, 0, 0], [0, 4.0, 0]]), [8, 1, 1])
        >>> nearest = SortedDistances(
        ...     cutoff=4.5, max_neighbors=3, separate_neighbor_types=True
        ... )
        >>> nearest.compute(water, dtype="float32").block(center_type=8).values.tolist()
        [[3.0, 4.0, 4.5]]
    """

    cutoff: float
    max_neighbors: int
    separate_neighbor_types: bool

    def __post_init__(self) -> None:
        cutoff = check_length("SortedDistances", "cutoff", self.cutoff)
        object.__setattr__(self, "cutoff", cutoff)
        check_whole("SortedDistances", "max_neighbors", self.max_neighbors, 1)
        check_bool(
            "SortedDistances", "separate_neighbor_types", self.separate_neighbor_types
        )

    @property
    def cutoff_radius(self) -> float:
        """How far an atom sees, in the unit of the positions."""
        return self.cutoff

    @property
    def key_names(self) -> tuple[str, ...]:
        """What keys are called."""
        names = ("center_type", "neighbor_type")
        return names if self.separate_neighbor_types else names[:1]

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        """The lists of pairs that batches need."""
        return [NeighborListOptions(self.cutoff, requestors=("SortedDistances",))]

    def __call__(self, batch: Batch) -> TensorMap:
        """The distances of all centers of a batch.

        Raises:
            MissingError: when no list of the batch reaches so far.
        """
        around = environments(check_batch(type(self).__name__, batch), self.cutoff)
        keys, blocks = [], []
        for key, array in self._arrays(around).items():
            keys.append(key)
            samples = around.samples[around.types.index(key[0])]
            blocks.append(self._block(samples, without_padding(array, samples)))
        return self._map(keys, blocks)

    def compute(
        self,
        systems: System | Sequence[System],
        *,
        gradients: Sequence[str] = (),
        dtype: Any = None,
        batch_size: int | None = None,
        transform: Callable[[TensorMap], TensorMap] | None = None,
    ) -> TensorMap:
        """The distances of systems.

        Arguments:
            systems: one or several.
            gradients: none; there are no explicit ones.
            dtype: of the values; that of the systems by default.
            batch_size: how many systems are computed at a time; all by default.
            transform: applied to the map of each batch, before they are joined.

        Raises:
            InvalidError: for gradients, and as `to_batch`.
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
            valid=(),
            remedy="differentiate the call with a batch, by jax.grad.",
        )

    def _of_systems(
        self, systems: Sequence[System], _: Sequence[str], dtype: Any
    ) -> TensorMap:
        batch = to_batch(systems, self.cutoff, room=ROUNDED, dtype=dtype)
        around = environments(batch, self.cutoff)
        if not around.types:
            return self._map([], [])
        there = self._there(around)
        keys, blocks = [], []
        for key, array in _distances(self, batch).items():
            number = around.types.index(key[0])
            labels = np.asarray(around.samples[number].values)
            kept = (labels[:, 0] != PADDING) & there(number, key[1:])
            if kept.any():
                samples = Labels(["system", "atom"], labels[kept], assume_unique=True)
                keys.append(key)
                blocks.append(self._block(samples, jnp.asarray(np.asarray(array)[kept])))
        return self._map(keys, blocks)

    def _there(self, around: Environments) -> Any:
        """Whether environments are rows: of separate types, if there are neighbours."""
        n_types, rows = len(around.types), np.asarray(around.rows)
        counts = np.bincount(rows[rows < around.n_rows], minlength=around.n_rows)
        counts = counts.reshape(-1, n_types)

        def there(number: int, neighbors: tuple[int, ...]) -> Any:
            if not neighbors:
                return True
            of_type = around.of_type(counts, number)
            return of_type[:, around.types.index(neighbors[0])] > 0

        return there

    def _arrays(self, around: Environments) -> dict[tuple[int, ...], Any]:
        """By key, the distances of all its centers, (centers, neighbours)."""
        n_types, types = len(around.types), around.types
        rows = around.rows if self.separate_neighbor_types else around.rows // n_types
        kinds = types if self.separate_neighbor_types else (None,)
        n_rows = around.n_centers * len(kinds)
        sums = jnp.sum(around.vectors**2, axis=1)
        far = jnp.asarray(self.cutoff, sums.dtype)
        distances = jnp.where(sums < self.cutoff**2, jnp.sqrt(sums), far)
        found = _sorted(distances, rows, n_rows, self)
        found = found.reshape(around.n_centers, len(kinds), self.max_neighbors)
        return {
            (center,) if kind is None else (center, kind): around.of_type(found, i)[:, j]
            for i, center in enumerate(types)
            for j, kind in enumerate(kinds)
        }

    def _block(self, samples: Any, array: Any) -> TensorBlock:
        return TensorBlock(array, samples, [], Labels.range("neighbor", self.max_neighbors))

    def _map(self, keys: list[tuple[int, ...]], blocks: list[TensorBlock]) -> TensorMap:
        table = np.reshape(np.array(keys, np.int32), (-1, len(self.key_names)))
        return TensorMap(Labels(self.key_names, table), blocks)


def _sorted(distances: Any, rows: Any, n_rows: Any, of: SortedDistances) -> Any:
    """For each row the smallest of its distances, then cutoffs."""
    order = jnp.lexsort((distances, rows))
    row = rows.at[order].get()
    begins = jnp.searchsorted(row, row, side="left").astype(jnp.int32)
    rank = jnp.arange(rows.shape[0], dtype=jnp.int32) - begins
    empty = jnp.full((n_rows, of.max_neighbors), of.cutoff, distances.dtype)
    return empty.at[row, rank].set(distances.at[order].get(), mode="drop")


@functools.partial(jax.jit, static_argnums=0)
def _distances(calculator: SortedDistances, batch: Batch) -> dict[tuple[int, ...], Any]:
    return calculator._arrays(environments(batch, calculator.cutoff))
