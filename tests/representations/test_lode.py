"""Long-range expansions: those of featomic, sums in real space, compiled."""

from __future__ import annotations

from math import gamma
from pathlib import Path
from typing import Any

import ase
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representations.dimers import peer as featomic
from representations.featomic_peer import assert_close, crystal, here
from representations.real_structures import frames
from scipy.integrate import quad

import jaxmeta as jm
from jaxmeta import Labels
from jaxmeta.atomistic import System, to_batch
from jaxmeta.errors import InvalidError, MissingError
from jaxmeta.interop.ase import to_systems
from jaxmeta.representations import LodeSphericalExpansion
from jaxmeta.representations._hypers import SmearedPowerLaw
from jaxmeta.representations._power_law import transformed, transformed_at_zero
from jaxmeta.representations.radial._lode import density_at
from jaxmeta.representations.radial._primitives import orthonormal


def lode(
    exponent: int = 1, max_angular: int = 1, smearing: float = 1.2, **density: Any
) -> dict[str, Any]:
    return {
        "density": {
            "type": "SmearedPowerLaw",
            "smearing": smearing,
            "exponent": exponent,
            **density,
        },
        "basis": {
            "type": "TensorProduct",
            "max_angular": max_angular,
            "radial": {"type": "Gto", "max_radial": 1, "radius": 2.5},
        },
    }


def crystals() -> list[ase.Atoms]:
    """Three types in all, two of them in each; one small cell that is skewed."""
    rng = np.random.default_rng(3)
    cell = np.eye(3) * 3 + rng.normal(size=(3, 3)) / 2
    return [crystal(), ase.Atoms("NaOO", 3 * rng.uniform(size=(3, 3)), cell=cell, pbc=True)]


# Against featomic -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "exponent",
    [1, 4, *(pytest.param(p, marks=pytest.mark.long) for p in (0, 2, 3, 5, 6, 7, 8, 9))],
)
def test_featomic(exponent: int) -> None:
    # featomic's incomplete gamma functions have an error of 1e-11 at half numbers.
    tolerance = 1e-10 if exponent in (2, 4, 6, 8) else 1e-13
    given = lode(exponent, 3, center_atom_weight=0.3)
    found = LodeSphericalExpansion(**given).compute(
        to_systems(crystals()), gradients=["positions"]
    )
    expected = featomic.LodeSphericalExpansion(**given).compute(
        crystals(), gradients=["positions"]
    )
    assert_close(found, here(expected), tolerance)


def test_files_of_long_range(data_folder: Path) -> None:
    """A file of featomic; its products with short range are beside those of spectra."""
    given = lode(1, 2, smearing=1.2)
    given["basis"]["radial"] = {"type": "Gto", "max_radial": 2, "radius": 4.0}
    systems = to_systems(frames("lithium"))
    far = LodeSphericalExpansion(**given).compute(systems, gradients=["positions"])
    assert_close(far, jm.load(data_folder / "feat_lode_li3ps4_2_pos.mts"), 1e-12)


@pytest.mark.long
def test_tables_of_points() -> None:
    """featomic's own splined integrals; and those made here of the same functions."""
    radius = 2.5
    basis = featomic.basis.TensorProduct(
        max_angular=2,
        radial=featomic.basis.SphericalBessel(
            radius=radius, max_radial=2, angular_channel=0
        ),
    )
    density = featomic.density.SmearedPowerLaw(smearing=1.2, exponent=1)
    spliner = featomic.splines.LodeSpliner(
        density=density, basis=basis, k_cutoff=3.0, n_spline_points=200
    )
    given = spliner.get_hypers()
    expected = here(featomic.LodeSphericalExpansion(**given).compute(crystals()))
    systems = to_systems(crystals())
    assert_close(LodeSphericalExpansion(**given).compute(systems), expected, 1e-12)


# Against the definition -----------------------------------------------------------------


