"""The measurements of accuracy choose within training, and compare what they say."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest

import jaxmeta as jm
from benchmarks.__main__ import HERE
from benchmarks.accuracy import data
from benchmarks.accuracy.choices import Choice, chosen, folds, grid, judged
from benchmarks.accuracy.data import distinct, frames, missing, systems
from benchmarks.accuracy.kernel import ByKernel, by_atom, farthest, kernels
from benchmarks.accuracy.linear import ByRows, BySums, centred, structures
from benchmarks.accuracy.report import GPA, held, stress_error
from benchmarks.accuracy.soap import soap
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.interop.ase import to_systems
from jaxmeta.learn import PolynomialKernel, Ridge, SparseGPR, composition_of


BENCHMARKS = sorted(path.stem for path in HERE.glob("bench_accuracy_*.py"))
WEIGHTS = {"values": 10.0, "positions": 1.0, "strain": 0.1}
PARAMETERS = ("positions", "strain")


def molecules(rng: np.random.Generator, number: int = 12) -> list[ase.Atoms]:
    """Water in distorted crystals."""
    shape = np.array([[0.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-0.8, 0.6, 0.0]])
    return [
        ase.Atoms("OHH", shape + 0.1 * rng.normal(size=(3, 3)), cell=[4.0] * 3, pbc=True)
        for _ in range(number)
    ]


@pytest.fixture(scope="module")
def features() -> TensorMap:
    rng = np.random.default_rng(0)
    calculator = soap(radius=2.5, width=0.4, decay=4.0, angular=1, radial=1)
    return structures(calculator, to_systems(molecules(rng)), PARAMETERS, 12)


def targets(X: TensorMap, rng: np.random.Generator) -> TensorMap:
    """Energies that are a linear function of features, with all derivatives, and noise."""
    n = X[0].properties
    energy = Labels("energy", [[0]])
    weights = TensorBlock(rng.normal(size=(1, len(n))), energy, [], n)
    exact = jm.dot(X, TensorMap(Labels.single(), [weights]))
    leaves = [leaf + 1e-3 * rng.normal(size=leaf.shape) for leaf in exact._leaves]
    values, *gradients = leaves
    block = exact[0]
    parts = dict(zip(sorted(block.gradients_list()), gradients, strict=True))
    made = {
        name: TensorBlock(
            array, block.gradient(name).samples, block.gradient(name).components, energy
        )
        for name, array in parts.items()
    }
    new = TensorBlock(values, block.samples, [], energy, made)
    return TensorMap(Labels.single(), [new])


def test_structures_that_are_there_twice_are_left_out(rng: np.random.Generator) -> None:
    one, two, three = molecules(rng, 3)
    again, other_type = one.copy(), one.copy()
    again.positions += 1e-9
    again = again[[2, 0, 1]]
    other_type.numbers[0] = 16
    found = distinct([one, two, again, other_type, three], [two])
    assert [id(each) for each in found] == [id(one), id(other_type), id(three)]


def test_minus_zero_is_zero() -> None:
    atoms = [ase.Atoms("H", [[sign * 0.0, 1.0, 2.0]]) for sign in (1, -1)]
    assert len(distinct(atoms)) == 1


def test_real_sets_are_cleaned(data_folder: Path) -> None:
    small = frames("ethanol_reduced_100.xyz")
    assert len(distinct(frames("rmd17_ethanol_1000.xyz"))) == 991
    assert len(distinct(frames("rmd17_ethanol_1000.xyz"), small)) == 990


def test_a_grid_has_all_combinations() -> None:
    found = grid([0.1, 1.0], [2, 3], values=[1.0, 10.0, 100.0], positions=[1.0])
    assert len({(c.alpha, c.exponent, *c.weights.items()) for c in found}) == 12
    assert all(list(choice.weights) == ["values", "positions"] for choice in found)


def test_folds_leave_each_system_out_once() -> None:
    train = np.array([1, 2, 5, 7, 8, 9, 30])
    splits = folds(train, 3)
    left = np.concatenate([each["system"] for _, each in splits])
    assert sorted(left) == list(train)
    for kept, out in splits:
        assert sorted([*kept["system"], *out["system"]]) == list(train)


class Recorder:
    """A model that is right for the penalty 0.1, and knows what it was asked for."""

    def __init__(self, y: TensorMap) -> None:
        self.y, self.asked = y, set[int]()

    def sizes(self, of: Labels) -> None:
        """None."""

    def predicted(self, train: Labels, test: Labels, choice: Choice) -> TensorMap:
        self.asked |= {*train["system"].tolist(), *test["system"].tolist()}
        return jm.slice(self.y, "samples", test) + abs(choice.alpha - 0.1)


def test_the_best_choice_is_taken_within_training(rng: np.random.Generator) -> None:
    block = TensorBlock(
        rng.normal(size=(9, 1)), Labels.range("system", 9), [], Labels("energy", [[0]])
    )
    model = Recorder(TensorMap(Labels.single(), [block]))
    choices = grid([0.01, 0.1, 1.0], values=[1.0])
    assert chosen(model, choices, folds(np.arange(6), 3)).alpha == 0.1
    assert model.asked == set(range(6))


def test_sums_give_the_fit_to_all_rows(
    features: TensorMap, rng: np.random.Generator
) -> None:
    y, sizes = targets(features, rng), np.arange(1.0, 13.0)
    train, test = systems(range(8)), systems(range(8, 12))
    X = jm.slice(features, "samples", train)
    direct = Ridge.fit(
        X,
        jm.slice(y, "samples", train),
        alpha=1e-3,
        sample_weight=WEIGHTS,
        sizes=sizes[:8],
    ).predict(jm.slice(features, "samples", test))
    model = BySums(features, y, sizes)
    for _ in range(2):  # also from sums that are kept
        found = model.predicted(train, test, Choice(1e-3, WEIGHTS))
        jm.allclose_raise(found, direct, rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(model.sizes(test), [9.0, 10.0, 11.0, 12.0])


def test_a_linear_potential_finds_a_linear_function(
    features: TensorMap, rng: np.random.Generator
) -> None:
    counts = composition_of([each.numbers for each in molecules(rng)])
    y, train = targets(features, rng), systems(range(10))
    X, rest = centred(features, y, counts, train)
    assert abs(np.asarray(X[0].values)[:10].mean(axis=0)).max() < 1e-9
    model = ByRows(X, rest)
    choice = chosen(
        model,
        grid([1e-6, 1e4], values=[1.0], positions=[1.0], strain=[1.0]),
        folds(np.arange(10), 2),
    )
    assert choice.alpha == 1e-6
    found = judged(model, train, systems([10, 11]), choice)
    spread = float(np.std(np.asarray(y[0].gradient("positions").values)))
    assert found["positions"] < 0.1 * spread


@pytest.mark.long
def test_kernels_of_batches_are_those_of_all(rng: np.random.Generator) -> None:
    calculator = soap(radius=2.5, width=0.4, decay=None, angular=1, radial=1)
    atoms = to_systems(molecules(rng, 4))
    sparse = farthest(calculator, atoms, {(1,): 4, (8,): 2}, 2)
    kernel = PolynomialKernel(2, normalised=True)
    K = kernels(calculator, atoms, sparse, [kernel], ["positions"], 2)
    X = by_atom(calculator.compute(atoms, gradients="positions"))
    whole = kernel(X, sparse)
    found = TensorMap(Labels.single(), [K.block(exponent=2)])
    jm.allclose_raise(found, whole, rtol=1e-9, atol=1e-12)

    energy = Labels("energy", [[0]])
    block = TensorBlock(rng.normal(size=(4, 1)), Labels.range("system", 4), [], energy)
    y, all_of_them = TensorMap(Labels.single(), [block]), systems(range(4))
    fitted = SparseGPR.fit(X, y, sparse=sparse, kernel=kernel, alpha=0.1)
    model = ByKernel(K, y, sparse, normalised=True)
    choice = Choice(0.1, {"values": 1.0}, 2)
    prediction = model.predicted(all_of_them, all_of_them, choice)
    jm.allclose_raise(prediction, fitted.predict(X), rtol=1e-6, atol=1e-8)


def test_stress_is_strain_by_volume(features: TensorMap, rng: np.random.Generator) -> None:
    y = targets(features, rng)
    volumes = np.full(12, 64.0)
    found = stress_error(y + y, y, volumes)
    strain = np.asarray(y[0].gradient("strain").values)
    assert found == pytest.approx(GPA * np.abs(strain).mean() / 64.0, rel=1e-12)


def test_what_is_allowed_is_the_goal() -> None:
    assert held("x", 0.36, 0.36).met
    assert not held("x", 0.37, 0.36).met


@pytest.mark.parametrize("name", BENCHMARKS)
def test_without_data_nothing_is_measured(
    name: str, tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    assert importlib.import_module(f"benchmarks.{name}").measure() == []
    assert "not measured: ../shared/data has no " in capsys.readouterr().err


def test_with_data_something_is_measured(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "one.xyz").touch()
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    assert not missing("one.xyz")
    assert missing("one.xyz", "two.xyz")
