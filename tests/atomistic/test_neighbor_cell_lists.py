"""Lists in compiled programs: the same pairs as ase finds, and loud where room lacks."""

from __future__ import annotations

import dataclasses
import operator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neighbor_cases import Case, by_ase, counted, half

from jaxmeta.atomistic.neighbors import (
    CellCapacity,
    CellNeeds,
    Pairs,
    cell_capacity,
    cell_list,
    neighbor_pairs,
)
from jaxmeta.errors import DeviceCheckError, InvalidError, InvalidTypeError


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


def _liquid(seed: int, n_atoms: int = 120, density: float = 0.1) -> Case:
    random = np.random.default_rng(seed)
    edge = (n_atoms / density) ** (1 / 3)
    cell = edge * np.array([[1.0, 0.1, 0], [0, 1, -0.2], [0.3, 0, 1]])
    positions = random.uniform(0, 1, (n_atoms, 3)) @ cell
    return Case(positions, cell, np.ones(3, bool), 3.0)


@pytest.mark.parametrize("pbc", [True, (False, True, False)])
def test_capacities_are_enough_for_similar_configurations(pbc: Any) -> None:
    example = _liquid(1)
    room = cell_capacity(example.positions, example.cell, pbc, 3.0, headroom=1.5)
    make = jax.jit(partial(cell_list, pbc=pbc, cutoff=3.0, capacity=room))
    for seed in range(2, 7):
        case = _liquid(seed)
        cell = case.cell * (1 - 0.007 * seed)
        pairs, needs = make(case.positions, cell)
        needs.check(room)
        expected = neighbor_pairs(case.positions, cell, pbc, 3.0)
        assert counted(pairs.trimmed(120)) == counted(expected)
        assert len(pairs) == room.pairs
    assert make._cache_size() == 1


def test_capacities_are_tight() -> None:
    case = _liquid(1)
    room = cell_capacity(*case.arrays, 3.0, headroom=1.0)
    pairs, needs = cell_list(case.positions, case.cell, True, 3.0, room)
    assert int(needs.pairs) == room.pairs == len(pairs.trimmed(120))
    assert int(needs.run) == room.run
    half_room = cell_capacity(*case.arrays, 3.0, headroom=1.0, full_list=False)
    assert half_room.pairs == room.pairs // 2


def test_work_grows_linearly() -> None:
    """Candidates of one atom do not grow with the number of atoms."""

    def candidates(n_atoms: int) -> int:
        case = _liquid(3, n_atoms)
        room = cell_capacity(*case.arrays, 3.0, headroom=1.0)
        return int(np.prod([2 * reach + 1 for reach in room.reach[:2]])) * room.run

    assert candidates(8000) < 2 * candidates(500)


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
    case = _liquid(4)
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
    case = _liquid(5)
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


# Too little room ------------------------------------------------------------------------


def _raised(room: CellCapacity, positions: Any, cell: Any) -> str:
    """The words on the host; what is returned has all rows, but is not complete."""
    pairs, needs = cell_list(positions, cell, True, 3.0, room, check=False)
    assert bool(needs.lost(room))
    assert len(pairs) == room.pairs
    with pytest.raises(DeviceCheckError, match="cell_list") as caught:
        needs.check(room)
    return str(caught.value)


def test_what_lacks_room_raises() -> None:
    case = _liquid(9)
    room = cell_capacity(*case.arrays, 3.0, headroom=1.0)
    few = dataclasses.replace(room, pairs=room.pairs - 1)
    words = _raised(few, case.positions, case.cell)
    assert f"{room.pairs} pairs or more, capacity.pairs is {few.pairs}" in words
    short = dataclasses.replace(room, run=room.run - 1)
    words = _raised(short, case.positions, case.cell)
    assert f"a run has {room.run} atoms, capacity.run is {short.run}" in words
    words = _raised(room, 0.9 * case.positions, 0.9 * case.cell)
    assert "the cell is too narrow" in words
    x = case.positions.copy()
    x[3, 1] = np.nan
    assert "not finite" in _raised(room, x, case.cell)


def test_a_running_program_raises_by_itself() -> None:
    case = _liquid(9)
    room = cell_capacity(*case.arrays, 3.0, headroom=1.0)
    make = jax.jit(partial(cell_list, pbc=True, cutoff=3.0, capacity=room))
    jax.block_until_ready(make(case.positions, case.cell))
    with pytest.raises(Exception, match="capacity is too small"):
        jax.block_until_ready(make(0.5 * case.positions, case.cell))


def test_what_lacks_room_in_one_frame_raises() -> None:
    case = _liquid(9)
    room = cell_capacity(*case.arrays, 3.0)
    make = partial(cell_list, pbc=True, cutoff=3.0, capacity=room, check=False)
    frames = jnp.stack([case.positions, 0.3 * case.positions])
    _, needs = jax.vmap(make, (0, None))(frames, case.cell)
    assert np.asarray(needs.lost(room)).tolist() == [False, True]
    with pytest.raises(DeviceCheckError, match="too small"):
        needs.check(room)
    assert isinstance(needs, CellNeeds)


# Wrong arguments ------------------------------------------------------------------------

X, C = np.zeros((2, 3)), 4 * np.eye(3)
ROOM = CellCapacity(8, 4, (1, 1, 1), (1, 1, 1))


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((X[0], C, True, 3.0, ROOM), InvalidError, "shapes do not fit"),
        ((X, C[None], True, 3.0, ROOM), InvalidError, "jax.vmap goes over frames"),
        ((X.astype(np.float32), C, True, 3.0, ROOM), InvalidTypeError, "one dtype"),
        ((X.astype(int), C.astype(int), True, 3.0, ROOM), InvalidTypeError, "one dtype"),
        ((X, C, [True, False], 3.0, ROOM), InvalidTypeError, "three truth values"),
        ((X, C, jnp.ones(3, bool), 3.0, ROOM), InvalidTypeError, "three truth values"),
        ((X, C, True, 0.0, ROOM), InvalidError, "must be positive"),
        ((X, C, True, 1e3, ROOM), InvalidError, "below 1000"),
        ((X, C, True, 3.0, 100), InvalidTypeError, "make one by cell_capacity"),
    ],
)
def test_wrong_arguments(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cell_list(*arguments)


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"pairs": 0}, InvalidError, "at least 1"),
        ({"run": 40}, InvalidError, "multiple of 32"),
        ({"bins": (1, 1)}, InvalidError, "three axes"),
        ({"reach": (1, 1, 1.5)}, InvalidTypeError, "integers"),
    ],
)
def test_wrong_capacities(change: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        dataclasses.replace(ROOM, **change)


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"headroom": 0.5}, InvalidError, "headroom is at least 1"),
        ({"cutoff": -1.0}, InvalidError, "must be positive"),
        ({"cutoff": 999.0, "max_pairs": 10**6}, InvalidError, "would be too long"),
        ({"positions": X * np.nan}, InvalidError, "not finite"),
        ({"cell": 0 * C}, InvalidError, "axis a of the cell"),
    ],
)
def test_wrong_examples(change: Any, error: type[Exception], words: str) -> None:
    given = {"positions": X, "cell": C, "pbc": True, "cutoff": 3.0, **change}
    with pytest.raises(error, match=words):
        cell_capacity(**given)
