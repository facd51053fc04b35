"""The loader: batches of a data set, epoch after epoch, in an order that can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxmeta.data._prefetch import ahead
from jaxmeta.data.collating import collate as collated
from jaxmeta.data.grouping import group_and_join
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingExtraError,
    NotEqualError,
    compose,
)


class Loader:
    """Batches of a data set. Each loop over it is one epoch.

    With `shuffle` the order is a function of `seed` and the number of the epoch alone:
    the same on every machine, in every process, after every restart. A loop that was left
    early does not count: the next one begins at the same place.

    Arguments:
        dataset: what has a length and gives samples: `Dataset`, `DiskDataset` and so on.
        batch_size: structures in a batch, of this process.
        shuffle: another order in every epoch.
        seed: of the orders.
        collate: from a list of samples to a batch; `group_and_join` by default.
        buckets: short for ``collate=collate(buckets)``.
        drop_last: leave out the last batch where it is smaller than the others.
        prefetch: how many batches are made ahead, in a thread; 0 for none.
        shard: number of this process and of all, for data that are divided among
            processes; ``"process"`` takes both from JAX. Processes get disjoint parts of
            each global batch and the same number of batches.
        progress: show a bar by tqdm, if that is installed.

    Raises:
        InvalidError: for sizes below one, a shard that is none, `collate` and `buckets`
            together, or where a last batch would leave a process without structures.
        InvalidTypeError: for a data set without length, or other wrong types.
        MissingExtraError: for `progress` without tqdm.

    Errors while batches are made are raised in the loop.

    Example:
        >>> from jaxmeta.data.datasets import Dataset
        >>> loader = Loader(Dataset(number=list(range(5))), 2, shuffle=True, seed=1)
        >>> len(loader)
        3
        >>> sorted(number for batch in loader for number in batch.number)
        [0, 1, 2, 3, 4]
        >>> loader.epoch
        1
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        collate: Callable[[Sequence[Any]], Any] | None = None,
        buckets: Any = None,
        drop_last: bool = False,
        prefetch: int = 2,
        shard: tuple[int, int] | str | None = None,
        progress: bool = False,
    ) -> None:
        self._dataset = dataset
        self._size = _length(dataset)
        self._batch_size = _at_least("batch_size", batch_size, 1)
        self._shuffle = shuffle
        self._seed = _at_least("seed", seed, 0)
        self._collate = _collate(collate, buckets)
        self._drop_last = drop_last
        self._prefetch = _at_least("prefetch", prefetch, 0)
        self._shard = _checked_shard(shard)
        self._bar = _bar() if progress else None
        self._check_last()
        # Where the next loop begins, and up to where the present one has come.
        self._start = self._reached = (0, 0)

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        together = self._batch_size * self._shard[1]
        return self._size // together if self._drop_last else -(-self._size // together)

    @property
    def epoch(self) -> int:
        """The number of the epoch that the next loop goes through, or is in."""
        return self._start[0]

    def __iter__(self) -> Iterator[Any]:
        epoch, first = self._start
        order = self._order(epoch)
        batches = ahead(
            lambda number: self._made(order, number),
            range(first, len(self)),
            self._prefetch,
        )
        return self._counted(epoch, first, batches)

    def _counted(self, epoch: int, first: int, batches: Iterator[Any]) -> Iterator[Any]:
        self._reached = (epoch, first)
        shown = batches
        if self._bar is not None:
            shown = self._bar(
                batches, total=len(self), initial=first, desc=f"epoch {epoch}"
            )
        try:
            for number, batch in enumerate(shown, first + 1):
                self._reached = (epoch, number)
                yield batch
            self._start = self._reached = (epoch + 1, 0)
        finally:
            for one in (shown, batches):
                getattr(one, "close", lambda: None)()

    def _made(self, order: np.ndarray, number: int) -> Any:
        return self._collate([self._dataset[int(i)] for i in self._part(order, number)])

    def _part(self, order: np.ndarray, number: int) -> np.ndarray:
        """Which structures are in a batch of this process."""
        index, count = self._shard
        together = self._batch_size * count
        return order[number * together : (number + 1) * together][index::count]

    def _order(self, epoch: int) -> np.ndarray:
        if not self._shuffle:
            return np.arange(self._size)
        # The numbers of a bit generator, unlike what is made of them, are the same in
        # every version of numpy.
        numbers = np.random.Philox(key=[self._seed, epoch]).random_raw(self._size)
        return np.argsort(numbers, kind="stable")

    def indices(self, epoch: int) -> list[list[int]]:
        """The structures of each batch of this process in an epoch, by number.

        >>> Loader(list("abcde"), 2).indices(0)
        [[0, 1], [2, 3], [4]]
        """
        order = self._order(_at_least("epoch", epoch, 0))
        return [self._part(order, number).tolist() for number in range(len(self))]

    # State --------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Where the loop is: what `restore` needs to go on with the batch after this one.

        Batches that were made ahead do not count. The state is made of numbers, for JSON
        and for checkpoints.

        >>> loader = Loader(list("abcd"), 1, collate=lambda batch: batch)
        >>> for batch in loader:
        ...     if batch == ["b"]:
        ...         break
        >>> resumed = Loader(list("abcd"), 1, collate=lambda batch: batch)
        >>> resumed.restore(loader.state())
        >>> list(resumed)
        [['c'], ['d']]
        """
        epoch, batch = self._reached
        if batch and batch >= len(self):
            epoch, batch = epoch + 1, 0
        return {"epoch": epoch, "batch": batch, **self._settings()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the batch where `state` was asked for.

        Arguments:
            state: what `state` gave in this loader, or in one with the same settings.

        Raises:
            NotEqualError: for the state of a loader with other settings.
            InvalidError: for what is no state.
        """
        settings = self._settings()
        wanted = {"epoch", "batch", *settings}
        if not isinstance(state, Mapping) or set(state) != wanted:
            raise InvalidError(
                compose("Loader.restore: this is no state.", f"found {state!r:.100}")
            )
        for name, own in settings.items():
            if state[name] != own:
                raise NotEqualError(
                    compose(
                        f"Loader.restore: the state is that of another {name}.",
                        f"the state has {state[name]!r}, the loader {own!r}",
                        remedy="the order of the structures would be another one.",
                    )
                )
        epoch = _at_least("epoch", state["epoch"], 0)
        batch = _at_least("batch", state["batch"], 0)
        if batch > len(self):
            raise InvalidError(
                compose(
                    "Loader.restore: this is no state.",
                    f"found batch {batch}, an epoch has {len(self)}",
                )
            )
        self._start = self._reached = (epoch, batch)

    def _settings(self) -> dict[str, Any]:
        return {
            "size": self._size,
            "batch_size": self._batch_size,
            "shuffle": self._shuffle,
            "seed": self._seed,
            "drop_last": self._drop_last,
            "shards": self._shard[1],
        }

    def _check_last(self) -> None:
        count = self._shard[1]
        last = self._size % (self._batch_size * count)
        if not self._drop_last and 0 < last < count:
            raise InvalidError(
                compose(
                    "Loader: the last batch has no structure for some processes.",
                    f"it has {last} structures for {count} processes",
                    remedy="drop_last=True leaves it out.",
                )
            )


