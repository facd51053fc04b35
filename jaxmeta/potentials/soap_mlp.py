"""SoapMLP: a network for each type of atoms, on the SOAP power spectrum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic.batches import Batch
from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.nn.sequential import MLP
from jaxmeta.potentials._linear_rows import columns_of
from jaxmeta.potentials._parameters import checked_types, in_dtype, offsets_of
from jaxmeta.potentials._potential import Potential, known_kinds
from jaxmeta.representations.power_spectrum import SoapPowerSpectrum


@final
class SoapMLP(Potential):
    r"""Energies of atoms by a multilayer perceptron for each type of atoms.

    Values: :math:`E_i = s\, f_{a_i}(p_i / |p_i|) + b_{a_i}`, with the power spectrum
    :math:`p_i` of an atom of type :math:`a_i`, all pairs of types of neighbours beside
    each other, and a network :math:`f` for each type. They are computed in the dtype of
    the positions.

    Gradients: exact, of all orders that the power spectrum has; scale and offsets are
    constants: their derivatives are zero, so that optimisers leave them alone.

    Source: Behler, Parrinello, Phys. Rev. Lett. 98, 146401 (2007), with the representation
    of Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013).

    Arguments:
        soap: the representation.
        types: those that are known.
        hidden_features: sizes of the hidden layers.
        offsets: energies by type, of `Composition` for instance; zero by default.
        scale: what the networks are multiplied with, the spread of energies of atoms for
            instance.
        key: of the random numbers that parameters begin with, as of `jax.random.key`.

    Raises:
        InvalidError: for types that are none, or stand twice, and offsets of others.

    Example:
        >>> from jaxmeta.atomistic import System, to_batch
        >>> soap = SoapPowerSpectrum(
        ...     cutoff={"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     density={"type": "Gaussian", "width": 0.4},
        ...     basis={
        ...         "type": "TensorProduct",
        ...         "max_angular": 1,
        ...         "radial": {"type": "Gto", "max_radial": 1},
        ...     },
        ... )
        >>> model = SoapMLP(soap, [1, 8], offsets={1: -13.6}, key=jax.random.key(0))
        >>> hydrogen = System([[0.0, 0, 0], [0, 0, 0.75]], [1, 1])
        >>> batch = to_batch(hydrogen, model.requested_neighbor_lists())
        >>> model(batch)[0].shape
        (1, 1)
    """

    soap: SoapPowerSpectrum = eqx.field(static=True)
    types: tuple[int, ...] = eqx.field(static=True)
    network: MLP
    offsets: Any
    scale: Any

    def __init__(
        self,
        soap: SoapPowerSpectrum,
        types: Sequence[int],
        hidden_features: Sequence[int] = (32, 32),
        *,
        offsets: Mapping[int, float] | None = None,
        scale: float = 1.0,
        key: Any,
    ) -> None:
        self.soap, self.types = soap, checked_types("SoapMLP", types)
        self.offsets = offsets_of("SoapMLP", offsets, self.types)
        self.scale = jnp.asarray(np.float64(scale))  # with a dtype of its own
        centers = Labels("center_type", np.array(self.types)[:, None])
        features = len(_properties(soap, self.types))
        self.network = MLP(centers, features, list(hidden_features), 1, key=key)

    @property
    def cutoff_radius(self) -> float:
        """How far an atom sees, in the unit of the positions."""
        return self.soap.cutoff_radius

    def features(self, batch: Batch) -> TensorMap:
        """What the networks get: keys ``center_type``, rows of length one."""
        every = _properties(self.soap, self.types)
        samples, values = {}, {}
        for key, block in self.soap(batch).items():
            center, *pair = key.values.tolist()
            rows = [[*pair, *row] for row in block.properties.values.tolist()]
            columns = every._index.find(np.array(rows, np.int32))
            # Where some types are not there at all, they are no neighbours either.
            zeros = jnp.zeros((block.shape[0], len(every)), block.dtype)
            wide = values.get(center, zeros)
            samples[center] = block.samples
            values[center] = wide.at[:, columns].set(block.values)
        blocks = [
            TensorBlock(_normalised(values[each]), samples[each], [], every)
            for each in samples
        ]
        keys = Labels("center_type", np.array([[each] for each in samples], np.int32))
        return TensorMap(keys, blocks)

    def atomic_energies(self, batch: Batch) -> Any:
        """What the networks give, scaled, and offsets: shape (atoms,)."""
        kinds = known_kinds("SoapMLP", batch, self.types)
        network, offsets, scale = in_dtype(
            batch.positions.dtype, (self.network, self.offsets, self.scale)
        )
        energies = jax.lax.stop_gradient(offsets)[kinds]
        for key, block in network(self.features(batch)).items():
            rows = jnp.asarray(batch.centers[key["center_type"]].rows)
            found = jax.lax.stop_gradient(scale) * block.values[:, 0]
            energies = energies.at[rows].add(found, mode="drop")
        return energies


def _properties(soap: SoapPowerSpectrum, types: Sequence[int]) -> Labels:
    """What atoms of any type have, with all pairs of types of neighbours."""
    _, every = columns_of(soap, types)
    rows = every.values[: len(every) // len(types), 1:]  # of the first type of centers
    return Labels(every.names[1:], rows)


def _normalised(values: Any) -> Any:
    """Rows of length one; zeros stay what they are."""
    squares = jnp.sum(values**2, axis=1, keepdims=True)
    there = squares > 0
    roots = jax.lax.rsqrt(jnp.where(there, squares, jnp.ones_like(squares)))
    return jnp.where(there, values * roots, jnp.zeros_like(values))
