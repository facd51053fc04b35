"""AtomicComposition: how many atoms of each type there are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic._quantities import STRAIN, XYZ
from jaxmeta.atomistic.batches import Batch, check_batch
from jaxmeta.atomistic.batching import to_batch
from jaxmeta.atomistic.neighbors.options import NeighborListOptions
from jaxmeta.atomistic.systems import System
from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_bool, check_list
from jaxmeta.representations._batchwise import A_LIST, computed, types_of


@final
@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, kw_only=True)
class AtomicComposition:
    """How many atoms of each type there are, in systems; or 1 for each atom.

    Values: numbers of atoms, in the dtype of the positions. Derivatives by positions and
    cells are zero.

    Arguments:
        per_system: whether atoms of one system are counted together.

    Result: key ``center_type``; samples ``system``, or ``system, atom``; property
    ``count``, which is 0. Of selected centers, only these count.

    Raises:
        InvalidTypeError: for what is no truth value.

    Source: conventions of featomic (https://metatensor.github.io/featomic).

    Example:
        >>> import numpy as np
        >>> water = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])
        >>> composition = AtomicComposition(per_system=True)
        >>> composition.compute(water, dtype="float32").block(center_type=1).values.tolist()
        [[2.0]]
    """

    per_system: bool
    key_names = ("center_type",)

    def __post_init__(self) -> None:
        check_bool("AtomicComposition", "per_system", self.per_system)

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        """None."""
        return []

    def __call__(self, batch: Batch) -> TensorMap:
        """The composition of a batch, for all types that it knows."""
        return self._of(check_batch(type(self).__name__, batch), ())

    def compute(
        self,
        systems: System | Sequence[System],
        *,
        gradients: Sequence[str] = (),
        dtype: Any = None,
        batch_size: int | None = None,
        transform: Callable[[TensorMap], TensorMap] | None = None,
    ) -> TensorMap:
        """The composition of systems.

        Gradients: ``positions`` without rows, ``strain`` with rows of zeros.

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
        name, types = type(self).__name__, None
        if batch_size is not None and not isinstance(systems, System):
            systems = check_list(f"{name}.compute", A_LIST, systems)
            types = types_of(systems)  # there are none of some of them in some systems

        def of_batch(some: list[System], asked: list[str], dtype: Any) -> TensorMap:
            return self._of(to_batch(some, types=types, dtype=dtype), asked)

        return computed(
            name,
            systems,
            of_batch,
            gradients=gradients,
            dtype=dtype,
            batch_size=batch_size,
            transform=transform,
        )

    def _of(self, batch: Batch, gradients: Sequence[str]) -> TensorMap:
        keys, blocks = [], []
        for center_type in sorted(batch.centers):
            centers = batch.centers[center_type]
            samples = batch.systems if self.per_system else centers.samples
            values = self._counts(batch, jnp.asarray(centers.rows))
            count = Labels.range("count", 1)
            of_block = {name: _zeros(name, values) for name in gradients}
            keys.append([center_type])
            blocks.append(TensorBlock(values, samples, [], count, of_block))
        table = np.reshape(np.array(keys, np.int32), (-1, 1))
        return TensorMap(Labels(self.key_names, table), blocks)

    def _counts(self, batch: Batch, rows: Any) -> Any:
        dtype = batch.positions.dtype
        real = (rows < batch.n_atoms).astype(dtype)[:, None]
        if not self.per_system:
            return real
        owners = (
            jnp.asarray(batch.owners).at[rows].get(mode="fill", fill_value=batch.n_systems)
        )
        return jnp.zeros((batch.n_systems, 1), dtype).at[owners].add(real, mode="drop")


def _zeros(name: str, values: Any) -> TensorBlock:
    count = Labels.range("count", 1)
    if name == "strain":
        samples = Labels.range("sample", values.shape[0])
        zeros = jnp.zeros((values.shape[0], 3, 3, 1), values.dtype)
        return TensorBlock(zeros, samples, list(STRAIN), count)
    samples = Labels(["sample", "system", "atom"], np.zeros((0, 3), np.int32))
    return TensorBlock(jnp.zeros((0, 3, 1), values.dtype), samples, [XYZ], count)
