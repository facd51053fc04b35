"""LinearSoap.fit: weights and offsets are those of one dense problem of least squares."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from potential_cases import structures
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta.atomistic import System, evaluate, to_batch
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, NotEqualError
from jaxmeta.potentials import ZBL, LennardJones, LinearSoap, Sum
from jaxmeta.representations import SoapPowerSpectrum


SOAP = SoapPowerSpectrum(
    cutoff={"radius": 3.0, "smoothing": {"type": "ShiftedCosine", "width": 1.0}},
    density={"type": "Gaussian", "width": 0.5},
    basis={
        "type": "TensorProduct",
        "max_angular": 1,
        "radial": {"type": "Gto", "max_radial": 1},
    },
)
GRADIENTS = ("positions", "strain")
WEIGHTS = {"values": 9.0, "positions": 1.0, "strain": 0.25}
EPS = np.finfo(float).eps


class Data(NamedTuple):
    """Systems, energies that no linear model has, and all features as a matrix."""

    systems: list[System]
    targets: jm.TensorMap
    counts: np.ndarray
    features: dict[str, np.ndarray]  # (rows, features) by kind


def data_of(systems: list[System]) -> Data:
    X = SOAP.compute(systems, gradients=GRADIENTS)
    X = jm.sum_over_samples(X, "atom").keys_to_properties(X.keys.names)
    counts = np.array([[(s.types == t).sum() for t in (1, 8)] for s in systems], float)
    rng = np.random.default_rng(7)

    def random(block: jm.TensorBlock, gradients: Any = None) -> jm.TensorBlock:
        values = jnp.asarray(rng.normal(size=(*block.shape[:-1], 1)))
        energy = jm.Labels.range("energy", 1)
        parts = (block.samples, block.components, energy, gradients)
        return jm.TensorBlock(values, *parts)

    gradients = {name: random(X[0].gradient(name)) for name in GRADIENTS}
    energies = random(X[0], gradients)
    values = energies.values - 4000.0 * counts @ [[1.0], [75.0]]
    targets = jm.TensorMap(jm.Labels.single(), [energies.with_values(values)])
    parts = {"values": X[0], **dict(X[0].gradients())}
    matrices = {name: rows_of(part) for name, part in parts.items()}
    return Data(systems, targets, counts, matrices)


def rows_of(block: jm.TensorBlock) -> np.ndarray:
    return np.asarray(block.values).reshape(-1, block.shape[-1])


@pytest.fixture(scope="module")
def data() -> Data:
    return data_of([s for seed in (3, 4, 5) for s in structures([1, 8], 1.6, seed)])


class Dense(NamedTuple):
    """A solution of all rows at once, and the condition of the normal equations."""

    offsets: np.ndarray
    weights: np.ndarray
    condition: float


def dense(data: Data, targets: jm.TensorMap, weights: Any, alpha: float) -> Dense:
    """By numpy's lstsq: columns are counts and features, the last rows the penalty."""
    lefts, rights = [], []
    for name, weight in weights.items():
        x, block = data.features[name], targets[0]
        y = rows_of(block if name == "values" else block.gradient(name))[:, 0]
        counts = data.counts if name == "values" else np.zeros((len(x), 2))
        n_atoms = data.counts.sum(axis=1) if name == "values" else np.ones(len(x))
        roots = (np.sqrt(weight) / n_atoms * ~np.isnan(y))[:, None]
        lefts.append(roots * np.concatenate([counts, x], axis=1))
        rights.append(roots[:, 0] * np.nan_to_num(y))
    left, right = np.concatenate(lefts), np.concatenate(rights)
    u, sigma, _ = np.linalg.svd(left[:, :2], full_matrices=False)
    u = u[:, sigma > 1e-12 * sigma.max(initial=1e-300)]
    rest = left[:, 2:] - u @ (u.T @ left[:, 2:])  # without what counts explain
    normal = rest.T @ rest
    penalty = alpha * np.diag(normal).mean()
    size = len(normal)
    rows = np.concatenate([np.zeros((size, 2)), np.sqrt(penalty) * np.eye(size)], axis=1)
    both = np.concatenate([left, rows]), np.concatenate([right, np.zeros(size)])
    found = np.linalg.lstsq(*both, rcond=1e-13)[0]
    condition = float(np.linalg.cond(normal + penalty * np.eye(size)))
    return Dense(found[:2], found[2:], condition)


