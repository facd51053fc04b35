"""Batches: rows of atoms and pairs, with and without padding."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta.atomistic import NeighborListOptions, Room, System, to_batch
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError


def dimer(distance: float = 1.0) -> System:
    return System([[0.0, 0.0, 0.0], [0.0, 0.0, distance]], [1, 8], masses=[1.0, 16.0])


def salt() -> System:
    positions = [[0.0, 0.0, 0.0], [2.0, 0.1, 0.0]]
    return System(positions, [11, 17], 4.0 * np.eye(3), pbc=True, masses=[23.0, 35.5])


ROOM = Room(systems=4, atoms=9, pairs=70, centers={1: 3, 8: 2, 11: 1, 17: 2})


def test_atoms_stand_one_system_after_another() -> None:
    batch = to_batch([dimer(), salt()], cutoff=3.0)
    assert batch.atoms == jm.Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0], [1, 1]])
    assert batch.owners.tolist() == [0, 0, 1, 1]
    assert {t: c.rows.tolist() for t, c in batch.centers.items()} == {
        1: [0], 8: [1], 11: [2], 17: [3]
    }  # fmt: skip
    pairs = batch.pairs_within(3.0)
    assert set(np.asarray(batch.owners)[pairs.first]) == {0, 1}
    assert (
        np.asarray(batch.owners)[pairs.first] == np.asarray(batch.owners)[pairs.second]
    ).all()


def test_vectors_are_those_of_positions_shifts_and_cells() -> None:
    batch = to_batch([dimer(), salt()], cutoff=4.5)
    pairs = batch.pairs_within(4.5)
    cells = np.asarray(batch.cells)[np.asarray(batch.owners)[np.asarray(pairs.first)]]
    x = np.asarray(batch.positions)
    expected = x[pairs.second] - x[pairs.first]
    expected = expected + np.einsum("pc,pcx->px", np.asarray(pairs.shifts), cells)
    np.testing.assert_allclose(batch.vectors(pairs), expected, rtol=0, atol=1e-14)


def test_padding_is_no_atom_and_no_pair() -> None:
    exact, padded = (to_batch([dimer(), salt()], 3.0, room=room) for room in (None, ROOM))
    n_atoms, n_pairs = exact.n_atoms, len(exact.pairs_within(3.0))
    assert padded.positions.shape == (9, 3)
    assert padded.types.tolist()[n_atoms:] == [-1] * 5
    assert padded.owners.tolist()[n_atoms:] == [4] * 5
    assert (np.asarray(padded.pairs_within(3.0).first)[n_pairs:] == 9).all()
    assert padded.atoms.to_labels() == exact.atoms
    assert padded.systems.to_labels() == exact.systems
    assert padded.centers[1].rows.tolist() == [0, 9, 9]
    assert padded.centers[17].samples.to_labels() == exact.centers[17].samples
    vectors = padded.vectors(padded.pairs_within(3.0))
    np.testing.assert_array_equal(vectors[:n_pairs], exact.vectors(exact.pairs_within(3.0)))


def test_one_program_serves_batches_of_one_room() -> None:
    traces = []

    @jax.jit
    def volume(batch):
        traces.append(1)
        return jnp.abs(jnp.linalg.det(batch.cells)).sum()

    for systems in ([dimer()], [salt(), salt()], [dimer(), salt()]):
        room = Room(4, 9, 140, {1: 3, 8: 3, 11: 3, 17: 3})
        volume(to_batch(systems, 3.0, room=room))
    assert len(traces) == 1


def test_data_of_all_systems_are_joined() -> None:
    batch = to_batch([dimer(), salt()], 3.0)
    block = batch.data["mass"][0]
    assert block.samples == batch.atoms
    assert block.values[:, 0].tolist() == [1.0, 16.0, 23.0, 35.5]
    padded = to_batch([dimer(), salt()], 3.0, room=ROOM).data["mass"][0]
    assert padded.samples.to_labels() == batch.atoms
    assert padded.values.shape == (9, 1)


def test_rounded_room_is_shared_by_similar_batches() -> None:
    one, other = (to_batch([salt()] * n, 3.0, room="rounded") for n in (13, 14))
    assert Room.of(one) == Room.of(other)
    assert Room.of(one).atoms >= 22


def test_selected_atoms_alone_have_environments() -> None:
    chosen = jm.Labels(["system", "atom"], [[1, 1], [0, 0]])
    for room in (None, ROOM):
        batch = to_batch([dimer(), salt()], 3.0, room=room).select(chosen)
        labels = {
            t: c.samples if room is None else c.samples.to_labels()
            for t, c in batch.centers.items()
        }
        assert {t: len(each) for t, each in labels.items()} == {1: 1, 8: 0, 11: 0, 17: 1}
        assert labels[17].values.tolist() == [[1, 1]]
    with pytest.raises(MissingError, match=r"system=3, atom=0"):
        to_batch([dimer()]).select(jm.Labels(["system", "atom"], [[3, 0]]))
    with pytest.raises(InvalidError, match="by system and atom"):
        to_batch([dimer()]).select(jm.Labels(["atom"], [[0]]))


def test_strain_moves_atoms_and_cells_alike() -> None:
    batch = to_batch([dimer(), salt()], 3.0)
    strain = np.zeros((2, 3, 3))
    strain[1] = [[0.01, 0.02, 0.0], [0.0, -0.01, 0.0], [0.03, 0.0, 0.0]]
    moved = batch.strained(jnp.asarray(strain))
    deformation = np.eye(3) + strain[1]
    pairs = batch.pairs_within(3.0)
    before, after = batch.vectors(pairs), moved.vectors(pairs)
    of_salt = np.asarray(batch.owners)[np.asarray(pairs.first)] == 1
    np.testing.assert_allclose(after[of_salt], before[of_salt] @ deformation, atol=1e-14)
    np.testing.assert_array_equal(after[~of_salt], before[~of_salt])


def test_the_smallest_list_that_suffices_is_taken() -> None:
    batch = to_batch(
        [salt()], [3.0, NeighborListOptions(5.0), NeighborListOptions(4.0, False)]
    )
    assert len(batch.pairs_within(2.0)) == len(to_batch([salt()], 3.0).pairs_within(3.0))
    with pytest.raises(MissingError, match=r"no full list of neighbours up to 6\.0"):
        batch.pairs_within(6.0)
    with pytest.raises(MissingError, match=r"full up to 3\.0, half up to 4\.0"):
        to_batch([salt()], [3.0, NeighborListOptions(4.0, False)]).pairs_within(3.5)


def test_too_little_room_says_what_it_takes() -> None:
    room = Room(systems=1, atoms=3, pairs=70, centers={11: 1, 17: 1})
    with pytest.raises(InvalidError, match=r"it takes Room\(systems=2, atoms=4"):
        to_batch([salt(), salt()], 3.0, room=room)


@pytest.mark.parametrize(
    ("systems", "options", "message"),
    [
        ([], {}, "there are no systems"),
        ([dimer()], {"types": [1, 6]}, r"of type 8; known are \[1, 6\]"),
        ([dimer()], {"room": "large"}, "'rounded'"),
        (
            [dimer(), System(np.zeros((1, 3), np.float32), [1], masses=[1.0])],
            {},
            "float32, float64",
        ),
    ],
)
def test_what_makes_no_batch_is_refused(systems, options, message) -> None:
    with pytest.raises(InvalidError, match=message):
        to_batch(systems, 3.0, **options)


def test_systems_with_other_data_are_refused() -> None:
    with pytest.raises(ValueError, match="system 1 has other data than system 0"):
        to_batch([dimer(), System([[0.0, 0, 0]], [1])])


def test_what_is_no_system_is_refused(wrong_types) -> None:
    with pytest.raises(InvalidTypeError, match="entry 1 is no System"):
        to_batch([dimer(), "water"])
