"""Dynamic samples that become one: sums and means whose rows are found by the program."""

from __future__ import annotations

import dataclasses
from typing import Any

from jaxmeta.core.device._device_rows import distinct
from jaxmeta.core.device._journeys import Journey
from jaxmeta.core.gradients._destinations import Destination
from jaxmeta.core.gradients._dynamic_rearrangement import (
    DynamicRearrangement,
    Planned,
    added,
    averaged,
    centred,
)
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.plans._plans import Step, keep


@dataclasses.dataclass(frozen=True)
class DynamicGroups:
    """The samples of the result, found when the program runs.

    Arguments:
        operation: for messages.
        names: of the dimensions that disappear.
        asked: the samples that are wanted.
        leaf: where these are, if they are dynamic.
    """

    operation: str
    names: tuple[str, ...]
    asked: Destination
    leaf: int

    def added_up(self, operand: Operand, mean: bool) -> Planned:
        """The block of sums or means, and its steps."""
        rearrangement, names = self._rearrangement(
            operand.layout, averaged if mean else added
        )
        return rearrangement.block([operand], names)

    def centred(self, operand: Operand) -> Step:
        """The step that takes its mean from every row of the values."""
        rearrangement, names = self._rearrangement(operand.layout, centred)
        _, steps = rearrangement.block([operand], names)
        return steps[0]

    def after(self, steps: list[Step]) -> tuple[DynamicGroups, list[Step]]:
        """The groups among what some steps give: the table of rows comes after them."""
        if not isinstance(self.asked.table(self.leaf), int):
            return self, steps
        moved = dataclasses.replace(self, leaf=len(steps))
        return moved, [*steps, keep(self.leaf)]

    def _rearrangement(
        self, part: BlockLayout, combine: Any
    ) -> tuple[DynamicRearrangement, tuple[str, ...]]:
        before = part.sample_names
        kept = [i for i, name in enumerate(before) if name not in self.names]
        names = tuple(before[i] for i in kept) or ("_",)
        finds = self.asked.finds(self.operation, names, before)
        # An owner may be one of the dimensions that disappear.
        columns = None if self.asked.owner is not None else tuple(kept)
        rearrangement = DynamicRearrangement(
            Journey(finds, distinct, columns=columns),
            combine,
            part.properties,
            self.asked.faults(self.operation),
            dict(self.asked.capacities),
            self.asked.table(self.leaf),
        )
        return rearrangement, self.asked.names or names
