"""Parameters under the names that torch and metatensor-learn give them, both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import Labels
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    NotEqualError,
    choices,
    compose,
)
from jaxmeta.io import load_labels_buffer
from jaxmeta.nn._layers import Chain, EachComponent, Sized
from jaxmeta.nn.module_map import ModuleMap


M = TypeVar("M")

# What modules of metatensor-learn store beside their parameters.
_BOOKKEEPING = ("_mts_helper", "_extra_state")

# Fields that have no part in torch's names.
_SILENT = ((Chain, "layers"), (eqx.nn.Sequential, "layers"), (EachComponent, "module"),
           (Sized, "module"))  # fmt: skip


def to_torch_state_dict(module: Any) -> dict[str, np.ndarray]:
    """The parameters of a module, by the names that they have in metatensor-learn.

    The same module of metatensor-learn takes them by ``load_state_dict({name:
    torch.from_numpy(array) ...}, strict=False)``; what it then reports as missing are its
    own notes, ``_mts_helper`` and ``_extra_state``. An `MLP` is there a `Sequential` of
    `Linear` and activations. Parameters of `equinox.nn.Linear`, `equinox.nn.LayerNorm`
    and `equinox.nn.Sequential` have the names of their twins in `torch.nn`, those of other
    modules the names of their fields, joined by dots.

    Arguments:
        module: any module, also one of equinox that has modules of maps as fields.

    Returns:
        Copies of the arrays, on the host.

    Example:
        >>> import jax
        >>> from jaxmeta.nn import Linear
        >>> linear = Linear(Labels.single(), 3, 2, key=jax.random.key(0))
        >>> sorted(to_torch_state_dict(linear))
        ['module_map.module_list.0.bias', 'module_map.module_list.0.weight']
    """
    named = zip(_names(module, {}), jax.tree.leaves(module), strict=True)
    return {name: np.array(leaf) for name, leaf in named if name is not None}


def from_torch_state_dict(module: M, state_dict: Mapping[str, Any]) -> M:
    """The module with the parameters of a module of metatensor-learn.

    Names are those of `to_torch_state_dict`. Where the keys of the other module are
    stored too, parameters go to the keys that they are of, in whatever order these are.

    Arguments:
        module: one with the same parameters, whose numbers do not matter.
        state_dict: arrays by name: tensors of torch, as ``state_dict()`` gives them, or
            arrays of numpy or JAX. They are copied. torch need not be installed.

    Raises:
        MissingError: for a parameter that is not there, and for a key that the other
            module does not have.
        InvalidError: for parameters that this module does not have, and another shape.
        InvalidTypeError: for another dtype, and for what is no dictionary.
        NotEqualError: when the keys of the other module have other names.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxmeta.nn import LayerNorm
        >>> norm = LayerNorm(Labels.single(), 2, bias=False, dtype="float32")
        >>> stored = {"module_map.module_list.0.weight": np.array([2, 3], "float32")}
        >>> from_torch_state_dict(norm, stored).modules[0].weight.tolist()
        [2.0, 3.0]
    """
    if not isinstance(state_dict, Mapping):
        raise InvalidTypeError(
            compose(
                "from_torch_state_dict: the parameters must be a dictionary by name.",
                f"found {type(state_dict).__name__}",
            )
        )
    leaves, tree = jax.tree.flatten(module)
    names = list(_names(module, state_dict))
    _check_names([name for name in names if name is not None], state_dict)
    made = [
        leaf if name is None else _parameter(name, state_dict[name], leaf)
        for name, leaf in zip(names, leaves, strict=True)
    ]
    return jax.tree.unflatten(tree, made)


# Names ----------------------------------------------------------------------------------


def _names(module: Any, state_dict: Mapping[str, Any]) -> Iterator[str | None]:
    """For each leaf its name; None for what is no array."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(module)[0]:
        name = ".".join(_words(module, path, state_dict))
        yield name if isinstance(leaf, jax.Array | np.ndarray) else None


