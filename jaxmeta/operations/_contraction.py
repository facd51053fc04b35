"""One block of einsum: which labels its axes have, and the step for its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import jax.numpy as jnp

from jaxmeta.core import Labels
from jaxmeta.core.gradients._levels import Operand, extra_components
from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.layouts._differences import check_same_labels
from jaxmeta.core.layouts._layout import BlockLayout, block_layout
from jaxmeta.core.plans._plans import Step
from jaxmeta.errors import InvalidError, compose
from jaxmeta.operations._subscripts import Axis, Subscripts, all_spelled, spelled


# The axes of each operand and of the result as numbers, and where the result has new ones.
Form: TypeAlias = tuple[tuple[tuple[int, ...], ...], tuple[int, ...], tuple[int, ...]]


def contraction(
    found: Subscripts, name: str, operands: Sequence[Operand]
) -> tuple[BlockLayout, list[Step]]:
    """The block that einsum makes of some blocks, and its steps.

    Arguments:
        found: the axes of the operands and of the result.
        name: of the blocks, for messages.
        operands: one for each of the subscripts.
    """
    known = _labels(found, name, operands)
    samples, *components, properties = (
        known.get(axis, Labels.single()) for axis in found.result
    )
    _check_components(found, name, components)
    rows = [i for i, own in enumerate(found.operands) if own[0] == found.result[0]]
    _check_gradients(found, name, operands, rows)
    constants = [i for i in range(len(operands)) if i not in rows]
    form = _form(found, [*rows, *constants])
    leaves = tuple(operands[i].leaf for i in constants)
    axes = tuple(components), properties
    if not rows:
        return block_layout(samples, *axes), [Step(_contracted, leaves, (), form)]
    moving = [place for place, i in enumerate(rows) if operands[i].layout.gradients]
    function = RowFunction(
        "einsum",
        _contracted,
        linear=frozenset(moving) if len(moving) == 1 else frozenset(),
        coupled=frozenset(combinations(moving, 2)),
        constants=leaves,
        static=form,
    )
    return rowwise_block(function, name, [operands[i] for i in rows], axes)


def _labels(
    found: Subscripts, name: str, operands: Sequence[Operand]
) -> dict[Axis, Labels]:
    """The labels of each axis, which must be the same in all operands that have it."""
    known: dict[Axis, Labels] = {}
    first: dict[Axis, int] = {}
    for number, (axes, operand) in enumerate(
        zip(found.operands, operands, strict=True), start=1
    ):
        for axis, labels in zip(
            axes, _axes_of(found, name, number, operand.layout), strict=True
        ):
            other = known.setdefault(axis, labels)
            earlier = first.setdefault(axis, number)
            what = f"labels {spelled(axis)} of operands {earlier} and {number}"
            check_same_labels("einsum", name, what, other, labels)
    return known


def _axes_of(
    found: Subscripts, name: str, number: int, layout: BlockLayout
) -> list[Labels]:
    """The labels of the axes of an operand, if their names are those of the subscripts."""
    samples = static_samples(layout, "einsum")
    axes = [samples, *layout.components, layout.properties]
    names = [tuple(labels.names) for labels in axes]
    given = found.operands[number - 1]
    if tuple(names) != given:
        raise InvalidError(
            compose(
                f"einsum: the axes of operand {number} are not those of the {name}.",
                f"{found.text!r} says {all_spelled(given)}",
                f"the block has {all_spelled(names)}",
                remedy="the order is samples, components, properties; rename_dimension() "
                "gives an axis another name.",
            )
        )
    return axes


def _check_components(found: Subscripts, name: str, components: Sequence[Labels]) -> None:
    for labels in components:
        if not len(labels):
            raise InvalidError(
                compose(
                    f"einsum: the component {labels.names[0]!r} of the result would have "
                    f"no entries in the {name}.",
                    f"{found.text!r} makes components of an axis that is empty there",
                    remedy="samples and properties may be empty: put it first or last; or "
                    "drop_empty_blocks() first.",
                )
            )


def _check_gradients(
    found: Subscripts, name: str, operands: Sequence[Operand], rows: Sequence[int]
) -> None:
    """Gradients are exact for operands whose rows are those of the result."""
    moving = [i for i, operand in enumerate(operands) if operand.layout.gradients]
    for i in moving:
        if i not in rows:
            _refuse_gradients(found, name, i + 1, operands[i].layout)
    for i, own in enumerate(found.operands):
        if moving and i not in rows and found.result[0] in own:
            raise InvalidError(
                compose(
                    f"einsum: operand {i + 1} has the samples of the result, but not as "
                    f"samples, next to gradients of operand {moving[0] + 1}.",
                    f"it has the axes {all_spelled(own)}, the samples of the result are "
                    f"{spelled(found.result[0])}",
                    remedy=f"bring {spelled(found.result[0])} to its front first, by an "
                    "einsum of its own; or remove_gradients().",
                )
            )
    extra = [names for i in moving for names in _extra_names(operands[i].layout)]
    _check_names(found, name, extra)


def _refuse_gradients(
    found: Subscripts, name: str, number: int, layout: BlockLayout
) -> None:
    raise InvalidError(
        compose(
            f"einsum: gradients of operand {number} can not go along in the {name}.",
            f"it has the gradients {[n for n, _ in layout.gradients]}; its samples are "
            f"{spelled(found.operands[number - 1][0])}, those of the result are "
            f"{spelled(found.result[0])}",
            remedy="dot() carries gradients of both sides of A B^T; remove_gradients() "
            "drops them.",
        )
    )


def _extra_names(layout: BlockLayout) -> Iterator[str]:
    """Names of the components that gradients add, at all depths."""
    for _, gradient in layout.gradients:
        yield from (labels.names[0] for labels in extra_components(gradient, layout))
        yield from _extra_names(gradient)


def _check_names(found: Subscripts, name: str, extra: Sequence[str]) -> None:
    for axis in found.result[1:-1]:
        if axis[0] in extra:
            raise InvalidError(
                compose(
                    f"einsum: the gradients of the {name} would have two components "
                    f"{axis[0]!r}.",
                    "one is a component of the result, the other one of a gradient",
                    remedy="rename_dimension() one of them, or remove_gradients().",
                )
            )


def _form(found: Subscripts, order: Sequence[int]) -> Form:
    """The axes as numbers, for operands in this order."""
    used = dict.fromkeys(axis for own in found.operands for axis in own)
    numbers = {axis: number for number, axis in enumerate(used)}
    operands = tuple(tuple(numbers[a] for a in found.operands[i]) for i in order)
    result = tuple(numbers[axis] for axis in found.result if axis in numbers)
    new = tuple(i for i, axis in enumerate(found.result) if axis not in numbers)
    return operands, result, new


def _contracted(*arguments: Any) -> Any:
    """Kernel: the sum of products, of as many arrays as there are tuples of axes."""
    *arrays, operands, result, new = arguments
    pairs = [x for pair in zip(arrays, operands, strict=True) for x in pair]
    return jnp.expand_dims(jnp.einsum(*pairs, result), new)
