"""Annotations of the library, checked at every call.

beartype's own import hook decorates classes as a whole, and stumbles over named tuples; so
functions are decorated one by one here, below all other decorators.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, FunctionType, ModuleType
from typing import Any

import beartype


# The tower: an int is a float, a float is complex, as PEP 484 has it.
_CHECKED = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
_FUNCTION, _CLASS = "_with_types_checked", "_with_fields_checked"
_checking = True


def install(package: str) -> None:
    """Check the calls of all functions of a package that is not imported yet."""
    assert package not in sys.modules, f"{package} is imported already"
    sys.meta_path.insert(0, _Finder(package))
    atexit.register(_stop)  # beartype can not check what finalizers call at the very end


def _stop() -> None:
    global _checking
    _checking = False


@contextlib.contextmanager
def untyped() -> Iterator[None]:
    """Within it, the tests' run-time type checker steps aside.

    It would refuse arguments of wrong types before jaxmeta can; and it looks at random
    items of sequences, which hypothesis forbids in strategies.
    """
    global _checking
    before, _checking = _checking, False
    try:
        yield
    finally:
        _checking = before


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments and its result checked, from its first call on."""
    if not function.__annotations__:
        return function
    typed: Callable[..., Any] | None = None

    @functools.wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        nonlocal typed
        if not _checking:
            return function(*args, **kwargs)
        if typed is None:
            typed = _CHECKED(_with_known_types(function))
        return typed(*args, **kwargs)

    return either


def _with_known_types(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without annotations of names that only type checkers import."""
    own = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    own.__module__, own.__qualname__ = function.__module__, function.__qualname__
    own.__kwdefaults__ = function.__kwdefaults__
    own.__annotations__ = {}
    for name, hint in function.__annotations__.items():
        with contextlib.suppress(NameError):
            known = eval(hint, function.__globals__) if isinstance(hint, str) else hint
            own.__annotations__[name] = known
    return own


def fields_checked(cls: type) -> type:
    """The class; if it is a data class, with the arguments of `__init__` checked."""
    if dataclasses.is_dataclass(cls):
        cls.__init__ = checked(cls.__init__)  # type: ignore[misc]
    return cls


class _Finder(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname.split(".")[0] != self._package:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                node.decorator_list.append(_name(_FUNCTION, node))
            elif isinstance(node, ast.ClassDef):
                node.decorator_list.insert(0, _name(_CLASS, node))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, _FUNCTION, checked)
        setattr(module, _CLASS, fields_checked)
        super().exec_module(module)


def _name(name: str, node: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Name(name, ast.Load()), node)
