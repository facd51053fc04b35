"""Joining: several maps or blocks become one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.blocks._map_checks import check_same_names
from jaxmeta.core.device._device_checks import Mode, mode
from jaxmeta.core.gradients._arrangements import SideBySide, Stacked
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import Rearrangement, Source, static_samples
from jaxmeta.core.labels._names import dimension_names
from jaxmeta.core.layouts._differences import (
    block_name,
    check_same_block,
    check_same_labels,
    check_same_parameters,
)
from jaxmeta.core.layouts._layout import BlockLayout, Layout, layout
from jaxmeta.core.moves._dynamic_moves import aligned, under_each_other
from jaxmeta.core.plans._key_choices import DifferentKeys, check_different_keys, common_keys
from jaxmeta.core.plans._plans import Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, plan_of, run
from jaxmeta.errors import InvalidError, InvalidTypeError, NotEqualError, compose
from jaxmeta.operations._arguments import check_block, check_choice, check_map


AXES = ("samples", "properties")


def join(
    tensors: Sequence[TensorMap],
    axis: str,
    different_keys: DifferentKeys = "error",
    add_dimension: str | None = None,
) -> TensorMap:
    """Join maps along the samples or the properties, block by block.

    Values: rows under each other (``"samples"``), or properties side by side
    (``"properties"``), in the order of the maps; nothing is sorted.

    Gradients: the same; ``sample`` is renumbered. Side by side, the gradient samples are
    the union, and rows that one map lacks are zero. Gradients of gradients follow.

    Arguments:
        tensors: one or more maps; a single one is returned as it is, unless there is a
            dimension to add.
        axis: ``"samples"`` or ``"properties"``.
        different_keys: when maps have different keys: ``"error"``, keep only the keys of
            all maps (``"intersection"``), or the keys of any map (``"union"``).
        add_dimension: name of a new last dimension of the joined axis that holds the
            position of the map. Without it the joined labels must be unique. Properties
            with different names in different maps become ``joined_index, property``.

    Raises:
        NotEqualError: when keys, the other axes or the gradients differ.
        InvalidError: when the result would hold an entry twice, or for other names of
            samples; for no map at all, and for another axis or `different_keys`; when
            blocks that one map alone has are not of the kind of the others.
        InvalidTypeError: for what is no list of maps, for dtypes that differ, and for an
            `add_dimension` that is no name.
        DynamicSamplesError: for dynamic samples beside static ones.

    Example:
        >>> import jax.numpy as jnp
        >>> def energies(system):
        ...     samples = Labels("system", [[system]])
        ...     block = TensorBlock(jnp.ones((1, 1)), samples, [], Labels.range("n", 1))
        ...     return TensorMap(Labels.single(), [block])
        >>> join([energies(3), energies(5)], "samples")[0].samples["system"].tolist()
        [3, 5]
    """
    tensors = _checked("join", tensors, check_map)
    check_choice("join", "axis", axis, AXES)
    check_different_keys("join", different_keys)
    _check_name("join", add_dimension)
    if len(tensors) == 1 and add_dimension is None:
        return tensors[0]
    layouts = tuple(bare(tensor._layout) for tensor in tensors)
    how = _How("join", axis, add_dimension, mode())
    plan = plan_for(layouts[0], _plan_maps, layouts[1:], how, different_keys)
    return run(plan, tensors[0], tensors[1:])


def join_blocks(
    blocks: Sequence[TensorBlock], axis: str, add_dimension: str | None = None
) -> TensorBlock:
    """`join` for blocks.

    Example:
        >>> import jax.numpy as jnp
        >>> block = TensorBlock(
        ...     jnp.ones((3, 2)), Labels.range("s", 3), [], Labels.range("n", 2)
        ... )
        >>> join_blocks([block, block], "samples", add_dimension="part").samples.names
        ['s', 'part']
    """
    blocks = _checked("join_blocks", blocks, check_block)
    _check_name("join_blocks", add_dimension)
    check_choice("join_blocks", "axis", axis, AXES)
    if len(blocks) == 1 and add_dimension is None:
        return blocks[0]
    layouts = tuple(block._layout for block in blocks)
    how = _How("join_blocks", axis, add_dimension, mode())
    plan = plan_for(layouts[0], _plan_blocks, layouts[1:], how)
    return run(plan, blocks[0], blocks[1:])


def _check_name(operation: str, add_dimension: Any) -> None:
    if add_dimension is not None and not isinstance(add_dimension, str):
        raise InvalidTypeError(
            compose(
                f"{operation}: add_dimension= must be the name of a dimension.",
                f"found {type(add_dimension).__name__}",
            )
        )


def _checked(operation: str, several: Any, check: Any) -> list[Any]:
    if isinstance(several, TensorMap | TensorBlock) or not isinstance(several, Sequence):
        raise InvalidTypeError(
            compose(
                f"{operation}: the first argument must be a list.",
                f"found {type(several).__name__}",
            )
        )
    if not several:
        raise InvalidError(compose(f"{operation}: there is nothing to join."))
    found = [check(operation, one) for one in several]
    dtypes = {str(one.dtype) for one in found if one.dtype is not None}
    if len(dtypes) > 1:
        raise InvalidTypeError(
            compose(
                f"{operation}: all must have the same dtype.",
                f"found {', '.join(sorted(dtypes))}",
                remedy="convert on purpose: tensor.to(dtype=...).",
            )
        )
    return found


# A part is the position of a map among those joined, its layout and its first leaf.
_Part = tuple[int, BlockLayout, int]


@dataclasses.dataclass(frozen=True)
class _How:
    """How blocks are joined; `alike` says that all properties have the same names."""

    operation: str
    axis: str
    add_dimension: str | None
    mode: Mode
    alike: bool = True


def _plan_blocks(
    first: BlockLayout, others: tuple[BlockLayout, ...], how: _How
) -> Plan[Any]:
    layouts = (first, *others)
    starts = np.cumsum([0, *[part.size for part in layouts]]).tolist()
    parts = [(i, part, starts[i]) for i, part in enumerate(layouts)]
    how = dataclasses.replace(how, alike=_are_alike(layouts))
    return plan_of(first, *_joined(how, "", parts))


def _plan_maps(
    first: Layout,
    others: tuple[Layout, ...],
    how: _How,
    different_keys: DifferentKeys,
) -> Plan[Any]:
    maps = (first, *others)
    starts = np.cumsum([0, *[one.size for one in maps]]).tolist()
    keys = common_keys("join", maps, different_keys)
    positions = [one.keys._index.find(keys.values) for one in maps]
    alike = _are_alike([block for one in maps for block in one.blocks])
    how = dataclasses.replace(how, alike=alike)
    steps: list[Step] = []
    blocks = []
    for index in range(len(keys)):
        parts = [
            (i, one.blocks[found[index]], starts[i] + one.offsets[found[index]])
            for i, (one, found) in enumerate(zip(maps, positions, strict=True))
            if found[index] >= 0
        ]
        block, below = _joined(how, block_name(keys, index), parts)
        blocks.append(block)
        steps += below
    # Blocks that one map alone has are not compared with any other before.
    check_same_names("join", keys, blocks)
    return plan_of(first, layout(keys, tuple(blocks)), steps)


def _are_alike(blocks: Sequence[BlockLayout]) -> bool:
    """Whether the properties of all of them have the same names."""
    return len({block.properties._names for block in blocks}) <= 1


def _joined(how: _How, name: str, parts: list[_Part]) -> tuple[BlockLayout, list[Step]]:
    for _, part, _ in parts[1:]:
        _check_alike(how.operation, name, parts[0][1], part)
    if how.axis == "samples":
        return _under_each_other(how, name, parts)
    return _beside_each_other(how, name, parts)


def _check_alike(operation: str, name: str, left: BlockLayout, right: BlockLayout) -> None:
    """Components and gradients must be the same; sample names too."""
    check_same_block(operation, name, left, right, ("components",), gradients=False)
    check_same_parameters(operation, name, left, right)
    if left.sample_names != right.sample_names:
        raise InvalidError(
            compose(
                f"{operation}: the sample names{f' of {name}' if name else ''} differ.",
                f"left has {list(left.sample_names)}, right has {list(right.sample_names)}",
                remedy="rename or insert dimensions, so that both have the same.",
            )
        )
    for (parameter, own), (_, other) in zip(left.gradients, right.gradients, strict=True):
        inner = f"gradient {parameter!r}{f' of {name}' if name else ''}"
        _check_alike(operation, inner, own, other)


def _under_each_other(
    how: _How, name: str, parts: list[_Part]
) -> tuple[BlockLayout, list[Step]]:
    operation, first = how.operation, parts[0][1]
    for _, part, _ in parts[1:]:
        check_same_labels(operation, name, "properties", first.properties, part.properties)
    if any(part.dynamic for _, part, _ in parts):
        return _dynamic_under_each_other(how, parts)
    labels = [(i, static_samples(part, operation)) for i, part, _ in parts]
    samples = _concatenated(how, name, "samples", labels)
    sources = []
    start = 0
    for _, part, leaf in parts:
        rows = len(static_samples(part, operation))
        sources.append(Source(part, leaf, np.arange(start, start + rows)))
        start += rows
    return Rearrangement(Stacked(None, 0.0), first.properties, "distinct").block(
        sources, samples
    )


def _dynamic_under_each_other(
    how: _How, parts: list[_Part]
) -> tuple[BlockLayout, list[Step]]:
    first = parts[0][1]
    names = first.sample_names
    appended: list[tuple[int, ...]] = [() for _ in parts]
    if how.add_dimension is not None:
        names = dimension_names((*names, how.add_dimension), how.operation)
        appended = [(number,) for number, _, _ in parts]
    sources = [Operand(part, leaf) for _, part, leaf in parts]
    return under_each_other(how.operation, sources, names, appended, first.properties)


def _concatenated(
    how: _How, name: str, axis: str, several: list[tuple[int, Labels]]
) -> Labels:
    names = several[0][1].names
    tables = [labels.values for _, labels in several]
    if how.add_dimension is not None:
        names = [*names, how.add_dimension]
        tables = [
            np.insert(table, table.shape[1], i, axis=1)
            for (i, _), table in zip(several, tables, strict=True)
        ]
    try:
        return Labels(names, np.concatenate(tables))
    except InvalidError as error:
        raise InvalidError(
            compose(
                f"{how.operation}: the joined {axis}{f' of {name}' if name else ''} are no "
                "valid labels.",
                str(error),
                remedy="add_dimension= adds one that tells the tensors apart.",
            )
        ) from error


def _beside_each_other(
    how: _How, name: str, parts: list[_Part]
) -> tuple[BlockLayout, list[Step]]:
    operation, first = how.operation, parts[0][1]
    for _, part, _ in parts[1:]:
        check_same_block(operation, name, first, part, ("samples",), gradients=False)
    labels = [(i, part.properties) for i, part, _ in parts]
    if how.alike:
        properties = _concatenated(how, name, "properties", labels)
    else:
        properties = _renamed(labels, how.add_dimension)
    if first.dynamic:
        sources = [Operand(part, leaf) for _, part, leaf in parts]
        return aligned(operation, sources, properties, how.mode)
    samples = static_samples(first, operation)
    arrangement = SideBySide(
        range(len(parts)), [len(properties) for _, properties in labels], 0.0
    )
    rows = np.arange(len(samples))
    sources = [Source(part, leaf, rows) for _, part, leaf in parts]
    return Rearrangement(arrangement, properties, "first").block(sources, samples)


def _renamed(several: list[tuple[int, Labels]], add_dimension: str | None) -> Labels:
    """Properties with different names: which map, and which of its properties."""
    if add_dimension is not None:
        raise NotEqualError(
            compose(
                "join: the property names differ, and a dimension was to be added.",
                f"found {[labels.names for _, labels in several]}",
                remedy="rename the dimensions, or leave out add_dimension=: the properties "
                "then become joined_index, property.",
            )
        )
    rows = [(i, k) for i, labels in several for k in range(len(labels))]
    table = np.array(rows, np.int32).reshape(-1, 2)
    return Labels(["joined_index", "property"], table, assume_unique=True)
