"""A small memory that forgets: what was derived from a layout, kept on the layout."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar


T = TypeVar("T")
_LOCK = threading.Lock()


class Memory:
    """Keeps the most recently used results of computations, a bounded number of them.

    A result may be computed twice when two threads ask at once; both get the same one.
    """

    __slots__ = ("_kept",)

    LIMIT = 64

    def __init__(self) -> None:
        # Most layouts are never asked: the dictionary is made on first use.
        self._kept: OrderedDict[Hashable, Any] | None = None

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What is kept under `key`, computed if need be."""
        with _LOCK:
            if self._kept is not None and key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        value = compute()
        with _LOCK:
            if self._kept is None:
                self._kept = OrderedDict()
            value = self._kept.setdefault(key, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self.LIMIT:
                self._kept.popitem(last=False)
        return value

    def __len__(self) -> int:
        return 0 if self._kept is None else len(self._kept)
