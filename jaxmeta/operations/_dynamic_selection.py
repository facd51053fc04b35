"""Dynamic samples that stay or go: slices of them, and what is left put together."""

from __future__ import annotations

from jaxmeta.core import Labels
from jaxmeta.core.device._device_rows import Selected, as_they_are, packed
from jaxmeta.core.device._journeys import Journey
from jaxmeta.core.gradients._destinations import Destination
from jaxmeta.core.gradients._dynamic_rearrangement import (
    DynamicRearrangement,
    Faults,
    Planned,
    Under,
    in_place,
)
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.labels._names import check_dimensions
from jaxmeta.core.parts._taking import whole
from jaxmeta.errors import DynamicSamplesError, compose


def selected(operation: str, operand: Operand, wanted: Labels | bytes) -> Planned:
    """A block whose samples are padding where they are not selected."""
    part = operand.layout
    names = part.sample_names
    if not isinstance(wanted, Labels):
        raise DynamicSamplesError(
            compose(
                f"{operation}: the samples {list(names)} are dynamic, and have no fixed "
                "positions.",
                remedy="select by Labels with some of their names.",
            )
        )
    check_dimensions(operation, "samples", wanted.names, names)
    if not wanted.names:
        return whole(part, operand.leaf)
    columns = tuple(names.index(name) for name in wanted.names)
    rearrangement = DynamicRearrangement(
        Journey(Selected(columns), as_they_are),
        in_place,
        part.properties,
        Faults(operation, "default"),
        table=wanted,
    )
    return rearrangement.block([operand], names)


def compacted(operation: str, operand: Operand, asked: Destination) -> Planned:
    """A block whose rows stand one after another, padding behind them."""
    part = operand.layout
    rearrangement = DynamicRearrangement(
        Journey(packed, packed),
        Under(),
        part.properties,
        asked.faults(operation),
        dict(asked.capacities),
    )
    return rearrangement.block([operand], part.sample_names)
