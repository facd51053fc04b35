"""The room of lists in compiled programs: found on the host, and loud where it lacks."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neighbor_cases import liquid

from jaxmeta.atomistic.neighbors import CellCapacity, CellNeeds, cell_capacity, cell_list
from jaxmeta.errors import DeviceCheckError, InvalidError, InvalidTypeError


def test_capacities_are_tight() -> None:
    case = liquid(1)
    room = cell_capacity(*case.arrays, 3.0, headroom=1.0)
    pairs, needs = cell_list(case.positions, case.cell, True, 3.0, room)
    assert int(needs.pairs) == room.pairs == len(pairs.trimmed(120))
    assert int(needs.run) == room.run
    half_room = cell_capacity(*case.arrays, 3.0, headroom=1.0, full_list=False)
    assert half_room.pairs == room.pairs // 2


def test_work_grows_linearly() -> None:
    """Candidates of one atom do not grow with the number of atoms."""

    def candidates(n_atoms: int) -> int:
        case = liquid(3, n_atoms)
        room = cell_capacity(*case.arrays, 3.0, headroom=1.0)
        return int(np.prod([2 * reach + 1 for reach in room.reach[:2]])) * room.run

    assert candidates(8000) < 2 * candidates(500)


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
    case = liquid(9)
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
    case = liquid(9)
    room = cell_capacity(*case.arrays, 3.0, headroom=1.0)
    make = jax.jit(partial(cell_list, pbc=True, cutoff=3.0, capacity=room))
    jax.block_until_ready(make(case.positions, case.cell))
    with pytest.raises(Exception, match="capacity is too small"):
        jax.block_until_ready(make(0.5 * case.positions, case.cell))


def test_what_lacks_room_in_one_frame_raises() -> None:
    case = liquid(9)
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
