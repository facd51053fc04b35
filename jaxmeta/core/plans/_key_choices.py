"""What becomes of keys that not all of several maps have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._differences import matched_keys
from jaxmeta.core.layouts._layout import Layout
from jaxmeta.errors import InvalidError, choices, compose


DifferentKeys: TypeAlias = Literal["error", "union", "intersection"]

_CHOICES = (
    'different_keys="intersection" keeps the common keys, different_keys="union" all of '
    "them; filter_blocks() and drop_blocks() choose among the keys of one map."
)


def check_different_keys(operation: str, given: object) -> None:
    """Raise for a word that is none of the choices."""
    if not isinstance(given, str) or given not in get_args(DifferentKeys):
        raise InvalidError(
            compose(
                f"{operation}: there is no different_keys {given!r} here.",
                choices(given, get_args(DifferentKeys)),
            )
        )


def common_keys(
    operation: str, maps: Sequence[Layout], different_keys: DifferentKeys
) -> Labels:
    """The keys of the result of several maps, first those of the first one, in its order.

    Raises:
        NotEqualError: when keys differ and may not, or have different names.
    """
    keys = maps[0].keys
    for other in maps[1:]:
        if different_keys == "error" or other.keys._names != keys._names:
            matched_keys(operation, maps[0], other, _CHOICES)
        elif different_keys == "union":
            keys = keys.union(other.keys)
        else:
            # In the order of the first map, whichever side is the shorter.
            keys = keys.difference(keys.difference(other.keys))
    return keys
