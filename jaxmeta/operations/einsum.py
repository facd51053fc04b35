"""Sums of products over axes that are told by the names of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import TensorMap
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import Layout, layout
from jaxmeta.core.layouts._precision import (
    check_differentiable,
    check_same_dtype,
    check_sums,
)
from jaxmeta.core.plans._key_choices import DifferentKeys, check_different_keys, common_keys
from jaxmeta.core.plans._plans import Plan, Step, plan_for
from jaxmeta.core.plans._results import bare, plan_of, run
from jaxmeta.errors import InvalidError, compose
from jaxmeta.operations._arguments import check_map
from jaxmeta.operations._contraction import contraction
from jaxmeta.operations._subscripts import Subscripts, parse


def einsum(
    subscripts: str, *tensors: TensorMap, different_keys: DifferentKeys = "error"
) -> TensorMap:
    r"""Multiply maps along axes with names, and sum over those that the result lacks.

    Every axis is told by the names of its labels, in the order samples, components,
    properties; several names of one axis stand in parentheses: ``"(system atom) m n, k n
    -> (system atom) m k"``. Axes with the same names are the same axis. The first axis of
    the result becomes its samples, the last one its properties. Axes that the result does
    not have are summed over; ``_`` in the result is a new axis with one entry.

    Values: :math:`\sum \prod_i A_i`, block by block, as `jax.numpy.einsum` computes them.
    Gradients: :math:`\sum_i A_1 \cdots \nabla A_i \cdots A_n`, for operands whose samples
    are those of the result; others must have none. The rows are the union of those of all
    operands, by first appearance. Where only one operand has gradients they may be of any
    depth, otherwise gradients of gradients are those of the product rule, as in `multiply`.

    Arguments:
        subscripts: the names of the axes of all operands and of the result.
        tensors: one map or more, with the same keys in any order; the result has those
            of the first one, in its order.
        different_keys: what to do with keys that not all maps have: ``"error"``, or leave
            them out (``"intersection"``). With ``"union"`` no key may be missing, because
            nobody knows which labels a block would have that is not there.

    Raises:
        InvalidError: for subscripts that can not be read or do not fit the operands, for
            gradients of an operand with other samples than those of the result, and for
            another word than these for `different_keys`.
        InvalidTypeError: for subscripts that are no string, operands that are no maps,
            dtypes that differ, bools, integers of less than 32 bits, whose sums wrap
            around, and gradients of integers on several operands.
        NotEqualError: when one axis has different labels in two operands, or keys differ.
        NestedGradientsError: as in `multiply`, where several operands have gradients.
        DynamicSamplesError: for dynamic samples.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> s, n = Labels(["system", "atom"], [[0, 0], [0, 1]]), Labels.range("n", 3)
        >>> A = TensorMap(Labels.single(), [TensorBlock(jnp.ones((2, 3)), s, [], n)])
        >>> weights = TensorBlock(jnp.ones((4, 3)), Labels.range("k", 4), [], n)
        >>> W = TensorMap(Labels.single(), [weights])
        >>> einsum("(system atom) n, k n -> (system atom) k", A, W)[0].values.tolist()
        [[3.0, 3.0, 3.0, 3.0], [3.0, 3.0, 3.0, 3.0]]
    """
    found = parse(subscripts)
    check_different_keys("einsum", different_keys)
    _check_operands(found, tensors)
    first, *others = tensors
    layouts = tuple(bare(other._layout) for other in others)
    plan = plan_for(bare(first._layout), _plan, layouts, found, different_keys)
    return run(plan, first, others)


def _check_operands(found: Subscripts, tensors: Sequence[Any]) -> None:
    """As many maps as the subscripts say, of one dtype that has sums and products."""
    if len(tensors) != len(found.operands):
        raise InvalidError(
            compose(
                f"einsum: {found.text!r} is for another number of maps than were given.",
                f"it has {len(found.operands)} operands, {len(tensors)} maps were given",
                remedy="maps follow the subscripts, one for each operand: "
                "einsum(text, A, B).",
            )
        )
    for number, tensor in enumerate(tensors, start=1):
        check_map("einsum", tensor)
        check_same_dtype("einsum", tensors[0], tensor, ("operand 1", f"operand {number}"))
        check_sums("einsum", tensor)
    moving = [t for t in tensors if t._layout.blocks and t._layout.blocks[0].gradients]
    if len(moving) > 1:
        check_differentiable("einsum", *moving)


def _plan(
    own: Layout,
    others: tuple[Layout, ...],
    found: Subscripts,
    different_keys: DifferentKeys,
) -> Plan[Any]:
    maps = (own, *others)
    keys = common_keys("einsum", maps, different_keys)
    positions = [each.keys._index.find(keys.values).tolist() for each in maps]
    starts = np.cumsum([0, *(each.size for each in maps)]).tolist()
    steps: list[Step] = []
    blocks = []
    for index, places in enumerate(zip(*positions, strict=True)):
        name = block_name(keys, index)
        operands = []
        for number, place in enumerate(places):
            if place < 0:
                _refuse_missing(name, number + 1)
            each = maps[number]
            leaf = starts[number] + each.offsets[place]
            operands.append(Operand(each.blocks[place], leaf))
        planned, below = contraction(found, name, operands)
        blocks.append(planned)
        steps += below
    # A sum over samples merges them.
    return plan_of(own, layout(keys, tuple(blocks)), steps, takes_all_rows=True)


def _refuse_missing(name: str, number: int) -> None:
    raise InvalidError(
        compose(
            f"einsum: there is no {name} in operand {number}.",
            "with different_keys='union' a block that is not there is zero, but nobody "
            "knows which labels it would have",
            remedy="different_keys='intersection' leaves such blocks out.",
        )
    )
