"""Energies with derivatives by positions, by strain, and by both, for tests of losses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jaxmeta import Labels, TensorBlock, TensorMap


XYZ = Labels.range("xyz", 3)
STRAIN = [Labels.range("xyz_1", 3), Labels.range("xyz_2", 3)]
ENERGY = Labels("energy", [[0]])
PARAMETERS = ("values", "positions", "positions/strain", "strain")
ROOM = {"samples": 7, "positions": 11, "positions/strain": 12, "strain": 8}


def energies(
    rng: np.random.Generator, atoms: tuple[int, ...] = (2, 1, 0, 3, 1, 2), blocks: int = 1
) -> TensorMap:
    """One structure a row, with so many atoms."""
    pairs = [(i, a) for i, count in enumerate(atoms) for a in range(count)]
    rows = [(i, i, a) for i, a in pairs]
    nested = TensorBlock(
        rng.normal(size=(len(rows), 3, 3, 3, 1)),
        Labels.range("sample", len(rows)),
        [*STRAIN, XYZ],
        ENERGY,
    )
    positions = TensorBlock(
        rng.normal(size=(len(rows), 3, 1)),
        Labels(["sample", "system", "atom"], np.array(rows, np.int32).reshape(-1, 3)),
        [XYZ],
        ENERGY,
        {"strain": nested},
    )
    strain = TensorBlock(
        rng.normal(size=(len(atoms), 3, 3, 1)),
        Labels.range("sample", len(atoms)),
        STRAIN,
        ENERGY,
    )
    gradients = {"positions": positions, "strain": strain}
    systems = Labels.range("system", len(atoms))
    found = [
        TensorBlock(rng.normal(size=(len(atoms), 1)), systems, [], ENERGY, gradients)
        for _ in range(blocks)
    ]
    return TensorMap(Labels.range("model", blocks), found)


def changed(
    tensor: TensorMap, change: Callable[[str, np.ndarray], np.ndarray]
) -> TensorMap:
    """The same with other values: a function of the name of a parameter and an array."""

    def of(block: TensorBlock, path: str) -> TensorBlock:
        prefix = "" if path == "values" else f"{path}/"
        below = {name: of(inner, prefix + name) for name, inner in block.gradients()}
        values = change(path, np.asarray(block.values))
        return TensorBlock(values, block.samples, block.components, block.properties, below)

    return TensorMap(tensor.keys, [of(block, "values") for block in tensor])


def part(tensor: TensorMap, parameter: str, block: int = 0) -> TensorBlock:
    """The block of a parameter."""
    found = tensor.block_by_id(block)
    for name in [] if parameter == "values" else parameter.split("/"):
        found = found.gradient(name)
    return found


def with_holes(tensor: TensorMap, share: float = 0.25) -> TensorMap:
    """The same with NaN in some rows of every block, and in some entries of others."""
    rng = np.random.default_rng(7)

    def change(_: str, values: np.ndarray) -> np.ndarray:
        values = np.array(values)
        values[rng.random(len(values)) < share] = np.nan
        values[rng.random(values.shape) < share / 3] = np.nan
        return values

    return changed(tensor, change)
