"""Named tuples whose fields may have any name: samples and batches."""

from __future__ import annotations

import keyword
from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any

from jaxmeta.errors import InvalidError, MissingError, choices, compose


class Record(tuple[Any, ...]):
    """A tuple with a name for each entry.

    ``record["energy"]`` works for every name, ``record.energy`` where that is Python. JAX
    takes it for the named tuple that it is: a pytree.
    """

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __new__(cls, *values: Any) -> Record:
        if len(values) != len(cls._fields):
            raise InvalidError(
                compose(
                    f"{cls.__name__}: there must be one value for each field.",
                    f"found {len(values)} values for the fields {list(cls._fields)}",
                )
            )
        return tuple.__new__(cls, values)

    @classmethod
    def _make(cls, values: Iterable[Any]) -> Record:
        return cls(*values)

    def _asdict(self) -> dict[str, Any]:
        """The values by name."""
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **changed: Any) -> Record:
        """The same with some other values."""
        unknown = [name for name in changed if name not in self._fields]
        if unknown:
            raise self._missing(unknown[0])
        return type(self)(*(self._asdict() | changed).values())

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return tuple.__getitem__(self, key)
        if key not in self._fields:
            raise self._missing(key)
        return tuple.__getitem__(self, self._fields.index(key))

    def _missing(self, name: str) -> MissingError:
        return MissingError(
            compose(
                f"{type(self).__name__}: there is no field {name!r}.",
                choices(name, self._fields),
            )
        )

    def __repr__(self) -> str:
        shown = [
            f"{name if _is_plain(name) else repr(name)}={value!r}"
            for name, value in self._asdict().items()
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self).__name__, self._fields, tuple(self))


def _is_plain(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


@lru_cache(maxsize=256)
def record_class(kind: str, fields: tuple[str, ...]) -> type[Record]:
    """The one class of records of a kind with these fields."""
    for name in fields:
        if fields.count(name) > 1:
            raise InvalidError(compose(f"{kind}: the field {name!r} stands twice."))
    # A name that begins with an underscore could hide what makes it a record.
    shortcuts = {
        name: property(itemgetter(i), doc=f"The field {name!r}.")
        for i, name in enumerate(fields)
        if _is_plain(name) and not name.startswith("_")
    }
    return type(kind, (Record,), {"__slots__": (), "_fields": fields, **shortcuts})


def _rebuilt(kind: str, fields: tuple[str, ...], values: tuple[Any, ...]) -> Record:
    return record_class(kind, fields)(*values)
