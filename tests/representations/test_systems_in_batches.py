"""`compute` of every representation: some systems at a time, and wrong arguments."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import TensorMap
from jaxmeta.atomistic import System, to_batch
from jaxmeta.errors import InvalidError, InvalidTypeError
from jaxmeta.representations import (
    AtomicComposition,
    EquivariantPowerSpectrum,
    EquivariantPowerSpectrumByPair,
    LodeSphericalExpansion,
    NeighborList,
    PowerSpectrum,
    SortedDistances,
    SphericalExpansion,
    SphericalExpansionByPair,
)


HYPERS: dict[str, Any] = {
    "cutoff": {"radius": 2.5, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
    "density": {"type": "Gaussian", "width": 0.4},
    "basis": {
        "type": "TensorProduct",
        "max_angular": 1,
        "radial": {"type": "Gto", "max_radial": 1},
    },
}
DENSITY = SphericalExpansion(**HYPERS)
BY_PAIR = SphericalExpansionByPair(**HYPERS)
CALCULATORS: list[Any] = [
    BY_PAIR,
    NeighborList(cutoff=2.5, full_neighbor_list=True, self_pairs=True),
    AtomicComposition(per_system=True),
    AtomicComposition(per_system=False),
    SortedDistances(cutoff=2.5, max_neighbors=3, separate_neighbor_types=True),
    LodeSphericalExpansion(
        {"type": "SmearedPowerLaw", "smearing": 1.0, "exponent": 1},
        {
            "type": "TensorProduct",
            "max_angular": 1,
            "radial": {"type": "Gto", "max_radial": 1, "radius": 2.0},
        },
    ),
    PowerSpectrum(DENSITY),
    EquivariantPowerSpectrum(DENSITY, neighbor_types=[1, 6, 8, 9]),
    EquivariantPowerSpectrumByPair(DENSITY, BY_PAIR, neighbor_types=[1, 6, 8, 9]),
]


def systems() -> list[System]:
    """Crystals; no type of atoms is in all of them, one is alone in its system."""
    rng = np.random.default_rng(0)
    cell = 4.0 * np.eye(3) + 0.2 * rng.normal(size=(3, 3))
    grid = 1.9 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    kinds = ([8, 1, 1], [6, 1], [8, 6, 1, 8], [9])
    return [
        System(
            grid[: len(types)] + 0.1 * rng.normal(size=(len(types), 3)), types, cell, True
        )
        for types in kinds
    ]


def gradients_of(calculator: Any) -> dict[str, Any]:
    """Those that there are."""
    if "gradients" not in inspect.signature(calculator.compute).parameters:
        return {}
    if isinstance(calculator, SortedDistances):
        return {}
    lode = isinstance(calculator, LodeSphericalExpansion)
    return {"gradients": ["positions"] if lode else ["positions", "strain"]}


@pytest.mark.parametrize(
    "calculator",
    [
        *CALCULATORS[:-2],
        *(pytest.param(c, marks=pytest.mark.long) for c in CALCULATORS[-2:]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_systems_in_batches_give_what_all_of_them_give(calculator: Any) -> None:
    given = gradients_of(calculator)
    if isinstance(calculator, EquivariantPowerSpectrum | EquivariantPowerSpectrumByPair):
        given["neighbors_to_properties"] = True
    whole = calculator.compute(systems(), **given)
    for size in (1, 3):
        parts = calculator.compute(systems(), batch_size=size, **given)
        jm.equal_metadata_raise(parts, whole)
        # Waves of two lattices are summed in one order, those of one in another.
        jm.allclose_raise(parts, whole, rtol=0, atol=1e-11)


@pytest.mark.parametrize("calculator", CALCULATORS[:5], ids=lambda c: type(c).__name__)
def test_batches_of_atoms_without_neighbours_and_of_no_atoms(calculator: Any) -> None:
    few = [System([], []), System([[0.0, 0, 0]], [1]), System([], [])]
    for systems_of in (few, few[::2]):
        parts = calculator.compute(systems_of, batch_size=1)
        jm.equal_metadata_raise(parts, calculator.compute(systems_of))


@pytest.mark.parametrize(
    "calculator",
    [CALCULATORS[-2], pytest.param(CALCULATORS[-1], marks=pytest.mark.long)],
    ids=["atoms", "pairs"],
)
def test_rows_that_batches_leave_out_are_zero(calculator: Any) -> None:
    """Where types of neighbours are keys, of types that no system of the batch has."""
    whole = calculator.compute(systems())
    parts = calculator.compute(systems(), batch_size=1)
    assert set(parts.keys).issubset(set(whole.keys))
    for key, block in whole.items():
        values = np.array(block.values)
        if key in parts.keys:
            part = parts.block(key)
            rows = [block.samples.position(entry) for entry in part.samples]
            np.testing.assert_allclose(part.values, values[rows], rtol=0, atol=1e-13)
            values[rows] = 0
        assert not values.any()


def test_parts_are_made_smaller_before_they_are_joined() -> None:
    seen = []

    def smaller(tensor: TensorMap) -> TensorMap:
        seen.append(tensor)
        return jm.sum_over_samples(
            tensor, ["second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"]
        )

    parts = BY_PAIR.compute(systems(), batch_size=2, transform=smaller)
    expected = smaller(BY_PAIR.compute(systems()))
    assert len(seen) == 3
    jm.allclose_raise(parts, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("calculator", CALCULATORS, ids=lambda each: type(each).__name__)
def test_wrong_arguments_are_explained(calculator: Any) -> None:
    name = type(calculator).__name__
    wrong: list[tuple[dict[str, Any], type, str]] = [
        ({"batch_size": 0}, InvalidError, "batch_size must be at least 1"),
        ({"batch_size": 1.5}, InvalidTypeError, "batch_size must be an integer"),
        ({"transform": 3}, InvalidTypeError, "transform must be a function"),
        ({"dtype": "float33"}, InvalidTypeError, f"{name}.compute: dtype must be"),
    ]
    if "gradients" in inspect.signature(calculator.compute).parameters:
        wrong += [
            ({"gradients": None}, InvalidTypeError, "gradients must be a list of names"),
            ({"gradients": ["charge"]}, InvalidError, "there is no gradient 'charge'"),
        ]
    for given, kind, message in wrong:
        with untyped(), pytest.raises(kind, match=message):
            calculator.compute(systems(), **given)
    with untyped(), pytest.raises(InvalidTypeError, match="systems must be a list"):
        calculator.compute(None)


def test_types_of_properties_are_integers() -> None:
    for wrong in (3, [1.5], ["H"]):
        with untyped(), pytest.raises(InvalidTypeError, match="neighbor_types"):
            PowerSpectrum(DENSITY, neighbor_types=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("calculator", CALCULATORS, ids=lambda each: type(each).__name__)
def test_representations_are_called_with_batches(calculator: Any) -> None:
    if not callable(calculator):
        return
    for wrong in (None, systems()[0], "batch"):
        with untyped(), pytest.raises(InvalidTypeError, match="must be a Batch"):
            calculator(wrong)


def test_waves_are_those_of_a_batch() -> None:
    lode = next(each for each in CALCULATORS if isinstance(each, LodeSphericalExpansion))
    batch = to_batch(systems())
    with untyped(), pytest.raises(InvalidTypeError, match="k_vectors are those of a"):
        lode(batch, k_vectors=np.ones(3))  # type: ignore[arg-type]
