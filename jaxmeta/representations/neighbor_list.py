"""NeighborList: the vectors between neighbours, as a representation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, final

import jax
import jax.numpy as jnp

from jaxmeta.atomistic.neighbors.options import check_length
from jaxmeta.core import Labels
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.representations._calculator import Part
from jaxmeta.representations._pair_calculator import PairCalculator, Section
from jaxmeta.representations._pair_rows import PairChoice


@final
@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, kw_only=True)
class NeighborList(PairCalculator):
    """The vectors from atoms to their neighbours.

    Values: for each pair closer than the cutoff the vector from its first atom to its
    second one. Derivatives go to positions and cells.

    Arguments:
        cutoff: how far apart the atoms of a pair may be, a length.
        full_neighbor_list: whether each pair is there from both sides. If not, it is there
            once, the atom of the smaller type first; at equal types the one that comes
            first, of an atom and its images those with the larger sum of shifts.
        self_pairs: whether each atom with itself is a pair, with a vector of zeros.

    Result: keys ``first_atom_type, second_atom_type``; samples ``system, first_atom,
    second_atom, cell_shift_a, cell_shift_b, cell_shift_c``; component ``pair_xyz``;
    property ``distance``, which is 0.

    Explicit gradients of an atom and its own image are one row of zeros, where featomic
    0.6 has two rows of one name. Gradient ``strain`` is there too, unlike in featomic.

    Raises:
        InvalidError: for a cutoff that is not positive and finite.
        InvalidTypeError: for what is no number, or no truth value.

    Source: conventions of featomic (https://metatensor.github.io/featomic).

    Example:
        >>> import numpy as np
        >>> from jaxmeta.atomistic import System
        >>> water = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])
        >>> pairs = NeighborList(cutoff=1.2, full_neighbor_list=False)
        >>> block = pairs.compute(water, dtype="float32").block(first_atom_type=1)
        >>> block.samples.values[:, :3].tolist()
        [[0, 1, 0], [0, 2, 0]]
    """

    cutoff: float
    full_neighbor_list: bool
    self_pairs: bool = False
    key_names = ("first_atom_type", "second_atom_type")

    def __post_init__(self) -> None:
        cutoff = check_length("NeighborList", "cutoff", self.cutoff)
        object.__setattr__(self, "cutoff", cutoff)
        for name in ("full_neighbor_list", "self_pairs"):
            check_bool("NeighborList", name, getattr(self, name))

    @property
    def cutoff_radius(self) -> float:
        """How far apart the atoms of a pair may be, in the unit of the positions."""
        return self.cutoff

    @property
    def choice(self) -> PairChoice:
        """Full or half, with atoms themselves or without."""
        return PairChoice(self.full_neighbor_list, self.self_pairs)

    @property
    def sections(self) -> list[Section]:
        """The three components."""
        return [Section(self.self_pairs, 0, 3)]

    def values(self, vectors: Any) -> Any:
        """The vectors, shape (pairs, 3)."""
        return vectors

    def own(self, dtype: Any) -> Any:
        """Zero, as far as an atom is from itself."""
        return jnp.zeros(3, dtype)

    def parts(self, section: int, kinds: tuple[int, int], array: Any) -> Iterator[Part]:
        """One block."""
        xyz, distance = Labels.range("pair_xyz", 3), Labels.range("distance", 1)
        yield Part(kinds, [xyz], distance, array[..., None])
