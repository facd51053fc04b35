"""Modules of maps: a function of one sample's array for each block."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import equinox as eqx

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    NotEqualError,
    compose,
)
from jaxmeta.nn._arguments import OutProperties, check_labels, properties_of
from jaxmeta.nn._layers import layer_of
from jaxmeta.nn._plans import apply
from jaxmeta.operations._arguments import check_map


_MANY = 5


class Blockwise(eqx.Module):
    """A module from maps to maps that treats every block by itself."""

    @property
    def _name(self) -> str:
        """For messages."""
        return type(self).__name__

    @abstractmethod
    def _layers(self, keys: Labels) -> Sequence[tuple[Any, Labels | None]]:
        """For each of these keys, the layer and the properties of the result."""

    def __call__(self, tensor: TensorMap, *, key: Any = None) -> TensorMap:
        """The map of the results.

        Arguments:
            tensor: a map, with static or dynamic samples.
            key: not used; `equinox.nn.Sequential` gives one to each of its modules.
        """
        check_map(self._name, tensor)
        found = type(self)._layers(self, tensor.keys)
        layers = [layer for layer, _ in found]
        return apply(self._name, tensor, layers, [labels for _, labels in found])


class ModuleMap(Blockwise):
    r"""One function for each key, applied to every sample of the block under that key.

    Values: :math:`B_i = f_k(A_i)` in the block with key :math:`k`, where :math:`A_i` is
    the array of sample :math:`i`, of shape ``(*components, properties)``. Gradients:
    :math:`\nabla B_i = f_k'(A_i)[\nabla A_i]`, the Jacobian-vector product, exact for
    every function; those of gradients follow by the chain rule of second order. (Modules
    of metatensor-learn treat gradients as if they were values: with a bias or an
    activation what comes out is no derivative.)

    Functions may be modules of equinox: their arrays are leaves, so that they can be
    trained, and nothing is compiled anew when they change. Modules of `equinox.nn` take
    vectors: `EachComponent` applies them to blocks with components. Functions without
    arrays are static; they must be pure, as for `jaxmeta.map_samples`.

    Arguments:
        in_keys: keys of the blocks that can be treated. Maps may have some of them, in
            any order.
        modules: functions from an array of shape ``(*components, properties)`` to one
            with the same components, one for each of the keys.
        out_properties: of the result: Labels for all keys, or a list with one for each.
            By default a range by the name ``_``.

    Raises:
        InvalidError: when numbers of keys, modules and labels differ. When called: for a
            result that does not fit the labels.
        InvalidTypeError: for arguments of other types; when called: for a result of
            another dtype.
        MissingError: when called, for a block whose key is none of `in_keys`.
        NotEqualError: when called, for keys with other names.
        NestedGradientsError: when called, where a first derivative is missing that those
            of gradients need, or at a third order.
        DynamicSamplesError: when called, for gradients of gradients with dynamic samples.

    Example:
        >>> import equinox as eqx, jax, jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3)), Labels.range("atom", 2), [], Labels.range("n", 3)
        ... )
        >>> tensor = TensorMap(Labels("center_type", [[8]]), [block])
        >>> keys = Labels("center_type", [[1], [8]])
        >>> mlps = [eqx.nn.MLP(3, 1, 4, 2, key=jax.random.key(i)) for i in (0, 1)]
        >>> energies = ModuleMap(keys, mlps, Labels("energy", [[0]]))(tensor)
        >>> energies.block(center_type=8).shape
        (2, 1)
    """

    modules: tuple[Any, ...]
    in_keys: Labels = eqx.field(static=True)
    out_properties: tuple[Labels, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        in_keys: Labels,
        modules: Sequence[Callable[..., Any]],
        out_properties: OutProperties = None,
    ) -> None:
        name = type(self).__name__
        self.in_keys = check_labels(name, "in_keys", in_keys)
        check_modules(name, modules, len(in_keys))
        self.modules = tuple(layer_of(module) for module in modules)
        self.out_properties = properties_of(name, out_properties, len(in_keys))

    @staticmethod
    def from_module(
        in_keys: Labels,
        module: Callable[..., Any],
        out_properties: OutProperties = None,
    ) -> ModuleMap:
        """The same function for every key, each with parameters of its own.

        All begin with the same parameters; training makes them different. Values and
        gradients are those of `ModuleMap`. To share parameters, use `wrap`.

        Arguments:
            in_keys: as of `ModuleMap`.
            module: a function as `ModuleMap` has them.
            out_properties: as of `ModuleMap`.

        Raises:
            InvalidTypeError: for arguments of other types.

        Example:
            >>> import equinox as eqx, jax
            >>> linear = eqx.nn.Linear(3, 1, key=jax.random.key(0))
            >>> len(ModuleMap.from_module(Labels.range("center_type", 4), linear).modules)
            4
        """
        check_labels("ModuleMap", "in_keys", in_keys)
        return ModuleMap(in_keys, [module] * len(in_keys), out_properties)

    def _layers(self, keys: Labels) -> Sequence[tuple[Any, Labels | None]]:
        positions = positions_of(self._name, keys, self.in_keys)
        modules, labels = self.modules, self.out_properties
        return [(modules[i], None if labels is None else labels[i]) for i in positions]


class Shared(Blockwise):
    """One function for all blocks, whatever their keys: what `wrap` makes."""

    module: Any
    out_properties: Labels | None = eqx.field(static=True)

    @property
    def _name(self) -> str:
        return "wrap"

    def _layers(self, keys: Labels) -> Sequence[tuple[Any, Labels | None]]:
        return [(self.module, self.out_properties)] * len(keys)


def wrap(
    module: Callable[..., Any] | Sequence[Callable[..., Any]],
    out_properties: OutProperties = None,
    *,
    in_keys: Labels | None = None,
) -> Blockwise:
    """A function of one sample's array as a module from maps to maps.

    Values and gradients are those of `ModuleMap`. One function is applied to all blocks,
    whatever their keys, with the same parameters for all; several functions, with
    `in_keys`, make a `ModuleMap`.

    Arguments:
        module: a function from an array of shape ``(*components, properties)`` to one
            with the same components, as a module of equinox; or a list of such functions.
        out_properties: of the result; Labels, or with `in_keys` also a list. By default a
            range by the name ``_``.
        in_keys: keys of the blocks that each of several functions is for.

    Raises:
        InvalidError: for several functions without keys, for one with keys, and as
            `ModuleMap`.
        InvalidTypeError: for arguments of other types, and when called as `ModuleMap`.

    Example:
        >>> import equinox as eqx, jax, jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3)), Labels.range("atom", 2), [], Labels.range("n", 3)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> energies = wrap(eqx.nn.MLP(3, 1, 4, 2, key=jax.random.key(0)))
        >>> energies(tensor)[0].shape, energies(tensor).property_names
        ((2, 1), ['_'])
    """
    if isinstance(module, Sequence):
        if in_keys is None:
            _refuse("several modules without in_keys", "in_keys say which one is for what.")
        return ModuleMap(in_keys, module, out_properties)
    if in_keys is not None:
        _refuse("one module, and in_keys", "ModuleMap.from_module copies it for each key.")
    check_modules("wrap", [module], 1)
    if out_properties is not None:
        check_labels("wrap", "out_properties", out_properties)
    return Shared(layer_of(module), out_properties)  # type: ignore[arg-type]


def _refuse(found: str, remedy: str) -> NoReturn:
    raise InvalidError(
        compose("wrap: in_keys go with several modules.", f"found {found}", remedy=remedy)
    )


def check_modules(name: str, modules: Any, count: int) -> None:
    """Raise if these are not so many functions of one sample's array."""
    if not isinstance(modules, Sequence):
        raise InvalidTypeError(
            compose(
                f"{name}: the modules must be a list.", f"found {type(modules).__name__}"
            )
        )
    for module in modules:
        _check_module(name, module)
    if len(modules) != count:
        raise InvalidError(
            compose(
                f"{name}: there must be one module for each key.",
                f"there are {len(modules)} modules and {count} in_keys",
            )
        )


