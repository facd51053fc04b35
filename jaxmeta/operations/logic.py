"""Logic: equality of metadata and values, exactly or within tolerances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.layouts._differences import AXES, check_same_block, check_same_map
from jaxmeta.core.layouts._equality import EXACT, Tolerance, compare
from jaxmeta.errors import InvalidTypeError, NotEqualError, compose
from jaxmeta.operations._arguments import (
    check_block,
    check_choice,
    check_map,
    check_number,
)


RTOL = 1e-13
ATOL = 1e-12


# Exactly --------------------------------------------------------------------------


def equal(tensor_1: TensorMap, tensor_2: TensorMap) -> bool | jax.Array:
    """Whether two maps have the same metadata and exactly the same values.

    Values and gradients, at every depth, must be equal, of the same dtype; the order of
    the keys does not count. NaN differs from NaN. Where values are traced, equal metadata
    give a traced bool.

    Arguments:
        tensor_1: a map.
        tensor_2: another one.

    Raises:
        InvalidTypeError: for what is no map.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> equal(tensor, tensor), equal(tensor, 2 * tensor)
        (True, False)
    """
    return _holds("equal", check_map, tensor_1, tensor_2, EXACT)


def equal_raise(tensor_1: TensorMap, tensor_2: TensorMap) -> None:
    """As `equal`, but tell the first difference.

    Values, gradients and arguments are those of `equal`.

    Raises:
        NotEqualError: when the maps differ.
        InvalidTypeError: for values that are traced, and for what is no map.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> s, n = Labels.range("s", 2), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((2, 1)), s, [], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> equal_raise(tensor, 2 * tensor)
        Traceback (most recent call last):
            ...
        jaxmeta.errors.NotEqualError: equal: .values of block (_=0) differ.
          2 of 2 values differ; the first at (0, 0): 1.0 vs 2.0
    """
    _demand("equal", check_map, tensor_1, tensor_2, EXACT)


def equal_block(block_1: TensorBlock, block_2: TensorBlock) -> bool | jax.Array:
    """`equal` for blocks.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> s, n = Labels.range("s", 2), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((2, 1)), s, [], n)
        >>> equal_block(block, TensorBlock(2 * block.values, s, [], n))
        False
    """
    return _holds("equal_block", check_block, block_1, block_2, EXACT)


def equal_block_raise(block_1: TensorBlock, block_2: TensorBlock) -> None:
    """`equal_raise` for blocks.

    Raises:
        NotEqualError: when the blocks differ.
        InvalidTypeError: for values that are traced, and for what is no block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> s, n = Labels.range("s", 2), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((2, 1)), s, [], n)
        >>> equal_block_raise(block, block)
    """
    _demand("equal_block", check_block, block_1, block_2, EXACT)


# Within tolerances ----------------------------------------------------------------


def allclose(
    tensor_1: TensorMap,
    tensor_2: TensorMap,
    rtol: float = RTOL,
    atol: float = ATOL,
    equal_nan: bool = False,
) -> bool | jax.Array:
    r"""Whether two maps have the same metadata and values that are close.

    Close means :math:`|a - b| \le atol + rtol |b|` for all values and gradients, at every
    depth, of the same dtype. The order of the keys is free. Where values are traced, equal
    metadata give a traced bool.

    Arguments:
        tensor_1: a map, whose values are :math:`a`.
        tensor_2: another one, whose values are :math:`b`.
        rtol: relative to the second map. It suits float64; choose larger ones for float32.
        atol: in the unit of the values.
        equal_nan: whether NaN is close to NaN.

    Raises:
        InvalidTypeError: for what is no map, and for tolerances that are no numbers or
            negative.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> allclose(tensor, 1.001 * tensor), allclose(tensor, 1.001 * tensor, rtol=0.01)
        (False, True)
    """
    tolerance = _tolerance("allclose", rtol, atol, equal_nan)
    return _holds("allclose", check_map, tensor_1, tensor_2, tolerance)


def allclose_raise(
    tensor_1: TensorMap,
    tensor_2: TensorMap,
    rtol: float = RTOL,
    atol: float = ATOL,
    equal_nan: bool = False,
) -> None:
    """As `allclose`, but tell the first difference.

    Values, gradients and arguments are those of `allclose`.

    Raises:
        NotEqualError: when the maps differ by more.
        InvalidTypeError: for values that are traced, and as for `allclose`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> s, n = Labels.range("s", 2), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((2, 1)), s, [], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> allclose_raise(tensor, 2 * tensor)
        Traceback (most recent call last):
            ...
        jaxmeta.errors.NotEqualError: allclose: .values of block (_=0) differ.
          2 of 2 values differ; the first at (0, 0): 1.0 vs 2.0
    """
    tolerance = _tolerance("allclose", rtol, atol, equal_nan)
    _demand("allclose", check_map, tensor_1, tensor_2, tolerance)


def allclose_block(
    block_1: TensorBlock,
    block_2: TensorBlock,
    rtol: float = RTOL,
    atol: float = ATOL,
    equal_nan: bool = False,
) -> bool | jax.Array:
    """`allclose` for blocks.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> s, n = Labels.range("s", 2), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((2, 1)), s, [], n)
        >>> other = TensorBlock(1.001 * block.values, s, [], n)
        >>> allclose_block(block, other), allclose_block(block, other, rtol=0.01)
        (False, True)
    """
    tolerance = _tolerance("allclose_block", rtol, atol, equal_nan)
    return _holds("allclose_block", check_block, block_1, block_2, tolerance)


def allclose_block_raise(
    block_1: TensorBlock,
    block_2: TensorBlock,
    rtol: float = RTOL,
    atol: float = ATOL,
    equal_nan: bool = False,
) -> None:
    """`allclose_raise` for blocks.

    Raises:
        NotEqualError: when the blocks differ by more.
        InvalidTypeError: for values that are traced, and as for `allclose_block`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> s, n = Labels.range("s", 2), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((2, 1)), s, [], n)
        >>> allclose_block_raise(block, block)
    """
    tolerance = _tolerance("allclose_block", rtol, atol, equal_nan)
    _demand("allclose_block", check_block, block_1, block_2, tolerance)


def _tolerance(operation: str, rtol: float, atol: float, equal_nan: bool) -> Tolerance:
    rtol = check_number(operation, "rtol", rtol)
    atol = check_number(operation, "atol", atol)
    equal_nan = check_bool(operation, "equal_nan", equal_nan)
    return Tolerance(rtol, atol, equal_nan, exact=False)


def _holds(operation: str, check: Any, one: Any, two: Any, tolerance: Tolerance) -> Any:
    for tensor in (one, two):
        check(operation, tensor)
    try:
        return compare(operation, one, two, tolerance)
    except NotEqualError:
        return False


def _demand(operation: str, check: Any, one: Any, two: Any, tolerance: Tolerance) -> None:
    for tensor in (one, two):
        check(operation, tensor)
    if compare(operation, one, two, tolerance) is not True:
        raise InvalidTypeError(
            compose(
                f"{operation}_raise: the values are traced by JAX.",
                remedy=f"use {operation}() in traced functions: it gives a traced bool.",
            )
        )


# Metadata -------------------------------------------------------------------------


def equal_metadata(
    tensor_1: TensorMap,
    tensor_2: TensorMap,
    check: str | Sequence[str] = "all",
    check_gradients: bool = True,
) -> bool:
    """Whether two maps have the same keys (in any order) and the same labels.

    Values are not looked at; of gradients, at every depth, the labels and names.

    Arguments:
        tensor_1: a map.
        tensor_2: another one.
        check: ``"all"``, or some of ``"samples"``, ``"components"``, ``"properties"``.
        check_gradients: whether the gradients must agree too.

    Raises:
        InvalidError: for a `check` that is none of these.
        InvalidTypeError: for what is no map, and for a `check` that is no list of names.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> equal_metadata(tensor, 2 * tensor)
        True
    """
    try:
        equal_metadata_raise(tensor_1, tensor_2, check, check_gradients)
    except NotEqualError:
        return False
    return True


def equal_metadata_raise(
    tensor_1: TensorMap,
    tensor_2: TensorMap,
    check: str | Sequence[str] = "all",
    check_gradients: bool = True,
) -> None:
    """As `equal_metadata`, but tell the first difference.

    Values, gradients and arguments are those of `equal_metadata`.

    Raises:
        NotEqualError: when the metadata differ.
        InvalidError, InvalidTypeError: as for `equal_metadata`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> s, n = Labels.range("s", 2), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((2, 1)), s, [], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> atoms = TensorBlock(jnp.ones((2, 1)), Labels.range("atom", 2), [], n)
        >>> equal_metadata_raise(tensor, TensorMap(Labels.single(), [atoms]))
        Traceback (most recent call last):
            ...
        jaxmeta.errors.NotEqualError: equal_metadata: the samples of block (_=0) differ.
          left has the names ['s'], right has ['atom']
          rename_dimension() or permute_dimensions() one of them.
    """
    operation = "equal_metadata"
    one, two = check_map(operation, tensor_1), check_map(operation, tensor_2)
    axes = _axes(operation, check)
    check_same_map(operation, one._layout, two._layout, axes, check_gradients)


def equal_metadata_block(
    block_1: TensorBlock,
    block_2: TensorBlock,
    check: str | Sequence[str] = "all",
    check_gradients: bool = True,
) -> bool:
    """`equal_metadata` for blocks.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> s, n = Labels.range("s", 2), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((2, 1)), s, [], n)
        >>> equal_metadata_block(block, TensorBlock(2 * block.values, s, [], n))
        True
    """
    try:
        equal_metadata_block_raise(block_1, block_2, check, check_gradients)
    except NotEqualError:
        return False
    return True


def equal_metadata_block_raise(
    block_1: TensorBlock,
    block_2: TensorBlock,
    check: str | Sequence[str] = "all",
    check_gradients: bool = True,
) -> None:
    """`equal_metadata_raise` for blocks.

    Raises:
        NotEqualError: when the metadata differ.
        InvalidError, InvalidTypeError: as for `equal_metadata_block`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> s, n = Labels.range("s", 2), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((2, 1)), s, [], n)
        >>> equal_metadata_block_raise(block, block)
    """
    operation = "equal_metadata_block"
    one, two = check_block(operation, block_1), check_block(operation, block_2)
    axes = _axes(operation, check)
    check_same_block(operation, "", one._layout, two._layout, axes, check_gradients)


def _axes(operation: str, check: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(check, str) and check == "all":
        return AXES
    if not isinstance(check, str | Sequence):
        raise InvalidTypeError(
            compose(
                f"{operation}: check must be 'all' or a list of axes.", f"found {check!r}"
            )
        )
    given = (check,) if isinstance(check, str) else tuple(check)
    return tuple(check_choice(operation, "axis", axis, AXES) for axis in given)
