"""The first difference between two pieces of metadata, told in the house's words."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Dynamic, Layout
from jaxmeta.errors import NotEqualError, compose


AXES = ("samples", "components", "properties")


def block_name(keys: Labels, index: int) -> str:
    """How messages name a block."""
    return f"block {keys.entry(index).print()}"


def labels_facts(left: Labels, right: Labels) -> tuple[str, str]:
    """Both sides of two different labels, and what to do about it."""
    if left._names != right._names:
        return (
            f"left has the names {left.names}, right has {right.names}",
            "rename_dimension() or permute_dimensions() one of them.",
        )
    common = min(len(left), len(right))
    unequal = np.flatnonzero((left.values[:common] != right.values[:common]).any(axis=1))
    row = int(unequal[0]) if unequal.size else common
    sides = [
        labels.entry(row).print() if row < len(labels) else "no entry"
        for labels in (left, right)
    ]
    facts = (
        f"left has {len(left)} entries, right has {len(right)}; "
        f"first difference at row {row}: {sides[0]} vs {sides[1]}"
    )
    if len(left) == len(right) and (left._index.find(right.values) >= 0).all():
        return facts, "they are the same entries in another order: sort() both."
    return facts, "slice() both to the entries that they have in common."


def check_same_labels(
    operation: str, block: str, axis: str, left: Labels, right: Labels
) -> None:
    """Raise when two labels are not the same, in the same order."""
    if left is not right:
        facts, remedy = labels_facts(left, right)
        where = f" of {block}" if block else ""
        raise NotEqualError(
            compose(f"{operation}: the {axis}{where} differ.", facts, remedy=remedy)
        )


def check_same_block(
    operation: str,
    block: str,
    left: BlockLayout,
    right: BlockLayout,
    check: Collection[str] = AXES,
    gradients: bool = True,
) -> None:
    """Raise when two blocks have different metadata, gradients included if asked."""
    if left is right:
        return
    if "samples" in check:
        _check_same_samples(operation, block, left, right)
    if "components" in check:
        _check_same_components(operation, block, left, right)
    if "properties" in check:
        check_same_labels(operation, block, "properties", left.properties, right.properties)
    if gradients:
        check_same_parameters(operation, block, left, right)
        for (name, own), (_, other) in zip(left.gradients, right.gradients, strict=True):
            inner = f"gradient {name!r} of {block}" if block else f"gradient {name!r}"
            check_same_block(operation, inner, own, other, check, gradients)


def _check_same_samples(
    operation: str, block: str, left: BlockLayout, right: BlockLayout
) -> None:
    own, other = left.samples, right.samples
    if isinstance(own, Dynamic) or isinstance(other, Dynamic):
        if own != other:
            raise NotEqualError(
                compose(
                    f"{operation}: the samples{f' of {block}' if block else ''} differ.",
                    f"left has {_kind(left)}, right has {_kind(right)}",
                    remedy="pad() or unpad() both sides alike.",
                )
            )
        return
    check_same_labels(operation, block, "samples", own, other)


def _kind(layout: BlockLayout) -> str:
    names = list(layout.sample_names)
    return f"dynamic samples {names}" if layout.dynamic else f"static samples {names}"


def _check_same_components(
    operation: str, block: str, left: BlockLayout, right: BlockLayout
) -> None:
    names = [[c.names[0] for c in side.components] for side in (left, right)]
    if names[0] != names[1]:
        raise NotEqualError(
            compose(
                f"{operation}: the components{f' of {block}' if block else ''} differ.",
                f"left has {names[0]}, right has {names[1]}",
                remedy="rename_dimension() one of them, if they mean the same.",
            )
        )
    for own, other in zip(left.components, right.components, strict=True):
        check_same_labels(operation, block, f"components {own.names[0]!r}", own, other)


def check_same_parameters(
    operation: str, block: str, left: BlockLayout, right: BlockLayout
) -> None:
    """Raise when two blocks have gradients with other names."""
    own = [name for name, _ in left.gradients]
    other = [name for name, _ in right.gradients]
    if own != other:
        raise NotEqualError(
            compose(
                f"{operation}: the gradients{f' of {block}' if block else ''} differ.",
                f"left has {own}, right has {other}",
                remedy="remove_gradients() drops those that are too many.",
            )
        )


_COMMON_KEYS = "filter_blocks() or drop_blocks() both to their common keys."


def matched_keys(
    operation: str, left: Layout, right: Layout, remedy: str = _COMMON_KEYS
) -> list[int]:
    """For each key of the left map, the position of the same key in the right one.

    Raises:
        NotEqualError: when the keys differ; for other entries it gives the remedy.
    """
    if left.keys is right.keys:
        return list(range(len(left.keys)))
    if left.keys._names == right.keys._names and len(left.keys) == len(right.keys):
        positions = right.keys._index.find(left.keys.values)
        if (positions >= 0).all():
            return [int(i) for i in positions]
    raise NotEqualError(_keys_message(operation, left.keys, right.keys, remedy))


def _keys_message(operation: str, left: Labels, right: Labels, remedy: str) -> str:
    what = f"{operation}: the keys differ."
    if left._names != right._names:
        facts, of_names = labels_facts(left, right)
        return compose(what, facts, remedy=of_names)
    only = [
        f"only {side} has {', '.join(entry.print() for entry in list(some)[:5])}"
        f"{' ...' if len(some) > 5 else ''}"
        for side, some in (
            ("left", left.difference(right)),
            ("right", right.difference(left)),
        )
        if len(some)
    ]
    return compose(
        what,
        f"left has {len(left)} keys, right has {len(right)}",
        *only,
        remedy=remedy,
    )


def check_same_map(
    operation: str,
    left: Layout,
    right: Layout,
    check: Collection[str] = AXES,
    gradients: bool = True,
) -> list[int]:
    """Raise when two maps have different metadata; the order of the keys is free.

    Returns, for each block of the left map, the position of the same block in the right.
    """
    positions = matched_keys(operation, left, right)
    for index, position in enumerate(positions):
        name = block_name(left.keys, index)
        check_same_block(
            operation, name, left.blocks[index], right.blocks[position], check, gradients
        )
    return positions
