"""Names of label dimensions and gradients: what is allowed, and the errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def dimension_names(names: str | Sequence[str], where: str) -> tuple[str, ...]:
    """The names as a tuple; a single string is one name, the empty string none."""
    if isinstance(names, str):
        found = (names,) if names else ()
    else:
        try:
            found = tuple(names)
        except TypeError as error:
            raise InvalidTypeError(
                compose(
                    f"{where}: the names must be a string or a sequence of strings.",
                    f"found {type(names).__name__}",
                )
            ) from error
    for name in found:
        _check_name(name, where)
    if len(set(found)) != len(found):
        raise InvalidError(
            compose(
                f"{where}: every dimension needs a name of its own.",
                f"the names are {list(found)}",
                remedy="rename one of those that stand twice.",
            )
        )
    return found


def _check_name(name: object, where: str) -> None:
    if not isinstance(name, str):
        raise InvalidTypeError(
            compose(
                f"{where}: the name of a dimension must be a string.",
                f"found {name!r}, a {type(name).__name__}",
            )
        )
    if _NAME.fullmatch(name) is None:
        raise InvalidError(
            compose(
                f"{where}: {name!r} is not a valid name of a dimension.",
                remedy="use letters, digits and underscores, a letter or underscore first.",
            )
        )


def check_dimensions(
    operation: str, axis: str, names: Iterable[object], existing: Sequence[str]
) -> None:
    """Refuse names of dimensions that the labels of an axis do not have."""
    for name in names:
        if not isinstance(name, str) or name not in existing:
            raise MissingError(
                compose(
                    f"{operation}: the {axis} have no dimension {name!r}.",
                    remedy=choices(name, existing),
                )
            )


def gradient_name(name: object, where: str) -> str:
    """A gradient's name: any text that can also name a folder in a file."""
    if not isinstance(name, str):
        raise InvalidTypeError(
            compose(
                f"{where}: the name of a gradient must be a string.",
                f"found {name!r}, a {type(name).__name__}",
            )
        )
    if not name or name in (".", "..") or any(c in name for c in "/\\\0"):
        raise InvalidError(
            compose(
                f"{where}: {name!r} is not a valid name of a gradient.",
                remedy="a gradient's name is not empty and has no slash, backslash or NUL.",
            )
        )
    return name
