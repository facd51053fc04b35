"""Modules after one another: Sequential, MLP."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxmeta.core import Labels
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.nn._arguments import (
    OutProperties,
    check_labels,
    out_sizes,
    parameter_dtype,
    properties_of,
    random_keys,
    sizes,
    switches,
)
from jaxmeta.nn._layers import Chain, layer_of
from jaxmeta.nn.activations import silu
from jaxmeta.nn.linear import affine
from jaxmeta.nn.module_map import ModuleMap, check_modules, positions_of


class Sequential(ModuleMap):
    r"""Modules after one another, key by key.

    Values: :math:`f_n(\dots f_2(f_1(A)))`. Gradients: by the chain rule through all of
    them at once. The properties of the result are those of the last module; those that the
    others would give are not made.

    Arguments:
        in_keys: keys of the blocks that can be treated; every module must have them, in
            any order.
        modules: modules with keys, as `Linear`, `Tanh`, `ModuleMap` or `Sequential`.

    Raises:
        InvalidError: for no modules at all. When called: for a step that takes another
            number of properties than it gets, and as `ModuleMap`.
        InvalidTypeError: for modules without keys, as `wrap` makes of one function: its
            parameters would no longer be shared. `equinox.nn.Sequential` takes any.
        MissingError: for a key that a module does not have.
        NotEqualError: for modules whose keys have other names.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock, TensorMap
        >>> from jaxmeta.nn import Linear, Tanh
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3)), Labels.range("atom", 2), [], Labels.range("n", 3)
        ... )
        >>> tensor = TensorMap(Labels("center_type", [[8]]), [block])
        >>> keys, random = tensor.keys, jax.random.split(jax.random.key(0))
        >>> model = Sequential(
        ...     keys,
        ...     Linear(keys, 3, 16, key=random[0]),
        ...     Tanh(keys),
        ...     Linear(keys, 16, 1, key=random[1]),
        ... )
        >>> model(tensor)[0].shape
        (2, 1)
    """

    def __init__(self, in_keys: Labels, *modules: ModuleMap) -> None:
        name = type(self).__name__
        check_labels(name, "in_keys", in_keys)
        if not modules:
            raise InvalidError(compose(f"{name}: there must be a module at least."))
        found = []
        for i, module in enumerate(modules):
            _check_module(name, i, module)
            step = f"{name}, step {i} ({type(module).__name__})"
            found.append(positions_of(step, in_keys, module.in_keys))
        names = tuple(type(module).__name__ for module in modules)
        chains = [
            Chain(tuple(m.modules[i] for m, i in zip(modules, each, strict=True)), names)
            for each in zip(*found, strict=True)
        ]
        last = modules[-1].out_properties
        labels = None if last is None else [last[i] for i in found[-1]]
        super().__init__(in_keys, chains, labels)


class MLP(ModuleMap):
    r"""A multilayer perceptron for each key: linear maps with activations in between.

    Values: :math:`W_n \sigma(\dots \sigma(W_1 A + b_1)) + b_n` along the properties, the
    same for all components. Gradients: by the chain rule. It is meant for invariant
    blocks: of others neither bias nor activation turns with them, see
    `EquivariantTransformation`.

    Arguments:
        in_keys: keys of the blocks that can be treated.
        in_features: number of properties of the blocks, or a list with one for each key.
        hidden_features: sizes of the hidden layers, the same for all keys; for none at all
            there is one linear map.
        out_features: number of properties of the result, or a list; by default as many
            as `out_properties` have.
        out_properties: of the result, as of `ModuleMap`.
        activation: a function that keeps the shape of what it gets; by default that of
            `SiLU`. One that holds parameters, as `equinox.nn.PReLU`, has its own at every
            key and place.
        bias: whether the linear maps have one, or a list with one for each key.
        dtype, key: as of `Linear`, as are the parameters that it begins with.

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
        ...     jnp.ones((2, 3)), Labels.range("atom", 2), [], Labels.range("n", 3)
        ... )
        >>> tensor = TensorMap(Labels("center_type", [[8]]), [block])
        >>> model = MLP(tensor.keys, 3, [16, 16], 1, key=jax.random.key(0))
        >>> model(tensor)[0].shape
        (2, 1)
    """

    def __init__(
        self,
        in_keys: Labels,
        in_features: int | Sequence[int],
        hidden_features: Sequence[int],
        out_features: int | Sequence[int] | None = None,
        out_properties: OutProperties = None,
        activation: Callable[..., Any] = silu,
        *,
        bias: bool | Sequence[bool] = True,
        dtype: Any = None,
        key: Any,
    ) -> None:
        name = type(self).__name__
        count = len(check_labels(name, "in_keys", in_keys))
        labels = properties_of(name, out_properties, count)
        hidden = _hidden(name, hidden_features)
        check_modules(name, [activation], 1)
        first = sizes(name, "in_features", in_features, count)
        last = out_sizes(name, out_features, labels, count)
        biased = switches(name, "bias", bias, count)
        of, keys = parameter_dtype(name, dtype), random_keys(name, key, count)
        chains = [
            _perceptron([first[i], *hidden, last[i]], activation, biased[i], of, keys[i])
            for i in range(count)
        ]
        super().__init__(in_keys, chains, labels)


def _perceptron(
    features: Sequence[int], activation: Any, biased: bool, dtype: Any, key: Any
) -> Chain:
    steps: list[Any] = []
    names: list[str] = []
    keys = jax.random.split(key, len(features) - 1)
    for i, (inputs, outputs) in enumerate(itertools.pairwise(features)):
        if i:
            steps.append(layer_of(activation))
            names.append("activation")
        steps.append(affine(inputs, outputs, biased, dtype, keys[i]))
        names.append("Linear")
    return Chain(tuple(steps), tuple(names))


def _hidden(name: str, given: Any) -> list[int]:
    if isinstance(given, int | str) or not isinstance(given, Sequence | np.ndarray):
        raise InvalidTypeError(
            compose(
                f"{name}: hidden_features must be a list of sizes, as [32, 32].",
                f"found {given!r}, a {type(given).__name__}",
            )
        )
    return sizes(name, "hidden_features", list(given), len(given))


def _check_module(name: str, index: int, module: Any) -> None:
    if not isinstance(module, ModuleMap):
        raise InvalidTypeError(
            compose(
                f"{name}: step {index} is no module with keys.",
                f"found {type(module).__name__}",
                remedy="wrap([...], in_keys=...) makes one of functions; "
                "equinox.nn.Sequential takes any modules of maps.",
            )
        )
