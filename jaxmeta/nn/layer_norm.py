"""Normalisation of every sample: LayerNorm, InvariantLayerNorm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from jaxmeta.core import Labels
from jaxmeta.nn._arguments import (
    OutProperties,
    check_labels,
    invariant_positions,
    numbers,
    parameter_dtype,
    sizes,
    switches,
)
from jaxmeta.nn._layers import Identity, Normalisation
from jaxmeta.nn.module_map import ModuleMap


class LayerNorm(ModuleMap):
    r"""Each sample minus its mean, divided by its standard deviation.

    Values: with the mean :math:`m_i` and the variance :math:`v_i` (divided by the number
    of numbers) of all components and properties of sample :math:`i`,
    :math:`B_{icp} = w_p (A_{icp} - m_i) / \sqrt{v_i + \epsilon} + b_p`. Gradients follow by
    the chain rule; mean and variance depend on the sample too. (metatensor-learn refuses
    gradients here.) Weights begin as ones, the bias as zeros: for each key the field
    ``modules`` has one with the arrays ``weight`` and ``bias``, of shape
    ``(in_features,)``, or None.

    Arguments:
        in_keys: keys of the blocks that can be treated.
        in_features: number of properties of the blocks, or a list with one for each key.
        out_properties: of the result, as of `ModuleMap`.
        eps: the number :math:`\epsilon`, or a list.
        elementwise_affine: whether there are weights, and a bias, or a list.
        bias: whether there is a bias beside the weights, or a list.
        mean: whether the mean is subtracted, or a list; the variance is about the mean in
            any case.
        dtype: of the parameters; by default the widest that JAX has. Values must have it
            too.

    Raises:
        InvalidError: for lists of wrong length. When called: for another number of
            properties, and as `ModuleMap`.
        InvalidTypeError: for arguments of other types. When called: for another dtype.
        PrecisionError: for parameters of 64 bits while JAX has 32.

    Example:
        >>> from jaxmeta import TensorBlock, TensorMap
        >>> n, samples = Labels.range("n", 2), Labels.range("atom", 1)
        >>> block = TensorBlock(jnp.array([[1.0, 5.0]]), samples, [], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> LayerNorm(tensor.keys, 2, eps=0)(tensor)[0].values.tolist()
        [[-1.0, 1.0]]
    """

    def __init__(
        self,
        in_keys: Labels,
        in_features: int | Sequence[int],
        out_properties: OutProperties = None,
        *,
        eps: float | Sequence[float] = 1e-5,
        elementwise_affine: bool | Sequence[bool] = True,
        bias: bool | Sequence[bool] = True,
        mean: bool | Sequence[bool] = True,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        count = len(check_labels(name, "in_keys", in_keys))
        options = eps, elementwise_affine, bias, mean, dtype
        layers = _layers(name, count, in_features, *options)
        super().__init__(in_keys, layers, out_properties)


class InvariantLayerNorm(ModuleMap):
    r"""`LayerNorm` of the invariant blocks; the others stay as they are.

    Values and gradients are those of `LayerNorm`; of other blocks they stay.

    Arguments:
        in_keys, out_properties, dtype: as of `LayerNorm`.
        in_features, eps, elementwise_affine, bias, mean: as of `LayerNorm`; lists have one
            entry for each invariant key, in the order that
            ``in_keys.select(invariant_keys)`` has.
        invariant_keys: a selection of `in_keys`, as of `Labels.select`; by default
            ``o3_lambda=0, o3_sigma=1``.

    Raises:
        InvalidError: where `in_keys` lack the names of `invariant_keys`, and as
            `LayerNorm`.
        InvalidTypeError: for arguments of other types. When called: for another dtype.
        PrecisionError: for parameters of 64 bits while JAX has 32.

    Example:
        >>> keys = Labels(["o3_lambda", "o3_sigma"], [[1, 1], [0, 1]])
        >>> norm = InvariantLayerNorm(keys, [5])
        >>> type(norm.modules[0]).__name__, norm.modules[1].weight.shape
        ('Identity', (5,))
    """

    def __init__(
        self,
        in_keys: Labels,
        in_features: int | Sequence[int],
        out_properties: OutProperties = None,
        invariant_keys: Labels | None = None,
        *,
        eps: float | Sequence[float] = 1e-5,
        elementwise_affine: bool | Sequence[bool] = True,
        bias: bool | Sequence[bool] = True,
        mean: bool | Sequence[bool] = True,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        check_labels(name, "in_keys", in_keys)
        invariant = invariant_positions(name, in_keys, invariant_keys)
        options = eps, elementwise_affine, bias, mean, dtype
        layers = _layers(name, len(invariant), in_features, *options)
        of_key: dict[int, Any] = dict(zip(invariant, layers, strict=True))
        every = [of_key.get(i, Identity()) for i in range(len(in_keys))]
        super().__init__(in_keys, every, out_properties)


def _layers(
    name: str,
    count: int,
    in_features: Any,
    eps: Any,
    elementwise_affine: Any,
    bias: Any,
    mean: Any,
    dtype: Any,
) -> list[Normalisation]:
    options = zip(
        sizes(name, "in_features", in_features, count),
        numbers(name, "eps", eps, count),
        switches(name, "elementwise_affine", elementwise_affine, count),
        switches(name, "bias", bias, count),
        switches(name, "mean", mean, count),
        strict=True,
    )
    of = parameter_dtype(name, dtype)
    return [_normalisation(of, *chosen) for chosen in options]


def _normalisation(
    dtype: Any, size: int, eps: float, affine: bool, biased: bool, mean: bool
) -> Normalisation:
    weight = jnp.ones(size, dtype) if affine else None
    bias = jnp.zeros(size, dtype) if affine and biased else None
    return Normalisation(weight, bias, size, eps, mean)
