"""The manual's table of operations is the one that the code gives."""

from __future__ import annotations

import runpy
from pathlib import Path

import metatensor
import pytest

from benchmarks._cases import Case, cases


ROOT = Path(__file__).resolve().parents[1]


def test_the_table_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "operations_table.py"))
    assert script["page"]() == (ROOT / "docs" / "operations.md").read_text(), (
        "run python scripts/operations_table.py"
    )


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_cases_say_rightly_whether_metatensor_has_them(case: Case) -> None:
    if not case.what:
        where, _, method = case.name.rpartition(".")
        there = getattr(metatensor, where) if where else metatensor
        assert case.peer == hasattr(there, method)
