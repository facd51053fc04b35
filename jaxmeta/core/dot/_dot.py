"""The product of two maps along their properties."""

from __future__ import annotations

from typing import Any

from jaxmeta.core.dot._dot_gradients import gradients_of_product
from jaxmeta.core.dot._dot_terms import product
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import static_samples, with_properties
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.layouts._differences import check_same_labels
from jaxmeta.core.layouts._layout import BlockLayout, Layout, block_layout
from jaxmeta.core.layouts._precision import (
    check_differentiable,
    check_same_dtype,
    check_sums,
)
from jaxmeta.core.plans._key_choices import DifferentKeys, check_different_keys
from jaxmeta.core.plans._plans import Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, pair_by_pair, plan_of, run
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    compose,
)


def apply(left: Any, right: Any, different_keys: DifferentKeys = "error") -> Any:
    """left @ right.T, block by block; gradients by the product rule."""
    check_different_keys("dot", different_keys)
    if not isinstance(right, type(left)):
        raise InvalidTypeError(
            compose(
                f"dot: the other operand must be a {type(left).__name__}.",
                f"found {type(right).__name__}",
            )
        )
    check_same_dtype("dot", left, right)
    check_sums("dot", left)
    other = bare(right._layout)
    if other.blocks and other.blocks[0].gradients:
        check_differentiable("dot", left, right)
    plan = plan_for(bare(left._layout), _plan, other, different_keys)
    return run(plan, left, [right])


def _plan(own: Layout, other: Layout, different_keys: DifferentKeys) -> Plan[Any]:
    planned = pair_by_pair("dot", own, other, _block, different_keys, _refuse_lone)
    # All rows of the right side become properties.
    return plan_of(own, *planned, takes_all_rows=True)


def _block(
    name: str, left: BlockLayout, leaf: int, right: BlockLayout, right_leaf: int
) -> tuple[BlockLayout, list[Step]]:
    _check_right(name, right)
    check_same_labels("dot", name, "properties", left.properties, right.properties)
    properties = static_samples(right, "dot")
    if left.dynamic:
        return _dynamic(name, Operand(left, leaf), right, right_leaf)
    if not right.gradients:
        # Linear: any depth of gradients is multiplied as the values are.
        steps = [Step(product, (leaf + i, right_leaf)) for i in range(left.size)]
        return with_properties(left, properties, "dot"), steps
    operands = Operand(left, leaf), Operand(right, right_leaf)
    gradients, below = gradients_of_product(name, *operands)
    samples = static_samples(left, "dot")
    layout = block_layout(samples, left.components, properties, gradients)
    return layout, [Step(product, (leaf, right_leaf)), *below]


def _dynamic(
    name: str, left: Operand, right: BlockLayout, right_leaf: int
) -> tuple[BlockLayout, list[Step]]:
    """Dynamic samples are multiplied row by row with a right side that is constant."""
    if right.gradients:
        raise DynamicSamplesError(
            compose(
                f"dot: {name} has dynamic samples, and the right side gradients.",
                "which rows the product would have is only known when the program runs",
                remedy="remove_gradients() of the right side.",
            )
        )
    known = RowFunction("dot", product, frozenset({0}), constants=(right_leaf,))
    axes = left.layout.components, static_samples(right, "dot")
    return rowwise_block(known, name, [left], axes)


def _check_right(name: str, right: BlockLayout) -> None:
    if right.components:
        raise InvalidError(
            compose(
                f"dot: the right side of {name} must have no components.",
                f"it has the components {[c.names[0] for c in right.components]}",
                remedy="einsum() multiplies along any axes; or components_to_properties() "
                "it first.",
            )
        )


def _refuse_lone(
    name: str, layout: BlockLayout, leaf: int, side: int
) -> tuple[BlockLayout, list[Step]]:
    """A block that one map lacks is zero, but nobody knows with which samples."""
    axis = ("properties", "samples")[side]
    raise InvalidError(
        compose(
            f"dot: the {name} is only in the {('left', 'right')[side]} map.",
            "with different_keys='union' a block that is not there is zero, and the "
            f"{axis} of the result would be the samples of that block",
            remedy="different_keys='intersection' leaves such blocks out.",
        )
    )
