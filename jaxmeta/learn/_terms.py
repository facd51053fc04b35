"""Sums over the entries that count, and how many there are: what losses are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxmeta.core import DynamicLabels, TensorBlock, TensorMap
from jaxmeta.core.device._device_checks import differ, guarded, mode
from jaxmeta.learn._matching import VALUES, Pair, chains, check_maps, check_precision
from jaxmeta.learn._weights import checked_weights, sizes_of


def loss(
    operation: str,
    function: Callable[[Any], Any],
    prediction: TensorMap,
    target: TensorMap,
    weights: Any,
    sizes: Any,
) -> Any:
    """The weighted sum over parameters of the mean of a function of the errors.

    Arguments:
        operation: for messages.
        function: of an array of errors; zero at zero.
        prediction: the map that is differentiated.
        target: the map with the references.
        weights: as the user gave them.
        sizes: as the user gave them.
    """
    check_maps(operation, prediction, target)
    check_precision(prediction, target)
    faults = Faults(operation)
    divisors = sizes_of(operation, sizes, target)
    dtype = jax.dtypes.canonicalize_dtype(float) if target.dtype is None else target.dtype
    # Sums of half precision soon leave its range.
    wide = dtype if jnp.finfo(dtype).bits >= 32 else jnp.dtype(jnp.float32)
    total = jnp.zeros((), wide)
    for parameter, weight in checked_weights(operation, weights, target).items():
        found = chains(operation, prediction, target, parameter)
        faults.compare_all(found)
        if parameter == VALUES:
            faults.compare_sizes([chain[-1] for chain in found], divisors)
            terms = [(chain[-1], divisors[chain[-1].position][0]) for chain in found]
        else:
            terms = [(chain[-1], None) for chain in found]
        total += _mean(function, terms, wide) * jnp.asarray(weight).astype(wide)
    return faults.guard(total.astype(dtype))


def _mean(
    function: Callable[[Any], Any], terms: Sequence[tuple[Pair, Any]], wide: Any
) -> Any:
    """Over all entries of all blocks that count; zero where none does."""
    total, number = jnp.zeros((), wide), jnp.zeros((), jnp.int32)
    for pair, sizes in terms:
        errors, counts = _errors(pair, sizes, wide)
        total += function(errors).sum()
        number += counts.sum(dtype=jnp.int32)
    return total / jnp.maximum(number, 1).astype(wide)


def _errors(pair: Pair, sizes: Any, wide: Any) -> tuple[Any, Any]:
    """The errors, zero where there is no reference, and where there is one.

    What does not count is taken out before anything is computed of it: of a NaN that is
    taken out only afterwards the derivative is NaN.
    """
    prediction = jnp.asarray(pair.prediction.values)
    target = jnp.asarray(pair.target.values)
    # Those of numpy are converted by numpy, which knows 64 bits.
    sizes = None if sizes is None else sizes.astype(wide)
    rows = _rows_that_count(pair.target, sizes)
    counts = ~jnp.isnan(target)
    if rows is not None:
        counts &= _beside(rows, target)
    nothing = jnp.zeros((), target.dtype)
    errors = jnp.where(counts, prediction, nothing).astype(wide)
    errors -= jnp.where(counts, target, nothing).astype(wide)
    if sizes is not None:
        assert rows is not None
        divisors = jnp.where(rows, sizes, jnp.ones((), wide))
        errors = errors / _beside(divisors, errors)
    return errors, counts


def _rows_that_count(target: TensorBlock, sizes: Any) -> Any:
    """Rows that are in use and have a size; None where all are and have."""
    samples = target.samples
    used = samples.mask if isinstance(samples, DynamicLabels) else None
    if sizes is None:
        return used
    return sizes != 0 if used is None else used & (sizes != 0)


def _beside(rows: Any, x: Any) -> Any:
    return jnp.asarray(rows).reshape(-1, *[1] * (x.ndim - 1))


class Faults:
    """Rows of dynamic samples that are not the same on both sides, block by block."""

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._different: dict[str, Any] = {}

    def compare_all(self, found: Sequence[Sequence[Pair]]) -> None:
        """Compare the samples of all pairs."""
        for chain in found:
            for pair in chain:
                self._compare(f"samples of {pair.name}", pair.prediction, pair.target)

    def compare_sizes(
        self, pairs: Sequence[Pair], divisors: Sequence[tuple[Any, Any]]
    ) -> None:
        """Compare the samples of targets with those of sizes."""
        for pair in pairs:
            _, block = divisors[pair.position]
            if block is not None:
                self._compare(f"samples of {pair.name} (sizes=)", pair.target, block)

    def _compare(self, axis: str, left: TensorBlock, right: TensorBlock) -> None:
        own, other = left.samples, right.samples
        if not isinstance(own, DynamicLabels) or not isinstance(other, DynamicLabels):
            return
        if own.values is not other.values and axis not in self._different:
            unequal = (jnp.asarray(own.values) != jnp.asarray(other.values)).any(axis=1)
            self._different[axis] = unequal.sum(dtype=jnp.int32)

    def guard(self, x: Any) -> Any:
        """The number, or NaN where some rows are not the same."""
        for axis, different in self._different.items():
            raises = mode() == "raise"
            message = partial(differ, self._operation, axis) if raises else None
            x = guarded(x, different > 0, message, different)
        return x
