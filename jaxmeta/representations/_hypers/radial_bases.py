"""Radial bases: the functions of the distance to the centre."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from jaxmeta.errors import InvalidError, compose
from jaxmeta.representations._hypers._reading import Entries, numbers_of


@dataclasses.dataclass(frozen=True)
class Gto:
    r"""Gaussian type orbitals :math:`r^n e^{-r^2 / 2 \sigma_n^2}`, made orthonormal.

    :math:`\sigma_n = r_0 \sqrt{\max(n, 1)} / N` for the :math:`N` functions :math:`n = 0
    \ldots` `max_radial`. The `radius` :math:`r_0` (a length) is that of the cutoff if None.

    Example:
        >>> Gto(3).size
        4
    """

    max_radial: int
    radius: float | None = None
    type: ClassVar[str] = "Gto"

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self.max_radial + 1

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        radius = {} if self.radius is None else {"radius": self.radius}
        return {"type": self.type, "max_radial": self.max_radial, **radius}


@dataclasses.dataclass(frozen=True)
class _OnSphere:
    max_radial: int
    radius: float
    type: ClassVar[str]

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self.max_radial + 1

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        return {"type": self.type, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class SphericalBessel(_OnSphere):
    r"""Spherical Bessel functions :math:`j_l(z_{ln} r / r_0)` that vanish at the radius.

    :math:`z_{ln}` is the n-th zero of :math:`j_l`, :math:`r_0` the `radius` (a length), and
    :math:`l` the angular channel, unless `angular_channel` says another one.

    Source: Bigi, Huguenin-Dumittan, Ceriotti, Manolopoulos, J. Chem. Phys. 157, 234101
    (2022).

    Example:
        >>> SphericalBessel(max_radial=3, radius=5.0).size
        4
    """

    angular_channel: int | None = None
    type: ClassVar[str] = "SphericalBessel"


@dataclasses.dataclass(frozen=True)
class Monomials(_OnSphere):
    """Powers :math:`r^{l + 2n}` up to the `radius` (a length), made orthonormal.

    :math:`l` is the angular channel, unless `angular_channel` says another one.

    Example:
        >>> Monomials(max_radial=3, radius=5.0).size
        4
    """

    angular_channel: int | None = None
    type: ClassVar[str] = "Monomials"


@dataclasses.dataclass(frozen=True)
class Bernstein(_OnSphere):
    r"""Bernstein polynomials :math:`\binom{N}{n} x^n (1 - x)^{N - n}`, made orthonormal.

    :math:`x = r / r_0` with the `radius` :math:`r_0` (a length), and :math:`N` is
    `max_radial`.

    Example:
        >>> Bernstein(max_radial=3, radius=5.0).size
        4
    """

    type: ClassVar[str] = "Bernstein"


@dataclasses.dataclass(frozen=True)
class RadialFunctions:
    """Functions of one's own, made orthonormal on the sphere of some `radius` (a length).

    `function(r, n)` gives the n-th function at distances `r` (an array of numpy), for n = 0
    ... `max_radial`, and `derivative(r, n)` its derivative, which is needed where the
    density is a point. Both are compared by identity.

    Example:
        >>> RadialFunctions(lambda r, n: (5.0 - r) ** (n + 2), 3, 5.0).size
        4
    """

    function: Callable[..., Any]
    max_radial: int
    radius: float
    derivative: Callable[..., Any] | None = None

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self.max_radial + 1

    def to_dict(self) -> RadialFunctions:
        """Itself: functions have no plain form."""
        return self


@dataclasses.dataclass(frozen=True)
class Tabulated:
    """Radial integrals given at points: cubic between them, by values and derivatives.

    They hold the density too, whose type is then ``DiracDelta``.

    Example:
        >>> Tabulated((0.0, 4.0), ((1.0,), (0.0,)), ((0.0,), (0.0,))).size
        1
    """

    positions: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    derivatives: tuple[tuple[float, ...], ...]
    center_contribution: tuple[float, ...] | None = None
    type: ClassVar[str] = "Tabulated"

    @property
    def size(self) -> int:
        """How many functions there are."""
        return len(self.values[0])

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        columns = zip(self.positions, self.values, self.derivatives, strict=True)
        points = [
            {"position": r, "values": list(value), "derivatives": list(slope)}
            for r, value, slope in columns
        ]
        center = self.center_contribution
        extra = {} if center is None else {"center_contribution": list(center)}
        return {"type": self.type, "points": points, **extra}


Radial = Gto | SphericalBessel | Monomials | Bernstein | RadialFunctions | Tabulated
_OF_LENGTH = {
    each.type: each for each in (SphericalBessel, Monomials, Bernstein)
}  # fmt: skip
_TYPES = ("Gto", "Tabulated", *_OF_LENGTH)


def radial_of(where: str, given: Any) -> Radial:
    """The radial basis in a dictionary or an object of featomic.

    Raises:
        MissingError: for entries that are missing, and names that do not exist.
        InvalidError: for a radius not above zero, and points that do not fit together.
        InvalidTypeError: for what is no number.

    Example:
        >>> radial_of("basis['radial']", {"type": "Gto", "max_radial": 4})
        Gto(max_radial=4, radius=None)
    """
    if isinstance(given, Radial):
        return given
    entries = Entries(where, _of_featomic(given))
    kind = entries.kind(_TYPES)
    if kind == "Tabulated":
        found: Radial = _tabulated_of(where, entries)
    elif kind == "Gto":
        count, radius = entries.count("max_radial"), entries.take("radius", default=None)
        if radius is not None:
            radius = Entries(where, {"radius": radius}).positive("radius")
        found = Gto(count, radius)
    else:
        found = _on_sphere(entries, kind)
    entries.done()
    return found


def _on_sphere(entries: Entries, kind: str) -> Radial:
    size, radius = entries.count("max_radial"), entries.positive("radius")
    if kind == "Bernstein":
        return Bernstein(size, radius)
    angular = entries.take("angular_channel", default=None)
    if angular is not None:
        angular = Entries(entries.where, {"angular_channel": angular})
        angular = angular.count("angular_channel")
    return _OF_LENGTH[kind](size, radius, angular)  # pyright: ignore[reportCallIssue]


def _of_featomic(given: Any) -> Any:
    """What featomic's objects without a plain form say of themselves."""
    names = ("angular_channel", "max_radial", "radius")
    kind = type(given).__name__
    if kind in _OF_LENGTH and all(hasattr(given, name) for name in names):
        return {"type": kind, **{name: getattr(given, name) for name in names}}
    return given


