"""Hash-consing: equal objects built anywhere in the program are one object.

JAX compares the static part of a pytree on every dispatch, by identity first. With one
object per value that comparison never reaches Python, whatever the number of rows.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar


T = TypeVar("T")


class InternTable(Generic[T]):
    """A weak, thread-safe set of canonical objects.

    Candidates are found by a hash that may be cheap and incomplete; `same` decides.
    An object that nobody uses any more leaves the table.
    """

    def __init__(self) -> None:
        self._buckets: dict[Hashable, tuple[weakref.ref[T], ...]] = {}
        # The garbage collector may run a callback in the middle of any line below, so
        # the callback only takes a note; the next caller cleans up under the lock.
        self._dead: deque[Hashable] = deque()
        self._lock = threading.RLock()

    def intern(
        self, key: Hashable, same: Callable[[T], bool], create: Callable[[], T]
    ) -> T:
        """The canonical object among those filed under `key`, created if there is none."""
        with self._lock:
            self._sweep()
            bucket = self._buckets.get(key, ())
            for reference in bucket:
                known = reference()
                if known is not None and same(known):
                    return known
            fresh = create()
            reference = weakref.ref(fresh, lambda _: self._dead.append(key))
            self._buckets[key] = (*bucket, reference)
            return fresh

    def _sweep(self) -> None:
        while self._dead:
            key = self._dead.popleft()
            alive = tuple(r for r in self._buckets.get(key, ()) if r() is not None)
            if alive:
                self._buckets[key] = alive
            else:
                self._buckets.pop(key, None)

    def __len__(self) -> int:
        with self._lock:
            self._sweep()
            return len(self._buckets)
