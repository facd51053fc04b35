"""Work ahead: a thread makes the next items while the present one is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax


class _End:
    """What comes after the last item: nothing, or an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


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
    waiting: queue.Queue[Any] = queue.Queue(depth)
    stop = threading.Event()
    # Settings of JAX that belong to a thread: arrays go where they would go from here.
    device = jax.config.jax_default_device  # type: ignore[attr-defined]
    thread = threading.Thread(
        target=_work, args=(make, numbers, waiting, stop, device), daemon=True
    )
    thread.start()
    try:
        yield from _items(waiting)
    finally:
        stop.set()
        # Whoever waits for room to put an item down gets it, and sees that it is over.
        while thread.is_alive():
            _empty(waiting)
            thread.join(0.01)


def _work(
    make: Callable[[int], Any],
    numbers: range,
    waiting: queue.Queue[Any],
    stop: threading.Event,
    device: Any,
) -> None:
    error = None
    try:
        with jax.default_device(device):
            for number in numbers:
                if stop.is_set():
                    return
                waiting.put(make(number))
    except BaseException as found:  # raised again where the items are used
        error = found
    waiting.put(_End(error))


def _items(waiting: queue.Queue[Any]) -> Iterator[Any]:
    while True:
        item = waiting.get()
        if not isinstance(item, _End):
            yield item
        elif item.error is None:
            return
        else:
            raise item.error


def _empty(waiting: queue.Queue[Any]) -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        return
