"""From a plan to a result: blocks and maps alike, info carried along."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import BlockLayout, Layout, Samples, layout
from jaxmeta.core.layouts._leaf_checks import check_shares, leaves_fit
from jaxmeta.core.plans._key_choices import DifferentKeys, common_keys
from jaxmeta.core.plans._plans import Plan, Step


T = TypeVar("T")

PlanBlock = Callable[[BlockLayout, int, str], tuple[BlockLayout, list[Step]]]
PlanPair = Callable[
    [str, BlockLayout, int, BlockLayout, int], tuple[BlockLayout, list[Step]]
]
PlanLone = Callable[[str, BlockLayout, int, int], tuple[BlockLayout, list[Step]]]


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
    operation: str,
    own: Layout,
    other: Layout,
    plan_pair: PlanPair,
    different_keys: DifferentKeys = "error",
    plan_lone: PlanLone | None = None,
) -> tuple[Layout, list[Step]]:
    """Plan the two blocks of each key together, under the keys of the first map.

    `plan_pair` gets the name of the blocks, then for either its layout and where its
    leaves begin; `plan_lone` gets the name of a block that one map alone has, its layout,
    its first leaf, and which of the two maps (0 or 1) it is from.
    """
    keys = common_keys(operation, (own, other), different_keys)
    left, right = (_found(one, keys) for one in (own, other))
    start = own.size
    steps: list[Step] = []
    blocks = []
    for index, (i, j) in enumerate(zip(left, right, strict=True)):
        name = block_name(keys, index)
        sides: list[tuple[BlockLayout, int]] = []
        if i >= 0:
            sides.append((own.blocks[i], own.offsets[i]))
        if j >= 0:
            sides.append((other.blocks[j], start + other.offsets[j]))
        if len(sides) == 2:
            (left_part, left_leaf), (right_part, right_leaf) = sides
            planned, below = plan_pair(name, left_part, left_leaf, right_part, right_leaf)
        else:
            assert plan_lone is not None
            planned, below = plan_lone(name, *sides[0], int(i < 0))
        blocks.append(planned)
        steps += below
    return layout(keys, tuple(blocks)), steps


def _found(own: Layout, keys: Labels) -> list[int]:
    """The block under each of these keys, -1 where there is none."""
    if own.keys is keys:
        return list(range(len(keys)))
    return own.keys._index.find(keys.values).tolist()


def plan_of(
    own: Any, result: Any, steps: Sequence[Step], takes_all_rows: bool = False
) -> Plan[Any]:
    """The plan with this result; None stands for the layout the plan is kept on."""
    plan = Plan(None if result is own else result, steps)
    plan.takes_all_rows = takes_all_rows
    return plan


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
    tensors = [tensor, *others]
    if not leaves_fit(tensors):
        check_shares(tensors, _rows_stay(plan, tensors))
    leaves = [leaf for one in tensors for leaf in one._leaves]
    result = plan.layout if plan.layout is not None else bare(tensor._layout)
    if isinstance(result, Layout):
        result = result.with_info(merged_info(tensors))
    return type(tensor)._view(result, plan.run([*leaves, *extra]))


def _rows_stay(plan: Plan[Any], tensors: Sequence[Any]) -> bool:
    """Whether each row of the result is made of the same row of the operands."""
    if plan.program.moves_only:
        return True
    if plan.takes_all_rows or plan.moves_rows:
        return False
    given = {id(samples) for one in tensors for samples in _samples(one._layout)}
    return plan.layout is None or given.issuperset(map(id, _samples(plan.layout)))


def _samples(own: Layout | BlockLayout) -> Iterator[Samples]:
    """The samples of all blocks and gradients."""
    if isinstance(own, BlockLayout):
        yield own.samples
        below = [gradient for _, gradient in own.gradients]
    else:
        below = [*own.blocks]
    for block in below:
        yield from _samples(block)


def merged_info(tensors: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    """The info of several maps; the first one that has a name decides its text."""
    infos = [tensor._layout.info for tensor in tensors]
    if infos.count(infos[0]) == len(infos):
        return infos[0]
    merged: dict[str, str] = {}
    for info in reversed(infos):
        merged |= dict(info)
    return tuple(sorted(merged.items()))
