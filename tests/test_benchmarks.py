"""The report of `make bench` says honestly what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as report
from benchmarks._rows import Row, cost, faster, interleaved


BENCHMARK = """
from benchmarks._rows import cost, faster


def measure():
    return [cost("a cost", 2.0, 1.0, {goal}), faster("a speed-up", 1.0, 30.0, 20.0)]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty copy of the folder of benchmarks, where tests put their own."""
    copy = tmp_path / "benchmarks"
    copy.mkdir()
    for name in ("__init__.py", "__main__.py", "_rows.py"):
        (copy / name).write_bytes((report.HERE / name).read_bytes())
    monkeypatch.setattr(report, "HERE", copy)
    return copy


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("x", 1.0, 1.0, 1.10, 1.10, "<="), True),
        (Row("x", 1.0, 1.0, 1.11, 1.10, "<="), False),
        (Row("x", 1.0, 1.0, 9.99, 10.0, ">="), False),
        (Row("x", 1.0, 1.0, 10.0, 10.0, ">="), True),
        (Row("x", 1.0, 1.0, 10.0, None), None),
    ],
)
def test_a_goal_is_a_bound(row: Row, met: bool | None) -> None:
    assert row.met is met


def test_ratios_point_the_right_way() -> None:
    assert faster("x", ours=2.0, theirs=6.0, goal=None).ratio == 3.0
    assert cost("x", ours=6.0, theirs=2.0, goal=None).ratio == 3.0


def test_both_programs_take_turns() -> None:
    turns: list[str] = []
    interleaved(lambda: turns.append("f"), lambda: turns.append("g"), 2, seconds=0)
    assert "".join(turns) == "fff" + "ggg" + "fg" + "gf"


def test_a_slower_program_is_measured_as_slower() -> None:
    quick, slow = interleaved(lambda: sum(range(10)), lambda: sum(range(10_000)), 5)
    assert 0 < quick < slow


def test_a_missed_goal_is_reported(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "bench_one.py").write_text(BENCHMARK.format(goal=1.5))
    file = folder / "rows.json"
    assert report.main(["--json", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2:] for line in lines if line.startswith("a cost")] == [
        ["NOT", "MET"]
    ]
    assert lines[-1] == "1 of 2 goals met"
    assert [row["met"] for row in json.loads(file.read_text())["rows"]] == [False, True]


@pytest.mark.parametrize(("goal", "code"), [(1.5, 1), (2.0, 0)])
def test_strict_fails_on_a_missed_goal(folder: Path, goal: float, code: int) -> None:
    (folder / "bench_one.py").write_text(BENCHMARK.format(goal=goal))
    assert report.main(["--strict"]) == code


def test_a_benchmark_that_fails_is_named_and_the_others_run(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    (folder / "bench_broken.py").write_text("def measure():\n    raise RuntimeError\n")
    (folder / "bench_one.py").write_text(BENCHMARK.format(goal=2.0))
    assert report.main([]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 2 goals met; failed: broken"


def test_an_unknown_name_lists_those_that_exist(folder: Path) -> None:
    (folder / "bench_one.py").write_text(BENCHMARK.format(goal=2.0))
    with pytest.raises(SystemExit, match="no benchmark is named two; there are one"):
        report.main(["two"])


def test_columns_are_aligned() -> None:
    rows = [cost("short", 1e-6, 1.0, 1.1), faster("a much longer name", 3.2, 0.04, None)]
    head, *lines = report.table(rows).splitlines()
    ends = [head.index(word) + len(word) for word in ("ours", "theirs", "ratio")]
    for line in lines:
        assert all(
            line[end - 1] != " " and line[end : end + 2].strip() == "" for end in ends
        )


def test_the_hardware_is_named() -> None:
    assert "cores; python 3." in report.hardware()
    assert ", numpy 2." in report.hardware()
