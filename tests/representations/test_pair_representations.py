"""Representations of pairs are those of featomic, on the host and in programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representations.any_order import assert_same_rows
from representations.dimers import peer as featomic
from representations.featomic_peer import assert_close, here, molecules
from representations.real_structures import frames, hypers, two_slabs

import jaxmeta as jm
from jaxmeta import Labels
from jaxmeta.atomistic import Room, to_batch
from jaxmeta.errors import InvalidError, InvalidTypeError
from jaxmeta.interop.ase import to_systems
from jaxmeta.representations import (
    NeighborList,
    SphericalExpansion,
    SphericalExpansionByPair,
)


SMALL = hypers(3.5, 1, 1)
PAIRS = {
    "half": {"full_neighbor_list": False},
    "full": {"full_neighbor_list": True},
    "half, own": {"full_neighbor_list": False, "self_pairs": True},
    "full, own": {"full_neighbor_list": True, "self_pairs": True},
}


def small_crystals() -> list[ase.Atoms]:
    """Cells smaller than the cutoff: atoms are neighbours of their images."""
    rng = np.random.default_rng(3)
    skewed = rng.normal(size=(3, 3)) / 2 + 2.5 * np.eye(3)
    return [
        ase.Atoms("HOHH", 2.5 * rng.uniform(size=(4, 3)), cell=[3, 3.2, 3.4], pbc=True),
        ase.Atoms("OHC", 2.5 * rng.uniform(size=(3, 3)), cell=skewed, pbc=True),
    ]


# Against featomic -----------------------------------------------------------------------


@pytest.mark.parametrize("which", list(PAIRS))
def test_neighbors_of_molecules(which: str) -> None:
    given = {"cutoff": 2.5, **PAIRS[which]}
    found = NeighborList(**given).compute(to_systems(molecules()), gradients=["positions"])
    expected = featomic.NeighborList(**given).compute(molecules(), gradients=["positions"])
    assert_same_rows(found, here(expected), 1e-14)


@pytest.mark.parametrize("which", ["half, own", "full"])
def test_neighbors_in_crystals(which: str) -> None:
    atoms = small_crystals()
    given = {"cutoff": 3.5, **PAIRS[which]}
    found = NeighborList(**given).compute(to_systems(atoms))
    assert_same_rows(found, here(featomic.NeighborList(**given).compute(atoms)), 1e-13)


def test_expansions_of_pairs_in_crystals() -> None:
    atoms, asked = small_crystals(), ["positions", "strain"]
    found = SphericalExpansionByPair(**SMALL).compute(to_systems(atoms), gradients=asked)
    peer = featomic.SphericalExpansionByPair(**SMALL).compute(atoms, gradients=asked)
    assert_same_rows(found, here(peer), 1e-12)


def test_a_basis_without_degree_zero() -> None:
    radial = {"type": "Gto", "max_radial": 1}
    given = {**SMALL, "basis": {"type": "Explicit", "by_angular": {1: radial, 2: radial}}}
    found = SphericalExpansionByPair(**given).compute(to_systems(molecules()))
    peer = featomic.SphericalExpansionByPair(**given).compute(molecules())
    assert_same_rows(found, here(peer), 1e-12)


def test_atoms_alone() -> None:
    atoms = ase.Atoms("HO", [[0, 0, 0], [0, 0, 50.0]])
    found = SphericalExpansionByPair(**SMALL).compute(to_systems([atoms]))
    peer = featomic.SphericalExpansionByPair(**SMALL).compute(atoms)
    assert_close(found, peer)
    pairs = NeighborList(cutoff=3.0, full_neighbor_list=True).compute(to_systems([atoms]))
    assert len(pairs) == 0
    assert pairs.keys.names == ["first_atom_type", "second_atom_type"]


def test_files(data_folder: Path) -> None:
    systems = to_systems(frames("ethanol", 5))
    half = NeighborList(cutoff=4.0, full_neighbor_list=False)
    found = half.compute(systems, gradients=["positions"])
    expected = jm.load(data_folder / "feat_neighborlist_ethanol5_pos.mts")
    assert_close(found, expected)
    expansion = SphericalExpansionByPair(**hypers(4.0, 2, 2))
    found = expansion.compute(systems[:2], gradients=["positions"])
    assert_close(found, jm.load(data_folder / "feat_spexpair_ethanol2_pos.mts"))


# Gradients ------------------------------------------------------------------------------


def test_an_atom_and_its_image_move_together() -> None:
    """Explicit gradients are those of programs, also where featomic's are not."""
    atoms = small_crystals()[:1]
    pairs = NeighborList(cutoff=3.5, full_neighbor_list=True, self_pairs=True)
    found = pairs.compute(to_systems(atoms), gradients=["positions", "strain"])
    batch = to_batch(to_systems(atoms), 3.5)

    def values(positions: Any, strain: Any) -> Any:
        moved = batch.replace(positions=positions).strained(strain)
        return [block.values for block in pairs(moved).blocks()]

    zero = jnp.zeros((1, 3, 3))
    jacobians = jax.jit(jax.jacobian(values, (0, 1)))(batch.positions, zero)
    for block, (of_positions, of_strain) in zip(found.blocks(), jacobians, strict=True):
        gradient = block.gradient("positions")
        dense = np.zeros((block.shape[0], len(atoms[0]), 3, 3, 1))
        sample, _, atom = np.asarray(gradient.samples.values).T
        dense[sample, atom] = gradient.values
        right = np.einsum("sxpai->saixp", of_positions)
        np.testing.assert_allclose(dense, right, rtol=0, atol=1e-14)
        right = np.einsum("sxpgab->sabxp", of_strain)
        strain = block.gradient("strain").values
        np.testing.assert_allclose(strain, right, rtol=0, atol=1e-13)


