"""Operations beside what one would write by hand on the bare arrays.

The arrays are those of the maps in order: values and gradient of each block. Row tables
are made with numpy outside of the program, as jaxmeta does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap


@dataclass(frozen=True)
class Case:
    """One operation: on maps, and by hand on the tuple of all their arrays."""

    name: str
    operation: Callable[..., TensorMap]
    by_hand: Callable[..., Sequence[Any]]
    tensors: tuple[TensorMap, ...]

    @cached_property
    def programs(self) -> tuple[str, str]:
        """The optimised program of the operation, and the one written by hand."""
        arrays = tuple(jax.tree.leaves(self.tensors))
        return (
            optimised(lambda *leaves: self._on_maps(leaves), arrays),
            optimised(lambda *leaves: tuple(self.by_hand(*leaves)), arrays),
        )

    def _on_maps(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        tensors = jax.tree.unflatten(jax.tree.structure(self.tensors), leaves)
        return tuple(jax.tree.leaves(self.operation(*tensors)))


def optimised(function: Callable[..., Any], arrays: Sequence[Any]) -> str:
    """The text of a compiled program without names and remarks."""
    text = jax.jit(function).lower(*arrays).compile().as_text() or ""
    text = re.sub(r"^HloModule [^,]*", "HloModule", text)
    text = re.sub(r", metadata=\{[^}]*\}", "", text)
    text = re.sub(
        r"\n(FileNames|FunctionNames|FileLocations|StackFrames)\n(.+\n)*", "\n", text
    )
    names: dict[str, str] = {}
    return re.sub(r"%[\w.\-]+", lambda m: names.setdefault(m[0], f"%{len(names)}"), text)


def descriptor(rows: Sequence[int] = (50, 60, 40, 50), seed: int = 0) -> TensorMap:
    """Four blocks with position gradients: samples (system, atom), unsorted."""
    rng = np.random.default_rng(seed)
    keys = Labels(["center", "neighbor"], list(itertools.product((1, 8), (1, 8))))
    return TensorMap(keys, [_block(rng, count, seed) for count in rows])


def _block(rng: np.random.Generator, rows: int, seed: int) -> TensorBlock:
    grid = np.array(list(itertools.product(range(10), range(10))))
    samples = Labels(["system", "atom"], grid[rng.permutation(100)[:rows]])
    pairs = np.array(list(itertools.product(range(rows), range(4))))
    own = np.sort(rng.permutation(len(pairs))[: 3 * rows])
    rows_of = Labels(["sample", "atom"], pairs[own])
    properties = Labels.range("n", 6)
    xyz = Labels.range("xyz", 3)
    gradient = TensorBlock(_numbers(rng, (3 * rows, 3, 6)), rows_of, [xyz], properties)
    return TensorBlock(
        _numbers(rng, (rows, 6)), samples, [], properties, {"positions": gradient}
    )


def _numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return jnp.asarray(rng.uniform(1.0, 2.0, shape))


def like(tensor: TensorMap, seed: int) -> TensorMap:
    """Other values for the same labels."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: _numbers(rng, leaf.shape), tensor)


def cases() -> list[Case]:
    """All operations that have a counterpart by hand."""
    a, b = descriptor(), like(descriptor(), 1)
    two = (a, b)
    w = weights(a)
    X, Y = squares(), like(squares(), 2)
    return [
        Case("add", jm.add, add, two),
        Case("multiply", jm.multiply, _multiply(a), two),
        Case("divide", jm.divide, _divide(a), two),
        Case("sum_over_samples", _sum, _reduce(a, mean=False), (a,)),
        Case("mean_over_samples", _mean, _reduce(a, mean=True), (a,)),
        Case("join samples", _join("samples"), _stack(2), two),
        Case("join properties", _join("properties"), _beside, two),
        Case("keys_to_samples", _to_samples, _to_samples_by_hand(a), (a,)),
        Case("keys_to_properties", _to_properties, _to_properties_by_hand(a), (a,)),
        Case("slice samples", _slice, _slice_by_hand(a), (a,)),
        Case("dot", jm.dot, _dot, (a, w)),
        Case("lstsq", lambda x, y: jm.lstsq(x, y, rcond=1e-10), _lstsq, two),
        Case("solve", jm.solve, _solve, (X, Y)),
    ]


