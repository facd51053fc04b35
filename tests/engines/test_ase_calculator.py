"""Calculator: models in ase, against ase's own Lennard-Jones, and in what ase does."""

from __future__ import annotations

import time
from typing import Any

import ase
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import units
from ase.build import bulk, fcc111
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.lj import LennardJones as LennardJonesOfAse
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import BFGS

import jaxmeta as jm
from jaxmeta.atomistic import NeighborListOptions
from jaxmeta.engines.ase import Calculator
from jaxmeta.errors import InvalidError, InvalidTypeError
from jaxmeta.potentials import LennardJones


EPSILON, SIGMA, CUTOFF, ONSET = 0.0104, 3.4, 7.0, 5.5


def argon(onset: float | None = ONSET) -> LennardJones:
    return LennardJones({18: EPSILON}, {18: SIGMA}, CUTOFF, onset=onset)


def of_ase(onset: float | None = ONSET) -> Any:
    smooth = onset is not None
    return LennardJonesOfAse(
        epsilon=EPSILON, sigma=SIGMA, rc=CUTOFF, ro=onset, smooth=smooth
    )


class Counted(eqx.Module):
    """A model that counts how often it is traced: once for each program."""

    model: Any
    counts: list[int] = eqx.field(static=True, default_factory=lambda: [0])

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        return self.model.requested_neighbor_lists()

    def __call__(self, batch: Any) -> jm.TensorMap:
        self.counts[0] += 1
        return self.model(batch)


def crystal(repeats: int = 2, seed: int = 1) -> Any:
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (repeats, repeats, repeats)
    atoms.rattle(0.15, seed=seed)
    return atoms


def hot(atoms: Any, kelvin: float) -> Any:
    rng = np.random.default_rng(2)
    spread = np.sqrt(units.kB * kelvin * atoms.get_masses())
    momenta = rng.normal(size=(len(atoms), 3)) * spread[:, None]
    atoms.set_momenta(momenta - momenta.mean(axis=0))
    return atoms


@pytest.mark.parametrize(
    ("kind", "onset"),
    [("crystal", None), ("crystal", ONSET), ("slab", ONSET), ("molecule", ONSET)],
)
def test_results_are_those_of_ase(kind: str, onset: float | None) -> None:
    atoms = crystal(2)
    if kind == "slab":
        atoms = fcc111("Ar", (3, 3, 2), a=5.3, vacuum=6.0)
        atoms.rattle(0.1, seed=3)
    elif kind == "molecule":
        atoms.set_cell(None)
        atoms.pbc = False
    other = atoms.copy()
    atoms.calc, other.calc = Calculator(argon(onset)), of_ase(onset)
    if kind == "molecule":
        with pytest.raises(PropertyNotImplementedError):
            atoms.get_stress()
    else:
        np.testing.assert_allclose(atoms.get_stress(), other.get_stress(), atol=1e-13)
    assert atoms.get_potential_energy() == pytest.approx(
        other.get_potential_energy(), abs=1e-12
    )
    found = atoms.get_potential_energy(force_consistent=True)
    assert found == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.get_forces(), other.get_forces(), atol=1e-12)
    energies = atoms.get_potential_energies(), other.get_potential_energies()
    np.testing.assert_allclose(*energies, atol=1e-13)


def test_stress_is_computed_from_the_first_time_on_that_it_is_asked_for() -> None:
    model = Counted(argon())
    atoms = crystal(1)
    atoms.calc = Calculator(model)
    forces = atoms.get_forces()
    assert "stress" not in atoms.calc.results
    stress = atoms.get_stress()
    np.testing.assert_array_equal(atoms.get_forces(), forces)
    atoms.positions += 0.1  # all atoms together
    np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-14)
    np.testing.assert_allclose(atoms.calc.results["stress"], stress, atol=1e-16)
    assert model.counts[0] == 2


