"""What the read-me and its companions say is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_first_commands_are_the_demo_and_the_tests() -> None:
    assert _blocks(README, "bash")[0].split("\n")[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("number", range(len(_blocks(README, "python"))))
def test_code_in_the_readme_runs(number: int, tmp_path: Path) -> None:
    # A process of its own, as a reader has it: without this suite's settings for JAX.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _blocks(README, "python")[number]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_every_command_is_a_target(name: str) -> None:
    text = (ROOT / name).read_text()
    named = re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)
    assert named
    assert set(named) <= TARGETS


def test_every_room_in_the_readme_exists() -> None:
    named = re.findall(r"^\| `([^`]+)` \| (?!shows|runs|the same)", README, re.MULTILINE)
    rooms = [name for name in named if not name.startswith("make ")]
    assert len(rooms) >= 8
    assert [name for name in rooms if not (ROOT / name).exists()] == []


def test_links_between_documents_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_of_the_manual_is_in_its_contents() -> None:
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    index = (ROOT / "docs" / "index.md").read_text()
    listed = set(re.findall(r"^([a-z]+)$", index, re.MULTILINE))
    assert pages == listed


def test_the_read_me_of_the_core_names_every_file_in_its_room() -> None:
    core = ROOT / "jaxmeta" / "core"
    table = (core / "README.md").read_text().split("| room |")[1]
    named, room = set(), ""
    for line in table.splitlines()[2:]:
        room = (re.findall(r"^\| `([a-z]+)` \|", line) or [room])[0]
        for pattern in re.findall(r"`(_[a-z_*]+\.py)`", line):
            named |= set((core / room).glob(pattern))
    assert {path for path in core.glob("*/_*.py") if path.stem != "__init__"} == named
