"""dot with gradients on both sides: rows, numbers at every depth, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from operations.examples import Recipe, random_map
from operations.jacobian import assert_exact

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    NestedGradientsError,
    NotEqualError,
)


Gradients = tuple[str, ...]


def with_properties(tensor: TensorMap, like: TensorMap) -> TensorMap:
    """The same map under the keys and the properties of another one."""

    def changed(block: TensorBlock, properties: Labels) -> TensorBlock:
        below = {name: changed(g, properties) for name, g in block.gradients()}
        return TensorBlock(block.values, block.samples, block.components, properties, below)

    blocks = [changed(b, a.properties) for b, a in zip(tensor, like, strict=True)]
    return TensorMap(like.keys, blocks)


def sides(
    left: Gradients,
    right: Gradients,
    density: tuple[float, float] = (0.5, 0.6),
    rows: tuple[tuple[int, ...], tuple[int, ...]] = ((3,), (2,)),
    properties: int = 2,
) -> tuple[TensorMap, TensorMap]:
    """Two maps to multiply."""
    A = random_map(Recipe(rows[0], (3,), properties, left, density[0]))
    B = random_map(Recipe(rows[1], (), properties, right, density[1], seed=1))
    return A, with_properties(B, A)


# Numbers --------------------------------------------------------------------------------

FIRST = ("positions", "strain")
SECOND = (*FIRST, "positions/strain", "strain/positions", "strain/strain")
THIRD = (
    *("positions", "strain", "cell", "positions/strain", "positions/cell", "strain/cell"),
    "positions/strain/cell",
)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (FIRST, FIRST),
        ((), FIRST),
        (("strain",), ("positions",)),
        (SECOND, SECOND),
        (SECOND, FIRST),
        (FIRST, SECOND),
        (("positions",), ("strain", "positions", "strain/positions")),
        ((), SECOND),
        (THIRD, THIRD),
    ],
)
def test_gradients_are_exact(left: Gradients, right: Gradients) -> None:
    result = assert_exact(jm.dot, *sides(left, right))
    paths = {p for block in result for p in paths_of(block)}
    assert paths == {*left, *right}


def paths_of(block: TensorBlock, above: str = "") -> list[str]:
    found = []
    for name, gradient in block.gradients():
        found += [f"{above}{name}", *paths_of(gradient, f"{above}{name}/")]
    return found


@pytest.mark.parametrize("density", [(0.0, 0.6), (0.5, 0.0), (0.0, 0.0), (1.0, 1.0)])
def test_no_rows_and_all_rows(density: tuple[float, float]) -> None:
    gradients = ("positions", "strain", "positions/strain")
    result = assert_exact(jm.dot, *sides(gradients, gradients, density))
    none = [len(g) == 0 for block in result for _, g in block.gradients()]
    assert all(none) == (density == (0.0, 0.0))


def test_no_samples_on_either_side() -> None:
    A, B = sides(FIRST, FIRST, (1.0, 1.0), rows=((0, 3, 0), (2, 0, 0)))
    result = assert_exact(jm.dot, A, B)
    found = [(b.shape, b.gradient("positions").shape) for b in result]
    assert found == [
        ((0, 3, 2), (0, 2, 3, 2)),
        ((3, 3, 0), (9, 2, 3, 0)),
        ((0, 3, 0), (0, 2, 3, 0)),
    ]


def test_gradients_without_rows_on_the_right_alone() -> None:
    gradient = jm.dot(*sides((), ("positions",), (0.0, 0.0)))[0].gradient("positions")
    assert gradient.shape == (0, 2, 3, 2)
    assert gradient.samples.names == ["sample", "system", "atom"]


def test_no_properties() -> None:
    A, B = sides(("positions",), ("positions", "strain"), properties=0)
    result = assert_exact(jm.dot, A, B)
    gradient = result[0].gradient("strain")
    assert len(gradient) == 3
    assert not gradient.values.any()


# Against derivatives of a function ------------------------------------------------------

SIZES = {"positions": (2, 3), "strain": (1, 2)}
Parameters = dict[str, Any]
Values = Callable[[Parameters], Any]


def function(shape: tuple[int, ...], seed: int) -> Values:
    """Values many of which do not depend on every row of the parameters."""
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.normal(size=(*shape, *size))
        * (rng.random((shape[0], *[1] * len(shape[1:]), size[0], 1)) < 0.7)
        for name, size in SIZES.items()
    }

    def values(p: Parameters) -> Any:
        phases = [jnp.einsum("...rx,rx->...", weights[name], p[name]) for name in SIZES]
        return jnp.sin(sum(phases) + 0.3) * jnp.cos(phases[0])

    return values


Derivatives = dict[tuple[str, ...], np.ndarray]


def derivatives(values: Values, p: Parameters) -> Derivatives:
    """Values, first and second derivatives, with the axes in the order of gradients."""
    found: Derivatives = {(): np.asarray(values(p))}
    slopes = jax.jacfwd(values)
    first, second = jax.jit(lambda p: (slopes(p), jax.jacfwd(slopes)(p)))(p)
    for x in SIZES:
        # (sample, row of x, axes of x, ...)
        found[x,] = np.moveaxis(np.asarray(first[x]), [-2, -1], [1, 2])
        for y in SIZES:
            # (sample, row of x, row of y, axes of y, axes of x, ...)
            axes = [-4, -2, -1, -3], [1, 2, 3, 4]
            found[x, y] = np.moveaxis(np.asarray(second[x][y]), *axes)
    return found


def block_of(known: Derivatives, components: list[Labels]) -> TensorBlock:
    """The block of a function, with those rows of its derivatives that are not zero."""
    gradients = {}
    for x in SIZES:
        rows, first = kept(known[x,])
        below = {}
        for y in SIZES:
            inner, second = kept(known[x, y][rows[:, 0], rows[:, 1]])
            extra = [Labels.range(f"{y}_2", SIZES[y][1]), Labels.range(x, SIZES[x][1])]
            below[y] = block(second, inner, [*extra, *components])
        axes = [Labels.range(x, SIZES[x][1]), *components]
        gradients[x] = block(first, rows, axes, below)
    samples = Labels.range("s", len(known[()]))
    return TensorBlock(
        jnp.asarray(known[()]), samples, components, Labels.range("n", 2), gradients
    )


def block(
    values: np.ndarray, rows: np.ndarray, components: list[Labels], below: Any = None
) -> TensorBlock:
    samples = Labels(["sample", "atom"], rows)
    return TensorBlock(
        jnp.asarray(values), samples, components, Labels.range("n", 2), below or {}
    )


def kept(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and arrays of the rows that are not zero, the last one first."""
    some = np.abs(dense).max(axis=tuple(range(2, dense.ndim))) > 0
    rows = np.argwhere(some)[::-1].astype(np.int32)
    return rows, dense[rows[:, 0], rows[:, 1]]


