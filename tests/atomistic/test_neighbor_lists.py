"""Lists on the host: the same pairs as ase, matscipy and vesin find, in order."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pytest
import vesin
from ase import Atoms
from ase.io import read
from matscipy.neighbours import neighbour_list
from neighbor_cases import Case, by_ase, cases, counted, half

from jaxmeta.atomistic.neighbors import (
    NeighborListOptions,
    Pairs,
    _direct,
    batched_neighbor_pairs,
    lists,
    neighbor_pairs,
)
from jaxmeta.atomistic.neighbors._order import in_order
from jaxmeta.atomistic.neighbors._sparse import sparse_pairs
from jaxmeta.atomistic.neighbors._vesin import pairs_by_vesin
from jaxmeta.errors import InvalidError, InvalidTypeError
from jaxmeta.native.neighbors import finds_neighbors


NO_CELL = np.zeros((3, 3))


@pytest.fixture(params=["native", "interpreted"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test is one of native code, and of what there is without a compiler."""
    if request.param == "interpreted":
        monkeypatch.setattr(lists, "finds_neighbors", lambda: False)
    elif not finds_neighbors():
        pytest.skip("neighbors.cpp can not be compiled here")
    return request.param


def test_the_same_pairs_as_ase() -> None:
    for case in cases(200, seed=1):
        found = neighbor_pairs(*case.arrays, case.cutoff)
        assert counted(found) == by_ase(case)


def test_the_same_pairs_as_vesin_where_small_systems_are_compared_directly() -> None:
    for case in cases(60, seed=2, pbc=(False, False, False), most=_direct.SMALL):
        for full in (True, False):
            found = neighbor_pairs(*case.arrays, case.cutoff, full_list=full)
            asked = vesin.NeighborList(cutoff=case.cutoff, full_list=full)
            first, second, shifts = asked.compute(*case.arrays, "ijS")
            theirs = [array.astype(np.int32) for array in (first, second, shifts)]
            assert counted(found) == counted(Pairs(*theirs))


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True)])
def test_the_same_pairs_and_vectors_as_matscipy(pbc: tuple[bool, ...]) -> None:
    for case in cases(60, seed=3, pbc=pbc):
        if not case.cell.any(axis=1).all():
            continue  # it needs all three vectors
        found = neighbor_pairs(*case.arrays, case.cutoff)
        first, second, shifts, vectors, distances = neighbour_list(
            "ijSDd", case.atoms, case.cutoff
        )
        assert counted(found) == counted(
            Pairs(*(array.astype(np.int32) for array in (first, second, shifts)))
        )
        order = np.lexsort((*shifts.T[::-1], second, first))
        x = case.positions
        ours = x[found.second] - x[found.first] + found.shifts @ case.cell
        # Coordinates up to forty, of which matscipy makes fractions of the cell first.
        np.testing.assert_allclose(ours, vectors[order], rtol=0, atol=1e-12)
        lengths = np.linalg.norm(ours, axis=1)
        np.testing.assert_allclose(lengths, distances[order], rtol=0, atol=1e-12)
        assert np.all(lengths < case.cutoff)


def test_half_lists_have_each_pair_once() -> None:
    for case in cases(150, seed=4):
        found = counted(neighbor_pairs(*case.arrays, case.cutoff, full_list=False))
        full = by_ase(case)
        assert found == half(full)
        other = {(j, i, -a, -b, -c): n for (i, j, a, b, c), n in found.items()}
        assert found + type(found)(other) == full


def test_pairs_are_in_order_also_by_type() -> None:
    random = np.random.default_rng(5)
    for case in cases(60, seed=6, most=14):
        types = random.integers(-1, 4, len(case.positions))
        plain = neighbor_pairs(*case.arrays, case.cutoff)
        typed = neighbor_pairs(*case.arrays, case.cutoff, types=types)
        assert counted(plain) == counted(typed)
        for pairs, kinds in ((plain, 0 * types), (typed, types)):
            rows = [
                (i, kinds[j], j, *shift)
                for i, j, shift in zip(
                    pairs.first.tolist(),
                    pairs.second.tolist(),
                    pairs.shifts.tolist(),
                    strict=True,
                )
            ]
            assert rows == sorted(rows)


