"""Sparse Gaussian processes on featomic's features against dense ones and differences."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import ase.io
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learn.regressions import PARTS, block, rows
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    NotEqualError,
)
from jaxmeta.learn import PolynomialKernel, SparseGPR


with warnings.catch_warnings():  # torch has some at import, where it is installed
    warnings.simplefilter("ignore")
    import featomic

    from jaxmeta.interop.featomic import compute


SOAP = featomic.SoapPowerSpectrum(
    cutoff={"radius": 3.5, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
    density={"type": "Gaussian", "width": 0.4},
    basis={
        "type": "TensorProduct",
        "max_angular": 2,
        "radial": {"type": "Gto", "max_radial": 1},
    },
)
TYPES = Labels(["neighbor_1_type", "neighbor_2_type"], [[1, 1], [1, 6], [6, 6]])
WEIGHTS = {"values": 4.0, "positions": 0.25}


class Ethanol(NamedTuple):
    frames: list[Any]
    X: TensorMap
    y: TensorMap


def features(frames: list[Any]) -> TensorMap:
    names = ["neighbor_1_type", "neighbor_2_type"]
    return compute(
        SOAP, frames, "positions", transform=lambda t: t.keys_to_properties(names)
    )


@pytest.fixture(scope="module")
def ethanol(data_folder: Path) -> Ethanol:
    frames = ase.io.read(data_folder / "ethanol_reduced_100.xyz", ":4")
    whole = jm.load(data_folder / "targets_ethanol100_E_F.mts")
    y = jm.slice(whole, "samples", Labels.range("system", 4))
    values = np.asarray(y[0].values)
    y = TensorMap(y.keys, [y[0].with_values(values - values.mean())])
    return Ethanol(frames, features(frames), y)


def of_carbon(X: TensorMap) -> TensorMap:
    """One block: what is compiled for others is the same."""
    return jm.filter_blocks(X, Labels("center_type", [[6]]))


def few(X: TensorMap, number: int) -> TensorMap:
    """Some of the properties of each block, mixed, so that all of them vary."""

    def of(part: TensorBlock, matrix: Any) -> TensorBlock:
        below = {name: of(inner, matrix) for name, inner in part.gradients()}
        n = Labels.range("n", number)
        values = np.asarray(part.values) @ matrix
        return TensorBlock(values, part.samples, part.components, n, below)

    rng = np.random.default_rng(1)
    return TensorMap(X.keys, [of(b, rng.normal(size=(b.shape[1], number))) for b in X])


def structures(X: TensorMap) -> np.ndarray:
    """For each block the numbers of the structures of its atoms."""
    return np.concatenate([b.samples["system"] for b in X])


# Kernels --------------------------------------------------------------------------------


@pytest.mark.parametrize("normalised", [False, True])
def test_kernels_are_sums_of_powers_of_products(ethanol: Ethanol, normalised: bool) -> None:
    K = PolynomialKernel(3, normalised=normalised)(ethanol.X, ethanol.X)[0]
    assert K.samples == ethanol.y[0].samples
    for system, key in ((0, 1), (3, 2), (2, 0)):
        x = np.asarray(ethanol.X[key].values)
        own = x[ethanol.X[key].samples["system"] == system]
        if normalised:
            x, own = (a / np.linalg.norm(a, axis=1)[:, None] for a in (x, own))
        columns = K.properties["center_type"] == ethanol.X.keys["center_type"][key]
        expected = ((own @ x.T) ** 3).sum(axis=0)
        np.testing.assert_allclose(K.values[system, columns], expected, rtol=1e-12)


@pytest.mark.parametrize("normalised", [False, True])
def test_gradients_of_kernels_are_those_of_finite_differences(
    ethanol: Ethanol, normalised: bool
) -> None:
    kernel, sparse = PolynomialKernel(2, normalised=normalised), of_carbon(ethanol.X)
    K = kernel(sparse, sparse)[0]
    gradient, step = K.gradient("positions"), 1e-4
    for system, atom, axis in ((0, 0, 0), (2, 5, 1)):
        found = []
        for sign in (1, -1):
            moved = [frame.copy() for frame in ethanol.frames]
            moved[system].positions[atom, axis] += sign * step
            found.append(
                np.asarray(kernel(of_carbon(features(moved)), sparse)[0].values)[system]
            )
        row = gradient.samples.position((system, system, atom))
        assert row is not None
        expected = (found[0] - found[1]) / (2 * step)
        scale = np.abs(gradient.values[row]).max()
        np.testing.assert_allclose(
            gradient.values[row, axis], expected, rtol=0, atol=1e-6 * scale
        )


@pytest.mark.parametrize("normalised", [False, True])
def test_few_rows_at_a_time_are_the_same(ethanol: Ethanol, normalised: bool) -> None:
    kernel, X = PolynomialKernel(2, normalised=normalised), of_carbon(ethanol.X)
    whole = kernel(X, X)
    for chunk in (1, 7, 1000):
        part = kernel(X, X, chunk=chunk)
        assert jm.allclose(part, whole, rtol=1e-12, atol=1e-12)


def test_gradients_by_any_parameter_keep_their_components(
    rng: np.random.Generator,
) -> None:
    """Strain has two components, and structures of several atoms sum their rows."""
    x = block(rng, Labels.range("n", 4))
    atoms = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0], [2, 0]])
    x = TensorBlock(x.values, atoms, [], x.properties, {"strain": x.gradient("strain")})
    X = TensorMap(Labels("center_type", [[8]]), [x])
    kernel = PolynomialKernel(3)
    found = kernel(X, X)[0].gradient("strain")
    values = np.asarray(x.values)
    dx = np.asarray(x.gradient("strain").values)
    each = 3 * (values @ values.T)[:, None, None, :] ** 2 * (dx @ values.T)
    expected = np.stack([each[0] + each[1], each[2], each[3]])
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)
    assert [c.names[0] for c in found.components] == ["xyz_1", "xyz_2"]


def test_kernels_of_batches_join_to_the_whole(ethanol: Ethanol) -> None:
    kernel, sparse = PolynomialKernel(2), jm.remove_gradients(ethanol.X)
    names = ["neighbor_1_type", "neighbor_2_type"]
    K = compute(
        SOAP,
        ethanol.frames,
        "positions",
        batch_size=2,
        transform=lambda t: kernel(t.keys_to_properties(names), sparse),
    )
    assert jm.allclose(K, kernel(ethanol.X, sparse), rtol=1e-11, atol=1e-12)


# Fits -----------------------------------------------------------------------------------


def monomials(x: np.ndarray) -> np.ndarray:
    """Features whose scalar products are the squares of those of x."""
    i, j = np.triu_indices(x.shape[-1])
    return np.where(i == j, 1.0, np.sqrt(2.0)) * x[..., i] * x[..., j]


def explicit_rows(X: TensorMap, systems: int) -> np.ndarray:
    """Rows of the quadratic kernel's features: energies, then forces of 9 atoms each."""
    energies, forces = [], []
    for b in X:
        x, phi = np.asarray(b.values), monomials(np.asarray(b.values))
        energy = np.zeros((systems, phi.shape[1]))
        np.add.at(energy, b.samples["system"], phi)
        g = b.gradient("positions")
        dx, own = np.asarray(g.values), x[g.samples["sample"]][:, None, :]
        change = (monomials(own + dx) - monomials(own - dx)) / 2  # exact for squares
        force = np.zeros((systems, 9, 3, phi.shape[1]))
        np.add.at(force, (g.samples["system"], g.samples["atom"]), change)
        energies.append(energy)
        forces.append(force.reshape(-1, phi.shape[1]))
    parts = (np.concatenate(each, axis=1) for each in (energies, forces))
    return np.concatenate(list(parts))


