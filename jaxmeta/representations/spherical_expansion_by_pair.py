"""SphericalExpansionByPair: what each neighbour adds to a spherical expansion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import Labels
from jaxmeta.representations._calculator import Part
from jaxmeta.representations._densities import Channels, factors, products
from jaxmeta.representations._environments import apart
from jaxmeta.representations._pair_calculator import PairCalculator, Section
from jaxmeta.representations._pair_rows import PairChoice
from jaxmeta.representations.spherical_expansion import SphericalExpansion


@final
@jax.tree_util.register_static
class SphericalExpansionByPair(PairCalculator):
    r"""Coefficients of the density of each neighbour, on radial functions and harmonics.

    Values: for each pair, :math:`f(r_{ij}) R_{nl}(r_{ij}) Y_{lm}(\hat r_{ij})`, the terms
    of the sum in `SphericalExpansion`. In degree 0 each atom with itself is a pair too.

    Derivatives, arguments and errors are those of `SphericalExpansion`.

    Result: keys ``o3_lambda, o3_sigma, first_atom_type, second_atom_type``; samples
    ``system, first_atom, second_atom, cell_shift_a, cell_shift_b, cell_shift_c``; component
    ``o3_mu``; property ``n``.

    Source: conventions of featomic (https://metatensor.github.io/featomic).

    Example:
        >>> import numpy as np
        >>> from jaxmeta.atomistic import System
        >>> expansion = SphericalExpansionByPair(
        ...     cutoff={"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     density={"type": "Gaussian", "width": 0.3},
        ...     basis={
        ...         "type": "TensorProduct",
        ...         "max_angular": 2,
        ...         "radial": {"type": "Gto", "max_radial": 3},
        ...     },
        ... )
        >>> water = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])
        >>> expansion.compute(water, dtype="float32").block(
        ...     o3_lambda=2, first_atom_type=8, second_atom_type=1
        ... ).shape
        (2, 5, 4)
    """

    key_names = ("o3_lambda", "o3_sigma", "first_atom_type", "second_atom_type")

    def __init__(self, cutoff: Any, density: Any, basis: Any) -> None:
        self.expansion = SphericalExpansion(cutoff, density, basis)

    @property
    def cutoff_radius(self) -> float:
        """How far an atom sees, in the unit of the positions."""
        return self.expansion.cutoff_radius

    @property
    def choice(self) -> PairChoice:
        """All, from both sides, and each atom with itself."""
        return PairChoice(full=True, own=True)

    @property
    def sections(self) -> list[Section]:
        """Degree 0, which an atom with itself has too, and higher ones."""
        radial = self._radial
        sizes = [Channels(each).size for each in radial]
        ends = np.cumsum(sizes).tolist()
        return [
            Section(each[0][0] == 0, end - size, end)
            for each, size, end in zip(radial, sizes, ends, strict=True)
        ]

    @property
    def _radial(self) -> list[tuple[tuple[int, int], ...]]:
        radial = self.expansion.channels.radial
        scalars = int(radial[0][0] == 0)
        return [each for each in (radial[:scalars], radial[scalars:]) if each]

    def values(self, vectors: Any) -> Any:
        """The coefficients of each pair, shape (pairs, numbers)."""
        channels = self.expansion.channels
        table = self.expansion.table(vectors.dtype)
        return products(channels, *factors(table, apart(vectors), channels))

    def own(self, dtype: Any) -> Any:
        """Those of the center itself: of degree 0 only."""
        channels = self.expansion.channels
        numbers = jnp.zeros(channels.size, dtype)
        if channels.radial[0][0] != 0:
            return numbers
        center = self.expansion.table(dtype).center
        return numbers.at[: channels.radial[0][1]].set(center.astype(dtype))

    def parts(self, section: int, kinds: tuple[int, int], array: Any) -> Iterator[Part]:
        """One block for each angular momentum."""
        for o3_lambda, part in Channels(self._radial[section]).parts(array):
            m = np.arange(-o3_lambda, o3_lambda + 1, dtype=np.int32)[:, None]
            radial = Labels.range("n", part.shape[-1])
            yield Part((o3_lambda, 1, *kinds), [Labels("o3_mu", m)], radial, part)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SphericalExpansionByPair)
            and self.expansion == other.expansion
        )

    def __hash__(self) -> int:
        return hash((type(self), self.expansion))

    def __repr__(self) -> str:
        return repr(self.expansion).replace("Expansion", "ExpansionByPair", 1)
