"""A small memory that forgets: plans that were made for a layout, kept on the layout.

**Nothing keeps itself alive.** A layout keeps plans, a plan keeps the layout of its result
and those of the other operands, and these keep plans. Without care A + A would keep A in a
circle, and sorting there and back would keep both layouts: only the garbage collector
would free them, with all their index arrays. So every layout has a *rank*, and whatever
is kept refers strongly only to layouts of lower rank. A map ranks above every block, a
block above its gradients; among equals the older one ranks higher. Layouts refer to their
parts, which rank lower by this, so no circle can close, and what nobody uses any more is
freed at once.

- A plan is kept on the operand of highest rank, of maps the oldest one: all others live as
  long as the plan does, so that ``y = x + constant()`` in a loop finds its plan again,
  although the constant is made anew every time.
- A result that ranks lower, as new ones do, is kept too. One that ranks higher, as what
  sorting back gives, is referred to weakly. When it dies the plan goes with it, and is
  made again when it is needed.

**Memory is bounded.** A layout keeps the plans that were used last, up to a number and up
to a size of index arrays. What was not used while thousands of other plans were made is
forgotten too, wherever it is: a loop in which each layout is made from the one before
would else keep all of them.

What the compiled kernels of this library keep are functions, numbers and shapes. But JAX
itself keeps the layouts that a user's ``jax.jit`` was called with: until thousands of
other calls came, or ``jax.clear_caches()``.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import ref


T = TypeVar("T")

# Everything below is done with single operations on dictionaries and deques, which are
# atomic: nobody waits for a lock, also not those whom the garbage collector interrupts.
_TICKS = itertools.count()


class _Entry:
    """One value, when it was used, and where it is kept."""

    __slots__ = ("__weakref__", "key", "memory", "since", "used", "value", "weight")

    def __init__(self, memory: Memory, key: Hashable, value: Any, weight: int) -> None:
        self.memory = ref(memory)
        self.key = key
        self.value = value
        self.weight = weight
        self.used = self.since = next(_TICKS)


class Memory:
    """Keeps the most recently used results of computations, a bounded number of them.

    A result may be computed twice when two threads ask at once; both get the same one.
    Threads that make room at once may each drop one entry more than was needed, never
    one too few.
    """

    __slots__ = ("__weakref__", "_kept")

    LIMIT = 64
    BYTES = 2**28

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Entry] = {}

    def find(self, key: Hashable) -> Any:
        """What is kept under `key`, or None."""
        entry = self._kept.get(key)
        if entry is None:
            return None
        entry.used = next(_TICKS)
        return entry.value

    def keep(self, key: Hashable, value: T, weight: int = 0) -> T:
        """Keep a value of so many bytes; what is kept already stays. Gives what is kept."""
        fresh = _Entry(self, key, value, weight)
        entry = self._kept.setdefault(key, fresh)
        if entry is fresh:
            self._stay_within_bounds(fresh)
            _forget_what_is_unused(fresh)
        entry.used = next(_TICKS)
        return entry.value

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What is kept under `key`, computed if need be."""
        entry = self._kept.get(key)
        if entry is None:
            return self.keep(key, compute())
        entry.used = next(_TICKS)
        return entry.value

    def forget(self, key: Hashable) -> None:
        """Drop what is kept under `key`, if anything is."""
        self._kept.pop(key, None)

    def _stay_within_bounds(self, newest: _Entry) -> None:
        entries = list(self._kept.copy().values())
        weight = sum(entry.weight for entry in entries)
        if len(entries) <= self.LIMIT and weight <= self.BYTES:
            return
        entries.sort(key=lambda entry: entry.used)
        for entry in entries:
            # Counted anew each time: other threads may be making room as well.
            if len(self._kept) <= self.LIMIT and weight <= self.BYTES:
                return
            if entry is not newest:
                self.forget(entry.key)
                weight -= entry.weight

    def __len__(self) -> int:
        return len(self._kept)


# All entries, those first that were made or looked at first; some may be gone.
_QUEUE: deque[ref[_Entry]] = deque()
MOST_ENTRIES = 4096
_CHANCES = 64


def _forget_what_is_unused(newest: _Entry) -> None:
    """Make room for one more entry; what was used since its turn came last queues again."""
    _QUEUE.append(ref(newest))
    chances = _CHANCES
    while len(_QUEUE) > MOST_ENTRIES:
        entry = _next()
        if entry is None:
            continue
        if entry.used > entry.since and chances:
            chances -= 1
            entry.since = entry.used
            _QUEUE.append(ref(entry))
        else:
            _drop(entry)


def _next() -> _Entry | None:
    try:
        return _QUEUE.popleft()()
    except IndexError:  # another thread took the last one
        return None


def _drop(entry: _Entry) -> None:
    memory = entry.memory()
    if memory is not None:
        memory.forget(entry.key)


def forget_everything() -> None:
    """Drop every entry of every memory."""
    while _QUEUE:
        entry = _next()
        if entry is not None:
            _drop(entry)
