"""Densities: what each neighbour looks like."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from jaxmeta.representations._hypers._reading import Entries


@dataclasses.dataclass(frozen=True)
class Willatt2018:
    r"""Distant neighbours count less: :math:`c / (c + (r / r_0)^m)`.

    With `scale` :math:`r_0` (a length), `rate` :math:`c` and `exponent` :math:`m`.

    Source: Willatt, Musil, Ceriotti, Phys. Chem. Chem. Phys. 20, 29661 (2018).

    Example:
        >>> Willatt2018(scale=2.0, rate=1.0, exponent=3.0).to_dict()["type"]
        'Willatt2018'
    """

    scale: float
    rate: float
    exponent: float
    type: ClassVar[str] = "Willatt2018"

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        return {"type": self.type, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class _Density:
    """What all densities have: the weight of the centre itself, and their scaling."""

    center_atom_weight: float = dataclasses.field(default=1.0, kw_only=True)
    scaling: Willatt2018 | None = dataclasses.field(default=None, kw_only=True)
    type: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        scaling = None if self.scaling is None else self.scaling.to_dict()
        return {"type": self.type, **dataclasses.asdict(self), "scaling": scaling}


@dataclasses.dataclass(frozen=True)
class DiracDelta(_Density):
    """A point at each neighbour.

    Example:
        >>> DiracDelta().to_dict()["type"]
        'DiracDelta'
    """

    type: ClassVar[str] = "DiracDelta"


@dataclasses.dataclass(frozen=True)
class Gaussian(_Density):
    r"""A Gaussian of some `width` (a length) at each neighbour, of square norm 1.

    :math:`(\pi \sigma^2)^{-3/4} e^{-r^2 / 2 \sigma^2}`.

    Example:
        >>> Gaussian(0.3).to_dict()["width"]
        0.3
    """

    width: float
    type: ClassVar[str] = "Gaussian"


@dataclasses.dataclass(frozen=True)
class SmearedPowerLaw(_Density):
    r"""A density that far away is :math:`1 / r^p`, smooth at the neighbour.

    :math:`\gamma(p/2, r^2 / 2 \sigma^2) / (\Gamma(p/2) r^p)` with `smearing`
    :math:`\sigma` (a length) and `exponent` :math:`p`.

    Source: Huguenin-Dumittan, Loche, Haoran, Ceriotti, J. Phys. Chem. Lett. 14, 9612
    (2023).

    Example:
        >>> SmearedPowerLaw(smearing=1.0, exponent=1).to_dict()["exponent"]
        1
    """

    smearing: float
    exponent: int
    type: ClassVar[str] = "SmearedPowerLaw"


Density = DiracDelta | Gaussian | SmearedPowerLaw


def density_of(given: Any) -> Density:
    """The density in a dictionary or an object of featomic.

    Raises:
        MissingError: for entries that are missing, and names that do not exist.
        InvalidError: for a width, a smearing or parts of a scaling not above zero.
        InvalidTypeError: for what is no number.

    Example:
        >>> density_of({"type": "Gaussian", "width": 0.5})
        Gaussian(center_atom_weight=1.0, scaling=None, width=0.5)
    """
    if isinstance(given, _Density):
        given = given.to_dict()
    entries = Entries("density", given)
    shared: dict[str, Any] = {
        "center_atom_weight": entries.number("center_atom_weight", default=1.0),
        "scaling": _scaling_of(entries.take("scaling", default=None)),
    }
    kind = entries.kind(["DiracDelta", "Gaussian", "SmearedPowerLaw"])
    if kind == "Gaussian":
        found: Density = Gaussian(entries.positive("width"), **shared)
    elif kind == "DiracDelta":
        found = DiracDelta(**shared)
    else:
        smearing, exponent = entries.positive("smearing"), entries.count("exponent")
        found = SmearedPowerLaw(smearing, exponent, **shared)
    entries.done()
    return found


def _scaling_of(given: Any) -> Willatt2018 | None:
    if given is None:
        return None
    if isinstance(given, Willatt2018):
        return given
    entries = Entries("density['scaling']", given)
    entries.kind(["Willatt2018"])
    names = ("scale", "rate", "exponent")
    found = Willatt2018(*(entries.positive(name) for name in names))
    entries.done()
    return found
