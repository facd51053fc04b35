"""Power spectra of any two expansions, from structures up."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, final

import jax

from jaxmeta.atomistic.batches import Batch, check_batch
from jaxmeta.atomistic.neighbors.options import NeighborListOptions
from jaxmeta.atomistic.systems import System
from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.labels._arguments import check_list, check_whole
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.representations._batchwise import A_LIST, computed, types_of
from jaxmeta.representations._k_vectors import KVectors
from jaxmeta.representations.clebsch_gordan.spectra import (
    equivariant_power_spectrum,
    equivariant_power_spectrum_by_pair,
    power_spectrum,
)
from jaxmeta.representations.lode import LodeSphericalExpansion
from jaxmeta.representations.spherical_expansion import SphericalExpansion
from jaxmeta.representations.spherical_expansion_by_pair import SphericalExpansionByPair


Expansion = SphericalExpansion | LodeSphericalExpansion


@dataclasses.dataclass(frozen=True)
class _OfTwo:
    """Two expansions and the types of neighbours that properties have.

    Each of both is computed once; where there is one, it is multiplied with itself.
    """

    calculator_1: Expansion
    calculator_2: Any = None
    neighbor_types: Sequence[int] | None = None

    def __post_init__(self) -> None:
        self._check(
            "calculator_1", self.calculator_1, (SphericalExpansion, LodeSphericalExpansion)
        )
        if self.calculator_2 is not None:
            self._check("calculator_2", self.calculator_2, self._second_kinds)
        if self.neighbor_types is not None:
            object.__setattr__(self, "neighbor_types", self._checked_types())

    def _checked_types(self) -> tuple[int, ...]:
        where = type(self).__name__
        found = check_list(where, "neighbor_types are integers", self.neighbor_types)
        return tuple(check_whole(where, "each of neighbor_types", t, 0) for t in found)

    @property
    def _second_kinds(self) -> tuple[type, ...]:
        return (SphericalExpansion, LodeSphericalExpansion)

    def _check(self, name: str, given: Any, kinds: tuple[type, ...]) -> None:
        if not isinstance(given, kinds):
            raise InvalidTypeError(
                compose(
                    f"{type(self).__name__}: {name} is of no kind that fits.",
                    f"found {type(given).__name__}; it must be "
                    f"{' or '.join(kind.__name__ for kind in kinds)}",
                )
            )

    def requested_neighbor_lists(self) -> list[NeighborListOptions]:
        """The lists of pairs that batches need."""
        both = [self.calculator_1, self.calculator_2]
        lists = [each.requested_neighbor_lists() for each in both if each is not None]
        return list(dict.fromkeys(options for found in lists for options in found))

    def _of_batch(
        self, batch: Batch, k_vectors: KVectors | None
    ) -> tuple[TensorMap, TensorMap | None]:
        check_batch(type(self).__name__, batch)
        first = _called(self.calculator_1, batch, k_vectors)
        if self.calculator_2 is None:
            return first, None
        return first, _called(self.calculator_2, batch, k_vectors)

    def _computed(
        self, systems: Any, product: Any, batch_size: int | None, **given: Any
    ) -> TensorMap:
        """The product of both expansions, some systems at a time."""
        types = self.neighbor_types
        if batch_size is not None and not isinstance(systems, System):
            systems = check_list(type(self).__name__, A_LIST, systems)
            if types is None:  # properties of all batches are the same
                types = types_of(systems)

        def of_batch(some: Any, asked: Sequence[str], dtype: Any) -> TensorMap:
            both = [
                None if each is None else each.compute(some, gradients=asked, dtype=dtype)
                for each in (self.calculator_1, self.calculator_2)
            ]
            return product(*both, neighbor_types=types)

        name = type(self).__name__
        return computed(name, systems, of_batch, batch_size=batch_size, **given)


@final
@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class PowerSpectrum(_OfTwo):
    r"""The invariant power spectrum of one or two expansions.

    Values: those of `clebsch_gordan.power_spectrum`. With two of them, one may be short-
    and the other long-ranged. Types of neighbours are properties, so that there is one
    block for each type of centers. Derivatives go to positions and cells.

    Arguments:
        calculator_1: a `SphericalExpansion` or a `LodeSphericalExpansion`.
        calculator_2: the other one; the first one if None.
        neighbor_types: of the properties, in this order; those that are there if None.

    Result: key ``center_type``; samples ``system, atom``; properties ``l, neighbor_1_type,
    n_1, neighbor_2_type, n_2``.

    Raises:
        InvalidTypeError: for calculators of another kind.

    Source: featomic's ``clebsch_gordan.PowerSpectrum``.

    Example:
        >>> import numpy as np
        >>> soap = SphericalExpansion(
        ...     cutoff={"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     density={"type": "Gaussian", "width": 0.3},
        ...     basis={
        ...         "type": "TensorProduct",
        ...         "max_angular": 1,
        ...         "radial": {"type": "Gto", "max_radial": 1},
        ...     },
        ... )
        >>> water = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])
        >>> PowerSpectrum(soap).compute(water, dtype="float32").block(center_type=8).shape
        (1, 32)
    """

    def __call__(self, batch: Batch, *, k_vectors: KVectors | None = None) -> TensorMap:
        """The spectra of all centers of a batch, for all types it knows.

        Arguments:
            batch: with the lists of pairs that the calculators need.
            k_vectors: as for `LodeSphericalExpansion`, if there is one.
        """
        both = self._of_batch(batch, k_vectors)
        types = self.neighbor_types
        wanted = sorted(batch.centers) if types is None else types
        return power_spectrum(*both, neighbor_types=wanted)

    def compute(
        self,
        systems: System | Sequence[System],
        *,
        gradients: Sequence[str] = (),
        dtype: Any = None,
        batch_size: int | None = None,
        transform: Callable[[TensorMap], TensorMap] | None = None,
    ) -> TensorMap:
        """The spectra of systems, with the explicit gradients that the expansions have.

        Arguments and errors are those of the calculators. Properties of batches have all
        types that there are in the systems, unless `neighbor_types` says which.
        """
        return self._computed(
            systems,
            power_spectrum,
            batch_size,
            gradients=gradients,
            dtype=dtype,
            transform=transform,
        )


@final
@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class EquivariantPowerSpectrum(_OfTwo):
    r"""All products of one or two expansions: the equivariant power spectrum, lambda-SOAP.

    Values: those of `clebsch_gordan.equivariant_power_spectrum`. Derivatives go to
    positions and cells. Unlike featomic's, it has explicit gradients.

    Arguments and errors are those of `PowerSpectrum`.

    Result: keys ``o3_lambda, o3_sigma, center_type``, and ``neighbor_1_type,
    neighbor_2_type`` unless these are properties; samples ``system, atom``; component
    ``o3_mu``; properties ``l_1, l_2, n_1, n_2``, and the types if they are properties.

    Source: featomic's ``clebsch_gordan.EquivariantPowerSpectrum``.

    Example:
        >>> import numpy as np
        >>> soap = SphericalExpansion(
        ...     cutoff={"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     density={"type": "Gaussian", "width": 0.3},
        ...     basis={
        ...         "type": "TensorProduct",
        ...         "max_angular": 1,
        ...         "radial": {"type": "Gto", "max_radial": 1},
        ...     },
        ... )
        >>> water = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])
        >>> lambda_soap = EquivariantPowerSpectrum(soap).compute(
        ...     water, neighbors_to_properties=True, dtype="float32"
        ... )
        >>> lambda_soap.block(o3_lambda=2, center_type=8).shape
        (1, 5, 16)
    """

    def __call__(
        self,
        batch: Batch,
        *,
        neighbors_to_properties: bool = False,
        selected_keys: Labels | None = None,
        k_vectors: KVectors | None = None,
    ) -> TensorMap:
        """The products for all centers of a batch, for all types it knows.

        Arguments:
            batch: with the lists of pairs that the calculators need.
            neighbors_to_properties: whether types of neighbours are properties.
            selected_keys: which products to compute; all if None.
            k_vectors: as for `LodeSphericalExpansion`, if there is one.
        """
        return equivariant_power_spectrum(
            *self._of_batch(batch, k_vectors),
            neighbors_to_properties=neighbors_to_properties,
            neighbor_types=self.neighbor_types,
            selected_keys=selected_keys,
        )

    def compute(
        self,
        systems: System | Sequence[System],
        *,
        selected_keys: Labels | None = None,
        neighbors_to_properties: bool = False,
        gradients: Sequence[str] = (),
        dtype: Any = None,
        batch_size: int | None = None,
        transform: Callable[[TensorMap], TensorMap] | None = None,
    ) -> TensorMap:
        """The products for systems, with explicit gradients where asked for.

        Arguments are those of the call and of the calculators. Where types of neighbours
        are keys, batches have no rows for types that they lack: these would be zero;
        where they are properties, these are as of `PowerSpectrum.compute`.
        """
        product = functools.partial(
            equivariant_power_spectrum,
            neighbors_to_properties=neighbors_to_properties,
            selected_keys=selected_keys,
        )
        return self._computed(
            systems,
            product,
            batch_size,
            gradients=gradients,
            dtype=dtype,
            transform=transform,
        )


@final
@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class EquivariantPowerSpectrumByPair(_OfTwo):
    r"""All products of an expansion and of that of each pair.

    Values: those of `clebsch_gordan.equivariant_power_spectrum_by_pair`.

    Arguments:
        calculator_1: a `SphericalExpansion` or a `LodeSphericalExpansion`.
        calculator_2: a `SphericalExpansionByPair`.
        neighbor_types: of the properties, in this order; those that are there if None.

    Raises:
        InvalidTypeError: for calculators of another kind.

    Source: featomic's ``clebsch_gordan.EquivariantPowerSpectrumByPair``.

    Example:
        >>> import numpy as np
        >>> hypers = {
        ...     "cutoff": {"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     "density": {"type": "Gaussian", "width": 0.3},
        ...     "basis": {
        ...         "type": "TensorProduct",
        ...         "max_angular": 1,
        ...         "radial": {"type": "Gto", "max_radial": 1},
        ...     },
        ... }
        >>> spectrum = EquivariantPowerSpectrumByPair(
        ...     SphericalExpansion(**hypers), SphericalExpansionByPair(**hypers)
        ... )
        >>> water = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])
        >>> spectrum.compute(
        ...     water, neighbors_to_properties=True, dtype="float32"
        ... ).block(o3_lambda=2, first_atom_type=8, second_atom_type=1).shape
        (2, 5, 8)
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("calculator_2", self.calculator_2, self._second_kinds)

    @property
    def _second_kinds(self) -> tuple[type, ...]:
        return (SphericalExpansionByPair,)

    def compute(
        self,
        systems: System | Sequence[System],
        *,
        selected_keys: Labels | None = None,
        neighbors_to_properties: bool = False,
        dtype: Any = None,
        batch_size: int | None = None,
        transform: Callable[[TensorMap], TensorMap] | None = None,
    ) -> TensorMap:
        """The products for systems.

        Arguments:
            systems: one or several.
            selected_keys: which products to compute; all if None.
            neighbors_to_properties: whether types of neighbours are properties.
            dtype: of the values; that of the systems by default.
            batch_size: how many systems are computed at a time; all by default. Where
                types of neighbours are keys, batches have no rows for types that they lack.
            transform: applied to the map of each batch, before they are joined.

        Raises:
            InvalidError: as `SphericalExpansion.compute`.
            InvalidTypeError: for arguments of other types.
        """
        product = functools.partial(
            equivariant_power_spectrum_by_pair,
            neighbors_to_properties=neighbors_to_properties,
            selected_keys=selected_keys,
        )
        return self._computed(
            systems, product, batch_size, gradients=(), dtype=dtype, transform=transform
        )


def _called(calculator: Any, batch: Batch, k_vectors: KVectors | None) -> TensorMap:
    if isinstance(calculator, LodeSphericalExpansion):
        return calculator(batch, k_vectors=k_vectors)
    return calculator(batch)
