"""Explicit gradients as dense arrays, one for each direction.

A gradient block has, for every row and every extra component, the derivative of one
sample in some *direction*: the gradient's name, the labels of the row other than
``sample``, and the labels of the extra components. All rows of the same direction, in all
blocks, are one tangent of all values. Where there is no row the tangent is zero.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from jaxmeta.core import PADDING, TensorBlock, TensorMap
from jaxmeta.errors import InvalidTypeError, compose


class Direction(NamedTuple):
    """A direction in which a gradient has derivatives.

    Arguments:
        parameter: the name of the gradient.
        labels: names and values of the labels of its rows, without ``sample``.
        component: the label of each of its extra components.

    Example:
        >>> print(Direction("positions", (("system", 0), ("atom", 2)), (1,)))
        positions (system=0, atom=2), component (1)
    """

    parameter: str
    labels: tuple[tuple[str, int], ...] = ()
    component: tuple[int, ...] = ()

    def __str__(self) -> str:
        found = self.parameter
        if self.labels:
            found += f" ({', '.join(f'{name}={value}' for name, value in self.labels)})"
        if self.component:
            found += f", component ({', '.join(map(str, self.component))})"
        return found


# One for each derivative: two for a gradient of a gradient.
Directions: TypeAlias = tuple[Direction, ...]
Path: TypeAlias = tuple[str, ...]


class Part(NamedTuple):
    """A block among those of some data, and how messages name it."""

    name: str
    block: TensorBlock


@dataclasses.dataclass
class Tangents:
    """The dense gradients of some blocks, and which of their rows are stored."""

    zeros: list[np.ndarray]
    paths: set[Path]
    arrays: dict[Directions, list[np.ndarray]]
    rows: set[tuple[Directions, int, int]]

    def along(self, directions: Directions) -> list[np.ndarray]:
        """The tangent of each block; zero in a direction that no row has."""
        return self.arrays.get(directions, self.zeros)

    def under(self, path: Path) -> list[Directions]:
        """All directions that the gradients of one name (of names, if nested) have."""
        return [each for each in self.arrays if tuple(d.parameter for d in each) == path]


def dense_gradients(
    *tensors: TensorMap | TensorBlock,
) -> dict[Directions, list[np.ndarray]]:
    """The explicit gradients of maps and blocks as dense arrays, by direction.

    Values: for each direction one array for each block, of the shape of its values; zero
    where no gradient row is. Gradients of gradients stand under two directions (and so
    on), the outer gradient's first.

    Arguments:
        tensors: maps and blocks, with any gradients.

    Raises:
        InvalidTypeError: for what is neither a map nor a block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> n = Labels.range("n", 1)
        >>> rows = Labels(["sample", "atom"], [[1, 7]])
        >>> gradient = TensorBlock(jnp.array([[5.0]]), rows, [], n)
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("system", 2), [], n, {"x": gradient}
        ... )
        >>> (directions, arrays), = dense_gradients(block).items()
        >>> print(*directions, arrays[0].tolist())
        x (atom=7) [[0.0], [5.0]]
    """
    return tangents_of(parts_of("dense_gradients", tensors)).arrays


def parts_of(operation: str, data: Any, prefix: str = "") -> list[Part]:
    """All blocks of a block, a map or a list of them."""
    if isinstance(data, TensorBlock):
        return [Part(f"{prefix}the block", data)]
    if isinstance(data, TensorMap):
        return [Part(f"{prefix}block {key.print()}", block) for key, block in data.items()]
    if isinstance(data, list | tuple):
        found = []
        for number, each in enumerate(data):
            inner = prefix if len(data) == 1 else f"{prefix}[{number}] "
            found += parts_of(operation, each, inner)
        return found
    raise InvalidTypeError(
        compose(
            f"{operation}: only maps and blocks have explicit gradients.",
            f"found {type(data).__module__}.{type(data).__qualname__}",
            remedy="close over other arguments: lambda tensor: operation(tensor, other).",
        )
    )


def tangents_of(parts: Sequence[Part]) -> Tangents:
    """The dense gradients of all parts, laid side by side."""
    zeros = [np.zeros_like(np.asarray(block.values)) for _, block in parts]
    found = Tangents(zeros, set(), {}, set())
    for number, (_, block) in enumerate(parts):
        found.paths |= set(_paths(block))
        rows: list[_Row | None] = [_Row(i) for i in range(len(block))]
        for directions, row, values in _below(block, rows, ()):
            arrays = found.arrays.setdefault(directions, [zero.copy() for zero in zeros])
            arrays[number][row] = values
            found.rows.add((directions, number, row))
    return found


def _paths(block: TensorBlock) -> Iterator[Path]:
    for name, gradient in block.gradients():
        yield (name,)
        yield from ((name, *path) for path in _paths(gradient))


class _Row(NamedTuple):
    """A row of a gradient: the row of the values it leads to, and how."""

    root: int
    steps: tuple[Direction, ...] = ()


def _below(
    block: TensorBlock,
    rows: Sequence[_Row | None],
    levels: tuple[list[list[int]], ...],
) -> Iterator[tuple[Directions, int, np.ndarray]]:
    """Directions, row of the values and derivative of that row, for all gradients.

    `levels` has, for each gradient on the way, the labels of its extra components.
    """
    for name, gradient in block.gradients():
        extra = gradient.components[: len(gradient.components) - len(block.components)]
        own = (*levels, [labels.values[:, 0].tolist() for labels in extra])
        reached = _reached(name, gradient, rows)
        values = np.asarray(gradient.values)
        for row, each in zip(reached, values, strict=True):
            if row is not None:
                for index, components in _extra_components(own):
                    steps = zip(row.steps, components, strict=True)
                    directions = tuple(step._replace(component=c) for step, c in steps)
                    yield directions, row.root, each[index]
        yield from _below(gradient, reached, own)


def _reached(
    name: str, gradient: TensorBlock, rows: Sequence[_Row | None]
) -> list[_Row | None]:
    """For each row of a gradient what it belongs to; None for padding."""
    names = gradient.samples.names[1:]
    found: list[_Row | None] = []
    for parent, *others in np.asarray(gradient.samples.values).tolist():
        above = None if parent == PADDING else rows[parent]
        if above is None:
            found.append(None)
        else:
            step = Direction(name, tuple(zip(names, others, strict=True)))
            found.append(_Row(above.root, (*above.steps, step)))
    return found


def _extra_components(
    levels: Sequence[list[list[int]]],
) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    """Each index into the extra components of all levels, with its labels by level."""
    choices = [list(np.ndindex(*map(len, level))) for level in levels]
    for chosen in itertools.product(*choices):
        # The innermost gradient's own components come first.
        index = tuple(i for one in reversed(chosen) for i in one)
        yield (
            index,
            [
                tuple(labels[i] for labels, i in zip(level, one, strict=True))
                for level, one in zip(levels, chosen, strict=True)
            ],
        )
