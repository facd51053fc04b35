"""Sorted distances and compositions are those of featomic, and go through programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase
import jax
import numpy as np
import pytest
from representations.dimers import peer as featomic
from representations.featomic_peer import assert_close, crystal, here, molecules
from representations.real_structures import frames

import jaxmeta as jm
from jaxmeta import Labels
from jaxmeta.atomistic import System, to_batch
from jaxmeta.errors import InvalidError, InvalidTypeError
from jaxmeta.interop.ase import to_systems
from jaxmeta.representations import AtomicComposition, SortedDistances


def structures() -> list[ase.Atoms]:
    far = ase.Atoms("HOO", [[0, 0, 0], [1, 0, 0], [9, 9, 9]])
    return [*molecules(), crystal(), far, ase.Atoms("H", cell=[1.0, 1.1, 1.2], pbc=True)]


@pytest.mark.parametrize("separate", [True, False])
def test_distances_of_featomic(separate: bool) -> None:
    given = {"cutoff": 2.5, "max_neighbors": 7, "separate_neighbor_types": separate}
    found = SortedDistances(**given).compute(to_systems(structures()))
    assert_close(found, here(featomic.SortedDistances(**given).compute(structures())))


@pytest.mark.parametrize("per_system", [True, False])
def test_compositions_of_featomic(per_system: bool) -> None:
    asked = ["positions", "strain"]
    found = AtomicComposition(per_system=per_system).compute(
        to_systems(structures()), gradients=asked
    )
    peer = featomic.AtomicComposition(per_system=per_system)
    expected = here(peer.compute(structures(), gradients=["positions"]))
    assert_close(jm.remove_gradients(found, ["strain"]), expected)
    for block in found.blocks():
        strain = block.gradient("strain")
        assert strain.shape == (block.shape[0], 3, 3, 1)
        assert not np.any(strain.values)


def test_files_of_both(data_folder: Path) -> None:
    found = AtomicComposition(per_system=True).compute(to_systems(frames("mad", 50)))
    assert_close(found, jm.load(data_folder / "feat_composition_mad50.mts"))
    nearest = SortedDistances(cutoff=4.0, max_neighbors=20, separate_neighbor_types=True)
    found = nearest.compute(to_systems(frames("ethanol")))
    assert_close(found, jm.load(data_folder / "feat_sorteddist_ethanol2.mts"))


def test_padding_and_longer_lists_change_nothing() -> None:
    systems = to_systems(structures())
    nearest = SortedDistances(cutoff=2.5, max_neighbors=4, separate_neighbor_types=False)
    exact, padded = (to_batch(systems, 3.0, room=room) for room in (None, "rounded"))
    program = jax.jit(nearest.__call__)
    expected = nearest.compute(systems)
    assert_close(jm.unpad(program(padded)), expected, 1e-14)
    assert_close(program(exact), expected, 1e-14)
    for per_system in (True, False):
        composition = jax.jit(AtomicComposition(per_system=per_system).__call__)
        assert_close(jm.unpad(composition(padded)), composition(exact))


def test_derivatives_of_distances() -> None:
    """Against differences; the cutoff that stands for no neighbour does not move."""
    batch = to_batch(to_systems(molecules()), 2.5)
    nearest = SortedDistances(cutoff=2.5, max_neighbors=4, separate_neighbor_types=True)

    def total(positions: Any) -> Any:
        found = nearest(batch.replace(positions=positions)).blocks()
        return sum((np.arange(1.0, 5.0)[None] * b.values**2).sum() for b in found)

    value, slope = jax.jit(jax.value_and_grad(total))(batch.positions)
    step = 1e-6 * np.random.default_rng(0).normal(size=batch.positions.shape)
    near = jax.jit(total)
    difference = near(batch.positions + step) - near(batch.positions - step)
    np.testing.assert_allclose(difference, 2 * (slope * step).sum(), rtol=1e-7)
    assert np.isfinite(value)


def test_atoms_on_one_another_have_finite_derivatives() -> None:
    system = System(np.zeros((2, 3)), [1, 1])
    batch = to_batch(system, 2.5)
    nearest = SortedDistances(cutoff=2.5, max_neighbors=2, separate_neighbor_types=False)
    np.testing.assert_allclose(nearest(batch)[0].values, [[0.0, 2.5]] * 2, atol=1e-11)
    slope = jax.grad(lambda x: nearest(batch.replace(positions=x))[0].values.sum())
    assert np.isfinite(slope(batch.positions)).all()


def test_selected_atoms() -> None:
    batch = to_batch(to_systems(molecules()), 2.5)
    some = batch.select(Labels(["system", "atom"], [[0, 1], [1, 0]]))
    nearest = SortedDistances(cutoff=2.5, max_neighbors=3, separate_neighbor_types=False)
    whole, found = nearest(batch), nearest(some)
    samples: Any = found.block(center_type=1).samples
    assert samples.values.tolist() == [[0, 1]]
    of_whole: Any = whole.block(center_type=1).samples
    row = of_whole.position([0, 1])
    expected = whole.block(center_type=1).values[row]
    assert found.block(center_type=1).values[0].tolist() == expected.tolist()
    counts = AtomicComposition(per_system=True)(some)
    assert [block.values.ravel().tolist() for block in counts.blocks()] == [
        [1.0, 0.0],
        [0.0, 1.0],
        [0.0, 0.0],
    ]


def test_faults_of_both(wrong_types: None) -> None:
    given = {"cutoff": 2.5, "max_neighbors": 3, "separate_neighbor_types": True}
    with pytest.raises(InvalidError, match="max_neighbors must be at least 1"):
        SortedDistances(**{**given, "max_neighbors": 0})
    with pytest.raises(InvalidTypeError, match="max_neighbors must be an integer"):
        SortedDistances(**{**given, "max_neighbors": 2.5})
    with pytest.raises(InvalidTypeError, match="cutoff must be a number"):
        SortedDistances(**{**given, "cutoff": "far"})
    with pytest.raises(InvalidError, match="there is no gradient"):
        SortedDistances(**given).compute(to_systems(molecules()), gradients=["positions"])
    with pytest.raises(InvalidTypeError, match="per_system is True or False"):
        AtomicComposition(per_system=None)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="there is no gradient 'charge'"):
        AtomicComposition(per_system=True).compute(
            to_systems(molecules()), gradients=["charge"]
        )
