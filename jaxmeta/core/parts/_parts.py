"""Several results of one plan: what an operation gives that takes a map apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from jaxmeta.core.layouts._layout import BlockLayout, Layout
from jaxmeta.core.layouts._leaf_checks import check_shares, leaves_fit
from jaxmeta.core.plans._plans import Plan, Step


class Parts(Plan[Layout]):
    """A plan whose result is several maps, or several blocks, all from one run.

    A part that is the whole has nothing to do and is left out.

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
        # Dynamic samples have one layout, whichever of them stay.
        whole = [part is own and _hands_through(below) for part, below in parts]
        several = list(zip(parts, whole, strict=True))
        self.parts = tuple([None if same else part for (part, _), same in several])
        self.values = tuple(values)
        super().__init__(
            None, [step for (_, below), same in several if not same for step in below]
        )

    def results(self) -> tuple[Any, ...]:
        """The layouts of the parts."""
        return self.parts

    def with_results(self, results: tuple[Any, ...]) -> Parts:
        """The same plan with other references to these layouts."""
        plan = super().with_results((None,))
        assert isinstance(plan, Parts)
        plan.parts = results
        return plan

    def parts_of(self, data: Any) -> list[Any]:
        """The parts of a map or a block; what describes it goes with each of them."""
        if not leaves_fit([data]):
            check_shares([data], rows_stay=False)
        leaves = iter(self.run(data._leaves))
        return [data if part is None else _cut(data, part, leaves) for part in self.parts]


def _hands_through(steps: Sequence[Step]) -> bool:
    return all(step.kernel is None for step in steps)


def _cut(data: Any, part: Layout | BlockLayout, leaves: Iterator[Any]) -> Any:
    """The next part of what a run gave."""
    if isinstance(part, Layout):
        part = part.with_info(data._layout.info)
    return type(data)._view(part, tuple(islice(leaves, part.size)))
