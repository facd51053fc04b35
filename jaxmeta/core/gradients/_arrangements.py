"""How blocks are put together: under each other, or beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxmeta.core.gradients._rearrangement import Source, gathered, index_array, is_identity
from jaxmeta.core.plans._kernels import join_properties, stack_filled_rows, stack_rows
from jaxmeta.core.plans._plans import Step


class Stacked:
    """Blocks under each other; blocks that lack some properties are filled.

    Arguments:
        columns: for each block the position of every property, past the end where it
            lacks one; None when all blocks have the same.
        fill: the fill value.
    """

    def __init__(self, columns: list[np.ndarray] | None, fill: complex) -> None:
        self.columns = columns
        self.fill = fill

    def __call__(self, sources: Sequence[Source], rows: int, root: np.ndarray) -> Step:
        leaves = tuple(source.leaf for source in sources)
        order = np.empty(rows, np.int64)
        order[np.concatenate([source.target for source in sources])] = np.arange(rows)
        if self.columns is None:
            if is_identity(order, rows):
                return Step(stack_rows, leaves, (), (False,))
            return Step(stack_rows, leaves, (index_array(order),), (True,))
        index = (*self.columns, index_array(order))
        return Step(stack_filled_rows, leaves, index, (len(leaves), self.fill))


class SideBySide:
    """Blocks beside each other; rows that a block lacks are filled.

    Arguments:
        order: which block each piece of the result is, -1 for a piece of filling only.
        widths: how many properties each piece has.
        fill: the fill value.
    """

    def __init__(self, order: Sequence[int], widths: list[int], fill: complex) -> None:
        self.order = order
        self.widths = widths
        self.fill = fill

    def __call__(self, sources: Sequence[Source], rows: int, root: np.ndarray) -> Step:
        # Without any wanted block, the first one still tells the shape.
        used = sorted({i for i in self.order if i >= 0}) or [0]
        index: list[np.ndarray] = []
        places: dict[int, tuple[int, int]] = {}
        for array, i in enumerate(used):
            source = sources[i]
            place = -1
            if not is_identity(source.target, rows):
                # The kernel gets the indices after the arrays.
                place = len(used) + len(index)
                index.append(index_array(gathered(source.target, rows, source.rows)))
            places[i] = (array, place)
        pieces = tuple(
            (*places.get(i, (-1, -1)), width)
            for i, width in zip(self.order, self.widths, strict=True)
        )
        leaves = tuple(sources[i].leaf for i in used)
        return Step(join_properties, leaves, tuple(index), (pieces, self.fill))
