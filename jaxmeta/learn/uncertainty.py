"""Uncertainty: how far linear predictions may be off, for values and their gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import block_name, check_same_labels
from jaxmeta.core.plans._compilable import Compilable
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    choices,
    compose,
)
from jaxmeta.learn._matching import VALUES, check_parameter
from jaxmeta.learn.ridge._penalties import penalties
from jaxmeta.learn.ridge._row_weights import part_of
from jaxmeta.learn.ridge._systems import check_features, systems
from jaxmeta.learn.ridge.accumulated import NormalEquations
from jaxmeta.learn.ridge.model import Ridge, check_solved, weights_for
from jaxmeta.operations._arguments import check_map


class Uncertainty(Compilable):
    r"""Variances of the predictions of a model that is linear in its last features.

    `of` makes one from the sums that a fit needs. A prediction :math:`x w` has the
    variance :math:`\sigma^2\, x\, (X^T S X + A)^{-1} x^T`; a gradient of it has the same
    with the gradient of the features in place of :math:`x`. With weights :math:`S` that
    are inverse variances of the noise, a penalty :math:`A` that is the inverse variance
    of the weights before anything was seen, and :math:`\sigma = 1`, it is the variance of
    Bayesian linear regression (Bishop, Pattern Recognition and Machine Learning, 2006,
    section 3.3), without the noise of the target itself. For the last layer of a network
    it is the prediction rigidity of Bigi et al. (Mach. Learn.: Sci. Technol. 5, 045018,
    2024), whose :math:`\sigma` is `calibrated`.

    Immutable, a pytree of arrays. Goes through ``jit``.

    Arguments:
        roots: matrices :math:`R` with :math:`R^T R = (X^T S X + A)^{-1}`: samples and
            properties are the properties of the features.
        scales: the squares :math:`\sigma^2`: one sample, properties are those of the
            targets.

    Example:
        >>> s, n, e = Labels.range("s", 4), Labels.range("n", 1), Labels.range("e", 1)
        >>> x = TensorBlock(jnp.array([[1.0], [1.0], [1.0], [1.0]]), s, [], n)
        >>> X = TensorMap(Labels.single(), [x])
        >>> sums = NormalEquations.zeros(X, X).add(X, X)
        >>> uncertainty = Uncertainty.of(sums, alpha=0.0)  # of a mean of four numbers
        >>> uncertainty.variance(X)[0].values[0].tolist()
        [0.25]
    """

    roots: TensorMap
    scales: TensorMap

    def __check_init__(self) -> None:
        for tensor in (self.roots, self.scales):
            check_map("Uncertainty", tensor)

    @classmethod
    def of(cls, equations: NormalEquations, alpha: Any) -> Uncertainty:
        """The variances of the model ``equations.solve(alpha)``, with scales of one.

        Arguments:
            equations: the sums over all rows that the model was fitted to.
            alpha: its penalty, as of `Ridge.fit`.

        Raises:
            InvalidError: for sums that are singular to working precision: directions of
                which nothing is known have an infinite variance.
            InvalidTypeError: for an `alpha` that is no penalty.
        """
        where = "Uncertainty.of"
        _check_class(where, "equations", equations, NormalEquations)
        left = equations.left
        roots, scales = [], []
        for index, diagonal in enumerate(penalties(where, alpha, left)):
            block, right = left[index], equations.right[index]
            root = _root(block.values, diagonal)
            name = block_name(left.keys, index)
            check_solved(where, name, root, "a larger alpha, or fewer features.")
            roots.append(block.with_values(root))
            one = jnp.ones((1, len(right.properties)), right.dtype)
            scales.append(TensorBlock(one, Labels.single(), [], right.properties))
        return cls(TensorMap(left.keys, roots), TensorMap(left.keys, scales))

    def variance(self, X: TensorMap, parameter: str = VALUES) -> TensorMap:
        """The variance of each prediction, or of each entry of one of its gradients.

        A map of its own: the variance of a gradient is not the gradient of a variance.

        Arguments:
            X: features with keys that were fitted, static or dynamic samples.
            parameter: ``"values"``, or the name of a gradient of `X`.

        Returns:
            A map without gradients. Samples and components are those of the values or of
            the gradient, properties those of the targets. In squared units of these.

        Raises:
            MissingError: for a key that was not fitted, or a gradient that `X` lacks.
            NotEqualError: when properties differ.
            InvalidTypeError: for another dtype.
        """
        where = "Uncertainty.variance"
        check_parameter(where, parameter)
        check_features(where, X, self.roots)
        roots = weights_for(where, self.roots, X)
        scales = weights_for(where, self.scales, X)
        blocks = []
        for index, (block, root, scale) in enumerate(zip(X, roots, scales, strict=True)):
            name = block_name(X.keys, index)
            own, wanted = block.properties, root.properties
            check_same_labels(where, name, "properties", own, wanted)
            blocks.append(_variance(where, name, block, parameter, root, scale))
        return TensorMap(X.keys, blocks, X.info())

    def calibrated(
        self,
        X: TensorMap,
        y: TensorMap,
        model: Ridge,
        *,
        parameter: str = VALUES,
    ) -> Uncertainty:
        r"""The same with scales that make the errors of other predictions most likely.

        For each block and target :math:`\sigma^2 = \langle r^2 / v \rangle`, with the
        residuals :math:`r` and the variances :math:`v` for :math:`\sigma = 1`: the
        maximum of a Gaussian likelihood.

        Arguments:
            X: features that the model was not fitted to, for instance of a validation
                set.
            y: their targets, as of `Ridge.fit`; what is NaN does not count.
            model: the model whose errors are looked at.
            parameter: whose errors: ``"values"``, or the name of a gradient.

        Raises:
            InvalidError: where a row has an error, but no variance, or nothing counts.

        All other errors are those of `variance` and `Ridge.fit`.
        """
        where = "Uncertainty.calibrated"
        _check_class(where, "model", model, Ridge)
        check_parameter(where, parameter)
        one = [block.with_values(jnp.ones_like(block.values)) for block in self.scales]
        plain = Uncertainty(self.roots, TensorMap(self.scales.keys, one))
        prediction, variance = model.predict(X), plain.variance(X, parameter)
        spread = [
            _replaced(block, parameter, found.values)
            for block, found in zip(prediction, variance, strict=True)
        ]
        weights = {parameter: 1.0}
        errors = systems(where, prediction, y, weights, None)
        spreads = systems(where, TensorMap(X.keys, spread), y, weights, None)
        blocks = []
        for key, error, found in zip(X.keys, errors, spreads, strict=True):
            values = _likeliest(*error[1:4], found.left)
            _check_scales(where, error.name, values)
            blocks.append(self.scales.block(key).with_values(values[None, :]))
        roots = weights_for(where, self.roots, X)
        return Uncertainty(roots, TensorMap(X.keys, blocks))


@jax.jit
def _root(gram: Any, alpha: Any) -> Any:
    """The inverse of the Cholesky factor: its products are never negative."""
    matrix = gram + jnp.diag(alpha)
    identity = jnp.eye(matrix.shape[0], dtype=matrix.dtype)
    factor = jnp.linalg.cholesky(matrix)
    pivots = jnp.diagonal(factor) ** 2
    least = jnp.finfo(matrix.dtype).eps * matrix.shape[0] * jnp.diagonal(matrix)
    root = jax.scipy.linalg.solve_triangular(factor, identity, lower=True)
    return jnp.where((pivots > least).all(), root, jnp.nan)


def _check_class(where: str, name: str, given: Any, wanted: type) -> None:
    if not isinstance(given, wanted):
        raise InvalidTypeError(
            compose(
                f"{where}: {name} must be a {wanted.__name__}.",
                f"found {type(given).__name__}",
            )
        )


def _variance(
    where: str,
    name: str,
    block: TensorBlock,
    parameter: str,
    root: TensorBlock,
    scale: TensorBlock,
) -> TensorBlock:
    if parameter != VALUES and not block.has_gradient(parameter):
        raise MissingError(
            compose(
                f"{where}: X has no gradient {parameter!r}.",
                f"in {name} {choices(parameter, block.gradients_list())}",
                remedy="compute X with it.",
            )
        )
    part = part_of(block, parameter)
    x = jnp.asarray(part.values)
    found = ((x @ jnp.asarray(root.values).T) ** 2).sum(axis=-1, keepdims=True)
    scales = jnp.asarray(scale.values)[0].reshape(*[1] * (x.ndim - 1), -1)
    return TensorBlock(found * scales, part.samples, part.components, scale.properties)


def _replaced(block: TensorBlock, parameter: str, values: Any) -> TensorBlock:
    """The block with other numbers for one parameter."""
    if parameter == VALUES:
        return block.with_values(values)
    return block.with_gradient(parameter, block.gradient(parameter).with_values(values))


@jax.jit
def _likeliest(prediction: Any, target: Any, weights: Any, variance: Any) -> Any:
    """The mean of squared errors over variances, by target; NaN where it is none."""
    squares = (prediction - target) ** 2
    counts = (weights[:, None] > 0) & ((variance > 0) | (squares > 0))
    ratios = jnp.where(counts, squares / jnp.where(counts, variance, 1.0), 0.0)
    return ratios.sum(axis=0) / counts.sum(axis=0).astype(ratios.dtype)


def _check_scales(where: str, name: str, scales: Any) -> None:
    if isinstance(scales, Tracer) or np.isfinite(np.asarray(scales)).all():
        return
    raise InvalidError(
        compose(
            f"{where}: there is no scale for {name}.",
            f"found {np.asarray(scales)}",
            remedy="either nothing counts, or features are zero where there is an error.",
        )
    )
