"""From a plan to a result: blocks and maps alike, info carried along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jaxmeta.core._differences import block_name, matched_keys
from jaxmeta.core._layout import BlockLayout, Layout, layout
from jaxmeta.core._leaf_checks import check_leaves
from jaxmeta.core._plans import Plan, Step


T = TypeVar("T")

PlanBlock = Callable[[BlockLayout, int, str], tuple[BlockLayout, list[Step]]]
PlanPair = Callable[
    [str, BlockLayout, int, BlockLayout, int], tuple[BlockLayout, list[Step]]
]


def block_by_block(
    own: Layout | BlockLayout, plan_block: PlanBlock
) -> tuple[Any, list[Step]]:
    """Plan every block of a map (or the one block) on its own, under the same keys.

    `plan_block` gets the layout of a block, where its leaves begin, and its name.
    """
    if isinstance(own, BlockLayout):
        return plan_block(own, 0, "the block")
    steps: list[Step] = []
    blocks = []
    for index, block in enumerate(own.blocks):
        name = block_name(own.keys, index)
        planned, below = plan_block(block, own.offsets[index], name)
        blocks.append(planned)
        steps += below
    return layout(own.keys, tuple(blocks)), steps


def pair_by_pair(
    operation: str, own: Layout, other: Layout, plan_pair: PlanPair
) -> tuple[Layout, list[Step]]:
    """Plan the two blocks of each key together, under the keys of the first map.

    `plan_pair` gets the name of the blocks, then for either its layout and where its
    leaves begin.
    """
    steps: list[Step] = []
    blocks = []
    start = own.offsets[-1]
    for index, position in enumerate(matched_keys(operation, own, other)):
        left = own.blocks[index], own.offsets[index]
        right = other.blocks[position], start + other.offsets[position]
        planned, below = plan_pair(block_name(own.keys, index), *left, *right)
        blocks.append(planned)
        steps += below
    return layout(own.keys, tuple(blocks)), steps


def plan_of(own: Any, result: Any, steps: Sequence[Step]) -> Plan[Any]:
    """The plan with this result; None stands for the layout the plan is kept on."""
    return Plan(None if result is own else result, steps)


def bare(own: Any) -> Any:
    """What plans are kept on: a block's layout, or a map's without its info."""
    return own.bare if isinstance(own, Layout) else own


def run(
    plan: Plan[Any], first: T, others: Sequence[Any] = (), extra: Sequence[Any] = ()
) -> T:
    """Run a plan on the leaves of all operands and extra arrays.

    The result is of the first operand's class. Info is that of all operands; where two
    of them have different text under one name, the first one's stays.

    Raises:
        InvalidError: when an array does not have the shape that its labels say.
    """
    tensor: Any = first
    elementwise = plan.layout is None and not plan.index
    check_leaves([tensor, *others], elementwise)
    leaves = [*tensor._leaves]
    for other in others:
        leaves += other._leaves
    leaves += extra
    result = plan.layout if plan.layout is not None else bare(tensor._layout)
    if isinstance(result, Layout):
        result = result.with_info(merged_info([tensor, *others]))
    return type(tensor)._view(result, plan.run(leaves))


def merged_info(tensors: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    """The info of several maps; the first one that has a name decides its text."""
    infos = [tensor._layout.info for tensor in tensors]
    if all(info == infos[0] for info in infos):
        return infos[0]
    merged: dict[str, str] = {}
    for info in reversed(infos):
        merged |= dict(info)
    return tuple(sorted(merged.items()))
