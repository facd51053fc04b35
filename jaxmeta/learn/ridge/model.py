"""Ridge: a linear model of values and of their explicit gradients, block by block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.plans._compilable import Compilable
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose
from jaxmeta.learn._matching import check_parameter
from jaxmeta.learn.ridge._penalties import is_positive, penalties
from jaxmeta.learn.ridge._solvers import solve_rows
from jaxmeta.learn.ridge._systems import System, systems
from jaxmeta.operations._arguments import check_choice, check_map, check_number
from jaxmeta.operations.math import dot


Solver: TypeAlias = Literal["auto", "primal", "dual", "qr", "iterative"]
SOLVERS = ("auto", "primal", "dual", "qr", "iterative")


class Ridge(Compilable):
    r"""A linear model without intercept, for each block by itself.

    `fit` makes one. Its weights are such that :math:`X w` predicts values and, with the
    gradients of the features in place of the features, their gradients: a potential
    that is linear in its features has forces that are linear in their gradients.

    Immutable, a pytree whose leaves are the weights. Subtract baselines before: see
    `Composition` and `Scaler`.

    Arguments:
        weights: samples are the properties of the target, properties those of the
            features; no components, no gradients.

    Example:
        >>> from jaxmeta.core import Labels
        >>> s, n, e = Labels.range("s", 3), Labels.range("n", 2), Labels.range("e", 1)
        >>> x = TensorBlock(jnp.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), s, [], n)
        >>> X = TensorMap(Labels.single(), [x])
        >>> y = TensorBlock(jnp.array([[1.0], [3.0], [5.0]]), s, [], e)
        >>> model = Ridge.fit(X, TensorMap(Labels.single(), [y]), alpha=1e-10)
        >>> model.weights[0].values.round(6).tolist()
        [[1.0, 2.0]]
    """

    weights: TensorMap

    def __check_init__(self) -> None:
        check_map("Ridge", self.weights)

    @classmethod
    def fit(
        cls,
        X: TensorMap,
        y: TensorMap,
        *,
        alpha: Any,
        sample_weight: Any = None,
        sizes: Any = None,
        solver: Solver = "auto",
        tolerance: float | None = None,
        max_steps: int | None = None,
    ) -> Ridge:
        r"""The model that minimises a weighted sum of squares with a penalty.

        For each block :math:`\sum_r s_r |x_r w - y_r|^2 + \sum_p \alpha_p w_p^2`. Rows
        :math:`r` are all samples and components of the values, and all rows of every
        gradient of `y`, with those of the same gradient of `X`. A gradient row that `X`
        has not is zero, as everywhere. Rows whose targets are NaN do not count: there is
        no reference. Neither do padding rows of dynamic samples.

        Solvers: ``primal`` (Cholesky of the normal equations), ``dual`` (a system as
        large as the number of rows, :math:`w = A^{-1} X^T (X A^{-1} X^T + S^{-1})^{-1}
        y` with the weights :math:`S` on its diagonal, for more features than rows; needs
        a positive `alpha`), ``qr`` (most accurate for features that are nearly
        dependent), ``iterative`` (conjugate gradients, which form no matrix). ``auto``
        is ``qr`` without penalty, else ``dual`` for more features than rows, else
        ``primal``. Where the minimum is not unique, ``primal`` and ``qr`` give that of
        smallest norm.

        Goes through ``jit``; there the checks of numbers are left out, and a system that
        can not be solved gives NaN.

        Arguments:
            X: features, real numbers of 32 or 64 bits.
            y: targets with the same keys (in any order), samples and components. The
                features may have more gradients than the target.
            alpha: the penalty: a number that is not negative, or a map with the keys and
                properties of `X` and one sample, a number for each property. In units
                of the weighted squares of the features.
            sample_weight: what multiplies the squared residuals. A number; a dictionary
                with a number for ``"values"`` and gradients by name, where what is not
                named does not count, as in `mse`; or a map like `y` with one property,
                with a weight for each row of the values and of each gradient.
            sizes: numbers of atoms, by which errors of the values are divided, those of
                gradients are not; as in `mse`.
            solver: one of those above.
            tolerance: of ``iterative``: how small the gradient of the sum must be, as a
                fraction of that at zero weights; by default 1000 times the precision.
            max_steps: of ``iterative``; by default 20 for each feature, 1000 at least.

        Raises:
            NotEqualError: where labels differ; left is `X`, right is `y`.
            MissingError: for gradients of `y` that `X` lacks.
            InvalidError: for bad choices, negative weights, targets known in part of
                their properties, ``dual`` without penalty, systems that are singular to
                working precision, and where ``iterative`` takes too many steps.
            InvalidTypeError: for other arguments, and dtypes that differ.
            NestedGradientsError: for gradients of gradients in `y`, where they count:
                always but where `sample_weight` names others.
        """
        check_choice("Ridge.fit", "solver", solver, SOLVERS)
        found = systems("Ridge.fit", X, y, sample_weight, sizes)
        diagonals = penalties("Ridge.fit", alpha, X)
        limits = _limits(tolerance, max_steps)
        arrays = [
            _solve(solver, system, diagonal, *limits)
            for system, diagonal in zip(found, diagonals, strict=True)
        ]
        return cls(weights_map(X, y, arrays))

    def predict(self, X: TensorMap) -> TensorMap:
        """The products of features and weights, with the gradients that `X` has.

        Values: ``dot(X, weights)``. Gradients: those of `X`, times the weights. Goes
        through ``jit`` and ``grad``, with static or dynamic samples.

        Arguments:
            X: features with keys that were fitted, all or some of them.

        Raises:
            MissingError: for a key that was not fitted.
            NotEqualError: when properties differ.
        """
        return dot(X, weights_for("Ridge.predict", self.weights, X))

    def score(
        self, X: TensorMap, y: TensorMap, parameter_key: str = "values"
    ) -> list[float]:
        """The root mean squared error of each block, a number of the host.

        Arguments:
            X: features.
            y: targets, as for `fit`; what is NaN does not count.
            parameter_key: ``"values"``, or the name of a gradient.

        Returns:
            One number for each block, in the order of `X`; NaN where nothing counts.

        Raises:
            MissingError: for a gradient that one of the maps lacks.
            InvalidTypeError: for traced arrays, and what is no name.
        """
        leaves = (
            *check_map("Ridge.score", X)._leaves,
            *check_map("Ridge.score", y)._leaves,
        )
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            raise InvalidTypeError(
                compose(
                    "Ridge.score: the arrays are traced by JAX, scores are numbers.",
                    remedy="call it outside of transformed functions.",
                )
            )
        check_parameter("Ridge.score", parameter_key)
        found = systems("Ridge.score", self.predict(X), y, {parameter_key: 1.0}, None)
        return [_rmse(system) for system in found]


def weights_for(operation: str, weights: TensorMap, X: TensorMap) -> TensorMap:
    """The weights of the blocks that X has, in their order."""
    check_map(operation, X)
    if X.keys is weights.keys:
        return weights
    names = X.keys.names == weights.keys.names
    for index, key in enumerate(X.keys):
        if not names or key not in weights.keys:
            raise MissingError(
                compose(
                    f"{operation}: there are no weights for {block_name(X.keys, index)}.",
                    choices(key.print(), [each.print() for each in weights.keys]),
                    remedy="fit with such a block, or drop_blocks() it.",
                )
            )
    return TensorMap(X.keys, [weights.block(key) for key in X.keys])


def weights_map(X: TensorMap, y: TensorMap, arrays: Sequence[Any]) -> TensorMap:
    """Weights of shape (features, targets) as a map."""
    blocks = [
        TensorBlock(array.T, y.block(key).properties, [], block.properties)
        for (key, block), array in zip(X.items(), arrays, strict=True)
    ]
    return TensorMap(X.keys, blocks)


def check_solved(operation: str, name: str, weights: Any, remedy: str) -> None:
    """Refuse weights that are no numbers, where that can be seen."""
    if isinstance(weights, Tracer) or np.isfinite(np.asarray(weights)).all():
        return
    raise InvalidError(
        compose(f"{operation}: {name} has no finite solution.", remedy=remedy)
    )


def _limits(tolerance: Any, max_steps: Any) -> tuple[float | None, int | None]:
    if tolerance is not None:
        tolerance = check_number("Ridge.fit", "tolerance", tolerance)
    if max_steps is not None:
        max_steps = math.ceil(check_number("Ridge.fit", "max_steps", max_steps))
        max_steps = min(max_steps, np.iinfo(np.int32).max)  # nobody waits for more
    return tolerance, max_steps


def _solve(
    solver: str, system: System, alpha: Any, tolerance: float | None, steps: int | None
) -> Any:
    chosen = _chosen(solver, system, alpha)
    dtype = system.left.dtype
    if tolerance is None:
        tolerance = 1e3 * float(jnp.finfo(dtype).eps)
    most = max(20 * system.left.shape[1], 1000) if steps is None else steps
    limits = np.asarray(tolerance, dtype), np.asarray(most, np.int32)
    weights = solve_rows(chosen, *system[1:4], alpha, *limits)
    remedy = "features or targets are not finite, or the system is singular to working "
    remedy += "precision: a larger alpha, or solver='qr'."
    if chosen == "iterative":
        remedy = f"not converged in {most} steps: more max_steps, a larger tolerance or "
        remedy += "alpha, or another solver."
    check_solved("Ridge.fit", system.name, weights, remedy)
    return weights


def _chosen(solver: str, system: System, alpha: Any) -> str:
    rows, features = system.left.shape
    positive = is_positive(alpha)
    if solver == "dual" and not positive:
        raise InvalidError(
            compose(
                "Ridge.fit: solver='dual' divides by alpha.",
                f"it is zero in {system.name}",
                remedy="give a positive alpha, or solver='qr'.",
            )
        )
    if solver != "auto":
        return solver
    return "qr" if not positive else ("dual" if features > rows else "primal")


def _rmse(system: System) -> float:
    counts = np.asarray(system.weights) > 0
    errors = np.asarray(system.left)[counts] - np.asarray(system.right)[counts]
    return (
        float(np.sqrt(np.mean(errors.astype(np.float64) ** 2))) if errors.size else math.nan
    )
