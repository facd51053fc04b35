"""Gradients: dropping explicit ones, stopping those of JAX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import jax
from jax.core import Tracer

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.labels._names import gradient_name
from jaxmeta.core.layouts._layout import BlockLayout, block_layout
from jaxmeta.core.plans._plans import Plan, Step, keep, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, plan_of, run
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose
from jaxmeta.operations._arguments import check_block, check_map


def remove_gradients(
    tensor: TensorMap, remove: str | Sequence[str] | None = None
) -> TensorMap:
    """The same map without some gradients.

    Values: the same arrays, shared, not copied. Gradients: those that stay are the same
    arrays too, at every depth; one that goes takes its own gradients along.

    Arguments:
        tensor: any map.
        remove: names of the gradients that go; all of them by default.

    Raises:
        MissingError: for a name that is no gradient.
        InvalidError: for what can be no name of a gradient, as one with a slash.
        InvalidTypeError: for names that are no strings, and for what is no map.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> n = Labels.range("n", 1)
        >>> rows = TensorBlock(jnp.ones((1, 1)), Labels("sample", [[0]]), [], n)
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], n, {"parameter": rows}
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> remove_gradients(tensor)[0].gradients_list()
        []
    """
    return _remove("remove_gradients", check_map("remove_gradients", tensor), remove)


def remove_gradients_block(
    block: TensorBlock, remove: str | Sequence[str] | None = None
) -> TensorBlock:
    """`remove_gradients` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> n = Labels.range("n", 1)
        >>> rows = TensorBlock(jnp.ones((1, 1)), Labels("sample", [[0]]), [], n)
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], n, {"parameter": rows}
        ... )
        >>> remove_gradients_block(block, "parameter").gradients_list()
        []
    """
    operation = "remove_gradients_block"
    return _remove(operation, check_block(operation, block), remove)


def detach(tensor: TensorMap) -> TensorMap:
    """The same map, through whose arrays no derivative of JAX flows.

    Values and gradients: the same numbers, each array through `jax.lax.stop_gradient`, so
    that `jax.grad` takes them for constants. Explicit gradients stay where they are;
    `remove_gradients` drops them.

    Arguments:
        tensor: any map; dynamic samples and gradients of gradients too.

    Raises:
        InvalidTypeError: for what is no map.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> slope = jax.grad(lambda t: jnp.sum(detach(t)[0].values * t[0].values ** 2))
        >>> slope(tensor)[0].values.ravel().tolist()
        [2.0, 2.0]
    """
    return _detached(check_map("detach", tensor))


def detach_block(block: TensorBlock) -> TensorBlock:
    """`detach` for one block.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> jax.grad(lambda b: jnp.sum(detach_block(b).values))(block).values.tolist()
        [[0.0], [0.0]]
    """
    return _detached(check_block("detach_block", block))


def requires_grad(tensor: TensorMap, requires_grad: bool = True) -> TensorMap:
    """Not in JAX: functions are differentiated, arrays do not ask for it.

    metatensor sets a flag of arrays of torch here. With ``requires_grad=False`` this is
    `detach`, as it is there; True, which has no meaning in JAX, is refused.

    Values and gradients: as for `detach`.

    Arguments:
        tensor: any map.
        requires_grad: False.

    Raises:
        InvalidError: for True; the message tells what to do instead.
        InvalidTypeError: for what is no bool, and for what is no map.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> slope = jax.grad(lambda t: jnp.sum(requires_grad(t, False)[0].values))
        >>> slope(tensor)[0].values.ravel().tolist()
        [0.0, 0.0]
    """
    check_map("requires_grad", tensor)
    refuse_requires_grad("requires_grad", requires_grad)
    return _detached(tensor)


def requires_grad_block(block: TensorBlock, requires_grad: bool = True) -> TensorBlock:
    """`requires_grad` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> requires_grad_block(block, False) == block
        True
    """
    check_block("requires_grad_block", block)
    refuse_requires_grad("requires_grad_block", requires_grad)
    return _detached(block)


def refuse_requires_grad(operation: str, given: Any) -> None:
    """Raise where metatensor's flag of arrays of torch is asked for."""
    if check_bool(operation, "requires_grad", given):
        raise InvalidError(
            compose(
                f"{operation}: arrays of JAX have no flag that asks for derivatives.",
                "found requires_grad=True",
                remedy="jax.grad(function)(tensor) differentiates a function of any map; "
                "detach(tensor) stops derivatives.",
            )
        )


def _detached(data: Any) -> Any:
    leaves = tuple(
        jax.lax.stop_gradient(leaf) if isinstance(leaf, Tracer) else leaf
        for leaf in data._leaves
    )
    return type(data)._view(data._layout, leaves)


def _remove(operation: str, data: Any, remove: str | Sequence[str] | None) -> Any:
    names = _names(operation, "to remove", remove)
    keep_them = names is None  # none of the names is kept, that is: no gradient
    plan = plan_for(bare(data._layout), _plan, operation, names or (), keep_them)
    return run(plan, data)


def plan_to_keep(
    operation: str, data: Any, gradients: str | Sequence[str] | None
) -> Plan[Any]:
    """The plan of a map or block with some of its gradients, with all of them for None."""
    names = _names(operation, "to keep", gradients)
    keep_them = names is not None
    return plan_for(bare(data._layout), _plan, operation, names or (), keep_them)


def _names(operation: str, purpose: str, given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    several = (given,) if isinstance(given, str) else given
    if not isinstance(several, Iterable) or getattr(several, "ndim", 1) == 0:
        raise InvalidTypeError(
            compose(
                f"{operation}: the gradients {purpose} are a name, or a list of them.",
                f"found {given!r}",
            )
        )
    return tuple(gradient_name(name, operation) for name in several)


def _plan(own: Any, operation: str, names: tuple[str, ...], keep_them: bool) -> Plan[Any]:
    """With only these gradients, or with all others."""

    def plan_block(part: BlockLayout, leaf: int, block: str) -> Any:
        for name in names:
            if name not in part.offsets:
                raise MissingError(
                    compose(
                        f"{operation}: {block} has no gradient {name!r}.",
                        choices(name, part.offsets),
                    )
                )
        kept = [g for g in part.gradients if (g[0] in names) == keep_them]
        steps: list[Step] = [keep(leaf + i) for i in range(2 if part.dynamic else 1)]
        for name, gradient in kept:
            start = leaf + part.offsets[name]
            steps += [keep(start + i) for i in range(gradient.size)]
        layout = block_layout(part.samples, part.components, part.properties, tuple(kept))
        return layout, steps

    return plan_of(own, *block_by_block(own, plan_block))
