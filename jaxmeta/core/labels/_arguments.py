"""Plain arguments that many functions take: truth values, lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta.errors import InvalidTypeError, compose


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
