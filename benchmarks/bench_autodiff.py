"""Explicit gradients of an energy model, beside jax.value_and_grad of bare arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxmeta as jm
from benchmarks._rows import Row, cost, interleaved
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, with_gradients


SIZES = ((8, 20), (32, 50))
NEIGHBORS = 4
RADIAL, WIDTH = 8, 32


def measure() -> list[Row]:
    return [row for size in SIZES for row in _of_size(*size)]


class Structures(NamedTuple):
    """Systems of as many atoms each, and pairs of neighbours among these."""

    systems: int
    system: np.ndarray
    first: np.ndarray
    second: np.ndarray
    positions: jax.Array
    strain: jax.Array

    @classmethod
    def of(cls, systems: int, atoms: int) -> Structures:
        rng = np.random.default_rng(0)
        numbers = np.arange(systems * atoms).reshape(systems, atoms)
        pairs = [np.roll(numbers, -step, axis=1) for step in range(1, NEIGHBORS + 1)]
        first = np.concatenate([numbers.ravel()] * NEIGHBORS)
        second = np.concatenate([pair.ravel() for pair in pairs])
        positions = rng.normal(size=(systems * atoms, 3)).astype(np.float32)
        return cls(
            systems,
            np.repeat(np.arange(systems), atoms),
            np.concatenate([first, second]),
            np.concatenate([second, first]),
            jnp.asarray(positions),
            jnp.zeros((systems, 3, 3), jnp.float32),
        )

    @property
    def labels(self) -> Labels:
        atoms = np.arange(len(self.system)) % (len(self.system) // self.systems)
        return Labels(["system", "atom"], np.stack([self.system, atoms], axis=1))


def _energies(given: Structures, weights: Any, positions: Any, strain: Any) -> Any:
    """A number for each system: a network on radial functions around each atom."""
    deformed = positions + jnp.einsum("ax,axy->ay", positions, strain[given.system])
    vectors = deformed[given.second] - deformed[given.first]
    distances = jnp.sqrt(jnp.sum(vectors**2, axis=1) + 1e-6)
    centers = jnp.linspace(0.0, 4.0, RADIAL, dtype=jnp.float32)
    radial = jnp.exp(-((distances[:, None] - centers[None]) ** 2))
    features = jax.ops.segment_sum(radial, given.first, len(given.system))
    for matrix in weights[:-1]:
        features = jax.nn.silu(features @ matrix)
    atomic = features @ weights[-1]
    return jax.ops.segment_sum(atomic, given.system, given.systems)


def weights() -> list[jax.Array]:
    rng = np.random.default_rng(1)
    sizes = [(RADIAL, WIDTH), (WIDTH, WIDTH), (WIDTH, 1)]
    arrays = [rng.normal(size=size).astype(np.float32) / size[0] ** 0.5 for size in sizes]
    return [jnp.asarray(array) for array in arrays]


# Two programs for each thing ------------------------------------------------------------


def _labelled(given: Structures) -> Callable[..., TensorMap]:
    """Energies, and their gradients by positions and strain, as a map."""
    axes = [[Labels.range(name, 3)] for name in ("xyz", "xyz_1", "xyz_2")]
    systems = Labels.range("system", given.systems)

    def energies(weights: Any, positions: Any, strain: Any) -> TensorMap:
        values = _energies(given, weights, positions, strain)
        block = TensorBlock(values, systems, [], Labels.range("energy", 1))
        return TensorMap(Labels.single(), [block])

    def both(weights: Any, positions: Any, strain: Any) -> TensorMap:
        parameters = {
            "positions": Parameter(positions, given.labels, axes[0], given.system),
            "strain": Parameter(
                strain, None, axes[1] + axes[2], owner=np.arange(given.systems)
            ),
        }
        return with_gradients(energies, parameters, weights)

    return both


def _bare(given: Structures) -> Callable[..., Any]:
    """The same as arrays."""

    def total(positions: Any, strain: Any, weights: Any) -> Any:
        values = _energies(given, weights, positions, strain)
        return values.sum(), values

    def both(weights: Any, positions: Any, strain: Any) -> Any:
        differentiated = jax.value_and_grad(total, (0, 1), has_aux=True)
        (_, values), gradients = differentiated(positions, strain, weights)
        return values, *gradients

    return both


def programs(given: Structures) -> dict[str, tuple[Callable[..., Any], Any, float]]:
    """By name: with gradient blocks, with bare arrays, and the goal."""
    ours, theirs = _labelled(given), _bare(given)
    return {
        "explicit gradients, vs jax.value_and_grad": (ours, theirs, 1.03),
        "a training step on forces, vs bare arrays": (
            jm.grad(lambda w, *at: _loss_of_map(ours(w, *at))),
            jax.grad(lambda w, *at: _loss(*theirs(w, *at))),
            1.05,
        ),
    }


def _of_size(systems: int, atoms: int) -> list[Row]:
    given = Structures.of(systems, atoms)
    arguments = weights(), given.positions, given.strain
    rows = []
    for name, (here, there, goal) in programs(given).items():
        jitted = jax.jit(here), jax.jit(there)
        turns = [lambda f=f: jax.block_until_ready(f(*arguments)) for f in jitted]
        times = interleaved(*turns, rounds=41)
        rows.append(cost(f"{systems} x {atoms} atoms: {name}", *times, goal))
    return rows


def _loss_of_map(tensor: TensorMap) -> Any:
    block = tensor[0]
    gradients = [block.gradient(name).values[..., 0] for name in ("positions", "strain")]
    return _loss(block.values, *gradients)


def _loss(values: Any, positions: Any, strain: Any) -> Any:
    """As if all should be one."""
    return sum(jnp.mean((array - 1.0) ** 2) for array in (values, positions, strain))