@pytest.mark.parametrize("solver", ["rkhs-qr", "rkhs"])
def test_predictions_are_those_of_a_dense_process(ethanol: Ethanol, solver: Any) -> None:
    """Environments that span all functions of the kernel: nothing is left out.

    The dense process has a kernel between all observations, energies and forces.
    """
    X, y = few(ethanol.X, 2), ethanol.y
    train, test = (Labels("system", s) for s in ([[0], [1], [2]], [[3]]))
    a, b = jm.slice(X, "samples", train), jm.slice(X, "samples", test)
    known = jm.slice(y, "samples", train)
    alpha = 0.05
    model = SparseGPR.fit(
        a, known, sparse=a, kernel=PolynomialKernel(2), alpha=alpha,
        sample_weight=WEIGHTS, solver=solver,
    )  # fmt: skip

    whole = explicit_rows(X, 4)
    is_train = np.concatenate([np.arange(4) < 3, np.repeat(np.arange(4) < 3, 27)])
    noise = alpha / np.repeat([4.0, 0.25], [3, 81])
    gram = whole @ whole.T
    inner = gram[is_train][:, is_train] + np.diag(noise)
    target = rows(known[0], PARTS[:2])
    expected = gram[~is_train][:, is_train] @ np.linalg.solve(inner, target)
    found = rows(model.predict(b)[0], PARTS[:2])
    # Three directions a type: kernels of rank 9 in matrices of 27 environments.
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * scale)