def test_pairs_are_in_order_where_they_do_not_fit_into_one_integer() -> None:
    positions = np.array([[0.0, 0, 0], [0.5e9, 0, 0], [0, -0.5e9, 0.3], [0, 0, 0.5e9]])
    found = neighbor_pairs(positions, np.eye(3), True, 1.2)
    rows = list(counted(found))
    assert rows == sorted(rows)
    # By a simple loop: all these atoms lie at the corner of a cell, but for one.
    sites = positions - np.floor(positions)
    expected = 0
    for shift in np.ndindex(5, 5, 5):
        apart = sites[None] - sites[:, None] + (np.array(shift) - 2.0)
        expected += np.sum(np.linalg.norm(apart, axis=-1) < 1.2)
    assert len(found) == expected - len(positions)


def test_a_random_order_is_put_right(rng: np.random.Generator) -> None:
    for low, high in ((-2, 3), (-(2**29), 2**29)):  # in one integer, and in several
        rows = rng.integers(0, 50, (300, 2))
        shifts = rng.integers(low, high, (300, 3)).astype(np.int32)
        for ranks in (np.arange(60), rng.permutation(60)):
            order = np.lexsort((*shifts.T[::-1], ranks[rows[:, 1]], rows[:, 0]))
            found = in_order(rows[:, 0], rows[:, 1], shifts, ranks)
            np.testing.assert_array_equal(found[0], rows[order, 0])
            np.testing.assert_array_equal(found[1], rows[order, 1])
            np.testing.assert_array_equal(found[2], shifts[order])


# Special systems ------------------------------------------------------------------------


@pytest.mark.parametrize("pbc", [True, False])
def test_no_atoms_and_one_atom(pbc: bool) -> None:
    for nothing in (np.zeros((0, 3)), []):
        none = neighbor_pairs(nothing, 4 * np.eye(3), pbc, 3.0)
        assert (len(none), none.shifts.shape) == (0, (0, 3))
    alone = neighbor_pairs(np.zeros((1, 3)), 4 * np.eye(3), pbc, 3.0)
    assert len(alone) == 0
    one = neighbor_pairs(np.zeros((1, 3)), 4 * np.eye(3), pbc, 4.5)
    assert len(one) == (6 if pbc else 0)


def test_atoms_at_one_place_are_neighbours() -> None:
    assert counted(neighbor_pairs(np.zeros((2, 3)), NO_CELL, False, 1.0)) == {
        (0, 1, 0, 0, 0): 1,
        (1, 0, 0, 0, 0): 1,
    }


def test_the_cutoff_itself_is_outside() -> None:
    for pbc in (True, False):
        positions = np.array([[0.0, 0, 0], [0, 0, 1]])
        cell = np.diag([8.0, 8.0, 8.0])
        assert len(neighbor_pairs(positions, cell, pbc, 1.0)) == 0
        assert len(neighbor_pairs(positions, cell, pbc, np.nextafter(1.0, 2.0))) == 2


# vesin 0.6 ends the process, or takes minutes, for some of these.
@pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 0, 0), (1, 1, 0), (0, 0, 0)])
def test_molecules_far_apart_in_empty_space(pbc: tuple[int, ...]) -> None:
    random = np.random.default_rng(13)
    molecule = random.uniform(0, 2, (50, 3))
    places = random.uniform(0, 1, (12, 1, 3)) * [4.0, 1e5, 1e7]
    positions = np.round((places + molecule).reshape(-1, 3), 3)
    cell = np.diag([8.0, 2e5, 2e7])
    found = neighbor_pairs(positions, cell, np.array(pbc, bool), 1.5)
    rows = counted(found)
    expected = 0
    for shift in (-1, 0, 1) if pbc[0] else (0,):
        apart = positions[None] - positions[:, None] + [8.0 * shift, 0, 0]
        expected += np.sum(np.linalg.norm(apart, axis=-1) < 1.5)
    assert len(rows) == expected - len(positions)
    assert set(rows.values()) == {1}


