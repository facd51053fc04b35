"""Settings that hold for every test and doctest; fixtures are in tests/conftest.py."""

from __future__ import annotations

import os


# Each worker of pytest-xdist keeps to one thread: together they fill the cores. XLA and
# the BLAS libraries read these when they start, so they come before any import of them.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("PJRT_NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import hypothesis
import jax


jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

hypothesis.settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, max_examples=50
)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("ci")
