"""The scripts behind `make` find interpreters, and say so when there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "interpreter.sh"
SHELL = shutil.which("sh")

pytestmark = pytest.mark.skipif(SHELL is None, reason="no POSIX shell on this machine")


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{SHELL}\n{text}\n")
    path.chmod(0o755)
    return path


def _python(path: Path, version: str) -> Path:
    """A stand-in for Python: says its path where the real one of that version would."""
    new_enough = tuple(map(int, version.split("."))) >= (3, 11)
    return _program(path, f'echo "{path if new_enough else ""}"')


def _find(name: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SHELL), str(SCRIPT), name],
        env={"PATH": str(path), "HOME": str(path), **environment},
        capture_output=True,
        text=True,
    )


def test_this_interpreter_is_found_by_its_path(tmp_path: Path) -> None:
    assert _find(sys.executable, tmp_path).stdout.strip() == sys.executable


def test_a_name_on_the_path_is_taken(tmp_path: Path) -> None:
    python = _python(tmp_path / "python3.13", "3.13")
    assert _find("python3.13", tmp_path).stdout.strip() == str(python)


def test_a_shim_that_fails_gives_way_to_the_version_behind_it(tmp_path: Path) -> None:
    _program(tmp_path / "bin" / "python3.13", "exit 127")
    behind = _python(
        tmp_path / "pyenv" / "versions" / "3.13.2" / "bin" / "python3.13", "3.13"
    )
    found = _find("python3.13", tmp_path / "bin", PYENV_ROOT=str(tmp_path / "pyenv"))
    assert found.stdout.strip() == str(behind)


def test_pyenv_is_asked_where_its_versions_are(tmp_path: Path) -> None:
    _program(tmp_path / "bin" / "pyenv", f'echo "{tmp_path / "root"}"')
    behind = _python(
        tmp_path / "root" / "versions" / "3.12.1" / "bin" / "python3.12", "3.12"
    )
    assert _find("python3.12", tmp_path / "bin").stdout.strip() == str(behind)


def test_what_uv_knows_is_found(tmp_path: Path) -> None:
    python = _python(tmp_path / "elsewhere" / "python3.14", "3.14")
    _program(tmp_path / "bin" / "uv", f'echo "{python}"')
    assert _find("python3.14", tmp_path / "bin").stdout.strip() == str(python)


def test_a_newer_python_replaces_a_plain_one_that_is_too_old(tmp_path: Path) -> None:
    _python(tmp_path / "python3", "3.9")
    newer = _python(tmp_path / "python3.12", "3.12")
    assert _find("python3", tmp_path).stdout.strip() == str(newer)


def test_a_version_asked_for_by_name_is_never_replaced(tmp_path: Path) -> None:
    _python(tmp_path / "python3.12", "3.12")
    found = _find("python3.13", tmp_path)
    assert found.returncode == 1
    assert found.stdout == ""
    assert "'python3.13'" in found.stderr
    assert "make test PYTHON=" in found.stderr


@pytest.mark.parametrize("name", ["interpreter.sh", "environment.sh"])
def test_scripts_can_be_run(name: str) -> None:
    assert os.access(SCRIPT.with_name(name), os.X_OK)
