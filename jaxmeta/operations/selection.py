"""Selection: parts of maps and blocks along samples or properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.labels._names import check_dimensions
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.parts._positions import checked_positions, host_positions
from jaxmeta.core.parts._taking import Kept, Planned, take
from jaxmeta.core.plans._plans import Plan, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, plan_of, run
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.operations._arguments import check_block, check_choice, check_map
from jaxmeta.operations._dynamic_selection import selected


Selection = Labels | Sequence[int] | np.ndarray | jax.Array
AXES = ("samples", "properties")


def slice(tensor: TensorMap, axis: str, selection: Selection) -> TensorMap:
    """Keep some samples, or some properties, of every block.

    Values and gradients: the rows (or properties) selected. Gradient rows of samples that
    are gone are dropped, ``sample`` is renumbered, and gradient rows keep their order.
    Gradients of gradients follow. A block may end up with no rows.

    Arguments:
        tensor: any map. Dynamic samples are selected by labels alone; they stay where they
            are, with padding between them, until `compact` moves them together.
        axis: ``"samples"`` or ``"properties"``.
        selection: `Labels` with some or all names of the axis: every entry that matches
            is kept; or positions, without repetition. Samples come in the order of the
            positions, or of the labels if these have all names in order; else samples,
            and properties always, keep their order. (`TensorMap.sel` never reorders, and
            takes values by name, functions and masks.)

    Raises:
        InvalidError: for another axis, or positions that stand twice.
        OutOfRangeError: for positions that are not there.
        MissingError: for names that the axis lacks.
        InvalidTypeError: for a selection that is neither, as a mask.
        DynamicSamplesError: for positions of dynamic samples.

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
    wanted = hashable(operation, axis, selection)
    return run(plan_for(bare(data._layout), _plan, operation, axis, wanted), data)


def hashable(operation: str, axis: str, selection: Selection) -> Labels | bytes:
    """What to select in a form that plans are remembered by: labels, or positions."""
    if isinstance(selection, Labels):
        return selection
    positions = host_positions(
        operation, selection, "the selection", "Labels or a list of positions"
    )
    if positions.dtype == np.bool_:
        raise InvalidTypeError(
            compose(
                f"{operation}: the selection must be Labels or a list of positions.",
                f"found a mask of shape {positions.shape}",
                remedy=f"sel({axis}=...) takes masks, and functions that make them; "
                "np.flatnonzero(mask) makes positions of a mask.",
            )
        )
    return positions.tobytes()


def _plan(own: Any, operation: str, axis: str, wanted: Labels | bytes) -> Plan[Any]:
    return plan_of(own, *sliced(own, operation, axis, wanted))


def sliced(
    own: Any, operation: str, axis: str, wanted: Labels | bytes, which: str = ""
) -> tuple[Any, list[Any]]:
    """The layout of a slice and its steps; `which` selection it is, for messages."""

    def plan_block(part: BlockLayout, leaf: int, name: str) -> Planned:
        if axis == "samples" and part.dynamic:
            return selected(operation + which, Operand(part, leaf), wanted)
        labels = axis_labels(operation, axis, part)
        positions = _selected(operation + which, name, axis, labels, wanted)
        if axis == "properties":
            positions = np.sort(positions)
        return take(operation, part, leaf, Kept.along(axis, positions))

    return block_by_block(own, plan_block)


def axis_labels(operation: str, axis: str, part: BlockLayout) -> Labels:
    """The samples, which must be static, or the properties of a block."""
    return static_samples(part, operation) if axis == "samples" else part.properties


def _selected(
    operation: str, block: str, axis: str, labels: Labels, wanted: Labels | bytes
) -> np.ndarray:
    if isinstance(wanted, Labels):
        check_dimensions(operation, axis, wanted.names, labels.names)
        return labels.select(wanted)
    return checked_positions(operation, f"the {axis} of {block}", wanted, len(labels))
