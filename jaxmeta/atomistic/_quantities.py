"""The standard quantities: what they are called and how they are laid out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.errors import InvalidError, choices, compose


XYZ = Labels.range("xyz", 3)
STRAIN = (Labels.range("xyz_1", 3), Labels.range("xyz_2", 3))


@dataclasses.dataclass(frozen=True)
class Quantity:
    """What metatomic's engines expect of a quantity with this name.

    Arguments:
        components: the names of the components, each of size 3.
        sample_kinds: what its rows may be.
        unit: one of the units it may have; "" for numbers.
        property: the name of its one property; "" where there may be several.
        gradients: which explicit gradients there may be.
    """

    components: tuple[str, ...]
    sample_kinds: tuple[str, ...]
    unit: str = ""
    property: str = ""
    gradients: tuple[str, ...] = ()


_BOTH = ("system", "atom")
_ENERGY_GRADIENTS = ("positions", "strain")

# As in metatomic-torch 0.1.19; "features", "positions" and other plurals are old names.
STANDARD: Mapping[str, Quantity] = MappingProxyType(
    {
        "energy": Quantity((), _BOTH, "eV", "energy", _ENERGY_GRADIENTS),
        "energy_ensemble": Quantity((), _BOTH, "eV", "", _ENERGY_GRADIENTS),
        "energy_uncertainty": Quantity((), _BOTH, "eV", "energy"),
        "feature": Quantity((), _BOTH),
        "non_conservative_force": Quantity(("xyz",), ("atom",), "eV/A"),
        "non_conservative_stress": Quantity(("xyz_1", "xyz_2"), ("system",), "eV/A^3"),
        "position": Quantity(("xyz",), ("atom",), "A", "position"),
        "momentum": Quantity(("xyz",), ("atom",), "u*A/fs", "momentum"),
        "velocity": Quantity(("xyz",), ("atom",), "A/fs", "velocity"),
        "mass": Quantity((), ("atom",), "u", "mass"),
        "charge": Quantity((), _BOTH, "e", "charge"),
        "spin_multiplicity": Quantity((), ("system",), "", "spin_multiplicity"),
        "heat_flux": Quantity(("xyz",), ("system",), "eV*A/fs", "heat_flux"),
    }
)


GRADIENTS = ("positions", "strain")


def asked_gradients(
    where: str, given: Any, valid: Sequence[str] = GRADIENTS, remedy: str = ""
) -> list[str]:
    """The names of gradients that are asked for, each of them once; one alone may do.

    Raises:
        InvalidTypeError: for what is no list of names.
        InvalidError: for names that are not valid here.
    """
    found = [given] if isinstance(given, str) else check_list(where, _A_LIST, given)
    for name in found:
        if not isinstance(name, str) or name not in valid:
            raise InvalidError(
                compose(
                    f"{where}: there is no gradient {name!r:.100}.",
                    choices(name, valid),
                    remedy=remedy,
                )
            )
    return list(dict.fromkeys(found))


_A_LIST = "gradients must be a list of names"


def per_atom(name: str, array: Any) -> TensorMap:
    """An array with a row for each atom, as the standard quantity of this name.

    Key ``_``; samples (system, atom), where the system is 0; the components and the
    property of the quantity.
    """
    components = [Labels.range(each, 3) for each in STANDARD[name].components]
    rows = np.arange(array.shape[0], dtype=np.int32)
    samples = Labels(
        ["system", "atom"],
        np.stack([np.zeros_like(rows), rows], axis=1),
        assume_unique=True,
    )
    block = TensorBlock(array[..., None], samples, components, Labels.range(name, 1))
    return TensorMap(Labels.single(), [block])
