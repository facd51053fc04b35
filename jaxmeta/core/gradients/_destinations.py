"""Where dynamic samples go that become others: what ``into=``, ``capacity=`` and ``owner=``
say to an operation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from jaxmeta.core.device._device_checks import Mode, mode, without_place
from jaxmeta.core.device._device_rows import Places, distinct, found_in, placed_at
from jaxmeta.core.device._journeys import Finds
from jaxmeta.core.gradients._dynamic_rearrangement import Faults
from jaxmeta.core.labels._dynamic import DynamicLabels
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.labels._names import check_dimensions
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    choices,
    compose,
)


Into: TypeAlias = Labels | DynamicLabels
Capacity: TypeAlias = int | Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Destination:
    """The samples that an operation should give, as far as they are asked for.

    Arguments:
        into: the samples of the result: labels, or the names of dynamic ones, which are
            an extra leaf of the operation; None for whichever there will be.
        owner: the dimension that holds a position in them.
        capacities: room for samples and gradient rows, by name.
        mode: what becomes of faults found on the device.
    """

    into: Labels | tuple[str, ...] | None = None
    owner: str | None = None
    capacities: tuple[tuple[str, int], ...] = ()
    mode: Mode = "default"

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the samples asked for."""
        return self.into._names if isinstance(self.into, Labels) else self.into

    def faults(self, operation: str) -> Faults:
        """What is looked for when rows have gone."""
        lost = None if self.into is None else without_place
        return Faults(operation, self.mode, lost)

    def table(self, leaf: int) -> Labels | int | None:
        """Where the rows asked for are: `leaf` is the extra one."""
        return leaf if isinstance(self.into, tuple) else self.into

    def finds(self, operation: str, names: Sequence[str], before: Sequence[str]) -> Finds:
        """How samples of some names find their places.

        Arguments:
            operation: for messages.
            names: what the samples are called once some dimensions are gone.
            before: what they were called, where the owner is found.
        """
        if self.into is None:
            return distinct
        if self.owner is not None:
            check_dimensions(operation, "samples", [self.owner], before)
            return AtOwner(before.index(self.owner))
        if tuple(names) != self.names:
            raise InvalidError(
                compose(
                    f"{operation}: the labels given by into= have other names.",
                    f"they have {list(self.names or ())}, the samples of the result "
                    f"{list(names)}",
                    remedy="give labels with these names, or owner= with the name of a "
                    "dimension that counts the rows of into=.",
                )
            )
        return AtOwner(0) if _counts_rows(self.into) else _looked_up


def _counts_rows(into: Any) -> bool:
    """Whether labels are 0, 1, 2, ...: then every label is its position."""
    if not isinstance(into, Labels) or len(into._names) != 1:
        return False
    return bool((into.values[:, 0] == np.arange(len(into))).all())


def _looked_up(rows: Any, table: Any, capacity: Any) -> Places:
    return found_in(rows, table)


@dataclasses.dataclass(frozen=True)
class AtOwner:
    """Rows go where one of their columns says."""

    column: int

    def __call__(self, rows: Any, table: Any, capacity: Any) -> Places:
        return placed_at(rows, rows[:, self.column], table)


# What operations ask for ----------------------------------------------------------------


def destination(
    operation: str, into: Any = None, capacity: Any = None, owner: Any = None
) -> tuple[Destination, tuple[Any, ...]]:
    """What the arguments of an operation say, and the arrays that it needs for it."""
    if into is not None and not isinstance(into, Labels | DynamicLabels):
        raise InvalidTypeError(
            compose(
                f"{operation}: into= must be Labels or DynamicLabels.",
                f"found {type(into).__name__}",
            )
        )
    if owner is not None and (into is None or not isinstance(owner, str)):
        raise InvalidError(
            compose(
                f"{operation}: owner= is the name of a dimension that counts the rows of "
                "into=.",
                f"found {owner!r:.100} {'without into=' if into is None else ''}",
            )
        )
    room = _capacities(operation, capacity, fixed=into is not None)
    arrays = (into.values,) if isinstance(into, DynamicLabels) else ()
    wanted = into._names if isinstance(into, DynamicLabels) else into
    return Destination(wanted, owner, room, mode()), arrays


def _capacities(operation: str, given: Any, fixed: bool) -> tuple[tuple[str, int], ...]:
    room = given if isinstance(given, Mapping) else {"samples": given}
    if given is None:
        return ()
    for name, rows in room.items():
        whole = isinstance(rows, int | np.integer) and not isinstance(rows, bool)
        if not whole or not 0 <= rows < 2**31:
            raise InvalidTypeError(
                compose(
                    f"{operation}: the capacity for {name!r} must be a number of rows.",
                    f"found {rows!r:.100}",
                )
            )
    if fixed and "samples" in room:
        raise InvalidError(
            compose(
                f"{operation}: into= already says how many samples there are.",
                f"found capacity={given!r} beside it",
                remedy="leave out the one for 'samples'; gradients may have one by name.",
            )
        )
    return tuple(sorted((str(name), int(rows)) for name, rows in room.items()))


def check_capacities(operation: str, asked: Destination, own: Any) -> None:
    """Refuse capacities of what no block of a map (or the block) has."""
    parts = [own] if isinstance(own, BlockLayout) else own.blocks
    known = {"samples"}.union(*(_axes(part, "") for part in parts))
    for name, _ in asked.capacities:
        if name not in known:
            raise MissingError(
                compose(
                    f"{operation}: there is nothing called {name!r} to have a capacity.",
                    choices(name, sorted(known)),
                )
            )


def _axes(part: BlockLayout, above: str) -> set[str]:
    found: set[str] = set()
    for name, gradient in part.gradients:
        found |= {above + name} | _axes(gradient, f"{above}{name}/")
    return found


# Static samples -------------------------------------------------------------------------


def rows_into(
    operation: str, name: str, own: Labels, kept: Sequence[str], asked: Destination
) -> tuple[Labels, np.ndarray]:
    """The samples asked for, and which of them each static sample of a block goes to.

    Arguments:
        operation: for messages.
        name: of the block, for messages.
        own: the samples of the block.
        kept: their dimensions that the result has; without any, it has the one ``_``.
        asked: what is asked for.
    """
    into = asked.into
    if not isinstance(into, Labels):
        raise InvalidTypeError(
            compose(
                f"{operation}: the samples of {name} are static, those of into= dynamic.",
                remedy="pad(tensor, capacity) makes the others dynamic too.",
            )
        )
    asked.finds(operation, kept or ["_"], own.names)
    if asked.owner is not None:
        found = own.column(asked.owner).astype(np.int64)
        found[(found < 0) | (found >= len(into))] = -1
    else:
        columns = [own._names.index(one) for one in kept]
        rows = own.values[:, columns] if kept else np.zeros((len(own), 1), np.int32)
        found = into._index.find(rows)
    if (found < 0).any():
        first = own.entry(int(np.flatnonzero(found < 0)[0]))
        raise InvalidError(
            compose(
                f"{operation}: a sample of {name} has no place in the labels given by "
                "into=.",
                f"the first is {first.print()}",
                remedy="give labels with a row for each of them.",
            )
        )
    return into, found
