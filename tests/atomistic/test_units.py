"""Units: their values, their grammar, and what is refused."""

from __future__ import annotations

import math
from fractions import Fraction
from importlib import import_module

import hypothesis.strategies as st
import pytest
from ase import units
from hypothesis import given

from jaxmeta.atomistic import unit_conversion_factor
from jaxmeta.atomistic._unit_table import NAMES, UNITS
from jaxmeta.errors import InvalidError, InvalidTypeError, JaxmetaError, MissingError


# How many of the second are in the first.
EXACT = [
    ("ps", "fs", 1e3),
    ("A", "nm", 0.1),
    ("eV", "J", 1.602176634e-19),
    ("MeV", "eV", 1e-3),  # names are found in any case
    ("kcal", "kJ", 4.184),
    ("eV/A^3", "GPa", 160.2176634),
    ("atm", "bar", 1.01325),
    ("kJ/mol", "J", 1000 / 6.02214076e23),
    ("2", "1", 2.0),
    ("eV^1/2", "eV", 0.5),  # from left to right, as in metatomic
    ("1.5e3 * m", "m", 1500.0),
    ("A^-1", "1/A", 1.0),
    ("eV^(-1)", "1 / eV", 1.0),
    ("kJ mol", "kJ*mol", 1.0),
    ("m/s^2", "m/(s*s)", 1.0),
    ("kg^0", "1", 1.0),
    ("kg m^2/s^2", "J", 1.0),
    ("C m", "D", 299792458e21),
    ("A^+2", "A A", 1.0),
    ("\tA ", "Angstrom", 1.0),
]


@pytest.mark.parametrize(("left", "right", "factor"), EXACT)
def test_exact_factors(left: str, right: str, factor: float) -> None:
    assert unit_conversion_factor(left, right) == factor


def test_an_unknown_unit_is_not_converted() -> None:
    assert unit_conversion_factor("", "eV") == 1.0
    assert unit_conversion_factor("A", " ") == 1.0


# ase has constants of CODATA 2014.
@pytest.mark.parametrize(
    ("left", "right", "factor"),
    [
        ("hartree", "eV", units.Hartree),
        ("Ry", "eV", units.Rydberg),
        ("bohr", "A", units.Bohr),
        ("kcal/mol", "eV", units.kcal / units.mol),
        ("kJ/mol/nm", "eV/A", units.kJ / units.mol / units.nm),
        ("(eV*u)^(1/2)", "u*A/fs", units.fs),
        ("m_e", "u", units._me / units._amu),
        ("hbar", "eV*fs", units._hbar / units._e * 1e15),
        ("D", "e*A", units.Debye),
        ("GPa", "eV/A^3", units.GPa),
    ],
)
def test_factors_of_ase(left: str, right: str, factor: float) -> None:
    assert unit_conversion_factor(left, right) == pytest.approx(factor, rel=3e-8)


def test_every_name_is_that_of_metatomic() -> None:
    pytest.importorskip("metatomic.torch", reason="metatomic-torch is not installed")
    theirs = import_module("metatomic.torch").unit_conversion_factor
    bases = {unit.dimension: name for name, unit in UNITS.items()}
    for name in NAMES:
        if "\u03bc" in name:
            continue  # it knows the sign for micro, but not the Greek letter
        base = bases[UNITS[name.lower()].dimension]
        ours = unit_conversion_factor(name, base)
        assert ours == pytest.approx(theirs(name, base), rel=1e-11), name


NAMED = st.sampled_from(["eV", "A", "fs", "u", "mol", "hbar", "2.5", "GPa"])
EXPRESSIONS = st.recursive(
    NAMED,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("*/"), inner).map("({0[0]}{0[1]}{0[2]})".format),
        st.tuples(inner, st.integers(-3, 3)).map("({0[0]})^({0[1]})".format),
    ),
    max_leaves=5,
)


