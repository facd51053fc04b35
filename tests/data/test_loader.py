"""The loader: orders, threads, shards, and loops that go on where they were left."""

from __future__ import annotations

import gc
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest
from structures import structures

import jaxmeta as jm
from jaxmeta.data import Dataset, Loader, buckets, collate, group


def _numbers(size: int) -> Dataset:
    return Dataset(number=list(range(size)))


def _loader(size: int, batch_size: int, **arguments: Any) -> Loader:
    return Loader(_numbers(size), batch_size, collate=group, **arguments)


def _epoch(loader: Loader) -> list[tuple[int, ...]]:
    return [batch.number for batch in loader]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    names = [thread.name for thread in threading.enumerate()]
    assert "jaxmeta-loader" not in names


@pytest.mark.parametrize("prefetch", [0, 1, 2, 100])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("size", [0, 1, 5, 6])
def test_batches_in_order(size: int, drop_last: bool, prefetch: int) -> None:
    loader = _loader(size, 2, drop_last=drop_last, prefetch=prefetch)
    every = [tuple(range(i, min(i + 2, size))) for i in range(0, size, 2)]
    wanted = [batch for batch in every if len(batch) == 2 or not drop_last]
    assert _epoch(loader) == _epoch(loader) == wanted
    assert len(loader) == len(wanted)
    assert loader.indices(0) == [list(batch) for batch in wanted]


def test_shuffling_is_a_function_of_seed_and_epoch() -> None:
    loader, same = (
        _loader(50, 4, shuffle=True, seed=3),
        _loader(50, 4, shuffle=True, seed=3),
    )
    epochs = [_epoch(loader) for _ in range(3)]
    assert [_epoch(same) for _ in range(3)] == epochs
    for epoch in epochs:
        assert sorted(itertools.chain(*epoch)) == list(range(50))
    assert len({str(epoch) for epoch in epochs}) == 3
    assert _epoch(_loader(50, 4, shuffle=True, seed=4)) != epochs[0]
    assert loader.indices(1) == [list(batch) for batch in epochs[1]]


def test_the_order_is_the_same_everywhere() -> None:
    """Written down once: a restart on another machine has to find the same order."""
    loader = _loader(12, 12, shuffle=True, seed=7)
    assert [loader.indices(epoch)[0] for epoch in (0, 1)] == ORDERS


ORDERS = [
    [8, 4, 1, 6, 3, 2, 11, 7, 5, 9, 10, 0],
    [11, 3, 9, 1, 6, 2, 5, 4, 8, 0, 7, 10],
]


def test_every_order_is_as_likely() -> None:
    loader = _loader(3, 3, shuffle=True, seed=0)
    found = [tuple(loader.indices(epoch)[0]) for epoch in range(600)]
    counts = [found.count(order) for order in itertools.permutations(range(3))]
    # Six orders, 100 of each on average; 5 standard deviations are 46.
    assert max(abs(count - 100) for count in counts) < 46


# Resuming --------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("stop", [0, 1, 6, 7, 8, 13, 14, 15])
def test_a_resumed_run_equals_an_uninterrupted_one(stop: int, prefetch: int) -> None:
    arguments = {"shuffle": True, "seed": 5, "prefetch": prefetch}
    whole = _loader(20, 3, **arguments)
    wanted = [batch for _ in range(3) for batch in _epoch(whole)]
    seen, state = _interrupted(_loader(20, 3, **arguments), stop)
    resumed = _loader(20, 3, **arguments)
    resumed.restore(json.loads(json.dumps(state)))
    assert resumed.state() == state
    while len(seen) < len(wanted):
        seen += _epoch(resumed)
    assert seen == wanted
    assert resumed.epoch == 3


def _interrupted(loader: Loader, stop: int) -> tuple[list[Any], dict[str, Any]]:
    seen: list[Any] = []
    while len(seen) < stop:
        for batch in loader:
            seen.append(batch.number)
            if len(seen) == stop:
                return seen, loader.state()
    return seen, loader.state()


def test_a_glance_changes_nothing() -> None:
    loader = _loader(6, 2, shuffle=True)
    first = next(iter(loader)).number
    assert _epoch(loader)[0] == first
    loader.restore({**loader.state(), "epoch": 0, "batch": 1})
    second = next(iter(loader)).number
    assert _epoch(loader)[0] == second != first