def test_energies_alone_on_all_environments_are_a_dense_process(
    ethanol: Ethanol,
) -> None:
    """With features enough for every environment to be a direction of its own."""
    X = jm.remove_gradients(ethanol.X)
    y = jm.remove_gradients(ethanol.y)
    kernel = PolynomialKernel(2, normalised=True)
    model = SparseGPR.fit(X, y, sparse=X, kernel=kernel, alpha=1e-3)
    units = [np.asarray(b.values) for b in X]
    units = [u / np.linalg.norm(u, axis=1)[:, None] for u in units]
    gram = np.zeros((4, 4))
    for u, b in zip(units, X, strict=True):
        one_hot = (b.samples["system"][:, None] == np.arange(4)).astype(float)
        gram += one_hot.T @ (u @ u.T) ** 2 @ one_hot
    target = np.asarray(y[0].values)
    expected = gram @ np.linalg.solve(gram + 1e-3 * np.eye(4), target)
    scale = np.abs(target).max()
    np.testing.assert_allclose(
        model.predict(X)[0].values, expected, rtol=0, atol=1e-7 * scale
    )


def test_solvers_agree(ethanol: Ethanol) -> None:
    sparse = jm.slice(ethanol.X, "samples", Labels("atom", [[0], [2], [4], [8]]))
    models = [
        SparseGPR.fit(
            ethanol.X, ethanol.y, sparse=sparse, kernel=PolynomialKernel(2),
            alpha=1.0, sample_weight=WEIGHTS, solver=solver, jitter=1e-15,
        )
        for solver in ("rkhs-qr", "rkhs", "solve")
    ]  # fmt: skip
    a, *others = (rows(model.predict(ethanol.X)[0], PARTS[:2]) for model in models)
    for b in others:
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-7 * np.abs(a).max())


@pytest.fixture(scope="module")
def model(ethanol: Ethanol) -> SparseGPR:
    sparse = jm.slice(ethanol.X, "samples", Labels("atom", [[0], [2], [4], [8]]))
    return SparseGPR.fit(
        ethanol.X,
        ethanol.y,
        sparse=sparse,
        kernel=PolynomialKernel(2, normalised=True),
        alpha=1e-2,
        sizes=np.full(4, 9),
    )


def test_predicted_gradients_are_kernels_times_weights(
    ethanol: Ethanol, model: SparseGPR
) -> None:
    K = model.kernel(ethanol.X, model.sparse)
    expected = jm.dot(TensorMap(model.weights.keys, [K[0]]), model.weights)
    found = model.predict(ethanol.X)
    assert jm.allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert not model.sparse[0].gradients_list()


def test_forces_follow_by_automatic_differentiation(
    ethanol: Ethanol, model: SparseGPR
) -> None:
    """The slope by features, times their gradients, is what the gradient block says."""
    X = jm.remove_gradients(ethanol.X)

    @jax.jit
    def slopes(X: TensorMap) -> TensorMap:
        return jm.grad(lambda X: model.predict(X)[0].values.sum())(X)

    found = np.zeros((4, 9, 3))
    for slope, b in zip(slopes(X), ethanol.X, strict=True):
        g = b.gradient("positions")
        own = np.asarray(slope.values)[g.samples["sample"]]
        rows = np.einsum("gcp,gp->gc", np.asarray(g.values), own)
        np.add.at(found, (g.samples["system"], g.samples["atom"]), rows)
    expected = model.predict(ethanol.X)[0].gradient("positions").values
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        found.reshape(36, 3), expected[..., 0], rtol=0, atol=1e-10 * scale
    )


