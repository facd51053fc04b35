"""Equality of values, exactly or within tolerances."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core.layouts._differences import block_name, check_same_block, check_same_map
from jaxmeta.core.layouts._layout import BlockLayout, Layout
from jaxmeta.errors import NotEqualError, compose


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far two values may be apart: ``|left - right| <= atol + rtol * |right|``."""

    rtol: float = 0.0
    atol: float = 0.0
    equal_nan: bool = False
    exact: bool = True

    def agree(self, left: Any, right: Any, numeric: Any) -> Any:
        """Elementwise agreement, with `numeric` either numpy or jax.numpy."""
        if self.exact:
            return left == right
        return numeric.isclose(
            left, right, rtol=self.rtol, atol=self.atol, equal_nan=self.equal_nan
        )


EXACT = Tolerance()


def same(left: Any, right: Any) -> Any:
    """Whether two blocks or maps have equal metadata and values, for ``==``."""
    try:
        return compare("==", left, right, EXACT)
    except NotEqualError:
        return False


def compare(operation: str, left: Any, right: Any, tolerance: Tolerance) -> Any:
    """True when both agree; raises NotEqualError that tells the first difference.

    When leaves are traced, differences of values can not raise: the result is a traced
    bool then.
    """
    pairs = _pairs(operation, left, right)
    if any(isinstance(x, Tracer) for x in (*left._leaves, *right._leaves)):
        for path, a, b in pairs:
            _check_kind(operation, path, a, b)
        agreed = [tolerance.agree(a, b, jnp).all() for _, a, b in pairs]
        return jnp.stack(agreed).all() if agreed else jnp.asarray(True)
    for path, a, b in pairs:
        _check_leaf(operation, path, np.asarray(a), np.asarray(b), tolerance)
    return True


def _pairs(operation: str, left: Any, right: Any) -> Sequence[tuple[str, Any, Any]]:
    own, other = left._layout, right._layout
    if isinstance(own, BlockLayout):
        check_same_block(operation, "", own, other)
        return list(zip(own.paths, left._leaves, right._leaves, strict=True))
    return _map_pairs(operation, left, right, own, other)


def _map_pairs(
    operation: str, left: Any, right: Any, own: Layout, other: Layout
) -> Sequence[tuple[str, Any, Any]]:
    positions = check_same_map(operation, own, other)
    pairs = []
    for index, position in enumerate(positions):
        a, b = own.offsets[index], other.offsets[position]
        for k, path in enumerate(own.blocks[index].paths):
            name = f"{path} of {block_name(own.keys, index)}"
            pairs.append((name, left._leaves[a + k], right._leaves[b + k]))
    return pairs


def _check_kind(operation: str, path: str, a: Any, b: Any) -> None:
    if a.dtype != b.dtype or a.shape != b.shape:
        raise NotEqualError(
            compose(
                f"{operation}: {path} differ.",
                f"left is {a.dtype} of shape {a.shape}, right is {b.dtype} of {b.shape}",
            )
        )


def _check_leaf(
    operation: str, path: str, a: np.ndarray, b: np.ndarray, tolerance: Tolerance
) -> None:
    _check_kind(operation, path, a, b)
    agree = tolerance.agree(a, b, np)
    if not agree.all():
        first = tuple(int(i) for i in np.argwhere(~agree)[0])
        raise NotEqualError(
            compose(
                f"{operation}: {path} differ.",
                f"{int((~agree).sum())} of {a.size} values differ; the first at {first}: "
                f"{a[first]} vs {b[first]}",
            )
        )