def test_states_of_other_loaders_are_refused() -> None:
    state = _loader(6, 2, shuffle=True, seed=1).state()
    for other, name in (
        (_loader(6, 2, shuffle=True, seed=2), "seed"),
        (_loader(6, 2, seed=1), "shuffle"),
        (_loader(6, 3, shuffle=True, seed=1), "batch_size"),
        (_loader(7, 2, shuffle=True, seed=1), "size"),
        (_loader(6, 2, shuffle=True, seed=1, drop_last=True), "drop_last"),
        (_loader(6, 2, shuffle=True, seed=1, shard=(0, 2)), "shards"),
    ):
        with pytest.raises(jm.NotEqualError, match=f"that of another {name}"):
            other.restore(state)
    with pytest.raises(ValueError, match="this is no state"):
        _loader(6, 2).restore({"epoch": 0})
    with pytest.raises(ValueError, match="batch must be at least 0"):
        _loader(6, 2, shuffle=True, seed=1).restore({**state, "batch": -1})
    with pytest.raises(ValueError, match="found batch 4, an epoch has 3"):
        _loader(6, 2, shuffle=True, seed=1).restore({**state, "batch": 4})


# Threads ---------------------------------------------------------------------------------


class _Recording:
    """A data set that says when it was asked, and by whom."""

    def __init__(self, size: int, fail_at: int | None = None) -> None:
        self.asked: list[int] = []
        self.threads: set[int] = set()
        self._size = size
        self._fail_at = fail_at

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Any:
        if index == self._fail_at:
            message = f"structure {index} is broken"
            raise OSError(message)
        self.asked.append(index)
        self.threads.add(threading.get_ident())
        return _numbers(self._size)[index]


def _wait(condition: Any) -> None:
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.001)
    assert condition()


def test_work_is_done_ahead_but_not_too_far() -> None:
    dataset = _Recording(50)
    batches = iter(Loader(dataset, 1, collate=group, prefetch=3))
    next(batches)
    assert "jaxmeta-loader" in [thread.name for thread in threading.enumerate()]
    # One was given out, three wait, one more may be waiting for room.
    _wait(lambda: len(dataset.asked) == 5)
    time.sleep(0.05)
    assert len(dataset.asked) == 5
    assert threading.get_ident() not in dataset.threads
    batches.close()


def test_without_prefetching_there_is_no_thread() -> None:
    dataset = _Recording(5)
    batches = iter(Loader(dataset, 2, collate=group, prefetch=0))
    next(batches)
    assert dataset.asked == [0, 1]
    assert dataset.threads == {threading.get_ident()}
    batches.close()


@pytest.mark.parametrize("prefetch", [0, 1, 5])
def test_errors_are_raised_in_the_loop_at_their_place(prefetch: int) -> None:
    loader = Loader(_Recording(9, fail_at=6), 2, collate=group, prefetch=prefetch)
    seen: list[Any] = []
    with pytest.raises(OSError, match="structure 6 is broken"):
        seen.extend(batch.number for batch in loader)
    assert seen == [(0, 1), (2, 3), (4, 5)]
    assert (loader.epoch, loader.state()["batch"]) == (0, 3)


def test_loops_that_are_left_end_their_thread() -> None:
    loader = _loader(1000, 1, prefetch=2)
    for stop in range(5):
        for number, _ in enumerate(loader):
            if number == stop:
                break
    with pytest.raises(ZeroDivisionError):
        _ = [1 // 0 for _ in loader]
    several = [iter(loader) for _ in range(3)]
    assert [next(one).number for one in several] == [(0,)] * 3
    del several


LEFT_OPEN = """
import numpy as np
from jaxmeta.data import Dataset, Loader
loader = Loader(Dataset(x=[np.ones((99, 99), "float32")] * 999), 2, buckets={"x": 198})
batches = [iter(loader) for _ in range(3)]
print([next(one).x.shape for one in batches][0])
"""


def test_programs_may_end_with_loops_open() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT_OPEN], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "(198, 99)\n"), done.stderr


TWO_DEVICES = """
import jax, numpy as np
from jaxmeta.data import Dataset, Loader, collate
first, second = jax.devices()
loader = Loader(Dataset(x=[np.ones(2, "float32")] * 4), 1, buckets={"x": 1})
with jax.default_device(second):
    assert [batch.x.device for batch in loader] == [second] * 4
assert [batch.x.device for batch in loader] == [first] * 4
wide = Loader(Dataset(x=[np.ones(2)] * 4), 1, buckets={"x": 1})
with jax.enable_x64(True):
    assert [batch.x.dtype for batch in wide] == ["float64"] * 4
"""


