"""Metadata that moves between the axes of a map: keys to samples and properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from jaxmeta.core.blocks._labelled import Labelled
from jaxmeta.core.gradients._destinations import Capacity, Into
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.moves import _moves


T = TypeVar("T", bound="WithMoves")


class WithMoves(Labelled):
    """The methods of `TensorMap` that move metadata between its axes."""

    __slots__ = ()

    def keys_to_samples(
        self: T,
        keys_to_move: str | Sequence[str] | Labels,
        *,
        fill_value: complex = 0.0,
        sort_samples: bool = True,
        capacity: Capacity | None = None,
    ) -> T:
        """Blocks that differ in these key dimensions become one, row under row.

        Values: the rows of the blocks, with the moved key dimensions at the end of the
        sample names. Blocks with different properties get their union, in order of first
        appearance, and `fill_value` where a block had none.

        Gradients: the same move; ``sample`` is renumbered and the rows are sorted;
        gradients of gradients follow.

        Arguments:
            keys_to_move: one or several names of the keys (Labels without entries too).
            fill_value: for properties that a block lacks, in gradients too, as in
                metatensor: gradients stay exact where it is zero.
            sort_samples: sort the samples lexicographically, or keep the blocks' order.
            capacity: for dynamic samples, room for those of the result, or a dictionary
                with room for ``"samples"`` and for gradients by name; without it there is
                as much as in all blocks together.

        Raises:
            MissingError: for a name that is no key dimension.
            InvalidError: for different components, or a name that the samples have too.
            DeviceCheckError: when a program runs in which rows exceed `capacity`.
        """
        return _moves.keys_to_samples(
            self, keys_to_move, fill_value, sort_samples, capacity
        )

    def keys_to_properties(
        self: T,
        keys_to_move: str | Sequence[str] | Labels,
        *,
        fill_value: complex = 0.0,
        sort_samples: bool = True,
        into: Into | None = None,
        capacity: Capacity | None = None,
    ) -> T:
        """Blocks that differ in these key dimensions become one, side by side.

        Values: the columns of the blocks, with the moved key dimensions in front of the
        property names. The samples are the union over the blocks; rows that a block
        lacks are `fill_value`.

        Gradients: the same move, with the union of the gradient samples; ``sample`` is
        renumbered; gradients of gradients follow.

        Arguments:
            keys_to_move: names of the keys; or Labels with entries, which then fix the
                set and order of the moved keys (blocks that are not in it are dropped,
                keys without a block are filled).
            fill_value: for samples that a block lacks, and for rows of gradients, as in
                metatensor: these stay exact where it is zero.
            sort_samples: sort the samples lexicographically, or keep first appearance.
            into: the samples of the result, in this order. For dynamic samples this is
                faster: without it, rows are sorted when the program runs.
            capacity: for dynamic samples, as in `keys_to_samples`.

        Raises:
            MissingError: for a name that is no key dimension.
            InvalidError: for different components, a name that the properties have too,
                Labels with entries and blocks with different properties, or an `into`
                that lacks a static sample. For dynamic samples all values become NaN
                then, unless `jaxmeta.debug` raises errors.
            DeviceCheckError: when a program runs in which rows exceed `capacity`.
        """
        return _moves.keys_to_properties(
            self, keys_to_move, fill_value, sort_samples, into, capacity
        )

    def components_to_properties(self: T, dimensions: str | Sequence[str]) -> T:
        """Component axes become part of the properties, in front, counting slowest.

        Values and gradients alike, gradients of gradients too.

        Arguments:
            dimensions: one or several names of components; of several, each goes in front
                of those named before it.

        Raises:
            MissingError: for a name that is no component.
            InvalidError: for a name that the properties have too.
        """
        return _moves.components_to_properties(self, dimensions)