def _tabulated_of(where: str, entries: Entries) -> Tabulated:
    points = entries.take("points")
    if not isinstance(points, Iterable) or isinstance(points, str | Mapping):
        points = [points]  # the error then names what was found
    rows = []
    for i, each in enumerate(points):
        point = Entries(f"{where}['points'][{i}]", each)
        inside = f"{where}['points'][{i}]"
        values, slopes = (
            numbers_of(f"{inside}[{name!r}]", point.take(name))
            for name in ("values", "derivatives")
        )
        rows.append((point.number("position"), values, slopes))
        point.done()
    center = entries.take("center_contribution", default=None)
    if center is not None:
        center = numbers_of(f"{where}['center_contribution']", center)
    _check_points(where, rows, center)
    positions, values, slopes = zip(*sorted(rows), strict=True)
    return Tabulated(positions, values, slopes, center)


def _check_points(where: str, rows: list[Any], center: tuple[float, ...] | None) -> None:
    if len(rows) < 2:
        raise InvalidError(
            compose(
                f"{where}['points'] must have two points or more.", f"found {len(rows)}"
            )
        )
    sizes = {len(values) for row in rows for values in row[1:]}
    sizes |= set() if center is None else {len(center)}
    if len(sizes) != 1 or 0 in sizes:
        raise InvalidError(
            compose(
                f"{where}: all points must have as many values as derivatives.",
                f"found the lengths {sorted(sizes)}",
                remedy="one number for each radial function, also center_contribution.",
            )
        )
    if len({row[0] for row in rows}) != len(rows):
        raise InvalidError(compose(f"{where}['points'] has a position more than once."))
