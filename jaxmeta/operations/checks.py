"""Metatensor's switch for checks, which switches nothing here.

Whether the metadata fit is checked once for each layout, when an operation is planned,
and calls after that pay nothing for it. What is checked at every call are the shapes of
the arrays, without which an operation would move the wrong rows.
"""

from __future__ import annotations

from types import TracebackType


def checks_enabled() -> bool:
    """Whether operations check their arguments: always.

    Example:
        >>> checks_enabled()
        True
    """
    return True


class unsafe_disable_checks:
    """Does nothing: checks stay enabled. For programs written for metatensor.

    Metadata are checked once for each layout, not at every call, so nothing would become
    faster. A function, or a context manager, as in metatensor.

    Example:
        >>> unsafe_disable_checks()
        checks stay enabled
        >>> with unsafe_disable_checks():
        ...     checks_enabled()
        True
    """

    def __enter__(self) -> unsafe_disable_checks:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Errors go on."""

    def __repr__(self) -> str:
        return "checks stay enabled"


class unsafe_enable_checks(unsafe_disable_checks):
    """Does nothing: checks are enabled already. For programs written for metatensor.

    Example:
        >>> unsafe_enable_checks()
        checks stay enabled
    """