def test_shares_of_environments_and_dynamic_samples(
    ethanol: Ethanol, model: SparseGPR
) -> None:
    whole = model.predict(ethanol.X)
    shares = model.predict(ethanol.X, per_environment=True)
    assert shares.keys == ethanol.X.keys
    total = shares.keys_to_samples("center_type")
    total = jm.sum_over_samples(total, ["atom", "center_type"])
    assert jm.allclose_block(total[0], whole[0], rtol=1e-12)
    padded = jm.pad(ethanol.X, {"samples": 30, "positions": 260})
    found = jm.unpad(jax.jit(lambda X: model.predict(X))(padded))
    assert jm.allclose(found, whole, rtol=1e-9, atol=1e-9)


def test_single_precision_is_kept(ethanol: Ethanol) -> None:
    X = of_carbon(few(ethanol.X, 3))
    X, y = (each.to(dtype=np.float32) for each in (X, ethanol.y))
    single = SparseGPR.fit(X, y, sparse=X, kernel=PolynomialKernel(2), alpha=1.0)
    assert single.predict(X).dtype == np.float32
    assert np.isfinite(np.asarray(single.predict(X)[0].values)).all()


# What is refused ------------------------------------------------------------------------


def test_what_does_not_fit(ethanol: Ethanol, model: SparseGPR) -> None:
    X, y, kernel = ethanol.X, ethanol.y, PolynomialKernel(2)
    options: dict[str, Any] = {"kernel": kernel, "alpha": 1.0}
    part = jm.drop_blocks(X, Labels("center_type", [[8]]))
    with pytest.raises(MissingError, match=r"no environments for block \(center_type=8\)"):
        SparseGPR.fit(X, y, sparse=part, **options)
    with pytest.raises(NotEqualError, match="properties of block"):
        kernel(X, few(X, 2))
    with pytest.raises(InvalidTypeError, match="dtypes differ"):
        model.predict(X.to(dtype=np.float32))
    short = jm.slice(y, "samples", Labels.range("system", 3))
    with pytest.raises(MissingError, match=r"only the features have .*system=3"):
        SparseGPR.fit(X, short, sparse=X, **options)
    with pytest.raises(MissingError, match="no gradient 'positions'"):
        SparseGPR.fit(jm.remove_gradients(X), y, sparse=X, **options)
    with pytest.raises(InvalidError, match="a map with one block"):
        SparseGPR.fit(X, X, sparse=X, **options)
    padded = jm.pad(X, {"samples": 30, "positions": 260})
    with pytest.raises(DynamicSamplesError, match="are dynamic"):
        kernel(padded, X)
    with untyped(), pytest.raises(InvalidError, match="no solver 'cg'"):
        SparseGPR.fit(X, y, sparse=X, solver="cg", **options)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match="no dimension 'structure'"):
        PolynomialKernel(2, aggregate="structure")(X, X)
    with pytest.raises(InvalidError, match="have other samples"):
        kernel(X, X, into=Labels.range("structure", 4))


def test_kernels_that_are_none() -> None:
    with pytest.raises(InvalidError, match="at least 1"):
        PolynomialKernel(0)
    with untyped(), pytest.raises(InvalidTypeError, match="must be an integer"):
        PolynomialKernel(1.5)  # type: ignore[arg-type]


def test_a_row_of_zeros_has_no_norm_and_does_no_harm() -> None:
    """Padding is such a row."""
    atoms, n = Labels(["system", "atom"], [[0, 0], [0, 1]]), Labels.range("n", 2)
    x = jnp.array([[1.0, 2.0], [0.0, 0.0]])
    X = TensorMap(Labels.single(), [TensorBlock(x, atoms, [], n)])
    kernel = PolynomialKernel(2, normalised=True)
    K = kernel(X, X)[0]
    np.testing.assert_allclose(K.values, [[1.0, 0.0]], rtol=1e-15)
    slope = jm.grad(lambda X: kernel(X, X)[0].values.sum())(X)
    assert np.isfinite(np.asarray(slope[0].values)).all()
