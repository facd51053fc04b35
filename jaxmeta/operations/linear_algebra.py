"""Linear algebra: least squares and linear systems, block by block."""

from __future__ import annotations

from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmeta.core import TensorMap
from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.gradients._second_order import refuse_nested
from jaxmeta.core.layouts._differences import check_same_block
from jaxmeta.core.layouts._layout import BlockLayout, Layout, block_layout
from jaxmeta.core.layouts._precision import check_inexact, check_same_dtype
from jaxmeta.core.plans._plans import Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, pair_by_pair, plan_of, run
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.operations._arguments import check_map
from jaxmeta.operations._least_squares import least_squares


def lstsq(
    X: TensorMap, Y: TensorMap, rcond: float | None, driver: str | None = None
) -> TensorMap:
    r"""The weights that solve :math:`X w = Y` in the least squares sense, block by block.

    Rows of the system are all samples and components of the values, and after them all
    rows of every gradient: :math:`\nabla X\, w = \nabla Y`. Where the solution is not
    unique it is the one of smallest norm.

    Values: :math:`w^T`, with the properties of `Y` as samples and the properties of `X`
    as properties, so that ``dot(X, w)`` predicts `Y` and its gradients. No gradients.

    Derivatives with respect to `X` and `Y` are exact where the rank does not change
    (Golub and Pereyra, SIAM J. Numer. Anal. 10, 413, 1973).

    Arguments:
        X: inputs.
        Y: targets with the same keys, samples, components and gradient samples.
        rcond: singular values below `rcond` times the largest one count as zero; None
            is the machine precision times the larger dimension of the system.
        driver: only None; there for the sake of metatensor's signature.

    Raises:
        NotEqualError: when metadata differ.
        NestedGradientsError: for gradients of gradients.
        InvalidTypeError: for values that are no floating point numbers, or of less than
            32 bits; for dtypes that differ; for an `rcond` that is no number.
        InvalidError: for a driver.
        DynamicSamplesError: for dynamic samples.

    Example:
        >>> from jaxmeta import Labels, TensorBlock
        >>> s, n = Labels.range("s", 3), Labels.range("n", 1)
        >>> x = TensorBlock(jnp.array([[1.0], [2.0], [3.0]]), s, [], n)
        >>> X = TensorMap(Labels.single(), [x])
        >>> w = lstsq(X, 2 * X, rcond=None)
        >>> round(float(w[0].values[0, 0]), 12)
        2.0
    """
    if driver is not None:
        raise InvalidError(
            compose("lstsq: there is no choice of drivers.", f"found {driver!r}")
        )
    number = isinstance(rcond, int | float | np.floating) and not isinstance(rcond, bool)
    if rcond is not None and not (number and 0 <= rcond < np.inf):
        raise InvalidTypeError(
            compose(
                "lstsq: rcond must be None, or a number that is not negative.",
                f"found {rcond!r}",
            )
        )
    return _fit("lstsq", X, Y, None if rcond is None else float(rcond))


def solve(X: TensorMap, Y: TensorMap) -> TensorMap:
    r"""The weights that solve :math:`X w = Y` exactly, block by block.

    The same system as in `lstsq`; it must be square. Values: :math:`w^T`, with the
    properties of `Y` as samples and the properties of `X` as properties. No gradients. Of
    a singular system the values are infinite or NaN.

    Arguments:
        X: inputs, with as many rows, those of gradients included, as properties.
        Y: targets with the same keys, samples, components and gradient samples.

    Raises:
        InvalidError: when the system of a block is not square.
        NotEqualError: when metadata differ.
        NestedGradientsError: for gradients of gradients.
        InvalidTypeError: for dtypes as for `lstsq`.
        DynamicSamplesError: for dynamic samples.

    Example:
        >>> from jaxmeta import Labels, TensorBlock
        >>> s, n = Labels.range("s", 2), Labels.range("n", 2)
        >>> x = TensorBlock(jnp.array([[2.0, 0.0], [0.0, 4.0]]), s, [], n)
        >>> y = TensorBlock(jnp.array([[2.0], [2.0]]), s, [], Labels.range("target", 1))
        >>> X, Y = TensorMap(Labels.single(), [x]), TensorMap(Labels.single(), [y])
        >>> solve(X, Y)[0].values.tolist()
        [[1.0, 0.5]]
    """
    return _fit("solve", X, Y, None)