def weights(tensor: TensorMap) -> TensorMap:
    rng = np.random.default_rng(5)
    blocks = [
        TensorBlock(_numbers(rng, (4, 6)), Labels.range("t", 4), [], block.properties)
        for block in tensor
    ]
    return TensorMap(tensor.keys, blocks)


def squares() -> TensorMap:
    rng = np.random.default_rng(6)
    n = Labels.range("n", 8)
    blocks = []
    for _ in range(4):
        rows = Labels("sample", [[0]])
        gradient = TensorBlock(_numbers(rng, (1, 3, 8)), rows, [Labels.range("xyz", 3)], n)
        samples = Labels.range("s", 5)
        blocks.append(TensorBlock(_numbers(rng, (5, 8)), samples, [], n, {"x": gradient}))
    return TensorMap(Labels.range("k", 4), blocks)


# On maps --------------------------------------------------------------------------------


def _sum(tensor: TensorMap) -> TensorMap:
    return jm.sum_over_samples(tensor, "atom")


def _mean(tensor: TensorMap) -> TensorMap:
    return jm.mean_over_samples(tensor, "atom")


def _join(axis: str) -> Callable[..., TensorMap]:
    return lambda *tensors: jm.join(tensors, axis, add_dimension="part")


def _to_samples(tensor: TensorMap) -> TensorMap:
    return tensor.keys_to_samples("neighbor")


def _to_properties(tensor: TensorMap) -> TensorMap:
    return tensor.keys_to_properties("neighbor")


SYSTEMS = np.array([[1], [3], [4], [8]])


def _slice(tensor: TensorMap) -> TensorMap:
    return jm.slice(tensor, "samples", Labels("system", SYSTEMS))


# By hand --------------------------------------------------------------------------------


def add(*arrays: Any) -> list[Any]:
    half = len(arrays) // 2
    return [a + b for a, b in zip(arrays[:half], arrays[half:], strict=True)]


def _tables(tensor: TensorMap) -> list[tuple[np.ndarray, np.ndarray]]:
    """Samples and gradient samples of every block."""
    return [
        (np.asarray(b.samples.values), np.asarray(b.gradient("positions").samples.values))
        for b in tensor
    ]


def _multiply(tensor: TensorMap) -> Callable[..., list[Any]]:
    parents = [rows[:, 0] for _, rows in _tables(tensor)]

    def multiply(*arrays: Any) -> list[Any]:
        results = []
        for i, rows in enumerate(parents):
            a, da, b, db = *arrays[2 * i : 2 * i + 2], *arrays[8 + 2 * i : 10 + 2 * i]
            results += [a * b, da * b[rows][:, None] + a[rows][:, None] * db]
        return results

    return multiply


def _divide(tensor: TensorMap) -> Callable[..., list[Any]]:
    parents = [rows[:, 0] for _, rows in _tables(tensor)]

    def divide(*arrays: Any) -> list[Any]:
        results = []
        for i, rows in enumerate(parents):
            a, da, b, db = *arrays[2 * i : 2 * i + 2], *arrays[8 + 2 * i : 10 + 2 * i]
            at_a, at_b = a[rows], b[rows]
            right = -db * at_a[:, None] * (at_b**-2)[:, None]
            results += [a / b, da / at_b[:, None] + right]
        return results

    return divide


def _reduce(tensor: TensorMap, mean: bool) -> Callable[..., list[Any]]:
    tables = []
    for samples, rows in _tables(tensor):
        kept, target, counts = np.unique(
            samples[:, 0], return_inverse=True, return_counts=True
        )
        moved = np.stack([target[rows[:, 0]], rows[:, 1]], axis=1)
        below, to = np.unique(moved, axis=0, return_inverse=True)
        tables.append((target, len(kept), counts, to.ravel(), len(below), below[:, 0]))

    def reduce(*arrays: Any) -> list[Any]:
        results = []
        for i, (target, size, counts, to, below, parent) in enumerate(tables):
            total = jax.ops.segment_sum(arrays[2 * i], target, size)
            gradient = jax.ops.segment_sum(arrays[2 * i + 1], to, below)
            if mean:
                total = total / counts[:, None].astype(total.dtype)
                gradient = gradient / counts[parent][:, None, None].astype(total.dtype)
            results += [total, gradient]
        return results

    return reduce


