"""SoapRadialSpectrum: how many neighbours there are at which distance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp

from jaxmeta.core import Labels
from jaxmeta.representations._calculator import Part
from jaxmeta.representations._density_calculator import DensityCalculator
from jaxmeta.representations._environments import Environments
from jaxmeta.representations._explicit import explicit_gradients
from jaxmeta.representations._gradient_rows import Sizes, Terms
from jaxmeta.representations._hypers.hypers import parse_hypers
from jaxmeta.representations._presence import Group


@final
@jax.tree_util.register_static
class SoapRadialSpectrum(DensityCalculator):
    r"""The SOAP radial spectrum: the density of neighbours, averaged over directions.

    Values: for each center :math:`i` and type of neighbour :math:`a`, the coefficients
    :math:`c_{i,an00}` of `SphericalExpansion`, :math:`\sum_{j \in a} f(r_{ij})
    R_{n0}(r_{ij}) / \sqrt{4 \pi}`.

    Derivatives and errors are those of `SphericalExpansion`.

    Arguments:
        cutoff: as of `SphericalExpansion`.
        density: as of `SphericalExpansion`.
        basis: without a type and an angular part: ``{"radial": {"type": "Gto",
            "max_radial": 5}}``.

    Result: keys ``center_type, neighbor_type``; samples ``system, atom``; property ``n``.

    Source: conventions of featomic (https://metatensor.github.io/featomic).

    Example:
        >>> import numpy as np
        >>> from jaxmeta.atomistic import System
        >>> spectrum = SoapRadialSpectrum(
        ...     cutoff={"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     density={"type": "Gaussian", "width": 0.3},
        ...     basis={"radial": {"type": "Gto", "max_radial": 3}},
        ... )
        >>> water = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])
        >>> spectrum.compute(water, dtype="float32").block(
        ...     center_type=8, neighbor_type=1
        ... ).shape
        (1, 4)
    """

    key_names = ("center_type", "neighbor_type")

    def __init__(self, cutoff: Any, density: Any, basis: Any) -> None:
        self.hypers = parse_hypers(cutoff, density, basis, radial_spectrum=True)

    def groups(self, types: Sequence[int]) -> list[Group]:
        """Each type of centers with each type of neighbours."""
        return [Group(center, (neighbor,)) for center in types for neighbor in types]

    def stacked(self, coefficients: Any) -> Any:
        """The spectra by type of neighbours, shape (types, centers, numbers)."""
        return coefficients.swapaxes(0, 1)

    def parts(self, group: Group, array: Any) -> Iterator[Part]:
        """One block."""
        radial = Labels.range("n", array.shape[-1])
        yield Part((group.center, *group.neighbors), [], radial, array)

    def derivatives(
        self,
        around: Environments,
        coefficients: Any,
        terms: Terms,
        sizes: Sizes,
        names: Sequence[str],
    ) -> dict[str, Any]:
        """Those of the radial functions."""
        table = self.table(around.vectors.dtype)

        def function(vectors: Any, _: Terms) -> Any:
            lengths = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
            directions = vectors / jnp.where(lengths == 0, 1, lengths)[:, None]
            slope = table.with_derivative(lengths)[1]
            along = slope[:, None, :] * directions[:, :, None]
            return along / math.sqrt(4 * math.pi)

        return explicit_gradients(function, around.vectors, terms, sizes, names)
