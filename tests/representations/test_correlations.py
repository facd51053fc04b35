"""Density correlations and power spectra: featomic's, on real and on small structures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representations.featomic_peer import (
    Peer,
    assert_close,
    expansion,
    featomic,
    here,
    hypers,
    molecules,
    there,
)

import jaxmeta as jm
from jaxmeta import Labels, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError
from jaxmeta.representations.clebsch_gordan import (
    DensityCorrelations,
    equivariant_power_spectrum,
    equivariant_power_spectrum_by_pair,
    power_spectrum,
)
from jaxmeta.representations.clebsch_gordan.correlations import renumbered
from jaxmeta.testing import assert_exact_gradients


def small(gradients: Any = (), max_angular: int = 1) -> TensorMap:
    return expansion(molecules()[:1], gradients, max_angular, max_radial=0)


def calculator(max_angular: int = 1, radius: float = 4.0) -> Any:
    return featomic.SphericalExpansion(**hypers(max_angular, 0, radius))


# Files ----------------------------------------------------------------------------------


def test_the_file_of_lambda_soap(data_folder: Path) -> None:
    frames = ase.io.read(data_folder / "ethanol_reduced_100.xyz", ":3")
    density = expansion(frames, max_angular=2, max_radial=2)
    selected = Labels(["o3_lambda", "o3_sigma"], [[0, 1], [1, 1], [2, 1]])
    found = equivariant_power_spectrum(
        density, neighbors_to_properties=True, selected_keys=selected
    )
    assert_close(found, jm.load(data_folder / "feat_lambda_soap_ethanol3.mts"))


def test_the_file_of_a_spectrum_with_lode_and_gradients(data_folder: Path) -> None:
    frame = ase.io.read(data_folder / "li3ps4_train.xyz", 0)
    short = expansion(frame, ["positions"], max_angular=2, max_radial=2)
    far = jm.load(data_folder / "feat_lode_li3ps4_2_pos.mts")
    far = jm.slice(far, "samples", Labels("system", [[0]]))
    found = power_spectrum(short, far)
    assert_close(found, jm.load(data_folder / "feat_ps_soap_x_lode_li3ps4_1_pos.mts"))


def test_a_file_of_expansions_with_strain(data_folder: Path) -> None:
    density = jm.load(data_folder / "feat_spex_carbon3_pos_cell_strain.mts")
    spectrum = power_spectrum(density)[0]
    assert spectrum.gradients_list() == ["cell", "positions", "strain"]
    # An invariant does not change when all is rotated: its strain gradient is symmetric.
    strain = np.asarray(spectrum.gradient("strain").values)
    np.testing.assert_allclose(strain, strain.swapaxes(1, 2), atol=1e-12)
    # Nor when all is moved: positions gradients of a sample add up to zero.
    positions = spectrum.gradient("positions")
    owners: Any = positions.samples
    total = jax.ops.segment_sum(positions.values, owners.column("sample"), 12)
    np.testing.assert_allclose(total, 0, atol=1e-12)


# Power spectra --------------------------------------------------------------------------


@pytest.mark.parametrize("moved", [True, False])
def test_equivariant_power_spectrum(moved: bool) -> None:
    selected = Labels("o3_lambda", [[1], [2]])
    spectrum = Peer.EquivariantPowerSpectrum(calculator())
    right = spectrum.compute(
        molecules()[:1], selected_keys=there(selected), neighbors_to_properties=moved
    )
    found = equivariant_power_spectrum(
        small(), neighbors_to_properties=moved, selected_keys=selected
    )
    assert_close(found, right)


def test_two_densities_and_chosen_neighbors() -> None:
    other = calculator(radius=3.0)
    spectrum = Peer.EquivariantPowerSpectrum(calculator(), other, neighbor_types=[8, 7, 1])
    right = spectrum.compute(molecules()[:1], neighbors_to_properties=True)
    density = here(other.compute(molecules()[:1]))
    options: Any = {"neighbors_to_properties": True, "neighbor_types": [8, 7, 1]}
    found = equivariant_power_spectrum(small(), density, **options)
    assert_close(found, right)
    whole = equivariant_power_spectrum(small(), density, skip_redundant=False, **options)
    pairs = {tuple(row[:2]) for row in whole[0].properties.values.tolist()}
    assert pairs == {(0, 0), (1, 1)}
    vectors = whole.block(o3_lambda=1, o3_sigma=1, center_type=8)
    pairs = {tuple(row[:2]) for row in vectors.properties.values.tolist()}
    assert pairs == {(0, 1), (1, 0)}


@pytest.mark.parametrize("moved", [True, False])
def test_equivariant_power_spectrum_by_pair(moved: bool) -> None:
    by_pair = featomic.SphericalExpansionByPair(**hypers(1, 0))
    spectrum = Peer.EquivariantPowerSpectrumByPair(calculator(), by_pair)
    systems: Any = molecules()[:1]
    right = spectrum.compute(systems, neighbors_to_properties=moved)
    pairs = here(by_pair.compute(systems))
    found = equivariant_power_spectrum_by_pair(
        small(), pairs, neighbors_to_properties=moved
    )
    assert_close(found, right)


def test_gradients_by_pair() -> None:
    by_pair = featomic.SphericalExpansionByPair(**hypers(1, 0))
    systems: Any = molecules()[:1]
    pairs = here(by_pair.compute(systems, gradients=["positions"]))
    selected = Labels(["o3_lambda", "second_atom_type"], [[1, 8]])
    assert_exact_gradients(
        lambda a, b: equivariant_power_spectrum_by_pair(
            a, b, neighbors_to_properties=True, selected_keys=selected
        ),
        small(["positions"]),
        pairs,
    )


def test_the_invariant_spectrum_and_its_gradients() -> None:
    systems: Any = molecules()[:1]
    for types in (None, [8, 1, 6]):
        spectrum = Peer.PowerSpectrum(calculator(), neighbor_types=types)
        right = spectrum.compute(systems, gradients=["positions"])
        found = power_spectrum(small(["positions"]), neighbor_types=types)
        # featomic gives rows of gradients that are zero an order of their own.
        assert_close(found, right)
    assert_exact_gradients(power_spectrum, small(["positions"]))


def test_invariants_are_the_equivariants_of_degree_zero() -> None:
    whole = equivariant_power_spectrum(
        small(),
        neighbors_to_properties=True,
        selected_keys=Labels(["o3_lambda", "center_type"], [[0, 8]]),
    )
    scalar = power_spectrum(small()).block(center_type=8)
    np.testing.assert_allclose(whole[0].values[:, 0], scalar.values, atol=1e-14)
    assert whole[0].properties.values[:, 1:].tolist() == scalar.properties.values.tolist()


def test_compiled_spectra_with_dynamic_samples() -> None:
    density = small(["positions"]).keys_to_properties("neighbor_type")
    room = {"samples": 5, "positions": 12}

    @jax.jit
    def spectra(density: TensorMap) -> tuple[TensorMap, TensorMap]:
        options: Any = {"capacity": room, "selected_keys": Labels("o3_lambda", [[1]])}
        return (
            equivariant_power_spectrum(density, **options),
            power_spectrum(density, capacity=room),
        )

    lambdas, invariants = spectra(jm.pad(density, room))
    assert_close(
        jm.unpad(lambdas),
        equivariant_power_spectrum(density, selected_keys=Labels("o3_lambda", [[1]])),
    )
    assert_close(jm.unpad(invariants), power_spectrum(density))


def test_a_loss_of_forces_can_be_differentiated() -> None:
    density = small(["positions"])

    def loss(density: TensorMap) -> Any:
        found = power_spectrum(density)
        return sum(jnp.sum(block.gradient("positions").values ** 2) for block in found)

    slope = jm.grad(loss)(density)
    step = 1e-5
    moved = [loss(density + sign * step * slope) for sign in (1, -1)]
    found = sum(float(jnp.sum(jnp.asarray(leaf) ** 2)) for leaf in jax.tree.leaves(slope))
    assert found == pytest.approx(float(moved[0] - moved[1]) / (2 * step), rel=1e-6)


# Correlations ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "options"),
    [
        (1, {}),
        (1, {"skip_redundant": False}),
        (2, {"angular_cutoff": 1}),
        (2, {"angular_cutoff": 1, "selected_keys": Labels("o3_lambda", [[2]])}),
    ],
)
def test_correlations_are_those_of_featomic(order: int, options: dict[str, Any]) -> None:
    density = small().keys_to_properties("neighbor_type")
    skip = options.pop("skip_redundant", True)
    mine = DensityCorrelations(order, max_angular=3, skip_redundant=skip)
    theirs = Peer.DensityCorrelations(
        n_correlations=order, max_angular=3, skip_redundant=skip
    )
    given = {k: there(v) if isinstance(v, Labels) else v for k, v in options.items()}
    assert_close(mine.compute(density, **options), theirs.compute(there(density), **given))


def test_correlations_carry_gradients() -> None:
    density = small(["positions"]).keys_to_properties("neighbor_type")
    calculator = DensityCorrelations(2, max_angular=3)
    selected = Labels(["o3_lambda", "center_type"], [[0, 8]])
    found = assert_exact_gradients(
        lambda t: calculator(t, angular_cutoff=1, selected_keys=selected), density
    )
    assert found.property_names == [
        *["neighbor_1_type", "n_1", "neighbor_2_type", "n_2", "neighbor_3_type", "n_3"]
    ]
    compiled = jax.jit(lambda t: calculator(t, 1, selected))(density)
    assert_close(compiled, found)


def test_samples_asked_for_and_maps_without_blocks() -> None:
    density = small(["positions"])
    atoms = Labels(["system", "atom"], [[0, 2], [0, 1], [0, 0], [7, 7]])
    found = power_spectrum(density, into=atoms)
    assert all(block.samples is atoms for block in found)
    oxygen = power_spectrum(density).block(center_type=8)
    np.testing.assert_array_equal(
        found.block(center_type=8).values, np.pad(oxygen.values, ((2, 1), (0, 0)))
    )
    selected = Labels("o3_lambda", [[9]])
    assert len(equivariant_power_spectrum(density, selected_keys=selected)) == 0
    nothing = jm.filter_blocks(density, Labels("center_type", [[99]]))
    for function in (power_spectrum, equivariant_power_spectrum, DensityCorrelations(1, 2)):
        assert len(function(nothing)) == 0


def test_names_are_numbered() -> None:
    names = ["n", "n_1", "neighbor_type", "neighbor_1_type", "some_thing", "l_9"]
    properties = Labels(names, [[0] * len(names)])
    block = jm.TensorBlock(jnp.ones((1, 1)), Labels.range("s", 1), [], properties)
    assert renumbered(TensorMap(Labels.single(), [block])).property_names == [
        *["n_1", "n_2", "neighbor_1_type", "neighbor_2_type", "some_thing_1", "l_10"]
    ]


# Errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda d: DensityCorrelations(0, 2), InvalidError, "1 or more"),
        (lambda d: DensityCorrelations(1.0, 2), InvalidTypeError, "an integer"),  # type: ignore[arg-type]
        (lambda d: DensityCorrelations(1, 2, 1), InvalidTypeError, "True or False"),  # type: ignore[arg-type]
        (lambda d: DensityCorrelations(1, 1)(d), InvalidError, "go up to 2"),
        (lambda d: DensityCorrelations(1, 2)(d, -1), InvalidError, "not negative"),
        (lambda d: DensityCorrelations(1, 2)(3), InvalidTypeError, "found builtins.int"),  # type: ignore[arg-type]
        (lambda d: power_spectrum(3), InvalidTypeError, "found builtins.int"),  # type: ignore[arg-type]
        (
            lambda d: power_spectrum(jm.rename_dimension(d, "properties", "n", "k")),
            MissingError,
            "no dimension 'n'",
        ),
        (
            lambda d: power_spectrum(jm.rename_dimension(d, "keys", "neighbor_type", "x")),
            MissingError,
            "no dimension 'neighbor_type'",
        ),
        (
            lambda d: power_spectrum(d, jm.rename_dimension(d, "keys", "center_type", "x")),
            InvalidError,
            "other names of keys",
        ),
        (
            lambda d: power_spectrum(d, neighbor_types=["H"]),  # type: ignore[list-item]
            InvalidTypeError,
            "neighbor_types are integers",
        ),
        (lambda d: power_spectrum(d, neighbor_types=[]), InvalidError, "no neighbor_types"),
        (lambda d: power_spectrum(d, neighbor_types=5), InvalidTypeError, "found 5"),  # type: ignore[arg-type]
        (
            lambda d: equivariant_power_spectrum_by_pair(d, d),
            InvalidError,
            "samples of the blocks|do not go together",
        ),
        (
            lambda d: equivariant_power_spectrum(d, neighbors_to_properties=1),  # type: ignore[arg-type]
            InvalidTypeError,
            "True or False",
        ),
    ],
)
@pytest.mark.usefixtures("wrong_types")
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    density = small()
    with pytest.raises(error, match=words):
        call(density)
