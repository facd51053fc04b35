"""A function of one sample's array, applied to all samples: map_samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.functions import _mapping
from jaxmeta.core.functions._mapping import Wanted
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.operations._arguments import check_tensor


T = TypeVar("T", TensorMap, TensorBlock)


def map_samples(
    function: Callable[..., Any],
    tensor: T,
    properties: Labels | Sequence[Labels] | None = None,
    components: Sequence[Labels] | Sequence[Sequence[Labels]] | None = None,
) -> T:
    r"""Apply a function of one sample's array to every sample.

    Values: :math:`B_i = f(A_i)`, where :math:`A_i` has one axis for each component and
    one for the properties. Gradients: :math:`\nabla B_i = f'(A_i)[\nabla A_i]`, the
    Jacobian-vector product of the function at the sample. Gradients of gradients:
    :math:`f'(A_i)[\nabla_y \nabla_x A_i] + f''(A_i)[\nabla_x A_i, \nabla_y A_i]`, with
    rows for all pairs of gradient rows of one sample.

    The function may hold arrays, as an `equinox` module, a `jax.tree_util.Partial` or a
    `functools.partial` do: derivatives with respect to them are exact, also those of
    explicit gradients, which is how to train with forces.

    It must be pure, as for `jax.jit`, also eagerly: it is called with traced arrays through
    `jax.vmap`, compiled once for each shape, and what was compiled is used again. What it
    reads from outside (a global, a variable around it, an attribute of a plain object) is
    as it was at the first call; **weights that change must be held** as said above. A new
    lambda is a new function, and compiled anew.

    Arguments:
        function: from an array of one sample to another one of the same dtype.
        tensor: any map or block; with gradients if the function can be differentiated
            forwards.
        properties: of the result; one for all blocks, or a list with one for each. None
            keeps those of the tensor, and their number must stay the same.
        components: of the result, as a list; for each block, as a list of lists. None
            keeps those of the tensor.

    Raises:
        InvalidError: when the result does not fit the labels.
        InvalidTypeError: when it has another dtype, or is not one array; for labels of
            another type, and for what is neither a map nor a block.
        NestedGradientsError: where a first derivative is missing, or at a third order.
        DynamicSamplesError: for gradients of gradients with dynamic samples.

    Example:
        >>> import jax.numpy as jnp
        >>> block = TensorBlock(
        ...     jnp.array([[1.0, 3.0]]), Labels.range("s", 1), [], Labels.range("n", 2)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> map_samples(lambda x: x / x.sum(), tensor)[0].values.tolist()
        [[0.25, 0.75]]
        >>> total = map_samples(lambda x: x.sum(keepdims=True), tensor, Labels.single())
        >>> total[0].values.tolist()
        [[4.0]]
    """
    check_tensor("map_samples", tensor)
    wanted = _wanted(tensor, properties, components)
    return _mapping.apply("map_samples", function, tensor, wanted)


def _wanted(tensor: Any, properties: Any, components: Any) -> tuple[Wanted, ...]:
    """Labels of the result: one entry for all blocks, or one for each."""
    own = _properties(tensor, properties)
    axes = _components(tensor, components)
    count = max(len(own), len(axes))
    return tuple(zip(_repeated(axes, count), _repeated(own, count), strict=True))


def _repeated(some: list[Any], count: int) -> list[Any]:
    return some * count if len(some) == 1 else some


def _properties(tensor: Any, given: Any) -> list[Labels | None]:
    if given is None or isinstance(given, Labels):
        return [given]
    each = _one_each("properties", tensor, given, "Labels")
    for labels in each:
        if not isinstance(labels, Labels):
            _refuse_kind("properties", "Labels, or a list of them", labels)
        if labels.names != each[0].names:
            _refuse_names("properties", each[0].names, labels.names)
    return each or [None]


def _components(tensor: Any, given: Any) -> list[tuple[Labels, ...] | None]:
    if given is None:
        return [None]
    if isinstance(given, Labels) or not isinstance(given, Sequence):
        _refuse_kind("components", "a list of Labels", given)
    if all(isinstance(labels, Labels) for labels in given):
        return [_checked(given)]
    each = _one_each("components", tensor, given, "a list of Labels")
    found = [_checked(labels) for labels in each]
    names = [[labels.names[0] for labels in one] for one in found]
    for other in names:
        if other != names[0]:
            _refuse_names("components", names[0], other)
    return [*found]


def _checked(given: Any) -> tuple[Labels, ...]:
    """The components of one block."""
    if isinstance(given, Labels) or not isinstance(given, Sequence):
        _refuse_kind("components", "a list of Labels", given)
    names: list[str] = []
    for labels in given:
        if not isinstance(labels, Labels):
            _refuse_kind("components", "a list of Labels", labels)
        if len(labels.names) != 1 or len(labels) == 0 or labels.names[0] in names:
            raise InvalidError(
                compose(
                    "map_samples: each component needs one name of its own and an entry "
                    "or more.",
                    f"found the names {labels.names} with {len(labels)} entries, after the "
                    f"components {names}",
                )
            )
        names += labels.names
    return tuple(given)


def _one_each(what: str, tensor: Any, given: Any, one: str) -> list[Any]:
    """The entries of a list that has one for each block of a map."""
    if isinstance(tensor, TensorBlock) or not isinstance(given, Sequence):
        _refuse_kind(what, one, given)
    if len(given) != len(tensor):
        raise InvalidError(
            compose(
                f"map_samples: a list of {what} must have one entry for each block.",
                f"there are {len(given)} entries and {len(tensor)} blocks",
            )
        )
    return list(given)


def _refuse_kind(what: str, wanted: str, given: Any) -> NoReturn:
    raise InvalidTypeError(
        compose(
            f"map_samples: the {what} must be {wanted}.",
            f"found {type(given).__name__}",
        )
    )


def _refuse_names(what: str, first: list[str], other: list[str]) -> NoReturn:
    raise InvalidError(
        compose(
            f"map_samples: all blocks must have the same names of {what}.",
            f"found {first} and {other}",
        )
    )
