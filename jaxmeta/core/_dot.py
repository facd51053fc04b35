"""The product of two maps along their properties."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxmeta.core._differences import check_same_labels
from jaxmeta.core._layout import BlockLayout, Layout
from jaxmeta.core._plans import Plan, Step, plan_for
from jaxmeta.core._precision import check_same_dtype
from jaxmeta.core._rearrangement import static_samples, with_properties
from jaxmeta.core._results import bare, pair_by_pair, plan_of, run
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


def _plan(own: Layout, other: Layout) -> Plan[Any]:
    return plan_of(own, *pair_by_pair("dot", own, other, _block))


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
    return with_properties(left, properties, "dot"), steps


def _product(left: Any, right: Any) -> Any:
    return jnp.matmul(left, right.T)
