"""Keys that move: which blocks become one, and under which remaining key."""

from __future__ import annotations

import numpy as np

from jaxmeta.core.gradients._rearrangement import merged
from jaxmeta.core.labels._labels import Labels


def key_groups(keys: Labels, names: tuple[str, ...]) -> tuple[Labels, list[list[int]]]:
    """The keys that remain, in order of first appearance, and the blocks of each."""
    columns = [i for i, name in enumerate(keys._names) if name not in names]
    if len(keys) == 0:
        rest = [keys._names[i] for i in columns]
        return Labels.empty(rest or "_"), []
    if not columns:
        return Labels.single(), [list(range(len(keys)))]
    rest, targets = merged_rows(
        tuple(keys._names[i] for i in columns), keys.values[:, columns]
    )
    groups: list[list[int]] = [[] for _ in range(len(rest))]
    for block, group in enumerate(targets):
        groups[int(group)].append(block)
    return rest, groups


def merged_rows(names: tuple[str, ...], table: np.ndarray) -> tuple[Labels, np.ndarray]:
    """The distinct rows of a table by first appearance, and where each row is."""
    # `merged` drops rows that begin with -1, which is an honest label here.
    marked = np.concatenate([np.zeros((len(table), 1), np.int32), table], axis=1)
    labels, (target,) = merged(("_row", *names), [marked], "first")
    return Labels(names, labels.values[:, 1:], assume_unique=True), target


def moved_columns(keys: Labels, names: tuple[str, ...]) -> np.ndarray:
    """The columns of the keys that move."""
    return keys.values[:, [keys._names.index(name) for name in names]]
