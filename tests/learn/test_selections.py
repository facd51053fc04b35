"""Selections against skmatter and definitions, splits by labels, and what is refused."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from learn.regressions import problem
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
)
from jaxmeta.learn import select_cur, select_fps, split_data


def features(
    rng: np.random.Generator, dtype: Any = np.float64, components: int = 0
) -> TensorMap:
    extra = [Labels.range("o3_mu", components)] if components else []
    blocks = []
    for samples, properties in ((30, 8), (12, 90)):
        # Of different sizes, so that no two singular values are alike.
        shape = (samples, *([components] if components else []), properties)
        values = rng.normal(size=shape) * np.geomspace(1, 0.05, properties)
        labels = Labels.range("s", samples), extra, Labels.range("n", properties)
        blocks.append(TensorBlock(values.astype(dtype), *labels))
    return TensorMap(Labels("center_type", [[1], [8]]), blocks)


def matrix(block: TensorBlock, axis: str) -> np.ndarray:
    """What is chosen from, as rows."""
    values = np.asarray(block.values)
    if axis == "samples":
        return values.reshape(len(values), -1)
    return values.reshape(-1, values.shape[-1]).T


def positions(selection: Any, index: int) -> list[int]:
    block = selection.support[index]
    labels = block.samples if selection.axis == "samples" else block.properties
    return labels.values[:, 0].tolist()


@pytest.mark.parametrize("axis", ["samples", "properties"])
@pytest.mark.parametrize("components", [0, 3])
def test_choices_are_those_of_skmatter(
    rng: np.random.Generator, axis: Any, components: int
) -> None:
    feature_selection = pytest.importorskip("skmatter.feature_selection")
    X = features(rng, components=components)
    fps, cur = select_fps(X, 6, axis=axis), select_cur(X, 6, axis=axis)
    for index, block in enumerate(X):
        columns = matrix(block, axis).T
        peer = feature_selection.FPS(n_to_select=6, initialize=0).fit(columns)
        assert positions(fps, index) == peer.selected_idx_.tolist()
        found = np.asarray(fps.support[index].values).ravel()
        squares = np.asarray(peer.get_select_distance())
        np.testing.assert_allclose(found[1:] ** 2, squares[1:], rtol=1e-9)
        assert np.isinf(found[0])
        peer = feature_selection.CUR(n_to_select=6).fit(columns)
        assert positions(cur, index) == peer.selected_idx_.tolist()


@pytest.mark.parametrize("axis", ["samples", "properties"])
def test_distances_are_those_of_hausdorff(rng: np.random.Generator, axis: Any) -> None:
    X = features(rng)
    selection = select_fps(X, 5, axis=axis, start=3)
    for index, block in enumerate(X):
        rows, chosen = matrix(block, axis), positions(selection, index)
        assert chosen[0] == 3
        found = np.asarray(selection.support[index].values).ravel()
        for number in range(1, 5):
            each = rows[:, None] - rows[None, chosen[:number]]
            nearest = np.linalg.norm(each, axis=2).min(axis=1)
            assert chosen[number] == nearest.argmax()
            np.testing.assert_allclose(found[number], nearest.max(), rtol=1e-13)


@pytest.mark.parametrize(("k", "every"), [(1, 1), (3, 2), (2, 0)])
def test_weights_are_those_of_singular_vectors(
    rng: np.random.Generator, k: int, every: int
) -> None:
    X = features(rng)
    selection = select_cur(X, 4, k=k, recompute_every=every)
    for index, block in enumerate(X):
        rest, before, scores = matrix(block, "samples").copy(), [], np.zeros(0)
        for step, chosen in enumerate(positions(selection, index)):
            if step == 0 or (every and step % every == 0):
                scores = (np.linalg.svd(rest)[0][:, :k] ** 2).sum(axis=1)
            scores[before] = -1.0
            assert chosen == scores.argmax()
            found = selection.support[index].values[step, 0]
            np.testing.assert_allclose(found, scores[chosen], rtol=1e-8)
            unit = rest[chosen] / np.linalg.norm(rest[chosen])
            rest -= np.outer(rest @ unit, unit)
            before.append(chosen)


def test_large_tables_take_another_way_to_the_same(rng: np.random.Generator) -> None:
    """More than 64 rows and columns: iterations instead of a decomposition."""
    values = rng.normal(size=(90, 70)) * np.geomspace(1, 0.05, 70)
    block = TensorBlock(values, Labels.range("s", 90), [], Labels.range("n", 70))
    for axis in ("samples", "properties"):
        rest = matrix(block, axis).copy()
        selection = select_cur(block, 3, axis=axis)
        for chosen in positions(selection, 0):
            assert chosen == (np.linalg.svd(rest)[0][:, 0] ** 2).argmax()
            unit = rest[chosen] / np.linalg.norm(rest[chosen])
            rest -= np.outer(rest @ unit, unit)


@pytest.mark.parametrize("axis", ["samples", "properties"])
def test_transforms_cut_values_and_gradients(rng: np.random.Generator, axis: Any) -> None:
    X, _ = problem(rng)
    selection = select_fps(X, 2, axis=axis)
    found = selection.transform(X)
    for key, block in X.items():
        support = selection.support.block(key)
        labels = support.samples if axis == "samples" else support.properties
        expected = jm.slice_block(block, axis, labels)
        assert jm.equal_block(found.block(key), expected)
    one = select_fps(X[0], 2, axis=axis)
    assert jm.equal_block(one.transform(X[0]), found[0])


def test_numbers_for_each_key_and_all(rng: np.random.Generator) -> None:
    X = features(rng)
    selection = select_fps(X, {(1,): 4, X.keys[1]: -1})
    assert [len(positions(selection, i)) for i in range(2)] == [4, 12]
    assert sorted(positions(selection, 1)) == list(range(12))
    everything = select_cur(X, -1)  # 30 samples with 8 properties: rank 8
    assert [len(positions(everything, i)) for i in range(2)] == [8, 12]


def test_equal_points_have_no_distance_and_single_precision_is_kept(
    rng: np.random.Generator,
) -> None:
    X = features(rng, np.float32)
    twice = np.concatenate([np.asarray(X[0].values)] * 2)
    block = TensorBlock(twice, Labels.range("s", 60), [], X[0].properties)
    support = select_fps(block, -1).support[0]
    assert support.dtype == np.float32
    distances = np.asarray(support.values).ravel()
    assert (distances[30:] == 0).all()
    assert (distances[:30] > 0).all()
    assert select_cur(X, 3).support.dtype == np.float32


def test_selections_that_can_not_be(rng: np.random.Generator) -> None:
    X = features(rng)
    for number in (0, 31):
        with pytest.raises(InvalidError, match="from 1 to the number of points"):
            select_fps(X, number)
    with untyped(), pytest.raises(InvalidTypeError, match="must be an integer"):
        select_fps(X, 2.0)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match=r"no number for block \(center_type=8\)"):
        select_fps(X, {(1,): 3})
    with pytest.raises(InvalidError, match="no point start=12"):
        select_fps(X, 3, start=12)
    with pytest.raises(InvalidError, match="only 8 of the samples are independent"):
        select_cur(X, 9)
    with pytest.raises(InvalidError, match="k must be at least 1"):
        select_cur(X, 3, k=0)
    with untyped(), pytest.raises(InvalidError, match="no axis 'keys'"):
        select_cur(X, 3, axis="keys")  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="traced by JAX"):
        jax.jit(lambda X: select_fps(X, 2).support)(X)
    with pytest.raises(DynamicSamplesError, match="are dynamic"):
        select_fps(jm.pad(X, {"samples": 40}), 2)
    with pytest.raises(InvalidError, match="not finite"):
        select_fps(X * np.inf, 2)
    with pytest.raises(MissingError, match="nothing was chosen for block"):
        select_fps(X, 2).transform(TensorMap(Labels("center_type", [[6]]), [X[0]]))
    with pytest.raises(InvalidTypeError, match="X is a block"):
        select_fps(X, 2).transform(X[0])


# Splits ---------------------------------------------------------------------------------


def atoms_and_structures() -> tuple[TensorMap, TensorMap]:
    rows = [[i, a] for i in range(10) for a in range(i % 3 + 1)]
    atoms = Labels(["system", "atom"], rows)
    n = Labels.range("n", 2)
    x = TensorBlock(np.ones((len(atoms), 2)), atoms, [], n)
    y = TensorBlock(np.ones((10, 2)), Labels.range("system", 10), [], n)
    return TensorMap(Labels.single(), [x]), TensorMap(Labels.single(), [y])


def test_maps_are_split_alike() -> None:
    X, y = atoms_and_structures()
    (xs, ys), groups = split_data([X, y], "samples", "system", [6, 3], seed=1)
    seen = []
    for x, target, labels in zip(xs, ys, groups, strict=True):
        assert set(x[0].samples["system"]) == set(labels["system"])
        assert target[0].samples == labels
        counts = [i % 3 + 1 for i in labels["system"]]
        assert len(x[0]) == sum(counts)
        seen += labels["system"].tolist()
    assert len(set(seen)) == 9


def test_splits_are_random_and_repeatable() -> None:
    X, _ = atoms_and_structures()
    found = [split_data(X, "samples", "system", [0.5], seed=i)[1][0] for i in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0] != found[2]


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [([0.8, 0.2], [8, 2]), ([0.25, 0.25, 0.5], [2, 3, 5]), ([0.1] * 10, [1] * 10)],
)
def test_fractions(sizes: list[float], counts: list[int]) -> None:
    X, _ = atoms_and_structures()
    _, groups = split_data(X, "samples", ["system"], sizes, seed=3)
    assert [len(labels) for labels in groups] == counts


def test_properties_can_be_split() -> None:
    X, _ = atoms_and_structures()
    (parts,), _ = split_data([X], "properties", "n", [1, 1], seed=0)
    assert [part[0].shape for part in parts] == [(19, 1), (19, 1)]


@pytest.mark.parametrize(
    "sizes", [[], [11], [6, 5], [0.7, 0.4], [0.01], [1, 0.5], [3, 0], [-1, 3]]
)
def test_groups_that_do_not_fit(sizes: list[float]) -> None:
    X, _ = atoms_and_structures()
    with pytest.raises(InvalidError, match=r"split_data: (the groups|group_sizes)"):
        split_data(X, "samples", "system", sizes, seed=0)


def test_other_bad_arguments_of_splits() -> None:
    X, y = atoms_and_structures()
    with pytest.raises(MissingError, match="no dimension 'atom'"):
        split_data([X, y], "samples", "atom", [1], seed=0)
    with untyped(), pytest.raises(InvalidTypeError, match="seed must be"):
        split_data(X, "samples", "system", [1], seed=None)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="at least one dimension"):
        split_data(X, "samples", [], [1], seed=0)
    with pytest.raises(DynamicSamplesError, match="are dynamic"):
        split_data(jm.pad(X, {"samples": 30}), "samples", "system", [1], seed=0)
