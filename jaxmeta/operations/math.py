"""Arithmetic: add, subtract, multiply, divide, pow, dot."""

from __future__ import annotations

from typing import Any

from jaxmeta.core import TensorMap, _arithmetic
from jaxmeta.operations._arguments import check_map


def add(A: TensorMap, B: TensorMap | Any) -> TensorMap:
    r"""Add two maps, or a scalar to every value.

    Values: :math:`A + B`. Gradients: :math:`\nabla A + \nabla B`; a scalar leaves them
    as they are. Gradient rows that only one map has are kept: the other one is zero
    there. Gradients of gradients follow the same rule.

    Arguments:
        A: the left operand; the result has its keys, in its order.
        B: a map with the same keys (in any order), samples, components and properties;
            or a scalar of the same kind of number.

    Raises:
        NotEqualError: when the metadata differ; the message tells the first difference.
        DynamicSamplesError: for dynamic samples.
        InvalidTypeError: for another dtype, or an operand that is no map and no scalar.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> A = TensorMap(Labels.single(), [block])
        >>> add(A, A)[0].values.ravel().tolist(), add(A, 1)[0].values.ravel().tolist()
        ([2.0, 2.0], [2.0, 2.0])
    """
    return _arithmetic.add(check_map("add", A), B)


def subtract(A: TensorMap, B: TensorMap | Any) -> TensorMap:
    r"""Subtract a map, or a scalar from every value.

    Values: :math:`A - B`. Gradients: :math:`\nabla A - \nabla B`, with the union of the
    gradient rows; a scalar leaves them as they are.

    Arguments and errors are those of `add`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> A = TensorMap(Labels.single(), [block])
        >>> subtract(A, A)[0].values.ravel().tolist()
        [0.0, 0.0]
    """
    return _arithmetic.subtract(check_map("subtract", A), B)


def multiply(A: TensorMap, B: TensorMap | Any) -> TensorMap:
    r"""Multiply two maps value by value, or every value by a scalar.

    Values: :math:`A B`. Gradients: :math:`B \nabla A + A \nabla B`, with the union of the
    gradient rows.

    Arguments and errors are those of `add`, and:

    Raises:
        NestedGradientsError: for gradients of gradients in the product of two maps.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     2 * jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> A = TensorMap(Labels.single(), [block])
        >>> multiply(A, A)[0].values.ravel().tolist()
        [4.0, 4.0]
    """
    return _arithmetic.multiply(check_map("multiply", A), B)


def divide(A: TensorMap, B: TensorMap | Any) -> TensorMap:
    r"""Divide by a map value by value, or every value by a scalar.

    Values: :math:`A / B`. Gradients: :math:`\nabla A / B - A \nabla B / B^2`, with the
    union of the gradient rows.

    Arguments and errors are those of `multiply`; integer values are refused, because
    their quotients are none.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     2 * jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> A = TensorMap(Labels.single(), [block])
        >>> divide(A, 4)[0].values.ravel().tolist()
        [0.5, 0.5]
    """
    return _arithmetic.divide(check_map("divide", A), B)


def dot(A: TensorMap, B: TensorMap) -> TensorMap:
    r"""The scalar products of the rows of two maps, block by block.

    Values: :math:`A B^T`, so that the properties of the result are the samples of `B`.
    Gradients: :math:`(\nabla A) B^T`; gradients of gradients alike.

    Arguments:
        A: any map.
        B: a map with the same keys and properties, without components and gradients.

    Raises:
        NotEqualError: when keys or properties differ.
        InvalidError: when `B` has components or gradients.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3)), Labels.range("s", 2), [], Labels.range("n", 3)
        ... )
        >>> A = TensorMap(Labels.single(), [block])
        >>> dot(A, A)[0].values.tolist()
        [[3.0, 3.0], [3.0, 3.0]]
    """
    return _arithmetic.dot(check_map("dot", A), B)
