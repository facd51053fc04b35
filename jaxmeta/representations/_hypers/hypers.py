"""All hyper-parameters of one representation, together."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jaxmeta.errors import InvalidError, compose
from jaxmeta.representations._hypers._reading import finite
from jaxmeta.representations._hypers.bases import Basis, basis_of
from jaxmeta.representations._hypers.cutoffs import Cutoff, cutoff_of
from jaxmeta.representations._hypers.densities import (
    Density,
    SmearedPowerLaw,
    density_of,
)


@dataclasses.dataclass(frozen=True)
class Hypers:
    """Cutoff, density and basis: hashable, and equal where they mean the same.

    Example:
        >>> hypers = parse_hypers(
        ...     {"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     {"type": "Gaussian", "width": 0.3},
        ...     {"type": "TensorProduct", "max_angular": 2,
        ...      "radial": {"type": "Gto", "max_radial": 3}},
        ... )
        >>> hypers.n_per_l
        {0: 4, 1: 4, 2: 4}
        >>> parse_hypers(**hypers.to_dict()) == hypers
        True
    """

    cutoff: Cutoff
    density: Density
    basis: Basis

    @property
    def n_per_l(self) -> dict[int, int]:
        """How many radial functions each degree has, in order of degrees."""
        return {l: radial.size for l, radial in self.basis.by_angular.items()}  # noqa: E741

    @property
    def max_angular(self) -> int:
        """The highest degree of the spherical harmonics."""
        return self.basis.max_angular

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary, with all defaults written out."""
        return {
            "cutoff": self.cutoff.to_dict(),
            "density": self.density.to_dict(),
            "basis": self.basis.to_dict(),
        }


def parse_hypers(
    cutoff: Any, density: Any, basis: Any, *, radial_spectrum: bool = False
) -> Hypers:
    """Hyper-parameters out of featomic's dictionaries, or of its own objects.

    Arguments:
        cutoff: as ``{"radius": 4.0, "smoothing": {"type": "ShiftedCosine", "width": 0.5}}``
            (lengths in the unit of the positions), or ``{"type": "Step"}`` as smoothing.
        density: of type ``Gaussian`` (with ``width``) or ``DiracDelta``; with
            ``center_atom_weight`` (1 if absent) and ``scaling`` (none if absent).
        basis: of type ``TensorProduct`` (``max_angular``, ``radial``), ``Explicit``
            (``by_angular``) or ``LaplacianEigenstate`` (``radius``, ``max_radial``,
            ``max_angular``); with ``spline_accuracy`` (1e-8 if absent). Radial bases are of
            type ``Gto``, ``Tabulated``, ``SphericalBessel``, ``Monomials``, ``Bernstein``.
        radial_spectrum: the basis has no type and no angular part, as in featomic's
            ``SoapRadialSpectrum``.

    Raises:
        MissingError: for entries that are missing, and names that do not exist.
        InvalidError: for numbers that can not be, as a negative radius.
        InvalidTypeError: for what is no dictionary, or no number.

    Example:
        >>> parse_hypers({"radius": -1.0}, {}, {})
        Traceback (most recent call last):
        jaxmeta.errors.InvalidError: cutoff['radius'] must be above zero.
          found -1.0
    """
    found = Hypers(
        cutoff_of(cutoff),
        density_of(density),
        basis_of(basis, with_angular=not radial_spectrum),
    )
    return found


@dataclasses.dataclass(frozen=True)
class LodeHypers:
    """Density, basis and the cutoff in reciprocal space of long-range representations.

    Example:
        >>> hypers = parse_lode_hypers(
        ...     {"type": "SmearedPowerLaw", "smearing": 1.0, "exponent": 1},
        ...     {"type": "TensorProduct", "max_angular": 2,
        ...      "radial": {"type": "Gto", "max_radial": 3, "radius": 4.0}},
        ... )
        >>> hypers.k_cutoff
        3.769...
    """

    density: Density
    basis: Basis
    k_cutoff: float

    @property
    def n_per_l(self) -> dict[int, int]:
        """How many radial functions each degree has, in order of degrees."""
        return {l: radial.size for l, radial in self.basis.by_angular.items()}  # noqa: E741

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary, with all defaults written out."""
        return {
            "density": self.density.to_dict(),
            "basis": self.basis.to_dict(),
            "k_cutoff": self.k_cutoff,
        }


def parse_lode_hypers(density: Any, basis: Any, k_cutoff: Any = None) -> LodeHypers:
    r"""Hyper-parameters of featomic's ``LodeSphericalExpansion``.

    Arguments:
        density: of type ``SmearedPowerLaw``, with ``smearing`` and ``exponent`` (0 is a
            Gaussian; below 10); without scaling.
        basis: as in `parse_hypers`; the radial functions need a radius of their own.
        k_cutoff: in reciprocal space (an inverse length); :math:`1.2 \pi / \sigma` if None.

    Raises:
        MissingError: for entries that are missing, and names that do not exist.
        InvalidError: for other densities, and numbers that can not be.
        InvalidTypeError: for what is no dictionary, or no number.

    Example:
        >>> parse_lode_hypers({"type": "DiracDelta"}, {})
        Traceback (most recent call last):
        jaxmeta.errors.InvalidError: density: only SmearedPowerLaw is long-ranged.
          found DiracDelta
    """
    found = density_of(density)
    if not isinstance(found, SmearedPowerLaw) or found.scaling is not None:
        scaled = "" if found.scaling is None else " with a scaling"
        raise InvalidError(
            compose(
                "density: only SmearedPowerLaw is long-ranged.",
                f"found {found.type}{scaled}",
            )
        )
    if found.exponent >= 10:
        raise InvalidError(
            compose("density['exponent'] must be below 10.", f"found {found.exponent}")
        )
    limit = 1.2 * np.pi / found.smearing if k_cutoff is None else k_cutoff
    limit = finite("k_cutoff", limit)
    if limit <= 0:
        raise InvalidError(compose("k_cutoff must be above zero.", f"found {limit}"))
    return LodeHypers(found, basis_of(basis), limit)
