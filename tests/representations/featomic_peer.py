"""featomic as a peer: its Clebsch-Gordan products, and small structures to try them on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import ase
import numpy as np
from ase.build import bulk, molecule

import jaxmeta as jm
from jaxmeta import TensorMap


with warnings.catch_warnings():  # torch has some at import, where it is installed
    warnings.simplefilter("ignore")
    import featomic
    import metatensor as mts
    from featomic import clebsch_gordan as peer

    from jaxmeta.interop.featomic import compute
    from jaxmeta.interop.metatensor import from_metatensor, to_metatensor


there: Any = to_metatensor
here: Any = from_metatensor
Peer: Any = peer

__all__ = ["Peer", "featomic", "here", "mts", "there"]


def hypers(max_angular: int, max_radial: int, radius: float = 4.0) -> dict[str, Any]:
    """Parameters of a spherical expansion, those of the files of real inputs."""
    return {
        "cutoff": {"radius": radius, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        "density": {"type": "Gaussian", "width": 0.3},
        "basis": {
            "type": "TensorProduct",
            "max_angular": max_angular,
            "radial": {"type": "Gto", "max_radial": max_radial},
        },
    }


def expansion(
    systems: Any, gradients: Sequence[str] = (), max_angular: int = 2, max_radial: int = 1
) -> TensorMap:
    """A spherical expansion by featomic."""
    calculator = featomic.SphericalExpansion(**hypers(max_angular, max_radial))
    return compute(calculator, systems, gradients=[*gradients])


def molecules() -> list[ase.Atoms]:
    """Two small molecules, without any symmetry."""
    generator = np.random.default_rng(5)
    found = [molecule("H2O"), molecule("NH3")]
    for atoms in found:
        atoms.positions += generator.normal(scale=0.1, size=atoms.positions.shape)
    return found


def crystal() -> ase.Atoms:
    """A distorted crystal in a skewed cell."""
    atoms = bulk("NaCl", "rocksalt", a=5.0)
    generator = np.random.default_rng(3)
    atoms.set_cell(atoms.cell.array + 0.2 * generator.normal(size=(3, 3)), scale_atoms=True)
    atoms.positions += 0.2 * generator.normal(size=(2, 3))
    return atoms


def assert_close(ours: TensorMap, right: Any, tolerance: float = 1e-12) -> None:
    """The same labels in the same order, and values and gradients that agree."""
    right = right if isinstance(right, TensorMap) else here(right)
    jm.equal_metadata_raise(ours, right)
    jm.allclose_raise(ours, right, rtol=tolerance, atol=tolerance)
