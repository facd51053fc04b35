"""Representations in programs: one trace, derivatives of any order, maps, faults."""

from __future__ import annotations

from typing import Any

import ase
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representations.featomic_peer import molecules
from representations.real_structures import hypers, two_slabs

import jaxmeta as jm
from jaxmeta import Labels
from jaxmeta.atomistic import Room, System, to_batch
from jaxmeta.errors import InvalidError
from jaxmeta.interop.ase import to_systems
from jaxmeta.representations import (
    AtomicComposition,
    NeighborList,
    SoapPowerSpectrum,
    SoapRadialSpectrum,
    SortedDistances,
    SphericalExpansion,
    SphericalExpansionByPair,
)


CUTOFF = 3.0
SMALL = hypers(CUTOFF, 1, 1)
RADIAL = {**SMALL, "basis": {"radial": SMALL["basis"]["radial"]}}
NEAREST = {"cutoff": CUTOFF, "max_neighbors": 5, "separate_neighbor_types": False}

CALCULATORS: dict[str, Any] = {
    "expansion": SphericalExpansion(**SMALL),
    "radial": SoapRadialSpectrum(**RADIAL),
    "soap": SoapPowerSpectrum(**SMALL),
    "pairs": SphericalExpansionByPair(**SMALL),
    "neighbors": NeighborList(cutoff=CUTOFF, full_neighbor_list=False),
    "distances": SortedDistances(**NEAREST),
}
QUICK = ("soap",)
EACH = [pytest.param(n, marks=[pytest.mark.long] * (n not in QUICK)) for n in CALCULATORS]
WITH_GRADIENTS = [name for name in CALCULATORS if name != "distances"]


def structures() -> list[ase.Atoms]:
    """A molecule, a slab, a wire, and a crystal smaller than the cutoff."""
    rng = np.random.default_rng(8)
    cell = 2.8 * np.eye(3) + 0.3 * rng.normal(size=(3, 3))
    crystal = ase.Atoms("CO", 2.5 * rng.uniform(size=(2, 3)), cell=cell, pbc=True)
    return [molecules()[0], *two_slabs(), crystal]


def number(tensor: jm.TensorMap) -> Any:
    """Something that is not linear in the values, and zero for rows of padding."""
    return sum((jnp.sin(block.values) ** 2).sum() for block in tensor.blocks())


# Programs -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EACH)
def test_one_trace_for_one_room(name: str) -> None:
    calculator, traces = CALCULATORS[name], []

    @jax.jit
    def program(batch: Any) -> Any:
        traces.append(batch)
        return number(calculator(batch))

    systems = to_systems(structures())
    room = Room(5, 30, 400, {1: 8, 6: 8, 8: 8})
    for some in (systems, systems[:2], systems[3:]):
        found = program(to_batch(some, CUTOFF, room=room))
        # In other numbers of rows sums are in another order.
        expected = jax.jit(lambda batch: number(calculator(batch)))(to_batch(some, CUTOFF))
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(traces) == 1


@pytest.mark.parametrize("name", EACH)
def test_derivatives_are_differences(name: str) -> None:
    calculator = CALCULATORS[name]
    batch = to_batch(to_systems(structures()), CUTOFF)

    def total(positions: Any, strain: Any) -> Any:
        return number(calculator(batch.replace(positions=positions).strained(strain)))

    zero = jnp.zeros((4, 3, 3))
    program = jax.jit(jax.value_and_grad(total, (0, 1)))
    _, slopes = program(batch.positions, zero)
    rng = np.random.default_rng(0)
    for which in (0, 1):
        at, step = [batch.positions, zero], [0.0, 0.0]
        step[which] = 1e-5 * rng.normal(size=at[which].shape)
        above, _ = program(*(a + s for a, s in zip(at, step, strict=True)))
        below, _ = program(*(a - s for a, s in zip(at, step, strict=True)))
        slope = (np.asarray(slopes[which]) * step[which]).sum()
        np.testing.assert_allclose(above - below, 2 * slope, rtol=2e-6)


@pytest.mark.parametrize("name", EACH)
def test_vmap_over_positions(name: str) -> None:
    calculator = CALCULATORS[name]
    batch = to_batch(to_systems(structures()[:2]), CUTOFF)
    steps = 0.01 * np.random.default_rng(0).normal(size=(3, *batch.positions.shape))
    several = batch.positions[None] + steps

    def of(positions: Any) -> Any:
        return number(calculator(batch.replace(positions=positions)))

    found = jax.jit(jax.vmap(of))(several)
    one = jax.jit(of)
    np.testing.assert_allclose(found, [one(each) for each in several], rtol=1e-13)


@pytest.mark.parametrize("name", EACH)
def test_single_precision_stays_single(name: str) -> None:
    calculator = CALCULATORS[name]
    systems = to_systems(structures())
    single, double = (to_batch(systems, CUTOFF, dtype=d) for d in ("float32", "float64"))
    program = jax.jit(
        jax.value_and_grad(lambda x, batch: number(calculator(batch.replace(positions=x))))
    )
    (found, slope), (expected, exact) = (
        program(each.positions, each) for each in (single, double)
    )
    assert found.dtype == slope.dtype == np.float32
    assert exact.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(slope, exact, rtol=0, atol=1e-4 * np.abs(exact).max())


