"""The plan of `sel`: some keys, samples, components and properties at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.labels._entry import LabelsEntry
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import BlockLayout, Layout
from jaxmeta.core.parts._queries import Found, Masks, Place, Query, query
from jaxmeta.core.parts._taking import Kept, Planned, some_blocks, take
from jaxmeta.core.plans._plans import Plan, plan_for
from jaxmeta.core.plans._results import bare, plan_of, run
from jaxmeta.errors import InvalidError, compose


@dataclasses.dataclass(frozen=True)
class Selection:
    """What is asked of each axis, and of each component that is named."""

    keys: Query | None
    samples: Query | None
    components: tuple[tuple[str, Query], ...]
    properties: Query | None


def sel(data: Any, keys: Any, samples: Any, components: Any, properties: Any) -> Any:
    """See `TensorMap.sel` and `TensorBlock.sel`."""
    operation = f"{type(data).__name__}.sel"
    own = bare(data._layout)
    asked = _Asked(operation, own, _of_keys(operation, own, keys))
    selection = Selection(
        asked.keys,
        asked.of_samples(samples),
        asked.of_components(components),
        asked.of_properties(properties),
    )
    return run(plan_for(own, _plan, operation, selection), data)


def _of_keys(operation: str, own: Layout | BlockLayout, keys: Any) -> Query | None:
    if keys is None or isinstance(own, BlockLayout):
        return None
    found = query(operation, "keys", keys, own.keys.names)
    if isinstance(found, Masks):
        positions = found.find(own.keys, Place(operation, "the keys"))
        return Found((positions.tobytes(),))
    return found


@dataclasses.dataclass
class _Asked:
    """What is asked of a layout: selections made into queries.

    Masks are evaluated here, for the blocks whose keys are kept.
    """

    operation: str
    own: Layout | BlockLayout
    keys: Query | None

    @property
    def first(self) -> BlockLayout | None:
        """A block that tells the names along the axes; all blocks have the same."""
        if isinstance(self.own, BlockLayout):
            return self.own
        return self.own.blocks[0] if self.own.blocks else None

    @cached_property
    def blocks(self) -> list[tuple[str, BlockLayout]]:
        """Name and layout of the blocks whose keys are kept."""
        own = self.own
        if isinstance(own, BlockLayout):
            return [("the block", own)]
        kept = _kept_keys(self.operation, own, self.keys).tolist()
        return [(block_name(own.keys, i), own.blocks[i]) for i in kept]

    def of_samples(self, selection: Any) -> Query | None:
        names = None if self.first is None else self.first.sample_names
        return self._of_axis(
            "samples", selection, names, lambda part: static_samples(part, self.operation)
        )

    def of_properties(self, selection: Any) -> Query | None:
        names = None if self.first is None else self.first.properties.names
        return self._of_axis("properties", selection, names, lambda part: part.properties)

    def of_components(self, selection: Any) -> tuple[tuple[str, Query], ...]:
        if selection is None:
            return ()
        names = None if self.first is None else self.first.component_names
        found = []
        for name, one in _by_component(self.operation, selection, names):
            wanted = self._of_axis(
                "components", one, names, lambda part, name=name: _component(part, name)
            )
            found += [] if wanted is None else [(name, wanted)]
        return tuple(found)

    def _of_axis(
        self,
        axis: str,
        selection: Any,
        names: Sequence[str] | None,
        labels_of: Callable[[BlockLayout], Labels],
    ) -> Query | None:
        if selection is None:
            return None
        found = query(self.operation, axis, selection, names)
        if not isinstance(found, Masks):
            return found
        if found.constant and len(self.blocks) != 1:
            raise _one_mask_for_all(self.operation, axis, len(self.blocks))
        positions = []
        for name, part in self.blocks:
            place = Place(self.operation, f"the {axis} of {name}")
            positions.append(found.find(labels_of(part), place).tobytes())
        return Found(tuple(positions))


def _one_mask_for_all(operation: str, axis: str, blocks: int) -> InvalidError:
    return InvalidError(
        compose(
            f"{operation}: one mask of the {axis} can not be meant for {blocks} blocks.",
            remedy="give a function, which is asked for every block, as in "
            f'{axis}=lambda labels: labels["system"] > 3.',
        )
    )


def _component(part: BlockLayout, name: str) -> Labels:
    return part.components[part.component_names.index(name)]


def _by_component(
    operation: str, selection: Any, names: Sequence[str] | None
) -> list[tuple[str, Any]]:
    """The selections of single components, by name."""
    if isinstance(selection, Mapping):
        return [(name, {name: value}) for name, value in selection.items()]
    if isinstance(selection, Labels | LabelsEntry):
        names = selection.names
    if names is None:
        return []
    if len(names) != 1:
        raise InvalidError(
            compose(
                f"{operation}: this selection of components must be of one of them.",
                f"it is of {list(names)}",
                remedy='name them, as in components={"o3_mu": [0, 1]}.',
            )
        )
    return [(names[0], selection)]


def _kept_keys(operation: str, own: Layout, keys: Query | None) -> np.ndarray:
    if keys is None:
        return np.arange(len(own.keys))
    return keys.find(own.keys, Place(operation, "the keys"))


def _plan(own: Any, operation: str, selection: Selection) -> Plan[Any]:
    def plan_block(number: int, name: str, part: BlockLayout, leaf: int) -> Planned:
        return take(operation, part, leaf, _kept(operation, number, name, part, selection))

    if isinstance(own, BlockLayout):
        return plan_of(own, *plan_block(0, "the block", own, 0))
    positions = _kept_keys(operation, own, selection.keys)
    planned = [
        plan_block(number, block_name(own.keys, i), own.blocks[i], own.offsets[i])
        for number, i in enumerate(positions.tolist())
    ]
    return plan_of(own, *some_blocks(own, positions, planned))


def _kept(
    operation: str, number: int, name: str, part: BlockLayout, selection: Selection
) -> Kept:
    def find(wanted: Query, labels: Labels, axis: str) -> np.ndarray:
        return wanted.find(labels, Place(operation, f"the {axis} of {name}", number))

    samples = properties = None
    if selection.samples is not None:
        labels = static_samples(part, operation)
        samples = find(selection.samples, labels, "samples")
    if selection.properties is not None:
        properties = find(selection.properties, part.properties, "properties")
    components = {}
    for component, wanted in selection.components:
        axis = part.component_names.index(component)
        labels = part.components[axis]
        components[axis] = find(wanted, labels, f"component {component!r}")
        if len(components[axis]) == 0:
            raise _no_entry_left(operation, name, labels)
    return Kept(samples, components, properties)


def _no_entry_left(operation: str, block: str, labels: Labels) -> InvalidError:
    there = labels.values[:10, 0].tolist()
    more = ", ..." if len(labels) > len(there) else ""
    return InvalidError(
        compose(
            f"{operation}: no entry of component {labels.names[0]!r} of {block} is left.",
            f"the entries are {', '.join(map(str, there))}{more}",
            remedy="a component has one entry at least: select one that is there.",
        )
    )
