"""Entries of dictionaries of hyper-parameters, checked one by one."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose


class Entries:
    """One dictionary, and where it stands: every entry is taken once, none is left."""

    def __init__(self, where: str, given: Any) -> None:
        self.where = where
        self._entries = dict(plain(where, given))
        self._known: list[str] = []

    def take(self, name: str, **default: Any) -> Any:
        """The entry `name`, or `default=`; without a default it must be there."""
        self._known.append(name)
        if name in self._entries:
            return self._entries.pop(name)
        if "default" in default:
            return default["default"]
        raise MissingError(
            compose(
                f"{self.where}: {name!r} is missing.",
                f"found {sorted(map(str, self._entries)) or 'no other entries'}",
            )
        )

    def kind(self, valid: Iterable[str]) -> str:
        """The entry ``type``, one of the names that there are."""
        return name_of(self.where, self.take("type"), valid)

    def number(self, name: str, **default: Any) -> float:
        """A finite number."""
        return finite(f"{self.where}[{name!r}]", self.take(name, **default))

    def positive(self, name: str, **default: Any) -> float:
        """A finite number above zero."""
        found = self.number(name, **default)
        if found <= 0:
            raise InvalidError(
                compose(f"{self.where}[{name!r}] must be above zero.", f"found {found}")
            )
        return found

    def count(self, name: str) -> int:
        """An integer of zero or more."""
        return index(f"{self.where}[{name!r}]", self.take(name))

    def done(self) -> None:
        """Refuse what nobody took."""
        for name in self._entries:
            raise MissingError(
                compose(f"{self.where} has no entry {name!r}.", choices(name, self._known))
            )


def plain(where: str, given: Any) -> Mapping[Any, Any]:
    """A dictionary, or what an object of featomic says of itself."""
    for method in ("_featomic_hypers", "get_hypers"):
        if not isinstance(given, Mapping) and hasattr(given, method):
            try:
                given = getattr(given, method)()
            except NotImplementedError as error:
                raise InvalidTypeError(
                    compose(
                        f"{where}: {type(given).__name__} has no plain form.",
                        remedy="use a function of jaxmeta: RadialFunctions(function, ...).",
                    )
                ) from error
    if not isinstance(given, Mapping):
        raise InvalidTypeError(
            compose(
                f"{where} must be a dictionary, or an object of featomic.",
                f"found {type(given).__name__}",
            )
        )
    return given


def name_of(where: str, given: Any, valid: Iterable[str]) -> str:
    """One of the names that there are."""
    valid = list(valid)
    if not isinstance(given, str):
        raise InvalidTypeError(
            compose(f"{where}['type'] must be a name.", f"found {type(given).__name__}")
        )
    if given not in valid:
        raise MissingError(compose(f"{where}['type'] is {given!r}.", choices(given, valid)))
    return given


def finite(where: str, given: Any) -> float:
    """A real number that is neither infinite nor NaN."""
    if isinstance(given, bool) or not isinstance(given, numbers.Real):
        raise InvalidTypeError(
            compose(f"{where} must be a number.", f"found {type(given).__name__}")
        )
    if not math.isfinite(given):
        raise InvalidError(compose(f"{where} must be finite.", f"found {given}"))
    return float(given)


def index(where: str, given: Any) -> int:
    """An integer of zero or more."""
    if isinstance(given, bool) or not isinstance(given, numbers.Integral):
        raise InvalidTypeError(
            compose(f"{where} must be an integer.", f"found {type(given).__name__}")
        )
    if given < 0:
        raise InvalidError(compose(f"{where} must be zero or more.", f"found {given}"))
    return int(given)


def numbers_of(where: str, given: Any) -> tuple[float, ...]:
    """A list of finite numbers."""
    if hasattr(given, "tolist"):
        given = given.tolist()
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise InvalidTypeError(
            compose(f"{where} must be a list of numbers.", f"found {type(given).__name__}")
        )
    return tuple(finite(f"{where}[{i}]", each) for i, each in enumerate(given))
