"""Scaler: one factor for values and all of their gradients."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.plans._compilable import Compilable
from jaxmeta.errors import InvalidError, compose
from jaxmeta.learn._matching import VALUES, check_parameter
from jaxmeta.learn.ridge._systems import check_features, systems
from jaxmeta.learn.ridge.model import weights_for
from jaxmeta.operations._arguments import check_choice, check_map


Per: TypeAlias = Literal["block", "map"]


class Scaler(Compilable):
    r"""A map divided by one number, with all of its gradients: derivatives stay such.

    `fit` makes one. There is no shift (subtract a `Composition` before) and no scale of
    components or gradients of their own: what was a derivative, or turned with the
    structure, still is one and does.

    Arguments:
        scales: for each key one number.

    Example:
        >>> values = jnp.array([[3.0], [-4.0], [0.0], [5.0]])
        >>> samples, energy = Labels.range("system", 4), Labels("energy", [[0]])
        >>> y = TensorMap(Labels.single(), [TensorBlock(values, samples, [], energy)])
        >>> scaler = Scaler.fit(y)
        >>> round(float(scaler.scales[0].values[0, 0]) ** 2, 9)  # of (9 + 16 + 25) / 4
        12.5
        >>> round(float((scaler.transform(y)[0].values ** 2).mean()), 9)
        1.0
    """

    scales: TensorMap

    def __check_init__(self) -> None:
        check_map("Scaler", self.scales)

    @classmethod
    def fit(
        cls,
        y: TensorMap,
        *,
        per: Per = "block",
        parameter: str = VALUES,
        sizes: Any = None,
    ) -> Scaler:
        r"""The root mean square, :math:`\langle y^2 \rangle^{1/2}`, about zero.

        Where everything is zero, or nothing counts, the scale is one. Goes through
        ``jit``.

        Arguments:
            y: a map of real numbers of 32 or 64 bits; what is NaN, or padding, does not
                count.
            per: ``"block"`` for a scale for each block, ``"map"`` for one scale over all
                entries of all blocks, so that blocks can still be compared.
            parameter: whose entries are looked at: ``"values"``, or a gradient by its
                name, so that for instance forces have size one.
            sizes: numbers of atoms by which values are divided before they are looked at,
                as in `mse`; `transform` does not divide by them.

        Raises:
            MissingError: for a gradient that is not there.
            InvalidError: for another word for `per`, sizes of another shape, or scales
                that are not finite.
            InvalidTypeError: for what is no map of real numbers.
        """
        check_choice("Scaler.fit", "per", per, ("block", "map"))
        check_parameter("Scaler.fit", parameter)
        found = systems("Scaler.fit", y, y, {parameter: 1.0}, sizes)
        squares, counts = [], []
        for system in found:
            number = (system.weights > 0).sum() * system.right.shape[1]
            counts.append(number.astype(system.right.dtype))
            squares.append((system.weights[:, None] * system.right**2).sum())
        if per == "map" and found:
            squares = [sum(squares[1:], squares[0])] * len(found)
            counts = [sum(counts[1:], counts[0])] * len(found)
        blocks = [_block(*each) for each in zip(squares, counts, strict=True)]
        _check_finite(y.keys, blocks)
        return cls(TensorMap(y.keys, blocks))

    def transform(self, y: TensorMap) -> TensorMap:
        """The map divided by its scales: values, gradients, and their gradients.

        Arguments:
            y: a map with keys that were fitted, all or some of them.

        Raises:
            MissingError: for a key that was not fitted.
            InvalidTypeError: for another dtype.
        """
        return self._scaled("Scaler.transform", y, inverse=False)

    def inverse_transform(self, y: TensorMap) -> TensorMap:
        """The map times its scales; arguments and errors are those of `transform`."""
        return self._scaled("Scaler.inverse_transform", y, inverse=True)

    def _scaled(self, where: str, y: TensorMap, inverse: bool) -> TensorMap:
        check_features(where, y, self.scales)
        scales = weights_for(where, self.scales, y)
        factors = [scale.values[0, 0] for scale in scales]
        blocks = [
            _times(block, factor if inverse else 1 / factor)
            for block, factor in zip(y, factors, strict=True)
        ]
        return TensorMap(y.keys, blocks, y.info())


def _block(squares: Any, count: Any) -> TensorBlock:
    mean = squares / jnp.maximum(count, 1.0)
    there = mean != 0
    scale = jnp.where(there, jnp.sqrt(jnp.where(there, mean, 1.0)), 1.0)
    return TensorBlock(scale.reshape(1, 1), Labels.single(), [], Labels.single())


def _check_finite(keys: Labels, blocks: list[TensorBlock]) -> None:
    for index, block in enumerate(blocks):
        values = block.values
        if not isinstance(values, Tracer) and not np.isfinite(np.asarray(values)).all():
            name = block_name(keys, index)
            raise InvalidError(
                compose(f"Scaler.fit: {name} has entries that are not finite.")
            )


def _times(block: TensorBlock, factor: Any) -> TensorBlock:
    return TensorBlock(
        jnp.asarray(block.values) * factor,
        block.samples,
        block.components,
        block.properties,
        {name: _times(gradient, factor) for name, gradient in block.gradients()},
    )
