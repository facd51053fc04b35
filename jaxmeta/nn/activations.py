"""Functions of every number: ReLU, SiLU, Tanh, and the same for invariant blocks alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.core import Labels
from jaxmeta.nn._arguments import OutProperties, check_labels, invariant_positions
from jaxmeta.nn._layers import Elementwise, Identity
from jaxmeta.nn.module_map import ModuleMap


# Functions of this file: unlike those of JAX they can be pickled, and modules with them.


def relu(x: Any) -> Any:
    """The positive part of an array."""
    return jax.nn.relu(x)


def silu(x: Any) -> Any:
    """An array times its sigmoid."""
    return jax.nn.silu(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of an array."""
    return jnp.tanh(x)


class ReLU(ModuleMap):
    r"""The positive part of every number.

    Values: :math:`\max(A, 0)`. Gradients: :math:`\nabla A` where :math:`A > 0`, else zero.
    (metatensor-learn refuses gradients here.)

    Arguments:
        in_keys: keys of the blocks that can be treated.
        out_properties: of the result, as of `ModuleMap`: by default a range by the name
            ``_``, and not those of the map.

    Raises:
        InvalidError: as `ModuleMap`.
        InvalidTypeError: for arguments of other types.
        MissingError: when called, for a block whose key is none of `in_keys`.

    Example:
        >>> from jaxmeta import TensorBlock, TensorMap
        >>> n, samples = Labels.range("n", 2), Labels.range("atom", 1)
        >>> block = TensorBlock(jnp.array([[-1.0, 5.0]]), samples, [], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> ReLU(tensor.keys)(tensor)[0].values.tolist()
        [[0.0, 5.0]]
    """

    def __init__(self, in_keys: Labels, out_properties: OutProperties = None) -> None:
        super().__init__(in_keys, _on_all(self, in_keys, relu), out_properties)


class InvariantReLU(ModuleMap):
    """`ReLU` of the invariant blocks; the others stay as they are.

    Values and gradients are those of `ReLU`; of other blocks they stay.

    Arguments:
        in_keys, out_properties: as of `ReLU`.
        invariant_keys: a selection of `in_keys`, as of `Labels.select`; by default
            ``o3_lambda=0, o3_sigma=1``.

    Raises:
        InvalidError: where `in_keys` lack the names of `invariant_keys`.
        InvalidTypeError: for arguments of other types.
        MissingError: when called, for a block whose key is none of `in_keys`.

    Example:
        >>> keys = Labels(["o3_lambda", "o3_sigma"], [[0, 1], [1, 1]])
        >>> [type(layer).__name__ for layer in InvariantReLU(keys).modules]
        ['Elementwise', 'Identity']
    """

    def __init__(
        self,
        in_keys: Labels,
        out_properties: OutProperties = None,
        invariant_keys: Labels | None = None,
    ) -> None:
        layers = _on_invariant(self, in_keys, invariant_keys, relu)
        super().__init__(in_keys, layers, out_properties)


class SiLU(ModuleMap):
    r"""The sigmoid linear unit of every number.

    Values: :math:`A / (1 + e^{-A})`. Gradients: the derivative of that times :math:`\nabla
    A`. (metatensor-learn refuses gradients here.)

    Arguments and errors are those of `ReLU`.

    Example:
        >>> from jaxmeta import TensorBlock, TensorMap
        >>> n, samples = Labels.range("n", 2), Labels.range("atom", 1)
        >>> block = TensorBlock(jnp.array([[0.0, 1.0]]), samples, [], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> SiLU(tensor.keys)(tensor)[0].values.tolist()
        [[0.0, 0.731...]]
    """

    def __init__(self, in_keys: Labels, out_properties: OutProperties = None) -> None:
        super().__init__(in_keys, _on_all(self, in_keys, silu), out_properties)


class InvariantSiLU(ModuleMap):
    """`SiLU` of the invariant blocks; the others stay as they are.

    Values and gradients are those of `SiLU`; of other blocks they stay. Arguments and
    errors are those of `InvariantReLU`.

    Example:
        >>> keys = Labels(["o3_lambda", "o3_sigma"], [[1, 1], [0, 1]])
        >>> [type(layer).__name__ for layer in InvariantSiLU(keys).modules]
        ['Identity', 'Elementwise']
    """

    def __init__(
        self,
        in_keys: Labels,
        out_properties: OutProperties = None,
        invariant_keys: Labels | None = None,
    ) -> None:
        layers = _on_invariant(self, in_keys, invariant_keys, silu)
        super().__init__(in_keys, layers, out_properties)


class Tanh(ModuleMap):
    r"""The hyperbolic tangent of every number.

    Values: :math:`\tanh A`. Gradients: :math:`\nabla A / \cosh^2 A`. (metatensor-learn
    refuses gradients here.)

    Arguments and errors are those of `ReLU`.

    Example:
        >>> from jaxmeta import TensorBlock, TensorMap
        >>> n, samples = Labels.range("n", 2), Labels.range("atom", 1)
        >>> block = TensorBlock(jnp.array([[0.0, 1.0]]), samples, [], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> Tanh(tensor.keys)(tensor)[0].values.tolist()
        [[0.0, 0.761...]]
    """

    def __init__(self, in_keys: Labels, out_properties: OutProperties = None) -> None:
        super().__init__(in_keys, _on_all(self, in_keys, tanh), out_properties)


class InvariantTanh(ModuleMap):
    """`Tanh` of the invariant blocks; the others stay as they are.

    Values and gradients are those of `Tanh`; of other blocks they stay. Arguments and
    errors are those of `InvariantReLU`.

    Example:
        >>> keys = Labels("o3_lambda", [[0], [1]])
        >>> scalars = Labels("o3_lambda", [[0]])
        >>> layers = InvariantTanh(keys, invariant_keys=scalars).modules
        >>> [type(layer).__name__ for layer in layers]
        ['Elementwise', 'Identity']
    """

    def __init__(
        self,
        in_keys: Labels,
        out_properties: OutProperties = None,
        invariant_keys: Labels | None = None,
    ) -> None:
        layers = _on_invariant(self, in_keys, invariant_keys, tanh)
        super().__init__(in_keys, layers, out_properties)


def _on_all(module: ModuleMap, in_keys: Labels, function: Callable[..., Any]) -> list[Any]:
    check_labels(type(module).__name__, "in_keys", in_keys)
    return [Elementwise(function)] * len(in_keys)


def _on_invariant(
    module: ModuleMap,
    in_keys: Labels,
    invariant_keys: Labels | None,
    function: Callable[..., Any],
) -> list[Any]:
    name = type(module).__name__
    check_labels(name, "in_keys", in_keys)
    invariant = invariant_positions(name, in_keys, invariant_keys)
    return [
        Elementwise(function) if i in invariant else Identity() for i in range(len(in_keys))
    ]
