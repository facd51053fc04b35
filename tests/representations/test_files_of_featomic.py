"""Files that featomic wrote are reproduced from their structures.

Those of pairs, long range, lambda-SOAP, distances and compositions are beside their tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from representations.any_order import assert_same_rows
from representations.real_structures import frames, hypers

import jaxmeta as jm
from jaxmeta import representations
from jaxmeta.interop.ase import to_systems


class File(NamedTuple):
    """How a file was made."""

    name: str
    calculator: str
    structures: tuple[str, int]
    hypers: dict[str, Any]
    gradients: list[str]


FILES = [
    File(
        "feat_soap_ps_ethanol2_pos",
        "SoapPowerSpectrum",
        ("ethanol", 2),
        hypers(4.0, 3, 2),
        ["positions"],
    ),
    File(
        "feat_spex_ethanol5_pos",
        "SphericalExpansion",
        ("ethanol", 5),
        hypers(4.0, 3, 3),
        ["positions"],
    ),
    File(
        "feat_spex_carbon3_pos_cell_strain",
        "SphericalExpansion",
        ("carbon", 3),
        hypers(4.0, 3, 3),
        ["positions", "strain"],
    ),
    File(
        "feat_soap_radial_li3ps4_3",
        "SoapRadialSpectrum",
        ("lithium", 3),
        hypers(4.0, 0, 5),
        ["positions", "strain"],
    ),
]
LARGE = [
    File(
        "feat_soap_ps_carbon3_pos_cell_strain",
        "SoapPowerSpectrum",
        ("carbon", 3),
        hypers(4.0, 4, 3),
        ["positions", "strain"],
    ),
    File(
        "feat_soap_ps_ethanol8_pos_medium",
        "SoapPowerSpectrum",
        ("ethanol", 8),
        hypers(4.0, 4, 4),
        ["positions"],
    ),
    File(
        "feat_soap_ps_crystal2_pos_strain_medium",
        "SoapPowerSpectrum",
        ("crystals", 2),
        hypers(3.0, 3, 2),
        ["positions", "strain"],
    ),
    File(
        "feat_spex_mad50_values_multielement",
        "SphericalExpansion",
        ("mad", 50),
        hypers(4.0, 2, 2),
        [],
    ),
]


@pytest.mark.parametrize(
    "file",
    [*FILES, *(pytest.param(each, marks=pytest.mark.long) for each in LARGE)],
    ids=lambda file: file.name,
)
def test_values_and_gradients(file: File, data_folder: Path) -> None:
    given = file.hypers
    if file.calculator == "SoapRadialSpectrum":
        given = {**given, "basis": {"radial": given["basis"]["radial"]}}
    calculator = getattr(representations, file.calculator)(**given)
    systems = to_systems(frames(*file.structures))
    found = calculator.compute(systems, gradients=file.gradients)
    expected = jm.load(data_folder / f"{file.name}.mts")
    if "cell" in expected[0].gradients_list():  # the same as by strain, in other words
        expected = jm.remove_gradients(expected, ["cell"])
    assert expected[0].gradients_list() == sorted(file.gradients)
    assert_same_rows(found, expected, 1e-12)
    for key, block in expected.items():
        assert found.block(key).samples == block.samples
