"""Representations of featomic: labels, gradients against finite differences, batches."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import ase
import featomic
import jax
import metatensor as mts
import numpy as np
import pytest
from ase.build import bulk, molecule
from metatensor_oracle import assert_same_map

import jaxmeta as jm
from jaxmeta import errors
from jaxmeta.interop.featomic import STRAIN, compute


HYPERS: dict[str, Any] = {
    "cutoff": {"radius": 3.5, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
    "density": {"type": "Gaussian", "width": 0.4},
    "basis": {
        "type": "TensorProduct",
        "max_angular": 2,
        "radial": {"type": "Gto", "max_radial": 1},
    },
}
SOAP = featomic.SoapPowerSpectrum(**HYPERS)
# Strain gradients of invariants are symmetric; those of vectors tell rows from columns.
EXPANSION = featomic.SphericalExpansion(**HYPERS)


def crystal() -> ase.Atoms:
    """A distorted crystal in a skewed cell."""
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    rng = np.random.default_rng(3)
    atoms.set_cell(atoms.cell.array + rng.normal(scale=0.2, size=(3, 3)), scale_atoms=True)
    atoms.positions += rng.normal(scale=0.2, size=atoms.positions.shape)
    return atoms


def test_values_and_labels_are_featomics() -> None:
    frames = [molecule("CH3CH2OH"), molecule("H2O")]
    ours = compute(SOAP, frames, "positions")
    assert_same_map(ours, SOAP.compute(frames, gradients=["positions"]))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(ours))


def test_one_structure_is_a_list_of_one() -> None:
    water = molecule("H2O")
    assert jm.equal(compute(SOAP, water), compute(SOAP, [water]))


def strained(atoms: ase.Atoms, row: int, column: int, step: float) -> ase.Atoms:
    """Positions and cell multiplied by 1 + strain from the right."""
    matrix = np.eye(3)
    matrix[row, column] += step
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ matrix)
    moved.positions = atoms.positions @ matrix
    return moved


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(3))
def test_strain_gradients_are_named_as_finite_differences_say(
    row: int, column: int
) -> None:
    atoms, step = crystal(), 1e-4
    here = compute(EXPANSION, atoms, "strain", strain_names=STRAIN)
    up = compute(EXPANSION, strained(atoms, row, column, step))
    down = compute(EXPANSION, strained(atoms, row, column, -step))
    asymmetry = 0.0
    for block, above, below in zip(here, up, down, strict=True):
        gradient = block.gradient("strain")
        names = [component.names[0] for component in gradient.components]
        assert names == ["xyz_1", "xyz_2", "o3_mu"]
        numerical = (above.values - below.values) / (2 * step)
        analytical = gradient.values[:, row, column]
        scale = np.abs(gradient.values).max()
        np.testing.assert_allclose(analytical, numerical, rtol=0, atol=1e-6 * scale)
        asymmetry = max(
            asymmetry, np.abs(analytical - gradient.values[:, column, row]).max()
        )
    assert row == column or asymmetry > 1e-2


def test_names_of_strain_components() -> None:
    def names(**options: Any) -> list[str]:
        gradient = compute(SOAP, crystal(), ["strain"], **options)[0].gradient("strain")
        return [component.names[0] for component in gradient.components]

    assert names() == ["xyz_2", "xyz_1"]
    assert names(strain_names=STRAIN) == ["xyz_1", "xyz_2"]
    assert names(strain_names=("row", "column")) == ["row", "column"]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_batches_change_nothing(batch_size: int) -> None:
    # Types come and go from batch to batch: keys differ, and appear out of order.
    names = ["H2O", "NaCl", "CH3CH2OH", "CH4", "H2O"]
    frames = [molecule(name) for name in names]
    batched = compute(SOAP, frames, "positions", batch_size=batch_size)
    jm.equal_raise(batched, compute(SOAP, frames, "positions"))


def test_batches_count_systems_in_pairs_too() -> None:
    calculator = featomic.NeighborList(cutoff=3.0, full_neighbor_list=True)
    frames = [molecule(name) for name in ("H2O", "CH4", "H2O")]
    batched = compute(calculator, frames, "positions", batch_size=2)
    jm.equal_raise(batched, compute(calculator, frames, "positions"))


def test_batches_without_any_key() -> None:
    nothing = ase.Atoms()
    assert len(compute(SOAP, [nothing, nothing], batch_size=1)) == 0


def test_transform_is_applied_to_every_batch() -> None:
    frames = [molecule(name) for name in ("H2O", "CH4", "H2O")]
    sizes = []

    def per_system(tensor: jm.TensorMap) -> jm.TensorMap:
        sizes.append(len(np.unique(np.concatenate([b.samples["system"] for b in tensor]))))
        return jm.sum_over_samples(tensor, "atom")

    options: dict[str, Any] = {"gradients": "positions", "transform": per_system}
    batched = compute(SOAP, frames, batch_size=2, **options)
    whole = compute(SOAP, frames, **options)
    assert sizes == [2, 1, 3]
    jm.allclose_raise(batched, whole)


def test_options_reach_featomic() -> None:
    first = mts.Labels("atom", np.array([[0]]))
    frames = [molecule("H2O"), molecule("CH4")]
    some = compute(SOAP, frames, selected_samples=first, batch_size=1)
    rows = {tuple(entry.values.tolist()) for block in some for entry in block.samples}
    assert rows == {(0, 0), (1, 0)}


def test_systems_can_not_be_selected_in_batches() -> None:
    selection = mts.Labels("system", np.array([[1]]))
    frames = [molecule("H2O")] * 2
    with pytest.raises(errors.InvalidError, match="batch_size=1"):
        compute(SOAP, frames, selected_samples=selection, batch_size=1)


def test_batches_hold_a_structure_at_least() -> None:
    with pytest.raises(errors.InvalidError, match="found 0"):
        compute(SOAP, [molecule("H2O")], batch_size=0)


def test_something_else_than_a_calculator() -> None:
    with pytest.raises(errors.InvalidTypeError, match=r"featomic\.SoapPowerSpectrum"):
        compute({"cutoff": 3.0}, [molecule("H2O")])


def test_float64_without_x64_is_never_rounded() -> None:
    with jax.enable_x64(False), pytest.raises(errors.PrecisionError, match="float64"):
        compute(SOAP, molecule("H2O"))


@pytest.mark.parametrize("package", ["featomic", "metatensor"])
def test_without_the_packages(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for room in ("metatensor", "featomic"):
        monkeypatch.delitem(sys.modules, f"jaxmeta.interop.{room}", raising=False)
    with pytest.raises(errors.MissingExtraError, match=rf"jaxmeta\[{package}\]"):
        importlib.import_module("jaxmeta.interop.featomic")