def _fit(operation: str, X: TensorMap, Y: TensorMap, rcond: float | None) -> TensorMap:
    for tensor in (check_map(operation, X), check_map(operation, Y)):
        check_inexact(operation, tensor, "the weights")
    check_same_dtype(operation, X, Y, ("X", "Y"))
    if X.dtype is not None and jnp.finfo(X.dtype).bits < 32:
        raise InvalidTypeError(
            compose(
                f"{operation}: the values are {X.dtype}, which no solver takes.",
                remedy="convert on purpose first: tensor.to(dtype=jnp.float32).",
            )
        )
    plan = plan_for(bare(X._layout), _plan, bare(Y._layout), operation, rcond)
    return run(plan, X, [Y])


def _plan(own: Layout, other: Layout, operation: str, rcond: float | None) -> Plan[Any]:
    def plan_pair(
        name: str, x: BlockLayout, x_leaf: int, y: BlockLayout, y_leaf: int
    ) -> tuple[BlockLayout, list[Step]]:
        _check_system(operation, name, x, y)
        leaves = (*_leaves(x, x_leaf), *_leaves(y, y_leaf))
        step = Step(_KERNELS[operation], leaves, (), (rcond,))
        return block_layout(y.properties, (), x.properties), [step]

    planned = pair_by_pair(operation, own, other, plan_pair)
    return plan_of(own, *planned, takes_all_rows=True)


def _check_system(operation: str, name: str, x: BlockLayout, y: BlockLayout) -> None:
    for part in (x, y):
        static_samples(part, operation)
        for parameter, gradient in part.gradients:
            static_samples(gradient, operation)
            for inner, _ in gradient.gradients:
                refuse_nested(operation, f"gradient {parameter!r} of {name}", inner)
    check_same_block(operation, name, x, y, ("samples", "components"), gradients=True)
    parts = [x, *(gradient for _, gradient in x.gradients)]
    rows = sum(_rows(part, operation) for part in parts)
    columns = len(x.properties)
    if operation == "solve" and rows != columns:
        raise InvalidError(
            compose(
                f"solve: the system of {name} is not square.",
                f"it has {rows} rows (values and gradients) and {columns} properties",
                remedy="lstsq() solves it in the least squares sense.",
            )
        )


def _rows(part: BlockLayout, operation: str) -> int:
    return prod([len(static_samples(part, operation)), *map(len, part.components)])


def _leaves(part: BlockLayout, leaf: int) -> list[int]:
    return [leaf, *[leaf + part.offsets[name] for name, _ in part.gradients]]


def _system(arrays: tuple[Any, ...]) -> tuple[Any, Any]:
    """All rows of the left and the right hand side, as two matrices."""
    half = len(arrays) // 2
    sides = []
    for side in (arrays[:half], arrays[half:]):
        rows = [a.reshape(prod(a.shape[:-1]), a.shape[-1]) for a in side]
        sides.append(jnp.concatenate(rows) if len(rows) > 1 else rows[0])
    return sides[0], sides[1]


def _lstsq(*arguments: Any) -> Any:
    *arrays, rcond = arguments
    x, y = _system(tuple(arrays))
    return _no_weights(x, y) if _is_empty(x, y) else least_squares(x, y, rcond).T


def _solve(*arguments: Any) -> Any:
    *arrays, _ = arguments
    x, y = _system(tuple(arrays))
    return _no_weights(x, y) if _is_empty(x, y) else jnp.linalg.solve(x, y).T


def _is_empty(x: Any, y: Any) -> bool:
    return 0 in (x.shape[1], y.shape[1])


def _no_weights(x: Any, y: Any) -> Any:
    return jnp.zeros((y.shape[1], x.shape[1]), x.dtype)


_KERNELS = {"lstsq": _lstsq, "solve": _solve}
