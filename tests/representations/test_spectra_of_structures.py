"""Spectra from structures up: featomic's, compiled, and turned as structures are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase
import jax
import numpy as np
import pytest
from representations.any_order import assert_same_rows
from representations.dimers import peer as featomic
from representations.featomic_peer import Peer, assert_close, crystal, here, molecules
from representations.real_structures import frames, hypers

import jaxmeta as jm
from jaxmeta import Labels
from jaxmeta.atomistic import to_batch
from jaxmeta.errors import InvalidTypeError
from jaxmeta.interop.ase import to_systems
from jaxmeta.representations import (
    EquivariantPowerSpectrum,
    EquivariantPowerSpectrumByPair,
    LodeSphericalExpansion,
    NeighborList,
    PowerSpectrum,
    SoapPowerSpectrum,
    SortedDistances,
    SphericalExpansion,
    SphericalExpansionByPair,
)
from jaxmeta.testing import (
    random_rotations,
    transform_cell,
    transform_positions,
    transform_tensor,
)


SMALL = hypers(3.0, 1, 1)
FAR = {
    "density": {"type": "SmearedPowerLaw", "smearing": 1.5, "exponent": 1},
    "basis": {
        "type": "TensorProduct",
        "max_angular": 1,
        "radial": {"type": "Gto", "max_radial": 1, "radius": 3.0},
    },
}


def test_files_of_lambda_soap_and_long_range(data_folder: Path) -> None:
    soap = SphericalExpansion(**hypers(4.0, 2, 2))
    selected = Labels(["o3_lambda", "o3_sigma"], [[0, 1], [1, 1], [2, 1]])
    found = EquivariantPowerSpectrum(soap).compute(
        to_systems(frames("ethanol", 3)),
        neighbors_to_properties=True,
        selected_keys=selected,
    )
    expected = jm.load(data_folder / "feat_lambda_soap_ethanol3.mts")
    assert_close(found, expected, 1e-11)
    basis = {**FAR["basis"], "max_angular": 2}
    basis["radial"] = {"type": "Gto", "max_radial": 2, "radius": 4.0}
    density = {"type": "SmearedPowerLaw", "smearing": 1.2, "exponent": 1}
    lode = LodeSphericalExpansion(density=density, basis=basis)
    found = PowerSpectrum(soap, lode).compute(
        to_systems(frames("lithium", 1)), gradients=["positions"]
    )
    expected = jm.load(data_folder / "feat_ps_soap_x_lode_li3ps4_1_pos.mts")
    assert_close(found, expected, 1e-11)


@pytest.mark.parametrize("moves", [True, pytest.param(False, marks=pytest.mark.long)])
def test_featomic_by_pair(moves: bool) -> None:
    found = EquivariantPowerSpectrumByPair(
        SphericalExpansion(**SMALL), SphericalExpansionByPair(**SMALL)
    ).compute(to_systems(molecules()), neighbors_to_properties=moves)
    kinds = (featomic.SphericalExpansion, featomic.SphericalExpansionByPair)
    peer = Peer.EquivariantPowerSpectrumByPair(*(kind(**SMALL) for kind in kinds))
    expected = here(peer.compute(molecules(), neighbors_to_properties=moves))
    assert_same_rows(found, expected, 1e-12)


def test_programs_of_short_and_long_range() -> None:
    """Padded batches, with waves as an argument, give what `compute` gives."""
    systems = to_systems([crystal()])
    lode = LodeSphericalExpansion(**FAR)
    spectrum = PowerSpectrum(SphericalExpansion(**SMALL), lode, [11, 17])
    assert spectrum.requested_neighbor_lists()[0].cutoff == 3.0
    batch = to_batch(systems, spectrum.requested_neighbor_lists(), room="rounded")
    program = jax.jit(lambda batch, waves: spectrum(batch, k_vectors=waves))
    found = jm.unpad(program(batch, lode.k_vectors(batch)))
    assert_close(found, spectrum.compute(systems), 1e-12)


def test_programs_of_equivariant_spectra() -> None:
    systems = to_systems(molecules())
    spectrum = EquivariantPowerSpectrum(SphericalExpansion(**SMALL), None, [1, 7, 8])
    batch = to_batch(systems, 3.0)
    program = jax.jit(lambda batch: spectrum(batch, neighbors_to_properties=True))
    expected = spectrum.compute(systems, neighbors_to_properties=True)
    assert_close(program(batch), expected, 1e-12)


def test_one_expansion_is_multiplied_with_itself() -> None:
    systems = to_systems(molecules()[:1])
    found = PowerSpectrum(SphericalExpansion(**SMALL)).compute(systems)
    soap = (
        SoapPowerSpectrum(**SMALL)
        .compute(systems)
        .block(center_type=8, neighbor_1_type=1, neighbor_2_type=1)
    )
    hydrogen = {"neighbor_1_type": [1], "neighbor_2_type": [1]}
    mine = found.sel(properties=hydrogen).block(center_type=8)
    np.testing.assert_allclose(mine.values, soap.values, rtol=0, atol=1e-13)


# Rotations ------------------------------------------------------------------------------

REPRESENTATIONS: dict[str, Any] = {
    "expansion": SphericalExpansion(**SMALL),
    "pairs": SphericalExpansionByPair(**SMALL),
    "neighbors": NeighborList(cutoff=3.0, full_neighbor_list=True),
    "soap": SoapPowerSpectrum(**SMALL),
    "distances": SortedDistances(cutoff=3.0, max_neighbors=4, separate_neighbor_types=True),
    "lode": LodeSphericalExpansion(**FAR),
    "lambda soap": EquivariantPowerSpectrum(SphericalExpansion(**SMALL)),
    "soap x lode": PowerSpectrum(
        SphericalExpansion(**SMALL), LodeSphericalExpansion(**FAR)
    ),
}
SLOW = ("pairs", "soap x lode", "lambda soap")


def turned(atoms: ase.Atoms, matrix: np.ndarray) -> ase.Atoms:
    found = atoms.copy()
    found.positions = transform_positions(atoms.positions, matrix)
    found.set_cell(transform_cell(atoms.cell.array, matrix))
    return found


def renamed(tensor: jm.TensorMap) -> jm.TensorMap:
    """Components that turn, by names that say so."""
    blocks = []
    for block in tensor.blocks():
        names = [c.names[0] for c in block.components]
        if names == ["pair_xyz"]:
            xyz = [Labels.range("xyz_3", 3)]
            gradients = {
                name: jm.TensorBlock(
                    each.values,
                    each.samples,
                    [*each.components[:-1], *xyz],
                    each.properties,
                )
                for name, each in block.gradients()
            }
            axes = (block.samples, xyz, block.properties)
            block = jm.TensorBlock(block.values, *axes, gradients)
        blocks.append(block)
    return jm.TensorMap(tensor.keys, blocks)


@pytest.mark.parametrize("improper", [True, pytest.param(False, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.long] * (n in SLOW)) for n in REPRESENTATIONS],
)
def test_turned_structures(name: str, improper: bool) -> None:
    """Of turned structures they are turned, also their gradients."""
    atoms = crystal()
    matrix = random_rotations(1, seed=5, improper=improper)[0]
    asked: dict[str, Any] = {"gradients": ["positions", "strain"]}
    if "lode" in name:
        asked = {"gradients": ["positions"]}
    if name == "distances":
        asked = {}
    before, after = (
        REPRESENTATIONS[name].compute(to_systems([each]), **asked)
        for each in (atoms, turned(atoms, matrix))
    )
    expected = transform_tensor(renamed(before), matrix)
    jm.allclose_raise(renamed(after), expected, rtol=0, atol=1e-10)


def test_faults_of_spectra(wrong_types: None) -> None:
    with pytest.raises(InvalidTypeError, match="calculator_1 is of no kind that fits"):
        PowerSpectrum(SoapPowerSpectrum(**SMALL))  # type: ignore[arg-type]
    with pytest.raises(
        InvalidTypeError, match=r"calculator_2 .*\n.*SphericalExpansionByPair"
    ):
        EquivariantPowerSpectrumByPair(SphericalExpansion(**SMALL))
