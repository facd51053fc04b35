"""Where operations do something else than metatensor on purpose: both are shown here.

Each entry of `benchmarks._deviations` has an example, which says what either of the two
gives, or which error it raises. What metatensor has repaired is thus seen, and leaves the
list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import metatensor as mts
import numpy as np
import pytest
from metatensor_oracle import map_there, outcome
from operations.examples import with_other_values

import jaxmeta as jm
from benchmarks._deviations import DEVIATIONS
from jaxmeta import Labels, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError
from jaxmeta.testing import Recipe, random_map


RECIPE = Recipe(rows=(4,), gradients=("positions",), info=(("unit", "eV"),))
CARRYING = random_map(RECIPE)
PLAIN = jm.remove_gradients(CARRYING)
WHOLE = PLAIN.to(dtype=np.int64)
VECTORS = random_map(Recipe(rows=(4,), components=(3,), properties=4))
NESTED = random_map(Recipe(rows=(4,), gradients=("positions", "positions/strain")))
NO_SAMPLES = jm.slice(PLAIN, "samples", [])
NO_PROPERTIES = jm.slice(PLAIN, "properties", [])
NO_BLOCKS = TensorMap(Labels.empty("k"), [])


@dataclasses.dataclass(frozen=True)
class Shown:
    """An example: a call of either library on some maps, and what comes of it."""

    call: Callable[..., Any]
    maps: tuple[TensorMap, ...]
    ours: Any
    theirs: Any


def _means_of_gradients(library: Any, tensor: Any) -> Any:
    """One gradient row among two samples, all ones: half of it is the derivative."""
    mean = library.mean_over_samples(tensor, ["atom"])
    return np.unique(np.asarray(mean[0].gradient("g").values)).tolist()


def _one_row_of_two() -> TensorMap:
    n = Labels.range("n", 1)
    ones = np.ones((1, 1))
    gradient = jm.TensorBlock(ones, Labels(["sample"], [[0]]), [], n)
    samples = Labels(["system", "atom"], [[0, 0], [0, 1]])
    block = jm.TensorBlock(np.ones((2, 1)), samples, [], n, {"g": gradient})
    return TensorMap(Labels.single(), [block])


def _random(library: Any, tensor: Any, **options: Any) -> Any:
    keys = [jax.random.key(0)] if library is jm else []
    return library.random_uniform_like(*keys, tensor, **options)


def _values(tensor: Any) -> np.ndarray:
    return np.asarray(tensor[0].values)


def _in_ev(tensor: Any) -> Any:
    """The map with info: what made the copies for metatensor left it out."""
    if isinstance(tensor, TensorMap):
        return tensor.with_info(unit="eV")
    tensor.set_info("unit", "eV")
    assert dict(tensor.info()) == {"unit": "eV"}
    return tensor


def _complex() -> TensorMap:
    """One system of two atoms, i and -i: their variance is 1, their mean square -1."""
    samples = Labels(["system", "atom"], [[0, 0], [0, 1]])
    values = np.array([[1j], [-1j]])
    block = jm.TensorBlock(values, samples, [], Labels.range("n", 1))
    return TensorMap(Labels.single(), [block])


EXAMPLES: dict[str, Shown] = {
    "means of gradients": Shown(_means_of_gradients, (_one_row_of_two(),), [0.5], [1.0]),
    "means beside components": Shown(
        lambda library, t: _values(library.mean_over_properties(t, ["l"])).shape[1],
        (VECTORS,),
        3,
        Exception,
    ),
    "sorting empty blocks": Shown(
        lambda library, t: library.sort(t)[0].properties.values.tolist(),
        (NO_SAMPLES,),
        sorted(NO_SAMPLES[0].properties.values.tolist()),
        NO_SAMPLES[0].properties.values.tolist(),
    ),
    "other gradients": Shown(
        lambda library, a, b: library.add(a, b)[0].gradients_list(),
        (CARRYING, with_other_values(CARRYING, RECIPE)),
        ["positions"],
        mts.NotEqualError,
    ),
    "dot with gradients": Shown(
        lambda library, t: library.dot(t, t)[0].gradients_list(),
        (CARRYING,),
        ["positions"],
        ValueError,
    ),
    "positions that stand twice": Shown(
        lambda library, t: len(library.slice(t, "samples", [0, 0])[0].samples),
        (PLAIN,),
        InvalidError,
        2,
    ),
    "dimensions of components": Shown(
        lambda library, t: (
            library.rename_dimension(t, "components", "a", "b").block().components[0].names
        ),
        (VECTORS,),
        MissingError,
        VECTORS[0].components[0].names,
    ),
    "complex variances": Shown(
        lambda library, t: _values(library.var_over_samples(t, ["atom"])).tolist(),
        (_complex(),),
        [[1.0]],
        [[-1.0 + 0.0j]],
    ),
    "gradients of gradients": Shown(
        lambda library, t: (
            library.rename_dimension(t, "properties", "l", "q")
            .block()
            .gradient("positions")
            .gradients_list()
        ),
        (NESTED,),
        ["strain"],
        [],
    ),
    "info": Shown(
        lambda library, t: dict(library.multiply(_in_ev(t), 2.0).info()),
        (CARRYING,),
        {"unit": "eV"},
        {},
    ),
    "whole numbers": Shown(
        lambda library, t: str(_values(library.multiply(t, 2)).dtype),
        (WHOLE,),
        "int64",
        "float64",
    ),
    "single precision": Shown(
        lambda library, t: str(_values(library.std_over_samples(t, ["atom"])).dtype),
        (CARRYING.to(dtype=np.float32),),
        "float32",
        mts.MetatensorError,
    ),
    "all dimensions of no samples": Shown(
        lambda library, t: list(
            library.sum_over_samples(t, ["system", "atom"])[0].samples.names
        ),
        (NO_SAMPLES,),
        ["_"],
        [],
    ),
    "all dimensions of no properties": Shown(
        lambda library, t: list(
            library.sum_over_properties(t, ["n", "l"])[0].properties.names
        ),
        (NO_PROPERTIES,),
        ["_"],
        [],
    ),
    "gradients without properties": Shown(
        lambda library, t: library.abs(t)[0].gradients_list(),
        (jm.slice(CARRYING, "properties", []),),
        ["positions"],
        ValueError,
    ),
    "maps without blocks": Shown(
        lambda library, t: len(library.sort(t)), (NO_BLOCKS,), 0, IndexError
    ),
    "no name to be unique in": Shown(
        lambda library, t: list(library.unique_metadata(t, "samples", []).names),
        (PLAIN,),
        InvalidError,
        [],
    ),
    "other random numbers": Shown(
        lambda library, t: not _values(_random(library, t)).any(),
        (WHOLE,),
        InvalidTypeError,
        True,
    ),
    "one name": Shown(
        lambda library: list(
            library.block_from_array(
                np.ones((2, 3)), sample_names="ss", property_names=["p"]
            ).samples.names
        ),
        (),
        ["ss"],
        ValueError,
    ),
    "a gradient named twice": Shown(
        lambda library, t: library.zeros_like(t, gradients=["positions"] * 2)[
            0
        ].gradients_list(),
        (CARRYING,),
        ["positions"],
        mts.MetatensorError,
    ),
}
# What has no result to compare.
WITHOUT_EXAMPLE = {"empty_like", "keys of random numbers", "requires_grad", "checks"}


def test_every_deviation_has_an_example() -> None:
    titles = [deviation.title for deviation in DEVIATIONS]
    assert len(set(titles)) == len(titles)
    assert set(titles) == EXAMPLES.keys() | WITHOUT_EXAMPLE


@pytest.mark.parametrize("title", EXAMPLES)
def test_the_two_differ(title: str) -> None:
    shown = EXAMPLES[title]
    _assert_is(outcome(shown.call, jm, *shown.maps), shown.ours)
    there = [map_there(tensor) for tensor in shown.maps]
    _assert_is(outcome(shown.call, mts, *there), shown.theirs)


def _assert_is(found: Any, expected: Any) -> None:
    if isinstance(expected, type):
        assert isinstance(found, expected), found
    else:
        assert not isinstance(found, Exception), found
        assert found == expected
