"""Settings that hold for every test and doctest; fixtures are in tests/conftest.py."""

from __future__ import annotations

import os
from collections.abc import Generator


# Each worker of pytest-xdist keeps to one thread: together they fill the cores. XLA and
# the BLAS libraries read these when they start, so they come before any import of them.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("PJRT_NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import hypothesis
import jax
import pytest


jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

hypothesis.settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, max_examples=50
)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("ci")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip the examples of a file whose extra is not installed, and only of those."""
    report = yield
    call = getattr(report, "call", None)
    error = call.excinfo.value if call and call.excinfo else None
    # pytest wraps what an import raises.
    error = getattr(error, "__cause__", None) or error
    if type(error).__name__ == "MissingExtraError":
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {error}")
    return report
