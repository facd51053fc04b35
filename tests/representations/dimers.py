"""featomic, seen through two atoms: radial integrals and harmonics laid bare."""

from __future__ import annotations

import warnings
from typing import Any

import ase
import numpy as np


with warnings.catch_warnings():  # torch has some at import, where it is installed
    warnings.simplefilter("ignore")
    import featomic

peer: Any = featomic


def expanded(calculator: Any, vector: Any, neighbor: str = "O") -> list[np.ndarray]:
    """For each degree what an H atom sees of the other atom: (m, n)."""
    dimer = ase.Atoms("H" + neighbor, [np.zeros(3), np.asarray(vector)])
    expansion = calculator.compute(dimer)
    number = int(dimer.numbers[1])
    return [
        expansion.block(key).values[0]
        for key in expansion.keys
        if key["center_type"] == 1 and key["neighbor_type"] == number
    ]


def radial_part(calculator: Any, distances: Any) -> np.ndarray:
    """Radial integrals of all channels, times cutoff and scaling: (distances, channels)."""
    rows = []
    for distance in distances:
        # Along z only m = 0 is there, and it is sqrt((2l + 1) / 4 pi).
        blocks = expanded(calculator, [0.0, 0.0, distance])
        degrees = [(len(block) - 1) // 2 for block in blocks]
        rows.append(
            np.concatenate(
                [
                    block[degree] * np.sqrt(4 * np.pi / (2 * degree + 1))
                    for degree, block in zip(degrees, blocks, strict=True)
                ]
            )
        )
    return np.array(rows)


def center_part(calculator: Any) -> np.ndarray:
    """What an atom alone sees of itself, in degree 0."""
    return calculator.compute(ase.Atoms("H")).block(o3_lambda=0).values[0, 0]
