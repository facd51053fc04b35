"""Gradients of gradients by with_gradients, against jax.hessian."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autodiff.functions import (
    AXES,
    NONE,
    OWNERS,
    ROWS,
    SHAPES,
    arrays,
    compiled,
    function,
    hessian,
    parameters,
)

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels, TensorMap
from jaxmeta.autodiff import Parameter, with_gradients
from jaxmeta.errors import DynamicSamplesError
from jaxmeta.testing import assert_exact_gradients


PAIRS = ["x/x", "x/s", "s/x", "s/s"]


def rows_of_samples(name: str, number: int, owners: Any) -> list[tuple[int, int]]:
    """The rows of a gradient, as pairs of a sample and a row of the parameter."""
    samples = SHAPES[number][0]
    if owners[name] is None:
        return [(s, r) for s in range(samples) for r in range(len(AXES_ROWS[name]))]
    owner = owners[name][number].tolist()
    return [(s, r) for r, s in enumerate(owner) if s != NONE]


AXES_ROWS = {name: range(5 if name == "x" else 4) for name in ROWS}


def assert_hessians(tensor: TensorMap, at: dict[str, Any], owners: Any) -> None:
    for number, block in enumerate(tensor):
        for first, second in [pair.split("/") for pair in PAIRS]:
            gradient = block.gradient(first).gradient(second)
            above = rows_of_samples(first, number, owners)
            assert len(above) == len(block.gradient(first))
            feeding = rows_of_samples(second, number, owners)
            # Each row of the first gradient with each row that feeds the same sample.
            pairs = [
                (place, s, r, q)
                for place, (s, r) in enumerate(above)
                for t, q in feeding
                if t == s
            ]
            truth = np.asarray(hessian(number, first, second, at))
            table = np.asarray(gradient.samples.values)
            assert sorted(table[:, 0].tolist()) == [place for place, *_ in pairs]
            expected = {
                (place, *label_of(second, q)): truth[s, r, q] for place, s, r, q in pairs
            }
            assert len(expected) == len(table)
            for row, array in zip(table.tolist(), np.asarray(gradient.values), strict=True):
                np.testing.assert_allclose(
                    array, expected[tuple(row)], rtol=1e-9, atol=1e-9
                )


def label_of(name: str, row: int) -> tuple[int, ...]:
    labels = ROWS[name]
    return () if labels is None else tuple(labels.values[row].tolist())


@pytest.mark.parametrize(("mode", "chunk"), [("reverse", None), ("forward", 4)])
def test_of_rows_with_owners(mode: Any, chunk: int | None) -> None:
    at = arrays()
    tensor = compiled(mode=mode, chunk=chunk, second=PAIRS)(at)
    assert_hessians(tensor, at, OWNERS)
    block = tensor[0].gradient("x")
    assert block.gradient("x").samples.names == ["sample", "atom", "image"]
    names = [labels.names[0] for labels in block.gradient("x").components]
    assert names == ["xyz_1", "xyz", "c"]
    names = [labels.names[0] for labels in block.gradient("s").components]
    assert names == ["abc", "ghi", "xyz", "c"]
    assert block.gradient("s").components[1] == AXES["s"][1]
    names = [c.names[0] for c in tensor[0].gradient("s").gradient("s").components]
    assert names == ["abc_1", "ghi_1", "abc", "ghi", "c"]


def test_of_rows_that_may_feed_every_sample() -> None:
    at = arrays()
    owners = {**OWNERS, "x": None}
    assert_hessians(compiled(owners, second=PAIRS)(at), at, owners)


def test_first_gradients_are_the_same_with_and_without() -> None:
    at = arrays()
    second = compiled(second=["x/s"])(at)
    assert second[0].gradient("s").gradients_list() == []
    assert second[0].gradient("x").gradients_list() == ["s"]
    bare = TensorMap(
        second.keys,
        [
            block.with_gradient("x", jm.remove_gradients_block(block.gradient("x")))
            for block in second
        ],
        second.info(),
    )
    jm.allclose_raise(bare, compiled()(at), rtol=1e-12, atol=1e-12)


def test_what_operations_make_of_them_is_exact() -> None:
    """The chain rule of second order knows mixed derivatives by either order."""
    at = arrays()
    tensor = compiled(second=["x/s", "s/x"])(at)
    assert_exact_gradients(lambda t: jm.sin(t), tensor)


def test_they_can_be_differentiated_again() -> None:
    at = arrays()

    def loss(x: Any) -> Any:
        given = {"x": Parameter(x, ROWS["x"], AXES["x"], OWNERS["x"])}
        tensor = with_gradients(
            lambda x: function(x, at["s"]), given, second=["x/x"], chunk=4
        )
        return jnp.sum(tensor[0].gradient("x").gradient("x").values ** 2)

    def expected(x: Any) -> Any:
        return jnp.sum(hessian(0, "x", "x", {**at, "x": x}) ** 2)

    np.testing.assert_allclose(
        jax.jit(jax.grad(loss))(at["x"]), jax.jit(jax.grad(expected))(at["x"]), rtol=1e-9
    )


@pytest.mark.parametrize("pair", ["x/s", "s/x"])
def test_dynamic_samples_are_refused(pair: str) -> None:
    at = arrays()
    dynamic = DynamicLabels.from_labels(Labels.range("atom", 5))
    given = parameters(at) | {
        "x": Parameter(at["x"], dynamic, AXES["x"], OWNERS["x"]),
    }
    words = f"'{pair}' the samples of the gradient 'x' are dynamic"
    with pytest.raises(DynamicSamplesError, match=words):
        with_gradients(function, given, second=[pair])
