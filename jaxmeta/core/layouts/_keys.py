"""Key paths: how JAX's own messages name a leaf of a block or a map."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class LeafKey:
    """The way from a block or map to one of its leaves, written as Python."""

    path: str

    def __str__(self) -> str:
        return self.path
