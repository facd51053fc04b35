"""The fuzzing script is run by hand; what it checks is checked here on a few inputs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def script() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "fuzz_mts.py"
    spec = importlib.util.spec_from_file_location("fuzz_mts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sound_and_broken_files_pass(script: ModuleType) -> None:
    for content in script.beginnings():
        script.look_at(content)
        script.look_at(content[:-1])
    script.look_at(b"")


def test_a_reader_that_crashes_is_found(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crashing(content: bytes, **options: bool) -> None:
        raise IndexError

    monkeypatch.setattr(script, "LOADERS", (crashing,))
    with pytest.raises(IndexError):
        script.look_at(b"anything")


def test_the_missing_package_is_named(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    with pytest.raises(SystemExit, match="needs atheris: pip install atheris"):
        script.main()
