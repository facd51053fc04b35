"""Random maps are of every kind that recipes promise, and strategies draw all of them."""

from __future__ import annotations

import dataclasses
import importlib
import random
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from typed_calls import untyped

import jaxmeta as jm
from jaxmeta import Labels, TensorMap
from jaxmeta.errors import (
    FailedCheckError,
    InvalidError,
    InvalidTypeError,
    MissingExtraError,
    PrecisionError,
)
from jaxmeta.testing import (
    Recipe,
    assert_exact_gradients,
    random_block,
    random_map,
    random_partner,
)
from jaxmeta.testing.strategies import (
    _quietly,
    blocks,
    labels,
    names,
    pairs,
    recipes,
    rows,
    tensors,
)


few = settings(max_examples=10)
without_shrinking = settings(max_examples=300, phases=[Phase.generate])


# Recipes --------------------------------------------------------------------------------


def test_a_recipe_gives_one_map() -> None:
    recipe = Recipe(seed=5, gradients=("positions", "positions/strain"))
    assert jm.equal(random_map(recipe), random_map(recipe))
    assert random_map(recipe)[0] == random_block(recipe)
    other = dataclasses.replace(recipe, seed=6)
    assert not jm.equal_metadata(random_map(recipe), random_map(other))


def test_shapes_and_names() -> None:
    recipe = Recipe(
        rows=(4, 0, 20),
        components=(3, 1),
        properties=(2, 0, 5),
        gradients=("strain", "mass", "strain/strain", "strain/strain/cell"),
        component_names=("m", "q"),
        sample_names=("s",),
        key_names=("a", "b"),
        info=(("unit", "kcal"),),
    )
    tensor = random_map(recipe)
    assert [block.shape for block in tensor] == [(4, 3, 1, 2), (0, 3, 1, 0), (20, 3, 1, 5)]
    assert tensor.keys.names == ["a", "b"]
    assert tensor.component_names == ["m", "q"]
    assert tensor.sample_names == ["s"]
    assert tensor.info() == {"unit": "kcal"}
    strain = tensor[2].gradient("strain")
    assert strain.shape == (10, 2, 2, 3, 1, 5)
    twice = strain.gradient("strain")
    found = [labels.names[0] for labels in twice.gradient("cell").components]
    own = ["abc", "xyz", "xyz_1_2", "xyz_2_2", "xyz_1", "xyz_2"]
    assert found == [*own, "m", "q"]
    assert tensor[2].gradient("mass").shape == (10, 3, 1, 5)
    keys = Labels("k", [[7], [3], [9]])
    assert random_map(recipe, keys).keys == keys


def test_labels_are_unsorted_and_may_be_negative() -> None:
    block = random_block(Recipe(rows=(16,), properties=6, components=(3,)))
    gradient = block.gradient("positions")
    for axis in (block.samples, block.properties, *block.components, gradient.samples):
        table = np.asarray(axis.values)
        assert len(np.unique(table, axis=0)) == len(table)
        assert (np.lexsort(table.T[::-1]) != np.arange(len(table))).any()
    for axis in (block.samples, block.properties, *block.components):
        assert np.asarray(axis.values).min() == -1


@pytest.mark.parametrize(("density", "count"), [(0.0, 0), (0.5, 6), (1.0, 12)])
def test_the_density_is_that_of_gradient_rows(density: float, count: int) -> None:
    block = random_block(Recipe(rows=(4,), density=density))
    assert len(block.gradient("positions").samples) == count


def test_shared_axes_are_those_of_the_first_block() -> None:
    recipe = Recipe(rows=(2, 4, 4), components=(3,), seed=1)
    free = random_map(recipe)
    assert len({block.properties for block in free}) == 3
    assert len({block.components[0] for block in free}) > 1
    alike = random_map(dataclasses.replace(recipe, shared=("components", "properties")))
    assert len({block.properties for block in alike}) == 1
    assert len({block.components[0] for block in alike}) == 1
    assert alike[1].gradient("positions").properties == alike[0].properties


NUMBERS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("nonzero", "float64"): lambda x: (abs(x) >= 0.5) & (abs(x) <= 2),
    ("nonzero", "float32"): lambda x: (abs(x) >= 0.5) & (abs(x) <= 2),
    ("nonzero", "int32"): lambda x: x != 0,
    ("positive", "float64"): lambda x: (x >= 0.5) & (x <= 2),
    ("positive", "complex64"): lambda x: x.real > 0,
    ("whole", "float16"): lambda x: x == x.round(),
    ("whole", "complex128"): lambda x: (x.real == x.real.round()) & (x.imag == x.imag // 1),
}


