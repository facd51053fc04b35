"""Explicit gradients against the whole Jacobian of an operation, at fixed tolerances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxmeta import TensorBlock, TensorMap
from jaxmeta.testing import assert_exact_gradients


def assert_exact(
    operation: Callable[..., Any], *tensors: TensorMap | TensorBlock, **options: Any
) -> Any:
    """Check all gradients of ``operation(*tensors)``, nested ones too; gives the result."""
    return assert_exact_gradients(operation, *tensors, rtol=1e-10, atol=1e-10, **options)
