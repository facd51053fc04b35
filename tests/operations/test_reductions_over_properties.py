"""Sums, means, variances and standard deviations over properties.

Known deviations from metatensor: all but sums are broken there for blocks with
components, and blocks without properties keep their labels. Gradients are compared with
the whole Jacobian instead.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metatensor_oracle import map_there
from operations.examples import Recipe, random_map, recipes, share
from operations.jacobian import assert_exact
from operations.peer import assert_agree
from operations.test_second_order import (
    BOTH,
    assert_second_order,
    block_of,
    function,
    parameters,
)
from operations.transformed import assert_same_when_transformed

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    InvalidTypeError,
    MissingError,
    NestedGradientsError,
)


KINDS = ["sum", "mean", "var", "std"]
LINEAR = KINDS[:2]

# Groups in order and of one size, out of order, of different sizes, and one of all.
GROUPS = {
    "in order": [[0, 4], [0, 2], [1, 3], [1, 9]],
    "out of order": [[1, 4], [0, 2], [0, 3], [1, 9]],
    "of different sizes": [[1, 4], [-1, 2], [1, 3], [1, -9]],
}
NAMES = st.sampled_from(["n", "part", ("n", "l"), ("part", "l"), ("l", "n", "part"), ()])


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def reduce(kind: str, tensor: Any, names: Any) -> Any:
    block = "_block" if isinstance(tensor, TensorBlock) else ""
    return getattr(jm, f"{kind}_over_properties{block}")(tensor, names)


def wide_map(recipe: Recipe) -> TensorMap:
    """Twice the properties of a recipe, in another order than theirs; of them all but one
    if there are components."""
    tensor = random_map(recipe)
    wide = jm.join([tensor, -1.5 * tensor], "properties", add_dimension="part")
    kept = [2, 1, 0] if recipe.components else [3, 1, 2, 0]
    return jm.slice(wide, "properties", kept)


@pytest.mark.parametrize("kind", KINDS)
@share(8)
@given(recipe=recipes(), names=NAMES)
def test_as_metatensor(kind: str, recipe: Recipe, names: Any) -> None:
    if recipe.components and kind != "sum":
        return
    tensor = wide_map(recipe)
    theirs = getattr(mts, f"{kind}_over_properties")(map_there(tensor), names)
    assert_agree(reduce(kind, tensor, names), theirs)


def block_with(groups: list[list[int]], **parts: Any) -> TensorBlock:
    """Four samples, two components, four properties, with a gradient."""
    rng = np.random.default_rng(4)
    properties = Labels(["group", "n"], groups)
    m, xyz = Labels.range("m", 2), Labels.range("xyz", 2)
    rows = Labels(["sample", "atom"], [[2, 0], [0, 7], [2, 1]])
    gradient = TensorBlock(
        jnp.asarray(rng.normal(size=(3, 2, 2, 4))), rows, [xyz, m], properties
    )
    values = parts.get("values", jnp.asarray(rng.normal(size=(4, 2, 4))))
    return TensorBlock(
        values, Labels.range("s", 4), [m], properties, {"positions": gradient}
    )


def by_numpy(kind: str, block: TensorBlock) -> np.ndarray:
    groups = np.asarray(block.properties["group"])
    values = np.asarray(block.values)
    reduced = [
        getattr(np, kind)(values[..., groups == g], axis=-1) for g in np.unique(groups)
    ]
    return np.stack(reduced, axis=-1)


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_values_by_numpy_and_exact_gradients(kind: str, groups: Any) -> None:
    block = block_with(groups)
    result = reduce(kind, block, "n")
    assert result.properties == Labels("group", np.unique(np.array(groups)[:, :1], axis=0))
    np.testing.assert_allclose(result.values, by_numpy(kind, block), rtol=1e-13)
    if kind != "std" or groups is not GROUPS["of different sizes"]:
        # Of one property alone there is no deviation, whose derivative is ours to say.
        assert_exact(lambda a: reduce(kind, a, "n"), block)


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_all_names_leave_the_single_property(kind: str, groups: Any) -> None:
    block = block_with(groups)
    result = reduce(kind, block, ["group", "n"])
    assert result.properties == Labels.single()
    expected = getattr(np, kind)(np.asarray(block.values), axis=-1, keepdims=True)
    np.testing.assert_allclose(result.values, expected, rtol=1e-13)


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_no_names_sort_the_properties(groups: Any) -> None:
    block = block_with(groups)
    assert jm.equal_block(
        reduce("sum", block, []),
        jm.sort_block(block, "properties"),
    )


@pytest.mark.parametrize(
    ("kind", "groups"),
    [("mean", "out of order"), ("std", "in order"), ("var", "of different sizes")],
)
def test_every_transformation(kind: str, groups: str) -> None:
    tensor = TensorMap(Labels.single(), [block_with(GROUPS[groups])])
    assert_same_when_transformed(lambda a: reduce(kind, a, "n"), tensor)


def test_without_samples_and_without_properties(kind: str) -> None:
    for rows, width in ((0, 3), (3, 0), (0, 0)):
        n = Labels(["n", "l"], [[i % 2, i] for i in range(width)] or np.zeros((0, 2), int))
        samples = Labels.range("s", rows)
        block = TensorBlock(jnp.ones((rows, width)), samples, [], n)
        assert reduce(kind, block, "l").shape == (rows, min(width, 2))
        single = reduce(kind, block, ["n", "l"])
        assert single.shape == (rows, min(width, 1))
        assert single.properties == (Labels.single() if width else Labels.empty("_"))


# Gradients of gradients -----------------------------------------------------------------


@pytest.mark.parametrize("kind", LINEAR)
def test_linear_ones_at_any_depth(kind: str) -> None:
    deep = ("positions", "positions/strain", "positions/strain/strain")
    tensor = wide_map(Recipe(rows=(4,), gradients=deep, components=(3,), density=0.7))
    result = assert_exact(lambda a: reduce(kind, a, ["n", "l"]), tensor)
    assert result[0].gradient("positions").gradient("strain").gradients_list()


@pytest.mark.parametrize("kind", KINDS[2:])
def test_second_order(kind: str) -> None:
    values = function(1)
    block = block_of(values, parameters(), BOTH, ["strain"])
    of_all = lambda a: reduce(kind, a, "n")  # noqa: E731
    by_jax = lambda x: getattr(jnp, kind)(x, -1, keepdims=True)  # noqa: E731
    assert_second_order(of_all, by_jax, block, of=[values])


def test_second_order_of_groups_of_different_sizes() -> None:
    names = ("positions", "positions/strain", "strain")
    tensor = wide_map(Recipe(rows=(4,), gradients=names, components=(2,)))
    assert_exact(lambda a: reduce("var", a, ["n", "l"]), tensor)


@pytest.mark.parametrize("kind", ["var", "std"])
def test_what_second_order_needs(kind: str) -> None:
    block = block_of(function(2), parameters(), ["positions"], ["strain"])
    what = f"^{kind}_over_properties: .* need those of the values"
    with pytest.raises(NestedGradientsError, match=what):
        reduce(kind, TensorMap(Labels("k", [[7]]), [block]), "n")


# Numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [0, 1])
def test_a_large_offset_costs_no_digits_in_float32(more: int) -> None:
    rng = np.random.default_rng(3)
    values = (1e4 + rng.normal(size=(2, 2000))).astype(np.float32)
    table = [[i % 2 if i >= more else 1, i] for i in range(2000)]
    properties = Labels(["group", "n"], table)
    block = TensorBlock(jnp.asarray(values), Labels.range("s", 2), [], properties)
    found = reduce("var", block, "n")
    assert found.dtype == np.float32
    groups = properties["group"]
    exact = [np.var(values[:, groups == g].astype(np.float64), -1) for g in (0, 1)]
    np.testing.assert_allclose(found.values, np.stack(exact, -1), rtol=3e-6)


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_what_is_the_same_does_not_deviate_and_has_no_slope(groups: Any) -> None:
    block = block_with(groups, values=jnp.full((4, 2, 4), 0.1))
    result = reduce("std", block, "n")
    for leaf in jax.tree.leaves(result):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))

    def total(block: TensorBlock) -> Any:
        return sum(map(jnp.sum, jax.tree.leaves(reduce("std", block, "n"))))

    for leaf in jax.tree.leaves(jax.grad(total)(block)):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_complex_numbers_as_numpy(kind: str, groups: Any) -> None:
    block = (0.6 + 0.8j) * TensorMap(Labels.single(), [block_with(groups)]).to(
        dtype="complex128"
    )
    values = block[0].values + 0.5 * jnp.roll(block[0].values, 1, -1).conj()
    complex_block = TensorBlock(
        values, block[0].samples, block[0].components, block[0].properties
    )
    found = reduce(kind, complex_block, "n").values
    assert found.dtype == ("complex128" if kind in LINEAR else "float64")
    np.testing.assert_allclose(found, by_numpy(kind, complex_block), rtol=1e-13)


def test_what_is_refused(kind: str) -> None:
    name = f"{kind}_over_properties"
    with pytest.raises(MissingError) as raised:
        reduce(kind, random_map(Recipe()), "m")
    assert str(raised.value) == (
        f"{name}: the properties have no dimension 'm'.\n  the names here are 'n', 'l'"
    )
    for dtype in ["bool", "int8", *(["int32"] if kind not in LINEAR[:1] else [])]:
        n = Labels.range("n", 1)
        block = TensorBlock(jnp.ones((2, 1), dtype), Labels.range("s", 2), [], n)
        with pytest.raises(
            InvalidTypeError, match=f"^{name}_block: the values are {dtype}"
        ):
            reduce(kind, block, "n")


def test_integers_keep_their_dtype() -> None:
    n = Labels(["n", "l"], [[0, 0], [1, 0], [0, 1]])
    block = TensorBlock(jnp.array([[3, 4, 5]], "int32"), Labels.range("s", 1), [], n)
    total = reduce("sum", block, "l")
    assert (total.values.tolist(), total.dtype) == ([[8, 4]], np.int32)
    even = reduce("sum", block, ["l", "n"])
    assert (even.values.tolist(), even.dtype) == ([[12]], np.int32)


def test_blocks_alone(kind: str) -> None:
    tensor = random_map(Recipe(rows=(4,)))
    of_map = reduce(kind, tensor, "n")[0]
    assert jm.equal_block(reduce(kind, tensor[0], "n"), of_map)