def weights_of(model: LinearSoap) -> np.ndarray:
    return np.concatenate([np.asarray(block.values)[0] for block in model.weights])


def check_same(model: LinearSoap, expected: Dense) -> None:
    """Normal equations keep as many digits as their condition lets them."""
    tolerance = 10 * EPS * expected.condition
    scale = np.abs(expected.weights).max()
    np.testing.assert_allclose(
        weights_of(model), expected.weights, rtol=0, atol=tolerance * scale
    )
    np.testing.assert_allclose(model.offsets, expected.offsets, rtol=tolerance)


@pytest.mark.parametrize(
    ("kinds", "batch_size"),
    [
        ("values", 100),
        ("values positions", 4),
        ("values positions strain", 1),
        ("values positions strain", 4),
        ("values positions strain", 100),
    ],
)
def test_it_is_the_dense_solution(data: Data, kinds: str, batch_size: int) -> None:
    weights = {kind: WEIGHTS[kind] for kind in kinds.split()}
    model = LinearSoap.fit(
        data.systems,
        data.targets,
        soap=SOAP,
        alpha=1e-6,
        sample_weight=weights,
        batch_size=batch_size,
    )
    expected = dense(data, data.targets, weights, 1e-6)
    assert expected.condition < 1e9
    check_same(model, expected)


def test_all_count_by_default(data: Data) -> None:
    model = LinearSoap.fit(data.systems, data.targets, soap=SOAP, alpha=1e-5)
    ones = dict.fromkeys(WEIGHTS, 1.0)
    check_same(model, dense(data, data.targets, ones, 1e-5))


def test_of_one_composition_offsets_are_smallest() -> None:
    """Hydrogen and oxygen in one proportion: one offset explains as much as two."""
    grid = structures([1, 8], 1.6)[1]
    rng = np.random.default_rng(2)
    systems = []
    for n_cells in (1, 1, 2, 1, 2):
        moved = grid.positions + 0.2 * rng.normal(size=(8, 3))
        copies = [moved + i * grid.cell[0] for i in range(n_cells)]
        cell = grid.cell * np.array([[n_cells], [1], [1]])
        types = np.tile([1, 8, 1, 1, 1, 8, 1, 1], n_cells)
        systems.append(System(np.concatenate(copies), types, cell, grid.pbc))
    data = data_of(systems)
    assert np.linalg.matrix_rank(data.counts) == 1
    options = {"soap": SOAP, "alpha": 1e-6, "sample_weight": WEIGHTS, "batch_size": 3}
    model = LinearSoap.fit(systems, data.targets, **options)
    check_same(model, dense(data, data.targets, WEIGHTS, 1e-6))
    # In the proportion of the counts: nothing is along what they do not see.
    assert float(model.offsets[0]) == pytest.approx(3 * float(model.offsets[1]))


def with_unknown(targets: jm.TensorMap, energies: list[int]) -> jm.TensorMap:
    block = targets[0]
    gradient = block.gradient("positions")
    slopes = gradient.with_values(gradient.values.at[5:9, 1].set(np.nan))
    values = block.values.at[jnp.asarray(energies)].set(np.nan)
    gradients = {"positions": slopes, "strain": block.gradient("strain")}
    parts = (block.samples, block.components, block.properties, gradients)
    return jm.TensorMap(targets.keys, [jm.TensorBlock(values, *parts)])


def test_what_is_unknown_does_not_count(data: Data) -> None:
    targets = with_unknown(data.targets, [0, 4])
    options = {"soap": SOAP, "alpha": 1e-6, "sample_weight": WEIGHTS, "batch_size": 4}
    model = LinearSoap.fit(data.systems, targets, **options)
    check_same(model, dense(data, targets, WEIGHTS, 1e-6))


def test_offsets_where_energies_do_not_count(data: Data) -> None:
    """Weights are those of forces alone; energies say where zero is."""
    weights = {"positions": 1.0}
    model = LinearSoap.fit(
        data.systems, data.targets, soap=SOAP, alpha=1e-6, sample_weight=weights
    )
    expected = dense(data, data.targets, weights, 1e-6)
    n_atoms = data.counts.sum(axis=1)
    left = np.asarray(data.targets[0].values)[:, 0]
    left = left - data.features["values"] @ expected.weights
    offsets = np.linalg.lstsq(data.counts / n_atoms[:, None], left / n_atoms)[0]
    check_same(model, expected._replace(offsets=offsets))


