"""What blocks are called in datasets of xarray, and blocks out of such datasets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmeta.core import Labels, TensorBlock
from jaxmeta.core.labels._label_values import label_table
from jaxmeta.core.rows._row_index import RowIndex
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.interop._flat import PARENT, Table


SAMPLES, PROPERTIES, VALUES = "samples", "properties", "values"

# The one group of a map whose keys have no dimensions.
NO_KEY = "block"
_ENTRY = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(-?[0-9]+)", re.ASCII)


class Place(NamedTuple):
    """Where a block is: nothing for the values, the names on the way for a gradient."""

    path: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The variable of its values."""
        return ".".join(self.path) or VALUES

    @property
    def prefix(self) -> str:
        """What stands before the names of its own dimensions."""
        return "".join(f"{name}." for name in self.path)

    @property
    def samples(self) -> str:
        """The dimension of its samples."""
        return self.prefix + SAMPLES


class Part(NamedTuple):
    """The values of one variable, and what its axes say."""

    values: np.ndarray
    samples: Table
    components: list[Labels]
    properties: Labels


# Groups of a tree, one for each key ------------------------------------------------------


def group_of_key(names: Sequence[str], values: Sequence[int]) -> str:
    """The name of a group.

    >>> group_of_key(["center", "neighbor"], [8, -1])
    'center=8,neighbor=-1'
    """
    pairs = zip(names, values, strict=True)
    return ",".join(f"{name}={value}" for name, value in pairs) or NO_KEY


def keys_of_groups(groups: Sequence[str]) -> Labels:
    """The keys that groups are named after."""
    keys = [_key_of_group(group) for group in groups]
    names = [name for name, _ in keys[0]]
    for group, key in zip(groups, keys, strict=True):
        if [name for name, _ in key] != names:
            raise InvalidError(
                compose(
                    "from_xarray: all groups must be named after the same dimensions.",
                    f"found {groups[0]!r} and {group!r}",
                )
            )
    rows = [[value for _, value in key] for key in keys]
    return Labels(names, np.array(rows, np.int64).reshape(len(keys), len(names)))


def _key_of_group(group: str) -> list[tuple[str, int]]:
    if group == NO_KEY:
        return []
    found = [_ENTRY.fullmatch(entry) for entry in group.split(",")]
    pairs = [(match[1], int(match[2])) for match in found if match]
    if len(pairs) < len(found) or any(abs(value) >= 2**63 for _, value in pairs):
        raise InvalidError(
            compose(
                f"from_xarray: the group {group!r} is not named after a key.",
                remedy="groups are called like 'center_type=8,neighbor_type=1'.",
            )
        )
    return pairs


# Blocks of a dataset --------------------------------------------------------------------


def block_of_dataset(dataset: Any, where: str) -> TensorBlock:
    """The block of the variable ``values`` and of its gradients."""
    names = [str(name) for name in dataset.data_vars]
    for name in names:
        parent = name.rpartition(".")[0] or VALUES
        if name != VALUES and parent not in names:
            raise InvalidError(
                compose(
                    f"{where}: the variable {name!r} belongs to no other.",
                    f"there is no variable {parent!r}; there are {names}",
                    remedy="the values are called 'values', a gradient has its own name, "
                    "that of another gradient in front if it is a gradient of that one; "
                    f"dataset.drop_vars({name!r}) leaves it out.",
                )
            )
    if VALUES not in names:
        raise InvalidError(
            compose(f"{where}: the dataset has no variable {VALUES!r}.", f"it has {names}")
        )
    return _block_at(dataset, Place(), None, names, where)


def _block_at(
    dataset: Any, place: Place, parent: Table | None, names: Sequence[str], where: str
) -> TensorBlock:
    part = part_of(dataset[place.variable], place, where)
    if parent is None:
        samples = Labels(part.samples.names, part.samples.rows)
    else:
        where_gradient = f"{where}: gradient {place.variable!r}"
        samples = _gradient_samples(part.samples, parent, where_gradient)
    starts = len(place.prefix)
    gradients = {
        name[starts:]: _block_at(
            dataset, Place((*place.path, name[starts:])), part.samples, names, where
        )
        for name in names
        if name != VALUES and name.rpartition(".")[0] == ".".join(place.path)
    }
    return TensorBlock(part.values, samples, part.components, part.properties, gradients)


