"""Hyper-parameters: what featomic accepts is accepted, what it refuses is explained."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from representations.dimers import peer

from jaxmeta.errors import InvalidError, InvalidTypeError, JaxmetaError, MissingError
from jaxmeta.representations._hypers import (
    Bernstein,
    Cutoff,
    DiracDelta,
    Explicit,
    Gaussian,
    Gto,
    Hypers,
    Monomials,
    RadialFunctions,
    ShiftedCosine,
    SphericalBessel,
    Step,
    Tabulated,
    TensorProduct,
    Willatt2018,
    laplacian_eigenstates,
    parse_hypers,
    parse_lode_hypers,
)
from jaxmeta.representations._hypers.bessel_zeros import bessel_zeros


CUTOFF = {"radius": 4.0, "smoothing": {"type": "Step"}}
DENSITY = {"type": "Gaussian", "width": 0.5}
RADIAL = {"type": "Gto", "max_radial": 3}
# Coarse, so that featomic is quick.
BASIS = {
    "type": "TensorProduct",
    "max_angular": 2,
    "radial": RADIAL,
    "spline_accuracy": 1e-2,
}
WILLATT = {"type": "Willatt2018", "scale": 2, "rate": 1, "exponent": 3.5}
POINT = {"position": 0.0, "values": [1.0], "derivatives": [0.5]}
TABLE = {"type": "Tabulated", "points": [POINT, {**POINT, "position": 4.0}]}
ALL = {"cutoff": CUTOFF, "density": DENSITY, "basis": BASIS}

ACCEPTED = [
    {},
    {"cutoff": {"radius": 4, "smoothing": {"type": "ShiftedCosine", "width": 1}}},
    {"cutoff": {"radius": 4, "smoothing": {"type": "ShiftedCosine", "width": 5.0}}},
    {"density": {**DENSITY, "center_atom_weight": -1}},
    {"density": {**DENSITY, "scaling": None}},
    {"density": {**DENSITY, "scaling": WILLATT}},
    {"basis": {**BASIS, "spline_accuracy": None}},
    {"basis": {**BASIS, "max_angular": 0}},
    {"basis": {**BASIS, "radial": {**RADIAL, "radius": 4.0}}},
    {"basis": {**BASIS, "radial": {**RADIAL, "radius": None}}},
    {"basis": {"type": "Explicit", "by_angular": {3: RADIAL, 0: RADIAL}}},
    {"basis": {"type": "Explicit", "by_angular": {"3": RADIAL}, "spline_accuracy": 0.1}},
    {"basis": {**BASIS, "radial": TABLE}, "density": {"type": "DiracDelta"}},
]


@pytest.mark.parametrize("changes", ACCEPTED)
def test_what_featomic_accepts(changes: dict[str, Any]) -> None:
    given = {**ALL, **changes}
    before = copy.deepcopy(given)
    peer.SphericalExpansion(**given)
    hypers = parse_hypers(**given)
    assert given == before  # nothing was taken out of it
    again = hypers.to_dict()
    peer.SphericalExpansion(**again)
    assert parse_hypers(**again) == hypers
    assert parse_hypers(**json.loads(json.dumps(again))) == hypers
    assert hash(parse_hypers(**again)) == hash(hypers)
    assert pickle.loads(pickle.dumps(hypers)) == hypers


REFUSED = [
    (("cutoff", {"radius": 4.0}), MissingError, r"cutoff: 'smoothing' is missing"),
    (("cutoff", {**CUTOFF, "width": 1}), MissingError, r"cutoff has no entry 'width'"),
    (("cutoff", {**CUTOFF, "radius": -1.0}), InvalidError, r"above zero[^$]*-1"),
    (("cutoff", {**CUTOFF, "radius": "4"}), InvalidTypeError, r"'radius'\][^$]*found str"),
    (("cutoff", {**CUTOFF, "radius": np.nan}), InvalidError, r"finite[^$]*nan"),
    (("cutoff", {**CUTOFF, "radius": True}), InvalidTypeError, r"found bool"),
    (("cutoff", {**CUTOFF, "smoothing": None}), InvalidTypeError, r"smoothing'\] must be"),
    (("cutoff", {**CUTOFF, "smoothing": {}}), MissingError, r"'type' is missing"),
    (
        ("cutoff", {**CUTOFF, "smoothing": {"type": "Cosine"}}),
        MissingError,
        r"is 'Cosine'[^$]*did you mean 'ShiftedCosine'",
    ),
    (
        ("cutoff", {**CUTOFF, "smoothing": {"type": "ShiftedCosine", "width": 0}}),
        InvalidError,
        r"'width'\] must be above zero",
    ),
    (("density", {"type": "Gaussian"}), MissingError, r"density: 'width' is missing"),
    (("density", {**DENSITY, "width": 0.0}), InvalidError, r"above zero"),
    (("density", {"type": "gaussian", "width": 1}), MissingError, r"mean 'Gaussian'"),
    (("density", {"type": 3}), InvalidTypeError, r"must be a name[^$]*int"),
    (("density", {**DENSITY, "center_atom_weight": None}), InvalidTypeError, r"NoneType"),
    (("density", {**DENSITY, "scaling": {**WILLATT, "rate": 0}}), InvalidError, r"'rate'"),
    (("density", {**DENSITY, "scaling": {"type": "W"}}), MissingError, r"'Willatt2018'"),
    (("basis", {**BASIS, "type": "Product"}), MissingError, r"is 'Product'"),
    (("basis", {**BASIS, "max_angular": 2.0}), InvalidTypeError, r"integer[^$]*float"),
    (("basis", {**BASIS, "max_angular": -2}), InvalidError, r"zero or more[^$]*-2"),
    (("basis", {**BASIS, "max_radial": 3}), MissingError, r"no entry 'max_radial'"),
    (("basis", {**BASIS, "spline_accuracy": 0}), InvalidError, r"spline_accuracy'\] must"),
    (("basis", {**BASIS, "radial": {"type": "Gto"}}), MissingError, r"basis\['radial'\]:"),
    (("basis", {"type": "Explicit", "by_angular": {}}), InvalidError, r"one entry"),
    (("basis", {"type": "Explicit", "by_angular": []}), InvalidTypeError, r"found list"),
    (
        ("basis", {"type": "Explicit", "by_angular": {-1: RADIAL}}),
        InvalidError,
        r"the key -1 of basis\['by_angular'\]",
    ),
    (
        ("basis", {**BASIS, "radial": {"type": "Tabulated", "points": [POINT]}}),
        InvalidError,
        r"two points or more[^$]*found 1",
    ),
    (
        (
            "basis",
            {
                **BASIS,
                "radial": {
                    "type": "Tabulated",
                    "points": [POINT, {**POINT, "position": 1.0, "values": [1.0, 2.0]}],
                },
            },
        ),
        InvalidError,
        r"as many values as derivatives[^$]*\[1, 2\]",
    ),
]


@pytest.mark.parametrize(("change", "error", "message"), REFUSED)
def test_what_featomic_refuses(
    change: tuple[str, Any], error: type[JaxmetaError], message: str
) -> None:
    given = {**ALL, change[0]: change[1]}
    with pytest.raises((peer.FeatomicError, ValueError, TypeError, AttributeError)):
        peer.SphericalExpansion(**given)
    with pytest.raises(error, match=message):
        parse_hypers(**given)


def test_what_featomic_ignores_is_refused() -> None:
    with pytest.raises(MissingError, match=r"density has no entry 'sigma'"):
        parse_hypers(CUTOFF, {**DENSITY, "sigma": 1.0}, BASIS)
    step = {"type": "Step", "width": 1.0}
    with pytest.raises(MissingError, match=r"no entry 'width'"):
        parse_hypers({"radius": 4.0, "smoothing": step}, DENSITY, BASIS)
    twice = {"type": "Explicit", "by_angular": {1: RADIAL, "1": RADIAL}}
    with pytest.raises(InvalidError, match=r"one for each degree[^$]*\[1, '1'\]"):
        parse_hypers(CUTOFF, DENSITY, twice)
    points = {"type": "Tabulated", "points": [POINT, POINT]}
    with pytest.raises(InvalidError, match=r"more than once"):
        parse_hypers(CUTOFF, DENSITY, {**BASIS, "radial": points})
    points = {"type": "Tabulated", "points": [{**POINT, "values": 1.0}, POINT]}
    with pytest.raises(InvalidTypeError, match=r"list of numbers[^$]*float"):
        parse_hypers(CUTOFF, DENSITY, {**BASIS, "radial": points})


def test_objects_of_featomic() -> None:
    cutoff, density, basis = peer.cutoff, peer.density, peer.basis
    found = parse_hypers(
        cutoff.Cutoff(4.0, cutoff.ShiftedCosine(width=0.5)),
        density.Gaussian(
            width=0.3,
            center_atom_weight=0.5,
            scaling=density.Willatt2018(scale=2.0, rate=1.0, exponent=3),
        ),
        basis.TensorProduct(max_angular=2, radial=basis.Gto(max_radial=3, radius=4.0)),
    )
    scaling = Willatt2018(2.0, 1.0, 3.0)
    assert found == Hypers(
        Cutoff(4.0, ShiftedCosine(0.5)),
        Gaussian(0.3, center_atom_weight=0.5, scaling=scaling),
        TensorProduct(2, Gto(3, 4.0), 1e-8),
    )
    assert found.n_per_l == {0: 4, 1: 4, 2: 4}
    found = parse_hypers(
        cutoff.Cutoff(4.0, None),
        density.DiracDelta(),
        basis.Explicit(
            by_angular={
                5: basis.Monomials(angular_channel=2, max_radial=1, radius=3.0),
                0: basis.SphericalBessel(angular_channel=0, max_radial=3, radius=3.0),
            }
        ),
    )
    radials = ((0, SphericalBessel(3, 3.0, 0)), (5, Monomials(1, 3.0, 2)))
    assert found == Hypers(Cutoff(4.0, Step()), DiracDelta(), Explicit(radials))


@pytest.mark.parametrize("max_angular", [None, 0, 2])
@pytest.mark.parametrize("max_radial", [1, 4])
def test_laplacian_eigenstates(max_radial: int, max_angular: int | None) -> None:
    given = {"radius": 5.0, "max_radial": max_radial, "max_angular": max_angular}
    theirs = parse_hypers(CUTOFF, DENSITY, peer.basis.LaplacianEigenstate(**given))
    ours = parse_hypers(CUTOFF, DENSITY, {"type": "LaplacianEigenstate", **given})
    assert ours.basis == theirs.basis == laplacian_eigenstates(**given)
    sizes = list(ours.n_per_l.values())
    assert sizes[0] == max_radial + 1
    assert min(sizes) >= 1
    assert sizes == sorted(sizes, reverse=True)


def test_degrees_without_eigenstates_are_refused() -> None:
    assert laplacian_eigenstates(5.0, 0).max_angular == 0
    with pytest.raises(InvalidError, match=r"up to degree 2[^$]*max_angular is 9"):
        laplacian_eigenstates(5.0, 1, 9)


def test_zeros_of_bessel_functions() -> None:
    from scipy.special import jn_zeros, spherical_jn

    for degree in range(13):
        zeros = np.array(bessel_zeros(degree, 10))
        np.testing.assert_allclose(spherical_jn(degree, zeros), 0, atol=1e-15)
        assert (np.diff(zeros) > 3).all()
    # None is skipped: between zeros of neighbouring whole orders lies one of the half.
    for degree in range(1, 12):
        zeros = np.array(bessel_zeros(degree, 10))
        assert (jn_zeros(degree, 10) < zeros).all()
        assert (zeros < jn_zeros(degree + 1, 10)).all()


def test_bases_of_this_library() -> None:
    def function(r: np.ndarray, n: int) -> np.ndarray:
        return r**n

    for radial in (
        SphericalBessel(2, 4.0),
        Monomials(2, 4.0, 1),
        Bernstein(2, 4.0),
        RadialFunctions(function, 2, 4.0),
    ):
        basis = TensorProduct(1, radial)
        found = parse_hypers(CUTOFF, DENSITY, basis.to_dict())
        assert found == parse_hypers(CUTOFF, DENSITY, basis)
        assert found.basis.by_angular == {0: radial, 1: radial}
        assert hash(found) == hash(parse_hypers(CUTOFF, DENSITY, basis))


def test_radial_spectra_have_no_angles() -> None:
    basis = {"radial": RADIAL, "spline_accuracy": 1e-2}
    peer.SoapRadialSpectrum(cutoff=CUTOFF, density=DENSITY, basis=basis)
    found = parse_hypers(CUTOFF, DENSITY, basis, radial_spectrum=True)
    assert found.basis == TensorProduct(0, Gto(3), 1e-2)
    with pytest.raises(MissingError, match=r"no entry 'type'"):
        parse_hypers(CUTOFF, DENSITY, BASIS, radial_spectrum=True)
    with pytest.raises(MissingError, match=r"'type' is missing"):
        parse_hypers(CUTOFF, DENSITY, basis)


LODE: dict[str, Any] = {
    "density": {"type": "SmearedPowerLaw", "smearing": 1.5, "exponent": 1},
    "basis": {**BASIS, "radial": {**RADIAL, "radius": 3.0}},
}


@pytest.mark.parametrize("k_cutoff", [None, 2, 3.5])
def test_long_range(k_cutoff: float | None) -> None:
    peer.LodeSphericalExpansion(**LODE, k_cutoff=k_cutoff)
    found = parse_lode_hypers(**LODE, k_cutoff=k_cutoff)
    assert found.k_cutoff == (1.2 * np.pi / 1.5 if k_cutoff is None else k_cutoff)
    assert parse_lode_hypers(**found.to_dict()) == found
    peer.LodeSphericalExpansion(**found.to_dict())
    assert found.n_per_l == {0: 4, 1: 4, 2: 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density": DENSITY}, r"only SmearedPowerLaw[^$]*found Gaussian"),
        ({"density": {**LODE["density"], "exponent": 10}}, r"below 10[^$]*10"),
        ({"density": {**LODE["density"], "scaling": WILLATT}}, r"with a scaling"),
    ],
)
def test_what_is_not_long_ranged(change: dict[str, Any], message: str) -> None:
    with pytest.raises(peer.FeatomicError):
        peer.LodeSphericalExpansion(**{**LODE, **change})
    with pytest.raises(InvalidError, match=message):
        parse_lode_hypers(**{**LODE, **change})
    with pytest.raises(InvalidError, match=r"k_cutoff must be above zero"):
        parse_lode_hypers(**LODE, k_cutoff=0)


def test_points_keep_their_order_and_center() -> None:
    table = {**TABLE, "points": TABLE["points"][::-1], "center_contribution": [2.0]}
    found = parse_hypers(CUTOFF, {"type": "DiracDelta"}, {**BASIS, "radial": table})
    expected = Tabulated((0.0, 4.0), ((1.0,), (1.0,)), ((0.5,), (0.5,)), (2.0,))
    assert found.basis.by_angular[1] == expected
    assert expected.to_dict() == {**TABLE, "center_contribution": [2.0]}
