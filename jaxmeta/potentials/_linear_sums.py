r"""Weights and offsets of a linear potential as one problem of least squares.

Offsets count atoms and have no penalty, so they are eliminated exactly: what counts
explain, :math:`Q Q^T`, is taken out of features and energies, with an orthonormal basis
:math:`Q` of the columns of the counts. The weights follow from the rest, and the offsets
from the weights. Only sums over rows are kept, however many batches there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxmeta.core import TensorMap
from jaxmeta.learn.ridge.accumulated import NormalEquations
from jaxmeta.operations.gradients import remove_gradients


class Counts:
    """The numbers of atoms of each type, and which offsets they can tell apart.

    Arguments:
        types: for each system the types of its atoms.
        energies: shape (systems,); what is NaN does not count.

    Attributes:
        known: the types that there are, in ascending order.
        table: numbers of atoms, shape (systems, types).
        offsets: those that are best for the energies per atom, without any features.
        rest: the energies without these.
    """

    def __init__(self, types: Sequence[Any], energies: np.ndarray) -> None:
        self.known = np.unique(np.concatenate(types))
        found = [np.asarray(each)[:, None] == self.known[None, :] for each in types]
        self.table = np.stack([each.sum(axis=0) for each in found]).astype(np.float64)
        sizes = self.table.sum(axis=1)
        there = ~np.isnan(energies)
        # Errors of energies are those per atom; so are the rows.
        self._scale = np.divide(there, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
        u, sigma, vt = np.linalg.svd(self._scale[:, None] * self.table, full_matrices=False)
        kept = sigma > sigma.max(initial=0) * np.finfo(float).eps * max(u.shape)
        self._basis, self._inner, self._sigma = u[:, kept], vt[kept], sigma[kept]
        known = np.where(there, energies, 0.0).astype(np.float64)
        self.offsets = self.offsets_of(self._basis.T @ (self._scale * known))
        self.rest = energies - self.table @ self.offsets

    def explained(self, values: np.ndarray, rows: slice) -> np.ndarray:
        """What these rows add to the part that counts explain, shape (rank, ...)."""
        known = np.where(np.isnan(values), 0.0, values)
        return (self._basis[rows] * self._scale[rows, None]).T @ known

    def offsets_of(self, explained: np.ndarray) -> np.ndarray:
        """The offsets of smallest norm that are best for this part, shape (types,)."""
        return self._inner.T @ (explained / self._sigma)

    def smallest(self, offsets: np.ndarray) -> np.ndarray:
        """The offsets of smallest norm that give the energies that these give."""
        return self._inner.T @ (self._inner @ offsets)


class Solution(NamedTuple):
    """Weights, shape (features,), and offsets, shape (types,)."""

    weights: Any
    offsets: np.ndarray


class JointSums:
    """Sums over batches of systems, from which weights and offsets are solved for.

    Arguments:
        counts: of all systems.
        weights: what multiplies squared errors, by the kind of rows.
    """

    def __init__(self, counts: Counts, weights: Mapping[str, float]) -> None:
        self._counts = counts
        self._energy = weights.get("values", 0.0)
        self._slopes = {name: w for name, w in weights.items() if name != "values"}
        self._sums: list[NormalEquations] = []
        self._done = 0

    def add(self, X: TensorMap, y: TensorMap) -> None:
        """The next systems: their features, and their energies with gradients."""
        rows = slice(self._done, self._done + X[0].shape[0])
        table, values = self._counts.table[rows], np.asarray(X[0].values)
        if not self._sums:
            self._begin(X, y, np.linalg.lstsq(table, values, rcond=None)[0])
        # Offsets take up any multiple of the counts. Features that vary around zero
        # keep their digits when sums are taken apart.
        values = (values - table @ self._shift).astype(values.dtype)
        rest = self._counts.rest[rows, None].astype(values.dtype)
        X, y = _with_values(X, values), _with_values(y, rest)
        energies, slopes = self._sums
        bare = remove_gradients(X), remove_gradients(y)
        energies = energies.add(*bare, sizes=table.sum(axis=1))
        if self._slopes:
            slopes = slopes.add(X, y, sample_weight=self._slopes)
        self._sums, self._done = [energies, slopes], rows.stop
        self._left += self._counts.explained(values, rows)
        self._right += self._counts.explained(rest[:, 0], rows)

    def _begin(self, X: TensorMap, y: TensorMap, shift: np.ndarray) -> None:
        self._shift = shift
        rank = self._counts.explained(np.zeros((0, 1)), slice(0, 0)).shape[0]
        self._left, self._right = np.zeros((rank, shift.shape[1])), np.zeros(rank)
        self._sums = [NormalEquations.zeros(X, y)] * 2

    def solve(self, alpha: float) -> Solution:
        """Weights and offsets; `alpha` is a fraction of the mean of the diagonal."""
        energies, slopes = self._sums
        explained = self._left.T @ np.column_stack([self._left, self._right])
        left = self._energy * _minus(energies.left, explained[:, :-1]) + slopes.left
        right = self._energy * _minus(energies.right, explained[:, -1:]) + slopes.right
        scale = float(jnp.diagonal(left[0].values).mean())
        model = NormalEquations(left, right).solve(alpha * scale)
        weights = np.asarray(model.weights[0].values)[0]
        offsets = self._counts.offsets_of(self._right - self._left @ weights)
        offsets += self._counts.offsets - self._shift @ weights
        return Solution(jnp.asarray(weights), self._counts.smallest(offsets))


def _minus(sums: TensorMap, array: np.ndarray) -> TensorMap:
    own = np.asarray(sums[0].values)
    return _with_values(sums, (own - array).astype(own.dtype))


def _with_values(tensor: TensorMap, values: np.ndarray) -> TensorMap:
    return TensorMap(tensor.keys, [tensor[0].with_values(jnp.asarray(values))])
