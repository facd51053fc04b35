"""The product of two maps along their properties."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxmeta.core._differences import block_name, check_same_labels, matched_keys
from jaxmeta.core._layout import BlockLayout, Layout, block_layout, layout
from jaxmeta.core._plans import Plan, Step, plan_for
from jaxmeta.core._precision import check_same_dtype
from jaxmeta.core._rearrangement import static_samples
from jaxmeta.core._results import bare, plan_of, run
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


def apply(left: Any, right: Any) -> Any:
    """left @ right.T, block by block; gradients of the left side go along."""
    if not isinstance(right, type(left)):
        raise InvalidTypeError(
            compose(
                f"dot: the other operand must be a {type(left).__name__}.",
                f"found {type(right).__name__}",
            )
        )
    check_same_dtype("dot", left, right)
    plan = plan_for(bare(left._layout), _plan, bare(right._layout))
    return run(plan, left, [right])


def _plan(own: Any, other: Any) -> Plan[Any]:
    if isinstance(own, BlockLayout):
        return plan_of(own, *_block("the block", own, 0, other, own.size))
    steps: list[Step] = []
    blocks = []
    positions = matched_keys("dot", own, other)
    for index, position in enumerate(positions):
        name = block_name(own.keys, index)
        leaf = own.offsets[-1] + other.offsets[position]
        block, below = _block(
            name, own.blocks[index], own.offsets[index], other.blocks[position], leaf
        )
        blocks.append(block)
        steps += below
    result: Layout = layout(own.keys, tuple(blocks))
    return plan_of(own, result, steps)


def _block(
    name: str, left: BlockLayout, leaf: int, right: BlockLayout, right_leaf: int
) -> tuple[BlockLayout, list[Step]]:
    if right.components or right.gradients:
        raise InvalidError(
            compose(
                f"dot: the right side of {name} must have no components and no gradients.",
                f"it has the components {[c.names[0] for c in right.components]} and the "
                f"gradients {[n for n, _ in right.gradients]}",
                remedy="components_to_properties() or remove_gradients() it first.",
            )
        )
    check_same_labels("dot", name, "properties", left.properties, right.properties)
    properties = static_samples(right, "dot")
    steps = [Step(_product, (leaf + i, right_leaf)) for i in range(left.size)]
    return _with_properties(left, properties), steps


def _with_properties(own: BlockLayout, properties: Any) -> BlockLayout:
    """The layout with other properties, in the gradients too."""
    static_samples(own, "dot")
    gradients = tuple((n, _with_properties(g, properties)) for n, g in own.gradients)
    return block_layout(own.samples, own.components, properties, gradients)


def _product(left: Any, right: Any) -> Any:
    return jnp.matmul(left, right.T)