@pytest.mark.parametrize("full", [True, False])
def test_both_ways_on_the_host_find_the_same(full: bool) -> None:
    for case in [
        *cases(40, seed=14, pbc=(True,) * 3),
        *cases(40, seed=15, pbc=(False,) * 3),
    ]:
        ours = sparse_pairs(*case.arrays, case.cutoff, full)
        theirs = pairs_by_vesin(*case.arrays, case.cutoff, full)
        assert counted(Pairs(*_columns(ours))) == counted(Pairs(*_columns(theirs)))


def _columns(found: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
    atoms, shifts = (array.astype(np.int32) for array in found)
    return [atoms[:, 0], atoms[:, 1], shifts]


def test_a_cell_much_smaller_than_the_cutoff() -> None:
    case = Case(np.array([[0.1, 0.2, 0.3]]), 0.7 * np.eye(3), np.ones(3, bool), 4.0)
    found = neighbor_pairs(*case.arrays, case.cutoff)
    assert counted(found) == by_ase(case)
    assert len(found) > 700


def test_vectors_of_axes_that_do_not_repeat_do_not_count() -> None:
    positions = np.random.default_rng(7).uniform(0, 4, (60, 3))
    flat = np.array([[4.0, 0, 0], [0, 5.0, 0], [0, 5.0, 0]])
    given = neighbor_pairs(positions, flat, [True, True, False], 3.0)
    zero = neighbor_pairs(positions, flat * [[1], [1], [0]], [True, True, False], 3.0)
    assert counted(given) == counted(zero) != {}


def test_float32_and_integers_and_arrays_of_jax() -> None:
    positions = np.random.default_rng(8).integers(0, 5, (20, 3))
    expected = counted(neighbor_pairs(positions.astype(float), 5.0 * np.eye(3), True, 1.5))
    for given in (positions, positions.astype(np.float32), jax.numpy.asarray(positions)):
        assert counted(neighbor_pairs(given, 5 * np.eye(3, dtype=int), True, 1.5)) == (
            expected
        )


# Options, and many systems --------------------------------------------------------------


def test_what_a_model_asks_for() -> None:
    positions = np.random.default_rng(9).uniform(0, 8, (30, 3))
    asked = NeighborListOptions(0.3, full_list=False, length_unit="nm")
    found = neighbor_pairs(positions, NO_CELL, False, asked, length_unit="angstrom")
    expected = neighbor_pairs(positions, NO_CELL, False, 3.0, full_list=False)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    full = neighbor_pairs(positions, NO_CELL, False, asked, length_unit="A", full_list=True)
    assert len(full) == 2 * len(found)


def _concatenated(systems: list[Case]) -> tuple[Any, Any, Any, Any]:
    positions = np.concatenate([case.positions for case in systems])
    cells = np.stack([case.cell for case in systems])
    pbc = np.stack([case.pbc for case in systems])
    return positions, cells, pbc, [len(case.positions) for case in systems]


@pytest.mark.parametrize("full", [True, False])
def test_many_systems_are_each_as_alone(full: bool) -> None:
    systems = [*cases(30, seed=10), *cases(30, seed=11, pbc=(False,) * 3, most=70)]
    empty = Case(np.zeros((0, 3)), NO_CELL, np.zeros(3, bool), 1.0)
    systems.insert(3, empty)
    random = np.random.default_rng(12)
    found, parts, begin = [], [], 0
    types = random.integers(0, 3, sum(len(case.positions) for case in systems))
    for case in systems:
        rows = types[begin : begin + len(case.positions)]
        one = neighbor_pairs(*case.arrays, 3.0, full_list=full, types=rows)
        parts.append(np.column_stack([one.first + begin, one.second + begin, one.shifts]))
        begin += len(case.positions)
    many = batched_neighbor_pairs(*_concatenated(systems), 3.0, full_list=full, types=types)
    found = np.column_stack([many.first, many.second, many.shifts])
    np.testing.assert_array_equal(found, np.concatenate(parts))


def test_no_systems() -> None:
    found = batched_neighbor_pairs(
        np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3), bool), [], 3.0
    )
    assert len(found) == 0


def test_real_structures(data_folder: Any) -> None:
    for name in ("mad_sample_50.xyz", "li3ps4_test.xyz"):
        for atoms in read(data_folder / name, ":8"):
            assert isinstance(atoms, Atoms)
            case = Case(atoms.positions, atoms.cell[:], atoms.pbc, 4.5)
            found = neighbor_pairs(*case.arrays, case.cutoff)
            assert counted(found) == by_ase(case)


