"""Gradients of the product of two blocks that both may have gradients, at any depth.

The gradient by x of ``A . B`` is ``A_x . B + A . B_x``, and so on by the product rule: the
gradient by some parameters has one term for each way to share them between both sides. A
row of the result belongs to a sample of the left side, whatever labels it has next to
``sample``. So a gradient of the right side by x gives every sample rows with all labels
that there are; to which sample of the right side it belongs is told by the property.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jaxmeta.core.dot._dot_shares import Share, beside, shares_of
from jaxmeta.core.dot._dot_terms import (
    Constant,
    Moving,
    Sum,
    Term,
    no_rows,
    product,
    sum_of_terms,
)
from jaxmeta.core.dot._gradient_parts import (
    Added,
    Part,
    Path,
    added_by,
    check_complete,
    parts_of,
    path_name,
)
from jaxmeta.core.gradients._gradient_steps import Inputs
from jaxmeta.core.gradients._levels import Operand
from jaxmeta.core.gradients._rearrangement import (
    gathered,
    is_identity,
    merged,
    static_samples,
)
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout, Gradients, block_layout
from jaxmeta.core.plans._plans import Step
from jaxmeta.core.rows._row_index import RowIndex
from jaxmeta.errors import InvalidError, compose


def gradients_of_product(
    name: str, left: Operand, right: Operand
) -> tuple[Gradients, list[Step]]:
    """The gradients of a product of blocks, and their steps.

    Arguments:
        name: of the blocks, for messages.
        left: any block.
        right: a block without components, with the same properties.
    """
    parts = parts_of("dot", left), parts_of("dot", right)
    sides = {f"left {name}": parts[0], f"right {name}": parts[1]}
    for side, some in sides.items():
        check_complete("dot", side, some)
    whole = _Product(name, *parts, added_by("dot", sides))
    return whole.gradients((), beside(whole.left[()].root))


@dataclasses.dataclass(frozen=True)
class _Product:
    """A product of two blocks, and how its gradients are made, level by level."""

    name: str
    left: Mapping[Path, Part]
    right: Mapping[Path, Part]
    added: Mapping[Path, Added]

    def gradients(self, path: Path, table: np.ndarray) -> tuple[Gradients, list[Step]]:
        """All gradients of one of them (or of the values).

        `table` has the sample, and the labels by all parameters, of each of its rows.
        """
        found: list[tuple[str, BlockLayout]] = []
        steps: list[Step] = []
        for longer in sorted(each for each in self.added if each[:-1] == path):
            layout, below = self._gradient(longer, table)
            found.append((longer[-1], layout))
            steps += below
        return tuple(found), steps

    def _gradient(self, path: Path, table: np.ndarray) -> tuple[BlockLayout, list[Step]]:
        shares = list(shares_of(path, self.left, self.right))
        samples, targets = self._rows(path, shares, RowIndex(table))
        components = self._components(path)
        properties = static_samples(self.right[()].layout, "dot")
        if len(samples):
            sizes = len(self.left[()].layout.components), len(properties)
            step = _step(shares, targets, len(samples), sizes)
        else:
            shape = (0, *map(len, components), len(properties))
            step = Step(no_rows, (self.left[()].leaf,), (), (shape,))
        parents, own = samples.values[:, 0], samples.values[:, 1:]
        inner = np.concatenate([table[parents], own], axis=1)
        gradients, below = self.gradients(path, inner)
        layout = block_layout(samples, components, properties, gradients)
        return layout, [step, *below]

    def _rows(
        self, path: Path, shares: Sequence[Share], parents: RowIndex
    ) -> tuple[Labels, list[np.ndarray]]:
        """The samples of a gradient, and which of them the rows of each term are."""
        names = self.added[path].names
        tables = []
        for share in shares:
            table = share.table
            split = table.shape[1] - len(names)
            above = parents.find(np.ascontiguousarray(table[:, :split]))
            tables.append(beside(above, table[:, split:]))
        return merged(("sample", *names), tables, "first")

    def _components(self, path: Path) -> tuple[Labels, ...]:
        extra = [self.added[path[:depth]].extra for depth in range(len(path), 0, -1)]
        own = self.left[()].layout.components
        components = (*(labels for some in extra for labels in some), *own)
        names = [labels.names[0] for labels in components]
        if len(set(names)) != len(names):
            raise InvalidError(
                compose(
                    f"dot: the {path_name(path, self.name)} would have two components of "
                    "one name.",
                    f"its components would be {names}, of which the last "
                    f"{len(own)} are those of the left side",
                    remedy="rename the components of one side.",
                )
            )
        return components


def _step(
    shares: Sequence[Share],
    targets: Sequence[np.ndarray],
    rows: int,
    sizes: tuple[int, int],
) -> Step:
    """The step that makes a gradient of its terms.

    Arguments:
        shares: the terms.
        targets: for each term, which rows of the gradient its rows are.
        rows: how many the gradient has.
        sizes: how many components the left side has, how many samples the right side.
    """
    inputs = Inputs()
    terms: list[Term] = []
    for share, target in zip(shares, targets, strict=True):
        if not len(target):
            continue
        if all(share.taken):
            terms.append(_constant(inputs, share, target, rows))
        else:
            terms.append(_moving(inputs, share, target, rows, sizes))
    if len(terms) == 1 and isinstance(terms[0], Constant) and terms[0].rows is None:
        return Step(product, tuple(inputs.leaves))
    form = Sum(tuple(terms), len(inputs.leaves))
    return Step(sum_of_terms, tuple(inputs.leaves), tuple(inputs.index), (form,))


def _constant(inputs: Inputs, share: Share, target: np.ndarray, rows: int) -> Term:
    left, right = (inputs.array(part.leaf) for part in (share.left, share.right))
    return Constant(left, right, _place(inputs, target, rows))


def _moving(
    inputs: Inputs, share: Share, target: np.ndarray, rows: int, sizes: tuple[int, int]
) -> Term:
    left, right = (inputs.array(part.leaf) for part in (share.left, share.right))
    components, samples = sizes
    shape = len(share.choices), samples
    table = gathered(
        share.chosen * samples + share.right.root, shape[0] * samples, share.right.rows
    )
    return Moving(
        left,
        right,
        table=None if is_identity(table, share.right.rows) else inputs.table(table),
        partly=bool((table == share.right.rows).any()),
        shape=shape,
        order=share.order(components),
        rows=_place(inputs, target, rows),
    )


def _place(inputs: Inputs, target: np.ndarray, rows: int) -> int | None:
    """The place of the row of a term to take for each row of the gradient."""
    if is_identity(target, rows):
        return None
    return inputs.table(gathered(target, rows, absent=len(target)))
