"""Composition and Scaler: against least squares and formulas; gradients; strangers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learn.energies import changed, energies, part
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError
from jaxmeta.learn import Composition, Scaler, composition_of


TYPES = [[1, 8, 1], [1], [6, 1], [6, 6, 8], [8], [1, 1, 1, 6]]
GRADIENTS = ("positions", "positions/strain", "strain")


def test_offsets_are_those_of_least_squares(rng: np.random.Generator) -> None:
    y, counts = energies(rng, blocks=2), composition_of(TYPES)
    baseline = Composition.fit(counts, y)
    table = np.asarray(counts[0].values)
    for block, weights in zip(y, baseline.weights, strict=True):
        expected = np.linalg.lstsq(table, np.asarray(block.values), rcond=None)[0]
        np.testing.assert_allclose(weights.values, expected.T, rtol=0, atol=1e-12)
        assert weights.properties == Labels("center_type", [[1], [6], [8]])


def test_transforms_shift_values_alone_and_can_be_undone(rng: np.random.Generator) -> None:
    y, counts = energies(rng, blocks=2), composition_of(TYPES)
    baseline = Composition.fit(counts, y)
    rest = baseline.transform(y, counts)
    for index, weights in enumerate(baseline.weights):
        shift = np.asarray(counts[0].values) @ np.asarray(weights.values).T
        expected = np.asarray(y[index].values) - shift
        np.testing.assert_allclose(rest[index].values, expected, rtol=0, atol=1e-13)
        for parameter in GRADIENTS:
            assert jm.equal_block(part(rest, parameter, index), part(y, parameter, index))
    again = baseline.inverse_transform(rest, counts)
    assert jm.allclose(again, y, rtol=0, atol=1e-13)


def test_compositions_of_featomic(data_folder: Path) -> None:
    counts = jm.load(data_folder / "feat_composition_mad50.mts")
    table = np.concatenate([np.asarray(block.values) for block in counts], axis=1)
    exact = np.linspace(-3.0, 2.0, table.shape[1])
    values = table @ exact[:, None]
    samples = counts[0].samples
    block = jm.TensorBlock(values, samples, [], Labels("energy", [[0]]))
    y = TensorMap(Labels.single(), [block])
    baseline = Composition.fit(counts, y)
    assert np.abs(baseline.transform(y, counts)[0].values).max() < 1e-9
    assert baseline.weights[0].properties == counts.keys


def test_the_samples_of_the_target_are_looked_up(rng: np.random.Generator) -> None:
    y, counts = energies(rng), composition_of(TYPES)
    baseline = Composition.fit(counts, y)
    few = Labels("system", [[1], [4]])
    rest = baseline.transform(jm.slice(y, "samples", few), counts)
    whole = jm.slice(baseline.transform(y, counts), "samples", few)
    assert jm.equal(rest, whole)


def test_what_has_no_reference_does_not_count(rng: np.random.Generator) -> None:
    y, counts = energies(rng), composition_of(TYPES)
    values = np.array(y[0].values)
    values[2] = np.nan
    holes = TensorMap(y.keys, [y[0].with_values(values)])
    few = Labels("system", [[0], [1], [3], [4], [5]])
    a = Composition.fit(counts, holes).weights
    b = Composition.fit(counts, jm.slice(y, "samples", few)).weights
    assert jm.allclose(a, b, rtol=0, atol=1e-12)


def test_compositions_compile_with_dynamic_samples(rng: np.random.Generator) -> None:
    y, counts = energies(rng), composition_of(TYPES)
    baseline = Composition.fit(counts, y)
    room = {"samples": 8, "positions": 10, "strain": 9, "positions/strain": 10}
    padded = jm.pad(y, room), jm.pad(counts, {"samples": 8})
    found = jax.jit(Composition.transform)(baseline, *padded)
    assert jm.allclose(jm.unpad(found), baseline.transform(y, counts), rtol=1e-13)


def test_strangers_are_refused(rng: np.random.Generator) -> None:
    y, counts = energies(rng), composition_of(TYPES)
    baseline = Composition.fit(counts, y)
    with pytest.raises(MissingError, match=r"not fitted: \(center_type=79\)"):
        baseline.transform(y, composition_of([*TYPES[:5], [79]]))
    with pytest.raises(MissingError, match=r"no sample \(system=5\)"):
        baseline.transform(y, composition_of(TYPES[:5]))
    with pytest.raises(MissingError, match="no weights for block"):
        baseline.transform(TensorMap(Labels("model", [[4]]), [y[0]]), counts)
    per_atom = jm.append_dimension(counts, "samples", "atom", 0)
    with pytest.raises(InvalidError, match="have other names"):
        baseline.transform(y, per_atom)
    other = jm.rename_dimension(counts, "properties", "center_type", "species")
    with pytest.raises(InvalidError, match="types have other names"):
        baseline.transform(y, other)
    strain = TensorMap(y.keys, [part(y, "strain")])
    with pytest.raises(InvalidError, match="has components"):
        Composition.fit(counts, strain)


def test_types_without_atoms_are_unknown_until_they_have_some(
    rng: np.random.Generator,
) -> None:
    y = energies(rng)
    names, table = ["center_type"], np.zeros((6, 4))
    known = composition_of(TYPES)[0]
    table[:, :3] = known.values
    types = Labels(names, [[1], [6], [8], [79]])
    block = jm.TensorBlock(table, known.samples, [], types)
    counts = TensorMap(Labels.single(), [block])
    baseline = Composition.fit(counts, y)
    assert len(baseline.weights[0].properties) == 3
    assert jm.equal(
        baseline.transform(y, counts), baseline.transform(y, composition_of(TYPES))
    )
    with pytest.raises(MissingError, match="center_type=79"):
        baseline.transform(y, TensorMap(counts.keys, [block.with_values(table + 1.0)]))


def test_compositions_that_are_none() -> None:
    with untyped(), pytest.raises(InvalidTypeError, match="must be integers"):
        composition_of([["H", "O"]])
    with pytest.raises(InvalidError, match="an array for each structure"):
        composition_of([1, 1, 8])
    with pytest.raises(InvalidError, match="no structure"):
        composition_of([])


# Scaler ---------------------------------------------------------------------------------


@pytest.mark.parametrize("parameter", ["values", "positions", "strain"])
def test_scales_are_root_mean_squares(rng: np.random.Generator, parameter: str) -> None:
    y = energies(rng, blocks=2)
    arrays = [np.asarray(part(y, parameter, i).values) for i in range(2)]
    scales = Scaler.fit(y, parameter=parameter).scales
    for block, array in zip(scales, arrays, strict=True):
        expected = np.sqrt(np.mean(array**2))
        np.testing.assert_allclose(block.values, [[expected]], rtol=1e-14)
    one = Scaler.fit(y, parameter=parameter, per="map").scales
    expected = np.sqrt(np.mean(np.concatenate([a.ravel() for a in arrays]) ** 2))
    for block in one:
        np.testing.assert_allclose(block.values, [[expected]], rtol=1e-14)


def test_values_and_all_gradients_have_one_scale(rng: np.random.Generator) -> None:
    y = energies(rng, blocks=2)
    scaler = Scaler.fit(y)
    scaled = scaler.transform(y)
    for index, block in enumerate(scaler.scales):
        for parameter in ("values", *GRADIENTS):
            expected = np.asarray(part(y, parameter, index).values) / block.values[0, 0]
            found = part(scaled, parameter, index).values
            np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert jm.allclose(scaler.inverse_transform(scaled), y, rtol=1e-14)


def test_scales_for_each_atom(rng: np.random.Generator) -> None:
    y, sizes = energies(rng), np.array([2, 1, 4, 3, 1, 2])
    expected = np.sqrt(np.mean((np.asarray(y[0].values)[:, 0] / sizes) ** 2))
    found = Scaler.fit(y, sizes=sizes).scales[0].values
    np.testing.assert_allclose(found, [[expected]], rtol=1e-14)


def test_holes_and_padding_do_not_count_and_scalers_compile(
    rng: np.random.Generator,
) -> None:
    y = energies(rng)
    values = np.array(y[0].values)
    values[1] = np.nan
    holes = TensorMap(y.keys, [y[0].with_values(values)])
    expected = np.sqrt(np.nanmean(values**2))
    room = {"samples": 8, "positions": 10, "strain": 9, "positions/strain": 10}
    for given in (holes, jm.pad(holes, room)):
        for fit in (Scaler.fit, jax.jit(Scaler.fit)):
            found = fit(given).scales[0].values
            np.testing.assert_allclose(found, [[expected]], rtol=1e-14)


def test_what_is_zero_has_scale_one(rng: np.random.Generator) -> None:
    y = jm.zeros_like(energies(rng))
    scaler = Scaler.fit(y)
    assert float(scaler.scales[0].values[0, 0]) == 1.0
    assert jm.equal(scaler.transform(y), y)


def test_single_precision_is_kept(rng: np.random.Generator) -> None:
    y = energies(rng).to(dtype=np.float32)
    counts = composition_of(TYPES, dtype=np.float32)
    assert Scaler.fit(y).transform(y).dtype == np.float32
    rest = Composition.fit(counts, y).transform(y, counts)
    assert rest.dtype == np.float32
    with pytest.raises(InvalidTypeError, match="the dtypes differ"):
        Composition.fit(composition_of(TYPES), y)


def test_scales_that_can_not_be(rng: np.random.Generator) -> None:
    y = energies(rng)
    with untyped(), pytest.raises(InvalidError, match="no per 'column'"):
        Scaler.fit(y, per="column")  # type: ignore[arg-type]
    with pytest.raises(MissingError, match="no gradient 'cell'"):
        Scaler.fit(y, parameter="cell")
    infinite = changed(y, lambda _, values: values * np.inf)
    with pytest.raises(InvalidError, match="not finite"):
        Scaler.fit(infinite)
    with pytest.raises(MissingError, match="no weights for block"):
        Scaler.fit(y).transform(TensorMap(Labels("model", [[4]]), [y[0]]))


def test_derivatives_go_through(rng: np.random.Generator) -> None:
    """A loss of scaled predictions has the slopes of the formula."""
    y = energies(rng)
    scaler = Scaler.fit(y)

    def loss(y: Any) -> Any:
        return (scaler.transform(y)[0].gradient("positions").values ** 2).sum()

    slope = jax.grad(loss)(y)[0].gradient("positions").values
    scale = scaler.scales[0].values[0, 0]
    expected = 2 * jnp.asarray(y[0].gradient("positions").values) / scale**2
    np.testing.assert_allclose(slope, expected, rtol=1e-13)
