"""The derivatives that gradients are compared with, against those of whole programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from typed_calls import untyped

from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import FailedCheckError, InvalidTypeError
from jaxmeta.testing import Direction, assert_exact_gradients, dense_gradients
from jaxmeta.testing._chain_rule import reachable
from jaxmeta.testing.directions import Part, tangents_of
from jaxmeta.testing.strategies import tensors


PARAMETERS = ("a", "b", "c")
POINT = jnp.array([0.3, -0.7, 1.1])


def positions(point: Any) -> Any:
    """Some values, curved in every parameter: two samples, two properties."""
    a, b, c = point
    return jnp.stack(
        [
            jnp.stack([a * b + jnp.sin(c), a * a * c]),
            jnp.stack([jnp.exp(b * c), a * b * c + b]),
        ]
    )


def curved(values: Any) -> Any:
    """A function that mixes samples and properties."""
    return jnp.exp(jnp.cumsum(values, axis=0)) * values[:, ::-1] + jnp.prod(values)


def explicit(function: Callable[[Any], Any], depth: int) -> TensorBlock:
    """The values of a function of the point, with all derivatives by each parameter."""
    n, rows = Labels.range("n", 2), Labels.range("sample", 2)

    def block(own: Callable[[Any], Any], left: int, samples: Labels) -> TensorBlock:
        gradients = {}
        for i, name in enumerate(PARAMETERS if left else ()):
            gradients[name] = block(
                lambda point, i=i: jax.jvp(own, (point,), (jnp.eye(3)[i],))[1],
                left - 1,
                rows,
            )
        return TensorBlock(own(POINT), samples, [], n, gradients)

    return block(function, depth, Labels.range("s", 2))


def of_values(block: TensorBlock) -> Any:
    return curved(block.values)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_order_is_that_of_the_whole_program(depth: int) -> None:
    given = explicit(positions, depth)
    right = explicit(lambda point: curved(positions(point)), depth)
    assert_exact_gradients(lambda _: right, given, values=of_values)
    wrong = changed(right, PARAMETERS[:depth], 1 + 1e-8)
    with pytest.raises(FailedCheckError, match=", then by ".join(PARAMETERS[:depth])):
        assert_exact_gradients(lambda _: wrong, given, values=of_values)
    if depth > 1:
        assert_exact_gradients(lambda _: wrong, given, values=of_values, order=depth - 1)


def changed(block: TensorBlock, path: tuple[str, ...], factor: float) -> TensorBlock:
    if not path:
        return block.with_values(block.values * factor)
    inner = changed(block.gradient(path[0]), path[1:], factor)
    return block.with_gradient(path[0], inner)


def test_a_gradient_that_is_not_there_is_zero() -> None:
    """Without the gradient by b of the values their product is no term."""
    given = explicit(positions, 2)
    right = explicit(lambda point: curved(positions(point)), 2)
    gradients = {"a": given.gradient("a")}
    partly = TensorBlock(given.values, given.samples, [], given.properties, gradients)
    result = TensorBlock(
        right.values, right.samples, [], right.properties, {"a": right.gradient("a")}
    )
    assert_exact_gradients(lambda _: result, partly, values=of_values, order=1)
    with pytest.raises(FailedCheckError, match="by a, then by b"):
        assert_exact_gradients(lambda _: result, partly, values=of_values)


def test_all_directions_of_a_product_are_reached() -> None:
    n = Labels.range("n", 1)

    def gradient(rows: list[list[int]], **below: TensorBlock) -> TensorBlock:
        labels = Labels(["sample", "k"], np.array(rows, np.int32).reshape(-1, 2))
        return TensorBlock(jnp.ones((len(rows), 1)), labels, [], n, below)

    x = gradient([[0, 1], [1, 2]], y=gradient([[1, 9]], z=gradient([])))
    y, z = gradient([[0, 5]], z=gradient([[0, 6]])), gradient([[1, 7]])
    samples = Labels.range("s", 2)
    block = TensorBlock(jnp.ones((2, 1)), samples, [], n, {"x": x, "y": y, "z": z})
    tangents = tangents_of([Part("the block", block)])

    def reached(path: str) -> set[tuple[int, ...]]:
        found = reachable(tangents, tuple(path))
        assert len(found) == len(set(found))
        assert all("".join(step.parameter for step in each) == path for each in found)
        return {tuple(step.labels[0][1] for step in each) for each in found}

    assert reached("x") == {(1,), (2,)}
    assert reached("xy") == {(2, 9), (1, 5), (2, 5)}
    assert reached("yx") == {(5, 1), (5, 2)}
    assert reached("xyz") == {
        (x, y, z) for x, y in reached("xy") for z in (7,)
    } | {(x, 5, 6) for x in (1, 2)}  # fmt: skip


# Dense gradients ------------------------------------------------------------------------


@settings(max_examples=10)
@given(tensors(order=2, numbers="whole") | tensors(order=3, numbers="whole"))
def test_dense_gradients_hold_every_number_once(tensor: TensorMap) -> None:
    sums = dict.fromkeys((1, 2, 3), 0.0)
    for directions, arrays in dense_gradients(tensor).items():
        assert [array.shape for array in arrays] == [block.shape for block in tensor]
        sums[len(directions)] += sum(array.sum() for array in arrays)
    for depth, number in sums.items():
        assert number == sum(g.values.sum() for g in _at(tensor.blocks(), depth))


def _at(blocks: list[TensorBlock], depth: int) -> list[TensorBlock]:
    for _ in range(depth):
        blocks = [gradient for block in blocks for _, gradient in block.gradients()]
    return blocks


def test_where_the_numbers_go() -> None:
    n = Labels.range("n", 1)
    xyz, other = Labels("xyz", [[5], [-5]]), Labels("xyz_2", [[-5], [5]])
    m = Labels.range("m", 2)
    deep = TensorBlock(
        np.arange(8.0).reshape(1, 2, 2, 2, 1),
        Labels(["sample", "atom"], [[1, 3]]),
        [other, xyz, m],
        n,
    )
    rows = Labels(["sample", "atom"], [[1, 3], [0, 4]])
    gradient = TensorBlock(np.ones((2, 2, 2, 1)), rows, [xyz, m], n, {"x": deep})
    block = TensorBlock(np.ones((3, 2, 1)), Labels.range("s", 3), [m], n, {"x": gradient})
    found = dense_gradients(
        TensorMap(
            Labels.single(),
            [
                block,
            ],
        ),
        block,
    )
    four, three = (("atom", 4),), (("atom", 3),)
    assert len(found) == 4 + 4
    (array, same) = found[Direction("x", four, (-5,)), Direction("x", three, (5,))]
    np.testing.assert_array_equal(array, same)
    # The innermost component first: label 5 of xyz_2, then label -5 of xyz.
    assert array[..., 0].tolist() == [[6, 7], [0, 0], [0, 0]]
    (array, _) = found[(Direction("x", three, (5,)),)]
    assert array[..., 0].tolist() == [[0, 0], [1, 1], [0, 0]]


def test_only_maps_and_blocks_have_gradients() -> None:
    with (
        untyped(),
        pytest.raises(InvalidTypeError, match=r"numpy.ndarray\n  close over other"),
    ):
        dense_gradients(np.ones(3))  # type: ignore[arg-type]
