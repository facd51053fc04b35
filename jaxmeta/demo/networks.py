"""A network beside a linear model, trained on stored features and their derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxmeta as jm
from jaxmeta.demo.descriptors import Directions, Stored, directions_of, stored
from jaxmeta.potentials import SoapMLP
from jaxmeta.representations import SoapPowerSpectrum


class Training(NamedTuple):
    """How a network is trained.

    Arguments:
        directions: how many numbers it gets of each atom.
        hidden_features: sizes of the hidden layers.
        epochs: how often all structures are seen.
        batch: structures in a step.
        learning_rate: the largest; it rises during a twentieth of the steps, and falls as
            a cosine.
    """

    directions: int = 128
    hidden_features: tuple[int, ...] = (64, 64)
    epochs: int = 200
    batch: int = 16
    learning_rate: float = 6e-3


class Example(NamedTuple):
    """Structures and what is to be learned, with structures along the first axis.

    Arguments:
        numbers: by type of atoms.
        targets: ``values`` in eV for each structure, and derivatives by name.
        sizes: numbers of atoms.
    """

    numbers: list[Stored]
    targets: dict[str, Any]
    sizes: Any


def train_network(
    soap: SoapPowerSpectrum,
    systems: Sequence[Any],
    targets: jm.TensorMap,
    errors: Mapping[str, float],
    how: Training,
    *,
    batch: int,
    seed: int,
) -> SoapMLP:
    """A network for these energies and derivatives.

    Arguments:
        soap: the representation.
        systems: structures for training.
        targets: energies that average to zero or nearly so, with explicit gradients.
        errors: what error a row of each kind may have, as of `Study`.
        how: numbers of the training.
        batch: structures whose explicit gradients are in memory at a time.
        seed: of the first parameters, and of the order of structures.
    """
    gradients = [name for name in errors if name != "values"]
    directions = directions_of(soap, systems, how.directions)
    numbers = stored(soap, systems, directions, gradients, batch)
    data = Example(
        list(numbers.values()),
        _arrays(targets, systems),
        np.array([len(system) for system in systems], np.float32),
    )
    # Networks begin with numbers of about one.
    scale = float(np.abs(data.targets["positions"]).mean())
    key = jax.random.key(seed)
    centers = jm.Labels("center_type", np.array([[each] for each in directions]))
    features = [each.axes.shape[1] for each in directions.values()]
    hidden = list(how.hidden_features)
    network = jm.nn.MLP(centers, features, hidden, 1, dtype="float32", key=key)
    network = _trained(network, data, errors, scale, how, seed)
    model = SoapMLP(soap, list(directions), hidden, scale=scale, key=key)
    return with_directions(model, network, list(directions.values()))


def with_directions(
    model: SoapMLP, network: Any, directions: Sequence[Directions]
) -> SoapMLP:
    """The same network on all features: what makes a few of them goes into its first layer.

    Arguments:
        model: whose network has the same hidden layers.
        network: takes a few numbers for each atom.
        directions: how they are made of the features, in the order of the types.
    """
    chains = []
    for chain, each in zip(network.modules, directions, strict=True):
        chain = jax.tree.map(lambda x: x.astype(jnp.float64), chain)
        first = chain.layers[0]
        weight = first.weight @ each.axes.T
        new = weight, first.bias - weight @ each.mean
        chains.append(
            eqx.tree_at(lambda c: (c.layers[0].weight, c.layers[0].bias), chain, new)
        )
    return eqx.tree_at(lambda model: model.network.modules, model, tuple(chains))


def energies_and_slopes(network: Any, example: Example) -> dict[str, Any]:
    """Energies of structures, and their derivatives by the chain rule."""
    there = [each.there for each in example.numbers]

    def energies(values: list[Any]) -> Any:
        blocks = [_block(each) for each in values]
        found = network(jm.TensorMap(network.in_keys, blocks))
        return sum(
            (mask * block.values.reshape(mask.shape)).sum(axis=1)
            for mask, block in zip(there, found, strict=True)
        )

    values = [each.values for each in example.numbers]
    found, pullback = jax.vjp(energies, values)
    (by_numbers,) = pullback(jnp.ones_like(found))
    result = {"values": found}
    for name in example.numbers[0].slopes:
        result[name] = sum(
            jnp.einsum("sck,sc...k->s...", own, each.slopes[name])
            for own, each in zip(by_numbers, example.numbers, strict=True)
        )
    return result


def _block(values: Any) -> jm.TensorBlock:
    rows = values.reshape(-1, values.shape[-1])
    samples = jm.Labels.range("center", rows.shape[0])
    return jm.TensorBlock(rows, samples, [], jm.Labels.range("number", rows.shape[1]))


def _loss(network: Any, example: Example, errors: Mapping[str, float], scale: float) -> Any:
    """Squared errors in units of those that rows may have; of energies those per atom."""
    total, found = 0.0, energies_and_slopes(network, example)
    for name, error in errors.items():
        rest = (scale * found[name] - example.targets[name]) / error
        rest = rest / example.sizes if name == "values" else rest
        total += jnp.sum(rest**2) / example.sizes.shape[0]
    return total


def _trained(
    network: Any,
    data: Example,
    errors: Mapping[str, float],
    scale: float,
    how: Training,
    seed: int,
) -> Any:
    """One program for an epoch, which takes the order of the structures."""
    n_structures = len(data.sizes)
    batch = min(how.batch, n_structures)
    optimizer = _optimizer(how, how.epochs * (n_structures // batch))
    data = jax.tree.map(jnp.asarray, data)

    @jax.jit
    def epoch(network: Any, state: Any, data: Example, order: Any) -> tuple[Any, Any]:
        def step(carry: Any, rows: Any) -> tuple[Any, None]:
            network, state = carry
            example = jax.tree.map(lambda x: x[rows], data)
            slopes = jm.grad(_loss)(network, example, errors, scale)
            # optax takes powers of floating point numbers by integers.
            with jax.numpy_dtype_promotion("standard"):
                updates, state = optimizer.update(slopes, state, network)
            return (optax.apply_updates(network, updates), state), None

        return jax.lax.scan(step, (network, state), order)[0]

    rng, state = np.random.default_rng(seed), optimizer.init(network)
    for _ in range(how.epochs):
        order = rng.permutation(n_structures)[: batch * (n_structures // batch)]
        network, state = epoch(network, state, data, order.reshape(-1, batch))
    return network


def _optimizer(how: Training, steps: int) -> Any:
    largest = how.learning_rate
    rise = max(1, steps // 20)
    rate = optax.warmup_cosine_decay_schedule(
        0.0, largest, rise, max(rise + 1, steps), end_value=1e-3 * largest
    )
    return optax.adam(rate)


def _arrays(targets: jm.TensorMap, systems: Sequence[Any]) -> dict[str, Any]:
    """Targets with structures along the first axis, in single precision."""
    block, sizes = targets[0], [len(system) for system in systems]
    found = {"values": np.asarray(block.values[:, 0], np.float32)}
    for name, gradient in block.gradients():
        rows = np.asarray(gradient.values[..., 0], np.float32)
        if name == "positions":
            samples: Any = gradient.samples
            array = np.zeros((len(sizes), max(sizes), 3), np.float32)
            array[samples["system"], samples["atom"]] = rows
            rows = array
        found[name] = rows
    return found