def _stack(count: int) -> Callable[..., list[Any]]:
    def stack(*arrays: Any) -> list[Any]:
        size = len(arrays) // count
        return [jnp.concatenate(arrays[i::size]) for i in range(size)]

    return stack


def _beside(*arrays: Any) -> list[Any]:
    pairs = zip(arrays[:8], arrays[8:], strict=True)
    return [jnp.concatenate(pair, axis=-1) for pair in pairs]


def _to_samples_by_hand(tensor: TensorMap) -> Callable[..., list[Any]]:
    tables = _tables(tensor)
    orders = []
    for i in (0, 2):
        (s, g), (t, h) = tables[i], tables[i + 1]
        stacked = np.concatenate([np.insert(s, 2, 1, axis=1), np.insert(t, 2, 8, axis=1)])
        order = np.lexsort(stacked.T[::-1])
        rank = np.argsort(order)
        below = np.concatenate([g, h + np.array([len(s), 0])])
        below[:, 0] = rank[below[:, 0]]
        orders.append((order, np.lexsort(below.T[::-1])))

    def move(*arrays: Any) -> list[Any]:
        results = []
        for i, (order, below) in zip((0, 4), orders, strict=True):
            results.append(jnp.concatenate([arrays[i], arrays[i + 2]])[order])
            results.append(jnp.concatenate([arrays[i + 1], arrays[i + 3]])[below])
        return results

    return move


def _to_properties_by_hand(tensor: TensorMap) -> Callable[..., list[Any]]:
    tables = _tables(tensor)
    orders = []
    for i in (0, 2):
        (s, g), (t, h) = tables[i], tables[i + 1]
        _, to = np.unique(np.concatenate([s, t]), axis=0, return_inverse=True)
        to = to.ravel()
        below = np.concatenate([g, h + np.array([len(s), 0])])
        below[:, 0] = to[below[:, 0]]
        _, down = np.unique(below, axis=0, return_inverse=True)
        ends = len(s), len(g)
        orders.append(
            [
                _sources(where, end)
                for where, end in ((to, ends[0]), (down.ravel(), ends[1]))
            ]
        )

    def move(*arrays: Any) -> list[Any]:
        results = []
        for i, tables in zip((0, 4), orders, strict=True):
            for level, pair in enumerate(tables):
                blocks = arrays[i + level], arrays[i + level + 2]
                rows = [
                    x.at[source].get(mode="fill", fill_value=0)
                    for x, source in zip(blocks, pair, strict=True)
                ]
                results.append(jnp.concatenate(rows, axis=-1))
        return results

    return move


def _sources(target: np.ndarray, end: int) -> list[np.ndarray]:
    """For each row of the result, the row of either block; past its end without one."""
    found = []
    for part in (target[:end], target[end:]):
        source = np.full(target.max() + 1, len(part), np.int32)
        source[part] = np.arange(len(part))
        found.append(source)
    return found


def _slice_by_hand(tensor: TensorMap) -> Callable[..., list[Any]]:
    rows = []
    for samples, below in _tables(tensor):
        kept = np.isin(samples[:, 0], SYSTEMS)
        rows += [np.flatnonzero(kept), np.flatnonzero(kept[below[:, 0]])]
    return lambda *arrays: [x[i] for x, i in zip(arrays, rows, strict=True)]


def _dot(*arrays: Any) -> list[Any]:
    return [arrays[i] @ arrays[8 + i // 2].T for i in range(8)]


def _system(arrays: Sequence[Any]) -> Any:
    values, gradient = arrays
    return jnp.concatenate([values, gradient.reshape(-1, gradient.shape[-1])])


def _lstsq(*arrays: Any) -> list[Any]:
    sides = [_system(arrays[i : i + 2]) for i in range(0, 16, 2)]
    return [
        jnp.linalg.lstsq(x, y, rcond=1e-10)[0].T
        for x, y in zip(sides[:4], sides[4:], strict=True)
    ]


def _solve(*arrays: Any) -> list[Any]:
    sides = [_system(arrays[i : i + 2]) for i in range(0, 16, 2)]
    return [jnp.linalg.solve(x, y).T for x, y in zip(sides[:4], sides[4:], strict=True)]
