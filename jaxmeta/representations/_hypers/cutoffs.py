"""Cutoffs: which neighbours an atom has, and how smoothly they leave."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from jaxmeta.representations._hypers._reading import Entries


@dataclasses.dataclass(frozen=True)
class Step:
    """No smoothing: 1 below the cutoff radius, 0 from there on.

    Example:
        >>> Step().to_dict()
        {'type': 'Step'}
    """

    type: ClassVar[str] = "Step"

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        return {"type": self.type}


@dataclasses.dataclass(frozen=True)
class ShiftedCosine:
    r"""Half a cosine over the last `width` (a length) before the cutoff radius.

    :math:`\tfrac12 (1 + \cos(\pi (r - r_c + w) / w))` for :math:`r_c - w < r < r_c`, 1
    below and 0 above.

    Example:
        >>> ShiftedCosine(0.5).to_dict()
        {'type': 'ShiftedCosine', 'width': 0.5}
    """

    width: float
    type: ClassVar[str] = "ShiftedCosine"

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        return {"type": self.type, "width": self.width}


@dataclasses.dataclass(frozen=True)
class Cutoff:
    """A sphere around each atom, of some `radius` (a length), and its smoothing.

    Example:
        >>> Cutoff(4.0, Step()).to_dict()
        {'radius': 4.0, 'smoothing': {'type': 'Step'}}
    """

    radius: float
    smoothing: Step | ShiftedCosine

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        return {"radius": self.radius, "smoothing": self.smoothing.to_dict()}


def cutoff_of(given: Any) -> Cutoff:
    """The cutoff in a dictionary or an object of featomic.

    Raises:
        MissingError: for entries that are missing, and names that do not exist.
        InvalidError: for a radius or a width that is not above zero.
        InvalidTypeError: for what is no number.

    Example:
        >>> cutoff_of({"radius": 4, "smoothing": {"type": "Step"}}).radius
        4.0
    """
    if isinstance(given, Cutoff):
        given = given.to_dict()
    entries = Entries("cutoff", given)
    radius = entries.positive("radius")
    smoothing = Entries("cutoff['smoothing']", entries.take("smoothing"))
    entries.done()
    kind = smoothing.kind(["ShiftedCosine", "Step"])
    found = Step() if kind == "Step" else ShiftedCosine(smoothing.positive("width"))
    smoothing.done()
    return Cutoff(radius, found)
