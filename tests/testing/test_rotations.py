"""Rotations of harmonics and maps, against scipy, metatomic, featomic and real targets."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import ase
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from representations.featomic_peer import crystal, expansion, molecules
from scipy.special import sph_harm_y

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.data import DiskDataset
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError
from jaxmeta.representations.clebsch_gordan import (
    equivariant_power_spectrum,
    power_spectrum,
)
from jaxmeta.testing import (
    random_rotations,
    transform_cell,
    transform_positions,
    transform_tensor,
    wigner_d,
)


SEEDS = st.integers(0, 2**32)
QUARTER = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])


def any_matrix(seed: int, improper: bool = False) -> np.ndarray:
    return random_rotations(1, seed, improper=improper)[0]


def harmonics(degree: int, points: np.ndarray) -> np.ndarray:
    """Real spherical harmonics by scipy, orders from -l to l."""
    theta = np.arccos(points[:, 2] / np.linalg.norm(points, axis=1))
    phi = np.arctan2(points[:, 1], points[:, 0])
    found = np.empty((len(points), 2 * degree + 1))
    for m in range(degree + 1):
        complex_ = (-1) ** m * math.sqrt(2) * sph_harm_y(degree, m, theta, phi)
        found[:, degree + m], found[:, degree - m] = complex_.real, complex_.imag
    found[:, degree] = sph_harm_y(degree, 0, theta, phi).real
    return found


# Matrices -------------------------------------------------------------------------------


def test_random_rotations_are_uniform() -> None:
    """Averages of all elements of D vanish, and those of their squares are 1/(2 l + 1)."""
    count = 4000
    matrices = random_rotations(count, seed=3)
    assert matrices.shape == (count, 3, 3)
    np.testing.assert_allclose(np.linalg.det(matrices), 1, atol=1e-14)
    np.testing.assert_array_equal(matrices, random_rotations(count, seed=3))
    np.testing.assert_array_equal(-matrices, random_rotations(count, 3, improper=True))
    assert not np.allclose(matrices, random_rotations(count, seed=4))
    for degree in (1, 2):
        found = np.stack([wigner_d(degree, matrix) for matrix in matrices])
        size = 2 * degree + 1
        # Five standard deviations of an average, for numbers that are at most one.
        assert np.abs(found.mean(axis=0)).max() < 5 / math.sqrt(size * count)
        assert np.abs((found**2).mean(axis=0) - 1 / size).max() < 5 / math.sqrt(count)


@given(SEEDS, st.booleans(), st.integers(0, 6))
def test_wigner_matrices_turn_harmonics(seed: int, improper: bool, degree: int) -> None:
    matrix = any_matrix(seed, improper)
    points = np.random.default_rng(1).normal(size=(20, 3))
    turned = harmonics(degree, points @ matrix.T)
    found = harmonics(degree, points) @ wigner_d(degree, matrix).T
    np.testing.assert_allclose(turned, found, atol=1e-13)


@given(SEEDS, SEEDS, st.booleans(), st.integers(0, 8))
def test_a_homomorphism_into_orthogonal_matrices(
    seed: int, other: int, improper: bool, degree: int
) -> None:
    left, right = any_matrix(seed, improper), any_matrix(other)
    both = wigner_d(degree, left) @ wigner_d(degree, right)
    np.testing.assert_allclose(wigner_d(degree, left @ right), both, atol=1e-13)
    identity = np.eye(2 * degree + 1)
    np.testing.assert_allclose(both @ both.T, identity, atol=1e-13)
    inverse = wigner_d(degree, left.T)
    np.testing.assert_allclose(inverse, wigner_d(degree, left).T, atol=1e-13)
    np.testing.assert_array_equal(wigner_d(degree, np.eye(3)), identity)
    parity = (-1) ** degree * wigner_d(degree, left)
    np.testing.assert_allclose(wigner_d(degree, -left), parity, atol=1e-13)


def test_turns_about_axes_have_no_singular_angles() -> None:
    quarter = wigner_d(2, QUARTER)
    np.testing.assert_allclose(np.linalg.matrix_power(quarter, 4), np.eye(5), atol=1e-15)
    flipped = wigner_d(3, np.diag([1, -1, -1]))
    np.testing.assert_allclose(flipped @ flipped, np.eye(7), atol=1e-15)


def test_wigner_matrices_are_those_of_metatomic() -> None:
    with warnings.catch_warnings():  # torch has some at import
        warnings.simplefilter("ignore")
        pytest.importorskip("metatomic.torch", reason="metatomic-torch is not installed")
        torch: Any = pytest.importorskip("torch")
        wigner: Any = pytest.importorskip("metatomic.torch.o3._wigner")
    for seed in range(3):
        matrix = any_matrix(seed)
        given_ = torch.from_numpy(matrix)
        theirs = wigner.build_wigner_D_cache(6, given_, given_.device, given_.dtype)
        for degree in range(7):
            right = theirs[degree].numpy()
            np.testing.assert_allclose(wigner_d(degree, matrix), right, atol=1e-12)


def test_vectors_and_cells() -> None:
    rng = np.random.default_rng(0)
    vectors, matrix = rng.normal(size=(4, 2, 3)), any_matrix(1)
    turned = transform_positions(vectors, matrix)
    np.testing.assert_allclose(turned[1, 1], matrix @ vectors[1, 1], atol=1e-15)
    assert isinstance(turned, np.ndarray)
    single = transform_positions(vectors.astype(np.float32), matrix)
    assert single.dtype == np.float32
    traced = jax.jit(lambda x: transform_positions(x, matrix))(jnp.asarray(vectors))
    np.testing.assert_allclose(traced, turned, atol=1e-15)
    cell = rng.normal(size=(3, 3))
    fractional = vectors[0] @ np.linalg.inv(cell)
    again = transform_positions(vectors[0], matrix) @ np.linalg.inv(
        transform_cell(cell, matrix)
    )
    np.testing.assert_allclose(fractional, again, atol=1e-12)


# Maps -----------------------------------------------------------------------------------


def turned(atoms: ase.Atoms, matrix: np.ndarray) -> ase.Atoms:
    found = atoms.copy()
    found.positions = transform_positions(atoms.positions, matrix)
    found.set_cell(transform_cell(atoms.cell.array, matrix))
    return found


def assert_turns(function: Any, atoms: ase.Atoms, matrix: np.ndarray) -> None:
    """What a function gives for turned atoms is what it gives for atoms, turned."""
    expected = transform_tensor(function(atoms), matrix)
    found = function(turned(atoms, matrix))
    jm.equal_metadata_raise(found, expected)
    jm.allclose_raise(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=5)
@given(SEEDS, st.booleans())
def test_expansions_of_molecules_turn(seed: int, improper: bool) -> None:
    def spectrum(atoms: ase.Atoms) -> TensorMap:
        return expansion(atoms, ["positions"], max_angular=3)

    assert_turns(spectrum, molecules()[1], any_matrix(seed, improper))


@pytest.mark.parametrize("improper", [False, True])
def test_all_gradients_of_crystals_turn(improper: bool) -> None:
    def spectrum(atoms: ase.Atoms) -> TensorMap:
        return expansion(atoms, ["positions", "strain"])

    assert_turns(spectrum, crystal(), any_matrix(7, improper))


def test_gradients_by_cells_once_their_components_have_the_right_names() -> None:
    """featomic calls the vectors of the cell `xyz`, and their components `abc`."""

    def spectrum(atoms: ase.Atoms) -> TensorMap:
        found = expansion(atoms, ["cell"])
        for old, new in (("xyz", "vectors"), ("abc", "xyz"), ("vectors", "abc")):
            found = jm.rename_dimension(found, "components", old, new)
        return found

    matrix = any_matrix(7)
    expected = transform_tensor(spectrum(crystal()), matrix, fixed=["abc"])
    found = spectrum(turned(crystal(), matrix))
    jm.allclose_raise(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("improper", [False, True])
def test_products_turn_with_both_signs(improper: bool) -> None:
    def spectrum(atoms: ase.Atoms) -> TensorMap:
        density = expansion(atoms, ["positions"], 1, 0).keys_to_properties("neighbor_type")
        chosen = Labels(["o3_lambda", "center_type"], [[1, 1]])
        return equivariant_power_spectrum(density, selected_keys=chosen)

    atoms = molecules()[1]
    assert set(spectrum(atoms).keys.column("o3_sigma").tolist()) == {1, -1}
    assert_turns(spectrum, atoms, any_matrix(5, improper))
    assert_turns(lambda x: power_spectrum(expansion(x, (), 2)), atoms, any_matrix(5))


@pytest.mark.parametrize(
    "field",
    [
        "mtt::dipole_moment",
        "mtt::electron_density_basis_projs",
        "mtt::hamiltonian_nodes",
        "mtt::hamiltonian_nodes_uncoupled",
    ],
)
def test_real_targets_before_and_after(data_folder: Path, field: str) -> None:
    paths = [data_folder / f"spherical_targets_{x}rotated.zip" for x in ("un", "")]
    before, after = (_positions(path) for path in paths)
    left, _, right = np.linalg.svd(after.T @ before)
    matrix = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    with DiskDataset(paths[0]) as one, DiskDataset(paths[1]) as other:
        for i in range(2):
            tensor, expected = one[i][field], other[i][field]
            found = transform_tensor(tensor, matrix)
            jm.equal_metadata_raise(found, expected)
            # Made in single precision: rotated structures have 8 digits.
            jm.allclose_raise(found, expected, rtol=1e-6, atol=2e-6)
            assert not jm.allclose(tensor, expected, rtol=1e-6, atol=2e-6)


def _positions(path: Path) -> np.ndarray:
    with zipfile.ZipFile(path) as archive:
        inner = zipfile.ZipFile(io.BytesIO(archive.read("0/system.mta")))
        return np.load(io.BytesIO(inner.read("positions.npy")))


def test_compiled_padded_and_differentiated() -> None:
    tensor, matrix = expansion(molecules()[:1], ["positions"], 1, 0), any_matrix(2)
    tensor = jm.filter_blocks(tensor, Labels(["center_type", "neighbor_type"], [[1, 8]]))
    whole = transform_tensor(tensor, matrix)
    compiled = jax.jit(lambda t: transform_tensor(t, matrix))(tensor)
    assert jm.allclose(compiled, whole, rtol=1e-14, atol=1e-14)
    padded = transform_tensor(jm.pad(tensor, {"samples": 4, "positions": 20}), matrix)
    assert jm.allclose(jm.unpad(padded), whole, rtol=1e-14, atol=1e-14)
    back = transform_tensor(whole, matrix.T)
    assert jm.allclose(back, tensor, rtol=1e-14, atol=1e-14)

    def norm(tensor: TensorMap) -> Any:
        return sum(jnp.sum(b.values**2) for b in transform_tensor(tensor, matrix))

    slope = jm.grad(norm)(jm.remove_gradients(tensor))
    assert jm.allclose(slope, 2 * jm.remove_gradients(tensor), rtol=1e-14, atol=1e-14)
    low = transform_tensor(tensor.to(dtype=jnp.float32), matrix)
    assert low.dtype == np.float32


def test_cartesian_tensors_and_fixed_components() -> None:
    rng = np.random.default_rng(0)
    values, matrix = rng.normal(size=(2, 3, 3, 1)), any_matrix(1, improper=True)
    components = [Labels.range("xyz_1", 3), Labels.range("xyz_2", 3)]
    samples, properties = Labels.range("system", 2), Labels.range("p", 1)
    block = TensorBlock(jnp.asarray(values), samples, components, properties)
    tensor = TensorMap(Labels.single(), [block]).with_info(note="kept")
    found = transform_tensor(tensor, matrix)
    right = matrix @ values[1, :, :, 0] @ matrix.T
    np.testing.assert_allclose(found[0].values[1, :, :, 0], right, atol=1e-14)
    assert found.info() == {"note": "kept"}
    renamed = jm.rename_dimension(tensor, "components", "xyz_2", "abc")
    partly = transform_tensor(renamed, matrix, fixed=["abc"])[0].values[1, :, :, 0]
    np.testing.assert_allclose(partly, matrix @ values[1, :, :, 0], atol=1e-14)


def of_component(name: str, entries: list[int], **key: int) -> TensorMap:
    labels = Labels(name, [[entry] for entry in entries])
    values = jnp.ones((1, len(entries), 1))
    block = TensorBlock(values, Labels.range("s", 1), [labels], Labels.range("p", 1))
    keys = Labels(list(key), [list(key.values())]) if key else Labels.single()
    return TensorMap(keys, [block])


VECTOR = of_component("xyz", [0, 1, 2])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: random_rotations(-1, 0), InvalidError, "count is not negative"),
        (lambda: random_rotations(1, 0.5), InvalidTypeError, "seed is an integer"),  # type: ignore[arg-type]
        (lambda: random_rotations(1, 0, improper=1), InvalidTypeError, "True or False"),  # type: ignore[arg-type]
        (lambda: wigner_d(-1, np.eye(3)), InvalidError, "not negative"),
        (lambda: wigner_d(1, 2 * np.eye(3)), InvalidError, "differs from 1 by 3"),
        (lambda: wigner_d(1, np.full((3, 3), np.nan)), InvalidError, "by nan"),
        (lambda: wigner_d(1, np.eye(2)), InvalidError, "found \\(2, 2\\)"),
        (lambda: wigner_d(1, "turn"), InvalidTypeError, "array of real numbers"),
        (lambda: transform_positions([1.0], QUARTER), InvalidTypeError, "found list"),
        (lambda: transform_positions(np.ones(3, int), QUARTER), InvalidTypeError, "int64"),
        (lambda: transform_positions(np.ones(2), QUARTER), InvalidError, "of space"),
        (lambda: transform_cell(np.ones((2, 3)), QUARTER), InvalidError, "three vectors"),
        (lambda: transform_tensor(VECTOR[0], QUARTER), InvalidTypeError, "TensorBlock"),  # type: ignore[arg-type]
        (
            lambda: transform_tensor(VECTOR.to(dtype=jnp.int32), QUARTER),
            InvalidTypeError,
            "int32",
        ),
        (
            lambda: transform_tensor(of_component("xyz", [2, 1, 0]), QUARTER),
            InvalidError,
            "found \\[2, 1, 0\\], expected \\[0, 1, 2\\]",
        ),
        (
            lambda: transform_tensor(of_component("direction", [0, 1, 2]), QUARTER),
            MissingError,
            "nothing says how 'direction'",
        ),
        (
            lambda: transform_tensor(VECTOR, QUARTER, fixed="xyz"),
            InvalidTypeError,
            "a list of names",
        ),
        (
            lambda: transform_tensor(of_component("o3_mu", [0]), QUARTER),
            MissingError,
            "no dimension 'o3_lambda'",
        ),
        (
            lambda: transform_tensor(of_component("o3_mu", [0], o3_lambda=-1), QUARTER),
            InvalidError,
            "negative",
        ),
        (
            lambda: transform_tensor(of_component("o3_mu", [0], o3_lambda=0), -QUARTER),
            MissingError,
            "'o3_sigma'",
        ),
        (
            lambda: transform_tensor(
                of_component("o3_mu", [0], o3_lambda=0, o3_sigma=0), -QUARTER
            ),
            InvalidError,
            "is 1 or -1",
        ),
        (
            lambda: transform_tensor(of_component("o3_mu", [0], o3_lambda=1), QUARTER),
            InvalidError,
            "expected \\[-1, 0, 1\\]",
        ),
    ],
)
@pytest.mark.usefixtures("wrong_types")
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
