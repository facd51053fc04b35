"""The demonstration on a few structures: files, errors, and what gradients are worth."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import metatensor as mts
import numpy as np
import pytest
from ase.build import bulk
from matplotlib.image import imread

from jaxmeta import datasets
from jaxmeta.demo import __main__ as program
from jaxmeta.demo import dynamics, studies
from jaxmeta.potentials import LennardJones


STRUCTURES = 40
FILES = {
    "ethylene_glycol.png",
    "ethylene_glycol-dynamics.png",
    "ethylene_glycol-energies+forces-NVE.xyz",
    "ethylene_glycol-energies+forces-NVT.xyz",
    "ethylene_glycol-energies.mts",
    "ethylene_glycol-energies+forces.mts",
    "sodium_chloride.png",
    "sodium_chloride-dynamics.png",
    "sodium_chloride-energies+forces+virials-NVE.xyz",
    "sodium_chloride-energies+forces+virials-NVT.xyz",
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
        arguments += ["--picoseconds", "0.1"]
        assert program.main(arguments) == 0
    return folder, "\n".join(lines)


_LAST = "spread of the reference"


def errors_in(text: str) -> list[dict[str, list[float]]]:
    """The numbers of the tables that were printed, by study and model."""
    tables: list[dict[str, list[float]]] = []
    for line in text.splitlines():
        if line.startswith("trained on"):
            tables.append({})
        elif tables and _LAST not in tables[-1] and line.startswith(("energies", _LAST)):
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
        _, rows = studies.split(STRUCTURES, seed=0)
        expected = np.asarray(reference.values)[rows]
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


# The parts ------------------------------------------------------------------------------


def test_split() -> None:
    train, test = studies.split(20, seed=1)
    assert (len(train), len(test)) == (15, 5)
    assert sorted([*train, *test]) == list(range(20))
    assert [part.tolist() for part in studies.split(20, seed=1)] == [
        train.tolist(),
        test.tolist(),
    ]
    assert studies.split(20, seed=2)[0].tolist() != train.tolist()


def test_constant_energy_and_constant_temperature() -> None:
    """Argon, whose forces are exact: the energy is kept, the thermostat warms it up."""
    argon = bulk("Ar", "fcc", a=5.3, cubic=True)
    model = LennardJones({18: 0.0104}, {18: 3.4}, cutoff=7.0)
    options = {"timestep": 2.0, "picoseconds": 0.2, "temperature": 60.0, "seed": 1}
    kept = dynamics.simulate(model, argon, "NVE", **options)
    assert len(kept.times) == 101
    assert kept.times[-1] == pytest.approx(0.2)
    assert kept.fluctuation < 0.05
    assert abs(kept.drift) < 0.5
    assert len(kept.frames) == 3
    cold = dynamics.simulate(model, argon, "NVT", **{**options, "temperature": 5.0})
    assert cold.temperature[0] < kept.temperature[0]
    assert cold.total.std() > 1e-4


# The command ---------------------------------------------------------------------------


@pytest.mark.parametrize("package", ["ase", "matplotlib", "vesin"])
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


def test_nothing_else_is_said_without_vesin(tmp_path: Path) -> None:
    code = (
        "import sys, runpy; sys.modules['vesin'] = None; "
        "runpy.run_module('jaxmeta.demo', run_name='__main__')"
    )
    command = [sys.executable, "-c", code, "--output", str(tmp_path / "none")]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
