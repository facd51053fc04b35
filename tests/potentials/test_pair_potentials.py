"""Potentials of pairs: against ase, formulas, and what every potential must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from potential_cases import ALL, Case, structures

from jaxmeta.atomistic import System, evaluate, to_batch
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError
from jaxmeta.potentials import ZBL, LennardJones, Potential, Sum


EPSILON, SIGMA = {10: 0.0031, 18: 0.0104}, {10: 2.78, 18: 3.4}

POTENTIALS = {
    "shifted": lambda: LennardJones(EPSILON, SIGMA, 6.0),
    "switched": lambda: LennardJones(EPSILON, SIGMA, 6.0, onset=4.5),
    "zbl": lambda: ZBL(cutoff=6.0, inner=3.0),
    "sum": lambda: Sum(
        [LennardJones(EPSILON, SIGMA, 6.0, onset=4.5), ZBL(cutoff=4.0, inner=2.0)]
    ),
}
OTHERS = [name for name in POTENTIALS if name != "switched"]
LONG = [pytest.param(name, marks=pytest.mark.long) for name in OTHERS]


@pytest.fixture(scope="module", params=["switched", *LONG])
def case(request) -> Case:
    return Case(POTENTIALS[request.param](), structures([10, 18], spacing=3.3))


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_it_does_what_potentials_do(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


def dimer(distance: float, types: tuple[int, int] = (10, 18)) -> System:
    return System(np.array([[0.0, 0, 0], [0, 0, distance]]), types)


def curve(potential: Potential, types: tuple[int, int] = (10, 18)) -> Callable:
    """The energy of two atoms, as a function of their distance."""
    batch = to_batch(dimer(1.0, types), 9.0)
    axis = jnp.array([[0.0, 0, 0], [0, 0, 1.0]])

    def energy(distance):
        return potential(batch.replace(positions=distance * axis))[0].values[0, 0]

    return jax.jit(energy)


@pytest.mark.parametrize("onset", [None, pytest.param(4.5, marks=pytest.mark.long)])
def test_lennard_jones_is_that_of_ase(onset: float | None) -> None:
    ase = pytest.importorskip("ase")
    lj = pytest.importorskip("ase.calculators.lj")
    (molecule, crystal, slab) = structures([18], spacing=3.3)
    potential = LennardJones(EPSILON, SIGMA, 6.0, onset=onset)
    found = evaluate(
        potential,
        to_batch([molecule, crystal, slab], 6.0),
        gradients=["positions", "strain"],
    )[0]
    begin = 0
    for number, each in enumerate((molecule, crystal, slab)):
        atoms = ase.Atoms(each.types, each.positions, cell=each.cell, pbc=each.pbc)
        atoms.calc = lj.LennardJones(
            epsilon=EPSILON[18], sigma=SIGMA[18], rc=6.0, ro=onset, smooth=onset is not None
        )
        energy = atoms.get_potential_energy()
        assert float(found.values[number, 0]) == pytest.approx(energy, abs=1e-13)
        forces = -found.gradient("positions").values[begin : begin + len(each), :, 0]
        np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-13)
        if number == 1:
            stress = found.gradient("strain").values[1, ..., 0] / atoms.get_volume()
            np.testing.assert_allclose(stress, atoms.get_stress(voigt=False), atol=1e-14)
        begin += len(each)


def test_pairs_of_types_mix_by_lorentz_and_berthelot_or_as_they_are_given() -> None:
    mixed = LennardJones(EPSILON, SIGMA, 6.0)
    given = LennardJones({**EPSILON, (18, 10): 0.005}, {**SIGMA, (10, 18): 3.0}, 6.0)
    for potential, epsilon, sigma in (
        (mixed, np.sqrt(0.0031 * 0.0104), (2.78 + 3.4) / 2),
        (given, 0.005, 3.0),
    ):
        r = np.array([2.5, 3.3, 5.9])
        expected = 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)
        expected -= 4 * epsilon * ((sigma / 6) ** 12 - (sigma / 6) ** 6)
        np.testing.assert_allclose(jax.vmap(curve(potential))(r), expected, atol=1e-14)


def zbl(r: np.ndarray, z: int, other: int) -> np.ndarray:
    """As it stands in books, without an end."""
    coulomb = 1.602176634e-19 / (4 * np.pi * 8.8541878188e-12) * 1e10  # CODATA 2022
    x = r * (z**0.23 + other**0.23) / 0.46850
    screening = (
        0.18175 * np.exp(-3.19980 * x)
        + 0.50986 * np.exp(-0.94229 * x)
        + 0.28022 * np.exp(-0.40290 * x)
        + 0.02817 * np.exp(-0.20162 * x)
    )
    return coulomb * z * other / r * screening


def test_zbl_is_the_formula_less_a_constant_up_to_where_switching_begins() -> None:
    potential = ZBL(cutoff=2.0, inner=1.2)
    r = np.array([0.01, 0.1, 0.5, 1.0, 1.2])
    run = jax.jit(jax.vmap(jax.value_and_grad(curve(potential, (6, 14)))))
    energies, slopes = run(r)
    missing = energies - zbl(r, 6, 14)
    np.testing.assert_allclose(missing, missing[-1], rtol=1e-9)
    h = 1e-6
    expected = (zbl(r * (1 + h), 6, 14) - zbl(r * (1 - h), 6, 14)) / (2 * h * r)
    np.testing.assert_allclose(slopes, expected, rtol=1e-7)


@pytest.mark.parametrize(("name", "orders"), [("shifted", 1), ("switched", 2), ("zbl", 3)])
def test_all_that_should_is_continuous_at_the_cutoff(name: str, orders: int) -> None:
    potential = POTENTIALS[name]()
    function = curve(potential)
    scale = abs(float(function(3.0)))
    for _ in range(orders):
        below, beyond = (
            float(function(potential.cutoff_radius + d)) for d in (-1e-9, 1e-9)
        )
        assert abs(below) < 1e-7 * scale
        assert beyond == 0
        function = jax.jit(jax.grad(function))
    if name != "zbl":  # and no more than is said
        assert abs(float(function(potential.cutoff_radius - 1e-9))) > 1e-3 * scale


@pytest.mark.parametrize(("name", "at"), [("switched", 4.5), ("zbl", 3.0)])
def test_forces_are_continuous_where_switching_begins(name: str, at: float) -> None:
    slope = jax.jit(jax.grad(curve(POTENTIALS[name]())))
    below, beyond = float(slope(at - 1e-9)), float(slope(at + 1e-9))
    assert below == pytest.approx(beyond, rel=1e-6)


@pytest.mark.parametrize("name", ["shifted", "switched", "zbl"])
def test_two_atoms_at_one_place_have_an_infinite_energy(name: str) -> None:
    energy, slope = jax.jit(jax.value_and_grad(curve(POTENTIALS[name]())))(0.0)
    assert energy == np.inf
    assert np.isnan(slope)


def test_a_sum_has_the_energies_of_its_parts() -> None:
    total = POTENTIALS["sum"]()
    assert [each.cutoff for each in total.requested_neighbor_lists()] == [4.0, 6.0]
    batch = to_batch(structures([10, 18], 3.3), total.requested_neighbor_lists())
    run = jax.jit(lambda potential, batch: potential(batch, per_atom=True)[0].values)
    parts = [np.asarray(run(part, batch)) for part in total.parts]
    np.testing.assert_allclose(run(total, batch), parts[0] + parts[1], rtol=1e-14)


def test_parameters_have_derivatives() -> None:
    batch = to_batch(dimer(3.0), 6.0)
    potential = LennardJones(EPSILON, SIGMA, 6.0)

    @jax.jit
    def energy(potential):
        return potential(batch)[0].values[0, 0]

    found = jax.grad(energy)(potential)
    h = 1e-6
    up, down = (
        energy(LennardJones({**EPSILON, (10, 18): e}, SIGMA, 6.0))
        for e in (0.005 + h, 0.005 - h)
    )
    both = found.epsilon[0, 1] + found.epsilon[1, 0]
    assert float(both) == pytest.approx(float((up - down) / (2 * h)), rel=1e-8)


def test_no_atoms_have_no_energy() -> None:
    nothing = System(np.zeros((0, 3)), np.zeros(0, int))
    batch = to_batch(nothing, 6.0)
    potential = LennardJones(EPSILON, SIGMA, 6.0)
    run = jax.jit(lambda b: (potential(b), potential(b, per_atom=True)))
    systems, atoms = run(batch)
    assert systems[0].values.tolist() == [[0.0]]
    assert atoms[0].shape == (0, 1)


def test_atoms_that_are_not_known_are_refused() -> None:
    with pytest.raises(InvalidError, match="type 6, which it does not know"):
        LennardJones(EPSILON, SIGMA, 6.0)(to_batch(dimer(1.0, (6, 10)), 6.0))


def test_lists_that_are_too_short_are_refused() -> None:
    with pytest.raises(MissingError, match=r"no full list of neighbours up to 6\.0"):
        ZBL(6.0, 3.0)(to_batch(dimer(1.0), 5.0))


NUMBER: Any = 1.0
TEXT: Any = "x"
SINE: Any = np.sin
SYSTEM: Any = dimer(1.0)


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: LennardJones({18: 1}, {10: 1}, 6.0), InvalidError, "each type has"),
        (lambda: LennardJones({}, {}, 6.0), InvalidError, "each type has"),
        (lambda: LennardJones(NUMBER, {10: 1}, 6.0), InvalidTypeError, "numbers by type"),
        (lambda: LennardJones({1: -1}, {1: 1}, 6.0), InvalidError, "not negative"),
        (lambda: LennardJones({1: 1}, {1: 0.0}, 6.0), InvalidError, "positive"),
        (lambda: LennardJones({1: TEXT}, {1: 1}, 6.0), InvalidTypeError, "is a number"),
        (lambda: LennardJones({1: 1, (1, 2): 1}, {1: 1}, 6.0), InvalidError, "two of"),
        (
            lambda: LennardJones({1: 1, 2: 1, (1, 2): 1, (2, 1): 2}, {1: 1, 2: 1}, 6.0),
            InvalidError,
            "given twice",
        ),
        (lambda: LennardJones({1: 1}, {1: 1}, -6.0), InvalidError, "cutoff"),
        (lambda: LennardJones({1: 1}, {1: 1}, 6.0, onset=7.0), InvalidError, "onset"),
        (lambda: ZBL(2.0, 2.0), InvalidError, "switching begins below"),
        (lambda: ZBL(TEXT, 2.0), InvalidTypeError, "cutoff"),
        (lambda: Sum([]), InvalidError, "no potential"),
        (lambda: Sum([SINE]), InvalidTypeError, "potentials are added"),
        (lambda: ZBL(2.0, 1.0)(SYSTEM), InvalidTypeError, "must be a Batch"),
    ],
)
def test_mistakes_are_explained(call, error, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
