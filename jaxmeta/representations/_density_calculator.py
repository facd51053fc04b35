"""What representations made of densities of neighbours have in common."""

from __future__ import annotations

from typing import Any

from jaxmeta.representations._calculator import Calculator
from jaxmeta.representations._densities import Channels, densities, with_centers
from jaxmeta.representations._environments import Environments
from jaxmeta.representations._hypers.hypers import Hypers, parse_hypers
from jaxmeta.representations.radial.table import RadialTable, radial_table


class DensityCalculator(Calculator):
    """A representation with a cutoff, a density and a basis, as featomic names them.

    Equal where the hyper-parameters are, and static in compiled programs.
    """

    hypers: Hypers

    def __init__(self, cutoff: Any, density: Any, basis: Any) -> None:
        self.hypers = parse_hypers(cutoff, density, basis)

    @property
    def cutoff_radius(self) -> float:
        """How far an atom sees, in the unit of the positions."""
        return self.hypers.cutoff.radius

    @property
    def channels(self) -> Channels:
        """Angular momenta and how many radial functions each has."""
        return Channels(tuple(self.hypers.n_per_l.items()))

    def table(self, dtype: Any) -> RadialTable:
        """The radial integrals."""
        return radial_table(self.hypers, dtype)

    def coefficients(self, around: Environments) -> Any:
        """The density around each center, by type: shape (centers, types, channels)."""
        table = self.table(around.vectors.dtype)
        found = densities(around, table, self.channels)
        return with_centers(found, around, table, self.channels)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.hypers == other.hypers  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self.hypers))

    def __repr__(self) -> str:
        parts = ", ".join(f"{k}={v!r}" for k, v in self.hypers.to_dict().items())
        return f"{type(self).__name__}({parts})"
