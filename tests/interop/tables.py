"""Blocks to make tables and data sets of."""

from __future__ import annotations

from typing import Any

import numpy as np

import jaxmeta as jm


def block_of(values: Any, samples: str = "s", properties: str = "p") -> jm.TensorBlock:
    return jm.TensorBlock(
        values,
        jm.Labels.range(samples, values.shape[0]),
        [],
        jm.Labels.range(properties, values.shape[1]),
    )


def with_forces() -> jm.TensorBlock:
    """Two systems, the second first; three rows of forces, those of system 4 split."""
    n = jm.Labels("n", [[2], [1]])
    values = np.arange(4.0).reshape(2, 2)
    xyz = jm.Labels.range("xyz", 3)
    samples = jm.Labels(["sample", "atom"], [[1, 0], [0, 5], [1, 7]])
    forces = jm.TensorBlock(np.arange(18.0).reshape(3, 3, 2), samples, [xyz], n)
    block = jm.TensorBlock(values, jm.Labels("system", [[9], [4]]), [], n)
    return block.with_gradient("positions", forces)
