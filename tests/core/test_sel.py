"""Selections by name, function, position and mask, against loops over labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact
from operations.test_messages_of_operations import assert_house_form

import jaxmeta as jm
from jaxmeta import Labels, LabelsEntry, TensorBlock, TensorMap
from jaxmeta.core.plans import _plans
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    OutOfRangeError,
)


Rows = Sequence[int]


def cut(block: TensorBlock, rows: Rows, inner: Sequence[Rows]) -> TensorBlock:
    """The entries at these positions: rows, then components and properties, by loops."""
    own = len(block.components) + 1 - len(inner)
    axes = [range(size) for size in block.shape[1 : 1 + own]] + list(inner)
    values = np.asarray(block.values)[np.ix_(rows, *axes)]
    labels = [
        Labels(old.names, old.values[list(kept)])
        for old, kept in zip([*block.components, block.properties], axes, strict=True)
    ]
    gradients = {}
    for name, gradient in block.gradients():
        table = gradient.samples.values.tolist()
        kept = [g for g, (parent, *_) in enumerate(table) if parent in rows]
        part = cut(gradient, kept, inner)
        renumbered = [[list(rows).index(table[g][0]), *table[g][1:]] for g in kept]
        width = len(gradient.samples.names)
        samples = np.array(renumbered, np.int32).reshape(len(kept), width)
        gradients[name] = TensorBlock(
            part.values,
            Labels(gradient.samples.names, samples),
            part.components,
            part.properties,
            dict(part.gradients()),
        )
    samples = Labels(block.samples.names, block.samples.values[list(rows)])
    return TensorBlock(values, samples, labels[:-1], labels[-1], gradients)


def where(labels: Labels, condition: Callable[[Any], bool]) -> list[int]:
    """Positions of the entries for which a function of one entry is true."""
    return [i for i, entry in enumerate(labels) if condition(entry)]


def assert_same(found: TensorMap, expected: TensorMap) -> None:
    """Everything is equal, orders and info too."""
    assert found._layout is expected._layout
    for a, b in zip(found._leaves, expected._leaves, strict=True):
        np.testing.assert_array_equal(a, b)


@dataclasses.dataclass(frozen=True)
class Forms:
    """One selection said in several ways, and said of one entry."""

    forms: tuple[Any, ...]
    entry: Callable[[Any], bool]


SAMPLES = {
    "one value": Forms(
        ({"system": 0}, Labels("system", [[0]]), LabelsEntry("system", [0]),
         lambda s: s["system"] == 0, {"system": np.int64(0)}),
        lambda e: e["system"] == 0,
    ),
    "several values": Forms(
        ({"atom": [2, -1, 2, 99]}, {"atom": np.array([-1, 2])},
         {"atom": jnp.array([2, -1])},
         Labels("atom", [[2], [50], [-1]]), lambda s: np.isin(s["atom"], [2, -1])),
        lambda e: e["atom"] in (2, -1),
    ),
    "ranges": Forms(
        ({"atom": range(-5, 2)}, {"atom": range(1, -9, -1)}, {"atom": lambda v: v < 2},
         {"atom": range(-(10**30), 2)}, lambda s: (s["atom"] < 2).tolist()),
        lambda e: e["atom"] < 2,
    ),
    "steps": Forms(
        ({"atom": range(-9, 5, 2)}, {"atom": range(3, -(2**40), -2)}),
        lambda e: e["atom"] % 2 == 1,
    ),
    "both": Forms(
        ({"system": range(9), "atom": lambda v: v != 0},
         {"atom": [-1, 1, 2], "system": [0, 1]},
         lambda s: (s["system"] >= 0) & (s["atom"] != 0)),
        lambda e: e["system"] >= 0 and e["atom"] != 0,
    ),
    "pairs": Forms(
        (Labels(["system", "atom"], [[1, 2], [0, 1], [-1, 0]]),
         Labels(["atom", "system"], [[0, -1], [2, 1], [1, 0], [7, 7]])),
        lambda e: (e["system"], e["atom"]) in [(1, 2), (0, 1), (-1, 0)],
    ),
    "nothing": Forms(
        ({"system": 77}, {"atom": []}, {"atom": range(0)}, {"atom": range(3, 3, 2)},
         Labels.empty("system"), [], np.array([], np.int64), lambda s: s["system"] > 99,
         {"system": lambda v: np.zeros(len(v), bool)}),
        lambda e: False,
    ),
    "everything": Forms(
        (None, {}, Labels([], np.zeros((1, 0), np.int32)), lambda s: s["atom"] > -9),
        lambda e: True,
    ),
}  # fmt: skip


# A map of every kind: rows in no order, negative labels, blocks without rows.
RICH = Recipe(rows=(4, 0, 1), components=(3, 2), nested=True)
MAPS = {
    "gradients of gradients": random_map(RICH),
    "two gradients": random_map(Recipe(rows=(5,), gradients=("positions", "strain"))),
    "no block": TensorMap(Labels.empty("center"), []),
}


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str, kind: str) -> None:
    tensor = MAPS[kind]
    expected = [
        cut(b, where(b.samples, SAMPLES[name].entry), _all_but_rows(b)) for b in tensor
    ]
    for form in SAMPLES[name].forms:
        found = tensor.sel(samples=form)
        assert_same(found, TensorMap(tensor.keys, expected, tensor.info()))
        for block, part in zip(tensor, expected, strict=True):
            assert_same_block(block.sel(samples=form), part)


def _all_but_rows(block: TensorBlock) -> list[range]:
    return [range(size) for size in block.shape[1:]]


def assert_same_block(found: TensorBlock, expected: TensorBlock) -> None:
    key = Labels.single()
    assert_same(TensorMap(key, [found]), TensorMap(key, [expected]))


def some_values(labels: Labels, count: int) -> list[int]:
    """Some values of the only dimension, in an order of their own."""
    return labels.values[::-1, 0].tolist()[:count]


@pytest.mark.parametrize("seed", [0, 1])
def test_every_axis_at_once(seed: int) -> None:
    tensor = random_map(dataclasses.replace(RICH, seed=seed))
    center = tensor.keys["center"].tolist()[0]
    first = some_values(tensor[0].components[0], 1)
    wanted = {
        "keys": {"center": [center, 55]},
        "samples": lambda s: s["atom"] > 0,
        "components": {"component_1": lambda v: v == v.min(), "component_0": [*first, 99]},
        "properties": {"n": [1, 0]},
    }
    kept = where(tensor.keys, lambda key: key["center"] == center)
    expected = []
    for block in (tensor[i] for i in kept):
        a, b = block.components
        low = b.values.min()
        inner = [
            where(a, lambda e: e[0] in first),
            where(b, lambda e, low=low: e[0] == low),
            where(block.properties, lambda e: e["n"] in (0, 1)),
        ]
        expected.append(cut(block, where(block.samples, lambda e: e["atom"] > 0), inner))
    keys = Labels(tensor.keys.names, tensor.keys.values[kept])
    result = tensor.sel(**wanted)
    assert result[0].shape[1:3] == (1, 1)
    assert_same(result, TensorMap(keys, expected, tensor.info()))
    assert_same(jax.jit(lambda t: t.sel(**wanted))(tensor), result)
    without = {axis: form for axis, form in wanted.items() if axis != "keys"}
    assert_same_block(tensor[kept[0]].sel(**without), expected[0])


@share(6)
@given(
    recipe=recipes(nested=True),
    values=st.sets(st.integers(-1, 3)),
    component=st.sampled_from([None, 0, 1]),
)
def test_gradients_are_exact(
    recipe: Recipe, values: set[int], component: int | None
) -> None:
    tensor = random_map(dataclasses.replace(recipe, components=(3,)))
    wanted = {
        "samples": {"atom": sorted(values)},
        "components": None if component is None else {"component_0": component},
        "properties": {"n": range(1, 3)},
    }
    assert_exact(lambda a: a.sel(**wanted), tensor)


KEYS = Labels(["a", "b"], [[3, 0], [-1, 0], [3, 1]])
ONE = TensorBlock(jnp.ones((1, 1)), Labels.range("s", 1), [], Labels.range("n", 1))


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ({"a": 3}, [0, 2]),
        ({"a": [3, -1], "b": 0}, [0, 1]),
        (Labels("a", [[-1], [8]]), [1]),
        # Labels.select would give them in the order of the selection.
        (Labels(["a", "b"], [[3, 1], [3, 0]]), [0, 2]),
        (KEYS.entry(1), [1]),
        (lambda keys: keys["a"] == keys["b"] + 3, [0]),
        (np.array([True, False, True]), [0, 2]),
        ([2, 1], [1, 2]),
        ({"a": 7}, []),
        (None, [0, 1, 2]),
    ],
)
def test_keys(keys: Any, kept: list[int]) -> None:
    tensor = TensorMap(KEYS, [ONE] * 3, {"unit": "eV"})
    result = tensor.sel(keys=keys)
    assert result.keys == Labels(KEYS.names, KEYS.values[kept])
    assert all(block.values is ONE.values for block in result)
    assert result.info() == {"unit": "eV"}


@pytest.mark.parametrize("axis", ["samples", "properties"])
def test_positions_and_masks(axis: str) -> None:
    tensor = random_map(Recipe(rows=(2, 2)))
    for form in ([1], [0, 1], [1, 0], np.array([0], np.uint8), jnp.array([1])):
        rows = sorted(np.asarray(form).tolist())
        inner = [range(2)] if axis == "samples" else [rows]
        expected = [cut(b, rows if axis == "samples" else [0, 1], inner) for b in tensor]
        result = tensor.sel(**{axis: form})
        assert_same(result, TensorMap(tensor.keys, expected, tensor.info()))
        mask = np.isin([0, 1], rows)
        for one in (mask, mask.tolist(), jnp.array(mask)):
            assert_same_block(tensor[1].sel(**{axis: one}), expected[1])
            alone = tensor.sel(keys=[1], **{axis: one})
            assert_same_block(alone[0], expected[1])


@pytest.mark.parametrize(
    "form",
    [
        lambda low: {"component_0": low},
        lambda low: {"component_0": lambda v: v == low},
        lambda low: Labels("component_0", [[low], [99]]),
        lambda low: LabelsEntry("component_0", [low]),
        lambda low: lambda labels: labels["component_0"] == low,
    ],
)
def test_a_component(form: Callable[[int], Any]) -> None:
    tensor = random_map(Recipe(components=(3,), gradients=("positions", "strain")))
    expected = []
    for block in tensor:
        entries = where(block.components[0], lambda e: e[0] == 1)
        expected.append(cut(block, range(len(block)), [entries, range(2)]))
    result = tensor.sel(components=form(1))
    assert_same(result, TensorMap(tensor.keys, expected, tensor.info()))
    assert result[0].gradient("strain").shape[1:] == (2, 2, 1, 2)


def test_a_component_by_position_or_mask() -> None:
    block = random_map(Recipe(rows=(4,), components=(3,)))[0]
    expected = cut(block, range(4), [[0, 2], range(2)])
    for form in ([2, 0], np.array([True, False, True])):
        assert_same_block(block.sel(components=form), expected)


def test_a_component_of_the_gradient_alone_is_no_component() -> None:
    block = random_map(Recipe(rows=(4,)))[0]
    with pytest.raises(MissingError, match="no dimension 'xyz'"):
        block.sel(components={"xyz": 0})


def test_what_keeps_everything_shares_the_arrays() -> None:
    tensor = random_map(RICH)
    result = tensor.sel(
        keys=lambda keys: keys["center"] > -9,
        samples={"atom": range(-9, 9)},
        components={"component_0": range(-9, 9)},
        properties=lambda p: p["n"] >= -9,
    )
    assert result._layout is tensor._layout
    assert all(a is b for a, b in zip(result._leaves, tensor._leaves, strict=True))


def test_plans_are_remembered_by_what_is_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = random_map(dataclasses.replace(RICH, seed=77))
    made = []
    original = _plans.Plan.__init__
    monkeypatch.setattr(
        _plans.Plan, "__init__", lambda *given: made.append(original(*given))
    )
    pairs = [
        ({"samples": {"atom": [1, 0]}}, {"samples": {"atom": np.array([0, 1, 1])}}),
        ({"samples": lambda s: s["atom"] > 0}, {"samples": {"atom": lambda v: v >= 1}}),
        ({"keys": [0], "properties": [True, False]},
         {"keys": [0], "properties": lambda p: np.array([True, False])}),
        ({"components": {"component_0": 1}}, {"components": {"component_0": [1]}}),
    ]  # fmt: skip
    for pair in pairs:
        before = len(made)
        for form in pair * 2:
            tensor.sel(**form)
        assert len(made) == before + 1
    assert len(tensor._layout.bare.plans) == 4


def test_dynamic_samples_have_all_other_axes() -> None:
    tensor = random_map(Recipe(rows=(4, 1), components=(3,)))
    wanted = {
        "keys": [0],
        "components": {"component_0": [0, 1]},
        "properties": [1],
    }
    room = {"samples": 6, "positions": 13}
    result = jax.jit(lambda t: t.sel(**wanted))(jm.pad(tensor, room))
    assert_same(jm.unpad(result), tensor.sel(**wanted))
    with pytest.raises(DynamicSamplesError, match=r"^TensorMap.sel: the samples"):
        jm.pad(tensor, room).sel(samples={"atom": 1})
    with pytest.raises(DynamicSamplesError, match=r"^TensorMap.sel: the samples"):
        jm.pad(tensor, room).sel(samples=lambda s: s["atom"] > 1)


def test_transformations() -> None:
    tensor = random_map(Recipe(rows=(4,), components=(3,)))

    def part(t: TensorMap) -> TensorMap:
        return t.sel(
            samples=lambda s: s["atom"] > 0,
            components={"component_0": [0, 1]},
            properties=[0],
        )

    expected = part(tensor)
    two = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), tensor)
    second = jax.tree.map(lambda x: x[1], jax.vmap(part)(two))
    assert_same(second, 2 * expected)
    slope = jax.grad(lambda t: (part(t)[0].values ** 2).sum() / 2)(tensor)
    assert_same_block(jm.remove_gradients(part(slope))[0], jm.remove_gradients(expected)[0])
    assert np.count_nonzero(slope[0].values) == expected[0].values.size
    assert jax.eval_shape(part, tensor)[0].shape == expected[0].shape
    assert part(tensor.to(arrays="numpy")) == expected


MASK4 = np.array([True, False, True, False])
ONE_BLOCK = random_map(Recipe(rows=(4,), components=(3, 2)))
TWO_BLOCKS = random_map(Recipe(rows=(4, 4), components=(3,)))
FIRST = TWO_BLOCKS.keys.entry(0).print()


@pytest.mark.parametrize(
    ("kind", "says", "wanted"),
    [
        (MissingError, ("samples have no dimension 'sytem'", "did you mean 'system'"),
         {"samples": {"sytem": 1}}),
        (MissingError, ("samples have no dimension 'x'",), {"samples": {"x": lambda v: v}}),
        (MissingError, ("properties have no dimension 'm'", "'n', 'l'"),
         {"properties": Labels("m", [[1]])}),
        (MissingError, ("keys have no dimension 'centre'", "did you mean 'center'"),
         {"keys": LabelsEntry("centre", [1])}),
        (MissingError, ("components have no dimension 'm'",), {"components": {"m": 1}}),
        (InvalidTypeError, (f"no mask of the samples of block {FIRST}", "dtype int32",
                            "shape (4,)"), {"samples": lambda s: s["atom"]}),
        (InvalidError, (f"no mask of the samples of block {FIRST}", "shape (1,)",
                        "there are 4 entries"), {"samples": lambda s: np.array([True])}),
        (InvalidTypeError, ("no mask of the components of block", "shape ()"),
         {"components": {"component_0": lambda v: 7}}),
        (InvalidError, ("no mask of the keys",), {"keys": [True]}),
        (InvalidError, ("one mask of the samples can not be meant for 2 blocks",
                        "samples=lambda"), {"samples": MASK4}),
        (InvalidError, ("one mask of the components", "2 blocks"),
         {"components": [True, False, True]}),
        (InvalidError, ("samples 'atom'", "int32"), {"samples": {"atom": 2**31}}),
        (InvalidTypeError, ("samples 'atom'", "dtype bool", "lambda v: v > 3"),
         {"samples": {"atom": MASK4}}),
        (InvalidTypeError, ("samples 'atom'", "float64"), {"samples": {"atom": 1.0}}),
        (InvalidTypeError, ("properties 'n'", "NoneType"), {"properties": {"n": None}}),
        (InvalidError, ("int32",), {"samples": {"atom": range(0, 2**40, 2**35)}}),
        (InvalidTypeError, ("the selection of samples must be", "float64"),
         {"samples": [0.5]}),
        (InvalidTypeError, ("the selection of samples must be", "shape ()"),
         {"samples": 3}),
        (InvalidTypeError, ("the selection of keys must be", "set"), {"keys": {1, 2}}),
        (InvalidTypeError, ("the selection of properties must be", "str"),
         {"properties": "n"}),
        (InvalidTypeError, ("the selection of samples must be",), {"samples": ONE}),
        (OutOfRangeError, ("outside the samples of block", "found 4", "4 entries"),
         {"samples": [4]}),
        (OutOfRangeError, ("outside the keys", "found -1"), {"keys": [-1]}),
        (InvalidError, ("selected once", "position 1 stands 2 times"),
         {"samples": [0, 1, 1]}),
        (InvalidError, ("no entry of component 'component_0' of block", "the entries are",
                        "one entry at least"), {"components": {"component_0": 9}}),
        (InvalidError, ("must be of one of them", "['component_0', 'x']"),
         {"components": Labels(["component_0", "x"], [[1, 2]])}),
    ],
)  # fmt: skip
def test_what_is_refused(
    kind: type[Exception], says: tuple[str, ...], wanted: dict, wrong_types: None
) -> None:
    with pytest.raises(kind) as caught:
        TWO_BLOCKS.sel(**wanted)
    text = str(caught.value)
    assert [part for part in says if part not in text] == [], text
    assert_house_form(text, "TensorMap.sel")


def test_functions_of_several_components_are_refused() -> None:
    for form in (lambda labels: np.ones(len(labels), bool), [0]):
        with pytest.raises(InvalidError, match=r"\['component_0', 'component_1'\]"):
            ONE_BLOCK.sel(components=form)
    with pytest.raises(InvalidError, match=r"it is of \[\]"):
        random_map(Recipe()).sel(components=[0])


def test_blocks_are_named_and_have_no_keys(wrong_types: None) -> None:
    with pytest.raises(InvalidError, match=r"^TensorBlock.sel: .* samples of the block\."):
        ONE_BLOCK[0].sel(samples=[True])
    with pytest.raises(TypeError, match="keys"):
        ONE_BLOCK[0].sel(keys=[0])  # type: ignore[call-arg]


def test_traced_selections_are_refused(wrong_types: None) -> None:
    def mask(labels: Labels) -> Any:
        return jnp.asarray(labels["atom"]) > 0

    assert_same(ONE_BLOCK.sel(samples=mask), ONE_BLOCK.sel(samples={"atom": range(1, 9)}))
    traced = r"^TensorMap.sel: .*traced by JAX"
    with pytest.raises(InvalidTypeError, match=rf"{traced}(.|\n)*compare with numpy"):
        jax.jit(lambda t: t.sel(samples=mask))(ONE_BLOCK)
    for form in (lambda i: [i], lambda i: {"atom": i}, lambda i: i[None]):
        with pytest.raises(InvalidTypeError, match=traced):
            jax.jit(lambda i, form=form: ONE_BLOCK.sel(samples=form(i)))(jnp.array(0))
