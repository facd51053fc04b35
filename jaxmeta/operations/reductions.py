"""Reductions: sums and means over samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core._kernels import average_rows, sum_rows
from jaxmeta.core._layout import BlockLayout
from jaxmeta.core._plans import Plan, Step, keep, plan_for
from jaxmeta.core._precision import check_inexact
from jaxmeta.core._rearrangement import (
    Rearrangement,
    Source,
    index_array,
    is_identity,
    static_samples,
)
from jaxmeta.core._results import bare, block_by_block, plan_of, run
from jaxmeta.core._rows import unique_rows
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.operations._arguments import check_block, check_map, names_to_reduce


def sum_over_samples(tensor: TensorMap, sample_names: str | Sequence[str]) -> TensorMap:
    r"""Sum the samples that differ only in some dimensions.

    Values: :math:`B_I = \sum_{i \in I} A_i`. Gradients: :math:`\nabla B_I = \sum_{i \in I}
    \nabla A_i`, row by row of the other dimensions of the gradient samples. Gradients of
    gradients follow the same rule.

    Arguments:
        tensor: any map with static samples.
        sample_names: the dimensions that disappear. The samples of the result are sorted;
            when no dimension is left they are ``Labels.single()``.

    Raises:
        MissingError: for a name that is no sample dimension.
        DynamicSamplesError: for dynamic samples.
        InvalidTypeError: for bools.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> block = TensorBlock(jnp.ones((3, 1)), samples, [], Labels.range("n", 1))
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> total = sum_over_samples(tensor, "atom")
        >>> total[0].samples["system"].tolist(), total[0].values.ravel().tolist()
        ([0, 1], [2.0, 1.0])
    """
    return _reduce("sum_over_samples", check_map("sum_over_samples", tensor), sample_names)


def mean_over_samples(tensor: TensorMap, sample_names: str | Sequence[str]) -> TensorMap:
    r"""Average the samples that differ only in some dimensions.

    Values: :math:`B_I = |I|^{-1} \sum_{i \in I} A_i`. Gradients: :math:`\nabla B_I =
    |I|^{-1} \sum_{i \in I} \nabla A_i`, divided by the number of *samples*, also where not
    every sample has a gradient row. (metatensor divides by the number of gradient rows.)

    Arguments and errors are those of `sum_over_samples`; integer values are refused,
    because their means are none.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> values = jnp.array([[1.0], [3.0], [5.0]])
        >>> block = TensorBlock(values, samples, [], Labels.range("n", 1))
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> mean_over_samples(tensor, "atom")[0].values.ravel().tolist()
        [2.0, 5.0]
    """
    operation = "mean_over_samples"
    check_inexact(operation, check_map(operation, tensor), "their means")
    return _reduce(operation, tensor, sample_names)


def sum_over_samples_block(
    block: TensorBlock, sample_names: str | Sequence[str]
) -> TensorBlock:
    """`sum_over_samples` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((3, 1)), Labels.range("atom", 3), [], Labels.range("n", 1)
        ... )
        >>> sum_over_samples_block(block, "atom").values.tolist()
        [[3.0]]
    """
    operation = "sum_over_samples_block"
    return _reduce(operation, check_block(operation, block), sample_names)


def mean_over_samples_block(
    block: TensorBlock, sample_names: str | Sequence[str]
) -> TensorBlock:
    """`mean_over_samples` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((3, 1)), Labels.range("atom", 3), [], Labels.range("n", 1)
        ... )
        >>> mean_over_samples_block(block, "atom").values.tolist()
        [[1.0]]
    """
    operation = "mean_over_samples_block"
    check_inexact(operation, check_block(operation, block), "their means")
    return _reduce(operation, block, sample_names)


def _reduce(operation: str, data: Any, names: str | Sequence[str]) -> Any:
    if data.dtype == np.bool_:
        raise InvalidTypeError(
            compose(
                f"{operation}: the values are bools, whose sum would be none.",
                remedy="convert on purpose first: tensor.to(dtype=jnp.int32) counts.",
            )
        )
    own = bare(data._layout)
    blocks = (own,) if isinstance(own, BlockLayout) else own.blocks
    existing = blocks[0].sample_names if blocks else ()
    found = names_to_reduce(operation, "samples", names, existing) if blocks else ()
    mean = operation.startswith("mean")
    return run(plan_for(own, _plan, operation, found, mean), data)


def _plan(own: Any, operation: str, names: tuple[str, ...], mean: bool) -> Plan[Any]:
    def plan_block(part: BlockLayout, leaf: int, name: str) -> Any:
        samples, target = _reduced(static_samples(part, operation), names)
        counts = np.bincount(target, minlength=len(samples)) if mean else None
        reduction = Rearrangement(_Sum(counts), part.properties, "sorted")
        return reduction.block([Source(part, leaf, target)], samples)

    return plan_of(own, *block_by_block(own, plan_block))


def _reduced(samples: Labels, names: tuple[str, ...]) -> tuple[Labels, np.ndarray]:
    """The samples without some dimensions, and which of them each sample goes to."""
    kept = [i for i, name in enumerate(samples.names) if name not in names]
    if not kept:
        rows = Labels("_", np.zeros((min(1, len(samples)), 1), np.int32))
        return rows, np.zeros(len(samples), np.int64)
    rows, target = unique_rows(samples.values[:, kept])
    kept_names = [samples.names[i] for i in kept]
    return Labels(kept_names, rows, assume_unique=True), target


@dataclasses.dataclass(frozen=True)
class _Sum:
    """Rows added up; divided by the number of samples of the result's row for a mean."""

    counts: np.ndarray | None

    def __call__(self, sources: Sequence[Source], rows: int, root: np.ndarray) -> Step:
        (source,) = sources
        target = index_array(source.target)
        if self.counts is not None:
            counts = index_array(self.counts[root])
            return Step(average_rows, (source.leaf,), (target, counts))
        if is_identity(source.target, rows):
            return keep(source.leaf)
        return Step(sum_rows, (source.leaf,), (target,), (rows,))
