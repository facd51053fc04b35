"""Make the data set ``sodium_chloride``: strained, rattled crystals with stress.

Rock salt cells of 32 atoms are given a random strain (volume and shape) and random
displacements; energy, forces and stress come from GFN1-xTB (tblite), at the Gamma point.
The cell is a body-centred one, with the full symmetry of the crystal: in a 2x2x1 cell of
as many atoms, the Gamma point alone would make the crystal anisotropic.
The stress of the first frame is checked against finite differences of the energy, sign
and magnitude, before anything is written. The whole set takes a few minutes.

    pip install -r scripts/requirements.txt
    python scripts/make_sodium_chloride.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from tblite.ase import TBLite


SEED = 20261121
FRAMES = 120
LATTICE_CONSTANT = 5.455  # A, the minimum of GFN1-xTB in this cell
BODY_CENTRED = [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]
VOLUMETRIC = 0.04  # largest relative change of all edges
SHEAR = 0.03  # standard deviation of the strain's symmetric part
RATTLE = (0.03, 0.15)  # A, standard deviations between which each frame draws one
# eV/A^3: the lattice sums of tblite are cut off, its energy is smooth to about that.
STRESS_TOLERANCE = 1e-5
TARGET = Path(__file__).parents[1] / "jaxmeta" / "datasets" / "sodium_chloride.xyz"


def sample() -> list[Atoms]:
    """Strained and rattled copies of a cell of four conventional ones."""
    rng = np.random.default_rng(SEED)
    conventional = bulk("NaCl", "rocksalt", a=LATTICE_CONSTANT, cubic=True)
    perfect = make_supercell(conventional, BODY_CENTRED)
    frames = []
    for _ in range(FRAMES):
        noise = rng.normal(scale=SHEAR / np.sqrt(2), size=(3, 3))
        strain = (noise + noise.T) / 2 + np.eye(3) * rng.uniform(-VOLUMETRIC, VOLUMETRIC)
        frame = perfect.copy()
        frame.set_cell(frame.cell @ (np.eye(3) + strain), scale_atoms=True)
        frame.positions += rng.normal(
            scale=rng.uniform(*RATTLE), size=frame.positions.shape
        )
        frames.append(frame)
    return frames


def label(frame: Atoms) -> Atoms:
    """The frame with GFN1-xTB energy (eV), forces (eV/A) and stress (eV/A^3)."""
    work = frame.copy()
    work.calc = TBLite(method="GFN1-xTB", accuracy=0.01, verbosity=0)
    labelled = frame.copy()
    labelled.calc = SinglePointCalculator(
        labelled,
        energy=work.get_potential_energy(),
        forces=work.get_forces(),
        stress=work.get_stress(voigt=True),
    )
    return labelled


def stress_by_finite_differences(frame: Atoms, step: float = 1e-3) -> np.ndarray:
    """dE/d(strain) / V in eV/A^3, six components in ASE's Voigt order."""
    stress = np.zeros((3, 3))
    for a in range(3):
        for b in range(a + 1):
            energies = []
            for sign in (1.0, -1.0):
                strain = np.zeros((3, 3))
                strain[a, b] += sign * step / 2
                strain[b, a] += sign * step / 2
                moved = frame.copy()
                moved.set_cell(frame.cell @ (np.eye(3) + strain), scale_atoms=True)
                energies.append(label(moved).get_potential_energy())
            slope = (energies[0] - energies[1]) / (2 * step)
            stress[a, b] = stress[b, a] = slope / frame.get_volume()
    return full_3x3_to_voigt_6_stress(stress)


def check_stress(frame: Atoms) -> None:
    """Refuse to go on when analytic and numerical stress disagree."""
    analytic = label(frame).get_stress(voigt=True)
    numerical = stress_by_finite_differences(frame)
    print("analytic stress  (eV/A^3)", np.round(analytic, 6))
    print("numerical stress (eV/A^3)", np.round(numerical, 6))
    deviation = np.abs(analytic - numerical).max()
    if deviation > STRESS_TOLERANCE:
        message = (
            f"analytic and numerical stress differ by {deviation:.2e} eV/A^3:\n"
            f"{voigt_6_to_full_3x3_stress(analytic)}\n"
            f"{voigt_6_to_full_3x3_stress(numerical)}"
        )
        raise RuntimeError(message)


def main() -> None:
    frames = sample()
    check_stress(frames[0])
    labelled = []
    for index, frame in enumerate(frames):
        labelled.append(label(frame))
        print(f"{index + 1}/{len(frames)}", flush=True)
    write(TARGET, labelled, format="extxyz")


if __name__ == "__main__":
    main()
