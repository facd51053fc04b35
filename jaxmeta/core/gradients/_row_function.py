"""What is known of a row-wise function, and of its derivatives."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import Literal, TypeAlias

import numpy as np

from jaxmeta.core.plans._plans import Kernel


Pairs: TypeAlias = frozenset[tuple[int, int]]

# What becomes of one operand where the other one is a block of zeros that is not stored.
Alone: TypeAlias = Literal["same", "negative", "zero", "undefined"]


@dataclasses.dataclass(frozen=True)
class RowFunction:
    """A function each row of whose result depends on the same row of every operand.

    Arguments:
        operation: its name, for messages.
        function: of the operands' arrays, of shape ``(rows, *components, properties)``
            each, then of the constants, the index arrays and the static arguments.
        linear: operands in which it is linear, all taken together; empty if it is not.
            Then gradients of any depth are the function of gradients.
        passes: operands whose derivative is the identity.
        coupled: pairs of operands whose mixed second derivative may differ from zero;
            None for all pairs.
        constants: leaves without gradients that the function gets after the operands.
        index: index arrays that the function gets after those. Such a function can not
            be looked up among the plans that are kept: make it within the plan.
        static: what the function gets last.
        alone: for each operand, what the result is where the others are zero.
    """

    operation: str
    function: Kernel
    linear: frozenset[int] = frozenset()
    passes: frozenset[int] = frozenset()
    coupled: Pairs | None = None
    constants: tuple[int, ...] = ()
    index: tuple[np.ndarray, ...] = ()
    static: tuple[Hashable, ...] = ()
    alone: tuple[Alone, ...] = ()

    def couples(self, left: int, right: int) -> bool:
        """Whether a derivative by one operand may depend on the other."""
        pairs = self.coupled
        return pairs is None or (left, right) in pairs or (right, left) in pairs