def test_derivatives_of_a_product_of_functions() -> None:
    rng = np.random.default_rng(3)
    p = {name: jnp.asarray(rng.normal(size=size)) for name, size in SIZES.items()}
    own, other = function((3, 2, 2), 4), function((4, 2), 5)
    left = block_of(derivatives(own, p), [Labels.range("m", 2)])
    right = block_of(derivatives(other, p), [])
    one = Labels.single()
    found = jm.dot(TensorMap(one, [left]), TensorMap(one, [right]))[0]
    expected = derivatives(lambda p: own(p) @ other(p).T, p)
    np.testing.assert_allclose(found.values, expected[()], rtol=1e-12)
    for x in SIZES:
        gradient = found.gradient(x)
        first = dense(gradient, (3, SIZES[x][0]))
        np.testing.assert_allclose(first, expected[x,], atol=1e-12)
        for y in SIZES:
            second = dense(gradient.gradient(y), (len(gradient), SIZES[y][0]))
            at = gradient.samples.values
            whole = np.zeros((3, SIZES[x][0], *second.shape[1:]))
            whole[at[:, 0], at[:, 1]] = second
            np.testing.assert_allclose(whole, expected[x, y], atol=1e-12)


def dense(gradient: TensorBlock, shape: tuple[int, int]) -> np.ndarray:
    table = gradient.samples.values
    found = np.zeros((*shape, *gradient.shape[1:]))
    found[table[:, 0], table[:, 1]] = gradient.values
    return found


