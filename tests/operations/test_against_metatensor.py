"""Every operation that metatensor has: the same values, labels and orders.

Where one of the two refuses its operands the other one must refuse them too. What differs
on purpose stands in `benchmarks._deviations`, each with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import metatensor as mts
import pytest
from hypothesis import given
from metatensor_oracle import map_there, outcome
from operations.examples import (
    Recipe,
    random_map,
    share,
    with_other_numbers,
    with_other_values,
)
from operations.peer import assert_agree

import jaxmeta as jm
from benchmarks._cases import cases
from benchmarks._deviations import DEVIATIONS
from jaxmeta import TensorMap


CASES = {case.title: case for case in cases() if case.peer}


def _compared(name: str, maps: Sequence[TensorMap]) -> str:
    for deviation in DEVIATIONS:
        if name in deviation.operations and deviation.where(maps):
            return deviation.compared
    return "all"


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    gradients = draw(st.sampled_from([(), ("positions",), ("positions", "strain")]))
    return Recipe(
        rows=tuple(draw(st.lists(st.sampled_from([0, 1, 4]), min_size=1, max_size=3))),
        components=draw(st.sampled_from([(), (3,)])),
        gradients=gradients,
        density=draw(st.sampled_from([0.0, 0.5, 1.0])),
        shared=("components",),
        seed=draw(st.integers(0, 2**16)),
    )


# The forms for blocks run the plans of those for maps.
AT_LENGTH = [title for title, case in CASES.items() if case.name.endswith("_block")]


@pytest.mark.parametrize(
    "title",
    [pytest.param(t, marks=[pytest.mark.long] * (t in AT_LENGTH)) for t in CASES],
)
@share(4)
@given(recipe=recipes())
def test_the_same_as_metatensor(title: str, recipe: Recipe) -> None:
    case = CASES[title]
    left = random_map(recipe)
    maps = case.operands(left, with_other_numbers(left, recipe.seed + 1))
    compared = _compared(case.name, maps)
    ours = outcome(case.call, jm, *maps)
    theirs = outcome(case.call, mts, *[map_there(tensor) for tensor in maps])
    if compared != "nothing":
        _assert_same(ours, theirs, compared)
    else:
        assert not isinstance(ours, Exception), ours


def _assert_same(ours: Any, theirs: Any, compared: str) -> None:
    failed = [isinstance(result, Exception) for result in (ours, theirs)]
    assert failed[0] == failed[1], (ours, theirs)
    if failed[0]:
        assert isinstance(ours, jm.JaxmetaError)
    elif isinstance(ours, list):
        for one, other in zip(ours, theirs, strict=True):
            _assert_same(one, other, compared)
    else:
        assert_agree(ours, theirs, numbers=compared)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
def test_gradient_rows_of_two_maps_need_not_be_the_same(name: str) -> None:
    """metatensor refuses them; a row that one map lacks is zero, so they are merged."""
    recipe = Recipe(rows=(4,))
    left = random_map(recipe)
    right = with_other_values(left, recipe)
    with pytest.raises(mts.NotEqualError):
        getattr(mts, name)(map_there(left), map_there(right))
    assert len(getattr(jm, name)(left, right)[0].gradient("positions").samples) > 0


def test_every_deviation_is_of_an_operation() -> None:
    for deviation in DEVIATIONS:
        assert all(hasattr(jm, name) for name in deviation.operations)
        assert len(deviation.reason) > 20
