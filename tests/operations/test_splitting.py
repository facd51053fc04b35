"""Splits by selections and by value.

Known deviations from metatensor: a position that stands twice is an error, gradients of
gradients follow, and a map without blocks gives maps without blocks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import block_there, labels_there, map_there
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact
from operations.peer import assert_agree, assert_blocks_agree
from operations.test_messages_of_operations import assert_house_form

import jaxmeta as jm
from jaxmeta import Labels, TensorMap
from jaxmeta.core.plans import _plans
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    OutOfRangeError,
)


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[list[str], np.ndarray]]:
    """Several selections of samples, which may overlap, by other names each."""
    found = []
    for _ in range(draw(st.integers(0, 3))):
        both = [["atom", "system"], ["system", "atom"]]
        names = draw(st.sampled_from([["atom"], ["system"], *both]))
        row = st.tuples(*[st.integers(-1, 3)] * len(names))
        rows = draw(st.lists(row, unique=True, max_size=5))
        found.append((names, np.array(rows, np.int32).reshape(-1, len(names))))
    return found


@share(2)
@given(recipe=recipes(), tables=tables())
def test_samples_by_labels_as_metatensor(recipe: Recipe, tables: Any) -> None:
    tensor, wanted = random_map(recipe), [Labels(*table) for table in tables]
    theirs = mts.split(map_there(tensor), "samples", [labels_there(w) for w in wanted])
    for part, there in zip(jm.split(tensor, "samples", wanted), theirs, strict=True):
        assert_agree(part, there)
        assert part.info() == tensor.info()


MIXED = {
    "samples": [[2, 0], [], Labels("atom", [[1], [-1]]), np.array([3]), range(4)],
    "properties": [[1, 0], [0], [], Labels("n", [[0], [7]])],
}


@pytest.mark.parametrize("axis", MIXED)
def test_kinds_of_selections_as_metatensor(axis: str) -> None:
    recipe = Recipe(rows=(4, 4), gradients=("positions", "strain"), components=(3,))
    tensor = random_map(recipe)
    there = [
        labels_there(s) if isinstance(s, Labels) else np.array(s, np.int64)
        for s in MIXED[axis]
    ]
    parts = jm.split(tensor, axis, MIXED[axis])
    for part, other in zip(parts, mts.split(map_there(tensor), axis, there), strict=True):
        assert_agree(part, other)
    parts = jm.split_block(tensor[1], axis, MIXED[axis])
    theirs = mts.split_block(block_there(tensor[1]), axis, there)
    for part, other in zip(parts, theirs, strict=True):
        assert_blocks_agree(part, other)


@pytest.mark.parametrize("axis", MIXED)
def test_parts_are_slices(axis: str) -> None:
    tensor = random_map(Recipe(rows=(4, 4), nested=True))
    for part, selection in zip(
        jm.split(tensor, axis, MIXED[axis]), MIXED[axis], strict=True
    ):
        assert part == jm.slice(tensor, axis, selection)
    for part, selection in zip(
        jm.split_block(tensor[0], axis, MIXED[axis]), MIXED[axis], strict=True
    ):
        assert part == jm.slice_block(tensor[0], axis, selection)
    # The whole is not touched.
    whole = jm.split(tensor, axis, [[0], range(4 if axis == "samples" else 2)])[1]
    assert whole._layout is tensor._layout
    assert whole._leaves is tensor._leaves


@share(8)
@given(recipe=recipes(nested=True), axis=st.sampled_from(["samples", "properties"]))
def test_gradients_of_each_part(recipe: Recipe, axis: str) -> None:
    wanted = {
        "samples": [Labels("atom", [[1], [0]]), Labels("system", [[-1]])],
        "properties": [Labels("l", [[1], [0]]), Labels("n", [[2]])],
    }
    for i in range(2):
        assert_exact(lambda a, i=i: jm.split(a, axis, wanted[axis])[i], random_map(recipe))


def wanted(names: str | list[str], key: Any) -> dict[str, int]:
    """The key of a part as `sel` takes it."""
    return {names: key} if isinstance(names, str) else dict(zip(names, key, strict=True))


def rows_of(tensor: TensorMap) -> list[list[tuple[int, ...]]]:
    return [[tuple(row) for row in b.samples.values.tolist()] for b in tensor]


@pytest.mark.parametrize("names", ["system", "atom", ["atom", "system"], ["system"]])
@share(6)
@given(recipe=recipes(nested=True))
def test_samples_by_value(names: Any, recipe: Recipe) -> None:
    tensor = random_map(recipe)
    parts = jm.split_by(tensor, "samples", names)
    listed = [names] if isinstance(names, str) else names
    values = {
        tuple(entry[name] for name in listed) for block in tensor for entry in block.samples
    }
    keys = sorted(v[0] for v in values) if isinstance(names, str) else sorted(values)
    assert list(parts) == keys
    for key, part in parts.items():
        assert part == tensor.sel(samples=wanted(names, key))
        assert part.info() == tensor.info()
    # Every row is in one part, in its order there.
    for number, rows in enumerate(rows_of(tensor)):
        found = [row for part in parts.values() for row in rows_of(part)[number]]
        assert sorted(found) == sorted(rows)


def test_properties_by_value() -> None:
    tensor = random_map(
        Recipe(rows=(4, 0), nested=True, components=(3,), properties=5, seed=3)
    )
    for names in ("l", ["n", "l"]):
        parts = jm.split_by(tensor, "properties", names)
        for key, part in parts.items():
            value = (
                {names: key}
                if isinstance(names, str)
                else dict(zip(names, key, strict=True))
            )
            assert part == tensor.sel(properties=value)
        total = sum(len(block.properties) for part in parts.values() for block in part)
        assert total == 10
    assert all(type(key) is int for key in jm.split_by(tensor, "properties", "l"))


def test_keys_by_value() -> None:
    tensor = random_map(Recipe(rows=(4, 1, 0), nested=True))
    for names in ("center", ["sigma", "neighbor"]):
        parts = jm.split_by(tensor, "keys", names)
        assert list(parts) == sorted(parts)
        for key, part in parts.items():
            value = (
                {names: key}
                if isinstance(names, str)
                else dict(zip(names, key, strict=True))
            )
            expected = tensor.sel(keys=value)
            assert part._layout is expected._layout
            pairs = zip(part._leaves, expected._leaves, strict=True)
            assert all(a is b for a, b in pairs)
        assert sum(map(len, parts.values())) == 3


def test_blocks_by_value() -> None:
    tensor = random_map(Recipe(rows=(4, 1), nested=True))
    for axis, name in (("samples", "system"), ("properties", "n")):
        parts = jm.split_by_block(tensor[0], axis, name)
        alone = tensor.sel(keys=[0])
        expected = jm.split_by(alone, axis, name)
        assert list(parts) == list(expected)
        for key, part in parts.items():
            assert part == expected[key][0]


def test_blocks_lack_what_others_have() -> None:
    tensor = random_map(Recipe(rows=(1, 4), gradients=("strain",), density=1.0))
    only = tensor[0].samples["atom"][0]
    sizes = {
        a: [len(b) for b in p] for a, p in jm.split_by(tensor, "samples", "atom").items()
    }
    assert {a: s[0] for a, s in sizes.items()} == {a: int(a == only) for a in sizes}
    assert sum(s[1] for s in sizes.values()) == 4


@share(8)
@given(recipe=recipes(nested=True))
def test_gradients_by_value(recipe: Recipe) -> None:
    tensor = random_map(recipe)
    for key in jm.split_by(tensor, "samples", "system"):
        assert_exact(lambda a, key=key: jm.split_by(a, "samples", "system")[key], tensor)


def test_one_value_is_the_whole() -> None:
    tensor = random_map(Recipe(rows=(4, 4))).sel(samples={"system": 0})
    assert jm.split_by(tensor, "samples", "system")[0]._leaves is tensor._leaves


def test_nothing_to_split() -> None:
    tensor = TensorMap(Labels.empty("center"), [], {"unit": "eV"})
    empty = random_map(Recipe(rows=(0, 0)))
    assert jm.split(empty, "samples", []) == []
    parts = jm.split(tensor, "samples", [Labels("system", [[1]]), [0]])
    assert [part._layout is tensor._layout for part in parts] == [True, True]
    assert jm.split_by(tensor, "samples", "system") == {}
    assert jm.split_by(tensor, "keys", "center") == {}
    assert jm.split_by(empty, "samples", "system") == {}
    assert jm.split_by_block(empty[0], "samples", "system") == {}


OPERATIONS = {
    "split": lambda t: jm.split(t, "samples", [[0], [1], [0, 1]]),
    "split_by samples": lambda t: jm.split_by(t, "samples", "atom"),
    "split_by keys": lambda t: jm.split_by(t, "keys", ["center", "sigma"]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_all_parts_come_from_one_run_of_one_plan(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(rows=(4, 4), seed=101)
    made, runs = [], []
    make, run = _plans.Plan.__init__, _plans.Plan.run
    monkeypatch.setattr(_plans.Plan, "__init__", lambda *a: made.append(make(*a)))

    def counted(plan: Any, leaves: Sequence[Any]) -> Any:
        runs.append(plan)
        return run(plan, leaves)

    monkeypatch.setattr(_plans.Plan, "run", counted)
    tensor = random_map(recipe)
    for _ in range(3):
        OPERATIONS[name](tensor)
    OPERATIONS[name](tensor.with_info(other="text"))
    assert (len(made), len(runs)) == (1, 4)


@pytest.mark.parametrize("name", OPERATIONS)
def test_transformations(name: str) -> None:
    tensor = random_map(Recipe(rows=(4, 4)))
    operation = OPERATIONS[name]
    expected = operation(tensor)
    jitted = jax.jit(operation)(tensor)
    assert _parts(jitted) == _parts(expected)
    assert _parts(operation(tensor.to(arrays="numpy"))) == _parts(expected)
    two = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), tensor)
    second = jax.tree.map(lambda x: x[1], jax.vmap(operation)(two))
    assert _parts(second) == [2 * part for part in _parts(expected)]
    slope = jax.grad(
        lambda t: sum(b.values.sum() for part in _parts(operation(t)) for b in part)
    )(tensor)
    times = {"split": [2, 2, 0, 0]}.get(name, [1, 1, 1, 1])
    for block in slope:
        np.testing.assert_array_equal(block.values, np.array(times)[:, None] * np.ones(2))


def _parts(result: Any) -> list[TensorMap]:
    return list(result.values()) if isinstance(result, dict) else result


def test_properties_of_dynamic_samples() -> None:
    tensor = random_map(dataclasses.replace(Recipe(rows=(4, 1)), properties=3))
    padded = jm.pad(tensor, {"samples": 5, "positions": 13})
    for part, other in zip(
        jm.split_by(padded, "properties", "n").values(),
        jm.split_by(tensor, "properties", "n").values(),
        strict=True,
    ):
        assert jm.unpad(part) == other
    (part,) = jm.split(padded, "properties", [[2]])
    assert jm.unpad(part) == jm.slice(tensor, "properties", [2])
    with pytest.raises(DynamicSamplesError, match=r"^split: selection 0: the samples"):
        jm.split(padded, "samples", [[0]])
    with pytest.raises(DynamicSamplesError, match=r"^split_by: the samples"):
        jm.split_by(padded, "samples", "system")


@pytest.mark.parametrize(
    ("kind", "says", "selections"),
    [
        (InvalidTypeError, ("must be a list", "found Labels", "slice()"),
         Labels("atom", [[0]])),
        (InvalidTypeError, ("must be a list", "found ndarray"), np.array([[0], [1]])),
        (InvalidTypeError, ("must be a list", "found str"), "atom"),
        (InvalidTypeError, ("selection 1: the selection must be", "found int"), [[0], 1]),
        (InvalidTypeError, ("selection 1", "sel(samples=...)"), [[0], [True, False]]),
        (InvalidTypeError, ("selection 0", "float64"), [[0.5]]),
        (OutOfRangeError, ("selection 2: a position lies outside the samples of block (",
                           "found 9, there are 4 entries"), [[0], [1], [9]]),
        (InvalidError, ("selection 1: every position", "position 3 stands 2 times"),
         [[0], [3, 3]]),
        (MissingError, ("selection 1: the samples have no dimension 'atoms'",
                        "did you mean 'atom'"), [[0], Labels("atoms", [[1]])]),
    ],
)  # fmt: skip
def test_selections_that_are_refused(
    kind: type[Exception], says: tuple[str, ...], selections: Any, wrong_types: None
) -> None:
    tensor = random_map(Recipe(rows=(4,)))
    for operation, data in ((jm.split, tensor), (jm.split_block, tensor[0])):
        name = operation.__name__
        with pytest.raises(kind) as caught:
            operation(data, "samples", selections)  # type: ignore[arg-type]
        text = str(caught.value).replace(
            "the samples of the block", "the samples of block ("
        )
        assert [part for part in says if part not in text] == [], text
        assert_house_form(text, name)


def test_what_is_refused(wrong_types: None) -> None:
    tensor = random_map(Recipe(rows=(4,)))
    with pytest.raises(InvalidError, match="split: there is no axis 'keys'"):
        jm.split(tensor, "keys", [[0]])
    with pytest.raises(InvalidError, match="split_by: there is no axis 'components'"):
        jm.split_by(tensor, "components", "xyz")
    with pytest.raises(InvalidError, match="split_by_block: there is no axis 'keys'"):
        jm.split_by_block(tensor[0], "keys", "center")
    with pytest.raises(MissingError, match=r"^split_by: the samples .*(.|\n)*mean 'atom'"):
        jm.split_by(tensor, "samples", "atoms")
    with pytest.raises(MissingError, match=r"^split_by: the keys have no dimension 'a'"):
        jm.split_by(tensor, "keys", ["center", "a"])
    with pytest.raises(InvalidError, match=r"no dimension to split by(.|\n)*name one of"):
        jm.split_by(tensor, "samples", [])
    with pytest.raises(InvalidError, match="name of its own"):
        jm.split_by(tensor, "samples", ["atom", "atom"])
    with pytest.raises(InvalidTypeError, match=r"^split_by: .* must be a TensorMap"):
        jm.split_by(tensor[0], "samples", "atom")  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"^split_by_block: .* a TensorBlock"):
        jm.split_by_block(tensor, "samples", "atom")  # type: ignore[arg-type]