# Rows -----------------------------------------------------------------------------------


def with_rows(samples: Labels, rows: list[list[int]], names: list[str]) -> TensorMap:
    """A map with one property and a gradient by x with these rows."""
    n = Labels.range("n", 1)
    gradient = TensorBlock(jnp.ones((len(rows), 1)), Labels(names, rows), [], n)
    values = jnp.ones((len(samples), 1))
    block = TensorBlock(values, samples, [], n, {"x": gradient})
    return TensorMap(Labels.single(), [block])


def test_rows_of_the_left_side_come_first_then_those_of_each_sample() -> None:
    names = ["sample", "atom"]
    A = with_rows(Labels("s", [[5], [3]]), [[1, 7], [0, -1]], names)
    B = with_rows(Labels("t", [[0], [1], [2]]), [[2, 4], [0, -1], [1, 4]], names)
    gradient = jm.dot(A, B)[0].gradient("x")
    assert gradient.samples.values.tolist() == [[1, 7], [0, -1], [0, 4], [1, 4], [1, -1]]
    # Properties are the samples of B, of which the second and third one have atom 4.
    assert gradient.values.tolist() == [
        [1, 1, 1],
        [2, 1, 1],
        [0, 1, 1],
        [0, 1, 1],
        [1, 0, 0],
    ]


def test_rows_of_second_order() -> None:
    def with_second(tensor: TensorMap, rows: list[list[int]]) -> TensorMap:
        (block,) = tensor
        x = block.gradient("x")
        labels = Labels(["sample", "atom"], rows)
        second = TensorBlock(jnp.ones((len(rows), 1)), labels, [], block.properties)
        return TensorMap(
            tensor.keys, [block.with_gradient("x", x.with_gradient("x", second))]
        )

    names = ["sample", "atom"]
    A = with_second(with_rows(Labels("s", [[5]]), [[0, 7]], names), [[0, 1]])
    B = with_second(with_rows(Labels("t", [[0]]), [[0, 8]], names), [[0, 2]])
    gradient = jm.dot(A, B)[0].gradient("x")
    assert gradient.samples.values.tolist() == [[0, 7], [0, 8]]
    # A_xx B, A_x B_x, A_x B_x the other way round, A B_xx
    expected = [[0, 1], [0, 8], [1, 7], [1, 2]]
    assert gradient.gradient("x").samples.values.tolist() == expected


# As a program ---------------------------------------------------------------------------


def test_no_array_is_larger_than_operands_and_result() -> None:
    """The right side is not copied for each row of the left one, or filled with zeros."""
    A = random_map(Recipe((6,), (), 50, FIRST, 0.4))
    B = random_map(Recipe((5,), (), 50, FIRST, 0.4, seed=1))
    B = with_properties(B, A)
    program = jax.make_jaxpr(jm.dot)(A, B)
    largest = max(leaf.size for leaf in jax.tree.leaves((A, B, jm.dot(A, B))))
    sizes = [
        variable.aval.size for equation in program.eqns for variable in equation.outvars
    ]
    assert len(sizes) > 10
    assert max(sizes) <= largest


def test_the_program_without_gradients_on_the_right_is_one_product_for_each_array() -> None:
    A, B = sides(SECOND, ())
    program = jax.make_jaxpr(jm.dot)(A, B)
    names = [equation.primitive.name for equation in program.eqns]
    assert sorted(set(names)) == ["dot_general", "transpose"]
    assert names.count("dot_general") == len(jax.tree.leaves(A))


