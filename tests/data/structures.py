"""Data sets for tests: energies and forces of structures of different sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.data import Dataset


ENERGY = Labels("energy", [[0]])


def energy_of(
    rng: np.random.Generator, atoms: int, system: int = 0, dtype: Any = "float64"
) -> TensorMap:
    """An energy with derivatives by positions, by strain, and by both."""
    xyz = Labels.range("xyz", 3)
    strain = [Labels.range("xyz_1", 3), Labels.range("xyz_2", 3)]
    rows = [[0, system, atom] for atom in range(atoms)]
    nested = TensorBlock(
        rng.normal(size=(atoms, 3, 3, 3, 1)).astype(dtype),
        Labels.range("sample", atoms),
        [*strain, xyz],
        ENERGY,
    )
    positions = TensorBlock(
        rng.normal(size=(atoms, 3, 1)).astype(dtype),
        Labels(["sample", "system", "atom"], np.array(rows, np.int32).reshape(-1, 3)),
        [xyz],
        ENERGY,
        {"strain": nested},
    )
    virial = TensorBlock(
        rng.normal(size=(1, 3, 3, 1)).astype(dtype),
        Labels.range("sample", 1),
        strain,
        ENERGY,
    )
    block = TensorBlock(
        rng.normal(size=(1, 1)).astype(dtype),
        Labels("system", [[system]]),
        [],
        ENERGY,
        {"positions": positions, "strain": virial},
    )
    return TensorMap(Labels.single(), [block], {"unit": "eV"})


def charges_of(
    rng: np.random.Generator, types: list[int], system: int = 0, reverse: bool = False
) -> TensorMap:
    """A number for each atom, with a block for each chemical type that is there."""
    keys = sorted(set(types), reverse=reverse)
    blocks = []
    for key in keys:
        rows = [[system, atom] for atom, kind in enumerate(types) if kind == key]
        blocks.append(
            TensorBlock(
                rng.normal(size=(len(rows), 2)),
                Labels(["system", "atom"], rows),
                [],
                Labels.range("n", 2),
            )
        )
    table = np.array(keys, np.int32).reshape(-1, 1)
    return TensorMap(Labels("center_type", table), blocks)


def structures(
    rng: np.random.Generator, sizes: list[int], same_system: bool = False
) -> Dataset:
    """A data set of structures with so many atoms."""
    return Dataset(
        energy=[energy_of(rng, n, 0 if same_system else i) for i, n in enumerate(sizes)],
        positions=[rng.normal(size=(n, 3)) for n in sizes],
        name=[f"structure {i}" for i in range(len(sizes))],
    )
