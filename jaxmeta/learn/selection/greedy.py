"""select_fps, select_cur: few samples or properties that stand for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import DynamicLabels, Labels, LabelsEntry, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_whole
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    choices,
    compose,
)
from jaxmeta.learn.ridge._systems import check_features
from jaxmeta.learn.selection._greedy import farthest, most_important
from jaxmeta.operations._arguments import check_choice, check_tensor
from jaxmeta.operations.selection import slice_block


Axis: TypeAlias = Literal["samples", "properties"]
Number: TypeAlias = int | Mapping[Any, int]


class Selection(eqx.Module):
    """Samples or properties that were chosen, block by block, in this order.

    Arguments:
        support: for each key what was chosen: labels along `axis`, in the order of
            choice. The values say why: for farthest points the distance of each from
            those chosen before it (the Hausdorff distance between these and all points;
            infinite for the first), for CUR its weight when it was chosen. Shape
            ``(chosen, 1)``, or ``(1, chosen)`` for properties.
        axis: ``"samples"`` or ``"properties"``.
    """

    support: TensorMap
    axis: str = eqx.field(static=True)

    def transform(self, X: Any) -> Any:
        """What was chosen of a map or a block, in the order that it has.

        Values and gradients as of `slice`.

        Arguments:
            X: a map with keys that are in the support, all or some; or a block, where
                one was chosen from.

        Raises:
            MissingError: for a key that is not in the support.
            InvalidTypeError: for what is neither.
        """
        where = "Selection.transform"
        if isinstance(check_tensor(where, X), TensorBlock):
            if self.support.keys is not Labels.single():
                raise InvalidTypeError(
                    compose(
                        f"{where}: the support is that of a map, X is a block.",
                        remedy="give a map with keys.",
                    )
                )
            return slice_block(X, self.axis, self._labels(self.support[0]))
        blocks = []
        for index, (key, block) in enumerate(X.items()):
            if key.names != self.support.keys.names or key not in self.support.keys:
                known = [each.print() for each in self.support.keys]
                name = block_name(X.keys, index)
                raise MissingError(
                    compose(
                        f"{where}: nothing was chosen for {name}.",
                        choices(key.print(), known),
                    )
                )
            labels = self._labels(self.support.block(key))
            blocks.append(slice_block(block, self.axis, labels))
        return TensorMap(X.keys, blocks, X.info())

    def _labels(self, block: TensorBlock) -> Labels:
        labels = block.samples if self.axis == "samples" else block.properties
        assert isinstance(labels, Labels)
        return labels


def select_fps(
    X: Any, n_to_select: Number, *, axis: Axis = "samples", start: int = 0
) -> Selection:
    """The farthest points: each as far as possible from all that were chosen before.

    Block by block, by Euclidean distances of the values; gradients do not matter. When
    samples are chosen, components are features of theirs; when properties are chosen,
    components are further samples. Of equal distances the first point is taken: the same
    choice in every run.

    Arguments:
        X: a map, or a block, of real numbers with static samples.
        n_to_select: how many; -1 for all, sorted by their distances; or a dictionary
            with a number for each key, an entry or a tuple of integers.
        axis: what to choose, ``"samples"`` or ``"properties"``.
        start: the position of the first point.

    Returns:
        The `Selection`, whose values are Hausdorff distances.

    Raises:
        InvalidError: for more points than there are, none, or a `start` beyond them.
        MissingError: for keys without a number.
        DynamicSamplesError: for dynamic samples.
        InvalidTypeError: for traced arrays, whose labels can not be chosen, and others.

    Example:
        >>> x = jnp.array([[0.0], [1.0], [9.0], [5.0]])
        >>> block = TensorBlock(x, Labels.range("s", 4), [], Labels.range("n", 1))
        >>> chosen = select_fps(block, 3).support[0]
        >>> chosen.samples["s"].tolist(), chosen.values.ravel().tolist()
        ([0, 2, 3], [inf, 9.0, 4.0])
    """
    where = "select_fps"

    def choose(name: str, rows: Any, number: int, _: bool) -> tuple[Any, Any]:
        check_whole(where, "start", start, 0)
        if not 0 <= start < len(rows):
            raise InvalidError(
                compose(
                    f"{where}: there is no point start={start} to begin with.",
                    f"{name} has {len(rows)} {axis}",
                )
            )
        positions, distances = farthest(jnp.asarray(rows), number, start)
        return np.asarray(positions), distances

    return _select(where, X, n_to_select, axis, choose)


def select_cur(
    X: Any,
    n_to_select: Number,
    *,
    axis: Axis = "samples",
    k: int = 1,
    recompute_every: int = 1,
) -> Selection:
    r"""The rows of a CUR decomposition, by their weights in leading singular vectors.

    The weight of a row is :math:`\sum_{j \le k} u_{ij}^2` (Mahoney and Drineas, PNAS 106,
    697, 2009). What a chosen row explains is taken out of all others, and weights are
    computed again (Imbalzano et al., J. Chem. Phys. 148, 241730, 2018). Components,
    gradients and blocks as of `select_fps`. The same choice in every run, where singular
    values are not degenerate.

    Arguments:
        X: a map, or a block, of real numbers with static samples.
        n_to_select: as of `select_fps`; -1 for all that are independent.
        axis: what to choose, ``"samples"`` or ``"properties"``.
        k: how many singular vectors count.
        recompute_every: after how many choices weights are computed again; 0 for never.

    Returns:
        The `Selection`, whose values are the weights.

    Raises:
        InvalidError: for more than there are independent rows, and bad choices.

    All other errors are those of `select_fps`.

    Example:
        >>> x = jnp.array([[1.0, 0.0], [0.0, 3.0], [0.0, 1.0]])
        >>> block = TensorBlock(x, Labels.range("s", 3), [], Labels.range("n", 2))
        >>> select_cur(block, 2).support[0].samples["s"].tolist()
        [1, 0]
    """
    where = "select_cur"
    for name, number, least in (("k", k, 1), ("recompute_every", recompute_every, 0)):
        check_whole(where, name, number, least)

    def choose(name: str, rows: Any, number: int, everything: bool) -> tuple[Any, Any]:
        table = np.asarray(rows).astype(np.float64)
        leading = min(k, *table.shape)
        positions, weights = most_important(table, number, leading, recompute_every)
        if len(positions) < number and not everything:
            raise InvalidError(
                compose(
                    f"{where}: only {len(positions)} of the {axis} are independent.",
                    f"in {name}; n_to_select is {number}",
                    remedy="choose fewer, or -1 for as many as there are.",
                )
            )
        dtype = np.asarray(rows).dtype
        return np.asarray(positions, np.int64), np.asarray(weights).astype(dtype)

    return _select(where, X, n_to_select, axis, choose)


# What is given --------------------------------------------------------------------------


def _select(
    where: str,
    X: Any,
    n_to_select: Any,
    axis: str,
    choose: Callable[[str, Any, int, bool], tuple[Any, Any]],
) -> Selection:
    check_choice(where, "axis", axis, ("samples", "properties"))
    if isinstance(check_tensor(where, X), TensorBlock):
        X = TensorMap(Labels.single(), [X])
    check_features(where, X, X)
    blocks = []
    for index, (key, block) in enumerate(X.items()):
        name = block_name(X.keys, index)
        rows, labels = _rows(where, name, block, axis)
        number, everything = _number(where, name, n_to_select, key, len(labels))
        positions, scores = choose(name, rows, number, everything)
        chosen = Labels(labels.names, labels.values[positions])
        samples, properties = chosen, Labels.single()
        if axis == "properties":
            samples, properties = properties, samples
        scores = jnp.asarray(scores).reshape(len(samples), len(properties))
        blocks.append(TensorBlock(scores, samples, [], properties))
    return Selection(TensorMap(X.keys, blocks), axis)


def _rows(where: str, name: str, block: TensorBlock, axis: str) -> tuple[Any, Labels]:
    """What is chosen from, as rows, and the labels of these."""
    samples, values = block.samples, block.values
    if isinstance(samples, DynamicLabels):
        raise DynamicSamplesError(
            compose(f"{where}: the samples of {name} are dynamic.", remedy="unpad() it.")
        )
    if isinstance(values, Tracer):
        raise InvalidTypeError(
            compose(
                f"{where}: the values are traced by JAX, labels can not depend on them.",
                remedy="call it outside of transformed functions.",
            )
        )
    if not np.isfinite(np.asarray(values)).all():
        raise InvalidError(compose(f"{where}: {name} has values that are not finite."))
    if axis == "samples":
        return values.reshape(len(samples), prod(values.shape[1:])), samples
    return values.reshape(prod(values.shape[:-1]), values.shape[-1]).T, block.properties


def _number(
    where: str, name: str, given: Any, key: LabelsEntry, there: int
) -> tuple[int, bool]:
    """How many to choose, and whether that is as many as there are."""
    wanted = _wanted(where, name, given, key)
    number = there if wanted == -1 else wanted
    if not 1 <= number <= there:
        raise InvalidError(
            compose(
                f"{where}: n_to_select must be from 1 to the number of points, or -1.",
                f"found {number} for {name}, which has {there}",
            )
        )
    return number, wanted == -1


def _wanted(where: str, name: str, given: Any, key: LabelsEntry) -> int:
    if isinstance(given, Mapping):
        numbers = {_row(entry): number for entry, number in given.items()}
        row = tuple(int(value) for value in key.values)
        if row not in numbers:
            raise MissingError(
                compose(
                    f"{where}: n_to_select has no number for {name}.",
                    f"it has some for {', '.join(map(str, numbers))}",
                )
            )
        given = numbers[row]
    check_whole(where, "n_to_select", given, -1)
    return int(given)


def _row(entry: Any) -> tuple[int, ...]:
    values = entry.values if isinstance(entry, LabelsEntry) else entry
    row = np.atleast_1d(np.asarray(values))
    if row.dtype.kind not in "iu":
        raise InvalidTypeError(
            compose(
                "n_to_select: a key is an entry, or a tuple of integers.",
                f"found {entry!r:.100}",
            )
        )
    return tuple(row.tolist())