def test_under_transformations() -> None:
    gradients = ("positions", "strain", "positions/strain")
    A, B = sides(gradients, gradients)
    expected = jm.dot(A, B)
    jm.allclose_raise(jax.jit(jm.dot)(A, B), expected, rtol=1e-12, atol=1e-12)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), (A, B), (2.0 * A, B))
    both = jax.jit(jax.vmap(jm.dot))(*stacked)
    second = jax.tree.map(lambda x: x[1], both)
    jm.allclose_raise(second, 2.0 * expected, rtol=1e-12, atol=1e-12)


def test_shares_of_the_rows_are_refused_where_the_result_has_the_labels_of_the_left() -> (
    None
):
    n = Labels.range("n", 2)
    A = TensorMap(
        Labels.single(), [TensorBlock(jnp.ones((4, 2)), Labels.range("s", 4), [], n)]
    )
    B = TensorMap(Labels.single(), [TensorBlock(jnp.ones((2, 2)), n, [], n)])
    product = jax.jit(jm.dot)
    assert product(A, B)[0].properties is n
    halves = [jax.tree.map(lambda x: x[: len(x) // 2], each) for each in (A, B)]
    with pytest.raises(InvalidError, match="does not fit its labels"):
        product(*halves)


def test_derivatives_of_all_arrays() -> None:
    arrays, tree = jax.tree.flatten(sides(("positions",), ("positions", "strain")))

    def total(*arrays: Any) -> Any:
        result = jm.dot(*tree.unflatten(arrays))
        return sum(jnp.sin(leaf).sum() for leaf in jax.tree.leaves(result))

    check_grads(jax.jit(total), arrays, order=1, modes=["fwd", "rev"])


# Keys -----------------------------------------------------------------------------------


def with_keys(tensor: TensorMap, rows: list[int]) -> TensorMap:
    blocks = [tensor[i] for i in range(len(rows))]
    return TensorMap(Labels("k", np.array(rows)[:, None]), blocks)


def two_blocks() -> tuple[TensorMap, TensorMap]:
    A = random_map(Recipe((3, 3), (), 2, FIRST, shared=("properties",)))
    B = random_map(Recipe((2, 2), (), 2, FIRST, seed=1))
    return A, with_properties(B, A)


def test_keys_in_another_order_and_keys_in_common() -> None:
    A, B = two_blocks()
    expected = jm.dot(A, B)
    turned = TensorMap(Labels("k", [[1], [0]]), [B[1], B[0]])
    for different_keys in ("error", "union", "intersection"):
        found = jm.dot(with_keys(A, [0, 1]), turned, different_keys)
        assert found.keys["k"].tolist() == [0, 1]
        assert all(a == b for a, b in zip(found, expected, strict=True))
    other = with_keys(B, [4, 1])
    found = jm.dot(with_keys(A, [0, 1]), other, different_keys="intersection")
    assert found.keys["k"].tolist() == [1]
    assert found[0] == expected[1]


def test_keys_that_differ() -> None:
    A, B = two_blocks()
    A, B = with_keys(A, [0, 1]), with_keys(B, [0, 2])
    with pytest.raises(NotEqualError, match=r"^dot: the keys differ"):
        jm.dot(A, B)
    with pytest.raises(InvalidError) as raised:
        jm.dot(A, B, "union")
    assert str(raised.value) == (
        "dot: the block (k=1) is only in the left map.\n"
        "  with different_keys='union' a block that is not there is zero, and the "
        "properties of the result would be the samples of that block\n"
        "  different_keys='intersection' leaves such blocks out."
    )
    with pytest.raises(InvalidError, match=r"\(k=2\) is only in the right map"):
        jm.dot(with_keys(A, [0]), B, "union")


@pytest.mark.usefixtures("wrong_types")
def test_words_and_operands_that_are_none() -> None:
    A, B = sides((), ())
    with pytest.raises(InvalidError, match="no different_keys 'both'"):
        jm.dot(A, B, "both")  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="must be a TensorMap"):
        jm.dot(A, B[0])  # type: ignore[arg-type]


# What is refused ------------------------------------------------------------------------


def test_components_on_the_right() -> None:
    A = random_map(Recipe((3,), (3,), gradients=()))
    with pytest.raises(InvalidError, match=r"(?s)components \['component_0'\].*einsum\(\)"):
        jm.dot(A, A)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_derivative_that_is_missing(side: str) -> None:
    partial, whole = ("positions", "positions/strain"), ("positions", "strain")
    A, B = sides(*((partial, whole) if side == "left" else (whole, partial)))
    with pytest.raises(NestedGradientsError) as raised:
        jm.dot(with_keys(A, [3]), with_keys(B, [3]))
    assert str(raised.value) == (
        "dot: gradients of gradients need those by each parameter too.\n"
        f"  there is the gradient 'strain' of gradient 'positions' of {side} block (k=3), "
        f"but no gradient 'strain' of {side} block (k=3)\n"
        "  add it (without rows, if it is zero), or drop gradients by remove_gradients()."
    )


def test_third_order_needs_all_of_second_order() -> None:
    fewer = tuple(path for path in THIRD if path != "strain/cell")
    with pytest.raises(
        NestedGradientsError, match="no gradient 'cell' of gradient 'strain'"
    ):
        jm.dot(*sides(fewer, ("strain",)))


def test_gradients_by_one_parameter_need_the_same_labels() -> None:
    names = ["sample", "atom"]
    A = with_rows(Labels("s", [[0]]), [[0, 7]], names)
    with pytest.raises(NotEqualError) as raised:
        jm.dot(A, with_rows(Labels("s", [[0]]), [[0, 7]], ["sample", "center"]))
    assert str(raised.value) == (
        "dot: two gradients by 'x' have different labels.\n"
        "  the gradient 'x' of left block (_=0) has the sample names ['atom'] and the "
        "extra components []\n"
        "  the gradient 'x' of right block (_=0) has the sample names ['center'] and the "
        "extra components []\n"
        "  both must be by the same parameter; remove_gradients() drops them."
    )
    extra = TensorBlock(
        jnp.ones((1, 2, 1)),
        Labels(names, [[0, 7]]),
        [Labels("xyz", [[4], [5]])],
        A[0].properties,
    )
    B = TensorMap(A.keys, [A[0].with_gradient("x", extra)])
    with pytest.raises(NotEqualError, match=r"extra components \['xyz \[4, 5\]'\]"):
        jm.dot(A, B)


def test_a_component_of_the_left_side_with_the_name_of_one_of_a_gradient() -> None:
    A = random_map(Recipe((3,), (2,), gradients=(), component_names=("xyz",)))
    B = with_properties(random_map(Recipe((2,), gradients=("positions",))), A)
    with pytest.raises(InvalidError, match=r"\['xyz', 'xyz'\], of which the last 1"):
        jm.dot(A, B)


def test_integers_have_no_product_rule() -> None:
    A, B = (side.to(dtype=np.int64) for side in sides(FIRST, FIRST))
    with pytest.raises(InvalidTypeError, match="values are int64"):
        jm.dot(A, B)
    assert jm.dot(A, jm.remove_gradients(B)).dtype == np.int64


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16"])
def test_products_that_are_no_sums_or_wrap_around_are_refused(dtype: str) -> None:
    n = Labels.range("n", 2)
    block = TensorBlock(jnp.ones((2, 2), dtype), Labels.range("s", 2), [], n)
    tensor = TensorMap(Labels.single(), [block])
    for product in (jm.dot, lambda a, b: jm.einsum("s n, t n -> s t", a, b)):
        with pytest.raises(InvalidTypeError, match=f"the values are {dtype}.*, whose sum"):
            product(tensor, tensor)