def _length(dataset: Any) -> int:
    try:
        return len(dataset)
    except TypeError as error:
        raise InvalidTypeError(
            compose(
                "Loader: a data set has a length and entries by number.",
                f"found {type(dataset).__name__}",
            )
        ) from error


def _at_least(what: str, number: Any, least: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise InvalidTypeError(
            compose(f"Loader: {what} must be an integer.", f"found {number!r:.100}")
        )
    if not least <= number < 2**63:
        raise InvalidError(
            compose(f"Loader: {what} must be at least {least}.", f"found {number}")
        )
    return int(number)


def _collate(collate: Any, buckets: Any) -> Callable[[Sequence[Any]], Any]:
    if collate is not None and buckets is not None:
        raise InvalidError(
            compose(
                "Loader: there are both collate= and buckets=.",
                remedy="collate=jaxmeta.data.collate(buckets, ...) is both.",
            )
        )
    if buckets is not None:
        return collated(buckets)
    return group_and_join if collate is None else collate


def _checked_shard(shard: Any) -> tuple[int, int]:
    if shard is None:
        return 0, 1
    if shard == "process":
        return jax.process_index(), jax.process_count()
    pair = isinstance(shard, tuple | list) and len(shard) == 2
    if not pair or not all(type(number) is int for number in shard):
        raise InvalidTypeError(
            compose(
                'Loader: shard must be two integers, or "process".',
                f"found {shard!r:.100}",
            )
        )
    index, count = shard
    if not 0 <= index < count:
        raise InvalidError(
            compose(
                "Loader: a shard is one of several, counted from zero.",
                f"found number {index} of {count}",
            )
        )
    return index, count


def _bar() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise MissingExtraError(__name__, "tqdm", "progress") from error
    return tqdm
