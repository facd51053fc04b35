"""Maps to time operations on, here and in metatensor."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmeta import Labels, TensorBlock, TensorMap


def made_map(blocks: int, samples: int, seed: int, components: int = 0) -> TensorMap:
    """Atoms of systems of ten, one gradient row for each; four properties.

    Keys are pairs, so that half as many remain when ``neighbor`` moves.
    """
    rng = np.random.default_rng(seed)
    keys = np.stack([np.arange(blocks) // 2, np.arange(blocks) % 2], axis=1)
    atoms = np.stack([np.arange(samples) // 10, np.arange(samples) % 10], axis=1)
    properties, xyz = Labels.range("n", 4), Labels.range("xyz", 3)
    axes = [Labels.range("m", components)] if components else []
    sizes = [len(axis) for axis in axes]
    below = Labels(["sample", "atom"], np.stack([np.arange(samples), atoms[:, 1]], axis=1))
    made = []
    for _ in range(blocks):
        values = jnp.asarray(rng.uniform(1.0, 2.0, (samples, *sizes, 4)))
        gradient = jnp.asarray(rng.uniform(1.0, 2.0, (samples, 3, *sizes, 4)))
        own = TensorBlock(gradient, below, [xyz, *axes], properties)
        labels = Labels(["system", "atom"], atoms + np.array([seed * samples, 0]))
        made.append(TensorBlock(values, labels, axes, properties, {"positions": own}))
    return TensorMap(Labels(["center", "neighbor"], keys), made)


def map_there(tensor: TensorMap, module: Any) -> Any:
    """The same map in another module: metatensor or metatensor.torch."""
    if module.__name__.endswith("torch"):  # metatensor_torch, by its other name
        import torch

        array = torch.tensor
    else:
        array = np.array

    def labels(own: Any) -> Any:
        return module.Labels(own.names, array(np.array(own.values)))

    def block(own: TensorBlock) -> Any:
        made = module.TensorBlock(
            array(np.array(own.values)),
            labels(own.samples),
            [labels(component) for component in own.components],
            labels(own.properties),
        )
        for name, gradient in own.gradients():
            made.add_gradient(name, block(gradient))
        return made

    return module.TensorMap(labels(tensor.keys), [block(own) for own in tensor])
