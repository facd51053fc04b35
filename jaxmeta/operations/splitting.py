"""Splitting: one map becomes several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._names import check_dimensions, dimension_names
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.parts._grouping import grouped, positions_of
from jaxmeta.core.parts._parts import Parts
from jaxmeta.core.parts._taking import Kept, Planned, some_blocks, take
from jaxmeta.core.plans._plans import Plan, plan_for
from jaxmeta.core.plans._results import bare
from jaxmeta.core.rows._rows import unique_rows
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.operations._arguments import check_block, check_choice, check_map
from jaxmeta.operations.selection import AXES, Selection, axis_labels, hashable, sliced


def split(tensor: TensorMap, axis: str, selections: Sequence[Selection]) -> list[TensorMap]:
    """Several slices of one map.

    Values and gradients: part ``i`` is ``slice(tensor, axis, selections[i])``; all parts
    are made together. Selections may overlap, and need not cover the axis.

    Arguments:
        tensor: any map; dynamic samples as for `slice`.
        axis: ``"samples"`` or ``"properties"``.
        selections: a list of what `slice` takes: `Labels`, or positions.

    Raises:
        InvalidTypeError: when the selections are no list, or one is of another kind.
        InvalidError, OutOfRangeError, MissingError, DynamicSamplesError: as for `slice`;
            the message tells which selection.

    Example:
        >>> import jax.numpy as jnp
        >>> rows, n = Labels.range("system", 3), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.arange(3.0)[:, None], rows, [], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> train, test = split(tensor, "samples", [[0, 1], Labels("system", [[2]])])
        >>> train[0].values.ravel().tolist(), test[0].values.ravel().tolist()
        ([0.0, 1.0], [2.0])
    """
    return _split("split", check_map("split", tensor), axis, selections)


def split_block(
    block: TensorBlock, axis: str, selections: Sequence[Selection]
) -> list[TensorBlock]:
    """`split` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> block = TensorBlock(
        ...     jnp.ones((3, 4)), Labels.range("s", 3), [], Labels.range("n", 4)
        ... )
        >>> [part.shape for part in split_block(block, "properties", [[0], [1, 2, 3]])]
        [(3, 1), (3, 3)]
    """
    return _split("split_block", check_block("split_block", block), axis, selections)


def _split(operation: str, data: Any, axis: str, selections: Any) -> list[Any]:
    check_choice(operation, "axis", axis, AXES)
    if not isinstance(selections, list | tuple):
        raise InvalidTypeError(
            compose(
                f"{operation}: the selections must be a list, with one for each part.",
                f"found {type(selections).__name__}",
                remedy="slice() makes one part from one selection.",
            )
        )
    wanted = tuple(
        hashable(f"{operation}{_which(number)}", axis, selection)
        for number, selection in enumerate(selections)
    )
    plan = plan_for(bare(data._layout), _plan_split, operation, axis, wanted)
    return _results(plan, data)


def _which(number: int) -> str:
    return f": selection {number}"


def _plan_split(
    own: Any, operation: str, axis: str, wanted: tuple[Labels | bytes, ...]
) -> Plan[Any]:
    return Parts(
        own,
        [
            sliced(own, operation, axis, selection, _which(number))
            for number, selection in enumerate(wanted)
        ],
    )


def _results(plan: Plan[Any], data: Any) -> list[Any]:
    assert isinstance(plan, Parts)
    return plan.parts_of(data)


def split_by(
    tensor: TensorMap, axis: str, names: str | Sequence[str]
) -> dict[Any, TensorMap]:
    """One map for each value of some dimensions, by value.

    Values and gradients: every sample (property, or block) is in exactly one part, the
    one of its value, where it has the labels and the order that it had; gradients as for
    `slice`. The parts of samples and properties have the keys of the map, and blocks
    without rows where a value does not occur in a block; those of keys have the blocks
    whose keys have the value.

    Arguments:
        tensor: any map; its samples must be static if it is split along them.
        axis: ``"samples"``, ``"properties"`` or ``"keys"``.
        names: a dimension of the axis, or several.

    Returns:
        A dictionary, sorted by value. Its keys are integers where `names` is one string,
        and tuples of integers where it is a list. ``list(parts.values())`` has the parts.

    Raises:
        MissingError: for names that the axis lacks.
        InvalidError: for another axis, or no names at all.
        InvalidTypeError: for names that are no strings.
        DynamicSamplesError: for dynamic samples.

    Example:
        >>> import jax.numpy as jnp
        >>> samples = Labels(["system", "atom"], [[5, 0], [2, 0], [5, 1]])
        >>> block = TensorBlock(
        ...     jnp.arange(3.0)[:, None], samples, [], Labels.range("n", 1)
        ... )
        >>> parts = split_by(TensorMap(Labels.single(), [block]), "samples", "system")
        >>> {system: part[0].values.ravel().tolist() for system, part in parts.items()}
        {2: [1.0], 5: [0.0, 2.0]}
        >>> parts[5][0].samples.values.tolist()
        [[5, 0], [5, 1]]
    """
    check_choice("split_by", "axis", axis, (*AXES, "keys"))
    return _split_by("split_by", check_map("split_by", tensor), axis, names)


def split_by_block(
    block: TensorBlock, axis: str, names: str | Sequence[str]
) -> dict[Any, TensorBlock]:
    """`split_by` for one block, along samples or properties.

    Example:
        >>> import jax.numpy as jnp
        >>> properties = Labels(["l", "n"], [[0, 0], [0, 1], [1, 0]])
        >>> block = TensorBlock(jnp.ones((2, 3)), Labels.range("s", 2), [], properties)
        >>> {l: part.shape for l, part in split_by_block(block, "properties", "l").items()}
        {0: (2, 2), 1: (2, 1)}
    """
    check_choice("split_by_block", "axis", axis, AXES)
    return _split_by("split_by_block", check_block("split_by_block", block), axis, names)


def _split_by(operation: str, data: Any, axis: str, names: Any) -> dict[Any, Any]:
    found = dimension_names(names, operation)
    if not found:
        raise InvalidError(
            compose(
                f"{operation}: there is no dimension to split by.",
                f"the names are {names!r}",
                remedy=f"name one of the {axis}, or several.",
            )
        )
    plan = plan_for(bare(data._layout), _plan_split_by, operation, axis, found)
    parts = _results(plan, data)
    assert isinstance(plan, Parts)
    values = plan.values
    keys = [row[0] for row in values] if isinstance(names, str) else values
    return dict(zip(keys, parts, strict=True))


def _plan_split_by(
    own: Any, operation: str, axis: str, names: tuple[str, ...]
) -> Plan[Any]:
    if axis == "keys":
        values, (group,) = _groups(operation, axis, [own.keys], names)
        parts = [some_blocks(own, kept) for kept in positions_of(group, len(values))]
        return Parts(own, parts, values)
    alone = isinstance(own, BlockLayout)
    blocks = [(own, 0)] if alone else list(zip(own.blocks, own.offsets, strict=False))
    labels = [axis_labels(operation, axis, part) for part, _ in blocks]
    values, groups = _groups(operation, axis, labels, names)
    planned = [
        _parts(operation, axis, part, leaf, group, len(values))
        for (part, leaf), group in zip(blocks, groups, strict=True)
    ]
    if alone:
        return Parts(own, planned[0], values)
    everything = np.arange(len(blocks))
    parts = [some_blocks(own, everything, part) for part in zip(*planned, strict=True)]
    return Parts(own, parts, values)


def _groups(
    operation: str, axis: str, labels: Sequence[Labels], names: tuple[str, ...]
) -> tuple[list[tuple[int, ...]], list[np.ndarray]]:
    """All values, sorted; and for each of the labels which value every entry has."""
    for one in labels:
        check_dimensions(operation, axis, names, one.names)
    if not labels:
        return [], []
    columns = [np.stack([one.column(name) for name in names], axis=1) for one in labels]
    rows, group = unique_rows(np.concatenate(columns))
    ends = np.cumsum([len(one) for one in labels])[:-1]
    return [tuple(row) for row in rows.tolist()], np.split(group, ends)


def _parts(
    operation: str, axis: str, part: BlockLayout, leaf: int, group: np.ndarray, count: int
) -> list[Planned]:
    if axis == "samples":
        return grouped(operation, part, leaf, group, count)
    return [
        take(operation, part, leaf, Kept(properties=kept))
        for kept in positions_of(group, count)
    ]