@pytest.mark.parametrize("kind", NUMBERS, ids=" ".join)
def test_numbers_are_of_their_kind(kind: tuple[str, str]) -> None:
    numbers, dtype = kind
    block = random_block(Recipe(rows=(40,), numbers=numbers, dtype=dtype))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(block)} == {dtype}
    values = np.asarray(block.values)
    assert NUMBERS[kind](values).all()
    assert len(np.unique(values)) > 40
    assert (values.real < 0).any() == (numbers != "positive")
    # The derivative of a positive number is any number.
    assert (np.asarray(block.gradient("positions").values).real < 0).any()


def test_numbers_of_another_kind_are_refused() -> None:
    with pytest.raises(InvalidError, match=r"no 'positve' numbers.*\n.*did you mean"):
        random_map(Recipe(numbers="positve"))
    with jax.enable_x64(False), pytest.raises(PrecisionError, match="float32"):
        random_map(Recipe())


def test_a_partner_differs_in_numbers_and_gradient_rows() -> None:
    gradients = ("positions", "strain", "positions/strain")
    recipe = Recipe(rows=(4, 5), gradients=gradients)
    left = random_map(recipe)
    right = random_partner(left, recipe)
    assert right.keys == left.keys
    for own, other in zip(left, right, strict=True):
        for axis in ("samples", "components", "properties"):
            assert getattr(own, axis) == getattr(other, axis)
        assert (own.values != other.values).all()
        assert own.gradient("positions").samples != other.gradient("positions").samples
        assert other.gradient("positions").gradients_list() == ["strain"]
    product = left * right
    assert len(product[0].gradient("positions").samples) > 6


# Strategies -----------------------------------------------------------------------------


WANTED: dict[str, tuple[Any, Callable[[Any], bool]]] = {
    "no samples": (tensors(), lambda t: any(b.shape[0] == 0 for b in t)),
    "no properties": (tensors(), lambda t: t[0].shape[-1] == 0 and t[0].shape[0] > 0),
    "three blocks": (tensors(), lambda t: len(t) == 3),
    "no gradients": (tensors(), lambda t: not t[0].gradients_list()),
    "two gradients": (tensors(), lambda t: len(t[0].gradients_list()) == 2),
    "two components": (blocks(), lambda b: len(b.components) == 2),
    "no gradient rows": (
        blocks(gradients=("strain",), rows=(4,)),
        lambda b: len(b.gradient("strain").samples) == 0,
    ),
    "all gradient rows": (
        blocks(gradients=("strain",), rows=(4,)),
        lambda b: len(b.gradient("strain").samples) == 4,
    ),
    "positions of positions": (
        blocks(order=2),
        lambda b: b.gradient("positions").has_gradient("positions"),
    ),
    "positions of strain": (
        blocks(order=2),
        lambda b: (
            b.has_gradient("strain") and b.gradient("strain").has_gradient("positions")
        ),
    ),
    "pairs": (pairs(order=0), lambda pair: pair[0][0].values.size > 0),
    "extreme labels": (labels(["a"]), lambda some: 2**31 - 1 in some.values),
    "no labels": (labels(), lambda some: len(some) == 0 and len(some.names) == 3),
    "no names": (names(min_size=0), lambda some: some == []),
    "rows without columns": (rows(0), lambda table: table.shape == (1, 0)),
    "small rows": (rows(1, extreme=False), lambda table: table.size > 4),
}


@pytest.mark.parametrize("kind", WANTED)
def test_every_kind_is_drawn(kind: str) -> None:
    strategy, wanted = WANTED[kind]
    assert wanted(find(strategy, wanted, settings=without_shrinking))


@few
@given(tensors(order=2, rows=st.just((4,))))
def test_second_order_has_all_that_it_needs(tensor: TensorMap) -> None:
    """The values have a gradient with the labels of each gradient of a gradient."""
    for name, gradient in tensor[0].gradients():
        for inner, mixed in gradient.gradients():
            top = tensor[0].gradient(inner)
            assert mixed.samples.names == top.samples.names, name
            extra = len(mixed.components) - len(gradient.components)
            own = [axis.values.tolist() for axis in mixed.components[:extra]]
            count = len(top.components) - len(tensor[0].components)
            assert own == [axis.values.tolist() for axis in top.components[:count]]