def _words(module: Any, path: Any, state_dict: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    node, order = module, None
    for step in path:
        if order is not None:  # within the tuple of modules of a ModuleMap
            words.append(str(order[step.idx]))
            node, order = node[step.idx], None
            continue
        if isinstance(node, ModuleMap) and step.name == "modules":
            words += [] if type(node) is ModuleMap else ["module_map"]
            order = _order(node, ".".join([*words, "_extra_state"]), state_dict)
            words.append("module_list")
        elif not _is_silent(node, step):
            words.append(_word(step))
        node = _child(node, step)
    return words


def _is_silent(node: Any, step: Any) -> bool:
    name = getattr(step, "name", None)
    return any(isinstance(node, kind) and name == field for kind, field in _SILENT)


def _word(step: Any) -> str:
    for attribute in ("name", "idx", "key"):
        if hasattr(step, attribute):
            return str(getattr(step, attribute))
    return str(step)


def _child(node: Any, step: Any) -> Any:
    """What a step of a path leads to; None where that can not be known."""
    if isinstance(step, jax.tree_util.GetAttrKey):
        return getattr(node, step.name, None)
    if isinstance(step, jax.tree_util.SequenceKey | jax.tree_util.DictKey):
        return node[_key_of(step)]
    return None


def _key_of(step: Any) -> Any:
    return step.idx if isinstance(step, jax.tree_util.SequenceKey) else step.key


# Keys -----------------------------------------------------------------------------------


def _order(module: ModuleMap, name: str, state_dict: Mapping[str, Any]) -> Sequence[int]:
    """Where the modules of these keys are in the other module's list."""
    own = module.in_keys
    stored = state_dict.get(name)
    if not isinstance(stored, Mapping) or "_in_keys" not in stored:
        return range(len(own))
    there = _stored_labels(stored["_in_keys"])
    if there.names != own.names:
        raise NotEqualError(
            compose(
                "from_torch_state_dict: the keys of the modules have other names.",
                f"here they are {own.names}, in {name!r} {there.names}",
            )
        )
    found = [there.position(entry) for entry in own]
    for i, position in enumerate(found):
        if position is None:
            raise MissingError(
                compose(
                    f"from_torch_state_dict: {name!r} has no key {own.entry(i).print()}.",
                    f"its keys are {', '.join(entry.print() for entry in there)}",
                )
            )
    return [position for position in found if position is not None]


def _stored_labels(stored: Any) -> Labels:
    """Labels of metatensor as its modules store them: with the contents of a file."""
    buffer = stored[1]
    return load_labels_buffer(buffer if isinstance(buffer, bytes) else bytes(_host(buffer)))


# Arrays ---------------------------------------------------------------------------------


def _check_names(names: Sequence[str], state_dict: Mapping[str, Any]) -> None:
    given = [n for n in state_dict if n.rpartition(".")[2] not in _BOOKKEEPING]
    for name in names:
        if name not in state_dict:
            raise MissingError(
                compose(
                    f"from_torch_state_dict: there is no parameter {name!r}.",
                    choices(name, given),
                )
            )
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise InvalidError(
            compose(
                "from_torch_state_dict: the module does not have all of the parameters.",
                f"it has no {', '.join(map(repr, unknown[:5]))}"
                + (f", and {len(unknown) - 5} more" if len(unknown) > 5 else ""),
                choices(unknown[0], names),
            )
        )


def _parameter(name: str, stored: Any, own: Any) -> Any:
    array = _host(stored)
    if array.shape != own.shape:
        raise InvalidError(
            compose(
                f"from_torch_state_dict: {name!r} has another shape.",
                f"it is {array.shape}, that of the module {own.shape}",
            )
        )
    if array.dtype != own.dtype:
        raise InvalidTypeError(
            compose(
                f"from_torch_state_dict: {name!r} has another dtype.",
                f"it is {array.dtype}, that of the module {own.dtype}",
                remedy=f"make the module with dtype={array.dtype.name!r}, or convert the "
                "arrays.",
            )
        )
    return jnp.array(array)


def _host(stored: Any) -> np.ndarray:
    """An array on the host; tensors of torch by what they have in common with those."""
    if hasattr(stored, "detach"):
        stored = stored.detach().cpu()
    try:
        return np.asarray(stored)
    except TypeError:  # numpy does not know bfloat16, JAX does
        return np.asarray(jnp.from_dlpack(stored))
