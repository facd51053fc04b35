"""Labels with other dimensions: one change for an axis of all blocks, arrays untouched."""

from __future__ import annotations

import itertools
from typing import Any

from jaxmeta.core import Labels
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import (
    BlockLayout,
    Dynamic,
    Gradients,
    Layout,
    Samples,
    block_layout,
    layout,
)
from jaxmeta.core.plans._plans import Plan, keep
from jaxmeta.core.plans._results import plan_of
from jaxmeta.errors import InvalidError, compose
from jaxmeta.operations._changes import Change
from jaxmeta.operations._changes_of_rows import changed_rows, check_rows


def plan(own: Layout, change: Change) -> Plan[Any]:
    """The map with changed labels: every array is handed through, but dynamic samples."""
    keys, blocks = own.keys, own.blocks
    steps = [keep(i) for i in range(own.size)]
    if change.axis == "keys":
        keys = change.labels(keys, 0, "the keys")
    else:
        make = _BLOCKS[change.axis]
        blocks = tuple(
            make(change, part, index, block_name(keys, index))
            for index, part in enumerate(blocks)
        )
        if change.axis == "samples" and change.renamed is None:
            for leaf in _dynamic_samples(own):
                steps[leaf] = changed_rows(change, leaf)
    return plan_of(own, layout(keys, blocks), steps)


def _dynamic_samples(own: Layout) -> list[int]:
    """The leaves with the samples of the values."""
    starts = itertools.accumulate([part.size for part in own.blocks], initial=0)
    return [
        start + 1
        for start, part in zip(starts, own.blocks, strict=False)
        if isinstance(part.samples, Dynamic)
    ]


def _with_samples(change: Change, part: BlockLayout, index: int, name: str) -> BlockLayout:
    renamed = change.renamed
    gradients = part.gradients
    if renamed is not None:
        gradients = _renamed(change.operation, *renamed, gradients, name)
    if isinstance(part.samples, Dynamic):
        check_rows(change, name)
        samples: Samples = Dynamic(change.names)
    else:
        samples = change.labels(part.samples, index, f"the samples of {name}")
    return block_layout(samples, part.components, part.properties, gradients)


def _renamed(
    operation: str, old: str, new: str, gradients: Gradients, name: str
) -> Gradients:
    """The gradients with another name for a dimension of their samples."""
    result = []
    for parameter, part in gradients:
        where = f"gradient {parameter!r} of {name}"
        samples = _renamed_samples(operation, old, new, part, where)
        below = _renamed(operation, old, new, part.gradients, where)
        layout = block_layout(samples, part.components, part.properties, below)
        result.append((parameter, layout))
    return tuple(result)


def _renamed_samples(
    operation: str, old: str, new: str, part: BlockLayout, where: str
) -> Samples:
    # The first dimension counts rows: it is ``sample``, whatever labels are called.
    first, *others = part.sample_names
    if old not in others:
        return part.samples
    if new in part.sample_names:
        raise InvalidError(
            compose(
                f"{operation}: the samples of {where} have a dimension {new!r} already.",
                f"they are {[first, *others]}, and {old!r} would get the same name",
                remedy="choose another name, or remove_gradients() first.",
            )
        )
    names = (first, *[new if name == old else name for name in others])
    if isinstance(part.samples, Dynamic):
        return Dynamic(names)
    return Labels(names, part.samples.values, assume_unique=True)


def _with_properties(
    change: Change, part: BlockLayout, index: int, name: str
) -> BlockLayout:
    new = change.labels(part.properties, index, f"the properties of {name}")
    return _with_these_properties(part, new)


def _with_these_properties(part: BlockLayout, properties: Labels) -> BlockLayout:
    gradients = tuple(
        (name, _with_these_properties(gradient, properties))
        for name, gradient in part.gradients
    )
    return block_layout(part.samples, part.components, properties, gradients)


def _with_components(
    change: Change, part: BlockLayout, index: int, name: str
) -> BlockLayout:
    """The component changed wherever it stands, so that gradients keep their parents'."""
    (old,), (new,) = change.old, change.names
    names = [component.names[0] for component in part.components]
    if old in names and old != new and new in names:
        raise InvalidError(
            compose(
                f"{change.operation}: {name} has a component {new!r} already.",
                f"the components are {names}, and {old!r} would get the same name",
                remedy="choose another name.",
            )
        )
    components = tuple(
        change.labels(component, index, f"the components {old!r} of {name}")
        if component.names == [old]
        else component
        for component in part.components
    )
    gradients = tuple(
        (g, _with_components(change, layout, index, f"gradient {g!r} of {name}"))
        for g, layout in part.gradients
    )
    return block_layout(part.samples, components, part.properties, gradients)


_BLOCKS = {
    "samples": _with_samples,
    "components": _with_components,
    "properties": _with_properties,
}
