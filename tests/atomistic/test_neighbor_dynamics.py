"""Lists that follow moving atoms, and pairs as blocks."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neighbor_cases import cases

from jaxmeta.atomistic.neighbors import (
    NeighborList,
    NeighborListOptions,
    Pairs,
    neighbor_pairs,
    neighbors_block,
)
from jaxmeta.core import PADDING, DynamicLabels, Labels
from jaxmeta.errors import InvalidError, InvalidTypeError


NO_CELL = np.zeros((3, 3))


def _check(found: Pairs, arrays: Any, cutoff: float, full: bool = True) -> None:
    n_atoms = len(arrays[0])
    expected = neighbor_pairs(*arrays, cutoff, full_list=full)
    number = int(found.n_pairs(n_atoms))
    rows = [np.asarray(array) for array in (found.first, found.second, found.shifts)]
    for ours, theirs in zip(rows, jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(ours[:number], theirs)
    assert np.all(rows[0][number:] == n_atoms)
    assert np.all(rows[1][number:] == n_atoms)
    assert not rows[2][number:].any()


# Dynamics -------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("changes", [False, True])
def test_the_list_is_right_at_every_step(full: bool, changes: bool) -> None:
    random = np.random.default_rng(1)
    builds = steps = 0
    for case in cases(12, seed=20, most=30):
        neighbors = NeighborList(case.cutoff, skin=0.8, full_list=full)
        positions, cell = case.positions, case.cell
        for _ in range(15):
            _check(
                neighbors.update(positions, cell, case.pbc),
                (positions, cell, case.pbc),
                case.cutoff,
                full,
            )
            strain = np.eye(3) + random.normal(0, 0.01 * changes, (3, 3))
            cell = cell @ strain
            positions = positions @ strain + random.normal(0, 0.06, positions.shape)
        builds, steps = builds + neighbors.builds, steps + 15
    assert 12 < builds < 0.6 * steps  # it was made anew at times, and not always


def test_when_the_list_is_made_anew() -> None:
    cell, positions = 9.0 * np.eye(3), np.random.default_rng(2).uniform(0, 9, (50, 3))
    neighbors = NeighborList(3.0, skin=1.0)

    def builds(x: Any, box: Any = cell, pbc: Any = True) -> int:
        _check(neighbors.update(x, box, pbc), (x, box, pbc), 3.0)
        return neighbors.builds

    assert builds(positions) == 1
    moved = positions.copy()
    moved[7] += [0.0, 0.49, 0.0]
    assert builds(moved) == 1
    moved[7] += [0.0, 0.04, 0.0]
    assert builds(moved) == 2
    # Motion and rotation of everything together change no pair.
    assert builds(moved + 50.0) == 2
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    assert builds(moved @ turn, cell @ turn) == 2
    assert builds(moved * 1.001, cell * 1.001) == 2
    # A compression brings atoms at a distance of 4 to one of 3.
    assert builds(moved * 0.76, cell * 0.76) == 2
    assert builds(moved * 0.74, cell * 0.74) == 3
    assert builds(moved * 0.74, cell * 0.74, [True, True, False]) == 4
    assert builds(moved[:-1] * 0.74, cell * 0.74, [True, True, False]) == 5


def test_no_skin() -> None:
    positions = np.random.default_rng(4).uniform(0, 5, (20, 3))
    neighbors = NeighborList(2.0, skin=0)
    for step in range(3):
        moved = positions + 0.01 * step * positions[::-1]
        found = neighbors.update(moved, NO_CELL, False)
        _check(found, (moved, NO_CELL, False), 2.0)
    assert neighbors.builds == 3


def test_no_atoms() -> None:
    neighbors = NeighborList(2.0)
    for _ in range(2):
        assert int(neighbors.update(np.zeros((0, 3)), NO_CELL, False).n_pairs(0)) == 0


def test_capacities_grow_in_steps_and_stay_tight() -> None:
    random = np.random.default_rng(5)
    neighbors = NeighborList(2.5, skin=0.5, growth=1.2)
    capacities, numbers = [], []
    for edge in np.linspace(9, 5, 60):
        found = neighbors.update(random.uniform(0, edge, (60, 3)), NO_CELL, False)
        capacities.append(found.capacity)
        numbers.append(int(found.n_pairs(60)))
    assert np.all(np.diff(capacities) >= 0)
    assert len(set(capacities)) < 12
    assert capacities[-1] < 1.3 * max(numbers)


def test_short_lists_have_one_capacity() -> None:
    neighbors = NeighborList(1.5, skin=0.2)
    chain = np.zeros((8, 3))
    capacities = set()
    for distance in (2.0, 1.4, 0.7, 0.4):  # from no pair to 44
        chain[:, 0] = distance * np.arange(8)
        capacities.add(neighbors.update(chain, NO_CELL, False).capacity)
    assert len(capacities) == 1


def test_a_capacity_that_is_given() -> None:
    positions = np.random.default_rng(6).uniform(0, 4, (20, 3))
    number = len(neighbor_pairs(positions, NO_CELL, False, 2.0))
    enough = NeighborList(2.0, capacity=number)
    assert enough.update(positions, NO_CELL, False).capacity == number
    with pytest.raises(InvalidError, match=f"capacity of at least {number}"):
        NeighborList(2.0, capacity=number - 1).update(positions, NO_CELL, False)


def test_what_a_model_asks_for() -> None:
    positions = np.random.default_rng(7).uniform(0, 6, (30, 3))
    options = NeighborListOptions(0.2, full_list=False, length_unit="nm")
    neighbors = NeighborList(options, skin=0.5, length_unit="A")
    found = neighbors.update(positions, NO_CELL, False)
    _check(found, (positions, NO_CELL, False), 2.0, full=False)


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"cutoff": 0.0}, InvalidError, "cutoff must be positive"),
        ({"skin": -1.0}, InvalidError, "skin must be positive"),
        ({"skin": "1"}, InvalidTypeError, "skin must be a number"),
        ({"cutoff": 999.5}, InvalidError, "below 1000"),
        ({"capacity": 0}, InvalidError, "at least 1"),
        ({"capacity": 1.5}, InvalidTypeError, "an integer"),
        ({"growth": 1.0}, InvalidError, "above 1"),
        ({"full_list": 1}, InvalidTypeError, "True or False"),
    ],
)
def test_wrong_options(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        NeighborList(**{"cutoff": 3.0, **options})


def test_wrong_positions() -> None:
    neighbors = NeighborList(3.0)
    with pytest.raises(InvalidError, match=r"NeighborList\.update: positions is"):
        neighbors.update(np.full((2, 3), np.nan), NO_CELL, False)


# Blocks ---------------------------------------------------------------------------------


def test_the_block_is_that_of_metatomic(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    metatomic = pytest.importorskip("metatomic.torch")
    vesin_metatomic = pytest.importorskip("vesin.metatomic")
    positions, cell = rng.uniform(0, 4, (9, 3)), 4.5 * np.eye(3)
    system = metatomic.System(
        torch.ones(9, dtype=torch.int32),
        torch.tensor(positions),
        torch.tensor(cell),
        torch.tensor([True] * 3),
    )
    for full in (True, False):
        options = metatomic.NeighborListOptions(3.0, full, True)
        theirs = vesin_metatomic.NeighborList(options, "angstrom").compute(system)
        pairs = neighbor_pairs(positions, cell, True, 3.0, full_list=full)
        ours = neighbors_block(pairs, positions, cell)
        assert ours.samples.names == theirs.samples.names
        assert ours.properties == Labels("distance", [[0]])
        assert theirs.properties.names == ["distance"]
        assert ours.components == [Labels("xyz", [[0], [1], [2]])]
        assert theirs.components[0].names == ["xyz"]
        rows = theirs.samples.values.numpy()
        order = np.lexsort(rows.T[::-1])
        np.testing.assert_array_equal(ours.samples.values, rows[order])
        expected = theirs.values.detach().numpy()[order]
        np.testing.assert_allclose(ours.values, expected, rtol=0, atol=1e-14)


def test_blocks_of_padded_pairs_are_dynamic(rng: np.random.Generator) -> None:
    positions, cell = jnp.asarray(rng.uniform(0, 4, (5, 3))), 4.5 * jnp.eye(3)
    pairs = neighbor_pairs(positions, cell, True, 3.0)
    static = neighbors_block(pairs, positions, cell)
    padded = pairs.padded(len(pairs) + 3, 5)
    dynamic = jax.jit(neighbors_block)(padded, positions, cell)
    assert isinstance(dynamic.samples, DynamicLabels)
    assert np.all(dynamic.samples.values[-3:] == PADDING)
    assert dynamic.samples.to_labels() == static.samples
    np.testing.assert_array_equal(dynamic.values[:-3], static.values)
    assert not dynamic.values[-3:].any()

    def squares(x: Any, pairs: Pairs) -> Any:
        return jnp.sum(neighbors_block(pairs, x, cell).values ** 2)

    slopes = jax.grad(squares)(positions, padded)
    np.testing.assert_allclose(slopes, jax.grad(squares)(positions, pairs), rtol=1e-12)


@pytest.mark.usefixtures("wrong_types")
def test_blocks_are_made_of_pairs() -> None:
    with pytest.raises(InvalidTypeError, match="must be Pairs"):
        neighbors_block((1, 2), np.zeros((2, 3)), NO_CELL)
