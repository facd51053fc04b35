"""Batches for training, for information: seconds per structure of an epoch.

512 structures of 15 to 25 atoms with energies and forces, shuffled, 16 in a batch. Ours are
padded to a few shapes and on the device; those of metatensor-learn, measured where torch is
installed, are joined as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np

from benchmarks._rows import Row, cost, faster, interleaved
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.data import Dataset, Loader, buckets, collate


STRUCTURES, BATCH, ROUNDS = 512, 16, 5


def measure() -> list[Row]:
    jax.config.update("jax_enable_x64", True)
    dataset = Dataset(energy=_energies())
    function = collate(buckets(dataset, BATCH))
    loader = Loader(dataset, BATCH, shuffle=True, collate=function)
    ahead = Loader(dataset, BATCH, shuffle=True, collate=function, prefetch=0)
    rows = [
        cost("loader / copies by hand", *_both(loader, lambda: _by_hand(dataset)), None),
        cost("loader / without prefetching", *_both(loader, lambda: list(ahead)), None),
    ]
    if find_spec("metatensor.torch") and find_spec("metatensor_learn"):
        theirs = _of_metatensor(dataset)
        name = "loader vs. metatensor-learn's DataLoader"
        rows.append(faster(name, *_both(loader, lambda: list(theirs)), None))
    return rows


def _energies() -> list[TensorMap]:
    rng = np.random.default_rng(0)
    xyz, energy = Labels.range("xyz", 3), Labels("energy", [[0]])
    found = []
    for i, atoms in enumerate(rng.integers(15, 26, STRUCTURES).tolist()):
        rows = Labels(["sample", "system", "atom"], [[0, i, a] for a in range(atoms)])
        forces = TensorBlock(rng.normal(size=(atoms, 3, 1)), rows, [xyz], energy)
        system = Labels("system", [[i]])
        values = rng.normal(size=(1, 1))
        block = TensorBlock(values, system, [], energy, {"positions": forces})
        found.append(TensorMap(Labels.single(), [block]))
    return found


def _both(loader: Loader, other: Callable[[], Any]) -> tuple[float, float]:
    """Seconds for each structure."""

    def ours() -> None:
        jax.block_until_ready([batch.energy for batch in loader])

    ours_whole, theirs_whole = interleaved(ours, other, ROUNDS, seconds=0.2)
    return ours_whole / STRUCTURES, theirs_whole / STRUCTURES


def _by_hand(dataset: Dataset) -> None:
    """The same numbers, concatenated and moved, without padding, labels or checks."""
    for start in range(0, STRUCTURES, BATCH):
        leaves = [dataset[i].energy._leaves for i in range(start, start + BATCH)]
        arrays = [np.concatenate(several) for several in zip(*leaves, strict=True)]
        jax.block_until_ready(jax.device_put(arrays))


def _of_metatensor(dataset: Dataset) -> Any:
    learn, module = import_module("metatensor.learn"), import_module("metatensor.torch")
    torch = import_module("torch")
    maps = [_translated(sample.energy, module, torch) for sample in dataset]
    return learn.DataLoader(learn.Dataset(energy=maps), batch_size=BATCH, shuffle=True)


def _translated(tensor: TensorMap, module: Any, torch: Any) -> Any:
    """The same map in metatensor-torch."""

    def labels(of: Any) -> Any:
        return module.Labels(of.names, torch.tensor(np.array(of.values)))

    def block(of: TensorBlock) -> Any:
        found = module.TensorBlock(
            torch.tensor(of.values),
            labels(of.samples),
            [labels(one) for one in of.components],
            labels(of.properties),
        )
        for name, gradient in of.gradients():
            found.add_gradient(name, block(gradient))
        return found

    return module.TensorMap(labels(tensor.keys), [block(one) for one in tensor])
