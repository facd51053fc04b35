"""Plans of products: block by block, moved beside each other at once where that is asked.

A product is a row-wise function of two blocks, so that the one rule of the core makes its
gradients. Where keys move to properties afterwards, the steps of both operations become
one for each leaf of the result, so that nothing in between is stored.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jaxmeta.core.device._device_checks import Mode
from jaxmeta.core.gradients._composed import then
from jaxmeta.core.gradients._destinations import Destination
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import BlockLayout, Layout, layout
from jaxmeta.core.moves import _keys_to_properties
from jaxmeta.core.plans._plans import Kernel, Plan, Step, keep
from jaxmeta.core.plans._results import plan_of
from jaxmeta.errors import InvalidError, compose
from jaxmeta.representations.clebsch_gordan._matching import matched
from jaxmeta.representations.clebsch_gordan._pairs_of_keys import (
    KeysFilter,
    Pairs,
    all_pairs,
    check_symmetry,
    filtered_pairs,
    selected_pairs,
)
from jaxmeta.representations.clebsch_gordan.arrays import invariants, product


_WHATEVER = Destination()


@dataclasses.dataclass(frozen=True)
class Request:
    """What a product is asked for.

    Arguments:
        where: the operation, for messages.
        names: of the key dimensions with the degrees of the two blocks.
        max_angular: the largest degree that may be needed; None for any.
        selected: the keys that are wanted.
        keys_filter: a function that keeps some of these.
        moved: key dimensions that go to the properties.
        asked: the samples of the result, where keys move.
        mode: what becomes of dynamic samples that are not the same.
    """

    where: str
    names: tuple[str, str]
    max_angular: int | None = None
    selected: Labels | None = None
    keys_filter: KeysFilter | None = None
    moved: tuple[str, ...] = ()
    asked: Destination = _WHATEVER
    mode: Mode = "default"


def product_plan(own: Layout, other: Layout, request: Request) -> Plan[Any]:
    """The plan of the products of the blocks of two maps."""
    where = request.where
    pairs = all_pairs(where, own.keys, other.keys, request.names)
    _check_degrees(request, own.keys, other.keys)
    if request.selected is not None:
        pairs = selected_pairs(where, pairs, request.selected)
    if request.keys_filter is not None:
        pairs = filtered_pairs(where, pairs, request.keys_filter)
    for which, one in (("first", own), ("second", other)):
        _check_blocks(where, which, one)
    return _plan(own, other, pairs.grouped(), request, False)


def invariants_plan(own: Layout, other: Layout, request: Request) -> Plan[Any]:
    """The plan of the products of degree zero of blocks of the same degree."""
    for which, one in (("first", own), ("second", other)):
        check_symmetry(request.where, f"the {which} map", one.keys)
        _check_blocks(request.where, which, one)
    return _plan(own, other, _invariant_pairs(own.keys, other.keys), request, True)


def _invariant_pairs(left: Labels, right: Labels) -> Pairs:
    """The blocks with the same degree, sign and other keys, under that degree as `l`."""
    names = [name for name in left.names if name in right.names and name != "o3_sigma"]
    shared = [name for name in names if name != "o3_lambda"]
    tables = [
        np.stack([keys.column(n) for n in ("o3_sigma", "o3_lambda", *shared)], axis=1)
        for keys in (left, right)
    ]
    partners = {tuple(row): j for j, row in enumerate(tables[1].tolist())}
    found = [
        (i, partners[tuple(row)])
        for i, row in enumerate(tables[0].tolist())
        if tuple(row) in partners
    ]
    first, second = np.array(found, np.int64).reshape(-1, 2).T
    keys = Labels(("l", *shared), tables[0][first][:, 1:])
    return Pairs(keys, first, second)


def _plan(
    own: Layout, other: Layout, pairs: Pairs, request: Request, scalar: bool
) -> Plan[Any]:
    steps: list[Step] = []
    blocks = []
    for index in range(len(pairs.keys)):
        i, j = int(pairs.first[index]), int(pairs.second[index])
        left = Operand(own.blocks[i], own.offsets[i])
        right = Operand(other.blocks[j], own.size + other.offsets[j])
        name = block_name(pairs.keys, index)
        degree = 0 if scalar else int(pairs.keys.column("o3_lambda")[index])
        planned, below = _block(request, name, (left, right), degree, scalar)
        blocks.append(planned)
        steps += below
    found = layout(pairs.keys, tuple(blocks))
    if not request.moved:
        return plan_of(own, found, steps)
    # What into= brings along are the last leaves of all.
    extra = isinstance(request.asked.into, tuple)
    steps += [keep(own.size + other.size)] * extra
    return _moved(own, found, steps, request)


def _moved(own: Layout, found: Layout, steps: list[Step], request: Request) -> Plan[Any]:
    """The products with keys moved to their properties."""
    plan = _keys_to_properties.plan(found, request.moved, None, 0, True, request.asked)
    outer = [
        Step(kernel, inputs, tuple(plan.index[i] for i in tables), static)
        for kernel, inputs, tables, static in plan.program.instructions
    ]
    return plan_of(own, plan.layout, then(steps, outer))


def _block(
    request: Request, name: str, sides: tuple[Operand, Operand], degree: int, scalar: bool
) -> tuple[BlockLayout, list[Step]]:
    """The product of two blocks, whose samples are brought together first."""
    (left, inner), (right, more) = matched(request.where, name, *sides)
    l1, l2 = ((len(one.components[0]) - 1) // 2 for one in (left, right))
    kernel: Kernel = invariants if scalar else product
    known = RowFunction(
        request.where,
        kernel,
        coupled=frozenset({(0, 1)}),
        static=(l1,) if scalar else (l1, l2, degree),
    )
    properties = _products_of(request.where, name, left.properties, right.properties)
    components = () if scalar else (_orders(degree),)
    operands = (Operand(left, 0), Operand(right, left.size))
    planned, outer = rowwise_block(
        known, name, operands, (components, properties), request.mode
    )
    return planned, then([*inner, *more], outer)


def _orders(degree: int) -> Labels:
    return Labels("o3_mu", np.arange(-degree, degree + 1, dtype=np.int32)[:, None])


def _products_of(where: str, name: str, left: Labels, right: Labels) -> Labels:
    """All pairs of properties; those of the second block count fastest."""
    for one in left.names:
        if one in right.names:
            raise InvalidError(
                compose(
                    f"{where}: both blocks of {name} have properties called {one!r}.",
                    f"the first has {left.names}, the second has {right.names}",
                    remedy="products have the properties of both: rename_dimension() gives "
                    "one of them another name.",
                )
            )
    first = np.repeat(left.values, len(right), axis=0)
    second = np.tile(right.values, (len(left), 1))
    table = np.concatenate([first, second], axis=1)
    return Labels((*left._names, *right._names), table, assume_unique=True)


def _check_blocks(where: str, which: str, own: Layout) -> None:
    """Every block has the component of a harmonic of the degree that its key says."""
    for index, degree in enumerate(own.keys.column("o3_lambda").tolist()):
        found = own.blocks[index].components
        if len(found) != 1 or found[0] is not _orders(degree):
            shown = [f"{one.names[0]} {one.values[:, 0].tolist()}" for one in found]
            raise InvalidError(
                compose(
                    f"{where}: a block of the {which} map is not that of a harmonic of its "
                    "degree.",
                    f"{block_name(own.keys, index)} has the components {shown}",
                    f"expected one component o3_mu from {-degree} to {degree}",
                )
            )


def _check_degrees(request: Request, left: Labels, right: Labels) -> None:
    if request.max_angular is None or not len(left) or not len(right):
        return
    needed = int(left.column("o3_lambda").max()) + int(right.column("o3_lambda").max())
    selected = request.selected
    if selected is not None and "o3_lambda" in selected.names and len(selected):
        wanted = int(selected.column("o3_lambda").max())
        needed = wanted if wanted > request.max_angular else min(needed, wanted)
    if needed > request.max_angular:
        raise InvalidError(
            compose(
                f"{request.where}: the products have degrees above max_angular.",
                f"they go up to {needed}, max_angular is {request.max_angular}",
                remedy="make the product with a larger max_angular, or select degrees by "
                "selected_keys.",
            )
        )
