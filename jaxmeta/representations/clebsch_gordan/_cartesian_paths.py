r"""How Cartesian tensors of any rank are made of spherical ones, and their plans.

The components of a tensor of rank :math:`n` are coupled one after another, from the last
to the first: :math:`x, y, z` are the harmonic of degree 1, two of them make degrees 0, 1
and 2, each of these and a third one make more. A *path* is the degrees on the way. All
paths together are an orthogonal change of basis, so the way back is the transpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxmeta.core.device._device_checks import Mode
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._row_function import RowFunction
from jaxmeta.core.gradients._rowwise import rowwise_block
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._differences import (
    block_name,
    check_same_block,
    check_same_labels,
)
from jaxmeta.core.layouts._layout import BlockLayout, Layout, layout
from jaxmeta.core.plans._plans import Plan, Step
from jaxmeta.core.plans._results import plan_of
from jaxmeta.errors import InvalidError, compose
from jaxmeta.representations.clebsch_gordan.coefficients import cg_coefficients


# The degrees after each coupling; of rank 1 there is none but (1,).
Path: TypeAlias = tuple[int, ...]

# Harmonics of degree 1, of orders -1, 0, 1, are y, z, x.
_TO_ORDERS = np.eye(3)[:, [1, 2, 0]]


def paths_of(rank: int) -> list[Path]:
    """All paths of a rank, those with lower degrees first, the first degree slowest."""
    found: list[Path] = [(1,)]
    for number in range(1, rank):
        found = [
            (*(path if number > 1 else ()), degree)
            for path in found
            for degree in range(abs(path[-1] - 1), path[-1] + 2)
        ]
    return found


def sigma_of(path: Path, rank: int) -> int:
    """The sign that a proper tensor has at the end of a path."""
    sign, last = 1, 1
    for degree in path if rank > 1 else ():
        sign *= (-1) ** (1 + last + degree)
        last = degree
    return sign


@cache
def table_of(path: Path, rank: int) -> np.ndarray:
    """The change of basis of one path, of shape ``(3, ..., 3, 2 o3_lambda + 1)``."""
    found = _TO_ORDERS
    last = 1
    for degree in path if rank > 1 else ():
        signed = (-1) ** (1 + last + degree) * cg_coefficients(1, last, degree)
        step = np.tensordot(_TO_ORDERS, signed, (1, 0))  # x, m, mu
        found = np.moveaxis(np.tensordot(found, step, (-1, 1)), -2, 0)
        last = degree
    found.setflags(write=False)
    return found


# Kernels --------------------------------------------------------------------------------


def to_spherical(x: Any, axis: int, path: Path, rank: int) -> Any:
    """Kernel: the share of a path in Cartesian components, which begin at an axis."""
    table = jnp.asarray(table_of(path, rank).astype(x.dtype))
    axes = tuple(range(axis, axis + rank)), tuple(range(rank))
    found = jnp.tensordot(x, table, axes, precision="highest")
    return jnp.moveaxis(found, -1, axis)


def to_cartesian(*arguments: Any) -> Any:
    """Kernel: Cartesian components out of the shares of paths."""
    *arrays, axis, paths, rank = arguments
    total = None
    for x, path in zip(arrays, paths, strict=True):
        table = jnp.asarray(table_of(path, rank).astype(x.dtype))
        found = jnp.tensordot(x, table, ((axis,), (rank,)), precision="highest")
        ends = tuple(range(found.ndim - rank, found.ndim))
        found = jnp.moveaxis(found, ends, tuple(range(axis, axis + rank)))
        total = found if total is None else total + found
    return total


# Plans ----------------------------------------------------------------------------------


def spherical_plan(
    own: Layout, names: tuple[str, ...], keep: bool, mode: Mode
) -> Plan[Any]:
    """The plan of cartesian_to_spherical: each block becomes one for each path."""
    rank = len(names)
    steps: list[Step] = []
    blocks, rows = [], []
    for index, block in enumerate(own.blocks):
        name = block_name(own.keys, index)
        place = _place_of(name, block, names)
        operand = Operand(block, own.offsets[index])
        for path in paths_of(rank):
            planned, below = _share(name, operand, place, path, rank, mode)
            blocks.append(planned)
            steps += below
            rows.append([index, path[-1], sigma_of(path, rank), *path])
    keys = _spherical_keys(own.keys, rows, rank, keep)
    return plan_of(own, layout(keys, tuple(blocks)), steps)


def _share(
    name: str, operand: Operand, place: int, path: Path, rank: int, mode: Mode
) -> tuple[BlockLayout, list[Step]]:
    """The share of one path in a block."""
    known = RowFunction(
        "cartesian_to_spherical",
        to_spherical,
        linear=frozenset({0}),
        static=(place + 1, path, rank),
    )
    orders = np.arange(-path[-1], path[-1] + 1, dtype=np.int32)
    components = list(operand.layout.components)
    components[place : place + rank] = [Labels("o3_mu", orders[:, None])]
    axes = tuple(components), operand.layout.properties
    return rowwise_block(known, name, [operand], axes, mode)


def _spherical_keys(keys: Labels, rows: list[list[int]], rank: int, keep: bool) -> Labels:
    """Keys with degree and sign, and with the path if it is kept."""
    names = ["o3_lambda", "o3_sigma", *(history_names(rank) if keep else ()), *keys.names]
    table = []
    for index, degree, sigma, *path in rows:
        history = dict.fromkeys(history_names(rank), 1)
        history |= {f"k_{i + 1}": before for i, before in enumerate(path[:-1])}
        kept = [*history.values()] if keep else []
        table.append([degree, sigma, *kept, *keys.values[index].tolist()])
    return Labels(names, np.array(table, np.int32).reshape(-1, len(names)))


def history_names(rank: int) -> list[str]:
    """The key dimensions that tell a path: degrees of components, and those between."""
    found = ["l_1"]
    for number in range(2, rank + 1):
        found = [f"l_{number}", *([f"k_{number - 2}"] if number > 2 else []), *found]
    return found


def _place_of(name: str, block: BlockLayout, names: tuple[str, ...]) -> int:
    """Where the Cartesian components of a block begin."""
    own = block.component_names
    place = own.index(names[0])
    if own[place : place + len(names)] != names:
        raise InvalidError(
            compose(
                "cartesian_to_spherical: the components must stand next to each other, in "
                "this order.",
                f"{name} has {list(own)}, asked for {list(names)}",
            )
        )
    for labels in block.components[place : place + len(names)]:
        if labels.values[:, 0].tolist() != [0, 1, 2]:
            raise InvalidError(
                compose(
                    f"cartesian_to_spherical: the component {labels.names[0]!r} of {name} "
                    "is not x, y, z.",
                    f"found {labels.values[:, 0].tolist()}, expected [0, 1, 2]",
                )
            )
    return place


def cartesian_plan(
    own: Layout,
    keys: Labels,
    groups: tuple[tuple[tuple[int, Path], ...], ...],
    names: tuple[str, ...],
    mode: Mode,
) -> Plan[Any]:
    """The plan of spherical_to_cartesian: each group of blocks and paths is one block."""
    steps: list[Step] = []
    blocks = []
    for index, group in enumerate(groups):
        name = block_name(keys, index)
        operands = [Operand(own.blocks[i], own.offsets[i]) for i, _ in group]
        place = _check_group(own, [i for i, _ in group], [p for _, p in group])
        known = RowFunction(
            "spherical_to_cartesian",
            to_cartesian,
            linear=frozenset(range(len(group))),
            static=(place + 1, tuple(path for _, path in group), len(names)),
        )
        first = operands[0].layout
        components = list(first.components)
        components[place : place + 1] = [Labels.range(one, 3) for one in names]
        axes = tuple(components), first.properties
        planned, below = rowwise_block(known, name, operands, axes, mode)
        blocks.append(planned)
        steps += below
    return plan_of(own, layout(keys, tuple(blocks)), steps)


def _check_group(own: Layout, members: Sequence[int], paths: Sequence[Path]) -> int:
    """Blocks differ in nothing but o3_mu; where that is."""
    where = "spherical_to_cartesian"
    first = own.blocks[members[0]]
    place = first.component_names.index("o3_mu")
    for i, path in zip(members, paths, strict=True):
        block, inner = own.blocks[i], block_name(own.keys, i)
        found, mu = block.component_names, list(range(-path[-1], path[-1] + 1))
        if found != first.component_names:
            raise InvalidError(
                compose(
                    f"{where}: blocks that make one tensor have other components.",
                    f"{list(first.component_names)} and {list(found)}",
                )
            )
        if block.components[place].values[:, 0].tolist() != mu:
            raise InvalidError(
                compose(
                    f"{where}: o3_mu of {inner} is not that of its degree.",
                    f"found {block.components[place].values[:, 0].tolist()}, expected {mu}",
                )
            )
        check_same_block(where, inner, first, block, ("samples", "properties"), False)
        for left, right in zip(first.components, block.components, strict=True):
            if left.names != ["o3_mu"]:
                check_same_labels(where, inner, "components", left, right)
    return place
