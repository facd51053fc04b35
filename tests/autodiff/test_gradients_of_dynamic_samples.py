"""Gradient blocks where samples are dynamic: labels and zeros that the program makes."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, assert_owners, with_gradients


NONE = jm.PADDING


class Padded:
    """Systems and atoms with padding, some of it between the others."""

    systems = np.array([[4], [NONE], [9]], np.int32)
    atoms = np.array([[4, 0], [9, 0], [NONE, NONE], [9, 1], [4, 1]], np.int32)
    owner = np.array([0, 2, NONE, 2, 0], np.int32)
    x = np.array([[0.1, 0.2], [0.4, -0.3], [0.0, 0.0], [0.5, 0.6], [-0.7, 0.9]])

    @staticmethod
    def energies(systems: Any, owner: Any, x: Any) -> TensorMap:
        # The square root has no derivative at zero, where the padding is.
        norms = jnp.sqrt(jnp.sum(x**2, axis=1))
        totals = jnp.zeros(3).at[owner].add(jnp.sin(norms), mode="drop")
        values = jnp.stack([totals, totals**2], axis=1)
        samples = DynamicLabels("system", systems)
        block = TensorBlock(values, samples, [], Labels.range("n", 2))
        return TensorMap(Labels.single(), [block])

    @classmethod
    def gradients(cls, systems: Any, atoms: Any, owner: Any, x: Any, **options: Any) -> Any:
        given = Parameter(
            x, DynamicLabels(["system", "atom"], atoms), [Labels.range("xy", 2)], owner
        )
        return with_gradients(cls.energies, {"x": given}, systems, owner, **options)

    @classmethod
    def arguments(cls) -> tuple[jax.Array, ...]:
        found = [jnp.asarray(a) for a in (cls.systems, cls.atoms, cls.owner, cls.x)]
        return tuple(found)

    @classmethod
    def expected(cls) -> np.ndarray:
        used = [0, 1, 3, 4]
        owner = np.array([0, 1, 1, 0])

        def of(x: Any) -> Any:
            norms = jnp.sqrt(jnp.sum(x**2, axis=1))
            totals = jnp.zeros(2).at[owner].add(jnp.sin(norms))
            return jnp.stack([totals, totals**2], axis=1)

        jacobian = jax.jacfwd(of)(jnp.asarray(cls.x[used]))
        return np.einsum("snrx->srxn", jacobian)[owner, np.arange(4)]


def test_dynamic_samples_and_traced_owners() -> None:
    compiled = jax.jit(Padded.gradients)
    tensor = compiled(*Padded.arguments())
    gradient = tensor[0].gradient("x")
    assert isinstance(gradient.samples, DynamicLabels)
    assert gradient.samples.names == ["sample", "system", "atom"]
    table = np.asarray(gradient.samples.values)
    assert table.dtype == np.int32
    assert table[2].tolist() == [NONE] * 3
    assert not np.asarray(gradient.values[2]).any()
    used = [0, 1, 3, 4]
    assert table[used].tolist() == [[0, 4, 0], [2, 9, 0], [2, 9, 1], [0, 4, 1]]
    np.testing.assert_allclose(
        gradient.values[np.array(used)], Padded.expected(), rtol=1e-12
    )
    unpadded = jm.unpad(tensor)[0]
    assert unpadded.gradient("x").samples["sample"].tolist() == [0, 1, 1, 0]


def test_owners_by_labels_of_dynamic_samples() -> None:
    systems, atoms, owner, x = Padded.arguments()

    def of(systems: Any, atoms: Any, owner: Any, x: Any) -> TensorMap:
        labels = DynamicLabels(["system", "atom"], atoms)
        energies = partial(Padded.energies, systems, owner)
        given = Parameter(x, labels, [Labels.range("xy", 2)], owner="system")
        return with_gradients(energies, {"x": given})

    found = jax.jit(of)(systems, atoms, owner, x)
    assert jm.equal(found, jax.jit(Padded.gradients)(systems, atoms, owner, x))
    # Another system that is not among the samples.
    moved = jax.jit(of)(systems, atoms.at[0, 0].set(5), owner.at[0].set(NONE), x)
    table = np.asarray(moved[0].gradient("x").samples.values)
    assert (table[:, 0] == NONE).tolist() == [True, False, True, False, False]


def test_a_capacity_that_is_a_symbol() -> None:
    """One exported program for batches of any capacity."""
    systems, atoms, owner, x = Padded.arguments()
    rows, samples = jax.export.symbolic_shape("rows, samples")

    def of(systems: Any, atoms: Any, owner: Any, x: Any) -> Any:
        def energies(x: Any) -> TensorMap:
            squares = jnp.exp(-jnp.sum(x**2, axis=1, keepdims=True))
            totals = jnp.zeros((systems.shape[0], 1)).at[owner].add(squares, mode="drop")
            labels = DynamicLabels("system", systems)
            block = TensorBlock(totals, labels, [], Labels.range("n", 1))
            return TensorMap(Labels.single(), [block])

        labels = DynamicLabels(["system", "atom"], atoms)
        given = Parameter(x, labels, [Labels.range("xy", 2)], owner="system")
        return jax.tree.leaves(with_gradients(energies, {"x": given}))

    shapes = [(samples, 1), (rows, 2), (rows,), (rows, 2)]
    arguments = [systems, atoms, owner, x]
    specs = [
        jax.ShapeDtypeStruct(shape, a.dtype)
        for shape, a in zip(shapes, arguments, strict=True)
    ]
    exported = jax.export.export(jax.jit(of))(*specs)
    for found, expected in zip(exported.call(*arguments), of(*arguments), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_one_program_for_every_batch() -> None:
    traces: list[int] = []

    def of(*arguments: Any) -> TensorMap:
        traces.append(1)
        return Padded.gradients(*arguments)

    compiled = jax.jit(of)
    systems, atoms, owner, x = Padded.arguments()
    compiled(systems, atoms, owner, x)
    moved = compiled(systems, atoms.at[4].set(NONE), owner.at[4].set(NONE), x)
    assert len(traces) == 1
    table = np.asarray(moved[0].gradient("x").samples.values)
    assert (table[:, 0] != NONE).tolist() == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("number", "owner"),
    [(0, -1), (0, 3), (0, NONE), (0, 1)],
    ids=["-1", "3", "none", "pad"],
)
def test_rows_whose_owner_is_no_sample_are_padding(number: int, owner: int) -> None:
    """Negative, beyond the last sample, none, or a sample that is padding itself."""
    systems, atoms, owners, x = Padded.arguments()
    tensor = jax.jit(Padded.gradients)(systems, atoms, owners.at[number].set(owner), x)
    gradient = tensor[0].gradient("x")
    assert np.asarray(gradient.samples.values)[number].tolist() == [NONE] * 3
    assert not np.asarray(gradient.values[number]).any()
    assert np.asarray(gradient.samples.values)[1].tolist() == [2, 9, 0]
    jm.unpad(tensor)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_static_owners_and_dynamic_samples(mode: Any) -> None:
    systems, atoms, _, x = Padded.arguments()
    owner = Padded.owner

    def of(systems: Any, atoms: Any, x: Any) -> TensorMap:
        return Padded.gradients(systems, atoms, owner, x, mode=mode)

    gradient = jax.jit(of)(systems, atoms, x)[0].gradient("x")
    # The row that feeds nothing is left out.
    assert np.asarray(gradient.samples.values).tolist() == [
        [0, 4, 0], [2, 9, 0], [2, 9, 1], [0, 4, 1]
    ]  # fmt: skip
    np.testing.assert_allclose(gradient.values, Padded.expected(), rtol=1e-12)


@pytest.mark.parametrize(
    "mode", [pytest.param("reverse", marks=pytest.mark.long), "forward"]
)
def test_all_pairs_of_dynamic_samples(mode: Any) -> None:
    systems, atoms, owner, x = Padded.arguments()
    given = Parameter(
        x, DynamicLabels(["system", "atom"], atoms), [Labels.range("xy", 2)], None
    )
    energies = partial(Padded.energies, systems, owner)
    found = with_gradients(energies, {"x": given}, mode=mode)
    gradient = found[0].gradient("x")
    table = np.asarray(gradient.samples.values)
    assert len(table) == 15
    used = [0, 1, 3, 4, 10, 11, 13, 14]
    assert np.flatnonzero(table[:, 0] != NONE).tolist() == used
    assert table[used, 0].tolist() == [0] * 4 + [2] * 4
    numbers = np.asarray(gradient.values)
    assert np.isfinite(numbers).all()
    assert not np.delete(numbers, used, axis=0).any()
    np.testing.assert_allclose(numbers[[0, 11, 13, 4]], Padded.expected(), rtol=1e-12)


def test_training_with_padding_has_finite_derivatives() -> None:
    """With a function that is smooth at the padding."""
    systems, atoms, owner, x = Padded.arguments()

    def energies(scale: Any, x: Any) -> TensorMap:
        squares = jnp.exp(-scale * jnp.sum(x**2, axis=1))
        totals = jnp.zeros((3, 1)).at[owner].add(squares[:, None], mode="drop")
        block = TensorBlock(totals, DynamicLabels("s", systems), [], Labels.range("n", 1))
        return TensorMap(Labels.single(), [block])

    def loss(scale: Any) -> Any:
        labels = DynamicLabels(["system", "atom"], atoms)
        given = Parameter(x, labels, [Labels.range("xy", 2)], owner)
        tensor = with_gradients(energies, {"x": given}, scale)
        return jnp.sum(tensor[0].gradient("x").values ** 2)

    def expected(scale: Any) -> Any:
        used = x[np.array([0, 1, 3, 4])]
        slopes = -2 * scale * used * jnp.exp(-scale * jnp.sum(used**2, axis=1))[:, None]
        return jnp.sum(slopes**2)

    np.testing.assert_allclose(
        jax.jit(jax.grad(loss))(0.8), jax.grad(expected)(0.8), rtol=1e-12
    )


def test_the_check_of_owners_sees_through_padding() -> None:
    systems, atoms, owner, x = Padded.arguments()
    labels = DynamicLabels(["system", "atom"], atoms)
    energies = partial(Padded.energies, systems, owner)
    axis = [Labels.range("xy", 2)]
    x = x + 0.1
    assert_owners(energies, {"x": Parameter(x, labels, axis, owner)})
    # A padding row must not feed anything, whatever its owner is said to be.
    feeding = partial(Padded.energies, systems, owner.at[2].set(0))
    with pytest.raises(AssertionError, match="row 2 feeds sample 0 and has owner -1"):
        assert_owners(feeding, {"x": Parameter(x, labels, axis, owner.at[2].set(0))})
