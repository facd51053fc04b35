"""Random systems of all kinds, and the pairs that ase finds in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from jaxmeta.atomistic.neighbors import Pairs


class Case(NamedTuple):
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    cutoff: float

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.positions, self.cell, self.pbc

    @property
    def atoms(self) -> Atoms:
        return Atoms(positions=self.positions, cell=self.cell, pbc=self.pbc)


def cases(
    number: int,
    seed: int,
    pbc: tuple[bool, ...] | None = None,
    most: int = 12,
    spreads: tuple[float, ...] = (1.0, 5.0, 40.0),
) -> Iterator[Case]:
    """Few atoms in and far outside of skewed cells, many of which are small."""
    random = np.random.default_rng(seed)
    for _ in range(number):
        n_atoms = int(random.integers(1, most))
        repeats = random.random(3) < 0.6 if pbc is None else np.array(pbc)
        cell = np.diag(random.uniform(1.5, 7.0, 3)) + random.uniform(-1.2, 1.2, (3, 3))
        if abs(np.linalg.det(cell)) < 2:
            cell = np.diag(np.diag(cell))
        if random.random() < 0.5:
            cell[~repeats] = 0.0
        spread = random.choice(spreads)
        positions = random.uniform(-spread, spread, (n_atoms, 3))
        yield Case(positions, cell, repeats, float(random.uniform(0.5, 5.0)))


def liquid(seed: int, n_atoms: int = 120, density: float = 0.1) -> Case:
    random = np.random.default_rng(seed)
    edge = (n_atoms / density) ** (1 / 3)
    cell = edge * np.array([[1.0, 0.1, 0], [0, 1, -0.2], [0.3, 0, 1]])
    positions = random.uniform(0, 1, (n_atoms, 3)) @ cell
    return Case(positions, cell, np.ones(3, bool), 3.0)


def by_ase(case: Case) -> Counter[Any]:
    return _counted(*neighbor_list("ijS", case.atoms, case.cutoff))


def counted(pairs: Pairs) -> Counter[Any]:
    """How often each row is there."""
    return _counted(*map(np.asarray, (pairs.first, pairs.second, pairs.shifts)))


def _counted(first: np.ndarray, second: np.ndarray, shifts: np.ndarray) -> Counter[Any]:
    return Counter(map(tuple, np.column_stack([first, second, shifts]).tolist()))


def half(full: Counter[Any]) -> Counter[Any]:
    """The half of a full list that half lists have."""

    def chosen(row: tuple[int, ...]) -> bool:
        first, second, a, b, c = row
        if first != second:
            return first < second
        return (a + b + c, c, b) > (0, 0, 0)

    return Counter({row: count for row, count in full.items() if chosen(row)})
