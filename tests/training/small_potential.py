"""A potential for tests: radial densities, a network, energies with explicit gradients.

Structures come from the data sets of the project, molecules and crystals in one batch.
Everything that changes from batch to batch is an array of a fixed shape.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ase.neighborlist import neighbor_list

import jaxmeta as jm
from jaxmeta import PADDING, DynamicLabels, Labels, TensorBlock, TensorMap


CUTOFF = 3.2
TYPES = [1, 6, 8, 11, 17]
RADIAL = Labels.range("n", 4)
KINDS = Labels("center_type", [[6], [8], [11], [17]])  # hydrogen is seen as a neighbour
XYZ = Labels.range("xyz", 3)
STRAIN = [Labels.range("xyz_1", 3), Labels.range("xyz_2", 3)]


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Batch:
    """Structures one after another, with room for more.

    Arguments:
        positions, strain: of all atoms, in angstrom; of all systems, zero.
        atoms, systems: the samples, dynamic or static.
        first, second, neighbor: the atoms of each pair, and the type of the second.
        shift: what to add to the vector of a pair, in angstrom.
        owner: the system of each atom.
    """

    positions: Any
    strain: Any
    atoms: Any
    systems: Any
    first: Any
    second: Any
    neighbor: Any
    shift: Any
    owner: Any


def batch_of(frames: Sequence[Any], room: dict[str, int] | None = None) -> Batch:
    """Some structures of ase as a batch; without room, its samples are static."""
    atoms, pairs, shifts = [], [], []
    start = 0
    for system, frame in enumerate(frames):
        i, j, s = neighbor_list("ijS", frame, CUTOFF)
        atoms += [[system, a, z] for a, z in enumerate(frame.numbers)]
        pairs.append(np.stack([start + i, start + j, frame.numbers[j]], axis=1))
        shifts.append(s @ frame.cell.array)
        start += len(frame)
    labels = np.array(atoms, np.int32)
    table = np.concatenate(pairs).astype(np.int32)
    positions = np.concatenate([frame.positions for frame in frames])
    room = room or {"systems": len(frames), "atoms": len(labels), "pairs": len(table)}
    systems = np.arange(len(frames), dtype=np.int32)[:, None]
    rows = _more(labels, room["atoms"], PADDING)
    pair = _more(table, room["pairs"], PADDING)
    names = ["system", "atom", "center_type"]
    return jax.tree.map(
        jnp.asarray,
        Batch(
            _more(positions, room["atoms"], 0.0),
            np.zeros((room["systems"], 3, 3)),
            DynamicLabels(names, rows),
            DynamicLabels("system", _more(systems, room["systems"], PADDING)),
            pair[:, 0],
            pair[:, 1],
            pair[:, 2],
            _more(np.concatenate(shifts), room["pairs"], 0.0),
            rows[:, 0],
        ),
    )


def _more(array: np.ndarray, rows: int, fill: float) -> np.ndarray:
    widths = [(0, rows - len(array)), *[(0, 0)] * (array.ndim - 1)]
    return np.pad(array, widths, constant_values=fill)


def network(key: Any) -> jm.nn.MLP:
    """The energy of an atom from its densities and their logarithms."""
    size = 2 * len(TYPES) * len(RADIAL)
    energy = Labels.range("energy", 1)
    return jm.nn.MLP(Labels.single(), size, [16], out_properties=[energy], key=key)


def energies(model: Any, batch: Batch, positions: Any, strain: Any) -> TensorMap:
    """The energies of all systems of a batch."""
    blocks = [
        TensorBlock(density, batch.atoms, [], RADIAL)
        for density in _densities(batch, positions, strain)
    ]
    keys = Labels("neighbor_type", [[z] for z in TYPES])
    densities = TensorMap(keys, blocks).keys_to_properties("neighbor_type")
    both = jm.join([densities, jm.log(1.0 + densities)], "properties", add_dimension="kind")
    of_atoms = model(jm.slice(both, "samples", KINDS))
    return jm.sum_over_samples(of_atoms, ["atom", "center_type"], into=batch.systems)


def _densities(batch: Batch, positions: Any, strain: Any) -> list[Any]:
    """For each type of neighbours, Gaussians of distances, added up for each atom."""

    def at(array: Any, rows: Any) -> Any:
        return array.at[rows].get(mode="fill", fill_value=0)

    system = at(batch.owner, batch.first)
    vectors = at(positions, batch.second) - at(positions, batch.first) + batch.shift
    vectors = vectors + jnp.einsum("pa,pab->pb", vectors, at(strain, system))
    real = batch.first != PADDING
    square = jnp.where(real, jnp.sum(vectors**2, axis=1), 1.0)
    distance = jnp.sqrt(square)[:, None]
    centers = jnp.linspace(0.8, CUTOFF, len(RADIAL))[None, :]
    fade = 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.minimum(distance / CUTOFF, 1.0)))
    each = fade * jnp.exp(-2.0 * (distance - centers) ** 2)
    found = []
    for z in TYPES:
        counts = (batch.neighbor == z)[:, None]
        own = jnp.where(counts, each, 0.0)
        zero = jnp.zeros((positions.shape[0], len(RADIAL)))
        found.append(zero.at[batch.first].add(own, mode="drop"))
    return found


def predicted(model: Any, batch: Batch) -> TensorMap:
    """Energies with explicit gradients by positions and strain."""
    atoms = DynamicLabels(["system", "atom"], batch.atoms.values[:, :2])
    systems = batch.systems.values[:, 0]
    parameters = {
        "positions": jm.autodiff.Parameter(batch.positions, atoms, [XYZ], batch.owner),
        "strain": jm.autodiff.Parameter(batch.strain, None, STRAIN, systems),
    }
    return jm.autodiff.with_gradients(
        lambda positions, strain: energies(model, batch, positions, strain), parameters
    )


def reference(batch: Batch, energy: Any, forces: Any, stress: Any) -> TensorMap:
    """Targets of a batch: energies, forces, and stresses by volume, NaN where unknown."""
    n = Labels.range("energy", 1)
    rows = jnp.where(
        (batch.owner == PADDING)[:, None],
        PADDING,
        jnp.concatenate([batch.owner[:, None], batch.atoms.values[:, :2]], axis=1),
    )
    room = batch.positions.shape[0]
    positions = TensorBlock(
        -jnp.asarray(_more(forces, room, 0.0))[:, :, None],
        DynamicLabels(["sample", "system", "atom"], rows),
        [XYZ],
        n,
    )
    size = batch.strain.shape[0]
    strain = TensorBlock(
        jnp.asarray(_more(stress, size, 0.0))[:, :, :, None],
        DynamicLabels(["sample"], batch.systems.values),
        STRAIN,
        n,
    )
    values = jnp.asarray(_more(energy, size, 0.0))[:, None]
    gradients = {"positions": positions, "strain": strain}
    block = TensorBlock(values, batch.systems, [], n, gradients)
    return TensorMap(Labels.single(), [block])
