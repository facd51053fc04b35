"""The data sets that come with jaxmeta: sizes, labels, units, physics."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta import datasets, errors


SIZES = {"ethylene_glycol": (304, 10), "sodium_chloride": (120, 32)}


@pytest.fixture(params=sorted(SIZES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_names() -> None:
    assert datasets.names() == sorted(SIZES)


def test_sizes(name: str) -> None:
    frames, targets = datasets.load(name)
    structures, atoms = SIZES[name]
    assert len(frames) == structures
    assert {len(frame) for frame in frames} == {atoms}
    block = targets.block()
    assert block.samples == jm.Labels.range("system", structures)
    assert block.gradient("positions").shape == (structures * atoms, 3, 1)
    assert block.has_gradient("strain") == frames[0].pbc.all()


def test_no_structure_stands_twice(name: str) -> None:
    found = [
        np.sort(frame.get_all_distances(mic=frame.pbc.any()).ravel())
        for frame in datasets.load(name).frames
    ]
    pairs = itertools.combinations(found, 2)
    assert min(np.abs(one - other).max() for one, other in pairs) > 1e-3


def test_units_and_method_are_told(name: str) -> None:
    info = datasets.load(name).targets.info()
    assert info["energy_unit"] == "eV"
    assert info["length_unit"] == "angstrom"
    assert "pyscf" in info["method"] or "tblite" in info["method"]


def test_numbers_are_those_of_the_file(name: str) -> None:
    frames, targets = datasets.load(name)
    block, frame = targets.block(), frames[7]
    assert float(block.values[7, 0]) == frame.get_potential_energy()
    rows = block.gradient("positions")
    own = rows.samples.select(jm.Labels("system", [[7]]))
    np.testing.assert_array_equal(rows.values[own, :, 0], -frame.get_forces())
    if block.has_gradient("strain"):
        stress = frame.get_stress(voigt=False)
        strain = block.gradient("strain").values[7, ..., 0]
        np.testing.assert_allclose(strain, frame.get_volume() * stress, rtol=1e-12)


def test_forces_on_a_whole_structure_vanish(name: str) -> None:
    for frame in datasets.load(name).frames:
        assert np.abs(frame.get_forces().sum(axis=0)).max() < 5e-3


def test_the_stress_of_crystals_favours_no_direction() -> None:
    """Cells are equal in all directions, so the average over frames must be so too."""
    strain = datasets.load("sodium_chloride").targets.block().gradient("strain")
    diagonal = np.stack([strain.values[:, a, a, 0] for a in range(3)])
    average = diagonal.mean(axis=1)
    uncertainty = diagonal.std(axis=1) / np.sqrt(diagonal.shape[1])
    assert np.ptp(average) < 4 * uncertainty.max()


def test_another_name() -> None:
    with pytest.raises(errors.MissingError, match="did you mean 'sodium_chloride'"):
        datasets.load("sodium chloride")


def test_without_ase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ase", None)
    monkeypatch.delitem(sys.modules, "jaxmeta.interop.ase", raising=False)
    with pytest.raises(errors.MissingExtraError, match=r'pip install "jaxmeta\[ase\]"'):
        datasets.load("sodium_chloride")