def test_single_precision(data: Data) -> None:
    """Sums of features around zero: energies come out to the digits of their dtype."""
    shift = 4000.0 * data.counts @ [[1.0], [75.0]]
    block = data.targets[0]
    targets = jm.TensorMap(data.targets.keys, [block.with_values(block.values + shift)])
    single = [
        System(s.positions.astype(np.float32), s.types, s.cell.astype(np.float32), s.pbc)
        for s in data.systems
    ]
    options = {"soap": SOAP, "alpha": 1e-2, "sample_weight": WEIGHTS}
    wide = LinearSoap.fit(data.systems, targets, **options)
    model = LinearSoap.fit(single, targets.to(dtype="float32"), **options)
    assert model.weights.dtype == model.offsets.dtype == np.float32
    expected = dense(data, targets, WEIGHTS, 1e-2)
    tolerance = 10 * np.finfo(np.float32).eps * expected.condition
    scale = np.abs(expected.weights).max()
    np.testing.assert_allclose(
        weights_of(model), weights_of(wide), rtol=0, atol=tolerance * scale
    )


# A baseline ------------------------------------------------------------------------------


PAIRS = LennardJones({1: 0.1, 8: 0.2}, {1: 1.2, 8: 1.5}, 2.5, onset=2.0)


def energies_of(potential: Any, systems: list[System]) -> jm.TensorMap:
    batch = to_batch(systems, potential.requested_neighbor_lists())
    return evaluated(potential, batch)


@jax.jit
def evaluated(potential: Any, batch: Any) -> jm.TensorMap:
    return evaluate(potential, batch, gradients=GRADIENTS)


def test_a_baseline_is_taken_away(data: Data) -> None:
    """Also from targets whose atoms stand in another order."""
    block = data.targets[0]
    order = np.random.default_rng(1).permutation(block.gradient("positions").shape[0])
    options = {"soap": SOAP, "sample_weight": WEIGHTS, "alpha": 1e-6}
    rest = data.targets - energies_of(PAIRS, data.systems)
    expected = LinearSoap.fit(data.systems, rest, **options)
    gradients = dict(block.gradients())
    own = gradients["positions"]
    gradients["positions"] = jm.TensorBlock(
        own.values[order],
        jm.Labels(own.samples.names, own.samples.values[order]),
        own.components,
        own.properties,
    )
    mixed = jm.TensorBlock(block.values, block.samples, [], block.properties, gradients)
    model = LinearSoap.fit(
        data.systems,
        jm.TensorMap(data.targets.keys, [mixed]),
        baseline=PAIRS,
        batch_size=4,
        **options,
    )
    condition = dense(data, rest, WEIGHTS, 1e-6).condition
    tolerance, found = 10 * EPS * condition, weights_of(expected)
    np.testing.assert_allclose(
        weights_of(model), found, rtol=0, atol=tolerance * np.abs(found).max()
    )
    np.testing.assert_allclose(model.offsets, expected.offsets, rtol=tolerance)


def test_the_sum_with_the_baseline_is_the_potential_of_the_targets(data: Data) -> None:
    """Of a potential of this form all is found again, and forces are derivatives."""
    fitted = LinearSoap.fit(data.systems, data.targets, soap=SOAP, alpha=1e-3)
    # Offsets of tens of thousands would hide differences of energies.
    linear = LinearSoap(SOAP, fitted.types, fitted.weights, jnp.asarray([-0.5, -2.0]))
    few = data.systems[:6]
    targets = energies_of(Sum([PAIRS, linear]), few)
    model = LinearSoap.fit(few, targets, soap=SOAP, alpha=1e-13, baseline=PAIRS)
    found, wanted = energies_of(Sum([PAIRS, model]), few)[0], targets[0]
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-7)
    for name in GRADIENTS:
        slopes = np.asarray(wanted.gradient(name).values)
        own, scale = found.gradient(name).values, np.abs(slopes).max()
        np.testing.assert_allclose(own, slopes, atol=1e-4 * scale)
    check_slopes(Sum([PAIRS, model]), few)


