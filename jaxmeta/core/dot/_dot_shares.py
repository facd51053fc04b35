"""The terms of the product rule: who takes which derivative, and the rows that it has."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jaxmeta.core.dot._gradient_parts import Part, Path
from jaxmeta.core.gradients._rearrangement import merged


@dataclasses.dataclass(frozen=True)
class Share:
    """A term of a gradient, in which each side takes some of its parameters.

    It has a row for each row of the left side and each *choice* of the right one: the
    labels, without ``sample``, that rows of the right side have.

    Arguments:
        taken: for each parameter of the path, whether the left side takes it.
        left: the gradient of the left side by these.
        right: that of the right side by the others.
        choices: the different labels of the rows of `right`, by first appearance.
        chosen: for each of these rows, which of the choices it has.
    """

    taken: tuple[bool, ...]
    left: Part
    right: Part
    choices: np.ndarray
    chosen: np.ndarray

    @property
    def table(self) -> np.ndarray:
        """The sample, and the labels by all parameters, of each row of the term."""
        count = len(self.choices)
        rows = np.repeat(np.arange(self.left.rows), count)
        choices = np.tile(np.arange(count), self.left.rows)
        own = iter(self.left.labels)
        ends = np.cumsum([labels.shape[1] for labels in self.right.labels])
        others = iter(np.split(self.choices, ends[:-1], axis=1))
        labels = [
            next(own)[rows] if taken else next(others)[choices] for taken in self.taken
        ]
        return beside(self.left.root[rows], *labels)

    def order(self, components: int) -> tuple[int, ...]:
        """The axes of the result among those of the term.

        The term has left rows, the extra components of the left side, its own ones,
        choices, samples of the right side, and the extra components of the right side. In
        the result, choices come second, then extra components, those of the last parameter
        first, and samples of the right side last.
        """
        mine = [i for i, taken in enumerate(self.taken) if taken]
        others = [i for i, taken in enumerate(self.taken) if not taken]
        axes = itertools.count(1)
        extra = dict(_numbered(mine, self.left, axes))
        own = [next(axes) for _ in range(components)]
        choices, samples = next(axes), next(axes)
        extra |= dict(_numbered(others, self.right, axes))
        first = [axis for i in sorted(extra, reverse=True) for axis in extra[i]]
        return (0, choices, *first, *own, samples)


def _numbered(
    places: Sequence[int], part: Part, axes: Iterator[int]
) -> Iterator[tuple[int, list[int]]]:
    """The axes of the extra components of each parameter, the last one's first."""
    for i, extra in reversed(list(zip(places, part.extra, strict=True))):
        yield i, [next(axes) for _ in extra]


def shares_of(
    path: Path, left: Mapping[Path, Part], right: Mapping[Path, Part]
) -> Iterator[Share]:
    """The terms of a gradient, those in which the left side takes most first.

    A gradient that a side does not have is zero, and so are its terms.
    """
    places = range(len(path))
    for size in reversed(range(len(path) + 1)):
        for some in itertools.combinations(places, size):
            taken = tuple(i in some for i in places)
            own = left.get(tuple(path[i] for i in places if taken[i]))
            other = right.get(tuple(path[i] for i in places if not taken[i]))
            if own is not None and other is not None:
                yield Share(taken, own, other, *_choices(other))


def _choices(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """The different labels of the rows of a gradient; for values the one of no labels."""
    if not part.labels:
        return np.zeros((1, 0), np.int32), np.zeros(part.rows, np.int64)
    # `merged` drops rows that begin with -1, which is an honest label here.
    table = beside(np.zeros(part.rows, np.int32), *part.labels)
    names = [f"_{column}" for column in range(table.shape[1])]
    labels, (chosen,) = merged(names, [table], "first")
    return labels.values[:, 1:], chosen


def beside(first: np.ndarray, *tables: np.ndarray) -> np.ndarray:
    """A table of a column and the columns of other tables."""
    columns: Sequence[np.ndarray] = [first[:, None].astype(np.int32), *tables]
    return np.concatenate(columns, axis=1)
