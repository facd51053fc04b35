"""Linear maps along properties: Linear, EquivariantLinear."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax

from jaxmeta.core import Labels
from jaxmeta.nn._arguments import (
    OutProperties,
    check_labels,
    invariant_positions,
    out_sizes,
    parameter_dtype,
    properties_of,
    random_keys,
    sizes,
    switches,
)
from jaxmeta.nn._layers import Affine
from jaxmeta.nn.module_map import ModuleMap


class Linear(ModuleMap):
    r"""A linear map along the properties of each block, with a bias.

    Values: :math:`B_{icq} = \sum_p W_{qp} A_{icp} + b_q`, the same for all components
    :math:`c`. Gradients: :math:`\nabla B_{icq} = \sum_p W_{qp} \nabla A_{icp}`; the bias
    does not enter. Weights and bias begin uniform between
    :math:`\pm 1 / \sqrt{\text{in\_features}}`, as those of torch. For each key the field
    ``modules`` has one with the arrays ``weight``, of shape ``(out_features,
    in_features)``, and ``bias``, of shape ``(out_features,)`` or None.

    Arguments:
        in_keys: keys of the blocks that can be treated.
        in_features: number of properties of the blocks, or a list with one for each key.
        out_features: number of properties of the result, or a list; by default as many
            as `out_properties` have.
        out_properties: of the result, as of `ModuleMap`.
        bias: whether there is one, or a list.
        dtype: of the parameters; by default the widest that JAX has. Values must have it
            too.
        key: a key of `jax.random`.

    Raises:
        InvalidError: for lists of wrong length, and where the number of properties of the
            result is not known. When called: for another number of properties, and as
            `ModuleMap`.
        InvalidTypeError: for arguments of other types. When called: for another dtype.
        PrecisionError: for parameters of 64 bits while JAX has 32.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock, TensorMap
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3, 4)), Labels.range("atom", 2),
        ...     [Labels.range("xyz", 3)], Labels.range("n", 4),
        ... )
        >>> tensor = TensorMap(Labels("center_type", [[8]]), [block])
        >>> linear = Linear(tensor.keys, 4, 2, key=jax.random.key(0))
        >>> linear(tensor)[0].shape, linear.modules[0].weight.shape
        ((2, 3, 2), (2, 4))
    """

    def __init__(
        self,
        in_keys: Labels,
        in_features: int | Sequence[int],
        out_features: int | Sequence[int] | None = None,
        out_properties: OutProperties = None,
        *,
        bias: bool | Sequence[bool] = True,
        dtype: Any = None,
        key: Any,
    ) -> None:
        name = type(self).__name__
        count = len(check_labels(name, "in_keys", in_keys))
        labels = properties_of(name, out_properties, count)
        biased = switches(name, "bias", bias, count)
        layers = _layers(name, in_features, out_features, labels, biased, dtype, key)
        super().__init__(in_keys, layers, labels)


class EquivariantLinear(ModuleMap):
    r"""A linear map along the properties of each block, with a bias where it may be one.

    Values and gradients are those of `Linear`. Only invariant blocks have a bias: added to
    others, it would not turn with them.

    Arguments:
        in_keys, in_features, out_features, out_properties, dtype, key: as of `Linear`.
        invariant_keys: a selection of `in_keys`, as of `Labels.select`; by default
            ``o3_lambda=0, o3_sigma=1``.
        bias: whether invariant blocks have one; or a list for these alone, in the order
            that ``in_keys.select(invariant_keys)`` has.

    Raises:
        InvalidError: where `in_keys` lack the names of `invariant_keys`, and as `Linear`.
        InvalidTypeError: for arguments of other types. When called: for another dtype.
        PrecisionError: for parameters of 64 bits while JAX has 32.

    Example:
        >>> keys = Labels(["o3_lambda", "o3_sigma"], [[0, 1], [1, 1]])
        >>> linear = EquivariantLinear(keys, [4, 6], 2, key=jax.random.key(0))
        >>> [layer.weight.shape for layer in linear.modules]
        [(2, 4), (2, 6)]
        >>> [layer.bias is None for layer in linear.modules]
        [False, True]
    """

    def __init__(
        self,
        in_keys: Labels,
        in_features: int | Sequence[int],
        out_features: int | Sequence[int] | None = None,
        out_properties: OutProperties = None,
        invariant_keys: Labels | None = None,
        *,
        bias: bool | Sequence[bool] = True,
        dtype: Any = None,
        key: Any,
    ) -> None:
        name = type(self).__name__
        count = len(check_labels(name, "in_keys", in_keys))
        invariant = invariant_positions(name, in_keys, invariant_keys)
        given = switches(name, "bias", bias, len(invariant))
        of_key = dict(zip(invariant, given, strict=True))
        labels = properties_of(name, out_properties, count)
        biased = [of_key.get(i, False) for i in range(count)]
        layers = _layers(name, in_features, out_features, labels, biased, dtype, key)
        super().__init__(in_keys, layers, labels)


def _layers(
    name: str,
    in_features: Any,
    out_features: Any,
    labels: tuple[Labels, ...] | None,
    biased: Sequence[bool],
    dtype: Any,
    key: Any,
) -> list[Affine]:
    count = len(biased)
    inputs = sizes(name, "in_features", in_features, count)
    outputs = out_sizes(name, out_features, labels, count)
    of, keys = parameter_dtype(name, dtype), random_keys(name, key, count)
    return [affine(inputs[i], outputs[i], biased[i], of, keys[i]) for i in range(count)]


def affine(inputs: int, outputs: int, biased: bool, dtype: Any, key: Any) -> Affine:
    """A linear map with random parameters, distributed as those of torch."""
    bound = 1 / math.sqrt(inputs) if inputs else 0.0
    of_weight, of_bias = jax.random.split(key)
    uniform = functools.partial(
        jax.random.uniform, dtype=dtype, minval=-bound, maxval=bound
    )
    weight = uniform(of_weight, (outputs, inputs))
    return Affine(weight, uniform(of_bias, (outputs,)) if biased else None)
