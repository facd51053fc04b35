"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from typed_calls import install, untyped


install("jaxmeta")


@pytest.fixture(scope="module", autouse=True)
def _as_in_a_new_process() -> None:
    """What other files left behind makes tracing and collecting garbage slow."""
    jax.clear_caches()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real inputs beside the checkout; the test is skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/data is not beside this checkout")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator that gives the same numbers in every run."""
    return np.random.default_rng(20240229)


@pytest.fixture
def wrong_types() -> Iterator[None]:
    """Arguments of wrong types reach jaxmeta, whose own errors are then to be seen."""
    with untyped():
        yield
