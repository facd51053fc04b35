"""Two small data sets made for this project, with energies, forces and stresses.

See README.md in this folder for what they hold and how they were made. Licence:
BSD-3-Clause, as all of jaxmeta.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jaxmeta.core import TensorMap
from jaxmeta.errors import MissingError, choices, compose


if TYPE_CHECKING:
    import ase


class DataSet(NamedTuple):
    """Structures, and what a model should say about them."""

    frames: list[ase.Atoms]
    targets: TensorMap


_FOLDER = Path(__file__).parent
_UNITS = {"energy_unit": "eV", "length_unit": "angstrom"}
_METHODS = {
    "ethylene_glycol": "PBE/def2-SVP, density fitting (pyscf)",
    "sodium_chloride": "GFN1-xTB, Gamma point (tblite)",
}
_PERIODIC = ("sodium_chloride",)


def names() -> list[str]:
    """The names of the data sets.

    >>> names()
    ['ethylene_glycol', 'sodium_chloride']
    """
    return sorted(_METHODS)


def load(name: str) -> DataSet:
    """One of the data sets that come with jaxmeta.

    ``"ethylene_glycol"``: a flexible molecule of 10 atoms, with energies and forces of
    PBE/def2-SVP. ``"sodium_chloride"``: strained and rattled crystals, with energies,
    forces and stresses of GFN1-xTB. Every prefix of either is a fair sample of it.

    Arguments:
        name: one of `names`.

    Returns:
        The structures, of ase, in eV and angstrom; and their targets as `read_targets`
        gives them, with the gradient ``positions`` and, for the crystals, ``strain``.
        Units and method stand in the targets' `info`.

    Raises:
        MissingError: for another name.
        MissingExtraError: when ase is not installed.
        PrecisionError: when JAX runs without x64: the energies are in float64.

    Example:
        >>> frames, targets = load("sodium_chloride")
        >>> len(frames) == len(targets[0].samples), targets[0].gradients_list()
        (True, ['positions', 'strain'])
        >>> targets.get_info("energy_unit")
        'eV'
    """
    if name not in _METHODS:
        raise MissingError(
            compose(
                f"datasets.load: there is no data set {name!r}.", choices(name, _METHODS)
            )
        )
    # The door of ase says what is missing, so it comes before ase itself.
    from jaxmeta.interop.ase import read_targets  # isort: skip
    import ase.io

    frames = list(ase.io.iread(_FOLDER / f"{name}.xyz", format="extxyz"))
    info = _UNITS | {"method": _METHODS[name]}
    return DataSet(frames, read_targets(frames, stress=name in _PERIODIC, info=info))
