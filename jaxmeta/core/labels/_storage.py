"""The methods ``save``, ``save_buffer``, ``load`` and ``load_buffer`` of the classes.

The file format lives upstairs, in the room `io`, which registers itself here; so the
classes have the methods that metatensor's users expect without importing upwards.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable


S = TypeVar("S", bound="Stored")


@runtime_checkable
class Format(Protocol):
    """What the room `io` offers for one class."""

    def save(self, file: Any, data: Any) -> None: ...
    def save_buffer(self, data: Any) -> memoryview: ...
    def load(self, file: Any, **options: Any) -> Any: ...
    def load_buffer(self, buffer: Any, **options: Any) -> Any: ...


_FORMATS: dict[str, Format] = {}


def register(class_name: str, file_format: Format) -> None:
    """Make `file_format` the one of ``Labels``, ``TensorBlock`` or ``TensorMap``."""
    _FORMATS[class_name] = file_format


class Stored:
    """Gives a class its four storage methods."""

    __slots__ = ()

    def save(self, file: Any) -> None:
        """Save to a path or binary file object; see `jaxmeta.save`."""
        _FORMATS[type(self).__name__].save(file, self)

    def save_buffer(self) -> memoryview:
        """The bytes that `save` would write; see `jaxmeta.save_buffer`."""
        return _FORMATS[type(self).__name__].save_buffer(self)

    @classmethod
    def load(cls: type[S], file: Any, **options: Any) -> S:
        """Load from a path or binary file object; see `jaxmeta.load` for the options."""
        return _FORMATS[cls.__name__].load(file, **options)

    @classmethod
    def load_buffer(cls: type[S], buffer: Any, **options: Any) -> S:
        """Load from bytes; see `jaxmeta.load_buffer` for the options."""
        return _FORMATS[cls.__name__].load_buffer(buffer, **options)
