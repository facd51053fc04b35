"""Expansions and spectra are those of featomic: keys, labels, values, gradients."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from representations.featomic_peer import featomic
from representations.real_structures import FILES, frames, hypers

import jaxmeta as jm
from jaxmeta import representations
from jaxmeta.atomistic import Room, System, to_batch
from jaxmeta.interop.ase import to_systems
from jaxmeta.interop.metatensor import from_metatensor
from jaxmeta.representations._calculator import _values


CALCULATORS = ["SphericalExpansion", "SoapRadialSpectrum", "SoapPowerSpectrum"]


def both(name: str, given: dict[str, Any], atoms: list[Any], gradients: list[str]):
    """What jaxmeta and featomic give; the names of strain's axes are featomic's."""
    if name == "SoapRadialSpectrum":
        given = {**given, "basis": {"radial": given["basis"]["radial"]}}
    ours = getattr(representations, name)(**given)
    theirs = getattr(featomic, name)(**given)
    reference = from_metatensor(theirs.compute(atoms, gradients=gradients))
    return ours.compute(to_systems(atoms), gradients=gradients), reference


def assert_equal(found: jm.TensorMap, expected: jm.TensorMap, tolerance: float) -> None:
    assert found.keys == expected.keys
    for key, block in expected.items():
        mine = found.block(key)
        assert mine.samples == block.samples
        assert mine.components == block.components
        assert mine.properties == block.properties
        np.testing.assert_allclose(mine.values, block.values, rtol=0, atol=tolerance)
        for name, gradient in block.gradients():
            own = mine.gradient(name)
            assert own.samples == gradient.samples
            assert [len(c) for c in own.components] == [len(c) for c in gradient.components]
            np.testing.assert_allclose(
                own.values, gradient.values, rtol=0, atol=100 * tolerance
            )


@pytest.mark.parametrize("calculator", CALCULATORS)
@pytest.mark.parametrize("name", ["ethanol", "carbon", "crystals"])
def test_numbers_labels_and_gradients(calculator: str, name: str) -> None:
    atoms = frames(name)
    periodic = bool(atoms[0].pbc.all())
    gradients = ["positions", "strain"] if periodic else ["positions"]
    found, expected = both(calculator, hypers(3.5, 2, 2), atoms, gradients)
    assert_equal(found, expected, 1e-12)


@pytest.mark.long
@pytest.mark.parametrize("calculator", CALCULATORS)
@pytest.mark.parametrize("name", list(FILES))
def test_every_file(calculator: str, name: str) -> None:
    found, expected = both(calculator, hypers(), frames(name, 10), [])
    assert_equal(found, expected, 1e-11)


OTHERS = {
    "step": {"cutoff": {"radius": 3.0, "smoothing": {"type": "Step"}}},
    "no center": {"density": {"type": "Gaussian", "width": 0.4, "center_atom_weight": 0.0}},
    "scaled": {
        "density": {
            "type": "Gaussian",
            "width": 0.3,
            "scaling": {"type": "Willatt2018", "scale": 2.0, "rate": 1.0, "exponent": 4},
        }
    },
    "explicit": {
        "basis": {
            "type": "Explicit",
            "by_angular": {
                1: {"type": "Gto", "max_radial": 2},
                3: {"type": "Gto", "max_radial": 4},
            },
        }
    },
}


@pytest.mark.parametrize("name", list(OTHERS))
def test_other_hyper_parameters(name: str) -> None:
    given = {**hypers(3.5, 2, 2), **OTHERS[name]}
    calculator = "SphericalExpansion"
    found, expected = both(calculator, given, frames("ethanol"), ["positions"])
    assert_equal(found, expected, 1e-12)


def test_single_precision() -> None:
    atoms = frames("crystals")
    given = hypers(3.5, 2, 2)
    found = representations.SoapPowerSpectrum(**given).compute(
        to_systems(atoms), gradients=["positions"], dtype="float32"
    )
    expected = from_metatensor(
        featomic.SoapPowerSpectrum(**given).compute(atoms, gradients=["positions"])
    )
    assert found.dtype == np.float32
    for key, block in expected.items():
        mine = found.block(key)
        np.testing.assert_allclose(mine.values, block.values, rtol=0, atol=3e-6)
        np.testing.assert_allclose(
            mine.gradient("positions").values,
            block.gradient("positions").values,
            rtol=0,
            atol=3e-5,
        )


def test_programs_are_compiled_once_for_similar_systems() -> None:
    atoms = frames("ethanol", 12)
    soap = representations.SoapPowerSpectrum(**hypers(3.5, 1, 1))
    soap.compute(to_systems(atoms[:6]))
    before = _values._cache_size()
    soap.compute(to_systems(atoms[6:12]))
    assert _values._cache_size() == before


@pytest.mark.parametrize(
    "calculator",
    [
        pytest.param(name, marks=[pytest.mark.long] * (name != "SoapPowerSpectrum"))
        for name in CALCULATORS
    ],
)
def test_batches_are_what_all_at_once_are(calculator: str) -> None:
    given = hypers(3.0, 1, 1)
    if calculator == "SoapRadialSpectrum":
        given = {**given, "basis": {"radial": given["basis"]["radial"]}}
    # The second crystal has an element that the first one has not.
    systems = to_systems([frames("ethanol", 1)[0], *frames("crystals", 2)])
    of = getattr(representations, calculator)(**given)
    whole = of.compute(systems, gradients=["positions"])
    parts = of.compute(systems, gradients=["positions"], batch_size=1)
    jm.allclose_raise(parts, whole, rtol=0, atol=1e-13)
    summed = of.compute(
        systems, batch_size=2, transform=lambda t: jm.sum_over_samples(t, "atom")
    )
    expected = jm.sum_over_samples(jm.remove_gradients(whole), "atom")
    jm.allclose_raise(summed, expected, rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="at least 1"):
        of.compute(systems, batch_size=0)


def test_without_double_precision() -> None:
    atoms = frames("ethanol", 1)
    soap = representations.SoapPowerSpectrum(**hypers(3.0, 1, 1))
    expected = soap.compute(to_systems(atoms), gradients=["positions"])
    with jax.enable_x64(False):
        systems = to_systems(atoms, dtype="float32")
        found = soap.compute(systems, gradients=["positions"])
    for key, block in expected.items():
        np.testing.assert_allclose(found.block(key).values, block.values, atol=2e-6)


def test_types_without_room_have_no_rows() -> None:
    water = System([[0.0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]], [8, 1, 1])
    soap = representations.SoapPowerSpectrum(**hypers(3.0, 1, 1))
    room = Room(systems=1, atoms=3, pairs=6, centers={1: 2, 6: 0, 8: 1})
    found = soap(to_batch(water, 3.0, room=room))
    pair = {"neighbor_1_type": 1, "neighbor_2_type": 8}
    assert found.block(center_type=6, **pair).shape[0] == 0
    of_oxygen = soap.compute(water).block(center_type=8, **pair).values
    assert len(of_oxygen) == 1
    np.testing.assert_allclose(
        found.block(center_type=8, **pair).values, of_oxygen, atol=1e-14
    )
