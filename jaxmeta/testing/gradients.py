"""The check that an operation carries explicit gradients exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.layouts._precision import check_dtype, dtype_of
from jaxmeta.errors import FailedCheckError, InvalidError, InvalidTypeError, compose
from jaxmeta.operations._arguments import check_number
from jaxmeta.testing._chain_rule import expected, reachable
from jaxmeta.testing._derivatives import Arrays, Function
from jaxmeta.testing._faults import Tolerance, first_fault, largest
from jaxmeta.testing._results import (
    WHERE,
    Value,
    check_dtypes,
    check_floats,
    check_legal,
    check_values,
    values_of,
)
from jaxmeta.testing.directions import Part, Tangents, parts_of, tangents_of


def assert_exact_gradients(
    operation: Callable[..., Any],
    *tensors: TensorMap | TensorBlock,
    values: Callable[..., Any] | None = None,
    order: int | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    dtype: Any = None,
) -> Any:
    r"""Check that an operation carries explicit gradients exactly, and give its result.

    Let :math:`t_x` be a dense gradient of the arguments (`dense_gradients`): one
    direction, all values. That of the result must be :math:`J t_x`, with the Jacobian
    :math:`J` of all values of the result by all values of all arguments. A gradient by
    `y` of the gradient by `x` must be :math:`J t_{xy} + f''[t_x, t_y]`, and so on by the
    chain rule at every depth. Here :math:`t_y` is the gradient of the values with the
    same name, the same labels next to ``sample``, and the same labels of its extra
    components. Rows and gradients that are not there are zero, in arguments and result.

    Checked as well: the values are the same without gradients, labels are legal, and the
    dtype stays. The derivatives are those of JAX, of the operation on bare values.

    Arguments:
        operation: from as many maps and blocks as are given to a map, a block or a list
            of these. It must be one that JAX can trace, unless there is `values`.
        tensors: what it is called with; their numbers should be far from every point
            where the operation has no derivative. Without gradients little is checked.
        values: a function that JAX can differentiate, of the same maps and blocks without
            gradients, to the same values: maps, blocks or arrays. Then only the gradients
            are taken from `operation`, which may be that of another library.
        order: the depth down to which gradients of gradients are checked; all by default.
        rtol, atol: tolerances; by default what the dtype allows, relative to the largest
            number among all gradients by the same name, and what rounding leaves of terms
            as large as gradients of lower order, where these cancel.
        dtype: that of the result, if it is not meant to be that of the arguments.

    Raises:
        FailedCheckError: (an AssertionError) when something is wrong; it names the
            direction, the block, the row, and both numbers.
        InvalidTypeError: for values that are no floating point numbers, an order that is no
            whole number, tolerances that are no numbers or negative, and what is no
            function or dtype.
        InvalidError: for an order below 1, and where there is no map or block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 1), Labels.range("s", 2)
        >>> rows = TensorBlock(jnp.array([[5.0]]), Labels("sample", [[1]]), [], n)
        >>> block = TensorBlock(jnp.array([[1.0], [2.0]]), samples, [], n, {"x": rows})
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> squared = assert_exact_gradients(lambda t: t * t, tensor)
        >>> squared[0].gradient("x").values.tolist()
        [[20.0]]
    """
    _check_functions(operation, values)
    dtype = None if dtype is None else dtype_of(WHERE, dtype)
    tolerance = Tolerance(_tolerance("rtol", rtol), _tolerance("atol", atol))
    given = _operands(tensors, order)
    result = operation(*tensors)
    found = parts_of(WHERE, result)
    check_legal(result)
    check_dtypes(given, found, dtype)
    function = _of_values(operation if values is None else values, tensors)
    arrays = [block.values for _, block in given]
    check_values(function(arrays), found, tolerance)
    _check_gradients(
        lambda new: [value.array for value in function(new)],
        arrays,
        tangents_of(given),
        found,
        order,
        tolerance,
    )
    return result


# What is given --------------------------------------------------------------------------


def _operands(tensors: Sequence[Any], order: int | None) -> list[Part]:
    """The blocks of all arguments, if they can be differentiated."""
    if order is not None:
        _check_order(order)
    if not tensors:
        raise InvalidError(compose(f"{WHERE}: there is no map or block to check with."))
    given = parts_of(WHERE, tensors)
    check_floats("the arguments", given)
    for _, block in given:
        check_dtype(block.dtype, WHERE)
    return given


def _check_functions(operation: Any, values: Any) -> None:
    for name, function in (("operation", operation), ("values=", values)):
        if not callable(function) and not (function is None and name == "values="):
            raise InvalidTypeError(
                compose(
                    f"{WHERE}: {name} must be a function of maps.",
                    f"found {type(function).__name__}",
                )
            )


def _tolerance(name: str, given: Any) -> float | None:
    return None if given is None else check_number(WHERE, name, given)


def _check_order(order: Any) -> None:
    if isinstance(order, bool) or not isinstance(order, int | np.integer):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the order is that of a derivative, a whole number.",
                f"found {order!r}, a {type(order).__name__}",
                remedy="None checks gradients of any depth.",
            )
        )
    if order < 1:
        raise InvalidError(
            compose(
                f"{WHERE}: the order is that of a derivative, which is 1 or more.",
                f"found {order}",
                remedy="None checks gradients of any depth.",
            )
        )


def _of_values(function: Callable[..., Any], tensors: Sequence[Any]) -> Any:
    """A function of tensors as one of the arrays of their blocks, without gradients."""

    def of_values(arrays: Arrays) -> list[Value]:
        numbers = iter(arrays)
        return values_of(function(*[_bare(tensor, numbers) for tensor in tensors]))

    return of_values


def _bare(tensor: TensorMap | TensorBlock, arrays: Iterator[Any]) -> Any:
    """A map or block with other values and no gradients."""
    if isinstance(tensor, TensorMap):
        blocks = [_bare(block, arrays) for block in tensor]
        return TensorMap(tensor.keys, blocks, tensor.info())
    return TensorBlock(next(arrays), tensor.samples, tensor.components, tensor.properties)


# The check ------------------------------------------------------------------------------


def _check_gradients(
    function: Function,
    values: Arrays,
    given: Tangents,
    found: Sequence[Part],
    order: int | None,
    tolerance: Tolerance,
) -> None:
    """Compare all gradients, those of the lowest order first."""
    actual = tangents_of(found)
    paths = given.paths | actual.paths if found else set()
    depth = max(map(len, paths), default=0)
    of_terms = largest(values)
    for length in range(1, min(depth, order or depth) + 1):
        wanted = [
            list(dict.fromkeys([*reachable(given, path), *actual.under(path)]))
            for path in sorted(paths)
            if len(path) == length
        ]
        # All of one order together: what takes time is to compile the function.
        together = [each for some in wanted for each in some]
        right = expected(function, values, given, together) if together else []
        start = 0
        for some in filter(None, wanted):
            own = [array[start : start + len(some)] for array in right]
            start += len(some)
            _refuse(first_fault(found, actual, some, own, tolerance, of_terms))
        of_terms = max(of_terms, largest(right))


def _refuse(facts: Sequence[str]) -> None:
    if facts:
        raise FailedCheckError(
            compose(
                f"{WHERE}: a gradient of the result is not the derivative of its values.",
                *facts,
                remedy="a gradient row is the derivative of its value row; rows that are "
                "zero may be left out.",
            )
        )
