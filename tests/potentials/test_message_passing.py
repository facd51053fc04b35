"""EquivariantMessagePassing: symmetries, vectors, how far it sees."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
from potential_cases import (
    ALL,
    Case,
    check_derivatives,
    check_labels,
    check_symmetries,
    structures,
)

import jaxmeta as jm
from jaxmeta.atomistic import System, to_batch
from jaxmeta.errors import InvalidError
from jaxmeta.potentials import EquivariantMessagePassing
from jaxmeta.testing import random_rotations


def network(**options: Any) -> EquivariantMessagePassing:
    settings = {"channels": 3, "max_angular": 1, "offsets": {1: -0.5, 8: -2.0}, **options}
    return EquivariantMessagePassing([1, 6, 8], 3.5, key=jax.random.key(2), **settings)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case(network(), structures([1, 8], spacing=1.6))


SHORT = (check_labels, check_derivatives, check_symmetries)
LONG = [pytest.param(check, marks=pytest.mark.long) for check in ALL if check not in SHORT]


@pytest.mark.parametrize("check", [*SHORT, *LONG], ids=lambda check: check.__name__)
def test_it_does_what_potentials_do(case: Case, check) -> None:
    check(case)


@pytest.mark.long
def test_higher_degrees_have_the_same_symmetries() -> None:
    model = network(max_angular=2, layers=3)
    check_symmetries(Case(model, structures([1, 8], spacing=1.6)))


def test_vectors_rotate_with_the_atoms() -> None:
    model, (molecule, *_) = network(), structures([1, 8], spacing=1.6)
    run = eqx.filter_jit(model.vectors)
    tensor = run(to_batch(molecule, 3.5))
    assert tensor.sample_names == ["system", "atom"]
    assert tensor.component_names == ["xyz"]
    found = np.asarray(tensor[0].values)[..., 0]
    assert np.abs(found).max() > 1e-3
    for improper in (False, True):
        matrix = random_rotations(1, seed=6, improper=improper)[0]
        turned = molecule.with_positions(molecule.positions @ matrix.T)
        other = np.asarray(run(to_batch(turned, 3.5))[0].values)[..., 0]
        np.testing.assert_allclose(other, found @ matrix.T, atol=1e-12)


def test_features_are_harmonics_of_their_degree() -> None:
    model, (molecule, *_) = network(max_angular=2, layers=1), structures([1, 8], 1.6)
    run = eqx.filter_jit(model.features)
    matrix = random_rotations(1, seed=7, improper=True)[0]
    turned = molecule.with_positions(molecule.positions @ matrix.T)
    own, other = run(to_batch(molecule, 3.5)), run(to_batch(turned, 3.5))
    assert sorted(own) == [0, 1, 2]
    for degree, features in own.items():
        d = jm.testing.wigner_d(degree, matrix)
        expected = np.einsum("mn,anc->amc", d, features)
        np.testing.assert_allclose(other[degree], expected, atol=1e-12)


@pytest.mark.parametrize(("layers", "changes"), [(1, False), (2, True)])
def test_messages_go_one_cutoff_further_in_each_layer(layers: int, changes: bool) -> None:
    model = network(layers=layers)
    energies = jax.jit(lambda batch: model(batch, per_atom=True)[0].values[:, 0])
    found = []
    for end in (6.0, 5.8):  # the third atom is a neighbour of the second one alone
        chain = System([[0.0, 0, 0], [0.4, 0, 3.0], [0, 0, end]], [1, 8, 1])
        found.append(float(energies(to_batch(chain, 3.5))[0]))
    assert (abs(found[0] - found[1]) > 1e-9) == changes


def test_energies_go_to_those_of_atoms_smoothly() -> None:
    model = network()
    batch = to_batch(System([[0.0, 0, 0], [0, 0, 1.0]], [1, 8]), 5.0)

    def energy(distance):
        positions = distance * np.array([[0.0, 0, 0], [0, 0, 1]])
        return model(batch.replace(positions=positions))[0].values[0, 0]

    run = jax.jit(jax.value_and_grad(energy))
    (below, slope), (beyond, none) = run(3.5 - 1e-6), run(3.5 + 1e-6)
    alone = float(beyond)
    assert float(below) == pytest.approx(alone, abs=1e-9)
    assert abs(float(slope)) < 1e-4 * abs(float(run(2.0)[1]))
    assert float(none) == 0


def test_atoms_that_are_not_known_are_refused() -> None:
    with pytest.raises(InvalidError, match="type 9, which it does not know"):
        network()(to_batch(System([[0.0, 0, 0]], [9]), 3.5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "at least 1"),
        ({"layers": 0}, "at least 1"),
        ({"max_angular": 0}, "at least 1"),
        ({"neighbors": 0.0}, "number of neighbors"),
        ({"offsets": {7: 1.0}}, "found 1.0 for 7"),
    ],
)
def test_mistakes_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        network(**options)
