"""Tensors to test operations with: as different as labels allow, from a seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta import Labels, TensorBlock, TensorMap


# Few different sizes: every new one means that kernels are compiled again.
ROWS = (0, 1, 4)
EXTRA = {"positions": ("xyz",), "strain": ("xyz_1", "xyz_2")}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a random map looks like.

    `rows` has the number of samples of each block, `components` the size of each
    component axis, `gradients` the names of gradients, each also of its own gradient if
    `nested`. Of all gradient rows that could be there, a fraction `density` is.
    """

    rows: tuple[int, ...] = (4, 5)
    components: tuple[int, ...] = ()
    properties: int = 2
    gradients: tuple[str, ...] = ("positions",)
    nested: bool = False
    density: float = 0.5
    seed: int = 0
    dtype: Any = np.float64


def recipes(
    nested: bool = False, min_blocks: int = 1, gradients: bool = True
) -> st.SearchStrategy[Recipe]:
    """Recipes of every kind; `nested` ones have gradients of gradients."""
    names = st.sampled_from([(), ("positions",), ("positions", "strain")])
    return st.builds(
        Recipe,
        rows=st.lists(st.sampled_from(ROWS), min_size=min_blocks, max_size=3).map(tuple),
        components=st.sampled_from([(), (3,)]),
        gradients=st.just(("positions",))
        if nested
        else names
        if gradients
        else st.just(()),
        nested=st.just(nested),
        density=st.sampled_from([0.0, 0.5, 1.0]),
        seed=st.integers(0, 2**16),
    )


def random_map(recipe: Recipe, keys: Labels | None = None) -> TensorMap:
    """The map of a recipe: unsorted samples, negative labels, unsorted gradient rows."""
    rng = np.random.default_rng(recipe.seed)
    if keys is None:
        rows = _some_rows(rng, len(recipe.rows), (3, 2, 2), low=-1)
        keys = Labels(["center", "neighbor", "sigma"], rows)
    blocks = [random_block(recipe, rows, rng) for rows in recipe.rows]
    return TensorMap(keys, blocks, {"unit": "eV", "seed": str(recipe.seed)})


def random_block(recipe: Recipe, rows: int, rng: np.random.Generator) -> TensorBlock:
    samples = Labels(["system", "atom"], _some_rows(rng, rows, (3, 4), low=-1))
    components = tuple(
        Labels(f"component_{i}", _some_rows(rng, size, (size,), low=-1))
        for i, size in enumerate(recipe.components)
    )
    properties = Labels(["n", "l"], _some_rows(rng, recipe.properties, (3, 3), low=0))
    return _filled(_Parent(rows, components, properties), samples, recipe, rng)


def with_other_values(tensor: TensorMap, recipe: Recipe) -> TensorMap:
    """A map with the same labels, but other values and other gradient rows."""
    rng = np.random.default_rng(recipe.seed + 1)
    blocks = []
    for block in tensor:
        own = _Parent(len(block), tuple(block.components), block.properties)
        blocks.append(_filled(own, block.samples, recipe, rng))
    return TensorMap(tensor.keys, blocks, {"unit": "eV", "other": "yes"})


def _filled(
    own: _Parent, samples: Any, recipe: Recipe, rng: np.random.Generator
) -> TensorBlock:
    gradients = {
        name: _gradient(name, own, recipe, rng, depth=int(recipe.nested))
        for name in recipe.gradients
    }
    values = numbers(rng, own.shape, recipe.dtype)
    return TensorBlock(values, samples, own.components, own.properties, gradients)


def numbers(rng: np.random.Generator, shape: Sequence[int], dtype: Any) -> Any:
    """Numbers away from zero, so that divisions and powers are harmless."""
    sign = rng.choice([-1.0, 1.0], shape)
    return jnp.asarray((sign * rng.uniform(0.5, 2.0, shape)).astype(dtype))


def _gradient(
    name: str, parent: _Parent, recipe: Recipe, rng: np.random.Generator, depth: int
) -> TensorBlock:
    """A gradient of a block; itself with gradients down to `depth`."""
    others = [(-2, 7), (0, 3), (5, -1)] if name == "positions" else [()]
    rows = [(i, *other) for i in range(parent.rows) for other in others]
    kept = rng.permutation(len(rows))[: round(recipe.density * len(rows))]
    names = ["sample", "system", "atom"] if name == "positions" else ["sample"]
    table = np.array(rows, np.int32).reshape(-1, len(names))[kept]
    extra = [Labels.range(axis, 2) for axis in EXTRA[name]]
    own = _Parent(len(table), (*extra, *parent.components), parent.properties)
    below = {"strain": _gradient("strain", own, recipe, rng, depth - 1)} if depth else {}
    values = numbers(rng, own.shape, recipe.dtype)
    return TensorBlock(values, Labels(names, table), own.components, own.properties, below)


@dataclasses.dataclass(frozen=True)
class _Parent:
    rows: int
    components: tuple[Labels, ...]
    properties: Labels

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.rows, *[len(c) for c in self.components], len(self.properties))


def _some_rows(
    rng: np.random.Generator, count: int, ranges: Sequence[int], low: int
) -> np.ndarray:
    """Distinct rows in random order, each column from `low` up."""
    grid = np.indices(ranges).reshape(len(ranges), -1).T + low
    return _shuffled(rng, grid)[:count].astype(np.int32)


def _shuffled(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    return rows[rng.permutation(len(rows))]


def with_other_numbers(tensor: TensorMap, seed: int) -> TensorMap:
    """A map with the same labels throughout, its gradient rows too."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: numbers(rng, leaf.shape, leaf.dtype), tensor)


def share(part: int) -> hypothesis.settings:
    """Settings with a fraction of the examples of the profile, for slow properties."""
    return hypothesis.settings(
        max_examples=max(2, hypothesis.settings.default.max_examples // part)
    )