def test_small_systems_without_cells_need_no_vesin() -> None:
    code = """
import sys
sys.modules["vesin"] = None
import numpy as np
from jaxmeta.atomistic.neighbors import neighbor_pairs
from jaxmeta.errors import MissingExtraError
print(len(neighbor_pairs(np.eye(3), np.eye(3), False, 2.0)))
try:
    neighbor_pairs(np.eye(3), np.eye(3), True, 2.0)
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "JAXMETA_NATIVE": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "6",
        'jaxmeta.atomistic.neighbors needs vesin: pip install "jaxmeta[neighbors]"',
    ]


# What is refused ------------------------------------------------------------------------

X = np.zeros((2, 3))
NAN = np.array([[0.0, 0, 0], [0, np.nan, 0]])
CELL = 4 * np.eye(3)
FLAT = np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0]])
THIN = np.diag([1e-3, 1e-3, 1e-3])


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((NAN, CELL, True, 3.0), InvalidError, r"positions is not finite[\s\S]*\(1, 1\)"),
        ((X, CELL + np.inf, True, 3.0), InvalidError, "cell is not finite"),
        ((X[0], CELL, True, 3.0), InvalidError, r"found \(3,\), expected \(atoms, 3\)"),
        ((X, CELL[:2], True, 3.0), InvalidError, r"found \(2, 3\), expected \(3, 3\)"),
        ((X, CELL, [True, False], 3.0), InvalidError, "shape of pbc"),
        ((X, CELL, [1, 1, 0], 3.0), InvalidTypeError, "truth values"),
        ((X, CELL, None, 3.0), InvalidTypeError, "truth values"),
        ((X * 1j, CELL, True, 3.0), InvalidTypeError, "real numbers"),
        (("abc", CELL, True, 3.0), InvalidTypeError, "real numbers"),
        (([[1.0], [1, 2]], CELL, True, 3.0), InvalidTypeError, "is no array"),
        ((X, CELL * [[1], [0], [1]], True, 3.0), InvalidError, "axis b of the cell"),
        ((X, FLAT, True, 3.0), InvalidError, "not independent"),
        ((X, CELL, True, -3.0), InvalidError, "must be positive"),
        ((X, CELL, True, float("nan")), InvalidError, "must be positive"),
        ((X, CELL, True, "3"), InvalidTypeError, "must be a number"),
        ((X, CELL, True, 1000.0), InvalidError, "below 1000"),
        ((X, CELL, True, 999.0), InvalidError, "would be too long"),
        ((X, THIN, True, 5.0), InvalidError, "would be too long"),
        ((X + 1e12, CELL, True, 5.0), InvalidError, "too many cells away"),
    ],
)
def test_wrong_arguments(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        neighbor_pairs(*arguments)


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"full_list": 1}, InvalidTypeError, "full_list is True or False"),
        ({"types": [1.0, 2.0]}, InvalidTypeError, "must be integers"),
        ({"types": [1]}, InvalidError, r"shape \(1,\) for 2 atoms"),
        ({"max_pairs": 3}, InvalidError, "max_pairs is 3"),
    ],
)
def test_wrong_options(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        neighbor_pairs(X, CELL, True, 3.0, **options)


def test_a_very_large_molecule_is_refused() -> None:
    with pytest.raises(InvalidError, match="would be too long"):
        neighbor_pairs(np.zeros((30_000, 3)), NO_CELL, False, 3.0)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [([2], "shape of cell"), ([1, 2], "add up to 3"), ([3, -1], "numbers of atoms")],
)
def test_wrong_sizes(sizes: list[int], words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        batched_neighbor_pairs(X, np.zeros((2, 3, 3)), False, sizes, 3.0)


def test_the_system_with_a_wrong_cell_is_named() -> None:
    with pytest.raises(InvalidError, match="axis a of cell 1"):
        batched_neighbor_pairs(X, np.stack([CELL, NO_CELL]), True, [1, 1], 3.0)


def test_traced_positions_are_told_where_to_go() -> None:
    with pytest.raises(InvalidTypeError, match="use cell_list"):
        jax.jit(lambda x: neighbor_pairs(x, NO_CELL, False, 3.0).first)(X)
