"""A step of training on energies, forces and strain, beside metatensor-torch.

The same model in both: radial functions of pairs are added up for atoms, a network for
each type of atoms (metatensor-learn's Linear and SiLU) gives their energies, which are
added up for systems; gradients are explicit blocks by positions and strain; the loss is a
mean of squares, the step gradient descent. Ours is jitted, with dynamic samples padded by
a tenth; theirs is eager, as metatensor-learn is used, with labels made beforehand. Both
start from the same parameters and are checked to give the same loss.

Nothing is measured where metatensor-torch and metatensor-learn are not installed.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxmeta as jm
from benchmarks._rows import Row, faster, interleaved
from jaxmeta import PADDING, DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, with_gradients


SIZES = ((8, 20), (32, 50))  # systems, atoms in each
NEIGHBORS, RADIAL, WIDTH, RATE = 8, 8, 32, 1e-3
TYPES = Labels("type", [[1], [6]])
WEIGHED = ("values", "positions", "strain")
XYZ = [Labels.range(name, 3) for name in ("xyz", "xyz_1", "xyz_2")]


def measure() -> list[Row]:
    if not (find_spec("metatensor.torch") and find_spec("metatensor_learn")):
        return []
    return [_of_size(*size) for size in SIZES]


class Batch(NamedTuple):
    """Structures one after another; what pads has PADDING for its indices.

    Arguments:
        positions, strain: of atoms and of systems.
        atoms: a row ``system, atom, center_type`` for each.
        systems: their numbers, as a column.
        first, second: the atoms of each pair.
    """

    positions: Any
    strain: Any
    atoms: Any
    systems: Any
    first: Any
    second: Any


def _batch(systems: int, atoms: int) -> Batch:
    rng = np.random.default_rng(0)
    number = np.arange(systems * atoms, dtype=np.int32)
    system, atom = np.divmod(number, np.int32(atoms))
    shifts = np.arange(1, NEIGHBORS + 1, dtype=np.int32)[:, None]
    second = system * np.int32(atoms) + (atom + shifts) % np.int32(atoms)
    return Batch(
        rng.normal(size=(systems * atoms, 3)).astype(np.float32),
        np.zeros((systems, 3, 3), np.float32),
        np.stack([system, atom, np.where(atom % 3, 1, 6)], axis=1, dtype=np.int32),
        np.arange(systems, dtype=np.int32)[:, None],
        np.tile(number, NEIGHBORS),
        second.ravel(),
    )


def _padded(batch: Batch) -> Batch:
    """A tenth more rows of everything."""

    def more(array: np.ndarray) -> jax.Array:
        widths = [(0, len(array) // 10), *[(0, 0)] * (array.ndim - 1)]
        fill = PADDING if array.dtype == np.int32 else 0
        return jnp.asarray(np.pad(array, widths, constant_values=fill))

    return Batch(*map(more, batch))


def _of_size(systems: int, atoms: int) -> Row:
    batch = _batch(systems, atoms)
    model = _network()
    theirs = _Torch(batch, jm.nn.to_torch_state_dict(model))
    padded = _padded(batch)
    step = jax.jit(_step)
    np.testing.assert_allclose(float(step(model, padded)[0]), theirs.step(), rtol=1e-4)
    name = f"{systems} x {atoms} atoms: a step of training, vs. metatensor-torch"

    def ours() -> None:
        jax.block_until_ready(step(model, padded))

    return faster(name, *interleaved(ours, theirs.step, rounds=21), None)


# Ours ------------------------------------------------------------------------------------


def _network() -> jm.nn.MLP:
    energy = [Labels.range("energy", 1)] * len(TYPES)
    key = jax.random.key(0)
    return jm.nn.MLP(TYPES, RADIAL, [WIDTH, WIDTH], out_properties=energy, key=key)


def _step(model: Any, batch: Batch) -> tuple[Any, Any]:
    loss, slope = jm.value_and_grad(_loss)(model, batch)

    def descended(parameter: Any, own: Any) -> Any:
        return parameter if own is None else parameter - RATE * own

    return loss, jax.tree.map(descended, model, slope, is_leaf=lambda x: x is None)


def _loss(model: Any, batch: Batch) -> Any:
    tensor = _predicted(model, batch)
    return jm.learn.mse(tensor, jm.ones_like(tensor), dict.fromkeys(WEIGHED, 1.0))


def _predicted(model: Any, batch: Batch) -> TensorMap:
    owner = batch.atoms[:, 0]
    labels = DynamicLabels(["system", "atom"], batch.atoms[:, :2])
    parameters = {
        "positions": Parameter(batch.positions, labels, XYZ[:1], owner),
        "strain": Parameter(batch.strain, None, XYZ[1:], batch.systems[:, 0]),
    }
    return with_gradients(
        lambda positions, strain: _energies(model, batch, positions, strain), parameters
    )


def _energies(model: Any, batch: Batch, positions: Any, strain: Any) -> TensorMap:
    densities = _densities(batch, positions, strain)
    samples = DynamicLabels(["system", "atom", "center_type"], batch.atoms)
    block = TensorBlock(densities, samples, [], Labels.range("n", RADIAL))
    wanted = [Labels("center_type", [row]) for row in TYPES.values]
    of_type = [jm.slice_block(block, "samples", labels) for labels in wanted]
    atomic = model(TensorMap(TYPES, of_type))
    both = atomic.keys_to_samples("type")
    systems = DynamicLabels("system", batch.systems)
    return jm.sum_over_samples(both, ["atom", "center_type", "type"], into=systems)


def _densities(batch: Batch, positions: Any, strain: Any) -> Any:
    def at(array: Any, rows: Any) -> Any:
        return array.at[rows].get(mode="fill", fill_value=0)

    vectors = at(positions, batch.second) - at(positions, batch.first)
    of_pair = at(strain, at(batch.atoms[:, 0], batch.first))
    vectors = vectors + jnp.einsum("pa,pab->pb", vectors, of_pair)
    distances = jnp.sqrt(jnp.sum(vectors**2, axis=1) + 1e-6)
    centers = jnp.linspace(0.0, 4.0, RADIAL, dtype=jnp.float32)
    radial = jnp.exp(-((distances[:, None] - centers[None]) ** 2))
    zero = jnp.zeros((len(positions), RADIAL), jnp.float32)
    return zero.at[batch.first].add(radial, mode="drop")


# Theirs ----------------------------------------------------------------------------------


class _Torch:
    """The same in metatensor-torch and metatensor-learn.

    Arguments:
        batch: without padding.
        parameters: of the network, by their names in torch.
    """

    def __init__(self, batch: Batch, parameters: Any) -> None:
        self._torch, self._mts = import_module("torch"), import_module("metatensor.torch")
        tensor = self._torch.tensor
        self._positions = tensor(batch.positions, requires_grad=True)
        self._strain = tensor(batch.strain, requires_grad=True)
        self._first, self._second = tensor(batch.first).long(), tensor(batch.second).long()
        self._system = tensor(batch.atoms[:, 0]).long()
        types = batch.atoms[:, 2]
        rows = [np.flatnonzero(types == z) for z in TYPES.values[:, 0]]
        self._rows = [tensor(of_type) for of_type in rows]
        self._labels = _labels_of_torch(batch, rows, self._mts, tensor)
        self._network = self._made()
        state = {name: tensor(np.array(array)) for name, array in parameters.items()}
        self._network.load_state_dict(state, strict=False)

    def _made(self) -> Any:
        nn, types = import_module("metatensor.torch.learn.nn"), self._labels["types"]
        energy = [self._labels["energy"]] * len(TYPES)
        linear = partial(nn.Linear, types, dtype=self._torch.float32)
        hidden = [linear(RADIAL, WIDTH), nn.SiLU(types), linear(WIDTH, WIDTH)]
        last = [nn.SiLU(types), linear(WIDTH, 1, out_properties=energy)]
        return nn.Sequential(types, *hidden, *last)

    def step(self) -> float:
        """Gradient descent by one step; the loss before it."""
        torch, parameters = self._torch, list(self._network.parameters())
        loss = self._loss()
        slopes = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, slope in zip(parameters, slopes, strict=True):
                parameter.sub_(RATE * slope)
        return float(loss.detach())

    def _loss(self) -> Any:
        block = self._predicted()[0]
        parts = [block, *(block.gradient(name) for name in ("positions", "strain"))]
        return sum(((part.values - 1.0) ** 2).mean() for part in parts)

    def _predicted(self) -> Any:
        """Energies with explicit gradients, through which torch differentiates again."""
        energies, labels = self._energies()[0], self._labels
        parameters = [self._positions, self._strain]
        slopes = self._torch.autograd.grad(
            energies.values.sum(), parameters, create_graph=True
        )
        block = self._block(energies.values, energies.samples, [], energies.properties)
        for name, slope in zip(("positions", "strain"), slopes, strict=True):
            samples, components = labels[name]
            values = slope.unsqueeze(-1)
            gradient = self._block(values, samples, components, energies.properties)
            block.add_gradient(name, gradient)
        return self._mts.TensorMap(labels["single"], [block])

    def _energies(self) -> Any:
        labels, densities = self._labels, self._densities()
        blocks = [
            self._block(densities[rows], samples, [], labels["n"])
            for rows, samples in zip(self._rows, labels["atoms"], strict=True)
        ]
        atomic = self._network(self._mts.TensorMap(labels["types"], blocks))
        both = atomic.keys_to_samples("type")
        return self._mts.sum_over_samples(both, ["atom", "type"])

    def _densities(self) -> Any:
        torch, first = self._torch, self._first
        vectors = self._positions[self._second] - self._positions[first]
        of_pair = self._strain[self._system[first]]
        vectors = vectors + torch.einsum("pa,pab->pb", vectors, of_pair)
        distances = torch.sqrt((vectors**2).sum(1) + 1e-6)
        centers = torch.linspace(0.0, 4.0, RADIAL)
        radial = torch.exp(-((distances[:, None] - centers) ** 2))
        zero = torch.zeros(len(self._positions), RADIAL)
        return zero.index_add(0, first, radial)

    def _block(self, *parts: Any) -> Any:
        return self._mts.TensorBlock(*parts)


def _labels_of_torch(batch: Batch, rows: Any, module: Any, tensor: Any) -> dict[str, Any]:
    """All labels that a step needs."""

    def labels(names: Any, values: Any) -> Any:
        return module.Labels(names, tensor(np.array(values)))

    atoms = batch.atoms[:, :2]
    xyz = [labels(axis.names, axis.values) for axis in XYZ]
    names = ["sample", "system", "atom"]
    return {
        "single": labels(["_"], [[0]]),
        "types": labels(TYPES.names, TYPES.values),
        "atoms": [labels(["system", "atom"], atoms[of_type]) for of_type in rows],
        "n": module.Labels.range("n", RADIAL),
        "energy": module.Labels.range("energy", 1),
        "positions": (labels(names, atoms[:, [0, 0, 1]]), xyz[:1]),
        "strain": (labels(["sample"], batch.systems), xyz[1:]),
    }
