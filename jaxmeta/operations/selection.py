"""Selection: parts of maps and blocks along samples or properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core._kernels import take_properties, take_rows
from jaxmeta.core._label_values import host_array
from jaxmeta.core._layout import BlockLayout
from jaxmeta.core._plans import Plan, Step, keep, plan_for
from jaxmeta.core._rearrangement import (
    Rearrangement,
    Source,
    gathered,
    index_array,
    is_identity,
    static_samples,
    with_properties,
)
from jaxmeta.core._results import bare, block_by_block, plan_of, run
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    OutOfRangeError,
    choices,
    compose,
)
from jaxmeta.operations._arguments import check_block, check_choice, check_map


Selection = Labels | Sequence[int] | np.ndarray | jax.Array
AXES = ("samples", "properties")


def slice(tensor: TensorMap, axis: str, selection: Selection) -> TensorMap:
    """Keep some samples, or some properties, of every block.

    Values and gradients: the rows (or properties) selected. Gradient rows of samples that
    are gone are dropped, ``sample`` is renumbered, and gradient rows keep their order.
    Gradients of gradients follow. A block may end up with no rows.

    Arguments:
        tensor: any map with static samples.
        axis: ``"samples"`` or ``"properties"``.
        selection: `Labels` with some or all names of the axis: every entry that matches
            is kept; or positions, without repetition. Samples come in the order of the
            positions; properties keep their order.

    Raises:
        InvalidError: for another axis, or positions that stand twice.
        OutOfRangeError: for positions that are not there.
        MissingError: for names that the axis lacks.
        DynamicSamplesError: for dynamic samples.

    Example:
        >>> import jax.numpy as jnp
        >>> block = TensorBlock(
        ...     jnp.arange(3.0)[:, None], Labels.range("s", 3), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> slice(tensor, "samples", Labels("s", [[2], [9]]))[0].values.tolist()
        [[2.0]]
        >>> slice(tensor, "samples", [1, 0])[0].values.tolist()
        [[1.0], [0.0]]
    """
    return _slice("slice", check_map("slice", tensor), axis, selection)


def slice_block(block: TensorBlock, axis: str, selection: Selection) -> TensorBlock:
    """`slice` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> block = TensorBlock(
        ...     jnp.ones((3, 2)), Labels.range("s", 3), [], Labels.range("n", 2)
        ... )
        >>> slice_block(block, "properties", [1]).shape
        (3, 1)
    """
    return _slice("slice_block", check_block("slice_block", block), axis, selection)


def _slice(operation: str, data: Any, axis: str, selection: Selection) -> Any:
    check_choice(operation, "axis", axis, AXES)
    wanted = (
        selection if isinstance(selection, Labels) else _positions(operation, selection)
    )
    plan = plan_for(bare(data._layout), _plan, operation, axis, wanted)
    return run(plan, data)


def _positions(operation: str, selection: Any) -> bytes:
    """Positions as bytes of int64: hashable, and quick to compare."""
    if isinstance(selection, Tracer):
        raise InvalidTypeError(
            compose(
                f"{operation}: the selection is traced by JAX, but labels are static.",
                remedy="select with values known outside the traced function.",
            )
        )
    positions = host_array(selection, operation)
    if positions.size == 0 and not hasattr(selection, "dtype"):
        positions = np.zeros(0, np.int64)
    if positions.ndim != 1 or positions.dtype.kind not in "iu":
        raise InvalidTypeError(
            compose(
                f"{operation}: the selection must be Labels or a list of positions.",
                f"found {type(selection).__name__} of dtype {positions.dtype} and shape "
                f"{positions.shape}",
                remedy="np.flatnonzero(mask) makes positions of a mask."
                if positions.dtype == np.bool_
                else "",
            )
        )
    return positions.astype(np.int64).tobytes()


def _plan(own: Any, operation: str, axis: str, wanted: Labels | bytes) -> Plan[Any]:
    def plan_block(part: BlockLayout, leaf: int, name: str) -> Any:
        samples = static_samples(part, operation)
        labels = samples if axis == "samples" else part.properties
        positions = _selected(operation, name, axis, labels, wanted)
        if axis == "samples":
            return _some_samples(part, leaf, samples, positions)
        return _some_properties(operation, part, leaf, np.sort(positions))

    return plan_of(own, *block_by_block(own, plan_block))


def _selected(
    operation: str, block: str, axis: str, labels: Labels, wanted: Labels | bytes
) -> np.ndarray:
    if isinstance(wanted, Labels):
        for name in wanted.names:
            if name not in labels.names:
                raise MissingError(
                    compose(
                        f"{operation}: the {axis} have no dimension {name!r}.",
                        choices(name, labels.names),
                    )
                )
        return np.sort(labels.select(wanted))
    positions = np.frombuffer(wanted, np.int64)
    outside = (positions < 0) | (positions >= len(labels))
    if outside.any():
        raise OutOfRangeError(
            compose(
                f"{operation}: a position lies outside the {axis} of {block}.",
                f"found {positions[outside][0]}, there are {len(labels)} {axis}",
            )
        )
    if len(np.unique(positions)) != len(positions):
        values, counts = np.unique(positions, return_counts=True)
        raise InvalidError(
            compose(
                f"{operation}: every position can be selected once.",
                f"found {values[counts > 1][0]} {counts.max()} times",
                remedy="the rows of the result would not be unique.",
            )
        )
    return positions


def _some_samples(
    part: BlockLayout, leaf: int, samples: Labels, positions: np.ndarray
) -> tuple[BlockLayout, list[Step]]:
    target = np.full(len(samples), -1)
    target[positions] = np.arange(len(positions))
    kept = Labels(samples.names, samples.values[positions], assume_unique=True)
    rows = Rearrangement(_take, part.properties, "distinct")
    return rows.block([Source(part, leaf, target)], kept)


def _take(sources: Sequence[Source], rows: int, root: np.ndarray) -> Step:
    (source,) = sources
    positions = gathered(source.target, rows, absent=source.rows)
    if is_identity(positions, source.rows):
        return keep(source.leaf)
    return Step(take_rows, (source.leaf,), (index_array(positions),))


def _some_properties(
    operation: str, part: BlockLayout, leaf: int, positions: np.ndarray
) -> tuple[BlockLayout, list[Step]]:
    if is_identity(positions, len(part.properties)):
        return part, [keep(leaf + i) for i in range(part.size)]
    index = index_array(positions)
    old = part.properties
    kept = Labels(old.names, old.values[positions], assume_unique=True)
    steps = [Step(take_properties, (leaf + i,), (index,)) for i in range(part.size)]
    return with_properties(part, kept, operation), steps
