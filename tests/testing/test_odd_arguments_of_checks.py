"""Wrong arguments of what tests are made of: errors that say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from typed_calls import untyped

from jaxmeta.errors import InvalidError, InvalidTypeError
from jaxmeta.representations.clebsch_gordan import (
    cg_couple,
    cg_tensor_product,
    cg_uncouple,
)
from jaxmeta.testing import (
    Recipe,
    assert_exact_gradients,
    random_block,
    random_map,
    random_partner,
)


TENSOR = random_map(Recipe(rows=(3,)))
VECTORS = np.ones((2, 3, 1))

WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "map": (random_map, "must be a Recipe"),
    "block": (random_block, "must be a Recipe"),
    "partner of": (lambda x: random_partner(x, Recipe()), "must be a TensorMap"),
    "partner": (lambda x: random_partner(TENSOR, x), "must be a Recipe"),
    "operation": (lambda x: assert_exact_gradients(x, TENSOR), "operation must be"),
    "dtype": (
        lambda x: assert_exact_gradients(lambda t: t, TENSOR, dtype=x),
        "dtype must be a dtype",
    ),
    "degrees to couple": (
        lambda x: cg_couple(np.ones((2, 3, 3, 1)), x),
        "o3_lambdas must be a list",
    ),
    "degrees": (
        lambda x: cg_tensor_product(VECTORS, VECTORS, x),
        "o3_lambdas must be a list",
    ),
    "arrays": (lambda x: cg_uncouple(x, 1, 1, [0]), "arrays must be a list"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_explained(name: str) -> None:
    function, message = WRONG[name]
    for wrong in (3, object(), 1.5):
        with untyped(), pytest.raises(InvalidTypeError, match=message):
            function(wrong)


@pytest.mark.parametrize("values", ["", 0, [], "values"])
def test_values_that_are_no_function_are_never_taken_for_none(values: Any) -> None:
    with untyped(), pytest.raises(InvalidTypeError, match="values= must be a function"):
        assert_exact_gradients(lambda t: 2 * t, TENSOR, values=values)


def test_one_degree_alone_is_no_list() -> None:
    with pytest.raises(InvalidError):
        cg_uncouple([VECTORS], 1, 1, [0, 1])