@few
@given(recipes(order=1, dtype=st.sampled_from(["float32", "complex64"]), density=0.25))
def test_fields_are_values_or_strategies(recipe: Recipe) -> None:
    assert recipe.dtype in ("float32", "complex64")
    assert recipe.density == 0.25
    assert random_map(recipe).dtype == recipe.dtype


@few
@given(pairs())
def test_pairs_have_the_same_labels(pair: tuple[TensorMap, TensorMap]) -> None:
    left, right = map(jm.remove_gradients, pair)
    assert jm.equal_metadata(left, right)


@pytest.mark.parametrize("order", [4, -1, 1.0, "first"])
def test_an_order_that_is_none(order: Any) -> None:
    with untyped(), pytest.raises(InvalidError, match=f"found {order!r}\n.*takes any"):
        recipes(order=order)


def test_random_numbers_of_others_are_left_alone() -> None:
    """hypothesis stops where a strategy changes them, as type checkers at run time do."""
    before = random.getstate()
    assert _quietly(random.random) == _quietly(random.random)
    assert random.getstate() == before


def test_without_hypothesis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "jaxmeta.testing.strategies")
    with pytest.raises(MissingExtraError, match=r'pip install "jaxmeta\[testing\]"'):
        importlib.import_module("jaxmeta.testing.strategies")
    monkeypatch.delitem(sys.modules, "jaxmeta.testing")
    assert importlib.import_module("jaxmeta.testing").Recipe


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"gradients": "positions"}, "tuple of names"),
        ({"gradients": ("a/b",)}, "which is not there"),
        ({"density": 2.0}, "between 0 and 1"),
        ({"density": float("nan")}, "between 0 and 1"),
        ({"components": (3, 2), "component_names": ("m",)}, "one for each of 2 components"),
        ({"rows": (-1,)}, "not negative"),
        ({"components": (3, -2)}, "among the components is not negative.\n  found -2"),
        ({"properties": -1}, "not negative"),
        ({"properties": (2,), "rows": (4, 4)}, "for each of 2 blocks"),
        ({"seed": -1}, "seed is not negative"),
    ],
)
def test_a_recipe_for_nothing_is_refused(fields: Any, says: str) -> None:
    with untyped(), pytest.raises(InvalidError, match=says):
        Recipe(**fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"density": "half"}, "density is a number.\n  found 'half', a str"),
        ({"rows": 4}, r"rows are a tuple of sizes, as \(4, 5\)"),
        ({"rows": (1.5,)}, "among the rows is a whole number.\n  found 1.5, a float"),
        ({"components": "33"}, "components are a tuple of sizes"),
        ({"components": (True,)}, "whole number.\n  found True, a bool"),
        ({"properties": 2.0}, "properties is a whole number"),
        ({"properties": (2, None)}, "properties is a whole number.\n  found None"),
        ({"seed": 0.5}, "seed is a whole number"),
    ],
)
def test_numbers_of_another_type_are_refused(fields: Any, says: str) -> None:
    with untyped(), pytest.raises(InvalidTypeError, match=f"^Recipe: .*{says}"):
        Recipe(**fields)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"rtol": -1}, InvalidTypeError, "rtol must be a number that is not negative"),
        ({"atol": "small"}, InvalidTypeError, "atol must be .*\n  found 'small', a str"),
        ({"rtol": float("nan")}, InvalidTypeError, "found nan"),
        ({"order": 1.5}, InvalidTypeError, "a whole number.\n  found 1.5.*\n  None checks"),
        ({"order": True}, InvalidTypeError, "found True, a bool"),
        ({"order": 0}, InvalidError, "1 or more.\n  found 0\n  None checks"),
    ],
)
def test_a_check_with_wrong_numbers_is_refused(
    arguments: Any, error: type[Exception], says: str
) -> None:
    tensor = random_map(Recipe(rows=(4,)))
    with untyped(), pytest.raises(error, match=f"(?s)^assert_exact_gradients: .*{says}"):
        assert_exact_gradients(lambda t: 2 * t, tensor, **arguments)


def test_numbers_that_are_none_are_refused() -> None:
    tensor = random_map(Recipe(rows=(4,)))
    with pytest.raises(FailedCheckError, match="not finite"):
        assert_exact_gradients(lambda t: jm.log(-1.0 * jm.abs(t)), tensor)
