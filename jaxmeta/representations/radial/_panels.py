"""Quadrature on the host: Gauss-Legendre in panels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


_NODES = 20


class Panels(NamedTuple):
    """Nodes and weights of a quadrature, each of shape (nodes,)."""

    nodes: np.ndarray
    weights: np.ndarray


def panels(stop: float, width: float) -> Panels:
    """A quadrature from 0 to `stop`, exact to degree 39 in panels no wider than `width`."""
    count = max(1, math.ceil(stop / width))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = stop / count / 2
    centers = (2 * np.arange(count) + 1) * half
    return Panels((centers[:, None] + half * nodes).ravel(), np.tile(half * weights, count))
