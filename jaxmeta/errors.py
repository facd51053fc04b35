"""The exceptions of jaxmeta, and the one way its messages are built.

Every message says three things: *what* was found to be wrong and where (operation,
block key, axis), the *facts* on both sides (sizes, first differing row), and the
*remedy*. Every class descends from `JaxmetaError` and from the built-in exception that
Python users would expect in its place, so that ``except ValueError`` keeps working.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def compose(what: str, *facts: str, remedy: str = "") -> str:
    """Build the house's message: one line of *what*, then indented facts and remedy.

    >>> print(compose("add: the samples differ.", "left has 3, right has 4",
    ...               remedy="sort() both."))
    add: the samples differ.
      left has 3, right has 4
      sort() both.
    """
    lines = [line for text in (*facts, remedy) if text for line in text.splitlines()]
    return "\n  ".join([what, *lines])


def choices(given: object, valid: Iterable[object]) -> str:
    """Say which names exist, and which one was probably meant.

    >>> choices("centre_type", ["center_type", "o3_lambda"])
    "the names here are 'center_type', 'o3_lambda'; did you mean 'center_type'?"
    """
    names = [str(name) for name in valid]
    if not names:
        return "there are no names here"
    listed = ", ".join(repr(name) for name in names)
    close = difflib.get_close_matches(str(given), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"the names here are {listed}{hint}"


class JaxmetaError(Exception):
    """The root of the family: everything jaxmeta raises on purpose is one of these."""


# The name under which programs written for metatensor catch what goes wrong.
MetatensorError = JaxmetaError


class InvalidError(JaxmetaError, ValueError):
    """Arguments of the right type that do not fit together: shapes, names, rows."""


class InvalidTypeError(JaxmetaError, TypeError):
    """An argument of a type that cannot work here."""


class MissingError(JaxmetaError, KeyError, ValueError):
    """A name, key or block that was asked for and is not there."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which garbles several lines.
        return Exception.__str__(self)


class OutOfRangeError(JaxmetaError, IndexError):
    """A position beyond the rows or blocks that are there."""


class ImmutableError(JaxmetaError, AttributeError):
    """An attempt to change an object; the message names what gives a changed copy."""


class NotEqualError(JaxmetaError, ValueError):
    """Two objects whose metadata or values should agree and do not."""


class NestedGradientsError(JaxmetaError, NotImplementedError):
    """An operation that is not exact for gradients of gradients refuses them."""


class DynamicSamplesError(JaxmetaError, NotImplementedError):
    """An operation needs to know, outside a traced program, which samples are there."""


class DeviceCheckError(JaxmetaError, RuntimeError):
    """A running program found what can not be known before: rows without room or place."""


class PrecisionError(JaxmetaError, ValueError):
    """Going on would lose precision that nobody asked to lose."""


class FailedCheckError(JaxmetaError, AssertionError):
    """A check of `jaxmeta.testing` that failed."""


class CorruptFileError(JaxmetaError, ValueError):
    """A file or buffer that is not what its format promises."""

    def __init__(self, path: str, entry: str, reason: str) -> None:
        self.path = path
        self.entry = entry
        self.reason = reason
        where = f"{path}: {entry}" if entry else path
        super().__init__(
            compose(
                f"load: {where} can not be read.",
                reason,
                remedy="the file is damaged or was never an .mts file; nothing was loaded.",
            )
        )

    def __reduce__(self) -> tuple[type[CorruptFileError], tuple[str, str, str]]:
        return type(self), (self.path, self.entry, self.reason)


class MissingExtraError(JaxmetaError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, room: str, package: str, extra: str) -> None:
        self.room = room
        self.package = package
        self.extra = extra
        super().__init__(
            f'{room} needs {package}: pip install "jaxmeta[{extra}]"', name=package
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return type(self), (self.room, self.package, self.extra)
