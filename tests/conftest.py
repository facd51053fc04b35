"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typed_calls import install, untyped


install("jaxmeta")


@pytest.fixture(scope="module", autouse=True)
def _left_alone() -> None:
    """Collections of garbage need not look at what earlier files have left."""
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
