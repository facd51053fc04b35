"""Functions of one block or map that treat every row alike."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.layouts._precision import check_differentiable
from jaxmeta.core.plans._plans import Kernel, Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, plan_of, run


def apply(
    operation: str, function: Kernel, tensor: Any, static: tuple[Hashable, ...] = ()
) -> Any:
    """An elementwise function of every value; gradients by its derivatives.

    The function gets the values, then what is `static`.
    """
    check_differentiable(operation, tensor)
    known = RowFunction(operation, function, static=static)
    return run(plan_for(bare(tensor._layout), _plan, known), tensor)


def _plan(own: Any, known: RowFunction) -> Plan[Any]:
    def plan_block(
        layout: BlockLayout, leaf: int, name: str
    ) -> tuple[BlockLayout, list[Step]]:
        return rowwise_block(known, name, [Operand(layout, leaf)])

    return plan_of(own, *block_by_block(own, plan_block))
