"""Blocks that only one of two maps has: the other one is a block of zeros there."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxmeta.core.gradients._levels import extra_components
from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Layout, block_layout
from jaxmeta.core.plans._plans import Kernel, Step, keep
from jaxmeta.core.plans._results import PlanLone
from jaxmeta.errors import InvalidError, NotEqualError, compose


_KERNELS: dict[str, Kernel] = {"negative": jnp.negative, "zero": jnp.zeros_like}


def planner(known: RowFunction, own: Layout, other: Layout) -> PlanLone:
    """How to plan the blocks that one of two maps alone has.

    Such a block gets the gradients that the blocks of the other map have, without rows:
    all blocks of a map have the same gradients.
    """

    def plan(
        name: str, layout: BlockLayout, leaf: int, side: int
    ) -> tuple[BlockLayout, list[Step]]:
        static_samples(layout, known.operation)
        alone = known.alone[side]
        if alone == "undefined":
            raise InvalidError(
                compose(
                    f"{known.operation}: the {name} is only in the "
                    f"{('left', 'right')[side]} map.",
                    "with different_keys='union' a block that is not there is zero, and "
                    "there is no result for zero here",
                    remedy="different_keys='intersection' leaves such blocks out.",
                )
            )
        kernel = _KERNELS.get(alone)
        there = (other, own)[side].blocks
        if not there:
            return layout, [_step(kernel, leaf + i) for i in range(layout.size)]
        _check_same_names(known.operation, name, layout, there[0])
        return _completed(kernel, layout, leaf, there[0])

    return plan


def _step(kernel: Kernel | None, leaf: int) -> Step:
    return keep(leaf) if kernel is None else Step(kernel, (leaf,))


def _completed(
    kernel: Kernel | None, layout: BlockLayout, leaf: int, like: BlockLayout
) -> tuple[BlockLayout, list[Step]]:
    """The block with its gradients and those that another block has."""
    steps = [_step(kernel, leaf)]
    gradients = []
    names = {name for one in (layout, like) for name, _ in one.gradients}
    for name in sorted(names):
        own, other = (one.gradient_layouts.get(name) for one in (layout, like))
        if own is None:
            assert other is not None
            gradient = _without_rows(layout, like, other)
            below = _empty_steps(gradient, leaf)
        elif other is None:
            start = leaf + layout.offsets[name]
            gradient, below = own, [_step(kernel, start + i) for i in range(own.size)]
        else:
            gradient, below = _completed(kernel, own, leaf + layout.offsets[name], other)
        gradients.append((name, gradient))
        steps += below
    parts = layout.samples, layout.components, layout.properties
    return block_layout(*parts, tuple(gradients)), steps


def _without_rows(
    parent: BlockLayout, like_parent: BlockLayout, like: BlockLayout
) -> BlockLayout:
    """A gradient of a block, without rows, named as that of another block."""
    components = (*extra_components(like, like_parent), *parent.components)
    own = block_layout(Labels.empty(like.sample_names), components, parent.properties)
    below = tuple((name, _without_rows(own, like, inner)) for name, inner in like.gradients)
    return block_layout(own.samples, own.components, own.properties, below)


def _empty_steps(layout: BlockLayout, leaf: int) -> list[Step]:
    shapes = layout.shapes or []
    return [Step(_no_rows, (leaf,), (), (shape,)) for shape in shapes]


def _no_rows(values: Any, shape: tuple[int, ...]) -> Any:
    return jnp.zeros(shape, values.dtype)


def _check_same_names(
    operation: str, name: str, layout: BlockLayout, other: BlockLayout
) -> None:
    """Raise where axes have other names, also those of gradients that both have."""
    for axis, left, right in (
        ("samples", layout.sample_names, other.sample_names),
        ("components", layout.component_names, other.component_names),
        ("properties", layout.properties._names, other.properties._names),
    ):
        if left != right:
            raise NotEqualError(
                compose(
                    f"{operation}: the names of the {axis} of {name} differ from those of "
                    "the other map.",
                    f"it has {list(left)}, the other map has {list(right)}",
                    remedy="rename_dimension() or permute_dimensions() one of them.",
                )
            )
    for parameter, gradient in layout.gradients:
        like = other.gradient_layouts.get(parameter)
        if like is not None:
            inner = f"gradient {parameter!r} of {name}"
            _check_same_names(operation, inner, gradient, like)
