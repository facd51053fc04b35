r"""Losses: one number that says how far predictions are from their references.

All follow one rule. The loss is :math:`\sum_p w_p \langle f(e) \rangle_p` over parameters
:math:`p`: the values, and each explicit gradient that has a weight. The mean is over all
entries of all blocks that count. What counts:

- entries whose target is a number; NaN in a target says that there is no reference;
- rows in use, where samples are dynamic; padding never counts;
- for the values, rows whose size is not zero, where `sizes` are given.

What does not count changes neither the loss nor its derivatives, exactly, whatever the
prediction is there. The mean over nothing is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from jaxmeta.core import TensorMap
from jaxmeta.errors import InvalidError, compose
from jaxmeta.learn._terms import loss
from jaxmeta.operations._arguments import check_number


if TYPE_CHECKING:
    Weights = Mapping[str, Any] | None
else:
    Weights = Any  # looked at by hand, for a message that says what to do


def mse(
    prediction: TensorMap, target: TensorMap, weights: Weights = None, *, sizes: Any = None
) -> Any:
    r"""The mean squared error, of values and of explicit gradients.

    Values and gradients alike: :math:`\sum_p w_p \langle e^2 \rangle_p`, with errors
    :math:`e` of prediction minus target. Goes through ``jit``, ``grad`` and ``vmap``.

    Arguments:
        prediction: a map of real numbers, with static or dynamic samples.
        target: a map with the same labels and dtype; NaN where there is no reference. It
            may have gradients without a weight, which are not looked at, and so may the
            prediction.
        weights: a weight for ``"values"`` and for gradients by name: ``"positions"``, or
            ``"positions/strain"`` for a gradient of a gradient. What is not named has no
            weight. By default the values have weight one. Numbers that are not negative,
            or scalars of JAX, which are looked up even where they are zero.
        sizes: numbers of atoms, by which the errors of the values are divided; those of
            gradients are not. One for each sample: an array of shape (samples,), padding
            included, or a map with the samples of the target and one property. Rows of
            size zero do not count.

    Returns:
        A scalar array with the dtype of the maps.

    Raises:
        NotEqualError: when keys, labels or capacities differ. Left is the prediction,
            right the target. Rows of dynamic samples that differ make the loss NaN; in
            `jaxmeta.debug.raising` they raise a `DeviceCheckError`.
        MissingError: for a weight of a gradient that one of the maps lacks.
        InvalidError: for sizes of another shape.
        InvalidTypeError: for other arguments, integers, complex numbers, or dtypes that
            differ.
        PrecisionError: for numpy arrays that JAX would round.

    Example:
        >>> from jaxmeta import Labels, TensorBlock
        >>> def energies(values):
        ...     systems, n = Labels.range("system", 3), Labels.range("energy", 1)
        ...     block = TensorBlock(jnp.array(values)[:, None], systems, [], n)
        ...     return TensorMap(Labels.single(), [block])
        >>> target = energies([1.0, 2.0, jnp.nan])
        >>> prediction = energies([1.0, 4.0, 7.0])
        >>> float(mse(prediction, target))
        2.0
        >>> float(mse(prediction, target, {"values": 10.0}, sizes=jnp.array([3, 2, 5])))
        5.0
    """
    return loss("mse", jnp.square, prediction, target, weights, sizes)


def mae(
    prediction: TensorMap, target: TensorMap, weights: Weights = None, *, sizes: Any = None
) -> Any:
    r"""The mean absolute error, of values and of explicit gradients.

    Values and gradients alike: :math:`\sum_p w_p \langle |e| \rangle_p`. The derivative
    where an error is zero is zero. A metric as well: ``float(mae(prediction, target))``.

    Arguments, result and errors are those of `mse`.

    Example:
        >>> from jaxmeta import Labels, TensorBlock
        >>> systems, n = Labels.range("system", 2), Labels.range("energy", 1)
        >>> block = TensorBlock(jnp.array([[1.0], [-3.0]]), systems, [], n)
        >>> prediction = TensorMap(Labels.single(), [block])
        >>> float(mae(prediction, 0.0 * prediction))
        2.0
    """
    return loss("mae", _size, prediction, target, weights, sizes)


def huber(
    prediction: TensorMap,
    target: TensorMap,
    weights: Weights = None,
    *,
    sizes: Any = None,
    delta: float = 1.0,
) -> Any:
    r"""The Huber loss, of values and of explicit gradients.

    Values and gradients alike: :math:`\sum_p w_p \langle h(e) \rangle_p` with
    :math:`h(e) = e^2 / 2` for errors up to :math:`\delta`, and
    :math:`\delta (|e| - \delta / 2)` beyond: outliers pull with bounded force. Parameters
    with a :math:`\delta` of their own are calls of their own, added up.

    Arguments:
        prediction: as for `mse`.
        target: as for `mse`.
        weights: as for `mse`.
        sizes: as for `mse`.
        delta: where the square ends, larger than zero; in the unit of the errors, after
            they were divided by `sizes`.

    Raises:
        InvalidError: for a `delta` of zero.
        InvalidTypeError: for a `delta` that is no finite positive number.

    All other errors are those of `mse`.

    Example:
        >>> from jaxmeta import Labels, TensorBlock
        >>> systems, n = Labels.range("system", 2), Labels.range("energy", 1)
        >>> block = TensorBlock(jnp.array([[1.0], [-3.0]]), systems, [], n)
        >>> prediction = TensorMap(Labels.single(), [block])
        >>> float(huber(prediction, 0.0 * prediction, delta=2.0))
        2.25
    """
    edge = check_number("huber", "delta", delta)
    if edge == 0:
        raise InvalidError(compose("huber: delta must be larger than zero."))

    def function(errors: Any) -> Any:
        size = _size(errors)
        inner = jnp.minimum(size, edge)
        # Below the edge: inner is size. Beyond: the square stops at the edge.
        return inner * (size - 0.5 * inner)

    return loss("huber", function, prediction, target, weights, sizes)


def _size(errors: Any) -> Any:
    """The absolute value, whose derivative at zero is zero; for JAX it is one there."""
    return errors * jax.lax.stop_gradient(jnp.sign(errors))
