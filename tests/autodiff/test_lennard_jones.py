"""Energies, forces and virials of a pair potential: the use that gradient blocks have."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, assert_owners, with_gradients


SIZES = (3, 1, 4)
SYSTEM = np.repeat(range(3), SIZES)
ATOMS = Labels(
    ["system", "atom"], [[s, a] for s, size in enumerate(SIZES) for a in range(size)]
)
PAIRS = np.array(
    [[i, j] for i in range(8) for j in range(i) if SYSTEM[i] == SYSTEM[j]], np.int32
)
XYZ = Labels.range("xyz", 3)
STRAIN = [Labels.range("xyz_1", 3), Labels.range("xyz_2", 3)]


def positions() -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(2.0)] * 3), axis=-1).reshape(-1, 3)
    return 1.2 * grid + np.random.default_rng(0).uniform(-0.1, 0.1, (8, 3))


def vectors(x: Any) -> Any:
    return x[PAIRS[:, 0]] - x[PAIRS[:, 1]]


def energies(well: Any, positions: Any, strain: Any) -> TensorMap:
    """Of each system; both strained by x -> x (1 + strain)."""
    deformed = positions + jnp.einsum("ax,axy->ay", positions, strain[SYSTEM])
    squares = jnp.sum(vectors(deformed) ** 2, axis=1)
    pairs = 4 * well * (squares**-6 - squares**-3)
    values = jax.ops.segment_sum(pairs, SYSTEM[PAIRS[:, 0]], 3)[:, None]
    axes = [Labels.range("system", 3), Labels.range("energy", 1)]
    return TensorMap(
        Labels.single(), [TensorBlock(values, axes[0], [], axes[1])], {"unit": "eV"}
    )


def given(positions: Any, strain: Any) -> dict[str, Parameter]:
    return {
        "positions": Parameter(positions, ATOMS, [XYZ], owner=SYSTEM),
        "strain": Parameter(strain, None, STRAIN, owner=np.arange(3)),
    }


@jax.jit
def with_forces(well: Any, positions: Any, strain: Any) -> TensorMap:
    return with_gradients(energies, given(positions, strain), well)


def forces_by_hand(x: np.ndarray) -> np.ndarray:
    """On the first atom of each pair."""
    d = vectors(x)
    squares = np.sum(d**2, axis=1)
    return 4 * (12 * squares**-7 - 6 * squares**-4)[:, None] * d


X, ZERO = positions(), np.zeros((3, 3, 3))


def test_labels() -> None:
    block = with_forces(1.0, X, ZERO)[0]
    gradient = block.gradient("positions")
    assert gradient.samples.names == ["sample", "system", "atom"]
    assert gradient.samples["system"].tolist() == SYSTEM.tolist()
    assert gradient.components == [XYZ]
    assert block.gradient("strain").samples == Labels.range("sample", 3)
    assert block.gradient("strain").components == STRAIN
    assert_owners(energies, given(X, ZERO), 1.0)


def test_forces_are_finite_differences() -> None:
    gradient = np.asarray(with_forces(1.0, X, ZERO)[0].gradient("positions").values)
    step = 1e-5
    for atom in range(8):
        for axis in range(3):
            moved = np.zeros_like(X)
            moved[atom, axis] = step
            plus, minus = (
                float(np.sum(with_forces(1.0, x, ZERO)[0].values))
                for x in (X + moved, X - moved)
            )
            slope = (plus - minus) / (2 * step)
            np.testing.assert_allclose(gradient[atom, axis, 0], slope, rtol=1e-6, atol=1e-6)


def test_forces_and_virials_are_the_formulas() -> None:
    block = with_forces(1.0, X, ZERO)[0]
    each = forces_by_hand(X)
    forces = np.zeros((8, 3))
    np.add.at(forces, PAIRS[:, 0], each)
    np.add.at(forces, PAIRS[:, 1], -each)
    gradient = block.gradient("positions").values[..., 0]
    np.testing.assert_allclose(gradient, -forces, rtol=1e-10, atol=1e-10)
    virials = np.zeros((3, 3, 3))
    products = vectors(X)[:, :, None] * each[:, None, :]
    np.add.at(virials, SYSTEM[PAIRS[:, 0]], products)
    strain = block.gradient("strain").values[..., 0]
    np.testing.assert_allclose(strain, -virials, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(strain, np.swapaxes(strain, 1, 2), rtol=1e-9, atol=1e-9)
    assert not np.asarray(strain[1]).any()


def test_the_hessian_is_that_of_each_system() -> None:
    tensor = jax.jit(
        lambda x: with_gradients(
            energies, given(x, ZERO), 1.0, second=["positions/positions"], chunk=5
        )
    )(X)
    gradient = tensor[0].gradient("positions").gradient("positions")
    hessian = jax.hessian(lambda x: jnp.sum(energies(1.0, x, ZERO)[0].values))(X)
    rows = np.asarray(gradient.samples.values)
    assert len(rows) == sum(size**2 for size in SIZES)
    second = [ATOMS.position(row[1:]) for row in rows.tolist()]
    expected = np.asarray(hessian)[rows[:, 0], :, second]
    found = np.swapaxes(gradient.values[..., 0], 1, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_step_of_training_on_forces(dtype: Any) -> None:
    """Of the depth of the well, by a loss on energies, forces and virials."""
    truth = with_forces(dtype(1.0), X.astype(dtype), ZERO.astype(dtype))

    def loss(well: Any, target: TensorMap) -> Any:
        tensor = with_forces(well, X.astype(dtype), ZERO.astype(dtype))
        difference = jm.subtract(tensor, target)
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(difference))

    squares = sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(truth))
    value, slope = jax.jit(jm.value_and_grad(loss))(jnp.asarray(1.5, dtype), truth)
    assert slope.dtype == dtype
    rtol = 1e-9 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(value, 0.25 * squares, rtol=rtol)
    np.testing.assert_allclose(slope, squares, rtol=rtol)
