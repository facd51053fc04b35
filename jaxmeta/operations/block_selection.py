"""Selection of blocks: parts of maps by key."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.labels._names import check_dimensions
from jaxmeta.core.layouts._layout import BlockLayout, Layout
from jaxmeta.core.parts._taking import some_blocks
from jaxmeta.core.plans._plans import Plan, plan_for
from jaxmeta.core.plans._results import bare, plan_of, run
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.operations._arguments import check_map


def drop_blocks(tensor: TensorMap, keys: Labels, copy: bool = False) -> TensorMap:
    """Leave out the blocks whose keys match.

    Values and gradients are those of the blocks that stay, in their order.

    Arguments:
        tensor: any map.
        keys: labels with some or all names of the keys; entries without a block are
            ignored.
        copy: duplicate arrays of numpy. Otherwise, and for arrays of JAX, which never
            change, the result shares them.

    Raises:
        MissingError: for names that the keys lack.
        InvalidTypeError: for keys that are no `Labels`, and a `copy` that is no bool.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((1, 1)), Labels.range("s", 1), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels(["a", "b"], [[0, 3], [1, 3], [0, 4]]), [block] * 3)
        >>> drop_blocks(tensor, Labels("a", [[0], [9]])).keys.values.tolist()
        [[1, 3]]
    """
    return _by_key("drop_blocks", tensor, keys, copy)


def filter_blocks(tensor: TensorMap, keys: Labels, copy: bool = False) -> TensorMap:
    """Keep only the blocks whose keys match.

    Values and gradients are those of the blocks. They come in the order of `keys` where
    these have all names in order, else in the order they had, as for `Labels.select`.

    Arguments and errors are those of `drop_blocks`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((1, 1)), Labels.range("s", 1), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels(["a", "b"], [[0, 3], [1, 3], [0, 4]]), [block] * 3)
        >>> filter_blocks(tensor, Labels("b", [[3]])).keys.values.tolist()
        [[0, 3], [1, 3]]
    """
    return _by_key("filter_blocks", tensor, keys, copy)


def drop_empty_blocks(tensor: TensorMap, copy: bool = False) -> TensorMap:
    """Leave out the blocks without samples or without properties.

    Values and gradients are those of the blocks that stay. A block with dynamic samples
    is empty if it has no room for any: how many rows are in use is not known here.

    Arguments:
        tensor: any map.
        copy: as for `drop_blocks`.

    Raises:
        InvalidTypeError: for what is no map, and a `copy` that is no bool.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> n = Labels.range("n", 1)
        >>> blocks = [
        ...     TensorBlock(jnp.ones((i, 1)), Labels.range("s", i), [], n) for i in (0, 2)
        ... ]
        >>> tensor = TensorMap(Labels("center_type", [[1], [8]]), blocks)
        >>> drop_empty_blocks(tensor).keys.values.tolist()
        [[8]]
    """
    operation = "drop_empty_blocks"
    own = bare(check_map(operation, tensor)._layout)
    no_room = tuple(
        index
        for index, block in enumerate(own.blocks)
        if block.dynamic and tensor._leaves[own.offsets[index]].shape[0] == 0
    )
    return _copied(
        operation, run(plan_for(own, _plan_without_empty, no_room), tensor), copy
    )


def _by_key(operation: str, tensor: TensorMap, keys: Labels, copy: bool) -> TensorMap:
    check_map(operation, tensor)
    if not isinstance(keys, Labels):
        raise InvalidTypeError(
            compose(
                f"{operation}: the keys must be Labels.",
                f"found {type(keys).__name__}",
                remedy="tensor.sel(keys=...) takes dictionaries, functions and positions.",
            )
        )
    plan = plan_for(bare(tensor._layout), _plan_by_key, operation, keys)
    return _copied(operation, run(plan, tensor), copy)


def _copied(operation: str, tensor: TensorMap, copy: Any) -> TensorMap:
    return tensor.copy() if check_bool(operation, "copy", copy) else tensor


def _plan_by_key(own: Layout, operation: str, keys: Labels) -> Plan[Any]:
    check_dimensions(operation, "keys", keys.names, own.keys.names)
    found = own.keys.select(keys)
    if operation == "drop_blocks":
        found = np.setdiff1d(np.arange(len(own.keys)), found, assume_unique=True)
    return plan_of(own, *some_blocks(own, found))


def _plan_without_empty(own: Layout, no_room: tuple[int, ...]) -> Plan[Any]:
    kept = [
        index
        for index, block in enumerate(own.blocks)
        if index not in no_room and not _is_empty(block)
    ]
    return plan_of(own, *some_blocks(own, np.array(kept, np.int64)))


def _is_empty(block: BlockLayout) -> bool:
    samples = block.samples
    rows = len(samples) if isinstance(samples, Labels) else 1
    return rows * len(block.properties) == 0
