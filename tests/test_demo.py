"""The demonstration on a few structures: files, errors, and what gradients are worth."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import metatensor as mts
import numpy as np
import pytest
from ase.build import bulk
from matplotlib.image import imread

from jaxmeta import datasets
from jaxmeta.demo import __main__ as program
from jaxmeta.demo import dynamics, report, studies
from jaxmeta.potentials import LennardJones


STRUCTURES = 40
MODELS = {
    "ethylene_glycol": [
        "linear, energies",
        "linear, energies + forces",
        "network, energies + forces",
    ],
    "sodium_chloride": [
        "linear, energies",
        "linear, energies + forces",
        "linear, energies + forces + virials",
        "network, energies + forces + virials",
    ],
}


def in_names_of_files(model: str) -> str:
    return model.replace(", ", "-").replace(" ", "")


class Run(NamedTuple):
    """A run with few structures and few features: its files, and what it printed."""

    dataset: str
    folder: Path
    text: str


def smaller(study: studies.Study) -> studies.Study:
    radial = {"type": "Gto", "max_radial": 2}
    basis = {"type": "TensorProduct", "max_angular": 2, "radial": radial}
    network = study.network._replace(directions=40, hidden_features=(32,), epochs=60)
    return dataclasses.replace(study, soap=study.soap | {"basis": basis}, network=network)


@pytest.fixture(
    scope="module",
    params=["sodium_chloride", pytest.param("ethylene_glycol", marks=pytest.mark.long)],
)
def run(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("demo") / "below"
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        one = [smaller(s) for s in studies.STUDIES if s.dataset == request.param]
        patch.setattr(studies, "STUDIES", tuple(one))
        patch.setattr("builtins.print", lambda *texts, **_: lines.extend(map(str, texts)))
        arguments = ["--output", str(folder), "--structures", str(STRUCTURES)]
        arguments += ["--picoseconds", "0.1"]
        assert program.main(arguments) == 0
    return Run(request.param, folder, "\n".join(lines))


_LAST = "spread of the reference"
_MODELS = ("linear, ", "network, ", _LAST)


def errors_in(text: str) -> dict[str, list[float]]:
    """The numbers of the table that was printed, by model."""
    table: dict[str, list[float]] = {}
    for line in text.splitlines():
        if _LAST not in table and line.startswith(_MODELS):
            model, *numbers = re.split(r"\s{2,}", line)
            table[model] = [float(number) for number in numbers]
    return table


def test_files(run: Run) -> None:
    names = {path.name for path in run.folder.iterdir()}
    runs = {name for name in names if name.endswith(".xyz")}
    predictions = [f"-{in_names_of_files(model)}.mts" for model in MODELS[run.dataset]]
    others = [".png", "-dynamics.png", *predictions]
    assert names - runs == {run.dataset + other for other in others}
    kinds = sorted(re.sub("-(linear|network)-.*-", "-", name) for name in runs)
    assert kinds == [f"{run.dataset}-NVE.xyz", f"{run.dataset}-NVT.xyz"]
    assert all(name in run.text for name in names)


def test_pictures_are_not_blank(run: Run) -> None:
    for path in run.folder.glob("*.png"):
        picture = imread(path)
        assert min(picture.shape[:2]) > 500
        some = (picture[::5, ::5, :3] * 255).astype(int)
        assert len({tuple(colour) for colour in some.reshape(-1, 3).tolist()}) > 50


def test_predictions_are_read_by_metatensor(run: Run) -> None:
    for path in run.folder.glob("*.mts"):
        tensor = mts.load(str(path))
        block = tensor.block()
        assert tensor.keys.names == ["_"]
        assert block.samples.names == ["system"]
        assert block.properties.names == ["energy"]
        assert len(block.samples) == STRUCTURES // 4
        reference = datasets.load(run.dataset).targets.block()
        _, rows = studies.split(STRUCTURES, seed=0)
        expected = np.asarray(reference.values)[rows]
        assert np.abs(block.values - expected).max() < 2.0  # eV, of thousands
        assert tensor.get_info("energy_unit") == "eV"
        positions = block.gradient("positions")
        assert positions.samples.names == ["sample", "system", "atom"]
        assert np.isfinite(positions.values).all()
        if run.dataset == "sodium_chloride":
            names = [c.names for c in block.gradient("strain").components]
            assert names == [["xyz_1"], ["xyz_2"]]


def test_forces_and_virials_are_worth_their_rows(run: Run) -> None:
    table = errors_in(run.text)
    spread = table.pop(_LAST)
    assert list(table) == MODELS[run.dataset]
    few, more, *_ = table.values()
    *_, most, _ = table.values()  # of linear models
    assert more[1] < 0.6 * few[1]
    assert most[0] < 0.6 * few[0]
    if run.dataset == "sodium_chloride":
        assert most[2] < 0.6 * few[2]
        assert most[2] < more[2]
    assert all(error < 0.5 * all_ for error, all_ in zip(most, spread, strict=True))


def test_the_best_model_runs(run: Run) -> None:
    """The one whose errors are smallest altogether, in units of the spread."""
    table = errors_in(run.text)
    spread = table.pop(_LAST)
    sums = {
        model: sum(e / s for e, s in zip(errors, spread, strict=True))
        for model, errors in table.items()
    }
    # Numbers in the table are rounded.
    best = [model for model, total in sums.items() if total < 1.01 * min(sums.values())]
    names = {f"{run.dataset}-{in_names_of_files(model)}-NVE.xyz" for model in best}
    (found,) = run.folder.glob("*-NVE.xyz")
    assert found.name in names


def test_networks_of_few_structures_do_no_harm(run: Run) -> None:
    *_, linear, network, _ = errors_in(run.text).values()
    assert network[1] < 1.05 * linear[1]


@pytest.mark.long
def test_a_network_is_worth_its_time() -> None:
    """On all structures of the molecule: a fifth better forces, and better energies."""
    (study,) = [each for each in studies.STUDIES if each.dataset == "ethylene_glycol"]
    result = studies.run(study, 0, None, lambda _: None)
    energy, force = report.quantities(result)
    linear, network = list(result.models)[-2:]
    assert network.startswith("network")
    assert energy.error(network) < 0.8 * energy.error(linear)
    assert force.error(network) < 0.8 * force.error(linear)


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
    model = dynamics.calculator_of(LennardJones({18: 0.0104}, {18: 3.4}, cutoff=7.0))
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


@pytest.mark.parametrize("package", ["ase", "matplotlib", "optax", "vesin"])
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
