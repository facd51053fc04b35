"""Gradients: dropping explicit gradient blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core._layout import BlockLayout, block_layout
from jaxmeta.core._names import gradient_name
from jaxmeta.core._plans import Plan, Step, keep, plan_for
from jaxmeta.core._results import bare, block_by_block, plan_of, run
from jaxmeta.errors import InvalidTypeError, MissingError, choices, compose
from jaxmeta.operations._arguments import check_block, check_map


def remove_gradients(
    tensor: TensorMap, remove: str | Sequence[str] | None = None
) -> TensorMap:
    """The same map without some gradients; values are shared, not copied.

    Arguments:
        tensor: any map.
        remove: names of the gradients that go; all of them by default.

    Raises:
        MissingError: for a name that is no gradient.

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


def _remove(operation: str, data: Any, remove: str | Sequence[str] | None) -> Any:
    names = None
    if remove is not None:
        given = (remove,) if isinstance(remove, str) else remove
        if not isinstance(given, Iterable):
            raise InvalidTypeError(
                compose(
                    f"{operation}: the gradients to remove are a name, or a list of them.",
                    f"found {remove!r}",
                )
            )
        names = tuple(gradient_name(name, operation) for name in given)
    return run(plan_for(bare(data._layout), _plan, operation, names), data)


def _plan(own: Any, operation: str, names: tuple[str, ...] | None) -> Plan[Any]:
    def plan_block(part: BlockLayout, leaf: int, block: str) -> Any:
        for name in names or ():
            if name not in part.offsets:
                raise MissingError(
                    compose(
                        f"{operation}: {block} has no gradient {name!r}.",
                        choices(name, part.offsets),
                    )
                )
        kept = [] if names is None else [g for g in part.gradients if g[0] not in names]
        steps: list[Step] = [keep(leaf + i) for i in range(2 if part.dynamic else 1)]
        for name, gradient in kept:
            start = leaf + part.offsets[name]
            steps += [keep(start + i) for i in range(gradient.size)]
        layout = block_layout(part.samples, part.components, part.properties, tuple(kept))
        return layout, steps

    return plan_of(own, *block_by_block(own, plan_block))
