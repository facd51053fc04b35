"""All gradients of a block side by side, each with the labels of all its derivatives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from jaxmeta.core.gradients._levels import Operand, extra_components
from jaxmeta.core.gradients._rearrangement import static_samples
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.errors import NestedGradientsError, NotEqualError, compose


# The parameters that something is the gradient by, the outermost gradient's first.
Path: TypeAlias = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Part:
    """The values of a block, or a gradient at any depth.

    Arguments:
        leaf: its array.
        layout: what that array means.
        root: for each row, the row of the values that it belongs to.
        labels: for each parameter of the path, the labels of each row without ``sample``.
        extra: for each parameter of the path, the components that it adds.
    """

    leaf: int
    layout: BlockLayout
    root: np.ndarray
    labels: tuple[np.ndarray, ...] = ()
    extra: tuple[tuple[Labels, ...], ...] = ()

    @property
    def rows(self) -> int:
        """How many rows the array has."""
        return len(self.root)


def parts_of(operation: str, operand: Operand) -> Mapping[Path, Part]:
    """The values of a block under the empty path, and all its gradients."""
    samples = static_samples(operand.layout, operation)
    values = Part(operand.leaf, operand.layout, np.arange(len(samples)))
    found: dict[Path, Part] = {(): values}
    waiting: list[Path] = [()]
    while waiting:
        path = waiting.pop()
        for name, _ in found[path].layout.gradients:
            found[(*path, name)] = _gradient(operation, found[path], name)
            waiting.append((*path, name))
    return found


def _gradient(operation: str, parent: Part, name: str) -> Part:
    operand = Operand(parent.layout, parent.leaf).gradient(name)
    assert operand is not None
    table = static_samples(operand.layout, operation).values
    own = table[:, 0]
    return Part(
        operand.leaf,
        operand.layout,
        parent.root[own],
        (*(labels[own] for labels in parent.labels), table[:, 1:]),
        (*parent.extra, extra_components(operand.layout, parent.layout)),
    )


def path_name(path: Path, name: str) -> str:
    """How messages name a gradient of a block."""
    for parameter in path:
        name = f"gradient {parameter!r} of {name}"
    return name


def check_complete(operation: str, name: str, parts: Mapping[Path, Part]) -> None:
    """Raise where a derivative is missing that the product rule takes.

    It takes each derivative by some of the parameters of a path: with one by x and y,
    those by x alone and by y alone.
    """
    for path in parts:
        for i in range(len(path) - 1):
            fewer = path[:i] + path[i + 1 :]
            if fewer not in parts:
                raise NestedGradientsError(
                    compose(
                        f"{operation}: gradients of gradients need those by each parameter "
                        "too.",
                        f"there is the {path_name(path, name)}, but no "
                        f"{path_name(fewer, name)}",
                        remedy="add it (without rows, if it is zero), or drop gradients by "
                        "remove_gradients().",
                    )
                )


@dataclasses.dataclass(frozen=True)
class Added:
    """What a gradient adds to its parent: names of samples, components."""

    names: tuple[str, ...]
    extra: tuple[Labels, ...]

    def same_labels(self, other: Added) -> bool:
        """Whether rows and components mean the same; components may have other names."""
        own, others = (
            [labels.values.tolist() for labels in each.extra] for each in (self, other)
        )
        return self.names == other.names and own == others

    def __str__(self) -> str:
        axes = [
            f"{labels.names[0]} {labels.values[:, 0].tolist()}" for labels in self.extra
        ]
        return f"the sample names {list(self.names)} and the extra components {axes}"


def added_by(
    operation: str, sides: Mapping[str, Mapping[Path, Part]]
) -> Mapping[Path, Added]:
    """What the gradients of some blocks add, at all depths.

    Two gradients by one parameter must have the same labels. The names of their components
    may differ only at different depths, where they must if both are in one block.

    Arguments:
        operation: for messages.
        sides: the parts of each block, under the name of the block.
    """
    known: dict[Path, Added] = {}
    first: dict[str, tuple[str, Added]] = {}
    for side, parts in sides.items():
        for path, part in parts.items():
            if not path:
                continue
            own = Added(part.layout.sample_names[1:], part.extra[-1])
            name = path_name(path, side)
            other_name, other = first.setdefault(path[-1], (name, own))
            if known.setdefault(path, own) != own or not own.same_labels(other):
                what = f"{operation}: two gradients by {path[-1]!r} have different labels."
                facts = f"the {other_name} has {other}", f"the {name} has {own}"
                remedy = (
                    "both must be by the same parameter; remove_gradients() drops them."
                )
                raise NotEqualError(compose(what, *facts, remedy=remedy))
    return known
