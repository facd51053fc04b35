"""Operations on padded maps give what they give for the rows in use, compiled once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operations.examples import with_other_numbers
from operations.slopes import slopes

import jaxmeta as jm
from benchmarks._cases import Case, cases
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import DynamicSamplesError
from jaxmeta.testing import Recipe, random_map


# All their rows are new, those of padding too.
MAKE_NEW = ("zeros_like", "ones_like", "empty_like", "random_uniform_like")
CASES = {
    case.title: case
    for case in cases()
    # The forms for blocks run the plans of those for maps.
    if case.dynamic and not case.name.endswith("_block") and case.name not in MAKE_NEW
}
ROOM = {"samples": 7, "positions": 16}
RECIPE = Recipe(components=(3,), shared=("components", "properties"))


def operands_of(case: Case, recipe: Recipe) -> tuple[TensorMap, ...]:
    left = random_map(recipe)
    # Binary operations need the same gradient rows.
    return case.operands(left, with_other_numbers(left, recipe.seed + 1))


def padded(maps: Any, static: int = 0) -> list[TensorMap]:
    """Maps with room for more rows, but for some of the last ones."""
    some = len(maps) - static
    return [jm.pad(tensor, ROOM) for tensor in maps[:some]] + list(maps[some:])


def parts_of(result: Any) -> list[TensorMap]:
    return result if isinstance(result, list) else [result]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_the_rows_in_use_are_those_of_the_static_map(case: Case) -> None:
    # Whether a block is empty is not known outside.
    rows = (4, 2) if case.name == "drop_empty_blocks" else (4, 0)
    maps = operands_of(case, dataclasses.replace(RECIPE, rows=rows))
    both = (padded(maps, case.static), maps)
    compiled = jax.jit(lambda both: [case.call(jm, *operands) for operands in both])
    for found, expected in zip(*map(parts_of, compiled(both)), strict=True):
        assert found.info() == expected.info()
        assert_padding_is_zero(found)
        jm.allclose_raise(jm.unpad(found), expected, rtol=1e-12, atol=1e-13)


def assert_padding_is_zero(tensor: TensorMap) -> None:
    for block in tensor:
        for data in (block, *[gradient for _, gradient in block.gradients()]):
            unused = ~np.asarray(data.samples.mask)
            assert unused.any() or not len(unused)
            assert (np.asarray(data.values)[unused] == 0).all()


FUNCTIONS: dict[str, Callable[[TensorMap], TensorMap]] = {
    "log": jm.log,
    "sqrt": jm.sqrt,
    "1 / t": lambda t: 1.0 / t,
    "t ** -1.5": lambda t: t**-1.5,
    "t / 3": lambda t: t / 3,
    "2 - t": lambda t: 2.0 - t,
    "norm_over_components": jm.norm_over_components,
    "std_over_properties": lambda t: jm.std_over_properties(t, "n"),
    "normalised": lambda t: jm.map_samples(lambda x: x / jnp.linalg.norm(x), t),
    "domain of the data": lambda t: jm.map_samples(lambda x: jnp.log(x - 100.0), t),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("rows", [(4, 2), (0,)])
def test_derivatives_are_those_of_the_rows_in_use(name: str, rows: Any) -> None:
    """Padding, whatever it holds, gives no NaN: not forwards and not backwards."""
    recipe = Recipe(rows=rows, components=(3,), numbers="positive")
    tensor = random_map(recipe)
    if name == "domain of the data":
        tensor = tensor + 200.0
    function = FUNCTIONS[name]
    (dynamic,) = padded([tensor])
    found, expected = slopes(function, dynamic), slopes(function, tensor)
    for block, like in zip(found, expected, strict=True):
        for array, own in zip(block, like, strict=True):
            used = len(own)
            np.testing.assert_allclose(array[:used], own, rtol=1e-10, atol=1e-12)
            assert (array[used:] == 0).all()


def test_what_padding_holds_does_not_matter() -> None:
    (tensor,) = padded([random_map(Recipe(rows=(4,), numbers="positive"))])
    unused = ~np.asarray(tensor[0].samples.mask)
    junk = jnp.where(unused[:, None], jnp.nan, tensor[0].values)
    spoilt = TensorMap(tensor.keys, [tensor[0].with_values(junk)], tensor.info())
    for function in (jm.log, lambda t: t + 1.0, lambda t: t * 2.0):
        jm.equal_raise(function(spoilt), function(tensor))


def test_one_program_serves_all_batches() -> None:
    @jax.jit
    @chex.assert_max_traces(n=1)
    def energies(tensor: TensorMap) -> TensorMap:
        scaled = jm.map_samples(jnp.tanh, 0.5 * jm.log(tensor) - 1.0)
        return jm.sum_over_properties(jm.sum_over_components(scaled), ["n", "l"])

    for seed in range(12):
        recipe = Recipe(
            rows=(seed % 5,), components=(3,), numbers="positive", seed=seed,
            shared=("components", "properties"),
        )  # fmt: skip
        tensor = random_map(recipe)
        same = TensorMap(Labels("k", [[0]]), [_with_common_axes(tensor[0])])
        energies(jm.pad(same, ROOM))


def _with_common_axes(block: TensorBlock) -> TensorBlock:
    """The block with components and properties that are always the same."""
    m = Labels.range("m", 3)
    nl = Labels(["n", "l"], [[0, 0], [1, 0]])
    gradients = {
        name: TensorBlock(g.values, g.samples, [g.components[0], m], nl)
        for name, g in block.gradients()
    }
    return TensorBlock(block.values, block.samples, [m], nl, gradients)


def test_gradients_of_gradients_are_refused_where_the_function_is_not_linear() -> None:
    recipe = Recipe(rows=(4,), gradients=("positions", "positions/strain"))
    tensor = jm.pad(random_map(recipe), {**ROOM, "positions/strain": 60})
    jm.equal_raise(jm.unpad(3.0 * tensor), 3.0 * jm.unpad(tensor))
    with pytest.raises(DynamicSamplesError, match=r"^exp: gradient 'strain' of gradient"):
        jm.exp(tensor)


def _renumbered(tensor: TensorMap) -> TensorMap:
    """The same numbers and gradient rows, in the other order of the samples."""
    (block,) = tensor
    labels = jm.DynamicLabels(block.samples.names, block.samples.values[::-1])
    gradients = dict(block.gradients())
    other = TensorBlock(block.values, labels, [], block.properties, gradients)
    return TensorMap(tensor.keys, [other])


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("gradients", ["both", "left"])
@pytest.mark.parametrize("name", ["add", "multiply"])
def test_operands_with_other_samples_spoil_values_and_gradients(
    name: str, gradients: str, compiled: bool
) -> None:
    recipe = Recipe(rows=(4,), gradients=("positions", "positions/positions"), density=1.0)
    recipe = (
        recipe if name == "add" else dataclasses.replace(recipe, gradients=("positions",))
    )
    left = jm.pad(
        random_map(recipe), {"samples": 4, "positions": 12, "positions/positions": 80}
    )
    right = _renumbered(left)
    right = right if gradients == "both" else jm.remove_gradients(right)

    def run() -> TensorMap:
        # Whether errors are raised is settled when a function is traced.
        operation = partial(getattr(jm, name))
        return (jax.jit(operation) if compiled else operation)(left, right)

    (block,) = run()
    (gradient,) = [own for _, own in block.gradients()]
    parts = [block, gradient, *(own for _, own in gradient.gradients())]
    assert len(parts) == (3 if name == "add" else 2)
    assert all(np.isnan(part.values).all() for part in parts)
    with jm.debug.raising(), pytest.raises(Exception, match="the samples of block"):
        jax.block_until_ready(run())


def test_operands_with_other_gradient_rows_keep_their_values() -> None:
    left = jm.pad(random_map(Recipe(rows=(4,), gradients=("positions",))), ROOM)
    (block,) = left
    gradient = block.gradient("positions")
    labels = jm.DynamicLabels(gradient.samples.names, gradient.samples.values[::-1])
    moved = TensorBlock(gradient.values, labels, gradient.components, gradient.properties)
    right = TensorMap(left.keys, [block.with_gradient("positions", moved)])
    (found,) = left + right
    np.testing.assert_array_equal(found.values, 2 * block.values)
    assert np.isnan(found.gradient("positions").values).all()
