"""Which blocks are multiplied, and under which keys their products stand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from jaxmeta.core.labels._labels import Labels
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose


# From the keys of all products to the positions of those that are wanted.
KeysFilter: TypeAlias = Callable[[Labels], Sequence[int] | np.ndarray]

SYMMETRY = ("o3_lambda", "o3_sigma")


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The products of two maps: their keys, and for each of them the two blocks."""

    keys: Labels
    first: np.ndarray
    second: np.ndarray

    def taken(self, positions: Sequence[int] | np.ndarray) -> Pairs:
        """Some of them."""
        rows = np.asarray(positions, np.int64)
        keys = Labels(self.keys._names, self.keys.values[rows], assume_unique=True)
        return Pairs(keys, self.first[rows], self.second[rows])

    def grouped(self) -> Pairs:
        """The products of the same two blocks after one another."""
        seen: dict[tuple[int, int], int] = {}
        both = zip(self.first.tolist(), self.second.tolist(), strict=True)
        groups = [seen.setdefault(pair, len(seen)) for pair in both]
        return self.taken(np.argsort(np.array(groups, np.int64), kind="stable"))


def all_pairs(where: str, left: Labels, right: Labels, new: tuple[str, str]) -> Pairs:
    """All products of the blocks with these keys, in the order of the keys.

    Dimensions that both have are matched; all others stand beside each other, and after
    those of each side the degree of its block, under a new name.
    """
    check_symmetry(where, "the first map", left)
    check_symmetry(where, "the second map", right)
    shared = [n for n in left.names if n in right.names and n not in SYMMETRY]
    own = [n for n in left.names if n not in (*shared, *SYMMETRY)]
    others = [n for n in right.names if n not in (*shared, *SYMMETRY)]
    names = (*SYMMETRY, *shared, *own, new[0], *others, new[1])
    _check_new_names(where, names, new)
    partners: dict[tuple[int, ...], list[int]] = {}
    for j, row in enumerate(_columns(right, shared).tolist()):
        partners.setdefault(tuple(row), []).append(j)
    matching = _columns(left, shared).tolist()
    chosen = [
        (i, j) for i, row in enumerate(matching) for j in partners.get(tuple(row), ())
    ]
    first, second = np.array(chosen, np.int64).reshape(-1, 2).T
    return _products(where, names, (left, own, first), (right, others, second), shared)


def _products(
    where: str,
    names: tuple[str, ...],
    left: tuple[Labels, list[str], np.ndarray],
    right: tuple[Labels, list[str], np.ndarray],
    shared: list[str],
) -> Pairs:
    """One product for each degree that two blocks have."""
    (l1, s1), (l2, s2) = (
        _columns(keys, SYMMETRY)[rows].T.astype(np.int64) for keys, _, rows in (left, right)
    )
    counts = 2 * np.minimum(l1, l2) + 1
    pair = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    degree = np.abs(l1 - l2)[pair] + step
    sigma = (s1 * s2)[pair] * (-1) ** ((l1 + l2)[pair] + degree)
    columns = [degree[:, None], sigma[:, None]]
    columns.append(_columns(left[0], shared)[left[2][pair]])
    for (keys, rest, rows), degrees in ((left, l1), (right, l2)):
        columns += [_columns(keys, rest)[rows[pair]], degrees[pair][:, None]]
    table = np.concatenate(columns, axis=1).astype(np.int32)
    if len(np.unique(table, axis=0)) < len(table):
        raise InvalidError(
            compose(
                f"{where}: two products would have the same key.",
                "blocks of both values of o3_sigma are there, and products tell only their "
                "degrees",
                remedy="multiply them apart: filter_blocks() takes those of one o3_sigma.",
            )
        )
    keys = Labels(names, table, assume_unique=True)
    return Pairs(keys, left[2][pair], right[2][pair])


def _columns(keys: Labels, names: Sequence[str]) -> np.ndarray:
    return keys.values[:, [keys._names.index(name) for name in names]]


def check_symmetry(where: str, what: str, keys: Labels) -> None:
    """Keys must say how blocks rotate: degrees from zero up, signs of one."""
    for name in SYMMETRY:
        if name not in keys.names:
            raise MissingError(
                compose(
                    f"{where}: the keys of {what} have no dimension {name!r}.",
                    choices(name, keys.names),
                    remedy="blocks are multiplied by how they rotate: o3_lambda is their "
                    "degree, o3_sigma is 1 for proper tensors, -1 for improper ones.",
                )
            )
    degrees, signs = keys.column("o3_lambda"), keys.column("o3_sigma")
    if (degrees < 0).any() or (np.abs(signs) != 1).any():
        raise InvalidError(
            compose(
                f"{where}: the keys of {what} are not those of harmonics.",
                f"o3_lambda has {sorted(set(degrees.tolist()))}, "
                f"o3_sigma has {sorted(set(signs.tolist()))}",
                remedy="o3_lambda is 0 or more, o3_sigma is 1 or -1.",
            )
        )


def _check_new_names(where: str, names: Sequence[str], new: tuple[str, str]) -> None:
    for name in new:
        if list(names).count(name) > 1:
            raise InvalidError(
                compose(
                    f"{where}: the keys of the result would have {name!r} twice.",
                    f"they would be {list(names)}",
                    remedy="give other names for the degrees of the two blocks.",
                )
            )


def selected_pairs(where: str, pairs: Pairs, selected: Labels) -> Pairs:
    """The products whose keys match one that was asked for."""
    for name in selected.names:
        if name not in pairs.keys.names:
            raise MissingError(
                compose(
                    f"{where}: selected_keys have a dimension {name!r} that products have "
                    "not.",
                    choices(name, pairs.keys.names),
                )
            )
    if "o3_sigma" in selected.names and (np.abs(selected.column("o3_sigma")) != 1).any():
        raise InvalidError(
            compose(
                f"{where}: o3_sigma of selected_keys is 1 or -1.",
                f"found {sorted(set(selected.column('o3_sigma').tolist()))}",
            )
        )
    return pairs.taken(pairs.keys.select(selected))


def filtered_pairs(where: str, pairs: Pairs, keys_filter: KeysFilter) -> Pairs:
    """The products whose keys a function keeps."""
    found = np.asarray(keys_filter(pairs.keys))
    if found.size == 0:
        return pairs.taken([])
    inside = found.ndim == 1 and np.issubdtype(found.dtype, np.integer)
    if not inside or found.min() < 0 or found.max() >= len(pairs.keys):
        raise InvalidTypeError(
            compose(
                f"{where}: keys_filter must give positions of keys.",
                f"found {found!r:.100} for {len(pairs.keys)} keys",
                remedy="it takes Labels and gives integers, as list(range(len(keys))).",
            )
        )
    if len(np.unique(found)) < len(found):
        raise InvalidError(
            compose(
                f"{where}: keys_filter gave some positions twice.",
                f"found {found.tolist()!r:.100}",
            )
        )
    return pairs.taken(found)


def sorted_degrees(keys: Labels) -> np.ndarray:
    """The keys whose degrees l_1, l_2, ... do not fall: others say the same again.

    A product of a map with itself has each pair of blocks in both orders.
    """
    names = []
    while f"l_{len(names) + 1}" in keys.names:
        names.append(f"l_{len(names) + 1}")
    return np.flatnonzero((np.diff(_columns(keys, names), axis=1) >= 0).all(axis=1))
