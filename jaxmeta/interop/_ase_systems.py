"""Structures of ase as systems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ase
import numpy as np

from jaxmeta.atomistic.systems import System
from jaxmeta.core.labels._arguments import check_bool, check_list
from jaxmeta.core.layouts._precision import floating_dtype
from jaxmeta.errors import InvalidTypeError, compose


def to_system(
    atoms: ase.Atoms,
    *,
    dtype: Any = "float64",
    masses: bool = False,
    charges: bool = False,
    momenta: bool = False,
) -> System:
    """A structure of ase as a `System`, in ase's units: angstrom, dalton, e.

    Types are atomic numbers. Vectors of the cell along which the structure does not
    repeat are left out.

    Arguments:
        atoms: the structure; its positions are copied.
        dtype: dtype of positions and cell.
        masses: also take its masses, as ``"mass"``.
        charges: also take its initial charges, as ``"charge"``.
        momenta: also take its momenta, as ``"momentum"``, in ase's unit:
            dalton times angstrom per 10.18 fs.

    Raises:
        InvalidTypeError: for what is no structure of ase, no dtype of floating point
            numbers, and no truth value.
        InvalidError: for positions that are not finite, and cells without volume.

    Example:
        >>> from ase import Atoms
        >>> to_system(Atoms("OH2", [[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]))
        System(3 atoms, not periodic)
    """
    if not isinstance(atoms, ase.Atoms):
        raise InvalidTypeError(
            compose(
                "to_system: a structure of ase is converted.",
                f"found {type(atoms).__module__}.{type(atoms).__name__}",
            )
        )
    dtype = floating_dtype("to_system", dtype)
    asked = {"masses": masses, "charges": charges, "momenta": momenta}
    for name, value in asked.items():
        check_bool("to_system", name, value)
    pbc = np.asarray(atoms.pbc, bool)
    return System(
        atoms.positions.astype(dtype),
        atoms.numbers,
        np.where(pbc[:, None], np.asarray(atoms.cell), 0.0).astype(dtype),
        pbc,
        masses=atoms.get_masses().astype(dtype) if masses else None,
        charges=atoms.get_initial_charges().astype(dtype) if charges else None,
        momenta=atoms.get_momenta().astype(dtype) if momenta else None,
    )


def to_systems(frames: ase.Atoms | Sequence[ase.Atoms], **options: Any) -> list[System]:
    """Several structures, or one, each as by `to_system`, with the same options.

    Raises:
        InvalidTypeError: for what is no structure of ase.
        InvalidError: as `to_system`.
    """
    given = (
        [frames]
        if isinstance(frames, ase.Atoms)
        else check_list("to_systems", "frames must be a list of structures", frames)
    )
    return [to_system(atoms, **options) for atoms in given]
