"""What a block and a map have in common: a layout, a tuple of leaves, copies of both."""

from __future__ import annotations

from typing import Any, TypeVar

from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.labels._storage import Stored
from jaxmeta.core.layouts import _convert, _equality


T = TypeVar("T", bound="Labelled")


class Labelled(Stored):
    """A static layout and the arrays that it describes."""

    __slots__ = ("__weakref__", "_layout", "_leaves")

    _layout: Any
    _leaves: tuple[Any, ...]

    @classmethod
    def _view(cls: type[T], layout: Any, leaves: tuple[Any, ...]) -> T:
        """An object of parts that are known to fit: nothing is looked at."""
        labelled = object.__new__(cls)
        labelled._layout = layout
        labelled._leaves = leaves
        return labelled

    def copy(self: T, deep: bool = True) -> T:
        """A copy; numpy arrays are duplicated if `deep`, JAX arrays never change."""
        deep = check_bool("copy", "deep", deep)
        return type(self)._view(self._layout, _convert.copied(self._leaves, deep))

    def to(
        self: T, *, dtype: Any = None, device: Any = None, arrays: str | None = None
    ) -> T:
        """The same with another dtype, on another device, or in numpy arrays.

        Arguments:
            dtype: dtype of values and gradients (labels of dynamic samples stay int32).
            device: a device or sharding of JAX.
            arrays: ``"jax"`` or ``"numpy"``.

        Raises:
            PrecisionError: when JAX could not hold the dtype because x64 is off.
        """
        leaves = _convert.converted(
            self._leaves, self._layout.paths, dtype=dtype, device=device, arrays=arrays
        )
        return type(self)._view(self._layout, leaves)

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, type(self)):
            return NotImplemented
        return _equality.same(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._view, (self._layout, self._leaves)