def check_slopes(potential: Any, systems: list[System]) -> None:
    """Forces of the whole potential are differences of its energies."""
    batch = to_batch(systems, potential.requested_neighbor_lists())
    along = np.random.default_rng(3).normal(size=batch.positions.shape)
    h, energies = 1e-5, []
    for step in (-2, -1, 1, 2):
        moved = batch.replace(positions=batch.positions + step * h * along)
        energies.append(np.asarray(evaluated(potential, moved)[0].values)[:, 0])
    slopes = np.asarray(evaluated(potential, batch)[0].gradient("positions").values)
    expected = np.zeros(len(systems))
    np.add.at(expected, np.asarray(batch.owners), (slopes[..., 0] * along).sum(axis=1))
    found = np.array([1, -8, 8, -1]) / (12 * h) @ energies
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


# Mistakes --------------------------------------------------------------------------------


def test_a_baseline_that_is_none_is_refused(data: Data) -> None:
    fit: Any = LinearSoap.fit
    with untyped(), pytest.raises(InvalidTypeError, match="baseline is a potential"):
        fit(data.systems, data.targets, soap=SOAP, baseline=abs)
    other = LennardJones({1: 0.1}, {1: 1.2}, 2.5)
    with pytest.raises(InvalidError, match="type 8, which it does not know"):
        fit(data.systems, data.targets, soap=SOAP, baseline=other)
    at_one_place = [System([[0.0, 0, 0], [0, 0, 0]], [1, 1])]
    block = jm.TensorBlock(jnp.zeros((1, 1)), jm.Labels.range("system", 1), [], ENERGY)
    targets = jm.TensorMap(jm.Labels.single(), [block])
    with pytest.raises(InvalidError, match="baseline is not finite"):
        fit(at_one_place, targets, soap=SOAP, baseline=ZBL(2.0, 1.0))


ENERGY = jm.Labels.range("energy", 1)


def changed(data: Data, values: Any = None, slopes: Any = None) -> jm.TensorMap:
    block = data.targets[0]
    values = block.values if values is None else values
    gradients = {"positions": block.gradient("positions") if slopes is None else slopes}
    parts = (block.samples, [], block.properties, gradients)
    return jm.TensorMap(data.targets.keys, [jm.TensorBlock(values, *parts)])


def test_targets_that_do_not_fit_are_refused(data: Data) -> None:
    fit: Any = LinearSoap.fit
    own = data.targets[0].gradient("positions")
    infinite = changed(data, data.targets[0].values.at[3].set(np.inf))
    with pytest.raises(InvalidError, match="infinite numbers among the values"):
        fit(data.systems, infinite, soap=SOAP)
    rows = own.samples.values[:-1]
    fewer = jm.TensorBlock(
        own.values[:-1],
        jm.Labels(own.samples.names, rows),
        own.components,
        own.properties,
    )
    with pytest.raises(NotEqualError, match="gradient 'positions' of the targets"):
        fit(data.systems, changed(data, slopes=fewer), soap=SOAP)
    other = jm.TensorBlock(
        own.values, own.samples, [jm.Labels.range("direction", 3)], own.properties
    )
    with pytest.raises(NotEqualError, match="components of gradient 'positions'"):
        fit(data.systems, changed(data, slopes=other), soap=SOAP)
    with pytest.raises(InvalidTypeError, match="different dtypes"):
        fit(data.systems, data.targets.to(dtype="float32"), soap=SOAP)
    unknown = changed(data, jnp.full_like(data.targets[0].values, np.nan))
    with pytest.raises(InvalidError, match="nothing counts"):
        fit(data.systems, unknown, soap=SOAP, sample_weight={"values": 1.0})
    with pytest.raises(MissingError, match="strain"):
        fit(data.systems, changed(data), soap=SOAP, sample_weight={"strain": 1.0})
    with pytest.raises(InvalidError, match="nothing counts"):
        fit(data.systems, data.targets, soap=SOAP, sample_weight={"values": 0.0})
    with pytest.raises(InvalidError, match="alpha=inf"):
        fit(data.systems, data.targets, soap=SOAP, alpha=np.inf)
