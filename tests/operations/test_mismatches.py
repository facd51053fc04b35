"""Every operation against every kind of operand that does not fit, and what it says.

A message begins with the operation, names the block and the axis, both sides, the first
row that differs, and ends with a remedy. Combinations that an operation accepts stand in
`FREE`, and are tried as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from metatensor_oracle import outcome
from operations.examples import Recipe, random_map, with_other_numbers

import jaxmeta as jm
from benchmarks import _operands as operands
from benchmarks._cases import Case, cases
from jaxmeta import JaxmetaError, Labels, TensorBlock, TensorMap
from jaxmeta.errors import DynamicSamplesError, InvalidError, InvalidTypeError


RECIPE = Recipe(rows=(4, 4), components=(3,), shared=("components",))
LEFT = random_map(RECIPE)
RIGHT = with_other_numbers(LEFT, 5)
KEY = LEFT.keys.entry(0).print()

CASES = {case.title: case for case in cases()}
OF_TWO = {
    title: case for title, case in CASES.items() if len(case.operands(LEFT, RIGHT)) > 1
}
OF_TWO |= {
    name: Case(
        name, lambda m, a, b, name=name: getattr(m, name)(a, b), operands=operands.two
    )
    for name in ("equal_raise", "allclose_raise", "equal_metadata_raise")
}


# One operand ----------------------------------------------------------------------------


class _NoMap:
    """What stands for a map of blocks that are none."""

    keys = LEFT.keys
    component_names, property_names = ("m",), ("n",)

    def block(self, index: int) -> Any:
        return np.ones(3)

    def __len__(self) -> int:
        return 2


METHODS = {title for title, case in CASES.items() if case.name.startswith("TensorMap")}


@pytest.mark.parametrize("title", sorted(set(CASES) - METHODS))
def test_what_is_no_map(title: str, wrong_types: None) -> None:
    case = CASES[title]
    rest = case.operands(LEFT, RIGHT)[1:]
    with pytest.raises(InvalidTypeError) as caught:
        case.call(jm, _NoMap(), *rest)
    text = str(caught.value)
    assert_house_form(text, title)
    assert "numpy.ndarray" in text or "_NoMap" in text, text


@pytest.mark.parametrize("title", CASES)
def test_dynamic_samples(title: str) -> None:
    """They stay dynamic, or are refused by name with the way out."""
    case = CASES[title]
    room = {"samples": 40, "positions": 40}
    maps = list(case.operands(LEFT, RIGHT))
    for number in range(len(maps) - case.static):
        maps[number] = jm.pad(maps[number], room)
    result = outcome(jax.eval_shape, partial(case.call, jm), *maps)
    if not case.dynamic:
        assert isinstance(result, DynamicSamplesError), result
        assert_house_form(str(result), title)
        assert "are dynamic" in str(result)
        assert "unpad(" in str(result)
    else:
        for tensor in result if isinstance(result, list) else [result]:
            assert all(isinstance(block.samples, jm.DynamicLabels) for block in tensor)


# Their labels do not matter to these.
ANY_ARRAYS = {"detach", "make_contiguous"}


@pytest.mark.parametrize("title", CASES)
def test_arrays_that_lost_their_labels(title: str) -> None:
    case = CASES[title]
    first, *rest = case.operands(LEFT, RIGHT)
    cut = jax.tree.map(lambda leaf: leaf[1:], first)
    if case.name.removesuffix("_block") in ANY_ARRAYS:
        result = getattr(jm, case.name)(cut[0] if case.name.endswith("_block") else cut)
        assert result.values.shape[0] == 3 if case.name.endswith("_block") else len(result)
        return
    with pytest.raises(InvalidError) as caught:
        case.call(jm, cut, *rest)
    text = str(caught.value)
    assert "does not fit its labels" in text
    assert (
        "the array has shape (3, 3, 2), the labels say (4, 3, 2)" in text or "(1, " in text
    )
    assert "slice() and join() keep labels and arrays together" in text


@pytest.mark.parametrize("dtype", [np.int32, np.bool_])
@pytest.mark.parametrize("title", CASES)
def test_integers_and_bools(title: str, dtype: Any) -> None:
    """The result has their dtype, or they are refused with the way out."""
    case = CASES[title]
    maps = [
        jax.tree.map(lambda x: x if x.dtype == np.bool_ else (x > 0).astype(dtype), tensor)
        for tensor in case.operands(LEFT, RIGHT)
    ]
    result = outcome(case.call, jm, *maps)
    if isinstance(result, Exception):
        assert isinstance(result, InvalidTypeError), result
        assert_house_form(str(result), title)
        assert "tensor.to(dtype=" in str(result) or "bool" in str(result)
    else:
        assert {leaf.dtype for leaf in jax.tree.leaves(result)} == {np.dtype(dtype)}


# Two operands ---------------------------------------------------------------------------


def _changed(
    labels: Any, order: Any = slice(None), shift: int = 0, names: Any = None
) -> Any:
    names = labels.names if names is None else [f"{n}_{names}" for n in labels.names]
    return Labels(names, np.asarray(labels.values)[order] + shift)


def _first_block(
    tensor: TensorMap, change: Callable[[TensorBlock], TensorBlock]
) -> TensorMap:
    return TensorMap(tensor.keys, [change(tensor[0]), *list(tensor)[1:]])


def _every_block(
    tensor: TensorMap, change: Callable[[TensorBlock], TensorBlock]
) -> TensorMap:
    return TensorMap(tensor.keys, [change(block) for block in tensor])


def _with(block: TensorBlock, **parts: Any) -> TensorBlock:
    """A block with other labels, in its gradients too."""
    gradients = {}
    for name, gradient in block.gradients():
        below = {key: value for key, value in parts.items() if key == "properties"}
        if "components" in parts:
            extra = gradient.components[: -len(block.components)]
            below["components"] = [*extra, *parts["components"]]
        gradients[name] = _with(gradient, **below)
    return TensorBlock(
        block.values,
        parts.get("samples", block.samples),
        parts.get("components", block.components),
        parts.get("properties", block.properties),
        gradients,
    )


def _other_samples(order: Any = slice(None), shift: int = 0, names: Any = None) -> Any:
    return lambda b: _with(b, samples=_changed(b.samples, order, shift, names))


def _other_components(**how: Any) -> Any:
    return lambda b: _with(b, components=[_changed(c, **how) for c in b.components])


def _other_properties(**how: Any) -> Any:
    return lambda b: _with(b, properties=_changed(b.properties, **how))


def _other_extra(block: TensorBlock) -> TensorBlock:
    """Another label along the component of a gradient."""
    gradients = {}
    for name, gradient in block.gradients():
        extra, *rest = gradient.components
        axes = [_changed(extra, shift=1), *rest]
        gradients[name] = TensorBlock(
            gradient.values, gradient.samples, axes, gradient.properties
        )
    own = block.samples, block.components, block.properties
    return TensorBlock(block.values, *own, gradients)


BACKWARDS = slice(None, None, -1)
MISMATCHES: dict[str, tuple[Callable[[TensorMap], Any], tuple[str, ...]]] = {
    "keys": (
        lambda t: TensorMap(_changed(t.keys, shift=1), list(t)),
        ("the keys differ.", "only left has (center=", "only right has (center="),
    ),
    "names of keys": (
        lambda t: TensorMap(_changed(t.keys, names="b"), list(t)),
        ("the keys differ.", "left has the names", "right has ['center_b'"),
    ),
    "samples": (
        lambda t: _first_block(t, _other_samples(shift=7)),
        ("the samples of", "first difference at row 0: ("),
    ),
    "order of samples": (
        lambda t: _first_block(t, _other_samples(BACKWARDS)),
        ("the samples of", "row 0", "the same entries in another order: sort() both"),
    ),
    "names of samples": (
        lambda t: _every_block(t, _other_samples(names="b")),
        ("sample", "left has", "right has", "_b'"),
    ),
    "components": (
        lambda t: _first_block(t, _other_components(shift=9)),
        ("the components 'component_0'", "row 0", "left has 3 entries, right has 3"),
    ),
    "names of components": (
        lambda t: _every_block(t, _other_components(names="b")),
        ("the components", "left has ['component_0'], right has ['component_0_b']"),
    ),
    "properties": (
        lambda t: _first_block(t, _other_properties(shift=5)),
        ("the properties", "row 0", "left has 2 entries, right has 2"),
    ),
    "names of properties": (
        lambda t: _every_block(t, _other_properties(names="b")),
        ("the properties", "left has the names ['n', 'l']", "['n_b', 'l_b']"),
    ),
    "extra components": (
        lambda t: _first_block(t, _other_extra),
        ("of gradient 'positions'", "row 0", "left has 2 entries, right has 2"),
    ),
    "dtype": (
        lambda t: t.to(dtype=np.float32),
        ("dtype", "float64", "float32", "tensor.to(dtype=...)"),
    ),
    "a block": (lambda t: t[0], ("TensorMap", "TensorBlock")),
}

# Where an operation has more to say.
OWN_WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("dot, gradients on both sides", "extra components"): (
        "two gradients by 'positions' have different labels",
        "'xyz [0, 1]'",
        "'xyz [1, 2]'",
        KEY,
    ),
    ("einsum", "properties"): ("the labels (n l) of operands 1 and 2", "row 0", KEY),
    ("einsum", "names of samples"): ("the block has target_b (n l)", KEY),
    ("einsum", "names of properties"): ("the block has target (n_b l_b)", KEY),
    **{
        ("einsum, a product of maps with gradients", mismatch): (
            f"the labels {axis} of operands 1 and 2 of block",
            "row 0",
            KEY,
        )
        for mismatch, axis in (
            ("samples", "(system atom)"),
            ("order of samples", "(system atom)"),
            ("components", "component_0"),
            ("properties", "(n l)"),
        )
    },
    **{
        ("einsum, a product of maps with gradients", f"names of {axis}"): (
            "the axes of operand 2 are not those of the block",
            "_b",
            KEY,
        )
        for axis in ("samples", "components", "properties")
    },
    ("equal_raise", "dtype"): (".values of", "float64", "float32", KEY),
    ("allclose_raise", "dtype"): (".values of", "float64", "float32", KEY),
    ("join, properties", "names of properties"): ("[['n', 'l'], ['n_b', 'l_b']]",),
}

SAMPLES = {"samples", "order of samples", "names of samples"}
COMPONENTS = {"components", "names of components", "extra components"}
PROPERTIES = {"properties", "names of properties"}
# What an operation does not compare.
FREE: dict[str, set[str]] = {
    "dot, a constant right side": SAMPLES | COMPONENTS,
    "dot, gradients on both sides": SAMPLES,
    "einsum": {"samples", "order of samples"} | COMPONENTS,
    "join, samples": {"samples", "order of samples"},
    "join, properties": {"properties"},
    # A map of what it makes of blocks one by one: the keys are not its own.
    "join_blocks": {"keys", "names of keys", "samples", "order of samples"},
    "lstsq": PROPERTIES,
    "solve": PROPERTIES | COMPONENTS,
    "equal_metadata_raise": {"dtype"},
}


# The right side of a product has no components that could be others.
IMPOSSIBLE = {
    ("dot, gradients on both sides", "components"),
    ("dot, gradients on both sides", "names of components"),
    ("join_blocks", "a block"),
}


@pytest.mark.parametrize(
    ("title", "mismatch"),
    [(t, m) for t in OF_TWO for m in MISMATCHES if (t, m) not in IMPOSSIBLE],
)
def test_two_operands_that_do_not_fit(title: str, mismatch: str, wrong_types: None) -> None:
    case = OF_TWO[title]
    change, says = MISMATCHES[mismatch]
    says = OWN_WORDS.get((title, mismatch), says)
    *first, last = case.operands(LEFT, RIGHT)
    changed = change(last)
    if mismatch in FREE.get(title, ()):
        case.call(jm, *first, changed)
        return
    with pytest.raises(JaxmetaError) as caught:
        case.call(jm, *first, changed)
    text = str(caught.value)
    assert [part for part in says if part not in text] == [], text
    assert_house_form(text, title)


def assert_house_form(text: str, title: str) -> None:
    """One line of what and where that ends in a full stop; facts and remedy, indented."""
    what, *rest = text.splitlines()
    name = title.split(",")[0].removesuffix("_raise")
    if name != "TensorMap":  # an operator
        said = what.split(":")[0].split(" (")[0]
        assert said in (name, name.removeprefix("TensorMap."), "append_dimension"), text
    assert what.endswith("."), text
    assert rest, text
    assert all(line.startswith("  ") for line in rest), text
