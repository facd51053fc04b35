"""What is installed elsewhere is the whole library and nothing else."""

from __future__ import annotations

import email
import importlib.metadata
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, as the build backend makes it without a network."""
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def _metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(name))


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.py", "*.xyz", "py.typed")
        for path in (ROOT / "jaxmeta").rglob(pattern)
    }
    assert "jaxmeta/py.typed" in sources
    assert "jaxmeta/datasets/ethylene_glycol.xyz" in sources
    assert sources <= set(wheel.namelist())


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"jaxmeta", f"jaxmeta-{PROJECT['version']}.dist-info"}
    assert not [name for name in wheel.namelist() if name.endswith(".pyc")]


def test_the_wheel_holds_the_licence(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()


def test_jax_0_10_2_is_refused(wheel: zipfile.ZipFile) -> None:
    requirements = _metadata(wheel).get_all("Requires-Dist") or []
    (jax,) = [
        each for each in requirements if each.startswith("jax") and "extra" not in each
    ]
    assert "!=0.10.2" in jax
    assert ">=0.10.0" in jax


def test_the_core_needs_three_packages_only() -> None:
    names = {each.split(">")[0] for each in PROJECT["dependencies"]}
    assert names == {"jax", "numpy", "equinox"}


def test_the_wheel_works_away_from_the_checkout(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path)
    code = "import jaxmeta, jaxmeta.errors; print(jaxmeta.errors.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)


def test_the_version_is_written_once() -> None:
    try:
        installed = importlib.metadata.version("jaxmeta")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("jaxmeta is run from its folder, not installed")
    assert installed == PROJECT["version"]
    assert installed not in (ROOT / "jaxmeta" / "__init__.py").read_text()


def test_rooms_for_learning_are_imported_when_they_are_asked_for() -> None:
    program = """
import sys
import jaxmeta
rooms = {"autodiff", "data", "learn", "nn"}
assert "equinox" not in sys.modules
assert rooms | {"grad", "value_and_grad", "Labels"} <= set(dir(jaxmeta))
assert all(f"jaxmeta.{room}" not in sys.modules for room in rooms)
assert jaxmeta.grad is jaxmeta.autodiff.grad
assert jaxmeta.nn.MLP and jaxmeta.data.Loader and jaxmeta.learn.mse
assert "equinox" in sys.modules
from jaxmeta import value_and_grad
try:
    jaxmeta.gard
except AttributeError as error:
    assert error.name == "gard" and "jaxmeta" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", program], check=True)
