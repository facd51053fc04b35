"""Plain arguments that many functions take: truth values, whole numbers, lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta.errors import InvalidError, InvalidTypeError, compose


def check_bool(where: str, name: str, given: object) -> bool:
    """A truth value, which a number, a word or an array is not."""
    if not isinstance(given, bool | np.bool_):
        raise InvalidTypeError(
            compose(
                f"{where}: {name} is True or False.",
                f"found {given!r:.100}, a {type(given).__name__}",
            )
        )
    return bool(given)


def check_whole(where: str, name: str, given: Any, least: int) -> int:
    """An integer that is not below the least one; a truth value is none."""
    if not isinstance(given, int | np.integer) or isinstance(given, bool):
        raise InvalidTypeError(
            compose(
                f"{where}: {name} must be an integer.",
                f"found {given!r:.100}, a {type(given).__name__}",
            )
        )
    if given < least:
        raise InvalidError(
            compose(f"{where}: {name} must be at least {least}.", f"found {given}")
        )
    return int(given)


def check_list(where: str, wanted: str, given: Any) -> list[Any]:
    """The items of anything that has some; `wanted` says what they are."""
    try:
        return list(given)
    except TypeError as error:
        raise InvalidTypeError(
            compose(
                f"{where}: the {wanted}.", f"found {given!r:.100}, a {type(given).__name__}"
            )
        ) from error