def part_of(array: Any, place: Place, where: str) -> Part:
    """One array with its labels; names lose the prefix of the place."""
    for dimension in (place.samples, PROPERTIES):
        if dimension not in array.dims:
            raise InvalidError(
                compose(
                    f"{where}: there is no dimension {dimension!r}.",
                    f"found {tuple(array.dims)}",
                    remedy=_stacking(dimension),
                )
            )
    if (array.dims[0], array.dims[-1]) != (place.samples, PROPERTIES):
        array = array.transpose(place.samples, ..., PROPERTIES)
    _check_in_memory(array.variable.data, where)
    names, rows = _levels(array, place.samples, where)
    samples = Table(tuple(name.removeprefix(place.prefix) for name in names), rows)
    components = [_component(array, str(name), where) for name in array.dims[1:-1]]
    properties = Labels(*_levels(array, PROPERTIES, where))
    return Part(array.variable.data, samples, components, properties)


def _check_in_memory(data: Any, where: str) -> None:
    if not isinstance(data, np.ndarray):
        raise InvalidTypeError(
            compose(
                f"{where}: the values are no array of numpy.",
                f"found {type(data).__module__}.{type(data).__name__}",
                remedy="load them on purpose: array.compute(), or array.as_numpy().",
            )
        )


def _stacking(dimension: str) -> str:
    return (
        f'array.stack({{"{dimension}": [...]}}) makes it of one or several others, with '
        "their names as levels."
    )


def _levels(array: Any, dimension: str, where: str) -> Table:
    """The levels of a dimension with a multi-index; none at all are no names."""
    size = array.sizes[dimension]
    index = array.indexes.get(dimension)
    if index is None and size < 2:
        return Table((), np.zeros((size, 0), np.int32))
    if index is None or getattr(index, "levels", None) is None:
        found = "nothing" if index is None else f"a single {type(index).__name__}"
        raise InvalidError(
            compose(
                f"{where}: the dimension {dimension!r} has no levels.",
                f"found {found} for {size} entries",
                remedy=_stacking(dimension)
                + f' If need be, array.rename({{"{dimension}": "..."}}) comes first.',
            )
        )
    names = tuple(str(name) for name in index.names)
    rows = np.zeros((size, len(names)), np.int32)
    for column, name in enumerate(index.names):
        values = index.get_level_values(name).to_numpy().reshape(-1, 1)
        rows[:, column] = label_table(values, (names[column],), f"{where}: {name!r}")[:, 0]
    return Table(names, rows)


def _component(array: Any, dimension: str, where: str) -> Labels:
    if dimension not in array.coords:
        raise InvalidError(
            compose(
                f"{where}: the dimension {dimension!r} has no coordinate.",
                f"it has {array.sizes[dimension]} entries without labels",
                remedy=f"array.assign_coords({dimension}=[...]) gives them labels.",
            )
        )
    name = dimension.rpartition(".")[2]
    column = array.coords[dimension].to_numpy().reshape(-1, 1)
    return Labels(name, label_table(column, (name,), f"{where}: {dimension!r}"))


def _gradient_samples(samples: Table, parent: Table, where: str) -> Labels:
    """The samples of a gradient: where in the parent is the row that each belongs to?"""
    above = [PARENT + name for name in parent.names]
    lacking = [name for name in above if name not in samples.names]
    if lacking:
        raise InvalidError(
            compose(
                f"{where} does not say which samples its rows belong to.",
                f"the level {lacking[0]!r} is missing; there are {list(samples.names)}",
                remedy="gradient samples need one level for each dimension of the samples "
                "of the values, as to_xarray makes them.",
            )
        )
    columns = [samples.names.index(name) for name in above]
    found = _positions(samples.rows.take(columns, axis=1), parent, where)
    own = [i for i, name in enumerate(samples.names) if name not in above]
    names = ["sample", *(samples.names[i] for i in own)]
    return Labels(names, np.hstack([found.reshape(-1, 1), samples.rows.take(own, axis=1)]))


def _positions(rows: np.ndarray, parent: Table, where: str) -> np.ndarray:
    """Where in the parent each of these rows stands: all of them have to."""
    found = RowIndex(parent.rows).find(np.ascontiguousarray(rows))
    lost = np.flatnonzero(found < 0)
    if lost.size:
        row = int(lost[0])
        pairs = zip(parent.names, rows[row].tolist(), strict=True)
        raise InvalidError(
            compose(
                f"{where} belongs to a sample that is not there.",
                f"row {row} belongs to " + ", ".join(f"{n}={value}" for n, value in pairs),
                remedy="choose samples while this is a block, by block.sel(samples=...): "
                "gradients follow there.",
            )
        )
    return found
