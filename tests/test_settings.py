"""The suite itself runs as strictly as it claims to."""

from __future__ import annotations

import os
import warnings

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from beartype.roar import BeartypeCallHintViolation
from typed_calls import untyped

from jaxmeta.core.gradients._destinations import Destination
from jaxmeta.errors import compose


def test_annotations_of_the_library_are_checked() -> None:
    with pytest.raises(BeartypeCallHintViolation, match="compose"):
        compose(3)  # type: ignore[arg-type]
    with pytest.raises(BeartypeCallHintViolation, match="capacities"):
        Destination(capacities=3)  # type: ignore[arg-type]
    with untyped():
        assert Destination(capacities=3).capacities == 3  # type: ignore[arg-type]


def test_double_precision_is_on() -> None:
    assert jnp.ones(1).dtype == np.float64


def test_mixed_dtypes_are_refused() -> None:
    with pytest.raises(jax.dtypes.TypePromotionError, match="promotion"):
        jnp.ones(2, jnp.float32) + jnp.ones(2, jnp.float64)


def test_mixed_ranks_are_refused() -> None:
    with pytest.raises(ValueError, match="rank"):
        jnp.ones((2, 2)) + jnp.ones(2)


def test_warnings_are_errors() -> None:
    with pytest.raises(UserWarning, match="not silent"):
        warnings.warn("not silent", stacklevel=1)


def test_examples_of_hypothesis_are_bounded() -> None:
    assert hypothesis.settings.default.max_examples in (50, 2000)


@pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" not in os.environ, reason="the tests run in one process"
)
def test_workers_do_not_compete_for_cores() -> None:
    assert os.environ["PJRT_NPROC"] == "1"
