"""Arithmetic: add, subtract, multiply, divide, pow, abs, dot."""

from __future__ import annotations

from typing import Any

from jaxmeta.core import TensorMap
from jaxmeta.core.arithmetic import _arithmetic
from jaxmeta.core.plans._key_choices import DifferentKeys
from jaxmeta.operations._arguments import check_map


def add(
    A: TensorMap, B: TensorMap | Any, different_keys: DifferentKeys = "error"
) -> TensorMap:
    r"""Add two maps, or a scalar to every value.

    Values: :math:`A + B`. Gradients: :math:`\nabla A + \nabla B`; a scalar leaves them
    as they are. Gradient rows that only one map has are kept: the other one is zero
    there. Gradients of gradients follow the same rule.

    Arguments:
        A: the left operand; the result has its keys, in its order.
        B: a map with the same keys (in any order), samples, components and properties;
            or a scalar of the same kind of number.
        different_keys: what to do with keys that only one map has: ``"error"``; take the
            block that is not there for zero (``"union"``, the keys of `A` come first); or
            leave the other one out (``"intersection"``).

    Raises:
        NotEqualError: when the metadata differ; the message tells the first difference.
            Dynamic samples are compared when a program runs: where they differ, values are
            NaN, unless `jaxmeta.debug` raises errors.
        InvalidTypeError: for another dtype, or an operand that is no map and no scalar.
        InvalidError: for another word than these for `different_keys`.

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
    return _arithmetic.add(check_map("add", A), B, different_keys)


def subtract(
    A: TensorMap, B: TensorMap | Any, different_keys: DifferentKeys = "error"
) -> TensorMap:
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
    return _arithmetic.subtract(check_map("subtract", A), B, different_keys)


def multiply(
    A: TensorMap, B: TensorMap | Any, different_keys: DifferentKeys = "error"
) -> TensorMap:
    r"""Multiply two maps value by value, or every value by a scalar.

    Values: :math:`A B`. Gradients: :math:`B \nabla A + A \nabla B`, with the union of the
    gradient rows. Gradients of gradients: :math:`B \nabla_y \nabla_x A + \nabla_x A
    \nabla_y B + \nabla_y A \nabla_x B + A \nabla_y \nabla_x B`, with rows for all pairs
    of gradient rows of one sample. They need the gradients by x and y of the values.
    Products of integers wrap around where they are too large, as those of numpy.

    Arguments and errors are those of `add`, and:

    Raises:
        NestedGradientsError: where a first derivative is missing, or at a third order.

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
    return _arithmetic.multiply(check_map("multiply", A), B, different_keys)


def divide(
    A: TensorMap, B: TensorMap | Any, different_keys: DifferentKeys = "error"
) -> TensorMap:
    r"""Divide by a map value by value, or every value by a scalar.

    Values: :math:`A / B`. Gradients: :math:`\nabla A / B - A \nabla B / B^2`, with the
    union of the gradient rows. Gradients of gradients by the chain rule, as in `multiply`.

    Arguments and errors are those of `multiply`; integer values are refused, because
    their quotients are none. With ``different_keys="union"`` a block that `B` lacks is an
    error, because nothing can be divided by zero.

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
    return _arithmetic.divide(check_map("divide", A), B, different_keys)


def pow(A: TensorMap, B: float | Any) -> TensorMap:
    r"""Raise every value to a power.

    Values: :math:`A^B`. Gradients: :math:`B A^{B-1} \nabla A`. Gradients of gradients:
    :math:`B A^{B-1} \nabla_y \nabla_x A + B (B-1) A^{B-2} \nabla_x A \nabla_y A`.

    Arguments:
        A: any map.
        B: a scalar of the same kind of number; a negative or traced one needs values that
            are no integers. Powers of integers wrap around where they are too large, as
            those of numpy.

    Raises:
        InvalidTypeError: for an exponent that is a map, or of another kind of number; for
            bools.
        NestedGradientsError: where a first derivative is missing, or at a third order.
        DynamicSamplesError: for gradients of gradients with dynamic samples.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     3 * jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> pow(TensorMap(Labels.single(), [block]), 2)[0].values.ravel().tolist()
        [9.0, 9.0]
    """
    return _arithmetic.power(check_map("pow", A), B)


def abs(A: TensorMap) -> TensorMap:
    r"""The absolute value of every value; of complex ones it is real.

    Values: :math:`|A|`. Gradients: :math:`\mathrm{Re}(A^* \nabla A) / |A|`, which is
    :math:`\mathrm{sign}(A) \nabla A` for real values and zero where :math:`A = 0`.

    Arguments:
        A: any map.

    Raises:
        InvalidTypeError: for what is no map, and for gradients of integers.
        NestedGradientsError: where a first derivative is missing, or at a third order.
        DynamicSamplesError: for gradients of gradients with dynamic samples.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.array([[-1.0], [2.0]]), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> abs(TensorMap(Labels.single(), [block]))[0].values.ravel().tolist()
        [1.0, 2.0]
    """
    return _arithmetic.absolute(check_map("abs", A))


def dot(A: TensorMap, B: TensorMap, different_keys: DifferentKeys = "error") -> TensorMap:
    r"""The scalar products of the rows of two maps, block by block.

    Values: :math:`A B^T`, so that the properties of the result are the samples of `B`.
    Gradients: :math:`(\nabla A) B^T + A (\nabla B)^T`; gradients of gradients by the
    product rule, at any depth.

    A gradient of the result has the rows of the one of `A`, in their order. If `B` has the
    gradient, further rows follow that are not among these: for each sample of `A`, those
    with the labels (without ``sample``) that rows of the gradient of `B` have, by first
    appearance. What belongs to one sample of `B` is zero for the properties of others.
    At depth two the rows are those of :math:`(\nabla_y \nabla_x A) B^T`, then of
    :math:`(\nabla_x A) (\nabla_y B)^T`, of :math:`(\nabla_y A) (\nabla_x B)^T`, and of
    :math:`A (\nabla_y \nabla_x B)^T`. (metatensor refuses gradients of `B`.)

    Arguments:
        A: any map.
        B: a map with the same keys (in any order) and properties, without components.
        different_keys: what to do with keys that only one map has: ``"error"``, or leave
            them out (``"intersection"``). With ``"union"`` no key may be missing, because
            nobody knows which samples a block would have that is not there.

    Raises:
        NotEqualError: when keys or properties differ, or the labels of gradients by one
            parameter (other than their rows).
        InvalidError: when `B` has components, and for another word than these for
            `different_keys`.
        InvalidTypeError: for an operand that is no map, for another dtype, for bools and
            integers of less than 32 bits, whose sums wrap around, and for gradients of
            integers that the product rule would need.
        DynamicSamplesError: for dynamic samples of `B`, or beside its gradients.
        NestedGradientsError: when `B` has gradients and there is a gradient by x and y on
            one side, but none by y.

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
    return _arithmetic.dot(check_map("dot", A), B, different_keys)
