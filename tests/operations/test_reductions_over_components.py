"""Sums, means and norms over components, which metatensor does not have."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operations.examples import Recipe, random_map
from operations.jacobian import assert_exact
from operations.transformed import assert_same_when_transformed

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    InvalidTypeError,
    MissingError,
    NestedGradientsError,
)


KINDS = ["sum", "mean", "norm"]
RECIPE = Recipe(rows=(4, 0), components=(3, 2), gradients=("positions", "strain"))
NESTED = Recipe(
    rows=(4,),
    components=(3, 2),
    gradients=("positions", "strain", "positions/strain", "positions/positions"),
)
NAMES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "all": (None, (1, 2)),
    "first": ("component_0", (1,)),
    "last": (["component_1"], (2,)),
    "all by name": (["component_1", "component_0"], (1, 2)),
    "none": ([], ()),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def reduce(kind: str, tensor: Any, *names: Any) -> Any:
    block = "_block" if isinstance(tensor, TensorBlock) else ""
    return getattr(jm, f"{kind}_over_components{block}")(tensor, *names)


def by_numpy(kind: str, values: Any, axes: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values)
    if kind == "norm":
        return np.sqrt((np.abs(array) ** 2).sum(axes))
    return getattr(np, kind)(array, axes)


@pytest.mark.parametrize(("names", "axes"), NAMES.values(), ids=NAMES)
def test_values_and_labels(kind: str, names: Any, axes: tuple[int, ...]) -> None:
    tensor = random_map(RECIPE)
    result = reduce(kind, tensor, names)
    assert result.keys == tensor.keys
    assert result.info() == tensor.info()
    for block, own in zip(result, tensor, strict=True):
        kept = [c for i, c in enumerate(own.components, start=1) if i not in axes]
        assert block.components == kept
        assert (block.samples, block.properties) == (own.samples, own.properties)
        np.testing.assert_allclose(block.values, by_numpy(kind, own.values, axes))
        for name, gradient in block.gradients():
            extra = own.gradient(name).components[:-2]
            assert gradient.components == [*extra, *kept]
            assert gradient.samples == own.gradient(name).samples


def test_all_components_by_default(kind: str) -> None:
    tensor = random_map(RECIPE)
    assert jm.equal(reduce(kind, tensor), reduce(kind, tensor, None))


@pytest.mark.parametrize("names", [None, "component_1"])
def test_gradients_of_any_depth(kind: str, names: Any) -> None:
    assert_exact(lambda a: reduce(kind, a, names), random_map(NESTED))


@pytest.mark.parametrize("kind", KINDS[:2])
def test_linear_ones_at_a_third_order(kind: str) -> None:
    deep = ("positions", "positions/strain", "positions/strain/strain")
    tensor = random_map(Recipe(rows=(4,), components=(3,), gradients=deep))
    result = assert_exact(lambda a: reduce(kind, a), tensor)
    assert result[0].gradient("positions").gradient("strain").gradients_list()


def test_the_norm_of_nothing_has_no_slope_of_any_order() -> None:
    tensor = jax.tree.map(jnp.zeros_like, random_map(NESTED))
    ones = [
        TensorBlock(b.values, b.samples, b.components, b.properties, dict(_ones(b)))
        for b in tensor
    ]
    tensor = TensorMap(tensor.keys, ones)
    for leaf in jax.tree.leaves(reduce("norm", tensor)):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))

    def total(tensor: TensorMap) -> Any:
        return sum(map(jnp.sum, jax.tree.leaves(reduce("norm", tensor))))

    for leaf in jax.tree.leaves(jax.jit(jax.grad(total))(tensor)):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))


def _ones(block: TensorBlock) -> Any:
    for name, g in block.gradients():
        below = dict(_ones(g))
        values = jnp.ones_like(g.values)
        yield name, TensorBlock(values, g.samples, g.components, g.properties, below)


def test_norms_of_rotated_vectors_are_the_same(rng: np.random.Generator) -> None:
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    values = rng.normal(size=(4, 3, 2))
    xyz = Labels.range("xyz", 3)
    blocks = [
        TensorBlock(jnp.asarray(v), Labels.range("s", 4), [xyz], Labels.range("n", 2))
        for v in (values, np.einsum("ab,sbn->san", turn, values))
    ]
    first, second = (reduce("norm", block).values for block in blocks)
    np.testing.assert_allclose(first, second, rtol=1e-13)


def test_every_transformation(kind: str) -> None:
    tensor = random_map(Recipe(rows=(4, 1), components=(3,)))
    assert_same_when_transformed(lambda a: reduce(kind, a), tensor)


def test_without_components_there_is_nothing_to_reduce(kind: str) -> None:
    tensor = random_map(Recipe(rows=(4,)))
    expected = jm.abs(tensor) if kind == "norm" else tensor
    assert jm.allclose(reduce(kind, tensor), expected)


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_other_numbers(kind: str, dtype: str) -> None:
    values = jnp.asarray(np.array([[[3.0, 1], [4, 2]]]), dtype)
    if dtype == "complex128":
        values = values * (0.6 + 0.8j) + 1j
    m, n = Labels.range("m", 2), Labels.range("n", 2)
    found = reduce(kind, TensorBlock(values, Labels.range("s", 1), [m], n)).values
    assert found.dtype == (values.real.dtype if kind == "norm" else dtype)
    np.testing.assert_allclose(found, by_numpy(kind, values, (1,)), rtol=1e-6)


def test_whole_numbers(kind: str) -> None:
    m, n = Labels.range("m", 2), Labels.range("n", 1)
    for dtype in ("bool", "uint8", "int32"):
        block = TensorBlock(jnp.ones((1, 2, 1), dtype), Labels.range("s", 1), [m], n)
        if (kind, dtype) == ("sum", "int32"):
            total = reduce(kind, block)
            assert (total.values.tolist(), total.dtype) == ([[2]], dtype)
            continue
        with pytest.raises(InvalidTypeError, match=f"^{kind}_over_components_block: the "):
            reduce(kind, block)


def test_names_that_are_not_there(kind: str) -> None:
    tensor = random_map(RECIPE)
    with pytest.raises(MissingError) as raised:
        reduce(kind, tensor, "xyz")
    assert str(raised.value) == (
        f"{kind}_over_components: there is no component 'xyz'.\n"
        "  the names here are 'component_0', 'component_1'\n"
        "  'xyz' is a component of the gradient 'positions', which keeps it"
    )
    with pytest.raises(MissingError, match="did you mean 'component_0'"):
        reduce(kind, tensor, "component0")


def test_what_is_refused() -> None:
    deep = ("positions", "strain", "positions/strain", "positions/strain/strain")
    tensor = random_map(Recipe(rows=(4,), components=(3,), gradients=deep))
    with pytest.raises(NestedGradientsError, match=r"^norm_over_components: .* this depth"):
        reduce("norm", tensor)


def test_blocks_alone(kind: str) -> None:
    tensor = random_map(RECIPE)
    for names in ((), ("component_0",)):
        of_map = reduce(kind, tensor, *names)[0]
        assert jm.equal_block(reduce(kind, tensor[0], *names), of_map)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("float64", 1e200), ("float64", 1e-200), ("float32", 1e25), ("float16", 300.0)],
)
def test_squares_that_can_not_be_held_do_not_matter(dtype: str, size: float) -> None:
    xyz, n = Labels.range("xyz", 2), Labels.range("n", 1)
    values = jnp.asarray([[[3.0], [4.0]]], dtype) * jnp.asarray(size, dtype)
    row = Labels("sample", [[0]])
    gradient = TensorBlock(jnp.asarray([[[1.0], [2.0]]], dtype), row, [xyz], n)
    block = TensorBlock(values, Labels.range("s", 1), [xyz], n, {"x": gradient})
    norm = jm.norm_over_components_block(block)
    eps = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(norm.values), [[5.0 * size]], rtol=4 * eps)
    slope = np.asarray(norm.gradient("x").values)
    np.testing.assert_allclose(slope, [[(3.0 + 2 * 4.0) / 5.0]], rtol=4 * eps)
