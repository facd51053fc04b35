"""Key paths: how JAX's own messages name a leaf of a block or a map."""

from __future__ import annotations

from jax.tree_util import GetAttrKey


class LeafKey(GetAttrKey):
    """The way from a block or map to one of its leaves, written as Python.

    A kind of key that JAX has itself: libraries for checkpoints know no others.
    """

    def __str__(self) -> str:
        return self.name
