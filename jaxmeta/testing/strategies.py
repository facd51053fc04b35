"""Strategies for hypothesis: labels, blocks, maps and pairs of maps.

Sizes are few and small, so that arrays of the same shapes come again and kernels need not
be compiled for each example. What is drawn shrinks to one small block without gradients.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, MissingExtraError, compose
from jaxmeta.testing.recipes import Recipe, random_block, random_map, random_partner


try:
    from hypothesis import strategies as st
except ImportError as error:
    raise MissingExtraError(__name__, "hypothesis", "testing") from error


T = TypeVar("T")

_NAMES = ("a", "b", "c", "_d", "E5")
_SMALL = st.integers(-3, 3)
_EXTREME = st.sampled_from([-(2**31), -1000, -1, 0, 1, 7, 2**31 - 1])
_SIZES = (0, 1, 4)

_BOTH = ("positions", "strain")
_GRADIENTS: tuple[tuple[tuple[str, ...], ...], ...] = (
    ((),),
    ((), ("positions",), _BOTH),
    (
        ("positions", "positions/positions"),
        (*_BOTH, "positions/strain"),
        (*_BOTH, *(f"{outer}/{inner}" for outer in _BOTH for inner in _BOTH)),
    ),
    (("positions", "positions/strain", "positions/strain/positions"),),
)


def names(min_size: int = 1, max_size: int = 3) -> st.SearchStrategy[list[str]]:
    """Names of dimensions, all different.

    Example:
        >>> from hypothesis import find
        >>> find(names(), lambda some: len(some) == 2)
        ['a', 'b']
    """
    size = st.integers(min_size, max_size)
    return st.builds(lambda order, n: order[:n], st.permutations(_NAMES), size)


def rows(
    columns: int, max_size: int = 12, extreme: bool = True
) -> st.SearchStrategy[np.ndarray]:
    """Unique rows of int32, in any order.

    Arguments:
        columns: how many numbers a row has; without any there is one row at most.
        max_size: most rows.
        extreme: whether numbers may be as large as int32 has them, or small ones only.

    Example:
        >>> from hypothesis import find
        >>> find(rows(2), lambda table: len(table) == 1).tolist()
        [[0, 0]]
    """
    number = st.one_of(_SMALL, _EXTREME) if extreme else _SMALL
    row = st.tuples(*[number] * columns)
    found = st.lists(row, unique=True, max_size=max_size if columns else 1)
    return found.map(lambda some: np.array(some, np.int32).reshape(len(some), columns))


def labels(
    given_names: Sequence[str] | None = None, max_size: int = 12
) -> st.SearchStrategy[Labels]:
    """Labels with some names (random ones by default) and any entries, none as well.

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=5)
        ... @given(labels(["system", "atom"]))
        ... def test(some: Labels) -> None:
        ...     assert some.names == ["system", "atom"]
        >>> test()
    """
    drawn = names() if given_names is None else st.just(list(given_names))
    tables = drawn.flatmap(
        lambda found: st.tuples(st.just(found), rows(len(found), max_size))
    )
    return tables.map(lambda parts: _quietly(lambda: Labels(*parts)))


def recipes(order: int = 1, **fields: Any) -> st.SearchStrategy[Recipe]:
    """Recipes of random maps.

    Arguments:
        order: 0 for no gradients, 1 for gradients, 2 or 3 for gradients of gradients (those
            of order 2 can be differentiated through functions that are not linear).
        **fields: those of `Recipe` that should be other than usual: a strategy, or the
            one value.

    Raises:
        InvalidError: for another order.

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=5)
        ... @given(recipes(order=2, numbers="positive", rows=st.just((4, 4))))
        ... def test(recipe: Recipe) -> None:
        ...     assert recipe.rows == (4, 4)
        >>> test()
    """
    if not isinstance(order, int) or order not in range(len(_GRADIENTS)):
        raise InvalidError(
            compose(
                "recipes: the order is how deep gradients go: 0, 1, 2 or 3.",
                f"found {order!r}",
                remedy="gradients=... takes any names, of any depth.",
            )
        )
    usual = {
        "rows": st.lists(st.sampled_from(_SIZES), min_size=1, max_size=3).map(tuple),
        "components": st.sampled_from([(), (3,), (2, 3)]),
        "properties": st.sampled_from([2, 2, 0]),
        "gradients": st.sampled_from(_GRADIENTS[order]),
        "density": st.sampled_from([0.0, 0.5, 1.0]),
        "seed": st.integers(0, 2**16),
    }
    given = {name: _strategy(field) for name, field in fields.items()}
    return st.builds(_recipe, **(usual | given))


def blocks(order: int = 1, **fields: Any) -> st.SearchStrategy[TensorBlock]:
    """Blocks; the arguments are those of `recipes`.

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=5)
        ... @given(blocks(dtype="float32"))
        ... def test(block: TensorBlock) -> None:
        ...     assert block.dtype == "float32"
        >>> test()
    """
    found = recipes(order, **fields)
    return found.map(lambda recipe: _quietly(lambda: random_block(recipe)))


def tensors(order: int = 1, **fields: Any) -> st.SearchStrategy[TensorMap]:
    """Maps with one to three blocks; the arguments are those of `recipes`.

    Example:
        >>> from hypothesis import given, settings
        >>> from jaxmeta.testing import assert_exact_gradients
        >>> @settings(max_examples=2, deadline=None)
        ... @given(tensors(order=2, components=()))
        ... def test(tensor: TensorMap) -> None:
        ...     assert_exact_gradients(lambda t: 2 * t, tensor)
        >>> test()
    """
    found = recipes(order, **fields)
    return found.map(lambda recipe: _quietly(lambda: random_map(recipe)))


def pairs(order: int = 1, **fields: Any) -> st.SearchStrategy[tuple[TensorMap, TensorMap]]:
    """Two maps with the same labels, but other numbers and other gradient rows.

    Arguments are those of `recipes`.

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=5)
        ... @given(pairs())
        ... def test(pair: tuple[TensorMap, TensorMap]) -> None:
        ...     assert pair[0][0].samples == pair[1][0].samples
        >>> test()
    """

    def pair(recipe: Recipe) -> tuple[TensorMap, TensorMap]:
        left = random_map(recipe)
        return left, random_partner(left, recipe)

    return recipes(order, **fields).map(lambda recipe: _quietly(lambda: pair(recipe)))


def _recipe(**fields: Any) -> Recipe:
    return _quietly(lambda: Recipe(**fields))


def _strategy(field: Any) -> st.SearchStrategy[Any]:
    return field if isinstance(field, st.SearchStrategy) else st.just(field)


def _quietly(build: Callable[[], T]) -> T:
    """Build something, and leave Python's random numbers as they were.

    Type checkers at run time look at random items of sequences; hypothesis stops where a
    strategy uses random numbers that are not its own.
    """
    with _random_restored():
        return build()


@contextlib.contextmanager
def _random_restored() -> Iterator[None]:
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
