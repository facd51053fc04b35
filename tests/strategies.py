"""What the tests draw: the strategies of `jaxmeta.testing`, with every dtype and key.

Numbers are whole, so that sums and differences are exact in every dtype.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jaxmeta import TensorBlock, TensorMap
from jaxmeta.testing import Recipe, random_map, strategies
from jaxmeta.testing.strategies import labels as labels
from jaxmeta.testing.strategies import names as names


NAMES = ("a", "b", "c", "_d", "E5")
SMALL = st.integers(-3, 3)


def rows(columns: int, wide: bool = True) -> st.SearchStrategy[np.ndarray]:
    """Unique rows in any order."""
    return strategies.rows(columns, extreme=wide)


@dataclasses.dataclass(frozen=True)
class Shape:
    """What all blocks of a map have in common."""

    components: Sequence[tuple[str, int]]
    gradients: tuple[str, ...]
    nested: bool
    dtype: str

    @property
    def fields(self) -> dict[str, Any]:
        """The same, as a recipe has it."""
        return {
            "component_names": tuple(name for name, _ in self.components),
            "components": tuple(size for _, size in self.components),
            "gradients": (*self.gradients, *(["positions/cell"] if self.nested else [])),
            "dtype": self.dtype,
            "numbers": "whole",
            "key_names": ("k", "l"),
            "property_names": ("n",),
        }


COMPONENTS = (("m", 3), ("c", 2))
DENSITY = st.sampled_from([0.0, 0.3, 0.6])
GRADIENTS = ((), ("positions",), ("positions", "strain"))
ALIKE = ("components", "properties")
ONE_SIZE = st.sampled_from([2, 2, 0, 1])


@st.composite
def shapes(draw: st.DrawFn, nested: bool = False) -> Shape:
    components = draw(st.sampled_from([(), COMPONENTS[:1], COMPONENTS]))
    gradients = draw(st.sampled_from(GRADIENTS[1:2] if nested else GRADIENTS))
    dtype = draw(st.sampled_from(["float64", "float64", "float32", "complex128", "int32"]))
    return Shape(components, gradients, nested, dtype)


@st.composite
def blocks(draw: st.DrawFn, nested: bool = False) -> TensorBlock:
    """Blocks of any dtype."""
    return draw(
        strategies.blocks(
            **draw(shapes(nested)).fields,
            rows=st.sampled_from([(0,), (1,), (2,), (3,)]),
            properties=ONE_SIZE,
            density=DENSITY,
        )
    )


@st.composite
def tensors(
    draw: st.DrawFn,
    nested: bool = False,
    least_keys: int = 1,
    same_properties: bool | None = None,
) -> TensorMap:
    """Maps of any dtype with one to four keys of two dimensions."""
    if same_properties is None:
        same_properties = draw(st.booleans())
    sizes = st.lists(st.sampled_from([0, 1, 2, 3]), min_size=least_keys, max_size=4)
    return draw(
        strategies.tensors(
            **draw(shapes(nested)).fields,
            rows=sizes.map(tuple),
            properties=ONE_SIZE if same_properties else st.tuples(*[ONE_SIZE] * 4),
            shared=ALIKE if same_properties else ALIKE[:1],
            sample_names=st.sampled_from([("system",), ("system", "atom")]),
            density=DENSITY,
        )
    )


def make_tensor(
    rng: np.random.Generator,
    like: Shape,
    sample_names: Sequence[str],
    count: int,
    same_properties: bool,
) -> TensorMap:
    """A map like `tensors` draws, from a generator of random numbers."""
    recipe = Recipe(
        **like.fields,
        rows=tuple(rng.integers(0, 4, count).tolist()),
        properties=2 if same_properties else tuple(rng.integers(0, 3, count).tolist()),
        shared=ALIKE if same_properties else ALIKE[:1],
        sample_names=tuple(sample_names),
        seed=int(rng.integers(2**16)),
    )
    return random_map(recipe)


def some_rows(
    rng: np.random.Generator, candidates: Sequence[tuple[int, ...]], sizes: Sequence[int]
) -> np.ndarray:
    """Some of the candidates, in any order."""
    size = min(int(rng.choice(sizes)), len(candidates))
    return rng.permutation(np.array(candidates, np.int32))[:size]
