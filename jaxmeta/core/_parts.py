"""Several results of one plan: what an operation gives that takes a map apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxmeta.core._labels import Labels
from jaxmeta.core._layout import BlockLayout, Layout, layout
from jaxmeta.core._leaf_checks import check_leaves
from jaxmeta.core._plans import Plan, Step


class Parts(Plan[Layout]):
    """A plan whose result is cut into several maps, or several blocks.

    The blocks of all parts are those of one layout, one after the other, so that all of
    them come from one run. A part that is the whole has nothing to do and is left out.

    Arguments:
        own: what is taken apart, the layout that the plan is kept on.
        parts: the layout of each part, and its steps.
        values: what tells the parts apart, one row each, where labels do.
    """

    def __init__(
        self,
        own: Layout | BlockLayout,
        parts: Sequence[tuple[Layout | BlockLayout, list[Step]]],
        values: Sequence[tuple[int, ...]] = (),
    ) -> None:
        blocks: list[BlockLayout] = []
        steps: list[Step] = []
        self.pieces: list[tuple[Labels | None, int, int] | None] = []
        self.values = tuple(values)
        for part, below in parts:
            if part is own:
                self.pieces.append(None)
                continue
            start = len(blocks)
            blocks += part.blocks if isinstance(part, Layout) else [part]
            steps += below
            keys = part.keys if isinstance(part, Layout) else None
            self.pieces.append((keys, start, len(blocks)))
        super().__init__(layout(Labels.range("block", len(blocks)), tuple(blocks)), steps)

    def results(self, data: Any) -> list[Any]:
        """The parts of a map or a block; what describes it goes with each of them."""
        check_leaves([data], elementwise=False)
        leaves = self.run(data._leaves)
        return [
            data if piece is None else self._cut(data, leaves, *piece)
            for piece in self.pieces
        ]

    def _cut(
        self, data: Any, leaves: Sequence[Any], keys: Labels | None, start: int, end: int
    ) -> Any:
        together = self.layout
        assert together is not None
        own = together.offsets[start], together.offsets[end]
        if keys is None:
            result: Any = together.blocks[start]
        else:
            result = layout(keys, together.blocks[start:end], data._layout.info)
        return type(data)._view(result, tuple(leaves[own[0] : own[1]]))
