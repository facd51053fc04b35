"""Make the data set ``ethylene_glycol``: a flexible molecule with energies and forces.

Geometries are sampled by GFN2-xTB Langevin dynamics (tblite through ASE) at three
temperatures, started from several conformers. Energies and forces are then computed by
PBE/def2-SVP with density fitting (pyscf). One frame takes about five seconds on two
cores; a run that was interrupted goes on where it stopped.

    pip install -r scripts/requirements.txt
    python scripts/make_ethylene_glycol.py
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import BFGS
from pyscf import dft, gto
from tblite.ase import TBLite


SEED = 20261121
TEMPERATURES = (300.0, 500.0, 700.0)  # K
FRAMES_PER_TRAJECTORY = 34
STEPS_BETWEEN_FRAMES = 200
TIME_STEP = 0.5  # fs
LABELLED_FRAMES = 304  # of the 408 that are sampled; density functionals cost more
TARGET = Path(__file__).parents[1] / "jaxmeta" / "datasets" / "ethylene_glycol.xyz"

# A zigzag HO-CH2-CH2-OH, all trans; the conformers are rotations about its bonds.
SYMBOLS = "OCCOHHHHHH"
OXYGEN_1, CARBON_1, CARBON_2, OXYGEN_2 = 0, 1, 2, 3
HYDROXYL_1, HYDROXYL_2 = 4, 5
ALL_TRANS = np.array(
    [
        [-1.85, 0.30, 0.00],
        [-0.65, -0.40, 0.00],
        [0.65, 0.40, 0.00],
        [1.85, -0.30, 0.00],
        [-2.55, -0.35, 0.00],
        [2.55, 0.35, 0.00],
        [-0.65, -1.04, 0.89],
        [-0.65, -1.04, -0.89],
        [0.65, 1.04, 0.89],
        [0.65, 1.04, -0.89],
    ]
)


def conformer(central: float, first: float, second: float) -> Atoms:
    """Ethylene glycol with three torsion angles in degrees, relaxed by GFN2-xTB."""
    atoms = Atoms(SYMBOLS, ALL_TRANS)
    atoms.set_dihedral(
        OXYGEN_1, CARBON_1, CARBON_2, OXYGEN_2, central, indices=[3, 5, 8, 9]
    )
    atoms.set_dihedral(
        HYDROXYL_1, OXYGEN_1, CARBON_1, CARBON_2, first, indices=[4], mask=None
    )
    atoms.set_dihedral(CARBON_1, CARBON_2, OXYGEN_2, HYDROXYL_2, second, indices=[5])
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    BFGS(atoms, logfile=None).run(fmax=0.02, steps=200)
    return atoms


def trajectory(start: Atoms, temperature: float, rng: np.random.Generator) -> list[Atoms]:
    """Frames of one Langevin run, the first sampling interval thrown away."""
    atoms = start.copy()
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(
        atoms,
        TIME_STEP * units.fs,
        temperature_K=temperature,
        friction=0.02 / units.fs,
        fixcm=False,
        rng=rng,
    )
    frames = []
    dynamics.run(STEPS_BETWEEN_FRAMES)
    for _ in range(FRAMES_PER_TRAJECTORY):
        dynamics.run(STEPS_BETWEEN_FRAMES)
        frame = Atoms(SYMBOLS, atoms.positions - atoms.get_center_of_mass())
        frame.info = {"temperature_K": temperature}
        frames.append(frame)
    return frames


def sample() -> list[Atoms]:
    """All geometries, shuffled so that every prefix of the file is a fair sample."""
    rng = np.random.default_rng(SEED)
    torsions = [(65, 60, 180), (65, 180, 180), (180, 60, 180), (180, 180, 180)]
    starts = [conformer(*angles) for angles in torsions]
    frames = [
        frame
        for start, temperature in itertools.product(starts, TEMPERATURES)
        for frame in trajectory(start, temperature, rng)
    ]
    return [frames[i] for i in rng.permutation(len(frames))]


def label(frame: Atoms) -> Atoms:
    """The frame with PBE/def2-SVP energy (eV) and forces (eV/A) attached."""
    molecule = gto.M(
        atom=list(zip(frame.symbols, frame.positions, strict=True)),
        basis="def2-svp",
        unit="Angstrom",
        verbose=0,
    )
    method = dft.RKS(molecule, xc="PBE").density_fit()
    method.grids.level = 3
    method.conv_tol = 1e-9
    energy = method.kernel()
    if not method.converged:
        message = "the self-consistent field did not converge"
        raise RuntimeError(message)
    gradient = method.nuc_grad_method()
    gradient.grid_response = True
    forces = -gradient.kernel() * units.Hartree / units.Bohr
    labelled = frame.copy()
    labelled.info = dict(frame.info)
    labelled.calc = SinglePointCalculator(
        labelled, energy=float(energy * units.Hartree), forces=forces
    )
    return labelled


def main() -> None:
    frames = sample()[:LABELLED_FRAMES]
    done = len(read(TARGET, ":")) if TARGET.exists() else 0
    for index in range(done, len(frames)):
        write(TARGET, label(frames[index]), format="extxyz", append=True)
        print(f"{index + 1}/{len(frames)}", flush=True)


if __name__ == "__main__":
    main()
