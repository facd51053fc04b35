"""EquivariantMessagePassing: a graph network whose features rotate with the atoms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic._quantities import XYZ
from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.neighbors.options import check_length
from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_whole
from jaxmeta.nn._arguments import random_keys
from jaxmeta.potentials._parameters import checked_types, finite, in_dtype, offsets_of
from jaxmeta.potentials._potential import Potential, known_kinds, rows_of_atoms
from jaxmeta.representations._hypers.hypers import Hypers, parse_hypers
from jaxmeta.representations.clebsch_gordan.coefficients import cg_coefficients
from jaxmeta.representations.harmonics import spherical_harmonics
from jaxmeta.representations.radial.table import radial_table


# Features of atoms: for each degree an array (atoms, 2 degree + 1, channels).
Features = dict[int, jax.Array]
_VECTOR = Labels.range("vector", 1)


class _Layer(eqx.Module):
    """Messages of neighbours: features times harmonics times functions of distances."""

    radial: list[Any]  # of a network from radial functions to weights, without biases
    own: dict[int, Any]
    mixed: dict[int, Any]
    gates: Any
    paths: tuple[tuple[int, int, int], ...] = eqx.field(static=True)

    def __call__(
        self, features: Features, radial: Any, harmonics: Any, near: Any, scale: float
    ) -> Features:
        first, second = near
        weights = jax.nn.silu(radial @ self.radial[0]) @ self.radial[1]
        n_channels = features[0].shape[2]
        sums: Features = {}
        for number, (l1, l2, degree) in enumerate(self.paths):
            coupling = jnp.asarray(cg_coefficients(l1, l2, degree)).astype(weights.dtype)
            given = features[l1].at[second].get(mode="fill", fill_value=0)
            angular = jnp.einsum(
                "pmc,pn,mno->poc", given, harmonics[:, l2**2 : (l2 + 1) ** 2], coupling
            )
            own = weights[:, None, number * n_channels : (number + 1) * n_channels]
            zeros = jnp.zeros((features[0].shape[0], *angular.shape[1:]), weights.dtype)
            message = zeros.at[first].add(scale * own * angular, mode="drop")
            sums[degree] = sums.get(degree, zeros) + message
        found = {degree: sums[degree] @ self.mixed[degree] for degree in sums}
        for degree in features:
            found[degree] = found[degree] + features[degree] @ self.own[degree]
        return self._gated(found)

    def _gated(self, features: Features) -> Features:
        """Invariants through a nonlinear function; others times one of the invariants."""
        invariants = features[0]
        gates = jax.nn.sigmoid(invariants @ self.gates)
        others = {degree: x * gates for degree, x in features.items() if degree}
        return {0: jax.nn.silu(invariants), **others}


@final
class EquivariantMessagePassing(Potential):
    r"""Energies of atoms by messages that rotate with them, in a few layers.

    Atoms have features of degrees :math:`l`, which rotate as spherical harmonics do. In
    each layer they get from every neighbour :math:`\sum W(r_{ij})\, C\, h_j \otimes
    Y(\hat r_{ij})`: its features times the harmonics of its direction, coupled by
    Clebsch-Gordan coefficients to each degree, times a network of radial functions, which
    vanishes smoothly at the cutoff. Linear maps and gates make new features of the sums.
    The energy of an atom is a network of its invariants in the end.

    Values do not change with rotations, reflections, and the order of atoms. Only products
    with :math:`l_1 + l_2 + l` even are taken, so that features of odd degree change sign
    in a reflection, as vectors do. Gradients: exact. Scale and offsets are constants.

    Arguments:
        types: those that are known.
        cutoff: how far messages go, in the unit of the positions. The energy of an atom
            depends on those within `layers` times as much.
        channels: features of each degree.
        max_angular: the highest degree of features and harmonics.
        layers: how often messages are sent.
        neighbors: how many neighbours atoms have about, for the size of sums.
        offsets: energies by type; zero by default.
        scale: what the networks are multiplied with.
        key: of the random numbers that parameters begin with, as of `jax.random.key`.

    Raises:
        InvalidError: for types that are none, and numbers out of range.
        InvalidTypeError: for what is no number, or no random key.

    Source: Batzner et al., Nat. Commun. 13, 2453 (2022).

    Example:
        >>> from jaxmeta.atomistic import System, to_batch
        >>> model = EquivariantMessagePassing([1, 8], 4.0, channels=4, max_angular=1,
        ...     layers=1, key=jax.random.key(0))
        >>> water = System([[0.0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]], [8, 1, 1])
        >>> batch = to_batch(water, model.requested_neighbor_lists())
        >>> eqx.filter_jit(model)(batch)[0].shape
        (1, 1)
    """

    types: tuple[int, ...] = eqx.field(static=True)
    hypers: Hypers = eqx.field(static=True)
    neighbors: float = eqx.field(static=True)
    max_angular: int = eqx.field(static=True)
    embedding: Any
    layers: list[_Layer]
    readout: list[Any]
    readout_of_vectors: Any
    offsets: Any
    scale: Any

    def __init__(
        self,
        types: Sequence[int],
        cutoff: float,
        *,
        channels: int = 16,
        max_angular: int = 2,
        layers: int = 2,
        neighbors: float = 10.0,
        offsets: Mapping[int, float] | None = None,
        scale: float = 1.0,
        key: Any,
    ) -> None:
        where = type(self).__name__
        channels, layers, max_angular = (
            check_whole(where, name, number, 1)
            for name, number in (
                ("channels", channels),
                ("layers", layers),
                ("max_angular", max_angular),
            )
        )
        self.types = checked_types(where, types)
        self.hypers = _hypers(check_length(where, "cutoff", cutoff))
        self.neighbors = check_length(where, "number of neighbors", neighbors)
        self.max_angular = max_angular
        keys = iter(random_keys(where, key, 4 + layers))
        self.embedding = jax.random.normal(next(keys), (len(self.types), channels))
        degrees = [[0], *[list(range(max_angular + 1))] * layers]
        self.layers = [
            _layer(next(keys), before, after, max_angular, channels)
            for before, after in itertools.pairwise(degrees)
        ]
        sizes = [channels, channels, 1]
        self.readout = [_matrix(next(keys), *pair) for pair in itertools.pairwise(sizes)]
        self.readout_of_vectors = _matrix(next(keys), channels, 1)
        self.offsets = offsets_of(where, offsets, self.types)
        # With a dtype of its own.
        self.scale = jnp.asarray(np.float64(finite(where, "scale", scale)))

    @property
    def cutoff_radius(self) -> float:
        """How far messages go, in the unit of the positions."""
        return self.hypers.cutoff.radius

    def features(self, batch: Batch) -> Features:
        """The features of all atoms after the last layer, by degree."""
        kinds = known_kinds(type(self).__name__, batch, self.types)
        pairs = batch.pairs_within(self.cutoff_radius)
        vectors = batch.vectors(pairs)
        distances = jnp.sqrt(jnp.sum(vectors**2, axis=1))
        radial = radial_table(self.hypers, vectors.dtype)(distances)
        harmonics = math.sqrt(4 * math.pi) * spherical_harmonics(vectors, self.max_angular)
        embedding, layers = in_dtype(vectors.dtype, (self.embedding, self.layers))
        features = {0: embedding[kinds][:, None]}
        near = jnp.asarray(pairs.first), jnp.asarray(pairs.second)
        for layer in layers:
            features = layer(features, radial, harmonics, near, self.neighbors**-0.5)
        return features

    def atomic_energies(self, batch: Batch) -> Any:
        """A network of the invariants, scaled, and offsets: shape (atoms,)."""
        kinds = known_kinds(type(self).__name__, batch, self.types)
        invariants = self.features(batch)[0][:, 0]
        first, last, offsets, scale = in_dtype(
            invariants.dtype, (*self.readout, self.offsets, self.scale)
        )
        energies = (jax.nn.silu(invariants @ first) @ last)[:, 0]
        return (
            jax.lax.stop_gradient(scale) * energies + jax.lax.stop_gradient(offsets)[kinds]
        )

    def vectors(self, batch: Batch) -> TensorMap:
        """A vector for each atom, which rotates with it: a dipole, a velocity.

        Returns:
            A map with key ``_``, samples ``system, atom``, component ``xyz``, property
            ``vector``.
        """
        features = self.features(batch)[1]
        matrix = in_dtype(features.dtype, self.readout_of_vectors)
        found = (features @ matrix)[:, np.array([2, 0, 1])]  # harmonics are y, z, x
        values, samples = rows_of_atoms(batch, found)
        return TensorMap(Labels.single(), [TensorBlock(values, samples, [XYZ], _VECTOR)])


def _hypers(cutoff: float) -> Hypers:
    """Eight radial functions that go to zero smoothly in the outer third."""
    return parse_hypers(
        {"radius": cutoff, "smoothing": {"type": "ShiftedCosine", "width": cutoff / 3}},
        {"type": "DiracDelta"},
        {
            "type": "TensorProduct",
            "max_angular": 0,
            "radial": {"type": "Gto", "max_radial": 7},
        },
    )


def _matrix(key: Any, n_in: int, n_out: int) -> Any:
    return jax.random.normal(key, (n_in, n_out)) / math.sqrt(n_in)


def _layer(
    key: Any, before: list[int], after: list[int], max_angular: int, channels: int
) -> _Layer:
    paths = tuple(
        (l1, l2, degree)
        for l1, l2, degree in itertools.product(before, range(max_angular + 1), after)
        if abs(l1 - l2) <= degree <= l1 + l2 and (l1 + l2 + degree) % 2 == 0
    )
    keys = iter(jax.random.split(key, 3 + len(before) + len(after)))
    radial = [_matrix(next(keys), 8, 32), _matrix(next(keys), 32, len(paths) * channels)]
    own = {degree: _matrix(next(keys), channels, channels) for degree in before}
    mixed = {degree: _matrix(next(keys), channels, channels) for degree in after}
    return _Layer(radial, own, mixed, _matrix(next(keys), channels, channels), paths)
