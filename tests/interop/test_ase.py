"""Targets read from structures of ase: layout, signs, and what is refused."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import ase.io
import jax
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import errors
from jaxmeta.interop.ase import read_targets


def frames(count: int = 3, periodic: bool = True) -> list[Atoms]:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(count):
        atoms = bulk("Cu", cubic=True) if periodic else molecule("CO")
        atoms.rattle(0.1, rng=rng)
        results: dict[str, Any] = {
            "energy": rng.normal(),
            "forces": rng.normal(size=(len(atoms), 3)),
        }
        if periodic:
            results["stress"] = rng.normal(size=6)
        atoms.calc = SinglePointCalculator(atoms, **results)
        found.append(atoms)
    return found


@pytest.mark.parametrize(
    ("structures", "targets", "options"),
    [
        ("ethanol_reduced_100", "ethanol100_E_F", {}),
        (
            "carbon_reduced_100",
            "carbon100_E_F_strain",
            {"forces": "force", "virial": "virial"},
        ),
        ("mlearn_Si_training", "mlearnSi214_E_F_strain", {"stress": True}),
    ],
)
def test_the_layout_is_metatrains(
    data_folder: Path, structures: str, targets: str, options: dict[str, Any]
) -> None:
    found = read_targets(ase.io.read(data_folder / f"{structures}.xyz", ":"), **options)
    expected = jm.load(str(data_folder / f"targets_{targets}.mts"))
    jm.equal_raise(found, expected)


def test_labels() -> None:
    block = read_targets(frames(2), stress=True).block()
    assert block.samples == jm.Labels.range("system", 2)
    assert block.properties == jm.Labels.range("energy", 1)
    positions, strain = block.gradient("positions"), block.gradient("strain")
    assert positions.samples.names == ["sample", "system", "atom"]
    assert positions.samples.values.tolist() == [
        [system, system, atom] for system in range(2) for atom in range(4)
    ]
    assert positions.components == [jm.Labels.range("xyz", 3)]
    assert strain.samples == jm.Labels.range("sample", 2)
    assert strain.components == [jm.Labels.range("xyz_1", 3), jm.Labels.range("xyz_2", 3)]


def test_gradients_are_derivatives_of_the_energy() -> None:
    """EMT's energies, differentiated numerically, against what is read."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = EMT()
    atoms.get_stress(), atoms.get_forces()
    block = read_targets(atoms, stress=True).block()
    step = 1e-4

    def energy(moved: Atoms) -> float:
        moved.calc = EMT()
        return moved.get_potential_energy()

    for a, b in [(0, 0), (0, 1), (2, 1)]:
        slopes = []
        for sign in (1, -1):
            matrix = np.eye(3)
            matrix[a, b] += sign * step
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ matrix)
            moved.positions = atoms.positions @ matrix
            slopes.append(sign * energy(moved))
        strain = block.gradient("strain").values[0, a, b, 0]
        assert float(strain) == pytest.approx(sum(slopes) / (2 * step), abs=1e-5)
    moved = atoms.copy()
    moved.positions[2, 1] += step
    other = atoms.copy()
    other.positions[2, 1] -= step
    slope = (energy(moved) - energy(other)) / (2 * step)
    positions = block.gradient("positions").values[2, 1, 0]
    assert float(positions) == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("shape", [(6,), (3, 3), (9,)])
def test_every_form_of_stress(shape: tuple[int, ...]) -> None:
    six = np.array([1.0, 2.0, 3.0, 0.4, 0.5, 0.6])
    full = np.array([[1.0, 0.6, 0.5], [0.6, 2.0, 0.4], [0.5, 0.4, 3.0]])
    atoms = bulk("Cu", cubic=True)
    atoms.info = {"energy": 1.0, "stress": six if shape == (6,) else full.reshape(shape)}
    block = read_targets(atoms, forces=False, stress=True).block()
    expected = atoms.get_volume() * full
    np.testing.assert_allclose(block.gradient("strain").values[0, ..., 0], expected)
    assert block.gradients_list() == ["strain"]


