"""Pairs and what is asked of lists: options, vectors, padding, derivatives."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxmeta.atomistic.neighbors import FAR, NeighborListOptions, Pairs
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError


def _pairs(first: Any, second: Any, shifts: Any) -> Pairs:
    return Pairs(*(np.asarray(array, np.int32) for array in (first, second, shifts)))


THREE = _pairs([0, 1, 1], [1, 0, 1], [[0, 0, 0], [1, 0, -2], [0, 1, 0]])
CELL = np.array([[4.0, 0.5, 0.0], [0.0, 5.0, 1.0], [0.25, 0.0, 6.0]])


# Options --------------------------------------------------------------------------------


def test_options_are_equal_and_hashed_as_in_metatomic() -> None:
    metatomic = pytest.importorskip("metatomic.torch")
    names = "cutoff", "full_list", "strict", "unit", "requestor"
    flags, units, askers = (True, False), ("", "A", "nm"), ("", "model")
    every = itertools.product((3.0, 0.3), flags, flags, units, askers)
    given = [dict(zip(names, one, strict=True)) for one in every]

    def theirs(one: dict[str, Any]) -> Any:
        flags = one["cutoff"], one["full_list"], one["strict"], one["requestor"]
        options = metatomic.NeighborListOptions(*flags)
        options.length_unit = one["unit"]
        return options

    def ours(one: dict[str, Any]) -> NeighborListOptions:
        return NeighborListOptions(
            one["cutoff"],
            one["full_list"],
            one["strict"],
            (one["requestor"],),
            length_unit=one["unit"],
        )

    for left, right in itertools.product(given, given):
        expected = theirs(left) == theirs(right)
        assert (ours(left) == ours(right)) == expected
        if expected:
            assert hash(ours(left)) == hash(ours(right))
    for one in given:
        for unit in ("", "angstrom", "nm", "bohr"):
            found, expected = ours(one), theirs(one)
            assert found.engine_cutoff(unit) == pytest.approx(
                expected.engine_cutoff(unit), rel=1e-9
            )
        assert list(found.requestors) == expected.requestors()


def test_requestors_are_added_once() -> None:
    options = NeighborListOptions(3.0, requestors=("a", "", "a"))
    assert options.requestors == ("a",)
    more = options.with_requestor("b").with_requestor("a").with_requestor("")
    assert more.requestors == ("a", "b")
    assert more == options


def test_options_are_static_in_programs_and_keys_of_pytrees() -> None:
    options = NeighborListOptions(3.0, full_list=False)
    double = jax.jit(lambda x, asked: asked.cutoff * x, static_argnums=1)
    assert double(2.0, options) == 6.0
    tree = {options: 1, NeighborListOptions(2.0): 2, NeighborListOptions(3.0): 3}
    assert jax.tree.map(lambda x: x + 1, tree)[options] == 2
    assert options.with_length_unit("nm").engine_cutoff("A") == pytest.approx(30.0)


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"cutoff": 0.0}, InvalidError, "cutoff must be positive"),
        ({"cutoff": -1}, InvalidError, "found -1.0"),
        ({"cutoff": float("nan")}, InvalidError, "found nan"),
        ({"cutoff": float("inf")}, InvalidError, "finite"),
        ({"cutoff": "3"}, InvalidTypeError, "must be a number"),
        ({"cutoff": True}, InvalidTypeError, "must be a number"),
        ({"cutoff": None}, InvalidTypeError, "NoneType"),
        ({"cutoff": 3.0, "full_list": 1}, InvalidTypeError, "full_list is True or False"),
        ({"cutoff": 3.0, "strict": "no"}, InvalidTypeError, "strict is True or False"),
        ({"cutoff": 3.0, "requestors": "me"}, InvalidTypeError, "tuple of strings"),
        ({"cutoff": 3.0, "requestors": (1,)}, InvalidTypeError, "tuple of strings"),
        ({"cutoff": 3.0, "length_unit": "eV"}, InvalidError, "other quantities"),
        ({"cutoff": 3.0, "length_unit": "foot"}, MissingError, "no unit"),
    ],
)
def test_wrong_options(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        NeighborListOptions(**arguments)


def test_the_cutoff_of_an_engine_is_a_length() -> None:
    with pytest.raises(InvalidError, match="other quantities"):
        NeighborListOptions(3.0).engine_cutoff("fs")


# Vectors --------------------------------------------------------------------------------


def _expected(positions: np.ndarray, cells: np.ndarray, pairs: Pairs) -> np.ndarray:
    rows = []
    for i, j, shift in zip(pairs.first, pairs.second, pairs.shifts, strict=True):
        rows.append(positions[j] - positions[i] + shift @ cells[i])
    return np.array(rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vectors(rng: np.random.Generator, dtype: Any) -> None:
    positions = rng.normal(size=(2, 3)).astype(dtype)
    cell = CELL.astype(dtype)
    found = THREE.vectors(positions, cell)
    assert found.dtype == dtype
    # A few roundings of numbers up to ten.
    tolerance = 40 * np.finfo(dtype).eps
    expected = _expected(positions.astype(float), np.stack([CELL] * 2), THREE)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_each_system_has_a_cell_of_its_own(rng: np.random.Generator) -> None:
    positions = rng.normal(size=(4, 3))
    cells = np.stack([CELL, 2 * CELL, 3 * CELL])
    pairs = _pairs([0, 1, 3, 4], [0, 2, 3, 4], [[1, 0, 0]] * 3 + [[0, 0, 0]])
    system = np.array([0, 2, 2, 1])
    found = jax.jit(Pairs.vectors)(pairs, positions, cells, system)
    expected = _expected(positions, cells[system], pairs.trimmed(4))
    np.testing.assert_allclose(found[:3], expected, rtol=1e-14)
    assert np.all(found[3] == FAR)


def test_padding_is_far_away_and_has_no_derivatives(rng: np.random.Generator) -> None:
    positions = jnp.asarray(rng.normal(size=(2, 3)))
    padded = THREE.padded(7, 2)
    assert (len(padded), padded.capacity, int(padded.n_pairs(2))) == (7, 7, 3)
    assert padded.mask(2).tolist() == [True] * 3 + [False] * 4

    def energy(positions: jax.Array, cell: jax.Array, pairs: Pairs) -> jax.Array:
        distance = jnp.linalg.norm(pairs.vectors(positions, cell), axis=1)
        return jnp.sum(jnp.where(distance < 20.0, jnp.exp(-distance) / distance, 0.0))

    cell = jnp.asarray(CELL)
    both = jax.value_and_grad(energy, (0, 1))
    value, slopes = both(positions, cell, padded)
    bare, expected = both(positions, cell, THREE)
    assert value == bare
    jax.tree.map(np.testing.assert_array_equal, slopes, expected)
    check_grads(lambda p, c: energy(p, c, padded), (positions, cell), 2, rtol=1e-6)
    hessian = jax.hessian(energy)(positions, cell, padded)
    assert bool(jnp.isfinite(hessian).all())


def test_padding_gives_no_nan_in_float32_and_steep_potentials() -> None:
    empty = _pairs(*np.zeros((2, 0)), np.zeros((0, 3))).padded(2, 1)

    def energy(scale: jax.Array, positions: jax.Array) -> jax.Array:
        vectors = empty.vectors(positions, jnp.zeros((3, 3), jnp.float32))
        distance = jnp.linalg.norm(vectors, axis=1)
        return jnp.sum((scale / distance) ** 12 + scale / distance**12)

    one = jnp.ones((), jnp.float32)
    for slopes in jax.grad(energy, (0, 1))(one, jnp.ones((1, 3), jnp.float32)):
        assert bool(jnp.isfinite(slopes).all())


def test_padding_of_no_atoms_and_back() -> None:
    none = _pairs(*np.zeros((2, 0)), np.zeros((0, 3)))
    padded = none.padded(2, 0)
    found = padded.vectors(np.zeros((0, 3)), np.zeros((3, 3)))
    assert np.all(found == FAR)
    assert len(padded.trimmed(0)) == 0
    assert none.vectors(np.zeros((0, 3)), np.zeros((3, 3))).shape == (0, 3)


def test_pairs_go_through_vmap_and_come_back_trimmed(rng: np.random.Generator) -> None:
    frames = jnp.asarray(rng.normal(size=(5, 2, 3)))
    padded = THREE.padded(4, 2)
    found = jax.vmap(padded.vectors, (0, None))(frames, CELL)
    for frame, rows in zip(frames, found, strict=True):
        np.testing.assert_array_equal(rows, padded.vectors(frame, CELL))
    back = padded.trimmed(2)
    jax.tree.map(np.testing.assert_array_equal, back, THREE)


def test_a_small_capacity_is_refused() -> None:
    with pytest.raises(InvalidError, match="at least 3"):
        THREE.padded(2, 2)


@pytest.mark.usefixtures("wrong_types")
def test_wrong_arrays() -> None:
    one, shift = np.zeros(1, np.int32), np.zeros((1, 3), np.int32)
    with pytest.raises(InvalidTypeError, match="first must be an array of int32"):
        Pairs([0], one, shift)
    with pytest.raises(InvalidTypeError, match="dtype int64"):
        Pairs(one, one.astype(np.int64), shift)
    for arrays in [(one, one[:0], shift), (one, one, shift[0]), (one[0], one[0], shift[0])]:
        with pytest.raises(InvalidError, match="does not fit"):
            Pairs(*arrays)


X, C = np.zeros((2, 3)), np.eye(3)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((X.astype(int), C), InvalidTypeError, "floating point"),
        ((X, C.astype(np.float32)), InvalidTypeError, "one dtype"),
        ((X[0], C), InvalidError, r"\(atoms, 3\)"),
        ((X, C[0]), InvalidError, r"\(3, 3\) or"),
        ((X, C[None]), InvalidError, "a system for each atom"),
        ((X, C[None], np.zeros(3, int)), InvalidError, r"system= of shape \(3,\)"),
        ((X, C, np.zeros(2, int)), InvalidError, "with one cell"),
    ],
)
def test_wrong_arguments_of_vectors(
    arguments: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        THREE.vectors(*arguments)
