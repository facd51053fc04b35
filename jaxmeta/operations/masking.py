"""Masks: maps of bools, and choices by them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import accumulate, count
from typing import Any, Literal, TypeAlias, TypeVar

import jax.numpy as jnp
import numpy as np

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.arithmetic import _scalars
from jaxmeta.core.functions import _mapping
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.layouts._differences import check_same_block, matched_keys
from jaxmeta.core.layouts._layout import BlockLayout, Layout
from jaxmeta.core.layouts._precision import check_same_dtype
from jaxmeta.core.plans._plans import Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, block_by_block, plan_of, run
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.operations._arguments import check_tensor


T = TypeVar("T", TensorMap, TensorBlock)


def mask(predicate: Callable[..., Any], tensor: T) -> T:
    """A map of bools, by a function of one sample's array.

    Values: True where the predicate holds. Gradients: none, because bools have none.

    Arguments:
        predicate: from an array with one axis for each component and one for the
            properties to bools of the same shape, as ``lambda x: x > 0`` or `jax.numpy`'s
            ``isfinite``. Of two maps compare the difference. It is called as by
            `map_samples`.
        tensor: any map or block; padding of dynamic samples is False.

    Raises:
        InvalidTypeError: for a predicate that gives no bools, and for what is neither a map
            nor a block.
        InvalidError: for one that gives another shape.

    Example:
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.array([[1.0, -2.0]]), Labels.range("s", 1), [], Labels.range("n", 2)
        ... )
        >>> mask(lambda x: x > 0, block).values.tolist()
        [[True, False]]
    """
    check_tensor("mask", tensor)
    return _mapping.truth("mask", predicate, tensor)


def where(condition: T, A: T | Any, B: T | Any) -> T:
    r"""Choose between two maps value by value, or between a map and a scalar.

    Values: :math:`A` where the condition holds, :math:`B` elsewhere. Gradients: those of
    the one that is chosen, at any depth, with the union of the gradient rows. Those of
    the other one are never looked at: they may be infinite or NaN. (`jax.grad`, as for
    `jax.numpy.where`, goes through both: make the argument of a root safe before it.)

    Arguments:
        condition: a map or block of bools without gradients, as `mask` makes them.
        A: a map or block with the same samples, components and properties, of a map with
            the same keys in any order; or a scalar of the same kind of number as `B`.
        B: the same. One of both must be no scalar; the first one gives the order of the
            keys.

    Raises:
        NotEqualError: when the metadata differ; the message tells the first difference.
        InvalidTypeError: for a condition that is no map of bools, for another dtype.
        InvalidError: for a condition with gradients.
        DynamicSamplesError: for gradients of gradients with dynamic samples.

    Example:
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.array([[1.0, -2.0]]), Labels.range("s", 1), [], Labels.range("n", 2)
        ... )
        >>> where(mask(lambda x: x > 0, block), block, 0.0).values.tolist()
        [[1.0, 0.0]]
    """
    given = [x for x in (A, B) if isinstance(x, TensorMap | TensorBlock)]
    _check_condition(condition, given)
    if len(given) == 2:
        check_same_dtype("where", A, B, names=("A", "B"))
        kind: Kind = "AB"
        scalars = []
    else:
        kind = "A" if given[0] is A else "B"
        scalars = [_scalars.checked("where", given[0], B if kind == "A" else A)]
    first, *others = [*given, condition]
    layouts = tuple(bare(other._layout) for other in others)
    plan = plan_for(bare(first._layout), _plan, layouts, kind)
    return run(plan, first, others, scalars)


def _check_condition(condition: Any, given: list[Any]) -> None:
    _check_labelled(condition)
    if not given or any(type(one) is not type(condition) for one in given):
        kind = type(condition).__name__
        raise InvalidTypeError(
            compose(
                f"where: for a condition that is a {kind}, A or B must be a {kind}.",
                f"of them there is {[type(one).__name__ for one in given]}",
                remedy="the other one may be a scalar.",
            )
        )
    if condition.dtype is not None and condition.dtype != np.bool_:
        raise InvalidTypeError(
            compose(
                f"where: the values of the condition are {condition.dtype}, not bools.",
                remedy="mask(predicate, tensor) makes maps of bools.",
            )
        )
    layouts = getattr(condition._layout, "blocks", (condition._layout,))
    if layouts and layouts[0].gradients:
        raise InvalidError(
            compose(
                "where: the condition has gradients, and bools have none.",
                f"found {[name for name, _ in layouts[0].gradients]}",
                remedy="remove_gradients() drops them.",
            )
        )


def _check_labelled(condition: Any) -> None:
    if isinstance(condition, TensorMap | TensorBlock):
        return
    raise InvalidTypeError(
        compose(
            "where: the condition must be a TensorMap or a TensorBlock of bools.",
            f"found {type(condition).__module__}.{type(condition).__qualname__}",
            remedy="mask(predicate, tensor) makes one, as mask(lambda x: x > 0, tensor); "
            "one bool for all values chooses as A if condition else B.",
        )
    )


# Plans ----------------------------------------------------------------------------------


def _kept(condition: Any, a: Any) -> Any:
    return jnp.where(condition, a, jnp.zeros_like(a))


def _dropped(condition: Any, b: Any) -> Any:
    return jnp.where(condition, jnp.zeros_like(b), b)


def _scalar_kept(condition: Any, b: Any, scalar: Any) -> Any:
    return jnp.where(condition, scalar, b)


# Which of A and B are no scalars.
Kind: TypeAlias = Literal["AB", "A", "B"]

# Gradients of a scalar are zero: of one operand, the choice is linear too.
_CHOICES: dict[Kind, RowFunction] = {
    "AB": RowFunction("where", jnp.where, linear=frozenset({1, 2})),
    "A": RowFunction("where", _kept, linear=frozenset({1})),
    "B": RowFunction("where", _dropped, linear=frozenset({1})),
}
_OF_VALUES = {"A": jnp.where, "B": _scalar_kept}


@dataclasses.dataclass(frozen=True)
class _Other:
    """An operand after the first one.

    Arguments:
        operation: for messages; it tells what is left and right in them.
        layout: of the operand.
        start: its first leaf.
        blocks: for each block of the first operand, the position of the same one here.
    """

    operation: str
    layout: Any
    start: int
    blocks: list[int]

    def operand(self, index: int, name: str, like: BlockLayout) -> Operand:
        """The block for one block of the first operand, if they have the same labels."""
        part, leaf = self.layout, self.start
        if isinstance(self.layout, Layout):
            position = self.blocks[index]
            part = self.layout.blocks[position]
            leaf += self.layout.offsets[position]
        check_same_block(self.operation, name, like, part, gradients=False)
        return Operand(part, leaf)


def _plan(own: Any, others: tuple[Any, ...], kind: Kind) -> Plan[Any]:
    *starts, scalar = accumulate((one.size for one in (own, *others)), initial=0)
    right = ("B", "the condition")[-len(others) :]
    rest = [
        _other(own, other, start, f"where (left: {kind[0]}, right: {name})")
        for other, start, name in zip(others, starts[1:], right, strict=True)
    ]
    indices = count()

    def plan_block(
        layout: BlockLayout, leaf: int, name: str
    ) -> tuple[BlockLayout, list[Step]]:
        index = next(indices)
        *more, condition = [other.operand(index, name, layout) for other in rest]
        operands = [condition, Operand(layout, leaf), *more]
        if layout.dynamic and kind != "AB":
            known = RowFunction("where", _OF_VALUES[kind], constants=(scalar,))
            return rowwise_block(known, name, operands)
        planned, steps = rowwise_block(_CHOICES[kind], name, operands)
        if kind != "AB":
            steps[0] = Step(_OF_VALUES[kind], (condition.leaf, leaf, scalar))
        return planned, steps

    return plan_of(own, *block_by_block(own, plan_block))


def _other(own: Any, layout: Any, start: int, operation: str) -> _Other:
    maps = isinstance(own, Layout)
    blocks = matched_keys(operation, own, layout) if maps else []
    return _Other(operation, layout, start, blocks)
