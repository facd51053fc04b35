"""Functions that users give, in a form that plans and compilations are remembered by.

A function may hold arrays: a neural network is one that does. It is taken apart into its
arrays, which become leaves like those of a map, so that derivatives reach them, and the
rest, which is static. Of that rest, plans and compilations only keep weak references to
functions: what a lambda closes over is freed with the lambda.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import numpy as np

from jaxmeta.core.layouts._memory import Memory
from jaxmeta.errors import InvalidTypeError, compose


_BY_VALUE = (bool, int, float, complex, str, bytes)


class _Reference:
    """One object, by identity; weakly if it can be."""

    __slots__ = ("_number", "_strong", "weak")

    def __init__(self, target: object) -> None:
        self._number = id(target)
        self._strong = None
        try:
            self.weak: weakref.ref[Any] | None = weakref.ref(target)
        except TypeError:
            self.weak, self._strong = None, target

    def get(self) -> Any:
        return self._strong if self.weak is None else self.weak()

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Reference):
            return NotImplemented
        own = self.get()
        return self is other or (own is not None and own is other.get())


class _Value:
    """A plain Python value: equal to others of its kind that are written alike."""

    __slots__ = ("_key", "_value")

    def __init__(self, value: Any) -> None:
        self._value = value
        # 0.0 and -0.0 are equal, 1 and True too, and a function may tell them apart.
        self._key = type(value), repr(value)

    def get(self) -> Any:
        return self._value

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Value):
            return NotImplemented
        return self._key == other._key


class Function:
    """The static part of a function: all of it but its arrays."""

    __slots__ = ("_rest", "_tree")

    def __init__(self, tree: Any, rest: tuple[_Reference | _Value | None, ...]) -> None:
        self._tree = tree
        self._rest = rest

    def with_arrays(self, arrays: Sequence[Any]) -> Callable[..., Any]:
        """The function, with these arrays in the places of its own."""
        given = iter(arrays)
        leaves = [next(given) if part is None else part.get() for part in self._rest]
        return jax.tree.unflatten(self._tree, leaves)

    @property
    def references(self) -> list[weakref.ref[Any]]:
        """The weak references that it is made of."""
        parts = (part for part in self._rest if isinstance(part, _Reference))
        return [part.weak for part in parts if part.weak is not None]

    def __hash__(self) -> int:
        return hash((self._tree, self._rest))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Function):
            return NotImplemented
        return self._tree == other._tree and self._rest == other._rest


def taken_apart(operation: str, function: Any) -> tuple[Function, list[Any], list[Any]]:
    """The static part of a function, its arrays, and what to hold while it is in use."""
    if not callable(function):
        raise InvalidTypeError(
            compose(
                f"{operation}: the function must be something that can be called.",
                f"found {type(function).__module__}.{type(function).__qualname__}",
                remedy="one function is used for all blocks.",
            )
        )
    leaves, tree = jax.tree.flatten(_as_tree(function))
    arrays = [_array(leaf) for leaf in leaves if _is_array(leaf)]
    return Function(tree, tuple(_part(leaf) for leaf in leaves)), arrays, leaves


def _as_tree(function: Any) -> Any:
    """The function as a tree of JAX; what partial functions and methods hold, too."""
    if isinstance(function, functools.partial):
        held = (_as_tree(function.func), function.args, function.keywords)
        return jax.tree_util.Partial(_applied, *held)
    if isinstance(function, types.MethodType):
        held = (function.__func__, (function.__self__,), {})
        return jax.tree_util.Partial(_applied, *held)
    return function


def _applied(function: Any, arguments: Any, keywords: Any, *x: Any) -> Any:
    return functools.partial(function, *arguments, **keywords)(*x)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _array(leaf: Any) -> Any:
    return np.asarray(leaf) if isinstance(leaf, np.generic) else leaf


def _part(leaf: Any) -> _Reference | _Value | None:
    if _is_array(leaf):
        return None
    return _Value(leaf) if type(leaf) in _BY_VALUE else _Reference(leaf)


# Compilations ---------------------------------------------------------------------------


class _Compiled:
    """The compilations of one function: they go when a part of it goes."""

    def __init__(self, function: Function) -> None:
        self._compiled: Callable[..., Any] | None = None
        own = weakref.ref(self)

        def forget(_: object) -> None:
            known = own()
            if known is not None:
                known._compiled = None

        targets = [reference() for reference in function.references]
        self._watched = [weakref.ref(one, forget) for one in targets if one is not None]

    def get(self) -> Callable[..., Any]:
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = _compiler()
        return compiled


def _compiler() -> Callable[..., Any]:
    """Compiles for one function of the user: JAX drops what it compiled along with it."""

    def single(
        kernel: Callable[..., Any],
        static: tuple[Hashable, ...],
        arrays: Sequence[Any],
        tables: Sequence[Any],
    ) -> Any:
        return kernel(*arrays, *tables, *static)

    return jax.jit(single, static_argnums=(0, 1))


class _Compilations(Memory):
    """More than plans, because those of functions that are gone weigh nothing."""

    __slots__ = ()

    LIMIT = 512


_KNOWN = _Compilations()


def compiled_for(function: Function) -> Callable[..., Any]:
    """How to run kernels that call this function: compiled once for each shape."""
    return _KNOWN.get(function, lambda: _Compiled(function)).get()


def clear() -> None:
    """Forget all compilations."""
    global _KNOWN
    _KNOWN = _Compilations()