@pytest.mark.parametrize("power", [1, 2, 3, 4, 5, 8, 9])
def test_power_laws_in_reciprocal_space(power: int) -> None:
    """Against integrals over Gaussians of all widths, of which smeared power laws are."""
    density = SmearedPowerLaw(0.9, power)
    last = 1 / (2 * 0.9**2)

    def gaussian(t: float, k: float) -> float:
        return t ** (power / 2 - 1) * (np.pi / t) ** 1.5 * np.exp(-(k**2) / (4 * t))

    for k in (0.2, 1.0, 4.0):
        right = quad(gaussian, 0, last, args=(k,), epsabs=0, epsrel=1e-11)[0]
        found = transformed(density, jnp.asarray(k))
        assert np.isclose(found, right / gamma(power / 2), rtol=1e-9, atol=0)
    if power > 3:
        right = quad(gaussian, 0, last, args=(0.0,), epsabs=0, epsrel=1e-11)[0]
        assert np.isclose(transformed_at_zero(density), right / gamma(power / 2))


def test_a_lattice_sum_in_real_space() -> None:
    """A power that falls off fast: densities of images, added one by one."""
    given = lode(8, 0, smearing=0.7)
    expansion = LodeSphericalExpansion(**given, k_cutoff=9.0)
    system = System(np.zeros((1, 3)), [1], 4.0 * np.eye(3), pbc=True)
    found = expansion.compute(system)[0].values[0, 0]
    steps = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), axis=-1).reshape(-1, 3)
    distances = np.linalg.norm(4.0 * steps, axis=1)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    cosines, r = nodes, (nodes + 1) * 6.0
    functions = orthonormal(expansion.hypers.basis.by_angular[0], 0, 2.5).values(r)
    density = SmearedPowerLaw(0.7, 8)
    squares = (
        r[:, None, None] ** 2
        + distances[None, :, None] ** 2
        + 2 * r[:, None, None] * distances[None, :, None] * cosines[None, None]
    )
    around = density_at(np.sqrt(squares), density).sum(axis=1) @ weights / 2
    right = np.sqrt(4 * np.pi) * (6.0 * weights * r**2 * around) @ functions
    np.testing.assert_allclose(found, right, rtol=2e-6)


# Programs -------------------------------------------------------------------------------


def test_derivatives_by_positions_and_strain() -> None:
    expansion = LodeSphericalExpansion(**lode(1, 1))
    batch = to_batch(to_systems(crystals()))
    waves = expansion.k_vectors(batch)

    def values(positions: Any, strain: Any) -> Any:
        moved = batch.replace(positions=positions).strained(strain)
        found = expansion(moved, k_vectors=waves)
        return sum((jnp.cos(3 * b.values) ** 2).sum() for b in found.blocks())

    zero = jnp.zeros((2, 3, 3))
    program = jax.jit(jax.value_and_grad(values, (0, 1)))
    _, slopes = program(batch.positions, zero)
    rng = np.random.default_rng(0)
    steps = [1e-5 * rng.normal(size=each.shape) for each in slopes]
    for one in ((1, 0), (0, 1)):
        step = [factor * each for factor, each in zip(one, steps, strict=True)]
        above, _ = program(batch.positions + step[0], zero + step[1])
        below, _ = program(batch.positions - step[0], zero - step[1])
        slope = sum((a * b).sum() for a, b in zip(slopes, step, strict=True))
        np.testing.assert_allclose(above - below, 2 * slope, rtol=1e-6)


def test_padding_changes_nothing_and_waves_are_arguments() -> None:
    systems = to_systems(crystals())
    expansion = LodeSphericalExpansion(**lode(4, 1, center_atom_weight=0.5))
    traces = []

    @jax.jit
    def program(batch: Any, waves: Any) -> Any:
        traces.append(batch)
        return expansion(batch, k_vectors=waves)

    expected = expansion.compute(systems)
    batch = to_batch(systems, room="rounded")
    found = jm.unpad(program(batch, expansion.k_vectors(batch)))
    for key, block in expected.items():
        mine: Any = found.block(key)
        rows = [mine.samples.position(each) for each in block.samples.values]
        np.testing.assert_allclose(
            np.asarray(mine.values)[np.array(rows)], block.values, rtol=0, atol=1e-12
        )
    with pytest.raises(MissingError, match=r"expansion.k_vectors|k_vectors = calculator"):
        jax.jit(expansion.__call__)(batch)
    assert len(traces) == 1