def test_settings_of_the_loop_hold_in_the_thread() -> None:
    given = os.environ.get("XLA_FLAGS", "")
    flags = {
        "XLA_FLAGS": f"{given} --xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES],
        env={**os.environ, **flags},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("prefetch", [0, 2])
def test_faults_are_treated_in_the_thread_as_in_the_loop(prefetch: int) -> None:
    row, n = jm.Labels("system", [[5]]), jm.Labels.range("n", 1)
    block = jm.TensorBlock(np.ones((1, 1)), row, [], n)
    padded = jm.pad(jm.TensorMap(jm.Labels.single(), [block]), 2)

    def lost(_: Any) -> Any:
        into = jm.Labels.range("system", 2)
        return jax.block_until_ready(jm.sum_over_samples(padded, [], into=into))

    loader = Loader(_numbers(2), 1, collate=lost, prefetch=prefetch)
    assert all(np.isnan(found[0].values).all() for found in loader)
    with jm.debug.raising(), pytest.raises(Exception, match="have no place in the labels"):
        next(iter(loader))


# Shards ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("drop_last", [False, True])
def test_processes_share_each_global_batch(count: int, drop_last: bool) -> None:
    arguments: dict[str, Any] = {"shuffle": True, "seed": 2, "drop_last": drop_last}
    parts = [_loader(23, 2, shard=(i, count), **arguments) for i in range(count)]
    epochs = [_epoch(part) for part in parts]
    assert {len(epoch) for epoch in epochs} == {len(parts[0])}
    together = _epoch(_loader(23, 2 * count, **arguments))
    for batch, shares in zip(together, zip(*epochs, strict=True), strict=True):
        assert sorted(itertools.chain(*shares)) == sorted(batch)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_this_process_is_one_of_those_of_jax() -> None:
    assert _epoch(_loader(3, 2, shard="process")) == [(0, 1), (2,)]


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0), "host", (0,), (0.0, 1), 3])
@pytest.mark.usefixtures("wrong_types")
def test_shards_that_are_none(shard: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="Loader: "):
        _loader(4, 1, shard=shard)


def test_no_process_gets_an_empty_batch() -> None:
    with pytest.raises(ValueError, match="it has 1 structures for 2 processes"):
        _loader(5, 2, shard=(0, 2))
    assert len(_loader(5, 2, shard=(0, 2), drop_last=True)) == 1


# Other arguments -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 1.5}, "batch_size must be an integer"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"prefetch": -1}, "prefetch must be at least 0"),
        ({"collate": group, "buckets": {"x": 1}}, "both collate= and buckets="),
        ({"dataset": iter([1])}, "a data set has a length"),
    ],
)
@pytest.mark.usefixtures("wrong_types")
def test_wrong_arguments(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        Loader(**{"dataset": _numbers(3), "batch_size": 1, **arguments})


def test_batches_of_buckets(rng: np.random.Generator) -> None:
    dataset = structures(rng, rng.integers(0, 20, size=30).tolist(), same_system=True)
    function = collate(buckets(dataset, 4), renumber="system")
    names = []
    for batch in Loader(dataset, 4, shuffle=True, collate=function):
        assert batch.energy[0].samples.to_labels()["system"].tolist() == list(
            range(len(batch.name))
        )
        names += batch.name
    assert sorted(names) == sorted(sample.name for sample in dataset)


def test_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm")
    # tqdm has a thread of its own, which it never ends.
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)
    assert len(_epoch(_loader(6, 2, progress=True))) == 3
    shown = capsys.readouterr().err
    assert "epoch 0" in shown
    assert "3/3" in shown


def test_a_bar_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r'needs tqdm: pip install "jaxmeta\[progress\]"'):
        _loader(6, 2, progress=True)


def test_in_pipelines_of_grain(rng: np.random.Generator) -> None:
    grain = pytest.importorskip("grain")
    dataset = structures(rng, [1, 2, 3, 4, 5])
    function = collate(buckets(dataset, 2))
    pipeline = grain.MapDataset.source(dataset).batch(2, batch_fn=function)
    ours = Loader(dataset, 2, collate=function)
    for batch, same in zip(pipeline, ours, strict=True):
        assert jm.equal(batch.energy, same.energy)
        assert batch.name == same.name
    order = grain.MapDataset.source(dataset).shuffle(seed=1).batch(2, batch_fn=function)
    names = [name for batch in order.to_iter_dataset() for name in batch.name]
    assert sorted(names) == sorted(sample.name for sample in dataset)