def test_other_names_from_info_and_arrays() -> None:
    atoms = molecule("CO")
    atoms.info = {"U": -3, "W": np.diag([1.0, 2.0, 3.0])}
    atoms.arrays["f"] = np.arange(6.0).reshape(2, 3)
    block = read_targets([atoms], energy="U", forces="f", virial="W").block()
    assert block.values.tolist() == [[-3.0]]
    assert block.gradient("positions").values[..., 0].tolist() == [
        [0, -1, -2],
        [-3, -4, -5],
    ]
    assert np.diag(block.gradient("strain").values[0, ..., 0]).tolist() == [-1, -2, -3]


def test_no_frames() -> None:
    block = read_targets([], stress=True).block()
    assert block.shape == (0, 1)
    assert block.gradient("positions").shape == (0, 3, 1)
    assert block.gradient("strain").shape == (0, 3, 3, 1)


def test_info_and_dtype() -> None:
    tensor = read_targets(frames(), dtype="float32", info={"energy_unit": "eV"})
    assert tensor.dtype == np.float32
    assert tensor.info() == {"energy_unit": "eV"}


def test_a_missing_energy_is_told_with_its_frame() -> None:
    found = frames(18)
    del found[17].calc.results["energy"]
    with pytest.raises(errors.MissingError, match=r"frame 17 has no 'energy'") as caught:
        read_targets(found)
    assert "Cu4" in str(caught.value)
    assert "'forces', 'stress'" in str(caught.value)


def test_the_name_that_was_meant_is_told() -> None:
    atoms = molecule("CO")
    atoms.info = {"Energy": 1.0}
    with pytest.raises(errors.MissingError, match="did you mean 'Energy'"):
        read_targets(atoms, forces=False)


def test_no_stress_without_periodic_boundaries() -> None:
    with pytest.raises(errors.InvalidError, match=r"frame 0 .*\n.*False, False, False"):
        read_targets(frames(2, periodic=False), stress=True)


def test_results_of_other_positions_are_refused() -> None:
    found = frames(3)
    found[1].positions[0, 0] += 0.1
    with pytest.raises(errors.InvalidError, match=r"frame 1 .*\n.*positions"):
        read_targets(found)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (
            {"energy": np.ones(4), "forces": np.ones((4, 3))},
            r"'energy' .* \(4,\), expected",
        ),
        ({"energy": 1.0, "forces": np.ones((3, 3))}, r"\(3, 3\), expected \(4, 3\)"),
        ({"energy": 1.0, "stress": np.ones(5)}, r"\(5,\), expected \(3, 3\)"),
    ],
)
def test_results_of_another_shape(results: dict[str, Any], message: str) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.info = results
    with pytest.raises(errors.InvalidError, match=f"(?s){message}"):
        read_targets(atoms, forces="forces" in results, stress="stress" in results)


def test_text_is_no_energy() -> None:
    atoms = molecule("CO")
    atoms.info = {"energy": "low"}
    with pytest.raises(errors.InvalidTypeError, match="'low'"):
        read_targets(atoms, forces=False)


def test_stress_or_virial() -> None:
    with pytest.raises(errors.InvalidError, match="give one"):
        read_targets(frames(), stress=True, virial="virial")


def test_other_objects_are_no_frames() -> None:
    with untyped(), pytest.raises(errors.InvalidTypeError, match="frame 1 "):
        read_targets([frames()[0], "CO"])  # type: ignore[list-item]


def test_float64_without_x64_is_never_rounded() -> None:
    with jax.enable_x64(False):
        with pytest.raises(errors.PrecisionError, match='dtype="float32"'):
            read_targets(frames())
        assert read_targets(frames(), dtype="float32").dtype == np.float32


def test_without_ase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ase", None)
    monkeypatch.delitem(sys.modules, "jaxmeta.interop.ase")
    with pytest.raises(errors.MissingExtraError, match=r'pip install "jaxmeta\[ase\]"'):
        importlib.import_module("jaxmeta.interop.ase")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"energy": None}, "energy is the name"),
        ({"energy": True}, "energy is the name"),
        ({"forces": ["forces"]}, "forces is the name"),
        ({"stress": np.ones(6)}, "stress is the name"),
        ({"virial": True}, "virial is the name"),
        ({"dtype": "float33"}, "dtype must be a dtype"),
        ({"dtype": "int32"}, "dtype is one of floating point numbers"),
        ({"frames": None}, "must be a list of structures"),
    ],
)
def test_arguments_of_other_types(given: dict[str, Any], message: str) -> None:
    with untyped(), pytest.raises(errors.InvalidTypeError, match=message):
        read_targets(**({"frames": []} | given))