def test_selected_centers_and_single_precision() -> None:
    expansion = LodeSphericalExpansion(**lode(1, 1))
    batch = to_batch(to_systems(crystals()), dtype="float32")
    some = batch.select(Labels(["system", "atom"], [[0, 1], [1, 2]]))
    waves = expansion.k_vectors(batch)
    program = jax.jit(lambda batch: expansion(batch, k_vectors=waves))
    whole, found = program(batch), program(some)
    assert found.dtype == np.float32
    exact = expansion.compute(to_systems(crystals()))
    for key, block in found.items():
        for row, entry in enumerate(block.samples.values.tolist()):
            of_whole: Any = whole.block(key).samples
            expected = whole.block(key).values[of_whole.position(entry)]
            np.testing.assert_allclose(block.values[row], expected, rtol=0, atol=1e-6)
    for key, block in exact.items():
        mine: Any = whole.block(key)
        rows = [mine.samples.position(each) for each in block.samples.values]
        np.testing.assert_allclose(
            np.asarray(mine.values)[np.array(rows)], block.values, rtol=0, atol=3e-6
        )


def test_few_atoms_and_no_waves() -> None:
    """No atoms; an atom alone; a cell into which no wave fits, as featomic refuses."""
    expansion = LodeSphericalExpansion(**lode(4, 1))
    nothing = System(np.zeros((0, 3)), np.zeros(0, int), 4.0 * np.eye(3), pbc=True)
    assert len(expansion.compute(nothing, gradients=["positions"])) == 0
    assert len(expansion(to_batch(nothing))) == 0
    large, tiny = (
        System(np.zeros((1, 3)), [1], size * np.eye(3), pbc=True) for size in (4.0, 0.5)
    )
    alone, beside = (
        expansion.compute(systems, gradients=["positions"])
        for systems in (large, [nothing, large])
    )
    for one, other in zip(alone.blocks(), beside.blocks(), strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=0, atol=1e-14)
        assert not np.any(one.gradient("positions").values)
    with pytest.raises(InvalidError, match="there is no wave below the k_cutoff"):
        expansion.compute(tiny)


# Faults ---------------------------------------------------------------------------------


def test_faults_of_long_range() -> None:
    expansion = LodeSphericalExpansion(**lode())
    slab = System(np.zeros((1, 3)), [1], np.diag([3.0, 3, 0]), pbc=[True, True, False])
    with pytest.raises(InvalidError, match=r"periodic along all three .*\n.*system 0"):
        expansion.compute(slab)
    salt = System(np.zeros((1, 3)), [1], 1e5 * np.eye(3), pbc=True)
    with pytest.raises(InvalidError, match="too many waves"):
        expansion.compute(salt)
    with pytest.raises(InvalidError, match="there is no gradient 'strain'"):
        expansion.compute(to_systems(crystals()), gradients=["strain"])
    no_radius = lode()
    del no_radius["basis"]["radial"]["radius"]
    with pytest.raises(InvalidError, match="need a radius"):
        LodeSphericalExpansion(**no_radius)
    few = {"position": 0.0, "values": [1.0], "derivatives": [0.0]}
    points = [few, {**few, "position": 1.0}]
    tabulated = lode(center_atom_weight=1.0)
    tabulated["basis"]["radial"] = {"type": "Tabulated", "points": points}
    with pytest.raises(InvalidError, match="must reach from 0 to the k_cutoff"):
        LodeSphericalExpansion(**tabulated)
    tabulated = lode(center_atom_weight=0.5)
    tabulated["basis"]["radial"] = {"type": "Tabulated", "points": points}
    with pytest.raises(InvalidError, match="says nothing of the center"):
        LodeSphericalExpansion(**tabulated, k_cutoff=1.0)


def test_equal_expansions() -> None:
    assert LodeSphericalExpansion(**lode()) == LodeSphericalExpansion(**lode())
    assert LodeSphericalExpansion(**lode()) != LodeSphericalExpansion(**lode(2))
    assert "k_cutoff=3.14" in repr(LodeSphericalExpansion(**lode()))
    assert len({LodeSphericalExpansion(**lode()) for _ in range(2)}) == 1
