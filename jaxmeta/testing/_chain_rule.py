"""What the explicit gradients of a result have to be, by the chain rule of any order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxmeta.testing._derivatives import Arrays, Function, mixed_derivatives
from jaxmeta.testing.directions import Directions, Path, Tangents


def reachable(given: Tangents, path: Path) -> list[Directions]:
    """All directions in which a function of some values can have derivatives.

    Those of the gradients under the path, and the combinations of directions of gradients
    that together make up the path: the derivative by x and y has a term of the derivative
    by x and the one by y.
    """
    found = dict.fromkeys(given.under(path))
    order = len(path)
    for number in range(1, 2 ** (order - 1)):
        # The last member is never in the first half, so that no split comes twice.
        first = _members(number, order)
        second = [i for i in range(order) if i not in first]
        for left in reachable(given, tuple(path[i] for i in first)):
            for right in reachable(given, tuple(path[i] for i in second)):
                places = zip([*first, *second], [*left, *right], strict=True)
                found[tuple(step for _, step in sorted(places, key=_place))] = None
    return list(found)


def expected(
    function: Function, values: Arrays, given: Tangents, wanted: Sequence[Directions]
) -> list[np.ndarray]:
    """The derivatives of a function's arrays in some directions, all of one order.

    Arguments:
        function: from values to values.
        values: where the derivatives are taken.
        given: the dense gradients of these values.
        wanted: as many directions as there will be entries along the first axis.
    """
    if not values:  # nothing that the function's arrays could depend on
        return [np.zeros((len(wanted), *a.shape), a.dtype) for a in function([])]
    order = len(wanted[0])
    terms = []
    for number in range(1, 2**order):
        members = _members(number, order)
        along = [given.along(tuple(each[i] for i in members)) for each in wanted]
        terms.append([np.stack(arrays) for arrays in zip(*along, strict=True)])
    return mixed_derivatives(function, values, terms)


def _members(number: int, order: int) -> list[int]:
    """The members of a subset that is numbered in binary."""
    return [i for i in range(order) if number >> i & 1]


def _place(placed: tuple[int, object]) -> int:
    return placed[0]
