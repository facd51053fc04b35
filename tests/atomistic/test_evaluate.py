"""evaluate: energies of a model, with forces and strains, against finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta.atomistic import Room, System, evaluate, to_batch
from jaxmeta.errors import InvalidError, InvalidTypeError


CUTOFF = 3.0
ENERGY = jm.Labels.range("energy", 1)


def systems() -> list[System]:
    rng = np.random.default_rng(7)
    molecule = System(rng.normal(size=(4, 3)), [1, 8, 1, 6])
    cell = 3.0 * np.eye(3) + 0.3 * rng.normal(size=(3, 3))
    crystal = System(rng.normal(size=(3, 3)), [8, 8, 1], cell, pbc=True)
    return [molecule, crystal]


def repulsion(batch):
    """A smooth sum over pairs, weighted by the type of the first atom."""
    pairs = batch.pairs_within(CUTOFF)
    squares = jnp.sum(batch.vectors(pairs) ** 2, axis=-1)
    each = jnp.where(squares < CUTOFF**2, (1 - squares / CUTOFF**2) ** 3, 0.0)
    weights = jnp.zeros(batch.n_atoms, each.dtype)
    for center_type, centers in batch.centers.items():
        weights = weights.at[centers.rows].set(1.0 + 0.1 * center_type, mode="drop")
    each = each * weights.at[pairs.first].get(mode="fill", fill_value=0)
    owners = batch.owners.at[pairs.first].get(mode="fill", fill_value=batch.n_systems)
    energies = jnp.zeros(batch.n_systems, each.dtype).at[owners].add(each, mode="drop")
    block = jm.TensorBlock(energies[:, None], batch.systems, [], ENERGY)
    return jm.TensorMap(jm.Labels.single(), [block])


def energy_of(system: System) -> float:
    return float(repulsion(to_batch(system, CUTOFF))[0].values[0, 0])


@pytest.fixture(scope="module")
def evaluated() -> jm.TensorMap:
    batch = to_batch(systems(), CUTOFF)
    return evaluate(repulsion, batch, gradients=["positions", "strain"])


def test_forces_are_those_of_finite_differences(evaluated) -> None:
    gradient = evaluated[0].gradient("positions")
    assert gradient.samples.names == ["sample", "system", "atom"]
    assert gradient.samples.values[:, 1:].tolist() == [
        [0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1], [1, 2]
    ]  # fmt: skip
    h = 1e-5
    for (sample, system, atom), row in zip(
        gradient.samples.values, np.asarray(gradient.values), strict=True
    ):
        assert sample == system
        given = systems()[system]
        for axis in range(3):
            step = np.zeros_like(given.positions)
            step[atom, axis] = h
            up, down = (
                energy_of(given.with_positions(given.positions + s)) for s in (step, -step)
            )
            assert row[axis, 0] == pytest.approx((up - down) / (2 * h), abs=1e-8)


def test_strains_are_those_of_finite_differences(evaluated) -> None:
    gradient = evaluated[0].gradient("strain")
    assert gradient.samples == jm.Labels.range("sample", 2)
    assert [c.names for c in gradient.components] == [["xyz_1"], ["xyz_2"]]
    h = 1e-5
    for number, given in enumerate(systems()):
        for a in range(3):
            for b in range(3):
                step = np.zeros((3, 3))
                step[a, b] = h
                up, down = (
                    energy_of(
                        given.with_positions(given.positions @ (np.eye(3) + s)).with_cell(
                            given.cell @ (np.eye(3) + s)
                        )
                    )
                    for s in (step, -step)
                )
                found = float(gradient.values[number, a, b, 0])
                assert found == pytest.approx((up - down) / (2 * h), abs=1e-8)


def test_padding_changes_nothing(evaluated) -> None:
    room = Room(3, 11, 400, {1: 4, 6: 2, 8: 3})
    batch = to_batch(systems(), CUTOFF, room=room)
    run = jax.jit(lambda b: evaluate(repulsion, b, gradients=["positions", "strain"]))
    jm.allclose_raise(jm.unpad(run(batch)), evaluated, rtol=0, atol=1e-13)


def test_selected_atoms_alone_count(evaluated) -> None:
    batch = to_batch(systems(), CUTOFF)
    atoms = batch.atoms.values
    parts = [
        evaluate(
            repulsion,
            batch,
            gradients=["positions"],
            selected_atoms=jm.Labels(["system", "atom"], atoms[half]),
        )
        for half in (slice(0, 3), slice(3, None))
    ]
    whole = jm.remove_gradients(evaluated, ["strain"])
    jm.allclose_raise(parts[0] + parts[1], whole, rtol=0, atol=1e-13)


def test_without_gradients_the_model_is_called_as_it_is() -> None:
    batch = to_batch(systems(), CUTOFF)
    assert jm.equal(evaluate(repulsion, batch), repulsion(batch))


def test_gradients_of_a_model_can_be_trained_on() -> None:
    batch = to_batch(systems(), CUTOFF)

    def loss(scale):
        tensor = evaluate(lambda b: repulsion(b) * scale, batch, gradients=["positions"])
        return jnp.sum(tensor[0].gradient("positions").values ** 2)

    assert float(jax.grad(loss)(1.5)) == pytest.approx(2 * float(loss(1.5)) / 1.5)


def test_one_name_is_enough() -> None:
    batch = to_batch(systems(), CUTOFF)
    assert evaluate(repulsion, batch, gradients="strain")[0].gradients_list() == ["strain"]


def test_bad_input_is_refused(wrong_types) -> None:
    batch = to_batch(systems(), CUTOFF)
    with pytest.raises(InvalidError, match="there is no gradient 'forces'"):
        evaluate(repulsion, batch, gradients=["forces"])
    with pytest.raises(InvalidTypeError, match="evaluate: the argument must be a Batch"):
        evaluate(repulsion, systems())
    with pytest.raises(InvalidTypeError, match="must give a TensorMap"):
        evaluate(lambda b: b.positions, batch)

    def of_atoms(b):
        block = jm.TensorBlock(b.positions[:, :1], b.atoms, [], ENERGY)
        return jm.TensorMap(jm.Labels.single(), [block])

    with pytest.raises(InvalidError, match="results for each system"):
        evaluate(of_atoms, batch, gradients=["positions"])