def test_molecular_dynamics_conserves_energy_with_one_program() -> None:
    """Neither does it drift where lists are made anew, nor does it compile again."""
    model = Counted(argon())
    atoms = hot(crystal(2), 80.0)
    atoms.calc = Calculator(model, skin=0.4)
    dynamics = VelocityVerlet(atoms, 4 * units.fs)
    energies = []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(400)
    of_atom = np.array(energies) / len(atoms)
    drift = np.polyfit(np.arange(len(of_atom)), of_atom, 1)[0] * len(of_atom)
    assert abs(drift) < 2e-6  # eV per atom in 1.6 ps; kT is 7e-3
    assert np.ptp(of_atom) < 4e-5
    assert atoms.calc.neighbor_builds > 3
    assert model.counts[0] <= 2  # room for pairs may grow once


def test_trajectories_are_those_of_ase() -> None:
    ends = []
    for calculator in (Calculator(argon(), skin=0.5), of_ase()):
        atoms = hot(crystal(1, seed=5) * (2, 1, 1), 60.0)
        atoms.calc = calculator
        VelocityVerlet(atoms, 4 * units.fs).run(25)
        ends.append(atoms.positions)
    np.testing.assert_allclose(*ends, atol=1e-10)


def test_langevin_dynamics_keeps_the_temperature() -> None:
    atoms = hot(crystal(2), 40.0)
    atoms.calc = Calculator(argon())
    rng = np.random.RandomState(0)
    options: Any = {"temperature_K": 40, "friction": 0.02, "fixcm": False, "rng": rng}
    dynamics = Langevin(atoms, 5 * units.fs, **options)
    found = []
    dynamics.attach(lambda: found.append(atoms.get_temperature()))
    dynamics.run(300)
    assert np.mean(found[100:]) == pytest.approx(40, rel=0.25)


@pytest.mark.long
def test_crystals_relax_with_their_cells() -> None:
    """The cell that ase's own potential gives, at no pressure."""
    ends = []
    for calculator in (Calculator(argon()), of_ase()):
        atoms = bulk("Ar", "fcc", a=5.0, cubic=True)
        atoms.set_cell(atoms.cell @ (np.eye(3) + 0.02 * np.eye(3, k=1)), scale_atoms=True)
        atoms.calc = calculator
        moved: Any = FrechetCellFilter(atoms)
        BFGS(moved, logfile=None).run(fmax=1e-4, steps=60)
        ends.append(atoms.get_volume())
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)
    assert np.abs(atoms.get_stress()).max() < 1e-4


def test_images_of_a_path_share_a_calculator() -> None:
    first = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 1, 1)
    del first[0]
    last = first.copy()
    last.positions[0] = [0, 0, 0]
    model = Counted(argon())
    calculator = Calculator(model)
    images = [first, *(first.copy() for _ in range(3)), last]
    for image in images:
        image.calc = calculator
    options: Any = {"allow_shared_calculator": True, "method": "improvedtangent"}
    path = NEB(images, **options)
    path.interpolate(mic=True)
    forces = path.get_forces()
    for image in images:
        image.calc = of_ase()
    np.testing.assert_allclose(forces, NEB(images, **options).get_forces(), atol=1e-10)
    assert model.counts[0] <= 3


def test_units_are_converted() -> None:
    """The same model in nanometers and kilojoules per mole."""
    factor = 96.48533212331002  # kJ/mol in eV
    small = LennardJones(
        {18: EPSILON * factor}, {18: SIGMA / 10}, CUTOFF / 10, onset=ONSET / 10
    )
    atoms, other = crystal(1), crystal(1)
    atoms.calc = Calculator(small, energy_unit="kJ/mol", length_unit="nm")
    other.calc = Calculator(argon())
    assert atoms.get_potential_energy() == pytest.approx(other.get_potential_energy(), 1e-9)
    np.testing.assert_allclose(atoms.get_forces(), other.get_forces(), atol=1e-9)
    np.testing.assert_allclose(atoms.get_stress(), other.get_stress(), atol=1e-11)


def test_single_precision_is_what_the_model_computes_in() -> None:
    dtypes = []

    def model(batch):
        dtypes.append((batch.positions.dtype, batch.cells.dtype))
        return argon()(batch)

    atoms, other = crystal(1), crystal(1)
    atoms.calc = Calculator(model, cutoff=CUTOFF, dtype="float32")
    other.calc = Calculator(argon())
    assert atoms.calc.implemented_properties == [
        "energy",
        "free_energy",
        "forces",
        "stress",
    ]
    np.testing.assert_allclose(atoms.get_forces(), other.get_forces(), atol=1e-6)
    assert atoms.get_forces().dtype == np.float64
    assert set(dtypes) == {(jnp.dtype("float32"), jnp.dtype("float32"))}