def test_forces_by_parameters() -> None:
    """Second derivatives: of a loss of forces, by weights, by reverse mode twice."""
    calculator = CALCULATORS["soap"]
    batch = to_batch(to_systems(structures()[:2]), CUTOFF, room="rounded")
    size = calculator.compute(to_systems(structures()[:1]))[0].shape[-1]

    def energy(weights: Any, positions: Any) -> Any:
        spectrum = calculator(batch.replace(positions=positions))
        return sum(jnp.tanh(b.values @ weights).sum() for b in spectrum.blocks())

    @jax.jit
    def loss(weights: Any) -> Any:
        return (jax.grad(energy, 1)(weights, batch.positions) ** 2).sum()

    rng = np.random.default_rng(2)
    weights, step = rng.normal(size=size), 1e-5 * rng.normal(size=size)
    slope = (jax.jit(jax.grad(loss))(weights) * step).sum()
    difference = loss(weights + step) - loss(weights - step)
    np.testing.assert_allclose(difference, 2 * slope, rtol=1e-6)


def test_selected_centers() -> None:
    batch = to_batch(to_systems(structures()), CUTOFF)
    some = batch.select(Labels(["system", "atom"], [[0, 1], [3, 0]]))
    program = jax.jit(CALCULATORS["soap"].__call__)
    whole, found = program(batch), program(some)
    for key, block in found.items():
        of_whole: Any = whole.block(key).samples
        for row, entry in enumerate(np.asarray(block.samples.values)):
            expected = whole.block(key).values[of_whole.position(entry)]
            np.testing.assert_allclose(block.values[row], expected, rtol=0, atol=1e-14)
    assert sum(block.shape[0] for block in found.blocks()) > 0


# What may be wrong ----------------------------------------------------------------------


def test_types_that_are_not_known() -> None:
    with pytest.raises(InvalidError, match="types that are not known"):
        to_batch(to_systems(structures()), CUTOFF, types=[1, 8])


@pytest.mark.parametrize("name", EACH)
def test_atoms_in_one_place(name: str) -> None:
    """Values and derivatives are those of atoms that are very near."""
    calculator = CALCULATORS[name]
    rows = np.array([[0, 0, 0], [0, 0, 0], [1, 0.5, 0]])
    near = rows + np.array([[0, 0, 0], [0, 0, 1e-7], [0, 0, 0]])
    same, apart = (to_batch(System(x, [1, 1, 8]), CUTOFF) for x in (rows, near))

    @jax.jit
    def program(batch: Any) -> Any:
        return jax.value_and_grad(lambda x: number(calculator(batch.replace(positions=x))))(
            batch.positions
        )

    (value, slope), (expected, exact) = program(same), program(apart)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    if name == "distances":  # a norm has no derivative at zero, but one very near
        assert np.isfinite(slope).all()
    else:
        np.testing.assert_allclose(slope, exact, rtol=0, atol=1e-5)
    if name in WITH_GRADIENTS:
        found = calculator.compute(System(rows, [1, 1, 8]), gradients=["positions"])
        for block in found.blocks():
            assert np.isfinite(block.gradient("positions").values).all()


def test_no_atoms() -> None:
    nothing = System(np.zeros((0, 3)), np.zeros(0, int))
    calculators = [*CALCULATORS.values(), AtomicComposition(per_system=True)]
    for calculator in calculators:
        assert len(calculator.compute(nothing)) == 0
        assert len(calculator(to_batch(nothing, CUTOFF))) == 0
        assert list(calculator.compute(nothing).keys.names) == list(calculator.key_names)


@pytest.mark.parametrize("name", EACH)
def test_systems_without_atoms_beside_others(name: str) -> None:
    calculator = CALCULATORS[name]
    nothing = System(np.zeros((0, 3)), np.zeros(0, int))
    (water,) = to_systems(molecules()[:1])
    alone, beside = calculator.compute(water), calculator.compute([nothing, water])
    for key, block in alone.items():
        other: Any = beside.block(key)
        np.testing.assert_allclose(block.values, other.values, rtol=0, atol=1e-14)
        assert set(other.samples.column("system").tolist()) <= {1}


def test_an_atom_alone_sees_itself() -> None:
    atom = System(np.zeros((1, 3)), [1])
    center = CALCULATORS["expansion"].table(jnp.float64).center
    for name in WITH_GRADIENTS:
        found = CALCULATORS[name].compute(atom, gradients=["positions", "strain"])
        for block in found.blocks():
            for _, gradient in block.gradients():
                assert not np.any(gradient.values)
    for name in ("expansion", "pairs"):
        block = CALCULATORS[name].compute(atom).block(o3_lambda=0)
        np.testing.assert_array_equal(block.values[0, 0], center)
    assert len(CALCULATORS["neighbors"].compute(atom)) == 0
    assert CALCULATORS["distances"].compute(atom)[0].values.tolist() == [[CUTOFF] * 5]
