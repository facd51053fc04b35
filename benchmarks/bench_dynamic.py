"""Dynamic samples in a training step, beside padded arrays with indices from the host.

Eight structures of about 200 atoms and 1800 pairs in all, padded to 256 and 2304: radial
functions of pairs are added up for atoms, a small network gives their energies, which are
added up for structures; the loss is on energies and forces, the step gradient descent.
What differs is how pairs find their atoms: by the row of the atom, by looking its label
up, or by sorting the labels of the pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxmeta as jm
from benchmarks._rows import Row, cost, interleaved
from jaxmeta import PADDING, DynamicLabels, Labels, TensorBlock, TensorMap


SYSTEMS, ATOMS, PAIRS = 8, 256, 2304
RADIAL, WIDTH = 16, 32
GOALS = {"row": 1.10, "look-up": 1.3, "sort": 2.0}


class Batch(NamedTuple):
    """Arrays of one batch: of atoms, of pairs, and their labels.

    Arguments:
        positions: of atoms.
        first, second: the atoms of each pair.
        system: the structure of each atom.
        atoms: labels of atoms, ``system, atom``.
        pairs: labels of pairs, ``system, atom, pair``.
        rows: the same with ``center``, the row of the atom, in place of two of them.
        energies, forces: what the loss compares with.
    """

    positions: Any
    first: Any
    second: Any
    system: Any
    atoms: Any
    pairs: Any
    rows: Any
    energies: Any
    forces: Any


def measure() -> list[Row]:
    batch = _batch()
    weights = _weights()
    bare = jax.jit(partial(_step, _bare))
    rows = []
    for name, goal in GOALS.items():
        with jm.debug.without_errors():
            ours = jax.jit(partial(_step, _BY[name]))
            _assert_same(ours(weights, batch), bare(weights, batch))
        times = interleaved(
            lambda f=ours: jax.block_until_ready(f(weights, batch)),
            lambda: jax.block_until_ready(bare(weights, batch)),
            rounds=41,
        )
        rows.append(
            cost(f"force training, atoms by {name}, vs padded arrays", *times, goal)
        )
        rows.append(_memory(name, ours, bare, weights, batch))
    return rows


def _memory(name: str, ours: Any, bare: Any, weights: Any, batch: Batch) -> Row:
    """Bytes that the two programs need while they run."""
    needed = [
        f.lower(weights, batch).compile().memory_analysis().temp_size_in_bytes
        for f in (ours, bare)
    ]
    goal = 1.1 if name == "row" else None
    return cost(f"memory of the same step, atoms by {name} (bytes)", *needed, goal)


def _batch() -> Batch:
    rng = np.random.default_rng(0)
    sizes = [25, 18, 31, 22, 27, 24, 29, 26]
    system = np.repeat(np.arange(SYSTEMS), sizes)
    atom = np.concatenate([np.arange(size) for size in sizes])
    begins = np.cumsum([0, *sizes])[:-1]
    first = np.repeat(np.arange(len(system)), 9)
    second = begins[system[first]] + rng.integers(0, np.array(sizes)[system[first]])
    keep = first != second
    first, second = first[keep], second[keep]
    number = np.arange(len(first))
    pairs = np.stack([system[first], atom[first], number], axis=1)
    return Batch(
        _padded(rng.normal(size=(len(system), 3)) * 2, ATOMS, 0.0).astype(np.float32),
        _padded(first, PAIRS, PADDING),
        _padded(second, PAIRS, PADDING),
        _padded(system, ATOMS, PADDING),
        DynamicLabels(["system", "atom"], _padded(np.stack([system, atom], 1), ATOMS)),
        DynamicLabels(["system", "atom", "pair"], _padded(pairs, PAIRS)),
        DynamicLabels(["center", "pair"], _padded(np.stack([first, number], 1), PAIRS)),
        jnp.asarray(rng.normal(size=SYSTEMS), jnp.float32),
        jnp.asarray(rng.normal(size=(ATOMS, 3)), jnp.float32),
    )


def _padded(array: np.ndarray, rows: int, fill: float = PADDING) -> Any:
    widths = [(0, rows - len(array)), *[(0, 0)] * (array.ndim - 1)]
    wide = np.pad(array, widths, constant_values=fill)
    return jnp.asarray(wide if wide.dtype.kind == "f" else wide.astype(np.int32))


def _weights() -> list[jax.Array]:
    keys = jax.random.split(jax.random.key(0), 2)
    return [
        jax.random.normal(keys[0], (RADIAL, WIDTH)) / RADIAL**0.5,
        jax.random.normal(keys[1], (WIDTH, 1)) / WIDTH**0.5,
    ]


# The model ------------------------------------------------------------------------------


def _radial(batch: Batch, positions: Any) -> Any:
    """Functions of the distance of each pair; those of padding are of no distance."""
    at = [
        positions.at[rows].get(mode="fill", fill_value=0)
        for rows in (batch.first, batch.second)
    ]
    square = jnp.sum((at[1] - at[0]) ** 2, axis=1) + 1e-3
    centers = jnp.linspace(0.0, 5.0, RADIAL)
    return jnp.exp(-((jnp.sqrt(square)[:, None] - centers[None, :]) ** 2))


def _network(weights: Any, x: Any) -> Any:
    return jnp.tanh(x @ weights[0]) @ weights[1]


def _bare(weights: Any, batch: Batch, positions: Any) -> Any:
    """Energies by indices, as written by hand."""
    densities = jax.ops.segment_sum(_radial(batch, positions), batch.first, ATOMS)
    energies = _network(weights, densities)
    return jax.ops.segment_sum(energies, batch.system, SYSTEMS)[:, 0]


def _labelled(
    names: Callable[[Batch], tuple[DynamicLabels, Callable[[TensorMap], TensorMap]]],
    weights: Any,
    batch: Batch,
    positions: Any,
) -> Any:
    """Energies by labels."""
    pairs, to_atoms = names(batch)
    n = Labels.range("n", RADIAL)
    block = TensorBlock(_radial(batch, positions), pairs, [], n)
    densities = to_atoms(TensorMap(Labels.single(), [block]))
    energies = jm.map_samples(lambda x: _network(weights, x), densities, ENERGY)
    systems = Labels.range("system", SYSTEMS)
    return jm.sum_over_samples(energies, "atom", into=systems)[0].values[:, 0]


ENERGY = Labels.range("energy", 1)


def _by_row(batch: Batch) -> Any:
    def to_atoms(pairs: TensorMap) -> TensorMap:
        names = ["center", "pair"]
        return jm.sum_over_samples(pairs, names, into=batch.atoms, owner="center")

    return batch.rows, to_atoms


def _by_label(batch: Batch) -> Any:
    return batch.pairs, lambda x: jm.sum_over_samples(x, "pair", into=batch.atoms)


def _by_order(batch: Batch) -> Any:
    return batch.pairs, lambda x: jm.sum_over_samples(x, "pair", capacity=ATOMS)


_BY = {
    "row": partial(_labelled, _by_row),
    "look-up": partial(_labelled, _by_label),
    "sort": partial(_labelled, _by_order),
}


# The step -------------------------------------------------------------------------------


def _loss(energies: Any, weights: Any, batch: Batch) -> Any:
    def total(positions: Any) -> Any:
        found = energies(weights, batch, positions)
        return jnp.sum(found), found

    slope, found = jax.grad(total, has_aux=True)(batch.positions)
    real = (batch.system != PADDING)[:, None]
    forces = jnp.where(real, slope + batch.forces, 0.0)
    return jnp.mean((found - batch.energies) ** 2) + jnp.mean(forces**2)


def _step(energies: Any, weights: Any, batch: Batch) -> Any:
    loss, slopes = jax.value_and_grad(lambda w: _loss(energies, w, batch))(weights)
    return loss, [w - 1e-3 * slope for w, slope in zip(weights, slopes, strict=True)]


def _assert_same(ours: Any, theirs: Any) -> None:
    for left, right in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(left, right, rtol=2e-4, atol=1e-5)