@given(EXPRESSIONS, EXPRESSIONS)
def test_factors_follow_the_rules_of_products(left: str, right: str) -> None:
    both = unit_conversion_factor(f"({left}) * ({right})", f"({right}) ({left})")
    assert both == pytest.approx(1.0, rel=1e-14)
    assert unit_conversion_factor(f"{left} / ({left})", "1") == pytest.approx(
        1.0, rel=1e-14
    )
    squared = unit_conversion_factor(f"({left})^2", f"({left}) * ({left})")
    assert squared == pytest.approx(1.0, rel=1e-14)
    root = unit_conversion_factor(f"(({left})^2)^(1/2)", left)
    assert root == pytest.approx(1.0, rel=1e-14)


def test_there_and_back() -> None:
    there = unit_conversion_factor("hartree/bohr", "eV/A")
    assert there * unit_conversion_factor("eV/A", "hartree/bohr") == pytest.approx(1.0)


def test_powers_of_exact_units_are_exact() -> None:
    assert unit_conversion_factor("nm^9", "m^9") == float(Fraction(1, 10**81))


REFUSED = {
    "eV*": "the end stands where a name or a number should be",
    "eV//A": "'/' stands where",
    "eV**2": "'*' stands where",
    "-eV": "'-' stands where",
    "()": r"'\)' stands where",
    "eV^2^3": "could mean two things",
    "eV^-": "the end stands",
    "(eV": "is not closed",
    "eV)": "that was not opened",
    "eV^(A)": "a power is a number, and not of length",
    "2^hbar": "a power is a number",
    "A^101": "go up to 100",
    "A^(1/101)": "go up to 100",
    "0": "positive number",
    "0*eV": "positive number",
    "(-1)*eV": "positive number",
    "(-2)^(1/2)": "positive number",
    "1/0": "positive number",
    "A^(1/0)": "positive number",
    "1e999": "positive number",
    "1e-999": "positive number",
    "(1e200)^100": "positive number",
    "eV·A": "'·' has no meaning",
    "eV;A": "';' has no meaning",
    "9" * 257: "it has 257 characters, 256 may be",
    "(" * 17 + "A" + ")" * 17: "parentheses stand in more than 16",
}


@pytest.mark.parametrize("unit", REFUSED)
@pytest.mark.parametrize("turned", [False, True])
def test_what_is_no_unit(unit: str, turned: bool) -> None:
    arguments = ("eV", unit) if turned else (unit, "eV")
    with pytest.raises(JaxmetaError, match=REFUSED[unit]) as caught:
        unit_conversion_factor(*arguments)
    assert str(caught.value).startswith("unit_conversion_factor: ")


def test_unknown_names_come_with_those_that_are_there() -> None:
    with pytest.raises(
        MissingError, match="'angstrm' in 'eV/angstrm' is no unit"
    ) as caught:
        unit_conversion_factor("eV/angstrm", "eV/A")
    assert "did you mean 'angstrom'?" in str(caught.value)


def test_other_quantities_are_refused_with_both_dimensions() -> None:
    with pytest.raises(InvalidError, match="units of other quantities") as caught:
        unit_conversion_factor("eV/A^3", "eV/A^(1/2)")
    text = str(caught.value)
    assert "'eV/A^3' is of length^-1 time^-2 mass" in text
    assert "'eV/A^(1/2)' of length^3/2 time^-2 mass" in text
    with pytest.raises(InvalidError, match="'mol' of no dimension"):
        unit_conversion_factor("K", "mol")


def test_factors_beyond_double_precision_are_refused() -> None:
    with pytest.raises(InvalidError, match="positive number"):
        unit_conversion_factor("1e200 * eV", "1e-200 * eV")
    with pytest.raises(InvalidError, match="positive number"):
        unit_conversion_factor("1e-200 * hbar", "1e200 * hbar")


def test_what_is_no_string(wrong_types: None) -> None:
    with pytest.raises(InvalidTypeError, match="found 3, a int"):
        unit_conversion_factor("eV", 3)  # type: ignore[arg-type]


@given(st.text(alphabet="eVAmol ()*/^+-.0123456789µé_", max_size=30))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    try:
        factor = unit_conversion_factor(text, text)
    except JaxmetaError:
        return
    assert math.isfinite(factor)
    assert factor > 0
