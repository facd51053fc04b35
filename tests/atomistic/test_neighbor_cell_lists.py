"""Lists in compiled programs: the same pairs as ase finds, and loud where room lacks."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neighbor_cases import Case, by_ase, counted, half, liquid

from jaxmeta.atomistic.neighbors import (
    CellCapacity,
    CellNeeds,
    Pairs,
    cell_capacity,
    cell_list,
    neighbor_pairs,
)


N_ATOMS, FRAMES, CUTOFF = 7, 40, 2.5

# Bins as they come by themselves, several of them, and one for each cell.
WIDE = CellCapacity(pairs=4000, run=64, bins=(1, 1, 1), reach=(3, 3, 3))
FINE = CellCapacity(pairs=4000, run=32, bins=(2, 3, 4), reach=(4, 6, 8))


def _frames(pbc: tuple[bool, ...], seed: int) -> list[Case]:
    """Skewed cells with heights from 1.3 on, atoms in and outside."""
    random = np.random.default_rng(seed)
    found = []
    while len(found) < FRAMES:
        cell = np.diag(random.uniform(1.5, 6.0, 3)) + random.uniform(-1, 1, (3, 3))
        if min(1 / np.linalg.norm(np.linalg.inv(cell), axis=0)) < 1.3:
            continue
        cell[~np.array(pbc)] *= random.choice([0, 1])
        spread = random.choice([1.0, 4.0, 30.0])
        positions = random.uniform(-spread, spread, (N_ATOMS, 3))
        found.append(Case(positions, cell, np.array(pbc), CUTOFF))
    return found


# The third axis is the one of runs; the first two are alike.
@pytest.mark.parametrize("pbc", ["---", "--c", "a--", "a-c", "ab-", "abc"])
def test_the_same_pairs_as_ase(pbc: str) -> None:
    repeats = tuple(axis != "-" for axis in pbc)
    frames = _frames(repeats, seed=11)
    make = partial(cell_list, pbc=repeats, cutoff=CUTOFF, capacity=FINE)
    compiled = jax.jit(make)
    for case in frames:
        pairs, needs = compiled(case.positions, case.cell)
        _check_frame(case, pairs, needs, by_ase(case))


def _check_frame(case: Case, pairs: Pairs, needs: CellNeeds, expected: Any) -> None:
    found = pairs.trimmed(N_ATOMS)
    assert counted(found) == expected
    assert int(needs.pairs) == len(found)
    assert np.all(np.diff(found.first) >= 0)


def test_half_lists_of_many_frames_at_once() -> None:
    pbc = (True, False, True)
    frames = _frames(pbc, seed=12)
    make = partial(cell_list, pbc=pbc, cutoff=CUTOFF, capacity=WIDE, full_list=False)
    positions, cells = (np.stack([case[i] for case in frames]) for i in (0, 1))
    every = jax.tree.map(np.asarray, jax.jit(jax.vmap(make))(positions, cells))
    for index, case in enumerate(frames):
        pairs, needs = jax.tree.map(operator.itemgetter(index), every)
        _check_frame(case, pairs, needs, half(by_ase(case)))


@pytest.mark.parametrize("pbc", [True, (False, True, False)])
def test_capacities_are_enough_for_similar_configurations(pbc: Any) -> None:
    example = liquid(1)
    room = cell_capacity(example.positions, example.cell, pbc, 3.0, headroom=1.5)
    make = jax.jit(partial(cell_list, pbc=pbc, cutoff=3.0, capacity=room))
    for seed in range(2, 7):
        case = liquid(seed)
        cell = case.cell * (1 - 0.007 * seed)
        pairs, needs = make(case.positions, cell)
        needs.check(room)
        expected = neighbor_pairs(case.positions, cell, pbc, 3.0)
        assert counted(pairs.trimmed(120)) == counted(expected)
        assert len(pairs) == room.pairs
    assert make._cache_size() == 1


def test_long_runs_take_several_words() -> None:
    cell = 3.2 * np.eye(3)
    positions = np.random.default_rng(8).uniform(0, 3.0, (30, 3))
    room = CellCapacity(2000, 96, (1, 1, 1), (1, 1, 1))
    pairs, needs = cell_list(positions, cell, True, 1.5, room)
    assert int(needs.run) == 90
    expected = neighbor_pairs(positions, cell, True, 1.5)
    assert counted(pairs.trimmed(30)) == counted(expected)
    dense = np.random.default_rng(8).uniform(0, 3.0, (500, 3))
    assert cell_capacity(dense, cell, True, 3.0).run % 32 == 0


def test_float32() -> None:
    case = liquid(4)
    room = cell_capacity(*case.arrays, 3.0)
    positions, cell = (array.astype(np.float32) for array in (case.positions, case.cell))
    pairs, _ = cell_list(positions, cell, True, 3.0, room)
    expected = neighbor_pairs(positions, cell, True, 3.0)
    # Distances are up to 3 with errors of a few 1e-6: no pair is so near to the cutoff.
    assert counted(pairs.trimmed(120)) == counted(expected)
    assert pairs.vectors(positions, cell).dtype == np.float32


@pytest.mark.parametrize("pbc", [True, False])
def test_no_atoms_and_one(pbc: bool) -> None:
    cell = np.eye(3)
    for n_atoms in (0, 1):
        x = np.zeros((n_atoms, 3))
        room = cell_capacity(x, cell, pbc, 1.5)
        pairs, needs = cell_list(x, cell, pbc, 1.5, room)
        needs.check(room)
        expected = neighbor_pairs(x, cell, pbc, 1.5)
        assert counted(pairs.trimmed(n_atoms)) == counted(expected)


# Derivatives and dynamics ---------------------------------------------------------------


def _energy(positions: Any, cell: Any, pairs: Pairs) -> Any:
    distance = jnp.linalg.norm(pairs.vectors(positions, cell), axis=1)
    smooth = jnp.where(distance < 3.0, (1 - (distance / 3.0) ** 2) ** 3, 0.0)
    return 0.5 * jnp.sum(smooth)


def test_derivatives_are_those_with_a_list_of_the_host() -> None:
    case = liquid(5)
    room = cell_capacity(*case.arrays, 3.0)

    def inside(positions: Any, cell: Any) -> Any:
        return _energy(positions, cell, cell_list(positions, cell, True, 3.0, room)[0])

    found = jax.jit(jax.value_and_grad(inside, (0, 1)))(case.positions, case.cell)
    host = neighbor_pairs(*case.arrays, 3.0)
    expected = jax.value_and_grad(_energy, (0, 1))(case.positions, case.cell, host)
    # Sums of thousands of numbers up to one, in another order.
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12), found, expected
    )


def test_dynamics_inside_of_one_program_conserve_energy() -> None:
    # On a lattice, so that forces are moderate.
    grid = np.array(list(np.ndindex(4, 4, 4)), float) * 1.9
    positions = jnp.asarray(grid + np.random.default_rng(6).normal(0, 0.05, grid.shape))
    cell = 7.6 * jnp.eye(3)
    room = cell_capacity(positions, cell, True, 3.0, headroom=1.5)

    def energy(x: Any) -> Any:
        return _energy(x, cell, cell_list(x, cell, True, 3.0, room)[0])

    def step(state: Any, _: Any) -> Any:
        x, v, force = state
        x = x + 0.02 * v + 0.0002 * force
        after = -jax.grad(energy)(x)
        v = v + 0.01 * (force + after)
        return (x, v, after), energy(x) + 0.5 * jnp.sum(v * v)

    random = np.random.default_rng(7)
    start = positions, jnp.asarray(random.normal(0, 0.3, grid.shape)), jnp.zeros((64, 3))
    _, total = jax.jit(lambda state: jax.lax.scan(step, state, length=100))(start)
    kinetic = 0.5 * float(jnp.sum(start[1] ** 2))
    # Velocity Verlet with a short step: fluctuations far below the kinetic energy.
    assert float(jnp.ptp(total[1:])) < 2e-3 * kinetic
