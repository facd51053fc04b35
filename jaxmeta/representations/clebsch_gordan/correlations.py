"""Density correlations: products of a density with itself, of any order."""

from __future__ import annotations

import re

import numpy as np

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.device._device_checks import mode
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.errors import InvalidError, compose
from jaxmeta.operations._arguments import check_map
from jaxmeta.operations.dimensions import rename_dimension
from jaxmeta.representations.clebsch_gordan._pairs_of_keys import sorted_degrees
from jaxmeta.representations.clebsch_gordan._products import Request
from jaxmeta.representations.clebsch_gordan.coefficients import check_degree
from jaxmeta.representations.clebsch_gordan.products import check_selected, multiplied


_WHERE = "DensityCorrelations"


class DensityCorrelations:
    r"""Equivariant correlations of a density: its Clebsch-Gordan products with itself.

    Values: :math:`\rho^{\otimes (\nu + 1)} = (\rho \otimes \rho) \otimes \cdots \otimes
    \rho`, with as many products as `n_correlations`, each one as in
    `ClebschGordanProduct`. With :math:`\rho` from a spherical expansion, one product has
    three bodies, two have four. Gradients: by the product rule, exactly.

    Arguments:
        n_correlations: the number of products, one or more.
        max_angular: the largest degree that a product may need, see `ClebschGordanProduct`.
        skip_redundant: leave out products whose degrees ``l_1, l_2, ...`` are not in order:
            they hold the same numbers as those that are, in another order. The norms of
            all products together are not kept.

    Source: Nigam, Pozdnyakov, Ceriotti, J. Chem. Phys. 153, 121101 (2020); metadata and
    values are those of ``featomic.clebsch_gordan.DensityCorrelations`` 0.6.

    Raises:
        InvalidError: for less than one product, or a negative degree.
        InvalidTypeError: for what is no integer, or no truth value.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> keys = Labels(["o3_lambda", "o3_sigma"], [[0, 1], [1, 1]])
        >>> atoms, n = Labels.range("atom", 2), Labels.range("n", 3)
        >>> blocks = [
        ...     TensorBlock(jnp.ones((2, 2 * l + 1, 3)), atoms, [Labels("o3_mu", mu)], n)
        ...     for l, mu in ((0, [[0]]), (1, [[-1], [0], [1]]))
        ... ]
        >>> density = TensorMap(keys, blocks)
        >>> pairs = DensityCorrelations(n_correlations=1, max_angular=2).compute(density)
        >>> pairs.keys.names, pairs.property_names, len(pairs)
        (['o3_lambda', 'o3_sigma', 'l_1', 'l_2'], ['n_1', 'n_2'], 5)
    """

    def __init__(
        self, n_correlations: int, max_angular: int, skip_redundant: bool = True
    ) -> None:
        self.n_correlations = check_degree(_WHERE, "n_correlations", n_correlations)
        if self.n_correlations == 0:
            raise InvalidError(
                compose(f"{_WHERE}: n_correlations is 1 or more.", "found 0")
            )
        self.max_angular = check_degree(_WHERE, "max_angular", max_angular)
        self.skip_redundant = check_bool(_WHERE, "skip_redundant", skip_redundant)

    def compute(
        self,
        density: TensorMap,
        angular_cutoff: int | None = None,
        selected_keys: Labels | None = None,
    ) -> TensorMap:
        """The correlations of a density.

        Key dimensions other than ``o3_lambda`` and ``o3_sigma`` are matched: move
        ``neighbor_type`` to the properties first, to correlate different neighbors.
        Properties are those of all densities, numbered: ``n`` becomes ``n_1, n_2, ...``,
        ``neighbor_type`` becomes ``neighbor_1_type, ...``.

        Arguments:
            density: keys with ``o3_lambda`` and ``o3_sigma``, one component ``o3_mu``.
            angular_cutoff: the largest degree to keep, of every product, but for the last
                one where `selected_keys` are given; None keeps all.
            selected_keys: the keys of the last product to compute; None for all.

        Returns:
            A map with keys ``o3_lambda, o3_sigma``, those of the density, ``l_1, l_2``,
            then ``k_2, l_3`` and so on: degrees of densities are called `l`, those of
            products before the last one `k`.

        Errors are those of `ClebschGordanProduct.compute`.
        """
        check_map(_WHERE, density)
        check_selected(_WHERE, selected_keys)
        cutoff = None
        if angular_cutoff is not None:
            last = check_degree(_WHERE, "angular_cutoff", angular_cutoff)
            cutoff = Labels("o3_lambda", np.arange(last + 1, dtype=np.int32)[:, None])
        found = one = renumbered(density)
        for number in range(1, self.n_correlations + 1):
            one = renumbered(one)
            is_last = number == self.n_correlations
            request = Request(
                _WHERE,
                ("l_1" if number == 1 else f"k_{number}", f"l_{number + 1}"),
                self.max_angular,
                selected_keys if is_last and selected_keys is not None else cutoff,
                sorted_degrees if self.skip_redundant else None,
                mode=mode(),
            )
            found = multiplied(found, one, request)
        return found

    __call__ = compute


def renumbered(tensor: TensorMap) -> TensorMap:
    """The map with the number in each name of its properties one higher."""
    names = tensor.property_names
    # The highest number first, so that no name is taken while it is given.
    for name in sorted(names, key=_number, reverse=True):
        tensor = rename_dimension(tensor, "properties", name, _next_name(name))
    return tensor


_NAME = re.compile(r"(?P<stem>.*?)(_(?P<number>\d+))?(?P<end>_type)?")


def _number(name: str) -> int:
    match = _NAME.fullmatch(name)
    return int(match["number"] or 0) if match else 0


def _next_name(name: str) -> str:
    match = _NAME.fullmatch(name)
    assert match is not None
    return f"{match['stem']}_{_number(name) + 1}{match['end'] or ''}"
