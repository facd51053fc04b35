"""Tensors to test operations with: those of `jaxmeta.testing`, as the tests here call them.

Sizes are fewer than they could be: every new one means that kernels are compiled again.
"""

from __future__ import annotations

import dataclasses

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta import TensorMap
from jaxmeta.testing import Recipe as GeneralRecipe
from jaxmeta.testing import random_map as random_map
from jaxmeta.testing import random_partner as with_other_values


__all__ = [
    "Recipe",
    "random_map",
    "recipes",
    "share",
    "with_other_numbers",
    "with_other_values",
]


@dataclasses.dataclass(frozen=True)
class Recipe(GeneralRecipe):
    """A recipe whose gradients all have a gradient by strain, if it is `nested`."""

    nested: bool = False

    def __post_init__(self) -> None:
        if self.nested:
            tops = [name for name in self.gradients if "/" not in name]
            paths = dict.fromkeys([*self.gradients, *(f"{top}/strain" for top in tops)])
            object.__setattr__(self, "gradients", tuple(paths))


def recipes(
    nested: bool = False, min_blocks: int = 1, gradients: bool = True
) -> st.SearchStrategy[Recipe]:
    """Recipes of every kind; `nested` ones have gradients of gradients."""
    names = [(), ("positions",), ("positions", "strain")] if gradients else [()]
    rows = st.lists(st.sampled_from((0, 1, 4)), min_size=min_blocks, max_size=3)
    return st.builds(
        Recipe,
        rows=rows.map(tuple),
        components=st.sampled_from([(), (3,)]),
        gradients=st.just(("positions",)) if nested else st.sampled_from(names),
        nested=st.just(nested),
        density=st.sampled_from([0.0, 0.5, 1.0]),
        seed=st.integers(0, 2**16),
    )


def with_other_numbers(tensor: TensorMap, seed: int) -> TensorMap:
    """A map with the same labels throughout, its gradient rows too."""
    rng = np.random.default_rng(seed)

    def numbers(leaf: jax.Array) -> jax.Array:
        sign = rng.choice([-1.0, 1.0], leaf.shape)
        return jnp.asarray((sign * rng.uniform(0.5, 2.0, leaf.shape)).astype(leaf.dtype))

    return jax.tree.map(numbers, tensor)


def share(part: int) -> hypothesis.settings:
    """Settings with a fraction of the examples of the profile, for slow properties."""
    return hypothesis.settings(
        max_examples=max(1, hypothesis.settings.default.max_examples // part)
    )
