"""LodeSphericalExpansion: densities that reach through the whole crystal."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic._quantities import XYZ
from jaxmeta.atomistic.batches import Batch, check_batch
from jaxmeta.atomistic.batching import ROUNDED, to_batch
from jaxmeta.atomistic.neighbors.options import NeighborListOptions
from jaxmeta.atomistic.systems import System
from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.representations._batchwise import computed
from jaxmeta.representations._densities import Channels
from jaxmeta.representations._hypers import LodeHypers, SmearedPowerLaw, parse_lode_hypers
from jaxmeta.representations._k_vectors import KVectors, Waves, k_vectors, waves_of
from jaxmeta.representations._lode_rows import lode_rows
from jaxmeta.representations._reciprocal_sums import (
    Atoms,
    coefficients,
    derivatives,
    of_no_wave,
    weights_of,
)
from jaxmeta.representations.radial.lode import lode_table
from jaxmeta.representations.radial.table import RadialTable


@final
@jax.tree_util.register_static
class LodeSphericalExpansion:
    r"""Long-range densities of all atoms and their images, on radial functions around each.

    Values: for each center :math:`i` and type :math:`a`, the coefficients

    .. math:: c_{i,anlm} = \int R_n(x) Y_{lm}(\hat x) \sum_{j \in a} g(r_i + x - r_j)\,
        \mathrm d^3x

    where :math:`j` are all atoms and their images, also the center itself, and :math:`g` is
    a power law :math:`r^{-p}` smeared by a Gaussian. They are sums over the waves that fit
    into the cell and are below `k_cutoff`. For p from 1 to 3 the average of the density is
    left out: there is none.

    Derivatives go to positions and cells, in reverse mode and to any order; the waves stay
    the same ones then. Time grows with atoms times waves, and so with the square of the
    volume.

    Arguments:
        density: ``{"type": "SmearedPowerLaw", "smearing": 1.0, "exponent": 1}``, with
            ``center_atom_weight`` if wanted; the exponent 0 stands for a Gaussian.
        basis: as of `SphericalExpansion`; radial functions need a ``radius``.
        k_cutoff: up to which wave number waves count, an inverse length; :math:`1.2 \pi` by
            the smearing if None.

    Result: keys ``o3_lambda, o3_sigma, center_type, neighbor_type``; samples ``system,
    atom``; component ``o3_mu``; property ``n``.

    Raises:
        MissingError, InvalidError, InvalidTypeError: for hyper-parameters that are not
            there, can not be, or are of another kind.

    Source: Grisafi, Ceriotti, J. Chem. Phys. 151, 204105 (2019); Huguenin-Dumittan, Loche,
    Haoran, Ceriotti, J. Phys. Chem. Lett. 14, 9612 (2023). Conventions are those of
    featomic (https://metatensor.github.io/featomic).

    Example:
        >>> expansion = LodeSphericalExpansion(
        ...     density={"type": "SmearedPowerLaw", "smearing": 1.0, "exponent": 1},
        ...     basis={
        ...         "type": "TensorProduct",
        ...         "max_angular": 1,
        ...         "radial": {"type": "Gto", "max_radial": 2, "radius": 3.0},
        ...     },
        ... )
        >>> salt = System([[0.0, 0, 0], [2.8, 0, 0]], [11, 17], 5.6 * np.eye(3), pbc=True)
        >>> expansion.compute(salt, dtype="float32").block(
        ...     o3_lambda=1, center_type=11, neighbor_type=17
        ... ).shape
        (1, 3, 3)
    """

    key_names = ("o3_lambda", "o3_sigma", "center_type", "neighbor_type")
    hypers: LodeHypers

    def __init__(self, density: Any, basis: Any, k_cutoff: Any = None) -> None:
        self.hypers = parse_lode_hypers(density, basis, k_cutoff)
        self.table(np.float32)  # radial functions that can not be are refused here

    @property
    def channels(self) -> Channels:
        """Angular momenta and how many radial functions each has."""
        return Channels(tuple(self.hypers.n_per_l.items()))

    def table(self, dtype: Any) -> RadialTable:
        """The radial integrals by wave number."""
        return lode_table(self.hypers, dtype)

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        """None: all atoms see one another."""
        return []

    def k_vectors(self, batch: Batch) -> KVectors:
        """The waves of a batch, for programs in which its cells are traced.

        Raises:
            InvalidError: for systems that are not periodic along all three axes.
            MissingError: in traced functions, where cells are not known.
        """
        name = type(self).__name__
        return k_vectors(name, check_batch(name, batch), self.hypers.k_cutoff)

    def __call__(self, batch: Batch, *, k_vectors: KVectors | None = None) -> TensorMap:
        """The expansion around all centers of a batch, for all types it knows.

        Arguments:
            batch: of systems that are periodic along all axes.
            k_vectors: of the `k_vectors` method; needed where cells are traced, as
                arguments of a compiled program are.

        Raises:
            InvalidError: for systems that are not periodic along all three axes.
            MissingError: without `k_vectors`, where cells are traced.
        """
        found = self.k_vectors(batch) if k_vectors is None else k_vectors
        if not isinstance(found, KVectors):
            raise InvalidTypeError(
                compose(
                    f"{type(self).__name__}: k_vectors are those of a batch.",
                    f"found {type(found).__name__}",
                    remedy="calculator.k_vectors(batch) makes them.",
                )
            )
        check_batch(type(self).__name__, batch)
        if not batch.centers:
            return self._map([], [])
        arrays = self._coefficients(batch, found)
        types = sorted(batch.centers)
        keys, blocks = [], []
        for center in types:
            centers = batch.centers[center]
            rows = arrays.at[jnp.asarray(centers.rows)].get(mode="fill", fill_value=0)
            for number, neighbor in enumerate(types):
                for key, m, part in self._parts((center, neighbor), rows[:, number]):
                    keys.append(key)
                    blocks.append(self._block(part, centers.samples, m))
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
        r"""The expansion of systems, with explicit gradients where asked for.

        Gradients: ``positions``, :math:`\partial x_i / \partial r_j` for the center and all
        atoms of the type of the block in its system, samples ``sample, system, atom``,
        component ``xyz``. There is none by strain, neither in featomic: differentiate the
        call with a batch.

        Arguments:
            systems: one or several, periodic along all axes.
            gradients: ``"positions"`` or none.
            dtype: of the values; that of the systems by default.
            batch_size: how many systems are computed at a time; all by default.
            transform: applied to the map of each batch, before they are joined.

        Raises:
            InvalidError: for gradients that there are not, systems that are not periodic
                along all axes, and as `to_batch`.
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
            valid=("positions",),
            remedy="differentiate the call with a batch, by jax.grad.",
        )

    def _of_systems(
        self, systems: Sequence[System], asked: Sequence[str], dtype: Any
    ) -> TensorMap:
        batch = to_batch(systems, room=ROUNDED, dtype=dtype)
        found = self.k_vectors(batch)
        if not batch.centers:
            return self._map([], [])
        values = np.asarray(_values(self, batch, found))
        slopes = np.asarray(_slopes(self, batch, found)) if asked else None
        keys, blocks = [], []
        for rows in lode_rows(batch, np.asarray(found.atoms)):
            of_block = self._parts(rows.types, values[rows.rows, rows.neighbor])
            below = [] if slopes is None else self._parts(rows.types, rows.gradient(slopes))
            for key, m, part in of_block:
                block = self._block(jnp.asarray(part), rows.samples, m)
                keys.append(key)
                blocks.append(block)
            for i, (_, m, part) in enumerate(
                below, len(blocks) - len(self.channels.radial)
            ):
                gradient = self._block(jnp.asarray(part), rows.gradient_samples, m, (XYZ,))
                blocks[i] = blocks[i].with_gradient("positions", gradient)
        return self._map(keys, blocks)

    def _coefficients(self, batch: Batch, found: KVectors) -> Any:
        """Of all atoms, (atoms, types, channels.size)."""
        atoms, waves, weights, table = self._inputs(batch, found)
        values = coefficients(atoms, waves, weights, self.channels)
        if self.channels.radial[0][0] == 0:
            n = self.channels.radial[0][1]
            values = values.at[..., :n].add(self._of_degree_zero(atoms, waves, table))
        rows = jnp.asarray(found.atoms).reshape(-1)
        flat = values.reshape(rows.shape[0], *values.shape[2:])
        zeros = jnp.zeros((batch.n_atoms, *values.shape[2:]), values.dtype)
        return zeros.at[rows].set(flat, mode="drop")

    def _of_degree_zero(self, atoms: Atoms, waves: Waves, table: RadialTable) -> Any:
        density = self._density
        n = self.channels.radial[0][1]
        at_zero = table(jnp.zeros((), table.dtype))[:n]
        constant = of_no_wave(atoms, waves, at_zero, density)[:, None]
        missing = (1 - density.center_atom_weight) * table.center
        return constant - atoms.of_types[..., None] * missing[None, None, None]

    def _inputs(
        self, batch: Batch, found: KVectors
    ) -> tuple[Atoms, Waves, Any, RadialTable]:
        rows = jnp.asarray(found.atoms)
        positions = batch.positions.at[rows].get(mode="fill", fill_value=0)
        types = jnp.asarray(batch.types).at[rows].get(mode="fill", fill_value=-1)
        known = jnp.asarray(sorted(batch.centers), types.dtype)
        of_types = (types[..., None] == known[None, None]).astype(positions.dtype)
        waves = waves_of(found, jnp.asarray(batch.cells))
        table = self.table(positions.dtype)
        weights = weights_of(waves, table, self.channels, self._density)
        return Atoms(positions, of_types), waves, weights, table

    @property
    def _density(self) -> SmearedPowerLaw:
        density = self.hypers.density
        assert isinstance(density, SmearedPowerLaw)
        return density

    def _parts(
        self, types: tuple[int, int], array: Any
    ) -> Iterator[tuple[tuple[int, ...], Labels, Any]]:
        for o3_lambda, part in self.channels.parts(array):
            m = np.arange(-o3_lambda, o3_lambda + 1, dtype=np.int32)[:, None]
            yield (o3_lambda, 1, *types), Labels("o3_mu", m), part

    def _block(
        self, part: Any, samples: Any, m: Labels, axes: Sequence[Labels] = ()
    ) -> TensorBlock:
        return TensorBlock(part, samples, [*axes, m], Labels.range("n", part.shape[-1]))

    def _map(self, keys: list[tuple[int, ...]], blocks: list[TensorBlock]) -> TensorMap:
        table = np.reshape(np.array(keys, np.int32), (-1, len(self.key_names)))
        return TensorMap(Labels(self.key_names, table), blocks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LodeSphericalExpansion) and self.hypers == other.hypers

    def __hash__(self) -> int:
        return hash((type(self), self.hypers))

    def __repr__(self) -> str:
        parts = ", ".join(f"{k}={v!r}" for k, v in self.hypers.to_dict().items())
        return f"{type(self).__name__}({parts})"


@functools.partial(jax.jit, static_argnums=0)
def _values(calculator: Any, batch: Batch, found: KVectors) -> Any:
    return calculator._coefficients(batch, found)


@functools.partial(jax.jit, static_argnums=0)
def _slopes(calculator: Any, batch: Batch, found: KVectors) -> Any:
    atoms, waves, weights, _ = calculator._inputs(batch, found)
    return derivatives(atoms, waves, weights, calculator.channels)
