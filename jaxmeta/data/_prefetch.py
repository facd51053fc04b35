"""Work ahead: a thread makes the next items while the present one is used."""

from __future__ import annotations

import atexit
import contextvars
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakSet

import jax


def ahead(make: Callable[[int], Any], numbers: range, depth: int) -> Iterator[Any]:
    """What a function gives for one number after another, up to `depth` of them ahead.

    Errors of the function are raised where its item would come. The thread ends when the
    last item is made, after an error, and when this iterator is closed or forgotten.

    Arguments:
        make: makes the item of a number.
        numbers: those to make, in order.
        depth: how many items may wait; 0 makes each when it is asked for, in no thread.
    """
    if depth == 0:
        for number in numbers:
            yield make(number)
        return
    worker = _Worker(make, numbers, depth)
    try:
        yield from worker.items()
    finally:
        worker.close()


class _End:
    """What comes after the last item: nothing, or an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Worker:
    """The thread, and the queue of what it has made."""

    def __init__(self, make: Callable[[int], Any], numbers: range, depth: int) -> None:
        self._waiting: queue.Queue[Any] = queue.Queue(depth)
        self._stop = threading.Event()
        arguments = (_work, make, numbers, self._waiting, self._stop, _settings())
        # In the context of the loop: what `jaxmeta.debug` says holds in the thread too.
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=arguments,
            name="jaxmeta-loader",
            daemon=True,
        )
        self._thread.start()
        _WORKERS.add(self)

    def items(self) -> Iterator[Any]:
        """What the thread makes, in order."""
        while True:
            item = self._waiting.get()
            if not isinstance(item, _End):
                yield item
            elif item.error is None:
                return
            else:
                raise item.error

    def close(self) -> None:
        """End the thread, and wait for that."""
        self._stop.set()
        while self._thread.is_alive():
            # Who waits for room to put an item down gets it, and sees that it is over.
            _empty(self._waiting)
            self._thread.join(0.01)


def _work(
    make: Callable[[int], Any],
    numbers: range,
    waiting: queue.Queue[Any],
    stop: threading.Event,
    settings: tuple[Any, bool],
) -> None:
    error = None
    device, x64 = settings
    try:
        with jax.default_device(device), jax.enable_x64(x64):
            for number in numbers:
                if stop.is_set():
                    return
                waiting.put(make(number))
    except BaseException as found:  # raised again where the items are used
        error = found
    waiting.put(_End(error))


def _settings() -> tuple[Any, bool]:
    """What JAX keeps for each thread: batches are what they would be if made here."""
    config: Any = jax.config
    return config.jax_default_device, config.jax_enable_x64


def _empty(waiting: queue.Queue[Any]) -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        return


# Iterators that are still open when the program ends: a thread that went on while the
# interpreter is taken down would crash it.
_WORKERS: WeakSet[_Worker] = WeakSet()


@atexit.register
def _close_all() -> None:
    for worker in list(_WORKERS):
        worker.close()
