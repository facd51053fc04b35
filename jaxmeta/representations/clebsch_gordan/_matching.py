"""Blocks brought to the same samples, before what stands in equal rows is multiplied.

Either both have the same names of samples: then the result has the union of their rows,
and a row that one of them lacks is zero there, and so is every product. Or the names of
one are some of those of the other, as atoms are of pairs: then each of its rows stands
beside all rows of the other that it agrees with, and these are the result's.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import index_array, is_identity
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Dynamic, Gradients, block_layout
from jaxmeta.core.plans._kernels import fill_rows
from jaxmeta.core.plans._plans import Step, keep
from jaxmeta.errors import DynamicSamplesError, InvalidError, compose


Planned: TypeAlias = tuple[BlockLayout, list[Step]]


def matched(
    where: str, name: str, left: Operand, right: Operand
) -> tuple[Planned, Planned]:
    """Two blocks with the same samples, and the steps that make them of two blocks.

    Arguments:
        where: the operation, for messages.
        name: of the blocks, for messages.
        left: the first block.
        right: the second one.
    """
    own, other = left.layout.samples, right.layout.samples
    if isinstance(own, Dynamic) or isinstance(other, Dynamic):
        # Whether they have the same rows is compared when the program runs.
        _check_both_dynamic(where, name, left.layout, right.layout)
        return _as_it_is(left), _as_it_is(right)
    if own is other:
        return _as_it_is(left), _as_it_is(right)
    if own._names == other._names:
        union, first, second = own.union_and_mapping(other)
        return (
            _taken(left, union, _sources(first, len(union))),
            _taken(right, union, _sources(second, len(union))),
        )
    if len(own.names) > len(other.names):
        there, here = matched(where, name, right, left)
        return here, there
    samples, rows, places = _agreeing(where, name, own, other)
    return _taken(left, samples, places), _taken(right, samples, rows)


def _as_it_is(operand: Operand) -> Planned:
    size = operand.layout.size
    return operand.layout, [keep(operand.leaf + i) for i in range(size)]


def _sources(targets: np.ndarray, size: int) -> np.ndarray:
    """For each row of the union the one that goes there, -1 where there is none."""
    found = np.full(size, -1)
    found[targets] = np.arange(len(targets))
    return found


def _agreeing(
    where: str, name: str, few: Labels, many: Labels
) -> tuple[Labels, np.ndarray, np.ndarray]:
    """The rows of `many` that agree with one of `few`, which these are, and with which."""
    if not set(few._names) < set(many._names):
        raise InvalidError(
            compose(
                f"{where}: the samples of the blocks of {name} do not go together.",
                f"one has {few.names}, the other one {many.names}",
                remedy="the names must be the same in the same order, or those of one "
                "some of the other's: rename_dimension() gives other names.",
            )
        )
    columns = [many.names.index(one) for one in few.names]
    places = few._index.find(many.values[:, columns])
    rows = np.flatnonzero(places >= 0)
    samples = Labels(many._names, many.values[rows], assume_unique=True)
    return samples, rows, places[rows]


def _taken(operand: Operand, samples: Labels, sources: np.ndarray) -> Planned:
    """The block whose rows are these of another one (-1: zero), gradients with them."""
    own = operand.layout
    rows = _size(own)
    if is_identity(sources, rows) and samples is own.samples:
        return _as_it_is(operand)
    table = index_array(np.where(sources < 0, rows, sources))
    steps = [Step(fill_rows, (operand.leaf,), (table,), (0,))]
    gradients: list[tuple[str, BlockLayout]] = []
    for parameter, _ in own.gradients:
        gradient = operand.gradient(parameter)
        assert gradient is not None
        layout, below = _gradient_taken(gradient, sources, rows)
        gradients.append((parameter, layout))
        steps += below
    found: Gradients = tuple(gradients)
    return block_layout(samples, own.components, own.properties, found), steps


def _gradient_taken(gradient: Operand, sources: np.ndarray, rows: int) -> Planned:
    """The gradient rows of each row that is taken, as often as it is."""
    samples = gradient.layout.samples
    assert isinstance(samples, Labels)
    owner = samples.column("sample")
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(rows + 1))
    counts = np.append(np.diff(starts), 0)[sources]  # -1 is the last one: no rows
    owners = np.repeat(np.arange(len(sources)), counts)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    taken = order[starts[sources[owners]] + within]
    table = np.array(samples.values[taken])
    table[:, 0] = owners
    return _taken(gradient, Labels(samples._names, table, assume_unique=True), taken)


def _size(own: BlockLayout) -> int:
    assert isinstance(own.samples, Labels)
    return len(own.samples)


def _check_both_dynamic(
    where: str, name: str, left: BlockLayout, right: BlockLayout
) -> None:
    if left.dynamic and right.dynamic and left.sample_names == right.sample_names:
        return
    facts = [
        f"the {side} one has the {'dynamic' if own.dynamic else 'static'} samples "
        f"{list(own.sample_names)}"
        for side, own in (("first", left), ("second", right))
    ]
    raise DynamicSamplesError(
        compose(
            f"{where}: dynamic samples of the blocks of {name} do not go together.",
            *facts,
            remedy="both need the same rows in the same order: pad() both alike; or "
            "unpad() outside the traced function, where static samples are matched.",
        )
    )
