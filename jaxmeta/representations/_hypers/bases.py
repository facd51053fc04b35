"""Bases: which radial functions go with which spherical harmonics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.representations._hypers._reading import Entries, index
from jaxmeta.representations._hypers.radial_bases import (
    Radial,
    SphericalBessel,
    radial_of,
)


_ACCURACY = 1e-8  # featomic's


@dataclasses.dataclass(frozen=True)
class TensorProduct:
    """The same radial functions for all harmonics of degree 0 ... `max_angular`.

    `spline_accuracy` is the mean error of splined radial integrals; None is best.

    Example:
        >>> from jaxmeta.representations._hypers.radial_bases import Gto
        >>> TensorProduct(2, Gto(3)).by_angular[2].size
        4
    """

    max_angular: int
    radial: Radial
    spline_accuracy: float | None = _ACCURACY
    type: ClassVar[str] = "TensorProduct"

    @property
    def by_angular(self) -> dict[int, Radial]:
        """The radial basis of each degree, in order."""
        return dict.fromkeys(range(self.max_angular + 1), self.radial)

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        return {
            "type": self.type,
            "max_angular": self.max_angular,
            "radial": self.radial.to_dict(),
            "spline_accuracy": self.spline_accuracy,
        }


@dataclasses.dataclass(frozen=True)
class Explicit:
    """Radial functions of its own for each degree that there is.

    `radials` has pairs of degree and radial basis, in order of degrees.

    Example:
        >>> from jaxmeta.representations._hypers.radial_bases import Gto
        >>> list(Explicit(((0, Gto(3)), (4, Gto(1)))).by_angular)
        [0, 4]
    """

    radials: tuple[tuple[int, Radial], ...]
    spline_accuracy: float | None = _ACCURACY
    type: ClassVar[str] = "Explicit"

    @property
    def by_angular(self) -> dict[int, Radial]:
        """The radial basis of each degree, in order."""
        return dict(self.radials)

    @property
    def max_angular(self) -> int:
        """The highest degree."""
        return self.radials[-1][0]

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        return {
            "type": self.type,
            "by_angular": {degree: radial.to_dict() for degree, radial in self.radials},
            "spline_accuracy": self.spline_accuracy,
        }


Basis = TensorProduct | Explicit


def laplacian_eigenstates(
    radius: float,
    max_radial: int,
    max_angular: int | None = None,
    spline_accuracy: float | None = _ACCURACY,
) -> Explicit:
    """All eigenstates of the Laplacian in a sphere up to one eigenvalue.

    The eigenvalue is that of degree 0 and `max_radial`. Higher degrees have fewer radial
    functions; degrees above `max_angular` are left out.

    Arguments:
        radius: of the sphere, a length.
        max_radial: the last radial function of degree 0.
        max_angular: the highest degree; None is the highest that has a function.
        spline_accuracy: the mean error of splined radial integrals; None is best.

    Raises:
        InvalidError: where degrees up to `max_angular` have no function.

    Source: Bigi, Huguenin-Dumittan, Ceriotti, Manolopoulos, J. Chem. Phys. 157, 234101
    (2022).

    Example:
        >>> basis = laplacian_eigenstates(5.0, max_radial=3)
        >>> [radial.size for radial in basis.by_angular.values()]
        [4, 3, 3, 2, 2, 1, 1, 1]
    """
    from jaxmeta.representations._hypers.bessel_zeros import bessel_zeros

    highest = (max_radial + 1) * bessel_zeros(0, 1)[0]
    radials: list[tuple[int, Radial]] = []
    degree = 0
    while max_angular is None or degree <= max_angular:
        zeros = bessel_zeros(degree, max_radial + 1)
        # The zero that sets the limit is a multiple of pi, rounded.
        size = sum(zero <= highest * (1 + 1e-12) for zero in zeros)
        if size == 0 and max_angular is not None:
            raise InvalidError(
                compose(
                    f"LaplacianEigenstate: there are functions up to degree {degree - 1}.",
                    f"max_angular is {max_angular}, with max_radial {max_radial}",
                )
            )
        if size == 0:
            break
        radials.append((degree, SphericalBessel(size - 1, radius, degree)))
        degree += 1
    return Explicit(tuple(radials), spline_accuracy)


def basis_of(given: Any, *, with_angular: bool = True) -> Basis:
    """The basis in a dictionary or an object of featomic.

    Without `with_angular`, as radial spectra have it: no type, and degree 0 alone.

    Raises:
        MissingError: for entries that are missing, and names that do not exist.
        InvalidError: for a negative degree, an accuracy not above zero, no degree at all.
        InvalidTypeError: for what is no number.

    Example:
        >>> radial = {"type": "Gto", "max_radial": 4}
        >>> basis_of({"type": "TensorProduct", "max_angular": 2, "radial": radial})
        TensorProduct(max_angular=2, radial=Gto(max_radial=4, ...), spline_accuracy=1e-08)
    """
    if isinstance(given, Basis):
        return given
    entries = Entries("basis", given)
    accuracy = _accuracy_of(entries.take("spline_accuracy", default=_ACCURACY))
    if not with_angular:
        found: Basis = TensorProduct(0, _radial(entries), accuracy)
        entries.done()
        return found
    kind = entries.kind(["TensorProduct", "Explicit", "LaplacianEigenstate"])
    if kind == "TensorProduct":
        found = TensorProduct(entries.count("max_angular"), _radial(entries), accuracy)
    elif kind == "Explicit":
        found = Explicit(_radials_of(entries.take("by_angular")), accuracy)
    else:
        found = _eigenstates_of(entries, accuracy)
    entries.done()
    return found


def _radial(entries: Entries) -> Radial:
    return radial_of("basis['radial']", entries.take("radial"))


def _eigenstates_of(entries: Entries, accuracy: float | None) -> Explicit:
    highest = entries.take("max_angular", default=None)
    if highest is not None:
        highest = index("basis['max_angular']", highest)
    radius, size = entries.positive("radius"), entries.count("max_radial")
    return laplacian_eigenstates(radius, size, highest, accuracy)


def _accuracy_of(given: Any) -> float | None:
    if given is None:
        return None
    entries = Entries("basis", {"spline_accuracy": given})
    return entries.positive("spline_accuracy")


def _radials_of(given: Any) -> tuple[tuple[int, Radial], ...]:
    where = "basis['by_angular']"
    if not isinstance(given, Mapping):
        raise InvalidTypeError(
            compose(f"{where} must be a dictionary.", f"found {type(given).__name__}")
        )
    radials = {}
    for key, radial in given.items():
        # In JSON every key is a string.
        number = int(key) if isinstance(key, str) and key.isdecimal() else key
        degree = index(f"the key {key!r} of {where}", number)
        radials[degree] = radial_of(f"{where}[{key!r}]", radial)
    if len(radials) != len(given) or not radials:
        raise InvalidError(
            compose(
                f"{where} must have one entry or more, one for each degree.",
                f"found the keys {list(given)}",
            )
        )
    return tuple(sorted(radials.items(), key=lambda item: item[0]))