# Programs -------------------------------------------------------------------------------


def test_sums_over_pairs_are_expansions() -> None:
    systems = to_systems([*small_crystals()[:1], two_slabs()[0]])
    batch = to_batch(systems, 3.5, room="rounded")
    pairs = jax.jit(SphericalExpansionByPair(**SMALL).__call__)(batch)
    whole = jax.jit(SphericalExpansion(**SMALL).__call__)(batch)
    for key, block in whole.items():
        o3_lambda, sigma, center, neighbor = key.values.tolist()
        mine = pairs.block(Labels(pairs.keys.names, [[o3_lambda, sigma, center, neighbor]]))
        sums = np.zeros((len(systems), 4, 2 * o3_lambda + 1, block.shape[-1]))
        used = np.asarray(mine.samples.mask)
        labels = np.asarray(mine.samples.values)[used]
        np.add.at(sums, (labels[:, 0], labels[:, 1]), np.asarray(mine.values)[used])
        used = np.asarray(block.samples.mask)
        system, atom = np.asarray(block.samples.values)[used].T
        np.testing.assert_allclose(
            sums[system, atom], np.asarray(block.values)[used], rtol=0, atol=1e-12
        )


@pytest.mark.parametrize(
    "which", ["full, own", *(pytest.param(w, marks=pytest.mark.long) for w in PAIRS)]
)
def test_padding_and_longer_lists_change_nothing(which: str) -> None:
    systems = to_systems(small_crystals())
    pairs = NeighborList(cutoff=3.0, **PAIRS[which])
    expected = pairs.compute(systems)
    assert_same_rows(pairs(to_batch(systems, 3.0)), expected, 1e-13)
    assert_same_rows(pairs(to_batch(systems, 4.0)), expected, 1e-13)
    padded = jax.jit(pairs.__call__)(to_batch(systems, 4.0, room="rounded"))
    assert_same_rows(_present(jm.unpad(padded)), expected, 1e-13)


def _present(tensor: jm.TensorMap) -> jm.TensorMap:
    kept = [i for i, block in enumerate(tensor.blocks()) if block.shape[0]]
    keys = Labels(tensor.keys.names, np.asarray(tensor.keys.values)[kept])
    return jm.TensorMap(keys, [tensor[i] for i in kept])


def test_room_for_pairs() -> None:
    systems = to_systems(molecules())
    batch = to_batch(systems, 2.5, room="rounded")
    pairs = NeighborList(cutoff=2.5, full_neighbor_list=False)
    expected = pairs.compute(systems)
    room = {tuple(k.values.tolist()): b.shape[0] for k, b in expected.items()}
    found = jax.jit(lambda batch: pairs(batch, capacity=room))(batch)
    for (first, second), rows in room.items():
        block = found.block(first_atom_type=first, second_atom_type=second)
        assert block.shape[0] == rows
    assert_same_rows(_present(jm.unpad(found)), expected, 1e-13)
    with pytest.raises(Exception, match=r"'pairs of types 1, 1' is too small"):
        jax.block_until_ready(jax.jit(lambda b: pairs(b, capacity={(1, 1): 2}))(batch))


def test_selected_atoms_are_first_atoms() -> None:
    atoms = small_crystals()
    some = Labels(["system", "atom"], [[0, 1], [1, 0], [1, 2]])
    pairs = NeighborList(cutoff=3.5, full_neighbor_list=True, self_pairs=True)
    batch = to_batch(to_systems(atoms), 3.5)
    whole = pairs.compute(to_systems(atoms))
    for key, block in pairs(batch.select(some)).items():
        labels = np.asarray(whole.block(key).samples.values)
        kept = (labels[:, None, :2] == some.values[None]).all(axis=2).any(axis=1)
        assert block.samples.values.tolist() == labels[kept].tolist()
        np.testing.assert_allclose(
            block.values, np.asarray(whole.block(key).values)[kept], rtol=0, atol=1e-13
        )


def test_many_rooms_are_one_program() -> None:
    traces = []
    expansion = SphericalExpansionByPair(**SMALL)

    @jax.jit
    def program(batch: Any) -> Any:
        traces.append(batch)
        return expansion(batch)

    room = Room(3, 20, 200, {1: 10, 7: 4, 8: 4})
    for systems in (molecules(), molecules()[:1]):
        program(to_batch(to_systems(systems), 3.5, room=room))
    assert len(traces) == 1


# Faults ---------------------------------------------------------------------------------


def test_faults(wrong_types: None) -> None:
    with pytest.raises(InvalidError, match="cutoff must be positive"):
        NeighborList(cutoff=-1.0, full_neighbor_list=True)
    with pytest.raises(InvalidTypeError, match="full_neighbor_list is True or False"):
        NeighborList(cutoff=1.0, full_neighbor_list=1)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="there is no gradient 'cell'"):
        NeighborList(cutoff=1.0, full_neighbor_list=True).compute(
            to_systems(molecules()), gradients="cell"
        )


def test_calculators_are_equal_where_their_parameters_are() -> None:
    assert SphericalExpansionByPair(**SMALL) == SphericalExpansionByPair(**SMALL)
    assert SphericalExpansionByPair(**SMALL) != SphericalExpansionByPair(**hypers())
    assert "ByPair(cutoff={'radius': 3.5" in repr(SphericalExpansionByPair(**SMALL))
    assert len({SphericalExpansionByPair(**SMALL), SphericalExpansionByPair(**SMALL)}) == 1
