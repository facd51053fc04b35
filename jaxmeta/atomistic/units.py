"""Units as they are written in models and files: products and powers of names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import NoReturn

from jaxmeta.atomistic._unit_table import DIMENSIONS, NAMES, NONE, UNITS, Dimension, Unit
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose


_WHERE = "unit_conversion_factor"
# Expressions may come from files of strangers.
_LONGEST, _DEEPEST, _HIGHEST = 256, 16, 100

_NO_NUMBER = "its value is no positive number within those of double precision"

_TOKEN = re.compile(
    r"(?P<number>(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3}(?![\w.]))?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>[*/^()+-])",
    re.IGNORECASE,
)


def unit_conversion_factor(from_unit: str, to_unit: str) -> float:
    """How many of one unit are in another one: what values are multiplied with.

    Units are names, numbers, products, quotients and powers: ``"kJ/mol"``, ``"eV/A^3"``,
    ``"(eV*u)^(1/2)"``. Names are found in lower and upper case. ``*`` and ``/`` bind alike,
    from left to right, and a space between two values multiplies; ``^`` binds more tightly,
    and fractions as powers need parentheses. An empty unit is one that is not known:
    nothing is converted then, and nothing checked.

    The names are ``angstrom`` (``A``), ``bohr``, ``meter`` (``m``), ``centimeter``
    (``cm``), ``millimeter`` (``mm``), ``micrometer`` (``um``), ``nanometer`` (``nm``);
    ``eV``, ``meV``, ``hartree``, ``rydberg`` (``Ry``), ``kcal``, ``kJ``, ``joule``
    (``J``); ``second`` (``s``), ``ms``, ``us``, ``ns``, ``ps``, ``fs``; ``dalton`` (``u``),
    ``kilogram`` (``kg``), ``gram`` (``g``), ``electron_mass`` (``m_e``); ``e``,
    ``coulomb`` (``C``); ``pascal`` (``Pa``), ``kPa``, ``MPa``, ``GPa``, ``bar``, ``atm``;
    ``debye`` (``D``); ``kelvin`` (``K``); ``hbar``; and ``mol``, which is a number.

    Arguments:
        from_unit: the unit of the values.
        to_unit: the unit that they should have.

    Returns:
        The factor, rounded once where all units are exact in the SI.

    Raises:
        InvalidError: for units of other dimensions, and what is no unit.
        MissingError: for a name that is no unit.
        InvalidTypeError: for what is no string.

    Source: the grammar and the names are those of metatomic
    (https://docs.metatensor.org/metatomic), but for ``a^b^c``, which is refused. Values are
    those of CODATA 2022.

    Example:
        >>> unit_conversion_factor("ps", "fs")
        1000.0
        >>> round(unit_conversion_factor("eV/A^3", "GPa"), 6)
        160.217663
    """
    if "" in (_text(from_unit), _text(to_unit)):
        return 1.0
    given, wanted = parsed(from_unit), parsed(to_unit)
    if given.dimension != wanted.dimension:
        raise InvalidError(
            compose(
                f"{_WHERE}: {from_unit!r} and {to_unit!r} are units of other quantities.",
                f"{from_unit!r} is of {printed(given.dimension)}, "
                f"{to_unit!r} of {printed(wanted.dimension)}",
            )
        )
    factor = _usable(lambda: _product(given.factor, wanted.factor, -1))
    if factor is None:
        _refuse(f"{from_unit} in {to_unit}", _NO_NUMBER)
    return float(factor)


def _text(unit: object) -> str:
    if not isinstance(unit, str):
        raise InvalidTypeError(
            compose(
                f"{_WHERE}: a unit must be a string.",
                f"found {unit!r:.100}, a {type(unit).__name__}",
                remedy='write it as in "kJ/mol"; "" is a unit that is not known.',
            )
        )
    return unit.strip()


def printed(dimension: Dimension) -> str:
    """A dimension in words, as in ``length^2 time^-2 mass``."""
    named = zip(DIMENSIONS, dimension, strict=True)
    powers = [f"{n}^{p}" if p != 1 else n for n, p in named if p]
    return " ".join(powers) or "no dimension"


def parsed(unit: str) -> Unit:
    """The unit that an expression stands for.

    Raises:
        InvalidError, MissingError: as `unit_conversion_factor`.
    """
    if len(unit) > _LONGEST:
        _refuse(f"{unit[:20]}...", f"it has {len(unit)} characters, {_LONGEST} may be")
    expression = _Expression(unit)
    found = expression.product()
    if expression.at < len(expression.tokens):
        expression.refuse("a parenthesis is closed that was not opened")
    expression.finite(lambda: found.factor)
    return found


class _Expression:
    """The words of an expression, read from left to right."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.at = 0
        self._depth = 0
        self.tokens = _tokens(unit)

    def product(self) -> Unit:
        """Powers, multiplied and divided."""
        found = self._power()
        while self._next not in ("", ")"):
            divides = self._taken("/")
            if not divides:
                self._taken("*")
            found = self._combined(found, self._power(), -1 if divides else 1)
        return found

    def _power(self) -> Unit:
        base = self._value()
        if not self._taken("^"):
            return base
        exponent = self._exponent()
        if self._next == "^":
            self.refuse("a^b^c could mean two things", "write parentheses")
        factor = self.finite(lambda: base.factor**exponent)
        powers = [power * exponent for power in base.dimension]
        return Unit(factor, tuple(powers))

    def _exponent(self) -> Fraction:
        sign = -1 if self._taken("-") else 1
        if sign == 1:
            self._taken("+")
        found = self._value()
        if found.dimension != NONE or not isinstance(found.factor, Fraction):
            self.refuse(f"a power is a number, and not of {printed(found.dimension)}")
        if abs(found.factor) > _HIGHEST or found.factor.denominator > _HIGHEST:
            self.refuse(f"powers and their denominators go up to {_HIGHEST}")
        return sign * found.factor

    def _value(self) -> Unit:
        token = self._next
        if token == "(":
            return self._group()
        if token[:1].isdigit() or token[:1] == ".":
            self.at += 1
            return Unit(Fraction(token), NONE)
        if token == "" or token in "*/^)+-":
            found = f"{token!r}" if token else "the end"
            self.refuse(f"{found} stands where a name or a number should be")
        self.at += 1
        if token.lower() not in UNITS:
            raise MissingError(
                compose(
                    f"{_WHERE}: {token!r} in {self.unit!r} is no unit.",
                    choices(token, NAMES),
                )
            )
        return UNITS[token.lower()]

    def _group(self) -> Unit:
        self.at += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            self.refuse(f"parentheses stand in more than {_DEEPEST} others")
        found = self._signed()
        if not self._taken(")"):
            self.refuse("a parenthesis is not closed")
        self._depth -= 1
        return found

    def _signed(self) -> Unit:
        """What stands in parentheses: a product, or a negative power."""
        negative = self._taken("-")
        found = self.product()
        return Unit(-found.factor, found.dimension) if negative else found

    def _combined(self, left: Unit, right: Unit, power: int) -> Unit:
        factor = self.finite(lambda: _product(left.factor, right.factor, power))
        pairs = zip(left.dimension, right.dimension, strict=True)
        return Unit(factor, tuple([a + power * b for a, b in pairs]))

    def finite(self, number: Callable[[], Fraction | float]) -> Fraction | float:
        """A factor, if it is one that values can be multiplied with."""
        found = _usable(number)
        if found is None:
            self.refuse(_NO_NUMBER)
        return found

    # Words ------------------------------------------------------------------------------

    @property
    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _taken(self, token: str) -> bool:
        """Whether this word comes next; then it is read."""
        there = self._next == token
        self.at += there
        return there

    def refuse(self, reason: str, remedy: str = "") -> NoReturn:
        _refuse(self.unit, reason, remedy)


def _product(
    left: Fraction | float, right: Fraction | float, power: int
) -> Fraction | float:
    """A product or a quotient, exact if both are."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left * right**power
    return float(left) * float(right) ** power


def _usable(number: Callable[[], Fraction | float]) -> Fraction | float | None:
    """A number, if it is positive and one of double precision."""
    try:
        found = number()
        there = not isinstance(found, complex) and 0 < float(found) < math.inf
    except (OverflowError, ZeroDivisionError):
        return None
    return found if there else None


def _tokens(unit: str) -> list[str]:
    found = []
    at = 0
    while at < len(unit):
        if unit[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(unit, at)
        if match is None:
            _refuse(unit, f"{unit[at]!r} has no meaning in units")
        found.append(match.group())
        at = match.end()
    return found


def _refuse(unit: str, reason: str, remedy: str = "") -> NoReturn:
    raise InvalidError(
        compose(
            f"{_WHERE}: {unit!r} is no unit.",
            reason,
            remedy=remedy or "units are written as in kJ/mol, eV/A^3 or (eV*u)^(1/2).",
        )
    )
