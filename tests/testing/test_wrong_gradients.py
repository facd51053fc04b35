"""The check of explicit gradients finds what is wrong with them, and says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import FailedCheckError
from jaxmeta.testing import Recipe, assert_exact_gradients, random_map


Change = Callable[[TensorBlock], TensorBlock | None]
GRADIENTS = ("positions", "strain", "positions/positions", "positions/strain")
TENSOR = random_map(Recipe(rows=(4, 0), components=(2,), gradients=GRADIENTS, density=0.6))
FIRST = random_map(Recipe(rows=(4, 0), components=(2,), gradients=GRADIENTS[:2]))


def square(tensor: TensorMap) -> TensorMap:
    return tensor * tensor


def spoiled(path: str, change: Change, operation: Any = square) -> Any:
    """An operation, with a change to one gradient of the first block of its result."""

    def spoil(block: TensorBlock, names: list[str]) -> TensorBlock | None:
        if not names:
            return change(block)
        found = dict(block.gradients())
        if names[0] in found:
            inner = spoil(found.pop(names[0]), names[1:])
            if inner is not None:
                found[names[0]] = inner
        return TensorBlock(
            block.values, block.samples, block.components, block.properties, found
        )

    def wrong(tensor: TensorMap) -> list[TensorBlock]:
        first, *others = operation(tensor)
        return [spoil(first, path.split("/")), *others]  # type: ignore[list-item]

    return wrong


def rebuilt(block: TensorBlock, values: Any, table: Any = None, rows: Any = None) -> Any:
    """A gradient with other values, labels of rows, or some of its rows only."""
    samples = block.samples
    assert isinstance(samples, Labels)
    if table is not None:
        samples = Labels(samples.names, table, assume_unique=True)
    gradients: dict[str, TensorBlock] = dict(block.gradients())
    if rows is not None:
        samples = Labels(samples.names, samples.values[rows])
        gradients = {}
        values = values[rows]
    return TensorBlock(values, samples, block.components, block.properties, gradients)


def column(block: TensorBlock, name: str, change: Callable[[Any], Any]) -> Any:
    samples: Any = block.samples
    table = samples.values.copy()
    place = samples.names.index(name)
    table[:, place] = change(table[:, place])
    return rebuilt(block, block.values, table)


def with_zeros(block: TensorBlock) -> Any:
    """A row more, for a direction that no other row has; it is zero."""
    samples: Any = block.samples
    more = samples.values[:1].copy()
    more[:, -1] = 99
    table = np.concatenate([samples.values, more])
    values = jnp.concatenate([block.values, jnp.zeros_like(block.values[:1])])
    return rebuilt(block, values, table)


ANY: dict[str, Change] = {
    "a factor": lambda g: g.with_values(1.5 * g.values),
    "a sign": lambda g: g.with_values(-g.values),
    "one number": lambda g: g.with_values(g.values.at[1, ..., 0].multiply(1 + 1e-8)),
    "a missing row": lambda g: rebuilt(g, g.values, rows=slice(1, None)),
    "no rows": lambda g: rebuilt(g, g.values, rows=slice(0)),
    "not there": lambda g: None,
    "rows in another order": lambda g: g.with_values(g.values[::-1]),
    "not a number": lambda g: g.with_values(g.values.at[0].set(jnp.nan)),
}
OF_POSITIONS: dict[str, Change] = {
    "another sample": lambda g: column(g, "sample", lambda c: (c + 1) % (c.max() + 1)),
    "another atom": lambda g: column(g, "atom", lambda c: c + 1),
    "swapped components": lambda g: g.with_values(g.values[:, ::-1]),
    "a row too many": lambda g: g.with_values(g.values.at[-1].set(1.0)),
}
OF_STRAIN: dict[str, Change] = {
    "transposed": lambda g: g.with_values(g.values.swapaxes(1, 2)),
}
CASES = {
    **{f"{n} in {p}": (p, c) for n, c in ANY.items() for p in GRADIENTS[::3]},
    **{f"{n} in {p}": (p, c) for n, c in OF_POSITIONS.items() for p in GRADIENTS[::2]},
    **{f"{n} in {p}": (p, c) for n, c in OF_STRAIN.items() for p in GRADIENTS[1::2]},
    "transposed in positions/positions": (GRADIENTS[2], OF_STRAIN["transposed"]),
}


@pytest.mark.parametrize("path", GRADIENTS[::2])
@pytest.mark.parametrize("change", [lambda g: g, with_zeros])
def test_what_is_right_passes(path: str, change: Change) -> None:
    assert_exact_gradients(spoiled(path, change), TENSOR)


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_found(case: str) -> None:
    path, change = CASES[case]
    if case.startswith("a row too many"):
        right = change
        change = lambda g: right(with_zeros(g))  # type: ignore[arg-type]  # noqa: E731
    # The gradients alone: what a wrong row has below it would be found as well.
    first = FIRST if "/" not in path else TENSOR
    names = path.split("/")
    with pytest.raises(FailedCheckError) as caught:
        assert_exact_gradients(spoiled(path, change), first)
    message = str(caught.value)
    assert "a gradient of the result is not the derivative" in message
    assert f"\n  by {names[0]}" in message
    assert (f", then by {names[-1]}" in message) is (len(names) == 2)
    assert "row " in message
    assert "expected " in message
    if not case.startswith("another sample"):
        missing = case.startswith(("a missing", "no rows", "not there", "another atom"))
        assert ("has no such row" in message) is missing


@pytest.mark.parametrize("factor", [0.0, 2.0])
def test_the_terms_of_second_order_count(factor: float) -> None:
    """The product of two first derivatives left out, or taken twice."""

    def zero(gradient: TensorBlock) -> TensorBlock:
        return gradient.with_values(0 * gradient.values)

    path = "positions/strain"
    bare = spoiled(path, zero, lambda t: t)
    only_products = square(TensorMap(TENSOR.keys, bare(TENSOR)))
    products = only_products[0].gradient("positions").gradient("strain").values
    assert np.abs(np.asarray(products)).max() > 0.1

    def change(gradient: TensorBlock) -> TensorBlock:
        return gradient.with_values(gradient.values + (factor - 1) * products)

    with pytest.raises(FailedCheckError, match=r"by positions .*, then by strain"):
        assert_exact_gradients(spoiled(path, change), TENSOR)
    assert_exact_gradients(spoiled(path, change), TENSOR, order=1)


def centred(tensor: TensorMap) -> list[TensorBlock]:
    """Values minus their mean over all samples; gradients of each row for itself."""
    return [
        block.with_values(block.values - block.values.mean(0, keepdims=True))
        for block in tensor
    ]


def test_derivatives_by_other_samples_count() -> None:
    with pytest.raises(FailedCheckError, match="by positions"):
        assert_exact_gradients(centred, FIRST)
    assert_exact_gradients(centred, jm.remove_gradients(FIRST))


# What is wrong before any derivative ----------------------------------------------------


def first_block(change: Change) -> Any:
    def wrong(tensor: TensorMap) -> list[Any]:
        first, *others = tensor
        return [change(first) if first.gradients_list() else first, *others]

    return wrong


def _permuted(block: TensorBlock) -> TensorBlock:
    samples: Any = block.samples
    labels = Labels(samples.names, samples.values[::-1])
    gradients = dict(block.gradients())
    return TensorBlock(block.values, labels, block.components, block.properties, gradients)


BEFORE: dict[str, tuple[Any, str]] = {
    "values": (
        first_block(lambda b: b.with_values(b.values * 1.001)),
        r"values are others than .*\n.*: -?\d.*\n.*\(\[0\] the block, values\[0, 0, 0\]\)",
    ),
    "labels": (first_block(_permuted), r"values are others"),
    "a block too many": (
        lambda t: [*t] + ([t[0]] if t[0].gradients_list() else []),
        "2 blocks of values\n.*3 blocks",
    ),
    "the dtype": (lambda t: t.to(dtype=np.float32), "another dtype.\n.*float32, expected"),
    "a label twice": (
        spoiled("positions", lambda g: column(g, "sample", lambda c: 0 * c)),
        r"none that could be built.\n(.*\n)*.*twice",
    ),
}


@pytest.mark.parametrize("name", BEFORE)
def test_what_is_wrong_with_the_result_is_found(name: str) -> None:
    operation, message = BEFORE[name]
    with pytest.raises(FailedCheckError, match=message):
        assert_exact_gradients(operation, FIRST)


def test_rows_of_samples_that_are_not_there_are_found() -> None:
    def wrong(tensor: TensorMap) -> TensorMap:
        layout = jm.slice(tensor, "samples", [0])._layout
        return TensorMap._view(layout, tensor._leaves)

    with pytest.raises(FailedCheckError, match="none that could be built"):
        assert_exact_gradients(wrong, random_map(Recipe(rows=(4,))))


def test_the_message_says_everything() -> None:
    n, samples = Labels.range("n", 2), Labels(["system", "atom"], [[3, 0], [3, -1]])
    rows = Labels(["sample", "system", "atom"], [[1, 3, 7]])
    values = jnp.array([[[1.0, 2.0], [3.0, 5.0]]])
    gradient = TensorBlock(values, rows, [Labels("xyz", [[4], [-1]])], n)
    block = TensorBlock(jnp.ones((2, 2)), samples, [], n, {"positions": gradient})
    tensor = TensorMap(Labels(["k"], [[6]]), [block])

    def wrong(tensor: TensorMap) -> TensorMap:
        blocks = [spoiled("positions", ANY["a factor"], lambda t: t * 2)(tensor)[0]]
        return TensorMap(tensor.keys, blocks)

    with pytest.raises(AssertionError) as caught:
        assert_exact_gradients(wrong, tensor)
    assert str(caught.value).split("\n") == [
        "assert_exact_gradients: a gradient of the result is not the derivative of its "
        "values.",
        "  by positions (system=3, atom=7), component (4)",
        "  block (k=6), row 1 of the values (system=3, atom=-1)",
        "  at (n=1): expected 4.0, found 6.0",
        "  and 1 more like this",
        "  a gradient row is the derivative of its value row; rows that are zero may be "
        "left out.",
    ]


def test_where_there_is_no_derivative_nothing_passes() -> None:
    tensor = TensorMap(
        TENSOR.keys, [block.with_values(0 * block.values) for block in FIRST]
    )
    with pytest.raises(FailedCheckError, match="no finite derivative here"):
        assert_exact_gradients(
            lambda t: t, tensor, values=lambda t: [jnp.sqrt(b.values) for b in t]
        )


def test_small_numbers_are_no_excuse() -> None:
    tensor = jax.tree.map(lambda x: 1e-20 * x, FIRST)
    with pytest.raises(FailedCheckError, match="by positions"):
        assert_exact_gradients(spoiled("positions", ANY["one number"], lambda t: t), tensor)
    assert_exact_gradients(lambda t: t, tensor)
