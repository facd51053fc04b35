"""Every operation carries explicit gradients exactly, or is named here with the reason.

An operation that is exported and has neither a case nor a reason to have none fails the
first test: nothing is left out by forgetting.
"""

from __future__ import annotations

import inspect
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from metatensor_oracle import outcome
from operations.examples import share

import jaxmeta as jm
from benchmarks._cases import ANY_DEPTH, NOT, Case, cases
from benchmarks._deviations import TRIED_WITH, WITHOUT_GRADIENTS
from jaxmeta import TensorBlock, TensorMap
from jaxmeta.errors import NestedGradientsError
from jaxmeta.testing import Recipe, assert_exact_gradients, random_map, random_partner
from jaxmeta.testing.strategies import recipes


CARRYING = {case.title: case for case in cases() if case.gradients != NOT}


# The forms for blocks run the plans of those for maps: the first order is enough for them.
OF_MAPS = [title for title, case in CARRYING.items() if not case.name.endswith("_block")]


def test_every_exported_operation_is_in_a_case_or_named() -> None:
    exported = {
        name
        for name, value in vars(jm).items()
        if callable(value)
        and (getattr(value, "__module__", None) or "").startswith("jaxmeta.operations")
    }
    covered = {case.name for case in CARRYING.values()}
    others = set(WITHOUT_GRADIENTS) | set(TRIED_WITH)
    assert len(exported) > 100
    assert exported - covered - others == set()
    assert others - exported == set()
    assert covered & others == set()


# Methods that give a map or a block, and need no case of their own.
METHODS = {
    "TensorMap.with_info",
    "TensorMap.block",
    "TensorMap.block_by_id",
    "TensorBlock.gradient",
    "TensorBlock.with_gradient",
    "TensorBlock.with_values",
    "TensorBlock.sel",
}


def test_every_method_that_gives_a_map_is_in_a_case_or_named() -> None:
    methods = {
        f"{cls.__name__}.{name}"
        for cls in (TensorMap, TensorBlock)
        for name, value in vars(cls).items()
        if inspect.isfunction(value)
        and value.__annotations__.get("return") in ("TensorMap", "TensorBlock")
        and not name.startswith("_")
    }
    covered = {case.name for case in CARRYING.values()}
    assert methods - covered == METHODS


# The example that comes first has a mixed and a pure derivative of second order.
SECOND = st.sampled_from(
    [
        ("positions", "strain", "positions/strain", "strain/strain"),
        ("positions", "positions/positions"),
        ("positions", "strain", "positions/strain"),
    ]
)
DENSITIES = st.sampled_from([0.4, 0.7])


def _recipes(order: int, **fields: Any) -> st.SearchStrategy[Recipe]:
    """Few shapes, so that few programs are compiled; components agree between blocks.

    The example that hypothesis begins with, the first of everything, has gradients.
    """
    some = {
        "rows": st.sampled_from([(0, 4), (1, 4), (4,)]),
        "components": (3,),
        "gradients": st.sampled_from([("positions", "strain"), ("positions",), ()]),
        "density": st.sampled_from([0.5, 1.0, 0.0]),
    }
    return recipes(order, shared=("components",), **(some | fields))


def _check(case: Case, recipe: Recipe) -> None:
    left = random_map(recipe)
    maps = case.operands(left, random_partner(left, recipe))
    held = [tensor for tensor in maps if tensor.dtype == np.bool_]
    moving = [tensor for tensor in maps if tensor.dtype != np.bool_]
    assert_exact_gradients(lambda *others: case.call(jm, *held, *others), *moving)


@pytest.mark.parametrize("title", CARRYING)
@share(25)
@given(recipe=_recipes(order=1))
def test_gradients_are_exact(title: str, recipe: Recipe) -> None:
    _check(CARRYING[title], recipe)


@pytest.mark.parametrize("title", OF_MAPS)
@share(50)
@given(recipe=_recipes(order=2, rows=(4,), gradients=SECOND, density=DENSITIES))
def test_gradients_of_gradients_are_exact(title: str, recipe: Recipe) -> None:
    _check(CARRYING[title], recipe)


def test_what_rounding_leaves_of_terms_that_cancel_is_no_fault() -> None:
    """The deviation of two numbers is linear: its second derivatives are zero."""
    recipe = Recipe(
        rows=(4,),
        components=(3,),
        gradients=("positions", "strain", "positions/strain"),
        density=0.4,
        shared=("components",),
        seed=1354,
    )
    _check(CARRYING["std_over_samples"], recipe)


@pytest.mark.parametrize("title", OF_MAPS)
def test_a_third_order_is_exact_where_the_operation_is_linear(title: str) -> None:
    # All derivatives that a product rule of third order takes.
    second = ("positions/strain", "strain/strain")
    gradients = ("positions", "strain", *second, "positions/strain/strain")
    recipe = Recipe(rows=(4,), components=(3,), gradients=gradients, shared=("components",))
    result = outcome(_check, CARRYING[title], recipe)
    if CARRYING[title].gradients == ANY_DEPTH:
        assert result is None, result
    else:
        assert isinstance(result, NestedGradientsError), result


def test_the_checks_need_gradients() -> None:
    """A recipe of the tests above has gradient rows, and some that are not there."""
    recipe = Recipe(rows=(4,), gradients=("positions", "positions/positions"))
    gradient = random_map(recipe)[0].gradient("positions")
    assert 0 < len(gradient.samples) < 12
    assert len(gradient.gradient("positions").samples) > 0
