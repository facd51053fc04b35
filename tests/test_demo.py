"""The demonstration on a few structures: files, errors, and what gradients are worth."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from matplotlib.image import imread
from numpy.testing import assert_allclose

import jaxmeta as jm
from jaxmeta import datasets, errors
from jaxmeta.demo import __main__ as program
from jaxmeta.demo import ridge, studies


STRUCTURES = 40
FILES = {
    "ethylene_glycol.png",
    "ethylene_glycol-energies.mts",
    "ethylene_glycol-energies+forces.mts",
    "sodium_chloride.png",
    "sodium_chloride-energies.mts",
    "sodium_chloride-energies+forces.mts",
    "sodium_chloride-energies+forces+virials.mts",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run with few structures and few features, and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "below"
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        smaller = []
        for study in studies.STUDIES:
            radial = {"type": "Gto", "max_radial": 2}
            basis = {"type": "TensorProduct", "max_angular": 2, "radial": radial}
            smaller.append(dataclasses.replace(study, soap=study.soap | {"basis": basis}))
        patch.setattr(studies, "STUDIES", tuple(smaller))
        patch.setattr("builtins.print", lambda *texts, **_: lines.extend(map(str, texts)))
        arguments = ["--output", str(folder), "--structures", str(STRUCTURES)]
        assert program.main(arguments) == 0
    return folder, "\n".join(lines)


def errors_in(text: str) -> list[dict[str, list[float]]]:
    """The numbers of the tables that were printed, by study and model."""
    tables: list[dict[str, list[float]]] = []
    for line in text.splitlines():
        if line.startswith("trained on"):
            tables.append({})
        elif tables and line.startswith(("energies", "spread")):
            model, *numbers = re.split(r"\s{2,}", line)
            tables[-1][model] = [float(number) for number in numbers]
    return tables


def test_files(run: tuple[Path, str]) -> None:
    folder, text = run
    assert {path.name for path in folder.iterdir()} == FILES
    assert all(name in text for name in FILES)


def test_pictures_are_not_blank(run: tuple[Path, str]) -> None:
    for path in run[0].glob("*.png"):
        picture = imread(path)
        assert min(picture.shape[:2]) > 500
        some = (picture[::5, ::5, :3] * 255).astype(int)
        assert len({tuple(colour) for colour in some.reshape(-1, 3).tolist()}) > 50


def test_predictions_are_read_by_metatensor(run: tuple[Path, str]) -> None:
    for path in run[0].glob("*.mts"):
        tensor = mts.load(str(path))
        block = tensor.block()
        assert tensor.keys.names == ["_"]
        assert block.samples.names == ["system"]
        assert block.properties.names == ["energy"]
        assert len(block.samples) == STRUCTURES // 4
        reference = datasets.load(path.name.split("-")[0]).targets.block()
        expected = np.asarray(reference.values)[block.samples["system"]]
        assert np.abs(block.values - expected).max() < 2.0  # eV, of thousands
        assert tensor.get_info("energy_unit") == "eV"
        positions = block.gradient("positions")
        assert positions.samples.names == ["sample", "system", "atom"]
        assert np.isfinite(positions.values).all()
        if path.name.startswith("sodium"):
            names = [c.names for c in block.gradient("strain").components]
            assert names == [["xyz_1"], ["xyz_2"]]


def test_forces_and_virials_are_worth_their_rows(run: tuple[Path, str]) -> None:
    molecule, crystal = errors_in(run[1])
    few, more = molecule["energies"], molecule["energies + forces"]
    assert more[0] < 0.6 * few[0]
    assert more[1] < 0.6 * few[1]
    assert all(more[i] < 0.5 * molecule["spread of the reference"][i] for i in range(2))
    few, more, most = (crystal[model] for model in list(crystal)[:3])
    assert more[1] < 0.6 * few[1]
    assert most[2] < 0.6 * few[2]
    assert most[2] < more[2]
    assert all(most[i] < 0.5 * crystal["spread of the reference"][i] for i in range(3))


# The regression ------------------------------------------------------------------------


def example(rng: np.random.Generator) -> tuple[jm.TensorMap, jm.TensorMap]:
    """Random features and targets of five systems, with gradients for some of them."""
    rows = jm.Labels(["sample", "atom"], [[0, 0], [0, 1], [3, 0]])
    samples, xyz = jm.Labels.range("system", 5), [jm.Labels.range("xyz", 3)]

    def tensor(properties: jm.Labels) -> jm.TensorMap:
        size = len(properties)
        forces = jnp.asarray(rng.normal(size=(3, 3, size)))
        gradient = jm.TensorBlock(forces, rows, xyz, properties)
        values = jnp.asarray(rng.normal(size=(5, size)))
        block = jm.TensorBlock(values, samples, [], properties, {"positions": gradient})
        return jm.TensorMap(jm.Labels.single(), [block])

    return tensor(jm.Labels.range("n", 4)), tensor(jm.Labels.range("energy", 1))


def test_fit_is_weighted_least_squares(rng: np.random.Generator) -> None:
    x, y = example(rng)
    allowed = {"values": 0.1, "positions": 2.0}
    weights = ridge.fit(ridge.normal_equations(x, y), allowed, ridge=0.03)

    def stacked(tensor: jm.TensorMap) -> np.ndarray:
        block = tensor.block()
        gradient = np.asarray(block.gradient("positions").values)
        size = gradient.shape[-1]
        return np.concatenate(
            [np.asarray(block.values) / 0.1, gradient.reshape(-1, size) / 2.0]
        )

    left, right = stacked(x), stacked(y)
    penalty = np.sqrt(0.03 * np.trace(left.T @ left) / 4) * np.eye(4)
    expected = np.linalg.lstsq(
        np.concatenate([left, penalty]), np.concatenate([right, np.zeros((4, 1))])
    )[0]
    assert_allclose(weights.block().values, expected.T, rtol=1e-10)


def test_fit_leaves_out_what_has_no_error(rng: np.random.Generator) -> None:
    x, y = example(rng)
    few = ridge.fit(ridge.normal_equations(x, y), {"values": 0.1}, ridge=0.01)
    bare = ridge.normal_equations(jm.remove_gradients(x), jm.remove_gradients(y))
    jm.allclose_raise(few, ridge.fit(bare, {"values": 0.1}, ridge=0.01))


def test_features_and_targets_must_have_the_same_rows(rng: np.random.Generator) -> None:
    x, y = example(rng)
    with pytest.raises(errors.NotEqualError, match="samples"):
        ridge.normal_equations(jm.slice(x, "samples", [1, 0, 2, 3, 4]), y)


def test_without_composition(rng: np.random.Generator) -> None:
    """Energies that are those of atoms leave nothing; gradients stay as they are."""
    _, y = example(rng)
    counts = jnp.asarray(rng.integers(1, 9, size=(5, 2)).astype(float))
    types = jm.Labels("center_type", [[1], [8]])
    block = jm.TensorBlock(counts, jm.Labels.range("system", 5), [], types)
    composition = jm.TensorMap(jm.Labels.single(), [block])
    of_atoms = y.block().with_values(counts @ jnp.array([[-13.0], [-400.0]]))
    train = jm.Labels("system", [[0], [2], [3]])
    left = ridge.without_composition(
        jm.TensorMap(y.keys, [of_atoms]), composition, train
    ).block()
    assert_allclose(left.values, np.zeros((5, 1)), atol=1e-10)
    assert left.gradient("positions") == y.block().gradient("positions")


def test_split() -> None:
    train, test = studies.split(20, seed=1)
    assert (len(train), len(test)) == (15, 5)
    assert sorted(train["system"].tolist() + test["system"].tolist()) == list(range(20))
    assert studies.split(20, seed=1) == (train, test)
    assert studies.split(20, seed=2) != (train, test)


# The command ---------------------------------------------------------------------------


@pytest.mark.parametrize("package", ["ase", "featomic", "matplotlib", "metatensor"])
def test_a_package_that_is_missing_is_told(
    package: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert program.main(["--output", str(tmp_path / "none")]) == 1
    command = 'pip install "jaxmeta[demo]"'
    assert capsys.readouterr().err == f"jaxmeta.demo needs {package}: {command}\n"
    assert not (tmp_path / "none").exists()


def test_nothing_else_is_said_without_featomic(tmp_path: Path) -> None:
    code = (
        "import sys, runpy; sys.modules['featomic'] = None; "
        "runpy.run_module('jaxmeta.demo', run_name='__main__')"
    )
    command = [sys.executable, "-c", code, "--output", str(tmp_path / "none")]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
