"""Elementwise functions of two maps with the same metadata, exact gradients included."""

from __future__ import annotations

from typing import Any

from jaxmeta.core.arithmetic import _lone_blocks
from jaxmeta.core.device._device_checks import Mode, mode
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.layouts._differences import check_same_block
from jaxmeta.core.layouts._layout import BlockLayout, Layout
from jaxmeta.core.layouts._precision import check_differentiable, check_same_dtype
from jaxmeta.core.plans._key_choices import DifferentKeys
from jaxmeta.core.plans._plans import Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, pair_by_pair, plan_of, run


def apply(
    known: RowFunction, left: Any, right: Any, different_keys: DifferentKeys = "error"
) -> Any:
    """The function of two maps, block by block.

    With `different_keys` ``"union"`` a block that one map lacks is zero; with
    ``"intersection"`` only blocks that both have take part.
    """
    check_same_dtype(known.operation, left, right)
    if not known.linear:
        check_differentiable(known.operation, left, right)
    own, other = bare(left._layout), bare(right._layout)
    plan = plan_for(own, _plan, other, known, different_keys, mode())
    return run(plan, left, [right])


def _plan(
    own: Layout,
    other: Layout,
    known: RowFunction,
    different_keys: DifferentKeys,
    mode: Mode,
) -> Plan[Any]:
    def plan_pair(
        name: str, left: BlockLayout, leaf: int, right: BlockLayout, right_leaf: int
    ) -> tuple[BlockLayout, list[Step]]:
        check_same_block(known.operation, name, left, right, gradients=False)
        operands = (Operand(left, leaf), Operand(right, right_leaf))
        return rowwise_block(known, name, operands, mode=mode)

    lone = _lone_blocks.planner(known, own, other)
    return plan_of(
        own, *pair_by_pair(known.operation, own, other, plan_pair, different_keys, lone)
    )
