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
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.learn.ridge._row_weights import row_weights
from jaxmeta.potentials._linear_rows import (
    check_targets,
    columns_of,
    features,
    part_of,
    without,
)
from jaxmeta.potentials._linear_sums import Counts, JointSums
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
        baseline: Potential | None = None,
        batch_size: int = 16,
    ) -> LinearSoap:
        r"""The weights and offsets that are best for energies, forces and strains together.

        They minimise

        .. math::
            s_E \sum_s \frac{(E_s - \hat E_s)^2}{n_s^2}
            + s_r \sum_{s,i} |\partial_i E_s - \partial_i \hat E_s|^2
            + s_\epsilon \sum_s |\partial_\epsilon E_s - \partial_\epsilon \hat E_s|^2
            + \lambda |w|^2

        over weights :math:`w` and offsets :math:`b` at once, with :math:`n_s` atoms in
        system :math:`s`. Offsets have no penalty; where numbers of atoms do not tell them
        apart, they are those of smallest norm. Where energies do not count, offsets are
        those that are best for them with the weights found. Systems are added up batch by
        batch; the result is that of all of them, whatever the size of the batches.

        With a `baseline` the model is fitted to what this potential leaves, and has to be
        added to it again: ``Sum([baseline, model])`` is the potential of the targets.

        Arguments:
            systems: structures, of one dtype.
            targets: their energies, with samples ``system`` from zero on, and gradients
                ``positions`` and ``strain`` that shall be fitted, a row for each atom: as
                of `jaxmeta.interop.ase.read_targets`. What is NaN does not count.
            soap: the representation.
            alpha: the penalty :math:`\lambda`, as a fraction of the mean of what it is
                added to: the diagonal of the normal equations, without what offsets
                explain.
            sample_weight: the :math:`s` that multiply squared errors: ``{"values": 100.0,
                "positions": 1.0}``; what is not named does not count. All by default.
            baseline: a potential in the units of the targets, as `ZBL` in eV, which knows
                the types of the systems.
            batch_size: systems whose features are in memory at the same time.

        Raises:
            InvalidError: for targets that are no energies or infinite, no systems, numbers
                out of range, a baseline that is not finite for a system, weights that are
                all zero, and what has no finite solution.
            InvalidTypeError: for targets of another dtype than the systems, and a baseline
                that is no potential.
            NotEqualError: for targets of other systems.
            MissingError: for weights of gradients that the targets lack.
            PrecisionError: for systems of float64 while JAX runs without x64.
        """
        check_targets(_FIT, targets, systems)
        _check_arguments(len(systems), alpha, batch_size, baseline)
        counted = _weights(sample_weight, targets)
        parts = _batches(systems, targets, batch_size)
        if baseline is not None:
            parts = [(few, without(_FIT, baseline, few, y)) for few, y in parts]
        energies = np.concatenate([np.asarray(y[0].values)[:, 0] for _, y in parts])
        counts = Counts([system.types for system in systems], energies)
        types = tuple(counts.known.tolist())
        sums = JointSums(counts, counted)
        gradients = [name for name in counted if name != "values"]
        for few, y in parts:
            sums.add(features(soap, few, types, gradients), y)
        weights, offsets = sums.solve(alpha)
        offsets = jnp.asarray(offsets.astype(targets.dtype))
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


def _batches(
    systems: Sequence[System], targets: TensorMap, size: int
) -> list[tuple[Sequence[System], TensorMap]]:
    ends = [
        (begin, min(begin + size, len(systems))) for begin in range(0, len(systems), size)
    ]
    return [(systems[begin:end], part_of(targets, begin, end)) for begin, end in ends]


def _weights(given: Mapping[str, float] | None, targets: TensorMap) -> dict[str, float]:
    """What multiplies the squared errors of each kind of rows that counts."""
    found = row_weights(_FIT, given, targets, None)[0]
    weights = {name: float(weight.number) for name, weight in found.items()}
    block = targets[0]
    parts = [block if name == "values" else block.gradient(name) for name in weights]
    if all(np.isnan(np.asarray(part.values)).all() for part in parts):
        raise InvalidError(
            compose(
                f"{_FIT}: nothing counts.",
                f"weights that are not zero: {weights}; targets of these are all NaN",
            )
        )
    return weights


def _check_arguments(
    n_systems: int, alpha: float, batch_size: int, baseline: Potential | None
) -> None:
    if n_systems == 0 or not 0 <= alpha < np.inf or batch_size < 1:
        raise InvalidError(
            compose(
                f"{_FIT}: there are systems, batches are not empty, alpha is finite and "
                "not negative.",
                f"found {n_systems} systems, batch_size={batch_size}, alpha={alpha}",
            )
        )
    if baseline is not None and not isinstance(baseline, Potential):
        raise InvalidTypeError(
            compose(
                f"{_FIT}: the baseline is a potential.",
                f"found {type(baseline).__name__}",
            )
        )
