"""Structures of ase as systems."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
import pytest
from ase.build import bulk, molecule

from jaxmeta.errors import InvalidTypeError
from jaxmeta.interop.ase import to_system, to_systems


def test_positions_types_and_cell() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    system = to_system(salt)
    np.testing.assert_array_equal(system.positions, salt.positions)
    np.testing.assert_array_equal(system.cell, salt.cell[:])
    assert system.types.tolist() == [11, 17]
    assert system.pbc.tolist() == [True, True, True]
    salt.positions += 1.0
    assert not np.array_equal(system.positions, salt.positions)  # it was copied


def test_vectors_of_axes_that_do_not_repeat_are_left_out() -> None:
    water = molecule("H2O", vacuum=4.0)
    assert water.cell.rank == 3
    assert not to_system(water).cell.any()
    water.pbc = [True, False, True]
    assert to_system(water).cell.any(axis=1).tolist() == [True, False, True]


def test_what_else_is_asked_for() -> None:
    water = molecule("H2O")
    water.set_initial_charges([-0.8, 0.4, 0.4])
    water.set_momenta(np.arange(9.0).reshape(3, 3))
    system = to_system(water, dtype="float32", masses=True, charges=True, momenta=True)
    assert sorted(system.data) == ["charge", "mass", "momentum"]
    assert system.positions.dtype == system.get_data("mass").dtype == np.float32
    np.testing.assert_allclose(
        system.get_data("mass")[0].values[:, 0], water.get_masses(), rtol=1e-6
    )
    np.testing.assert_array_equal(
        system.get_data("momentum")[0].values[..., 0], water.get_momenta()
    )
    assert to_system(water).data == {}


def test_several_at_once() -> None:
    systems = to_systems([molecule("H2O"), molecule("CH4")], dtype="float32")
    assert [len(system) for system in systems] == [3, 5]
    assert systems[1].positions.dtype == np.float32


def test_what_is_no_structure_is_refused(wrong_types) -> None:
    with pytest.raises(InvalidTypeError, match="a structure of ase is converted"):
        to_system("H2O")
    with pytest.raises(InvalidTypeError, match=r"found ase\.atom\.Atom"):
        to_system(ase.Atom("H"))


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize("dtype", ["float33", None, 3, [], "int32", np.ones(2)])
def test_dtypes_that_are_none(dtype: Any) -> None:
    """Coordinates would have been cut off to integers."""
    with pytest.raises(InvalidTypeError, match="dtype"):
        to_system(molecule("H2O"), dtype=dtype)


@pytest.mark.usefixtures("wrong_types")
def test_other_arguments_that_are_none() -> None:
    with pytest.raises(InvalidTypeError, match="masses is True or False"):
        to_system(molecule("H2O"), masses="mass")  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="must be a list of structures"):
        to_systems(None)  # type: ignore[arg-type]


def test_one_structure_is_a_list_of_one() -> None:
    assert len(to_systems(molecule("H2O"))) == 1
