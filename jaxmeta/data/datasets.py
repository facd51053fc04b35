"""Data sets: named fields, one entry for each structure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from jaxmeta.data._records import Record, record_class
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    OutOfRangeError,
    compose,
)


_ID = "sample_id"


class _Fields:
    """Fields by name, each a list or a function, and how many entries they have."""

    _data: dict[str, Any]
    _size: int
    _sample: type[Record]

    def _set_up(self, data: Mapping[str, Any], size: int | None) -> None:
        what = type(self).__name__
        lengths = {}
        for name, field in data.items():
            if isinstance(field, list):
                if name != _ID:
                    _check_types(what, name, field)
                lengths[name] = len(field)
            elif not callable(field):
                raise InvalidTypeError(
                    compose(
                        f"{what}: the field {name!r} must be a list or a function.",
                        f"found {type(field).__name__}",
                    )
                )
        self._size = _common_size(what, lengths, size)
        self._data = dict(data)
        self._sample = record_class("Sample", tuple(self._data))

    def __getstate__(self) -> dict[str, Any]:
        # Classes that are made for fields can not be found by name.
        return {**self.__dict__, "_sample": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _sample=record_class("Sample", tuple(state["_data"])))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Record:
        position = checked_index(type(self).__name__, index, len(self))
        return self._sample(*(self._entry(name, position) for name in self._data))

    def _entry(self, name: str, position: int) -> Any:
        field = self._data[name]
        if isinstance(field, list):
            return field[position]
        argument = self._argument(position)
        try:
            return field(argument)
        except Exception as error:
            raise InvalidError(
                compose(
                    f"{type(self).__name__}: the function of the field {name!r} failed.",
                    f"it was asked for {argument!r} and raised "
                    f"{type(error).__name__}: {error}",
                )
            ) from error

    def _argument(self, position: int) -> Any:
        return position

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}, fields {list(self._data)}>"


def checked_index(what: str, index: Any, size: int) -> int:
    """The index of an entry; negative ones do not count from the end."""
    try:
        position = operator.index(index)
    except TypeError as error:
        raise InvalidTypeError(
            compose(f"{what}: an index must be an integer.", f"found {index!r:.100}")
        ) from error
    if not 0 <= position < size:
        raise OutOfRangeError(
            compose(f"{what}: there is no entry {position}.", f"there are {size} entries")
        )
    return position


def _check_types(what: str, name: str, field: list[Any]) -> None:
    for i, entry in enumerate(field):
        if not isinstance(field[0], type(entry)):
            raise InvalidTypeError(
                compose(
                    f"{what}: the entries of the field {name!r} have different types.",
                    f"entry 0 is a {type(field[0]).__name__}, entry {i} a "
                    f"{type(entry).__name__}",
                )
            )


def _common_size(what: str, lengths: Mapping[str, int], size: int | None) -> int:
    wanted = {("size" if what == "Dataset" else _ID): size} if size is not None else {}
    found = {**wanted, **lengths}
    if not found:
        raise InvalidError(
            compose(
                f"{what}: its size is not known.",
                "all fields are functions" if lengths == {} else "",
                remedy="give size=, the number of entries.",
            )
        )
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{name!r} {length}" for name, length in found.items())
        raise InvalidError(
            compose(f"{what}: the fields have different lengths.", f"found {listed}")
        )
    return next(iter(found.values()))


class Dataset(_Fields):
    """Named fields with an entry for each structure, by number.

    A field is a list, or a function of the number that is called whenever an entry is
    asked for: what is too large for memory is loaded then.

    Arguments:
        size: the number of entries; needed where all fields are functions.
        **fields: lists of one type each, of equal length, or functions of an integer.

    Raises:
        InvalidError: for lengths that differ, an unknown size, or a field ``sample_id``.
        InvalidTypeError: for a field that is neither list nor function, or a list of
            several types.

    Entries are named tuples `Sample`. An entry that is not there raises an
    `OutOfRangeError`, negative ones too; a function that fails an `InvalidError`.

    Example:
        >>> dataset = Dataset(number=[1, 2, 3], square=lambda i: (i + 1) ** 2)
        >>> len(dataset), dataset[2]
        (3, Sample(number=3, square=9))
        >>> [sample.square for sample in dataset]
        [1, 4, 9]
    """

    def __init__(self, size: int | None = None, **fields: Any) -> None:
        self._check_and_set_up(fields, size)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], size: int | None = None) -> Dataset:
        """The same of a dictionary, whose names need not be Python.

        >>> dataset = Dataset.from_dict({"mtt::energy": [0.5]})
        >>> dataset[0], dataset[0]["mtt::energy"]
        (Sample('mtt::energy'=0.5), 0.5)
        """
        dataset = cls.__new__(cls)
        dataset._check_and_set_up(data, size)
        return dataset

    def _check_and_set_up(self, fields: Mapping[str, Any], size: int | None) -> None:
        if _ID in fields:
            raise InvalidError(
                compose(
                    f"Dataset: a field can not be named {_ID!r}.",
                    remedy="use IndexedDataset for entries with names.",
                )
            )
        if size is not None and size < 0:
            raise InvalidError(compose("Dataset: size is not negative.", f"found {size}"))
        self._set_up(fields, size)


class IndexedDataset(_Fields):
    """Named fields with an entry for each structure, by number and by name.

    Arguments:
        sample_id: the names: a list of distinct hashable objects, of any types.
        **fields: as for `Dataset`; functions are given the name, not the number.

    Raises:
        InvalidError: for names that stand twice, lengths that differ, or a field ``size``.
        InvalidTypeError: as for `Dataset`, and for names that can not be hashed.

    Entries are named tuples `Sample` whose first field is ``sample_id``.

    Example:
        >>> dataset = IndexedDataset(["ethanol", "water"], atoms=[9, 3], upper=str.upper)
        >>> dataset[0]
        Sample(sample_id='ethanol', atoms=9, upper='ETHANOL')
        >>> dataset.get_sample("water").atoms
        3
    """

    _positions: dict[Hashable, int]

    def __init__(self, sample_id: list[Any], **fields: Any) -> None:
        self._check_and_set_up(fields, sample_id)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], sample_id: list[Any]) -> IndexedDataset:
        """The same of a dictionary, whose names need not be Python.

        >>> IndexedDataset.from_dict({"with space": [1]}, ["a"])[0]
        Sample(sample_id='a', 'with space'=1)
        """
        dataset = cls.__new__(cls)
        dataset._check_and_set_up(data, sample_id)
        return dataset

    def get_sample(self, sample_id: Any) -> Record:
        """The entry of this name.

        Raises:
            MissingError: when there is none.
        """
        try:
            position = self._positions.get(sample_id)
        except TypeError:  # can not be hashed
            position = None
        if position is None:
            raise MissingError(
                compose(
                    f"IndexedDataset: there is no entry named {sample_id!r}.",
                    f"there are {len(self)} others",
                )
            )
        return self[position]

    def _argument(self, position: int) -> Any:
        return self._data[_ID][position]

    def _check_and_set_up(self, fields: Mapping[str, Any], names: Any) -> None:
        if "size" in fields:
            raise InvalidError(
                compose(
                    "IndexedDataset: a field can not be named 'size'.",
                    remedy="the size is that of sample_id; use Dataset for numbered "
                    "entries.",
                )
            )
        if not isinstance(names, list):
            raise InvalidTypeError(
                compose(
                    "IndexedDataset: sample_id must be a list.",
                    f"found {type(names).__name__}",
                )
            )
        self._positions = _positions(names)
        self._set_up({_ID: names, **fields}, len(names))


def _positions(names: list[Any]) -> dict[Hashable, int]:
    found: dict[Hashable, int] = {}
    for i, name in enumerate(names):
        try:
            first = found.setdefault(name, i)
        except TypeError as error:
            raise InvalidTypeError(
                compose(f"IndexedDataset: the name of entry {i} can not be hashed.")
            ) from error
        if first != i:
            raise InvalidError(
                compose(
                    "IndexedDataset: two entries have one name.",
                    f"entries {first} and {i} are {name!r}",
                )
            )
    return found


# What fields may be, for annotations elsewhere.
Field = list[Any] | Callable[[Any], Any]
