"""Sum: several potentials as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.neighbors.options import NeighborListOptions
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.potentials._potential import Potential


@final
class Sum(Potential):
    """The energies of several potentials together: a baseline, and what was learned beside.

    Values and derivatives are the sums of those of the parts, for systems and for atoms.
    Each part sees as far as it does by itself.

    Arguments:
        parts: potentials, one at least, with energies in one unit.

    Raises:
        InvalidError: for no potentials; InvalidTypeError for what is none.

    Example:
        >>> from jaxmeta.potentials.lennard_jones import LennardJones
        >>> from jaxmeta.potentials.zbl import ZBL
        >>> argon = LennardJones({18: 0.0104}, {18: 3.4}, cutoff=8.5)
        >>> hard = Sum([argon, ZBL(cutoff=2.0, inner=1.0)])
        >>> [options.cutoff for options in hard.requested_neighbor_lists()]
        [2.0, 8.5]
    """

    parts: tuple[Potential, ...]

    def __init__(self, parts: Sequence[Potential]) -> None:
        parts = check_list("Sum", "parts must be a list of potentials", parts)
        for each in parts:
            if not isinstance(each, Potential):
                raise InvalidTypeError(
                    compose("Sum: potentials are added.", f"found {type(each).__name__}")
                )
        if not parts:
            raise InvalidError(compose("Sum: there is no potential."))
        self.parts = tuple(parts)

    @property
    def cutoff_radius(self) -> float:
        """How far an atom sees, in the unit of the positions."""
        return max(each.cutoff_radius for each in self.parts)

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        """All lists that a part asks for."""
        return sorted(
            {one for each in self.parts for one in each.requested_neighbor_lists()}
        )

    def atomic_energies(self, batch: Batch) -> Any:
        """The sums of the energies of atoms, shape (atoms,)."""
        first, *others = (each.atomic_energies(batch) for each in self.parts)
        return sum(others, start=first)
