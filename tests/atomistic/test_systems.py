"""Systems: what they hold, what they refuse, and that they are pytrees."""

from __future__ import annotations

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta.atomistic import System
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError


POSITIONS = [[0.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-0.8, 0.6, 0.0]]
TYPES = [8, 1, 1]


def test_lists_become_arrays_of_numpy_in_double_precision() -> None:
    system = System(POSITIONS, TYPES, np.eye(3, dtype=np.float32) * 5, pbc=True)
    assert isinstance(system.positions, np.ndarray)
    assert system.positions.dtype == system.cell.dtype == np.float64
    assert system.types.dtype == np.int32
    assert system.pbc.tolist() == [True, True, True]


def test_arrays_keep_their_dtype_and_kind() -> None:
    host = System(np.asarray(POSITIONS, np.float32), np.asarray(TYPES, np.int64))
    assert host.positions.dtype == np.float32
    on_device = System(jnp.asarray(POSITIONS), jnp.asarray(TYPES))
    assert isinstance(on_device.positions, jax.Array)


def test_a_system_goes_through_jit_and_grad() -> None:
    def energy(system: System) -> jax.Array:
        return jnp.sum(system.positions**2)

    system = System(POSITIONS, TYPES)
    moved = jax.jit(lambda s: s.with_positions(2 * s.positions))(system)
    np.testing.assert_array_equal(moved.positions, 2 * system.positions)
    slope = jax.grad(lambda x: energy(system.with_positions(x)))(jnp.asarray(POSITIONS))
    np.testing.assert_allclose(slope, 2 * np.asarray(POSITIONS))


def test_extra_arrays_are_standard_quantities() -> None:
    momenta = np.arange(9.0).reshape(3, 3)
    system = System(
        POSITIONS, TYPES, masses=[16.0, 1.0, 1.0], charges=[-0.8, 0.4, 0.4], momenta=momenta
    )
    assert sorted(system.data) == ["charge", "mass", "momentum"]
    block = system.get_data("momentum")[0]
    assert block.samples.names == ["system", "atom"]
    assert [labels.names for labels in block.components] == [["xyz"]]
    assert block.properties.names == ["momentum"]
    np.testing.assert_array_equal(block.values[..., 0], momenta)


def test_data_is_added_and_asked_for_by_name() -> None:
    system = System(POSITIONS, TYPES)
    tensor = System(POSITIONS, TYPES, masses=[16.0, 1.0, 1.0]).get_data("mass")
    assert system.with_data("mine::x", tensor).get_data("mine::x") == tensor
    with pytest.raises(MissingError, match="no 'mas' in its data"):
        system.get_data("mas")
    with pytest.raises(InvalidError, match="'mass' is given twice"):
        System(POSITIONS, TYPES, masses=[1.0, 1.0, 1.0], data={"mass": tensor})


def test_pickled_systems_are_what_they_were() -> None:
    system = System(POSITIONS, TYPES, 5 * np.eye(3), pbc=True, masses=[16.0, 1.0, 1.0])
    again = pickle.loads(pickle.dumps(system))
    assert jm.equal(again.get_data("mass"), system.get_data("mass"))
    np.testing.assert_array_equal(again.positions, system.positions)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0, 0.0]], [1]), r"found \(1, 2\), expected \(atoms, 3\)"),
        (([[0.0, 0.0], [0.0]], [1, 1]), "the positions are no array"),
        ((POSITIONS, [1, 1]), r"the types have another shape.*\n.*found \(2,\)"),
        ((POSITIONS, [8, -1, 1]), "atom 1 has type -1"),
        ((POSITIONS, [8, 2**31 - 1, 1]), "atom 1 has type 2147483647"),
        (([[0.0, np.nan, 0.0]], [1]), r"not finite.*\n.*row 0 is"),
        ((POSITIONS, TYPES, np.zeros((3, 3)), True), "axis a is periodic, but its vector"),
        ((POSITIONS, TYPES, np.eye(3)), "nothing says along which axes"),
        ((POSITIONS, TYPES, np.eye(3), False), "axis a is not periodic, but has a vector"),
        ((POSITIONS, TYPES, np.ones((3, 3)), True), "not independent"),
        ((POSITIONS, TYPES, np.eye(3), [True, True]), r"found \(2,\), expected \(3,\)"),
        ((POSITIONS, TYPES, np.eye(2), True), r"found \(2, 2\), expected \(3, 3\)"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        System(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((POSITIONS, [8.0, 1.0, 1.0]), "types must be integers"),
        ((np.asarray(POSITIONS, complex), TYPES), "positions must be real numbers"),
        ((POSITIONS, TYPES, np.eye(3), 1), "pbc are truth values"),
    ],
)
def test_wrong_kinds_are_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InvalidTypeError, match=message):
        System(*arguments)


def test_a_slab_has_two_vectors() -> None:
    cell = np.diag([3.0, 4.0, 0.0])
    slab = System(POSITIONS, TYPES, cell, pbc=[True, True, False])
    assert repr(slab) == "System(3 atoms, periodic along ab)"
    with pytest.raises(InvalidError, match="not independent"):
        slab.with_cell(np.array([[3.0, 0, 0], [6.0, 0, 0], [0, 0, 0]]))


def test_nothing_is_a_system_too() -> None:
    assert len(System([], [])) == 0
