"""The same losses on one device, on two, and in two processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


TESTS = Path(__file__).resolve().parents[1]
SCRIPT = Path(__file__).with_name("spread_out.py")


def started(*arguments: str) -> subprocess.Popen[str]:
    paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "JAX_PLATFORMS": "cpu",
    }
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def losses(process: subprocess.Popen[str]) -> list[float]:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    lines = [line.split() for line in out.splitlines()]
    return [float(line[1]) for line in lines if line[:1] == ["loss"]]


@pytest.fixture(scope="module")
def expected() -> list[float]:
    found = losses(started("one"))
    assert len(found) == 4
    assert len(set(found)) == 4
    return found


@pytest.mark.parametrize(
    "how", ["auto", "shards", pytest.param("explicit", marks=pytest.mark.long)]
)
def test_on_two_devices(how: str, expected: list[float]) -> None:
    np.testing.assert_allclose(losses(started(how)), expected, rtol=1e-12)


def test_in_two_processes(expected: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    several = [started("process", str(number), port) for number in range(2)]
    for process in several:
        np.testing.assert_allclose(losses(process), expected, rtol=1e-12)
