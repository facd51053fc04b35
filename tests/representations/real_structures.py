"""Real structures, and featomic's hyper-parameters, for tests of representations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest


DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

FILES = {
    "ethanol": "ethanol_reduced_100.xyz",
    "carbon": "carbon_reduced_100.xyz",
    "lithium": "li3ps4_train.xyz",
    "crystals": "chno_crystals_shiftml_40.xyz",
    "silicon": "silicon_bulk_30_noE.xyz",
    "mad": "mad_sample_50.xyz",
    "qm7": "qm7x_reduced_100.xyz",
    "propenol": "propenol_conformers_dftb.xyz",
    "water": "bulk_water_100_polarizability.xyz",
    "mlearn": "mlearn_Si_test.xyz",
    "organic": "molecular_crystals_20_noE.xyz",
    "qm9": "qm9_reduced_100.xyz",
}


def frames(name: str, number: int = 2) -> list[ase.Atoms]:
    """The first structures of a file; skips where the files are not there."""
    path = DATA / FILES[name]
    if not path.is_file():
        pytest.skip("the files of real structures are not there")
    found = ase.io.read(path, f":{number}")
    return list(found)


def two_slabs() -> list[ase.Atoms]:
    """A slab and a wire, which repeat along some axes only."""
    rng = np.random.default_rng(3)
    made = []
    for pbc in ([True, True, False], [False, False, True]):
        atoms = ase.Atoms("COHC", 2.5 * rng.uniform(size=(4, 3)), cell=[3.0, 3.2, 3.4])
        atoms.pbc = pbc
        made.append(atoms)
    return made


def hypers(
    radius: float = 4.0, max_angular: int = 3, max_radial: int = 3
) -> dict[str, Any]:
    return {
        "cutoff": {"radius": radius, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        "density": {"type": "Gaussian", "width": 0.3},
        "basis": {
            "type": "TensorProduct",
            "max_angular": max_angular,
            "radial": {"type": "Gto", "max_radial": max_radial},
        },
    }