def _check_module(name: str, module: Any) -> None:
    if not callable(module):
        raise InvalidTypeError(
            compose(
                f"{name}: a module must be something that can be called.",
                f"found {type(module).__module__}.{type(module).__qualname__}",
            )
        )
    if isinstance(module, Blockwise):
        raise InvalidTypeError(
            compose(
                f"{name}: a module must be a function of one sample's array.",
                f"found {type(module).__name__}, a module of maps",
                remedy="Sequential(in_keys, ...) puts modules of maps together; those of "
                "single keys are in its field `modules`.",
            )
        )


def positions_of(name: str, keys: Labels, in_keys: Labels) -> list[int]:
    """Where these keys are among those of a module."""
    if keys.names != in_keys.names:
        raise NotEqualError(
            compose(
                f"{name}: the keys of the map have other names than those of the module.",
                f"the map has {keys.names}, in_keys have {in_keys.names}",
                remedy="rename_dimension() or permute_dimensions() the keys of the map.",
            )
        )
    found = in_keys._index.find(keys.values).tolist()
    if -1 in found:
        raise _missing(name, keys, found.index(-1), in_keys)
    return found


def _missing(name: str, keys: Labels, index: int, in_keys: Labels) -> MissingError:
    there = [entry.print() for entry in in_keys]
    wanted = keys.entry(index).print()
    shown = ", ".join(there[:_MANY]) or "none"
    more = f", and {len(there) - _MANY} more" if len(there) > _MANY else ""
    close = difflib.get_close_matches(wanted, there, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return MissingError(
        compose(
            f"{name}: there is no module for {block_name(keys, index)}.",
            f"in_keys are {shown}{more}{hint}",
            remedy="drop_blocks() or filter_blocks() first; or make the module with more "
            "in_keys, which need not all be there.",
        )
    )
