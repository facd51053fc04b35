"""NormalEquations: ridge regression on more rows than fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import block_name, check_same_map, matched_keys
from jaxmeta.core.plans._compilable import Compilable
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.learn.ridge._penalties import penalties
from jaxmeta.learn.ridge._solvers import scaled, solve_normal
from jaxmeta.learn.ridge._systems import check_features, systems
from jaxmeta.learn.ridge.model import Ridge, check_solved, weights_map
from jaxmeta.operations._arguments import check_map


class NormalEquations(Compilable):
    r"""The sums :math:`X^T S X` and :math:`X^T S y` over all rows, block by block.

    Their size is that of the features, whatever the number of rows: batches are added
    one by one, in a loop, in `jax.lax.scan`, or on several devices whose sums are added.
    Rows and their weights :math:`S` are those of `Ridge.fit`. Squaring the features
    squares their condition: keep them in 64 bits.

    Immutable: `add` gives new sums. A pytree whose leaves are the sums.

    Arguments:
        left: samples and properties are the properties of the features.
        right: samples are the properties of the features, properties those of the
            targets.

    Example:
        >>> from jaxmeta.core import Labels
        >>> n, e = Labels.range("n", 1), Labels.range("e", 1)
        >>> def batch(numbers):
        ...     values = jnp.array(numbers)[:, None]
        ...     block = TensorBlock(values, Labels.range("s", len(numbers)), [], n)
        ...     return TensorMap(Labels.single(), [block])
        >>> batches = [batch([1.0, 2.0]), batch([3.0])]
        >>> sums = NormalEquations.zeros(batches[0], batches[0])
        >>> for X in batches:
        ...     sums = sums.add(X, 2.0 * X)
        >>> sums.left[0].values.tolist(), sums.solve(alpha=0.0).weights[0].values.round(9)
        ([[14.0]], Array([[2.]], dtype=float64))
    """

    left: TensorMap
    right: TensorMap

    def __check_init__(self) -> None:
        for sums in (self.left, self.right):
            check_map("NormalEquations", sums)

    @classmethod
    def zeros(cls, X: TensorMap, y: TensorMap) -> NormalEquations:
        """Sums over nothing, for features and targets with the labels of these.

        Arguments:
            X: any features with the keys and properties of those to come.
            y: any targets with the keys and properties of those to come.

        Raises:
            NotEqualError: when keys differ.
            InvalidTypeError: for what is no map of real numbers of one dtype.
        """
        check_features("NormalEquations.zeros", X, y)
        matched_keys("NormalEquations.zeros", X._layout, y._layout)
        sizes = [(len(x.properties), len(y.block(key).properties)) for key, x in X.items()]
        lefts = [jnp.zeros((p, p), X.dtype) for p, _ in sizes]
        rights = [jnp.zeros((p, q), X.dtype) for p, q in sizes]
        return cls._of(X, y, lefts, rights)

    @classmethod
    def _of(
        cls, X: TensorMap, y: TensorMap, lefts: list[Any], rights: list[Any]
    ) -> NormalEquations:
        left, right = [], []
        for i, (key, x) in enumerate(X.items()):
            n = x.properties
            left.append(TensorBlock(lefts[i], n, [], n))
            right.append(TensorBlock(rights[i], n, [], y.block(key).properties))
        return cls(TensorMap(X.keys, left), TensorMap(X.keys, right))

    def add(
        self,
        X: TensorMap,
        y: TensorMap,
        *,
        sample_weight: Any = None,
        sizes: Any = None,
    ) -> NormalEquations:
        """The sums over more rows. Goes through ``jit`` and ``scan``.

        Arguments:
            X: features, static or dynamic samples.
            y: targets.
            sample_weight: as for `Ridge.fit`.
            sizes: as for `Ridge.fit`.

        Raises:
            NotEqualError: where labels differ, also from those of the sums.

        All other errors are those of `Ridge.fit`.
        """
        found = systems("NormalEquations.add", X, y, sample_weight, sizes)
        sums = [_sums(*system[1:4]) for system in found]
        lefts, rights = [each[0] for each in sums], [each[1] for each in sums]
        return self + NormalEquations._of(X, y, lefts, rights)

    def __add__(self, other: NormalEquations) -> NormalEquations:
        if not isinstance(other, NormalEquations):
            raise InvalidTypeError(
                compose(
                    "NormalEquations: only other normal equations can be added.",
                    f"found {type(other).__name__}",
                    remedy="sums.add(X, y) adds the rows of maps.",
                )
            )
        for own, more in ((self.left, other.left), (self.right, other.right)):
            # The samples of both are the properties of the left one.
            check_same_map(
                "NormalEquations.add", own._layout, more._layout, ("properties",)
            )
        return NormalEquations(self.left + other.left, self.right + other.right)

    def solve(self, alpha: Any) -> Ridge:
        """The model that `Ridge.fit` gives for all rows at once, by its solver ``primal``.

        Arguments:
            alpha: the penalty, as for `Ridge.fit`.

        Raises:
            InvalidError: for sums that are not finite.
            InvalidTypeError: for an `alpha` that is no penalty.
        """
        diagonals = penalties("NormalEquations.solve", alpha, self.left)
        arrays = []
        for index, diagonal in enumerate(diagonals):
            weights = solve_normal(
                self.left[index].values, self.right[index].values, diagonal
            )
            name = block_name(self.left.keys, index)
            check_solved("NormalEquations.solve", name, weights, _NOT_FINITE)
            arrays.append(weights)
        return Ridge(weights_map(self.left, self.right, arrays))

    def map(self, function: Callable[[Any], Any]) -> NormalEquations:
        """The sums with a function applied to each of their arrays.

        For sums of several devices: ``sums.map(lambda x: jax.lax.psum(x, "devices"))``.
        """
        if not callable(function):
            raise InvalidTypeError(
                compose(
                    "NormalEquations.map: a function of arrays is needed.",
                    f"found {function!r:.100}",
                )
            )
        return jax.tree.map(function, self)


_NOT_FINITE = "features, targets or weights that were added are not finite."


@jax.jit
def _sums(x: Any, y: Any, weights: Any) -> tuple[Any, Any]:
    x, y = scaled(x, y, weights)
    return x.T @ x, x.T @ y
