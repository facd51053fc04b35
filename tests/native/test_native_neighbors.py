"""Native lists of neighbours: number by number those that are made without native code."""

from __future__ import annotations

import numpy as np
import pytest
from atomistic.neighbor_cases import Case, cases, liquid

from jaxmeta.atomistic.neighbors._boxes import structures
from jaxmeta.atomistic.neighbors._interpreted import pairs_of_all
from jaxmeta.atomistic.neighbors._order import in_order
from jaxmeta.native.neighbors import finds_neighbors, neighbors


pytestmark = pytest.mark.skipif(
    not finds_neighbors(), reason="neighbors.cpp can not be compiled here"
)


def assert_same(case: Case, full: bool, seed: int = 0) -> int:
    """Both ways give the same rows in the same order; how many there are."""
    given = structures("here", *case.arrays)
    ranks = np.random.default_rng(seed).permutation(len(case.positions))
    arrays = given.sizes, given.positions, given.boxes, given.pbc, ranks
    found = neighbors(*arrays, case.cutoff, full)
    expected = in_order(*pairs_of_all(given, case.cutoff, full), ranks)
    for native, other in zip(found, expected, strict=True):
        assert native.dtype == np.int32
        np.testing.assert_array_equal(native, other)
    return len(found[0])


@pytest.mark.parametrize("full", [True, False])
def test_random_systems(full: bool) -> None:
    for case in [*cases(150, seed=16), *cases(20, seed=18, most=2), liquid(seed=17)]:
        assert_same(case, full)


@pytest.mark.parametrize("full", [True, False])
def test_atoms_on_the_borders_of_bins_and_cells(full: bool) -> None:
    """Lattices of exact numbers: pairs as long as the cutoff are none."""
    grid = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
    for length in (1.0, 0.75, 3.25):
        for cells in (0, 7):
            cell = 4 * length * np.eye(3)
            sites = length * grid - cells * cell[0]
            case = Case(sites, cell, np.ones(3, bool), length * 2)
            # First, second and third neighbours; the fourth ones are at the cutoff.
            expected = (6 + 12 + 8) * len(grid)
            assert assert_same(case, full) * (1 if full else 2) == expected


def test_a_system_far_from_its_cell_and_one_in_empty_room() -> None:
    random = np.random.default_rng(3)
    cell = np.array([[6.0, 0, 0], [2.0, 5.0, 0], [-3.0, 1.0, 7.0]])
    drops = random.uniform(0, 5, (40, 3))
    far = Case(drops + 1e6 * cell.sum(0), cell, np.ones(3, bool), 4.0)
    assert assert_same(far, True) > 400
    spread = drops + np.repeat(random.uniform(0, 1e7, (4, 3)), 10, axis=0)
    for pbc in np.ndindex(2, 2, 2):
        empty = Case(spread, 1e7 * np.eye(3), np.array(pbc, bool), 4.0)
        assert assert_same(empty, True) > 100


def test_many_cells_across() -> None:
    """A cutoff of many cells, which are skewed so that they seem much longer."""
    cell = np.array([[0.8, 0, 0], [5.6, 0.9, 0], [-4.0, 3.6, 1.0]])
    case = Case(np.array([[0.1, 0.2, 0.3], [0.5, 0.5, 0.9]]), cell, np.ones(3, bool), 6.0)
    density = 2 / abs(np.linalg.det(cell))
    assert assert_same(case, True) == pytest.approx(
        2 * density * 4 / 3 * np.pi * 6.0**3, rel=0.05
    )