def test_other_structures_get_programs_of_their_own() -> None:
    calculator = Calculator(argon())
    for atoms in (crystal(1), crystal(2)[:20], crystal(1)):
        other = atoms.copy()
        atoms.calc, other.calc = calculator, of_ase()
        np.testing.assert_allclose(atoms.get_forces(), other.get_forces(), atol=1e-12)


def quadratic(batch: Any) -> jm.TensorMap:
    """A model without neighbours."""
    each = jnp.sum(batch.positions**2, axis=1)
    sums = jnp.zeros(batch.n_systems, each.dtype).at[batch.owners].add(each)
    energy = jm.Labels.range("energy", 1)
    block = jm.TensorBlock(sums[:, None], batch.systems, [], energy)
    return jm.TensorMap(jm.Labels.single(), [block])


def test_a_step_costs_less_than_a_millisecond_beside_model_and_list() -> None:
    """Of 2048 atoms, as far as a shared machine can tell: the best of several."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (8, 8, 8)
    calculator = Calculator(quadratic, cutoff=())
    batch = calculator._batch_of(atoms)

    def compiled() -> Any:
        return jax.block_until_ready(
            calculator._run(("positions",), calculator._parameters, batch)
        )

    def best(call: Any) -> float:
        call()
        times = []
        for _ in range(20):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        return min(times)

    assert best(lambda: calculator.calculate(atoms)) - best(compiled) < 1e-3


def test_what_is_not_finite_is_refused() -> None:
    atoms = crystal(1)
    atoms.positions[1] = atoms.positions[0]
    atoms.calc = Calculator(argon())
    with pytest.raises(InvalidError, match="atoms 0 and 1 are closest: 0 apart"):
        atoms.get_forces()
    atoms.positions[1, 0] = np.nan
    with pytest.raises(InvalidError, match="finite"):
        atoms.get_forces()


def test_types_that_are_not_known_are_refused() -> None:
    atoms = crystal(1)
    atoms.numbers[0] = 10
    atoms.calc = Calculator(argon())
    with pytest.raises(InvalidError, match="type 10, which it does not know"):
        atoms.get_potential_energy()


def test_no_atoms_are_refused() -> None:
    atoms = ase.Atoms(calculator=Calculator(argon()))
    with pytest.raises(InvalidError, match="there are no atoms"):
        atoms.get_potential_energy()


def test_a_periodic_axis_needs_a_vector() -> None:
    atoms = ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]], pbc=True)
    atoms.calc = Calculator(argon())
    with pytest.raises(InvalidError, match="periodic, but its vector is zero"):
        atoms.get_potential_energy()


ARGON: Any = argon()
NO_MODEL: Any = 3.0


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Calculator(NO_MODEL), InvalidTypeError, "a function of batches"),
        (lambda: Calculator(quadratic), InvalidTypeError, "give cutoff="),
        (lambda: Calculator(ARGON, cutoff=2000.0), InvalidError, "cutoff"),
        (lambda: Calculator(ARGON, dtype="int32"), InvalidError, "float32 or float64"),
        (lambda: Calculator(ARGON, dtype="wide"), InvalidTypeError, "must be a dtype"),
        (lambda: Calculator(ARGON, dtype=None), InvalidTypeError, "must be a dtype"),
        (lambda: Calculator(ARGON, energy_unit="nm"), InvalidError, "other quantities"),
        (lambda: Calculator(ARGON, skin=-1.0), InvalidError, "skin"),
    ],
)
def test_mistakes_are_explained(call, error, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_model_gives_one_number() -> None:
    def two(batch: Any) -> jm.TensorMap:
        energies = quadratic(batch)
        return jm.join([energies, energies], "properties", add_dimension="which")

    atoms = crystal(1)
    atoms.calc = Calculator(two, cutoff=())
    with pytest.raises(InvalidError, match="must give one number"):
        atoms.get_potential_energy()
