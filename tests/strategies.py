"""Hypothesis strategies: labels, blocks and maps with everything that users have.

Sizes are few and small, so that arrays of the same shapes come again and compiled
kernels with them; labels are unsorted and may be negative; gradients are sparse.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jaxtyping
import numpy as np
from hypothesis import strategies as st

from jaxmeta import Labels, TensorBlock, TensorMap


NAMES = ("a", "b", "c", "_d", "E5")
SMALL = st.integers(-3, 3)
ANY_INT32 = st.sampled_from([-(2**31), -1000, -1, 0, 1, 7, 2**31 - 1])


@contextlib.contextmanager
def untyped() -> Iterator[None]:
    """Within it, the tests' run-time type checker steps aside.

    It looks at random items of sequences, which hypothesis forbids in strategies; and it
    would refuse arguments of wrong types before jaxmeta can.
    """
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


@st.composite
def names(draw: st.DrawFn, least: int = 1, most: int = 3) -> list[str]:
    count = draw(st.integers(least, most))
    return draw(st.permutations(NAMES))[:count]


@st.composite
def rows(draw: st.DrawFn, columns: int, most: int = 12, wide: bool = True) -> np.ndarray:
    """Unique rows in any order."""
    value = st.one_of(SMALL, ANY_INT32) if wide else SMALL
    row = st.tuples(*[value] * columns)
    most = most if columns else 1
    found = draw(st.lists(row, unique=True, max_size=most))
    return np.array(found, np.int32).reshape(len(found), columns)


@st.composite
def labels(draw: st.DrawFn, given_names: Sequence[str] | None = None) -> Labels:
    found = draw(names()) if given_names is None else given_names
    table = draw(rows(len(found)))
    with untyped():
        return Labels(found, table)


@dataclasses.dataclass(frozen=True)
class Shape:
    """What all blocks of a map have in common."""

    components: tuple[Labels, ...]
    gradients: tuple[str, ...]
    nested: bool
    dtype: str


COMPONENTS = (
    Labels("m", [[-1], [1], [0]]),
    Labels("c", [[5], [-2]]),
)
XYZ = Labels.range("xyz", 3)
STRAIN = (Labels.range("xyz_1", 3), Labels.range("xyz_2", 3))


@st.composite
def shapes(draw: st.DrawFn, nested: bool | None = False) -> Shape:
    components = draw(st.sampled_from([(), COMPONENTS[:1], COMPONENTS]))
    gradients = draw(st.sampled_from([(), ("positions",), ("positions", "strain")]))
    if nested:
        gradients = ("positions",)
    dtype = draw(st.sampled_from(["float64", "float64", "float32", "complex128", "int32"]))
    return Shape(components, gradients, bool(nested), dtype)


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    """Small whole numbers: sums and differences of them are exact in every dtype."""
    values = rng.integers(-99, 100, shape)
    if dtype.startswith("complex"):
        values = values + 1j * rng.integers(-9, 10, shape)
    return jax.device_put(values.astype(dtype))


def some_rows(
    rng: np.random.Generator, candidates: Sequence[tuple[int, ...]], sizes: Sequence[int]
) -> np.ndarray:
    """Some of the candidates, in any order."""
    size = min(int(rng.choice(sizes)), len(candidates))
    chosen = rng.permutation(len(candidates))[:size]
    columns = len(candidates[0]) if candidates else 0
    table = np.array(candidates, np.int32).reshape(len(candidates), columns)
    return table[chosen]


def gradient_block(
    rng: np.random.Generator,
    parent_rows: int,
    kind: str,
    like: Shape,
    properties: Labels,
    depth: int = 0,
) -> TensorBlock:
    """A gradient with rows for some of the parent's rows, in any order."""
    own = range(parent_rows)
    if kind == "strain":
        extra, columns = STRAIN, ["sample"]
        candidates = [(i,) for i in own]
    else:
        extra, columns = (Labels.range("xyz" + "i" * depth, 3),), ["sample", "atom"]
        candidates = list(itertools.product(own, range(-1, 2)))
    table = some_rows(rng, candidates, (0, 1, 3, 4)).reshape(-1, len(columns))
    components = (*extra, *like.components)
    if depth:
        components = (*extra, XYZ, *like.components)
    shape = (len(table), *map(len, components), len(properties))
    gradients = {}
    if like.nested and kind == "positions" and depth == 0:
        gradients["cell"] = gradient_block(
            rng, len(table), "positions", like, properties, depth=1
        )
    samples = Labels(columns, table)
    values = numbers(rng, shape, like.dtype)
    return TensorBlock(values, samples, components, properties, gradients)


def make_block(
    rng: np.random.Generator, like: Shape, sample_names: Sequence[str], properties: Labels
) -> TensorBlock:
    candidates = list(itertools.product(range(-1, 3), repeat=len(sample_names)))
    samples = Labels(sample_names, some_rows(rng, candidates, (0, 1, 2, 3)))
    shape = (len(samples), *map(len, like.components), len(properties))
    gradients = {
        kind: gradient_block(rng, len(samples), kind, like, properties)
        for kind in like.gradients
    }
    values = numbers(rng, shape, like.dtype)
    return TensorBlock(values, samples, like.components, properties, gradients)


@st.composite
def blocks(draw: st.DrawFn, nested: bool = False) -> TensorBlock:
    like = draw(shapes(nested))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    with untyped():
        return make_block(rng, like, ["system", "atom"], make_properties(rng))


def make_properties(rng: np.random.Generator) -> Labels:
    return Labels("n", some_rows(rng, [(i,) for i in range(-1, 4)], (0, 1, 2, 2)))


@st.composite
def tensors(
    draw: st.DrawFn,
    nested: bool = False,
    least_keys: int = 1,
    same_properties: bool | None = None,
) -> TensorMap:
    """A map with one to four keys of two dimensions."""
    like = draw(shapes(nested))
    if same_properties is None:
        same_properties = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    sample_names = draw(st.sampled_from([["system"], ["system", "atom"]]))
    count = draw(st.integers(least_keys, 4))
    with untyped():
        return make_tensor(rng, like, sample_names, count, same_properties)


def make_tensor(
    rng: np.random.Generator,
    like: Shape,
    sample_names: Sequence[str],
    count: int,
    same_properties: bool,
) -> TensorMap:
    keys = rng.permutation(list(itertools.product((5, -1), (0, 3, -7))))[:count]
    properties = make_properties(rng)
    found = []
    for _ in range(count):
        if not same_properties:
            properties = make_properties(rng)
        found.append(make_block(rng, like, sample_names, properties))
    return TensorMap(Labels(["k", "l"], keys), found, {"unit": "eV"})
