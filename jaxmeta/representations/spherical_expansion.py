"""SphericalExpansion: the density of neighbours, on radial functions and harmonics."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, final

import jax
import numpy as np

from jaxmeta.core import Labels
from jaxmeta.representations._calculator import Part
from jaxmeta.representations._density_calculator import DensityCalculator
from jaxmeta.representations._environments import Environments
from jaxmeta.representations._explicit import explicit_gradients
from jaxmeta.representations._gradient_rows import Sizes, Terms
from jaxmeta.representations._presence import Group
from jaxmeta.representations._slopes import DensityTerms


@final
@jax.tree_util.register_static
class SphericalExpansion(DensityCalculator):
    r"""Coefficients of the density of neighbours on radial functions and harmonics.

    Values: for each center :math:`i` and type of neighbour :math:`a`,

    .. math:: c_{i,anlm} = \sum_{j \in a} f(r_{ij})\, R_{nl}(r_{ij})\, Y_{lm}(\hat r_{ij})

    with the radial integrals :math:`R_{nl}` of the density on the radial basis, the cutoff
    and the scaling in :math:`f`, and real orthonormal harmonics. The center is its own
    neighbour, at distance zero.

    Derivatives go to positions and cells, in reverse mode and to any order: those of second
    order are ``jax.jacrev(jax.grad(...))``. There are none by the radial functions.

    Arguments:
        cutoff: as featomic's: ``{"radius": 5.0, "smoothing": {"type": "ShiftedCosine",
            "width": 0.5}}``, lengths in the unit of the positions.
        density: ``{"type": "Gaussian", "width": 0.3}`` or ``{"type": "DiracDelta"}``, with
            ``center_atom_weight`` and ``scaling`` if wanted.
        basis: ``{"type": "TensorProduct", "max_angular": 4, "radial": {"type": "Gto",
            "max_radial": 5}}`` and others, see the manual.

    Result: keys ``o3_lambda, o3_sigma, center_type, neighbor_type``; samples ``system,
    atom``; component ``o3_mu``; property ``n``.

    Raises:
        MissingError, InvalidError, InvalidTypeError: for hyper-parameters that are not
            there, can not be, or are of another kind.

    Source: hyper-parameters and conventions are those of featomic
    (https://metatensor.github.io/featomic). Bartók, Kondor, Csányi, Phys. Rev. B 87,
    184115 (2013).

    Example:
        >>> import numpy as np
        >>> from jaxmeta.atomistic import System
        >>> expansion = SphericalExpansion(
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
        ...     o3_lambda=2, center_type=8, neighbor_type=1
        ... ).shape
        (1, 5, 4)
    """

    key_names = ("o3_lambda", "o3_sigma", "center_type", "neighbor_type")

    def groups(self, types: Sequence[int]) -> list[Group]:
        """Each type of centers with each type of neighbours."""
        return [Group(center, (neighbor,)) for center in types for neighbor in types]

    def stacked(self, coefficients: Any) -> Any:
        """The coefficients by type of neighbours, shape (types, centers, numbers)."""
        return coefficients.swapaxes(0, 1)

    def parts(self, group: Group, array: Any) -> Iterator[Part]:
        """One block for each angular momentum."""
        for o3_lambda, part in self.channels.parts(array):
            key = (o3_lambda, 1, group.center, *group.neighbors)
            radial = Labels.range("n", part.shape[-1])
            yield Part(key, [_components(o3_lambda)], radial, part)

    def derivatives(
        self,
        around: Environments,
        coefficients: Any,
        terms: Terms,
        sizes: Sizes,
        names: Sequence[str],
    ) -> dict[str, Any]:
        """Those of the coefficients."""
        function = DensityTerms(self.table(around.vectors.dtype), self.channels)
        return explicit_gradients(function, around.vectors, terms, sizes, names)


@functools.lru_cache(maxsize=64)
def _components(o3_lambda: int) -> Labels:
    m = np.arange(-o3_lambda, o3_lambda + 1, dtype=np.int32)
    return Labels("o3_mu", m[:, None])
