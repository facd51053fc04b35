"""The units that have names, in those of the SI.

Values are exact where the SI defines them, and those of CODATA 2022 elsewhere
(https://physics.nist.gov/constants). They are kept as fractions, so that a conversion
between powers of ten rounds once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple


# Powers of length, time, mass, charge and temperature.
Dimension = tuple[Fraction, ...]

DIMENSIONS = ("length", "time", "mass", "charge", "temperature")


class Unit(NamedTuple):
    """A number of units of the SI; exact if it is a fraction."""

    factor: Fraction | float
    dimension: Dimension


def _dimension(**powers: int) -> Dimension:
    return tuple(Fraction(powers.get(name, 0)) for name in DIMENSIONS)


NONE = _dimension()
LENGTH, TIME, MASS = _dimension(length=1), _dimension(time=1), _dimension(mass=1)
CHARGE, TEMPERATURE = _dimension(charge=1), _dimension(temperature=1)
ENERGY = _dimension(length=2, mass=1, time=-2)
PRESSURE = _dimension(length=-1, mass=1, time=-2)
DIPOLE = _dimension(length=1, charge=1)
ACTION = _dimension(length=2, mass=1, time=-1)

_LIGHT = 299792458  # m/s
_PLANCK = Fraction("6.62607015e-34")  # J s

_TABLE: list[tuple[str, str | Fraction | float, Dimension]] = [
    ("kelvin K", "1", TEMPERATURE),
    ("meter m", "1", LENGTH),
    ("centimeter cm", "1e-2", LENGTH),
    ("millimeter mm", "1e-3", LENGTH),
    ("micrometer um µm μm", "1e-6", LENGTH),
    ("nanometer nm", "1e-9", LENGTH),
    ("angstrom A", "1e-10", LENGTH),
    ("bohr", "5.29177210544e-11", LENGTH),
    ("joule J", "1", ENERGY),
    ("kJ", "1e3", ENERGY),
    ("kcal", "4184", ENERGY),
    ("eV", "1.602176634e-19", ENERGY),
    ("meV", "1.602176634e-22", ENERGY),
    ("hartree", "4.3597447222060e-18", ENERGY),
    ("rydberg Ry", "2.1798723611030e-18", ENERGY),
    ("second s", "1", TIME),
    ("millisecond ms", "1e-3", TIME),
    ("microsecond us µs μs", "1e-6", TIME),
    ("nanosecond ns", "1e-9", TIME),
    ("picosecond ps", "1e-12", TIME),
    ("femtosecond fs", "1e-15", TIME),
    ("kilogram kg", "1", MASS),
    ("gram g", "1e-3", MASS),
    ("dalton u", "1.66053906892e-27", MASS),
    ("electron_mass m_e", "9.1093837139e-31", MASS),
    ("coulomb C", "1", CHARGE),
    ("e", "1.602176634e-19", CHARGE),
    ("pascal Pa", "1", PRESSURE),
    ("kilopascal kPa", "1e3", PRESSURE),
    ("megapascal MPa", "1e6", PRESSURE),
    ("gigapascal GPa", "1e9", PRESSURE),
    ("bar", "1e5", PRESSURE),
    ("atm", "101325", PRESSURE),
    ("debye D", Fraction(1, _LIGHT * 10**21), DIPOLE),
    ("mol", "6.02214076e23", NONE),
    ("hbar", float(_PLANCK) / (2 * math.pi), ACTION),
]

# Names are looked up in lower case: "MPa" and "mPa" are both megapascal, as in metatomic.
UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        name.lower(): Unit(Fraction(x) if isinstance(x, str) else x, dimension)
        for names, x, dimension in _TABLE
        for name in names.split()
    }
)

NAMES = tuple(name for names, _, _ in _TABLE for name in names.split())
