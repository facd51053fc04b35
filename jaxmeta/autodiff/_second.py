"""Second derivatives: gradients of gradients, by passes forwards through the first ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.autodiff._first import Asked, Found, Rest, first_order
from jaxmeta.autodiff._owners import WHERE
from jaxmeta.autodiff._passes import Arrays, Forwards, gathered, linearised, turns_of
from jaxmeta.autodiff._rows import Rows
from jaxmeta.core import PADDING, Labels, TensorBlock
from jaxmeta.errors import DynamicSamplesError, compose


# The first gradient, and what it is differentiated by.
Pair = tuple[str, str]


class Second(NamedTuple):
    """The rows of a gradient of a gradient, and its values."""

    samples: Labels
    values: Any


def second_order(
    asked: Asked, at: Arrays, pairs: Sequence[Pair]
) -> tuple[Found, Rest, list[dict[Pair, Second]]]:
    """Values, gradients, and gradients of some gradients, by block."""
    outer = {y: at[y] for _, y in pairs}

    def first(arrays: Arrays) -> tuple[Found, Rest]:
        return first_order(asked, {**at, **arrays})

    found, push, rest = linearised(first, outer)
    wanted = {x for x, _ in pairs}

    def push_gradients(arrays: Arrays) -> list[dict[str, Any]]:
        gradients = push(arrays).gradients
        return [{x: own[x] for x in own if x in wanted} for own in gradients]

    passes = Forwards(push_gradients, outer, asked.chunk)
    second = [
        {pair: _of_pair(asked, passes, rows, number, pair) for pair in pairs}
        for number, rows in enumerate(rest.rows)
    ]
    return found, rest, second


def _of_pair(
    asked: Asked, passes: Forwards, rows: Mapping[str, Rows], number: int, pair: Pair
) -> Second:
    x, y = pair
    for name in pair:
        if not rows[name].static:
            _refuse_dynamic(name, pair)
    parameter = asked.parameters[y]
    count = parameter.values.shape[0]
    first, row = _pairs(rows[x].sample, rows[y].owner, count)
    turns = turns_of(rows[y].owner, count, PADDING)
    pushed = passes.pushed(y, turns)[number][x]
    values = gathered(pushed, turns[row], first, parameter.values.shape[1:])
    labels = [] if parameter.samples is None else [parameter.samples.values[row]]
    table = np.concatenate([first[:, None], *labels], axis=1).astype(np.int32)
    samples = Labels(["sample", *parameter.names], table, assume_unique=True)
    return Second(samples, values)


def _pairs(
    sample: np.ndarray, owner: np.ndarray | None, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a row of the first gradient and a row that feeds the same sample.

    Arguments:
        sample: that of each row of the first gradient.
        owner: that of each row of the second parameter; None where they feed all samples.
        count: the number of these.
    """
    if owner is None:
        return np.repeat(np.arange(len(sample)), count), np.tile(
            np.arange(count), len(sample)
        )
    order = np.argsort(owner, kind="stable")
    begin = np.searchsorted(owner[order], sample, side="left")
    counts = np.searchsorted(owner[order], sample, side="right") - begin
    first = np.repeat(np.arange(len(sample)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return first, order[np.arange(len(first)) - before + begin[first]]


def _refuse_dynamic(name: str, pair: Pair) -> None:
    raise DynamicSamplesError(
        compose(
            f"{WHERE}: gradients of gradients need static samples.",
            f"for {'/'.join(pair)!r} the samples of the gradient {name!r} are dynamic",
            remedy="give static samples, and owners of numpy.",
        )
    )


def nested_block(
    second: Second, own: Sequence[Labels], above: Sequence[Labels], properties: Labels
) -> TensorBlock:
    """The block of a gradient of a gradient.

    Arguments:
        second: its rows and values.
        own: the components of the parameter that the gradient is differentiated by.
        above: the components of the gradient.
        properties: those of the values.
    """
    taken = [labels.names[0] for labels in (*own, *above)]
    components = []
    for axis, labels in enumerate(own):
        others = taken[:axis] + taken[axis + 1 :]
        name = free_name(taken[axis], others)
        taken[axis] = name
        components.append(Labels(name, labels.values))
    return TensorBlock(second.values, second.samples, [*components, *above], properties)


def free_name(name: str, taken: Sequence[str]) -> str:
    """The name, or with a number: a block can not have two axes with one name."""
    numbered, number = name, 1
    while numbered in taken:
        numbered, number = f"{name}_{number}", number + 1
    return numbered
