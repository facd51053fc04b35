"""Fixtures of the tests of files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from strategies import untyped


@pytest.fixture
def wrong_types() -> Iterator[None]:
    """Arguments of wrong types reach jaxmeta, whose own errors are then to be seen."""
    with untyped():
        yield
