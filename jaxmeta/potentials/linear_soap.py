"""LinearSoap: a potential that is linear in the SOAP power spectrum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.systems import System
from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, compose
from jaxmeta.learn.composition import Composition, composition_of
from jaxmeta.learn.ridge.accumulated import NormalEquations
from jaxmeta.potentials._linear_rows import (
    check_targets,
    columns_of,
    features,
    part_of,
)
from jaxmeta.potentials._potential import ENERGY, Potential, known_kinds
from jaxmeta.representations.power_spectrum import SoapPowerSpectrum


_FIT = "LinearSoap.fit"


@final
class LinearSoap(Potential):
    r"""Energies that are linear in the environments of atoms, with an offset by type.

    Values: :math:`E_i = \sum_k w_{k} \cdot p_{i,k} + b_{a_i}`, with the power spectrum
    :math:`p` of an atom of type :math:`a_i` and weights for each of its blocks, so that
    every type of centers has weights of its own.

    Gradients: exact, by derivatives of the program; they are linear in the weights too.

    Source: Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013), with a linear kernel.

    Arguments:
        soap: the representation.
        types: those that are known, in ascending order.
        weights: keys are those of the power spectrum, properties its properties; samples
            ``energy``.
        offsets: by type, shape (types,).

    Example:
        >>> from jaxmeta.atomistic import System, to_batch
        >>> soap = SoapPowerSpectrum(
        ...     cutoff={"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     density={"type": "Gaussian", "width": 0.4},
        ...     basis={
        ...         "type": "TensorProduct",
        ...         "max_angular": 1,
        ...         "radial": {"type": "Gto", "max_radial": 3},
        ...     },
        ... )
        >>> lengths = np.linspace(1.0, 1.5, 6)
        >>> dimers = [System([[0.0, 0, 0], [0, 0, r]], [1, 1]) for r in lengths]
        >>> values = jnp.asarray((lengths - 1.2) ** 2)[:, None]
        >>> block = TensorBlock(values, Labels.range("system", 6), [], ENERGY)
        >>> springs = TensorMap(Labels.single(), [block])
        >>> model = LinearSoap.fit(dimers, springs, soap=soap)
        >>> at_rest = System([[0.0, 0, 0], [0, 0, 1.2]], [1, 1])
        >>> energy = model(to_batch(at_rest, model.requested_neighbor_lists()))
        >>> bool(abs(energy[0].values[0, 0]) < 1e-3)
        True
    """

    soap: SoapPowerSpectrum = eqx.field(static=True)
    types: tuple[int, ...] = eqx.field(static=True)
    weights: TensorMap
    offsets: Any

    @classmethod
    def fit(
        cls,
        systems: Sequence[System],
        targets: TensorMap,
        *,
        soap: SoapPowerSpectrum,
        alpha: float = 1e-10,
        sample_weight: Mapping[str, float] | None = None,
        batch_size: int = 16,
    ) -> LinearSoap:
        r"""The weights that are best for energies, and for the gradients that they have.

        Offsets are fitted to the energies first, by the numbers of atoms; then the weights,
        to the rest, by `NormalEquations`, which are added up batch by batch. Errors of
        energies are those per atom.

        Arguments:
            systems: structures, of one dtype.
            targets: their energies, with samples ``system`` from zero on, and gradients
                ``positions`` and ``strain`` that shall be fitted, a row for each atom: as
                of `jaxmeta.interop.ase.read_targets`. What is NaN does not count.
            soap: the representation.
            alpha: the penalty, as a fraction of the mean of what it is added to.
            sample_weight: what multiplies squared errors: ``{"values": 100.0,
                "positions": 1.0}``; what is not named does not count. All by default.
            batch_size: systems whose features are in memory at the same time.

        Raises:
            InvalidError: for targets that are no energies, no systems, numbers out of
                range, and what has no finite solution.
            NotEqualError: for targets of other systems.
            PrecisionError: for systems of float64 while JAX runs without x64.
        """
        check_targets(_FIT, targets, systems)
        _check_numbers(len(systems), alpha, batch_size)
        numbers = [np.asarray(system.types) for system in systems]
        counts = composition_of(numbers, dtype=targets.dtype)
        baseline = Composition.fit(counts, targets)
        rest = baseline.transform(targets, counts)
        types = tuple(counts[0].properties["center_type"].tolist())
        gradients = targets[0].gradients_list()
        sums = None
        for begin in range(0, len(systems), batch_size):
            few = systems[begin : begin + batch_size]
            X = features(soap, few, types, gradients)
            y = part_of(rest, begin, begin + len(few))
            sums = NormalEquations.zeros(X, y) if sums is None else sums
            sizes = np.array([len(system) for system in few])
            sums = sums.add(X, y, sample_weight=sample_weight, sizes=sizes)
        assert sums is not None
        scale = float(jnp.diagonal(sums.left[0].values).mean())
        weights = sums.solve(alpha * scale).weights[0].values[0]
        offsets = jnp.asarray(baseline.weights[0].values)[0]
        return cls(soap, types, _by_key(soap, types, weights), offsets)

    @property
    def cutoff_radius(self) -> float:
        """How far an atom sees, in the unit of the positions."""
        return self.soap.cutoff_radius

    def atomic_energies(self, batch: Batch) -> Any:
        """Products of features and weights, and offsets: shape (atoms,)."""
        kinds = known_kinds("LinearSoap", batch, self.types)
        dtype = batch.positions.dtype
        energies = jnp.asarray(self.offsets).astype(dtype)[kinds]
        for key, block in self.soap(batch).items():
            rows = jnp.asarray(batch.centers[key["center_type"]].rows)
            weights = self.weights.block(key).values[0].astype(dtype)
            energies = energies.at[rows].add(block.values @ weights, mode="drop")
        return energies


def _by_key(soap: SoapPowerSpectrum, types: Sequence[int], weights: Any) -> TensorMap:
    """The weights of all keys beside each other, as blocks."""
    keys, properties = columns_of(soap, types)
    rows = weights.reshape(len(keys), 1, -1)
    each = Labels(["l", "n_1", "n_2"], properties.values[: rows.shape[2], -3:])
    return TensorMap(keys, [TensorBlock(row, ENERGY, [], each) for row in rows])


def _check_numbers(n_systems: int, alpha: float, batch_size: int) -> None:
    if n_systems == 0 or alpha < 0 or batch_size < 1:
        raise InvalidError(
            compose(
                f"{_FIT}: there are systems, batches are not empty, alpha not negative.",
                f"found {n_systems} systems, batch_size={batch_size}, alpha={alpha}",
            )
        )
