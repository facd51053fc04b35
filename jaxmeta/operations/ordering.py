"""Ordering: labels in lexicographic order, and which different ones there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.core import Tracer

from jaxmeta.core import Labels, TensorBlock, TensorMap, unpad
from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.labels._names import check_dimensions, dimension_names
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import BlockLayout, Layout, layout
from jaxmeta.core.plans._plans import Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, plan_of, run
from jaxmeta.core.rows._rows import sorted_order, unique_rows
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    choices,
    compose,
)
from jaxmeta.operations._arguments import check_block, check_choice, check_map
from jaxmeta.operations._sorting import Sorting


BLOCK_AXES = ("samples", "components", "properties")
MAP_AXES = ("keys", *BLOCK_AXES)
METADATA = ("samples", "properties")


def sort(
    tensor: TensorMap, axes: str | Sequence[str] = "all", descending: bool = False
) -> TensorMap:
    r"""Put blocks, rows, components and properties in the order of their labels.

    Values: :math:`B_i = A_{\pi(i)}`, where :math:`\pi` sorts the labels of the axis
    lexicographically, as signed integers. Gradients: their components and properties
    likewise; a gradient row goes where its sample went, ``sample`` is renumbered, and then
    the gradient rows are sorted themselves. Gradients of gradients follow.

    Arguments:
        tensor: any map; its samples must be static if they are to be sorted.
        axes: ``"keys"``, ``"samples"``, ``"components"``, ``"properties"``, several of
            them, or ``"all"``. Components are sorted each on its own, those that only a
            gradient has too.
        descending: the largest labels first.

    Raises:
        InvalidError: for another axis.
        InvalidTypeError: for axes that are no names, and a `descending` that is no bool.
        DynamicSamplesError: for dynamic samples that are to be sorted.

    Example:
        >>> import jax.numpy as jnp
        >>> samples = Labels(["system", "atom"], [[1, 0], [0, 2], [0, -1]])
        >>> block = TensorBlock(
        ...     jnp.array([[1.0], [2.0], [3.0]]), samples, [], Labels.range("n", 1)
        ... )
        >>> ordered = sort(TensorMap(Labels.single(), [block]))[0]
        >>> ordered.samples["atom"].tolist(), ordered.values.ravel().tolist()
        ([-1, 2, 0], [3.0, 2.0, 1.0])
    """
    return _sort("sort", check_map("sort", tensor), axes, descending, MAP_AXES)


def sort_block(
    block: TensorBlock, axes: str | Sequence[str] = "all", descending: bool = False
) -> TensorBlock:
    """`sort` for one block; its axes are samples, components and properties.

    Example:
        >>> import jax.numpy as jnp
        >>> n = Labels("n", [[7], [-2]])
        >>> block = TensorBlock(jnp.array([[1.0, 2.0]]), Labels.range("s", 1), [], n)
        >>> sort_block(block, "properties").values.tolist()
        [[2.0, 1.0]]
    """
    operation = "sort_block"
    return _sort(operation, check_block(operation, block), axes, descending, BLOCK_AXES)


def unique_metadata(
    tensor: TensorMap, axis: str, names: str | Sequence[str], gradient: str | None = None
) -> Labels:
    """The different entries of some dimensions, over all blocks, sorted.

    Values and gradients are not looked at: the result is labels, made of labels alone.

    Arguments:
        tensor: any map; dynamic samples can be asked for outside of traced functions.
        axis: ``"samples"`` or ``"properties"``.
        names: the dimensions to look at, at least one, in the order of the result.
        gradient: look at the gradients of this name instead of the values; ``"a/b"`` is
            the gradient ``b`` of the gradient ``a``.

    Raises:
        MissingError: for a dimension or a gradient that is not there.
        InvalidError: for another axis, or no name at all.
        InvalidTypeError: for names that are no strings.
        DynamicSamplesError: for dynamic samples that are traced.

    Example:
        >>> import jax.numpy as jnp
        >>> samples = Labels(["system", "atom"], [[4, 0], [1, 0], [4, 1]])
        >>> block = TensorBlock(jnp.ones((3, 1)), samples, [], Labels.range("n", 1))
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> unique_metadata(tensor, "samples", "system").values.ravel().tolist()
        [1, 4]
    """
    operation = "unique_metadata"
    return _unique(operation, check_map(operation, tensor), axis, names, gradient)


def unique_metadata_block(
    block: TensorBlock, axis: str, names: str | Sequence[str], gradient: str | None = None
) -> Labels:
    """`unique_metadata` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> n = Labels(["n", "l"], [[1, 3], [0, 3]])
        >>> block = TensorBlock(jnp.ones((1, 2)), Labels.range("s", 1), [], n)
        >>> unique_metadata_block(block, "properties", ["l"]).values.tolist()
        [[3]]
    """
    operation = "unique_metadata_block"
    return _unique(operation, check_block(operation, block), axis, names, gradient)


# Sorting --------------------------------------------------------------------------------


def _sort(
    operation: str, data: Any, axes: Any, descending: Any, allowed: Sequence[str]
) -> Any:
    descending = check_bool(operation, "descending", descending)
    wanted = _checked_axes(operation, axes, allowed)
    plan = plan_for(bare(data._layout), _plan, operation, wanted, descending)
    return run(plan, data)


def _checked_axes(operation: str, axes: Any, allowed: Sequence[str]) -> frozenset[str]:
    if isinstance(axes, str):
        check_choice(operation, "axis", axes, (*allowed, "all"))
        return frozenset(allowed if axes == "all" else [axes])
    if not isinstance(axes, Sequence):
        raise InvalidTypeError(
            compose(
                f"{operation}: the axes are one name, or a list of names.",
                f"found {axes!r}, a {type(axes).__name__}",
            )
        )
    return frozenset(check_choice(operation, "axis", axis, allowed) for axis in axes)


def _plan(
    own: Layout | BlockLayout, operation: str, axes: frozenset[str], descending: bool
) -> Plan[Any]:
    sorting = Sorting(operation, axes, descending)
    if isinstance(own, BlockLayout):
        return plan_of(own, *sorting.block(own, 0))
    order = np.arange(len(own.keys))
    if "keys" in axes:
        order = sorted_order(own.keys.values, descending)
    steps: list[Step] = []
    blocks = []
    for index in order.tolist():
        block, below = sorting.block(own.blocks[index], own.offsets[index])
        blocks.append(block)
        steps += below
    keys = Labels(own.keys.names, own.keys.values[order], assume_unique=True)
    return plan_of(own, layout(keys, tuple(blocks)), steps)


# Unique metadata ------------------------------------------------------------------------


def _unique(operation: str, data: Any, axis: Any, names: Any, gradient: Any) -> Labels:
    if not isinstance(axis, str) or not isinstance(gradient, str | None):
        raise InvalidTypeError(
            compose(
                f"{operation}: axis and gradient are names.",
                f"found axis={axis!r} and gradient={gradient!r}",
            )
        )
    check_choice(operation, "axis", axis, METADATA)
    wanted = dimension_names(names, operation)
    if not wanted:
        raise InvalidError(
            compose(
                f"{operation}: no dimension is named, so that nothing could differ.",
                remedy=f"give one or more names of the {axis}.",
            )
        )
    if axis == "samples":
        data = _known_samples(operation, data)
    own = bare(data._layout)
    path = () if gradient is None else tuple(gradient.split("/"))
    key = (_unique_labels, (operation, axis, wanted, path))
    return own.plans.get(key, lambda: _unique_labels(own, *key[1]))


def _known_samples(operation: str, data: Any) -> Any:
    """The data with static samples: dynamic ones are known where nothing is traced."""
    layout = data._layout
    blocks = (layout,) if isinstance(layout, BlockLayout) else layout.blocks
    if not any(block.dynamic for block in blocks):
        return data
    if any(isinstance(leaf, Tracer) for leaf in data._leaves):
        raise DynamicSamplesError(
            compose(
                f"{operation}: the samples are traced by JAX, but labels are static.",
                remedy="call it outside of the traced function.",
            )
        )
    return unpad(data)


def _unique_labels(
    own: Layout | BlockLayout,
    operation: str,
    axis: str,
    names: tuple[str, ...],
    path: tuple[str, ...],
) -> Labels:
    single = isinstance(own, BlockLayout)
    blocks = (own,) if single else own.blocks
    several: dict[Labels, None] = {}  # labels that many blocks share are looked at once
    for index, block in enumerate(blocks):
        where = "the block" if single else block_name(own.keys, index)
        part = _gradient(operation, where, block, path)
        samples = axis == "samples"
        several[static_samples(part, operation) if samples else part.properties] = None
    tables = [np.zeros((0, len(names)), np.int32)]
    tables += [_columns(operation, axis, labels, names) for labels in several]
    rows, _ = unique_rows(np.concatenate(tables))
    return Labels(names, rows, assume_unique=True)


def _gradient(
    operation: str, where: str, block: BlockLayout, path: tuple[str, ...]
) -> BlockLayout:
    for name in path:
        if name not in block.gradient_layouts:
            raise MissingError(
                compose(
                    f"{operation}: {where} has no gradient {name!r}.",
                    choices(name, block.gradient_layouts),
                )
            )
        where = f"gradient {name!r} of {where}"
        block = block.gradient_layouts[name]
    return block


def _columns(
    operation: str, axis: str, labels: Labels, names: tuple[str, ...]
) -> np.ndarray:
    check_dimensions(operation, axis, names, labels.names)
    return labels.values[:, [labels.names.index(name) for name in names]]
