"""NeighborListOptions: which pairs of atoms a model asks for."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from jaxmeta.atomistic.units import unit_conversion_factor
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


_WHERE = "NeighborListOptions"


@dataclasses.dataclass(frozen=True, order=True)
class NeighborListOptions:
    """Which pairs of atoms a model asks for.

    Options are equal when cutoff, `full_list` and `strict` are; who asks, and in which
    unit, does not count. They are hashable and can be static in compiled programs. They
    have an order, by the same three, so that a dictionary by options can be a pytree.

    Arguments:
        cutoff: pairs within this distance are listed, in `length_unit`; positive.
        full_list: whether a pair of atoms is listed from both sides, or only once.
        strict: whether no pair may be listed that is farther apart than the cutoff.
            Lists made by jaxmeta have none in either case.
        requestors: who asks for these pairs; names that are empty or given before are
            left out.
        length_unit: the unit of the cutoff, as in `unit_conversion_factor`; empty where
            it is not known.

    Raises:
        InvalidError: for a cutoff that is not positive and finite, and a unit of another
            quantity than a length.
        MissingError: for a name that is no unit.
        InvalidTypeError: for arguments of other types.

    Source: the fields and their equality are those of metatomic
    (https://docs.metatensor.org/metatomic).

    Example:
        >>> options = NeighborListOptions(5.0, length_unit="angstrom")
        >>> options.engine_cutoff("nm")
        0.5
        >>> options == NeighborListOptions(5.0, requestors=("model",))
        True
    """

    cutoff: float
    full_list: bool = True
    strict: bool = True
    requestors: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    length_unit: str = dataclasses.field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cutoff", check_length(_WHERE, "cutoff", self.cutoff))
        for name in ("full_list", "strict"):
            value = check_bool(_WHERE, name, getattr(self, name))
            object.__setattr__(self, name, value)
        object.__setattr__(self, "requestors", _names(self.requestors))
        unit_conversion_factor(self.length_unit, "angstrom")

    def engine_cutoff(self, unit: str) -> float:
        """The cutoff in another unit; as it is where one of both is not known.

        Raises:
            InvalidError: for a unit of another quantity than a length.
            MissingError: for a name that is no unit.
        """
        unit_conversion_factor(unit, "angstrom")
        return self.cutoff * unit_conversion_factor(self.length_unit, unit)

    def with_requestor(self, requestor: str) -> NeighborListOptions:
        """The same options, asked for by one more."""
        _names((requestor,))
        return dataclasses.replace(self, requestors=(*self.requestors, requestor))

    def with_length_unit(self, length_unit: str) -> NeighborListOptions:
        """The same options, with the cutoff in this unit."""
        return dataclasses.replace(self, length_unit=length_unit)


def check_length(where: str, name: str, given: Any) -> float:
    """A positive, finite number.

    Raises:
        InvalidTypeError: for what is no number.
        InvalidError: for numbers that are no length.
    """
    try:
        if isinstance(given, bool | str):
            raise TypeError
        length = float(given)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(
            compose(
                f"{where}: the {name} must be a number.",
                f"found {given!r:.100}, a {type(given).__name__}",
            )
        ) from error
    if not 0 < length < math.inf:
        raise InvalidError(
            compose(f"{where}: the {name} must be positive and finite.", f"found {length}")
        )
    return length


def _names(requestors: Any) -> tuple[str, ...]:
    given = requestors if isinstance(requestors, tuple | list) else [None]
    if not all(isinstance(name, str) for name in given):
        raise InvalidTypeError(
            compose(
                f"{_WHERE}: requestors are a tuple of strings.",
                f"found {requestors!r:.100}",
                remedy='write requestors=("model",).',
            )
        )
    return tuple(dict.fromkeys(name for name in given if name))
