r"""Elementwise functions: exp, log, sqrt, square, sin, cos, tanh, sigmoid and kin.

All follow one rule. Values: :math:`f(A)`. Gradients: :math:`f'(A) \nabla A`. Gradients of
gradients: :math:`f'(A) \nabla_y \nabla_x A + f''(A) \nabla_x A \nabla_y A`, with rows for
all pairs of gradient rows of one sample; they need the gradients by x and y of the values.
Where a derivative does not exist the gradients are those of JAX: infinite or NaN.
`map_samples` does the same for every other function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.arithmetic import _elementwise
from jaxmeta.core.layouts._precision import check_inexact
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.operations._arguments import check_tensor


T = TypeVar("T", TensorMap, TensorBlock)


def exp(A: T) -> T:
    r"""The exponential of every value.

    Values: :math:`e^A`. Gradients: :math:`e^A \nabla A`. Gradients of gradients: :math:`e^A
    (\nabla_y \nabla_x A + \nabla_x A \nabla_y A)`.

    Arguments:
        A: any map or block of real or complex numbers.

    Raises:
        InvalidTypeError: for integers and bools, whose results would be none.
        NestedGradientsError: where a first derivative is missing, or at a third order.
        DynamicSamplesError: for gradients of gradients with dynamic samples.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[0.0, 1.0]]), samples, [], n)
        >>> exp(block).values.tolist(), exp(TensorMap(Labels.single(), [block]))[0].shape
        ([[1.0, 2.718...]], (1, 2))
    """
    return _apply("exp", jnp.exp, A)


def expm1(A: T) -> T:
    r"""The exponential of every value minus one, precise for small values.

    Values: :math:`e^A - 1`. Gradients: :math:`e^A \nabla A`; of gradients as in `exp`.

    Arguments and errors are those of `exp`.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[0.0, 1e-30]]), samples, [], n)
        >>> expm1(block).values.tolist()
        [[0.0, 1...e-30]]
    """
    return _apply("expm1", jnp.expm1, A)


def log(A: T) -> T:
    r"""The natural logarithm of every value.

    Values: :math:`\ln A`; of zero minus infinity, of negative values NaN. Gradients:
    :math:`\nabla A / A`. Gradients of gradients: :math:`\nabla_y \nabla_x A / A -
    \nabla_x A \nabla_y A / A^2`.

    Arguments and errors are those of `exp`.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[1.0, 0.0]]), samples, [], n)
        >>> log(block).values.tolist()
        [[0.0, -inf]]
    """
    return _apply("log", jnp.log, A)


def log1p(A: T) -> T:
    r"""The natural logarithm of one plus every value, precise for small values.

    Values: :math:`\ln(1 + A)`. Gradients: :math:`\nabla A / (1 + A)`. Gradients of
    gradients: :math:`\nabla_y \nabla_x A / (1 + A) - \nabla_x A \nabla_y A / (1 + A)^2`.

    Arguments and errors are those of `exp`.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[0.0, 1e-30]]), samples, [], n)
        >>> log1p(block).values.tolist()
        [[0.0, 1...e-30]]
    """
    return _apply("log1p", jnp.log1p, A)


def sqrt(A: T) -> T:
    r"""The square root of every value.

    Values: :math:`\sqrt A`; of negative values NaN. Gradients: :math:`\nabla A / (2 \sqrt
    A)`, which is infinite or NaN where :math:`A = 0`: see `where`. Gradients of gradients:
    :math:`\nabla_y \nabla_x A / (2 \sqrt A) - \nabla_x A \nabla_y A / (4 A^{3/2})`.

    Arguments and errors are those of `exp`.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[4.0, 9.0]]), samples, [], n)
        >>> sqrt(block).values.tolist()
        [[2.0, 3.0]]
    """
    return _apply("sqrt", jnp.sqrt, A)


def square(A: T) -> T:
    r"""The square of every value, of integers too, which wrap around as those of numpy.

    Values: :math:`A^2`. Gradients: :math:`2 A \nabla A`. Gradients of gradients: :math:`2 A
    \nabla_y \nabla_x A + 2 \nabla_x A \nabla_y A`. Squares of complex numbers are complex.

    Arguments:
        A: any map or block of numbers.

    Raises:
        InvalidTypeError: for bools, and for gradients of integers.
        NestedGradientsError: where a first derivative is missing, or at a third order.
        DynamicSamplesError: for gradients of gradients with dynamic samples.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[2.0, -3.0]]), samples, [], n)
        >>> square(block).values.tolist()
        [[4.0, 9.0]]
    """
    check_tensor("square", A)
    if A.dtype == np.bool_:
        raise InvalidTypeError(
            compose(
                "square: the values are bools, which have no square.",
                remedy="convert on purpose first: tensor.to(dtype=...).",
            )
        )
    return _elementwise.apply("square", jnp.square, A)


def sin(A: T) -> T:
    r"""The sine of every value.

    Values: :math:`\sin A`. Gradients: :math:`\cos(A) \nabla A`. Gradients of gradients:
    :math:`\cos(A) \nabla_y \nabla_x A - \sin(A) \nabla_x A \nabla_y A`.

    Arguments and errors are those of `exp`.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[0.0, jnp.pi / 2]]), samples, [], n)
        >>> sin(block).values.tolist()
        [[0.0, 1.0]]
    """
    return _apply("sin", jnp.sin, A)


def cos(A: T) -> T:
    r"""The cosine of every value.

    Values: :math:`\cos A`. Gradients: :math:`-\sin(A) \nabla A`. Gradients of gradients:
    :math:`-\sin(A) \nabla_y \nabla_x A - \cos(A) \nabla_x A \nabla_y A`.

    Arguments and errors are those of `exp`.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[0.0, jnp.pi]]), samples, [], n)
        >>> cos(block).values.tolist()
        [[1.0, -1.0]]
    """
    return _apply("cos", jnp.cos, A)


def tanh(A: T) -> T:
    r"""The hyperbolic tangent of every value.

    Values: :math:`t = \tanh A`. Gradients: :math:`(1 - t^2) \nabla A`. Gradients of
    gradients: :math:`(1 - t^2) (\nabla_y \nabla_x A - 2 t \nabla_x A \nabla_y A)`.

    Arguments and errors are those of `exp`.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[0.0, 99.0]]), samples, [], n)
        >>> tanh(block).values.tolist()
        [[0.0, 1.0]]
    """
    return _apply("tanh", jnp.tanh, A)


def sigmoid(A: T) -> T:
    r"""The logistic function of every value.

    Values: :math:`\sigma = 1 / (1 + e^{-A})`. Gradients: :math:`\sigma (1 - \sigma) \nabla
    A`. Gradients of gradients: :math:`\sigma (1 - \sigma) (\nabla_y \nabla_x A + (1 - 2
    \sigma) \nabla_x A \nabla_y A)`.

    Arguments and errors are those of `exp`.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[0.0, 99.0]]), samples, [], n)
        >>> sigmoid(block).values.tolist()
        [[0.5, 1.0]]
    """
    return _apply("sigmoid", jax.nn.sigmoid, A)


def silu(A: T) -> T:
    r"""Every value times its logistic function: the sigmoid linear unit, or swish.

    Values: :math:`A \sigma(A)`. Gradients: :math:`(\sigma + A \sigma') \nabla A`. Gradients
    of gradients: :math:`(\sigma + A \sigma') \nabla_y \nabla_x A + (2 \sigma' + A
    \sigma'') \nabla_x A \nabla_y A`, with the derivatives of `sigmoid`.

    Arguments and errors are those of `exp`.

    Source: Elfwing, Uchibe, Doya, Neural Networks 107, 3 (2018).

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[0.0, 99.0]]), samples, [], n)
        >>> silu(block).values.tolist()
        [[0.0, 99.0]]
    """
    return _apply("silu", jax.nn.silu, A)


def softplus(A: T) -> T:
    r"""The logarithm of one plus the exponential of every value.

    Values: :math:`\ln(1 + e^A)`. Gradients: :math:`\sigma(A) \nabla A`, with the logistic
    function. Gradients of gradients: :math:`\sigma \nabla_y \nabla_x A + \sigma (1 -
    \sigma) \nabla_x A \nabla_y A`.

    Arguments and errors are those of `exp`.

    Example:
        >>> from jaxmeta import Labels
        >>> n, samples = Labels.range("n", 2), Labels.range("s", 1)
        >>> block = TensorBlock(jnp.array([[0.0, 99.0]]), samples, [], n)
        >>> softplus(block).values.tolist()
        [[0.693..., 99.0]]
    """
    return _apply("softplus", jax.nn.softplus, A)


def _apply(operation: str, function: Callable[..., Any], A: Any) -> Any:
    check_tensor(operation, A)
    check_inexact(operation, A, "the results")
    return _elementwise.apply(operation, function, A)
