"""Modules that `jax.jit` takes as functions: their arrays are constants of the program."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer


class Compilable(eqx.Module):
    """A module that can be hashed, and with it its methods: ``jax.jit(model.predict)``.

    Those of equinox are hashed by their fields, and arrays have no hash. Here the hash is
    that of what stays when arrays change: structure, shapes, dtypes. Modules are equal
    where their arrays are, so that a program is never used for other parameters.
    """

    def __hash__(self) -> int:
        leaves, structure = jax.tree.flatten(self)
        return hash((structure, tuple(map(_described, leaves))))

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        # Whether traced arrays are equal is not known.
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((self, other))):
            return False
        return super().__eq__(other)


def _described(leaf: Any) -> Any:
    if isinstance(leaf, Tracer):
        return id(leaf)
    if isinstance(leaf, jax.Array | np.ndarray):
        return leaf.shape, leaf.dtype
    return type(leaf)
