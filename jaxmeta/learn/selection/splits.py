"""split_data: training, validation and test sets by labels, several maps alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import DynamicLabels, Labels, TensorMap
from jaxmeta.core.labels._arguments import check_list, check_whole
from jaxmeta.core.labels._names import check_dimensions, dimension_names
from jaxmeta.errors import DynamicSamplesError, InvalidError, compose
from jaxmeta.operations._arguments import check_choice, check_map
from jaxmeta.operations.selection import slice as slice_map


def split_data(
    tensors: TensorMap | Sequence[TensorMap],
    axis: str,
    names: str | Sequence[str],
    group_sizes: Sequence[float],
    *,
    seed: int,
) -> tuple[list[list[TensorMap]], list[Labels]]:
    """Several maps in groups, such that what is alike in some dimensions stays together.

    All different entries of these dimensions, in all blocks of all maps, are put into
    random groups; the maps are cut accordingly, with their gradients. So features of atoms
    and energies of structures are split alike by ``"system"``.

    Arguments:
        tensors: one map or several.
        axis: ``"samples"`` or ``"properties"``.
        names: dimensions that all maps have along this axis.
        group_sizes: the numbers of entries of each group, integers; or fractions of all
            entries, between zero and one. What is left over is in no group. Fractions
            are rounded such that their sums are as near as possible.
        seed: of the random numbers, an integer; the same seed gives the same groups.

    Returns:
        For each map a list with one map for each group; and the labels of each group,
        sorted.

    Raises:
        InvalidError: for more entries than there are, empty groups, or integers among
            fractions.
        MissingError: for dimensions that are not there.
        DynamicSamplesError: for dynamic samples.
        InvalidTypeError: for arguments of other types.

    Example:
        >>> from jaxmeta.core import TensorBlock
        >>> samples = Labels(["system", "atom"], [[i, a] for i in range(5) for a in (0, 1)])
        >>> block = TensorBlock(np.ones((10, 1)), samples, [], Labels.range("n", 1))
        >>> X = TensorMap(Labels.single(), [block])
        >>> [[train, test]], groups = split_data(X, "samples", "system", [3, 2], seed=0)
        >>> train[0].shape, test[0].shape, [len(labels) for labels in groups]
        ((6, 1), (4, 1), [3, 2])
    """
    where = "split_data"
    check_choice(where, "axis", axis, ("samples", "properties"))
    given = (
        [tensors]
        if isinstance(tensors, TensorMap)
        else check_list(where, "tensors must be a map, or a list of maps", tensors)
    )
    check_whole(where, "seed", seed, 0)
    found = dimension_names(names, where)
    entries = _entries(where, given, axis, found)
    ends = _ends(where, group_sizes, len(entries))
    order = np.random.default_rng(seed).permutation(len(entries))
    parts = [np.sort(part) for part in np.split(order, ends)[:-1]]
    groups = [Labels(found, entries[part]) for part in parts]
    return [[slice_map(t, axis, group) for group in groups] for t in given], groups


def _entries(
    where: str, tensors: Sequence[Any], axis: str, names: tuple[str, ...]
) -> np.ndarray:
    """All different entries, sorted."""
    rows = [np.zeros((0, len(names)), np.int32)]
    if not names:
        raise InvalidError(compose(f"{where}: at least one dimension needs a name."))
    for tensor in tensors:
        for block in check_map(where, tensor):
            labels = block.samples if axis == "samples" else block.properties
            if isinstance(labels, DynamicLabels):
                raise DynamicSamplesError(
                    compose(f"{where}: samples are dynamic.", remedy="unpad() the maps.")
                )
            check_dimensions(where, axis, names, labels.names)
            rows.append(np.stack([labels.column(name) for name in names], axis=1))
    return np.unique(np.concatenate(rows), axis=0)


def _ends(where: str, sizes: Any, number: int) -> np.ndarray:
    """Where each group ends among the entries."""
    given = check_list(where, "group_sizes must be a list of numbers", sizes)
    whole = [isinstance(n, int | np.integer) and not isinstance(n, bool) for n in given]
    real = [isinstance(n, float | np.floating) for n in given]
    if not given or not (all(whole) or all(real)):
        raise InvalidError(
            compose(
                f"{where}: group_sizes are integers, or fractions, one at least.",
                f"found {given!r:.100}",
            )
        )
    ends = np.cumsum(np.asarray(given))
    if all(real):
        # Sums of fractions of one are one but for rounding.
        ends = np.rint(np.where(ends > 1 + 1e-9, np.inf, ends) * number)
    counts = np.diff(ends, prepend=0)
    if not np.isfinite(ends).all() or ends[-1] > number or (counts < 1).any():
        raise InvalidError(
            compose(
                f"{where}: the groups do not fit the {number} entries.",
                f"group_sizes are {given!r:.100}",
                remedy="every group needs an entry, and together no more than there are.",
            )
        )
    return ends.astype(int)
