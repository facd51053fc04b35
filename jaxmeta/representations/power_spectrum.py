"""SoapPowerSpectrum: products of densities that rotations leave alone."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, final

import jax
import numpy as np

from jaxmeta.core import Labels
from jaxmeta.representations._calculator import Part
from jaxmeta.representations._densities import Channels
from jaxmeta.representations._density_calculator import DensityCalculator
from jaxmeta.representations._environments import Environments
from jaxmeta.representations._explicit import explicit_gradients
from jaxmeta.representations._gradient_rows import Sizes, Terms
from jaxmeta.representations._power import power_spectra
from jaxmeta.representations._presence import Group
from jaxmeta.representations._slopes import SpectrumTerms


@final
@jax.tree_util.register_static
class SoapPowerSpectrum(DensityCalculator):
    r"""The SOAP power spectrum: which neighbours there are, at which distances and angles.

    Values: for each center :math:`i` and pair of types of neighbours,

    .. math:: p_{i,ab,l n n'} = \frac{(-1)^l}{\sqrt{2 l + 1}} \sum_m c_{i,anlm} c_{i,bn'lm}

    with the coefficients of `SphericalExpansion`; times the root of two where both types
    differ, so that dot products are those of the whole spectrum.

    Derivatives, arguments and errors are those of `SphericalExpansion`.

    Result: keys ``center_type, neighbor_1_type, neighbor_2_type``, the second type not
    below the first; samples ``system, atom``; properties ``l, n_1, n_2``.

    Source: Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013); conventions of featomic
    (https://metatensor.github.io/featomic).

    Example:
        >>> import numpy as np
        >>> from jaxmeta.atomistic import System
        >>> soap = SoapPowerSpectrum(
        ...     cutoff={"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     density={"type": "Gaussian", "width": 0.3},
        ...     basis={
        ...         "type": "TensorProduct",
        ...         "max_angular": 2,
        ...         "radial": {"type": "Gto", "max_radial": 3},
        ...     },
        ... )
        >>> water = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])
        >>> soap.compute(water, dtype="float32").block(
        ...     center_type=8, neighbor_1_type=1, neighbor_2_type=1
        ... ).shape
        (1, 48)
    """

    key_names = ("center_type", "neighbor_1_type", "neighbor_2_type")

    def groups(self, types: Sequence[int]) -> list[Group]:
        """Each type of centers with each pair of types of neighbours."""
        return [
            Group(center, pair)
            for center in types
            for pair in itertools.combinations_with_replacement(types, 2)
        ]

    def stacked(self, coefficients: Any) -> Any:
        """The spectra by pair of types, shape (pairs of types, centers, numbers)."""
        return power_spectra(coefficients, self.channels)

    def parts(self, group: Group, array: Any) -> Iterator[Part]:
        """One block."""
        yield Part((group.center, *group.neighbors), [], _properties(self.channels), array)

    def derivatives(
        self,
        around: Environments,
        coefficients: Any,
        terms: Terms,
        sizes: Sizes,
        names: Sequence[str],
    ) -> dict[str, Any]:
        """Those of the spectra: of one density times the other one."""
        table = self.table(around.vectors.dtype)
        densities = coefficients.reshape(-1, self.channels.size)
        function = SpectrumTerms(table, self.channels, densities)
        return explicit_gradients(function, around.vectors, terms, sizes, names)


@functools.lru_cache(maxsize=64)
def _properties(channels: Channels) -> Labels:
    rows = [
        (o3_lambda, n_1, n_2)
        for o3_lambda, n in channels.radial
        for n_1 in range(n)
        for n_2 in range(n)
    ]
    return Labels(["l", "n_1", "n_2"], np.array(rows, np.int32))
