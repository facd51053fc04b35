"""with_gradients against the whole Jacobian, for every way to compute it."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autodiff.functions import (
    AXES,
    NONE,
    OWNERS,
    ROWS,
    SHAPES,
    arrays,
    compiled,
    dense,
    function,
    jacobian,
    parameters,
    scaled,
    values,
)

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, _passes, assert_owners, with_gradients
from jaxmeta.testing import assert_exact_gradients


MODES = ("auto", "reverse", "forward")


def assert_gradients(tensor: TensorMap, at: dict[str, Any], rtol: float = 1e-10) -> None:
    """Values, labels and gradients are those of the function of the arrays."""
    bare = jm.remove_gradients(tensor)
    jm.allclose_raise(bare, jax.jit(function)(**at), rtol=rtol, atol=rtol)
    assert tensor.info() == {"unit": "eV"}
    for number, block in enumerate(tensor):
        for name, gradient in block.gradients():
            assert gradient.components == [*AXES[name], *block.components]
            assert gradient.samples.names == [
                "sample",
                *(ROWS[name] or Labels.empty("")).names,
            ]
            found = dense(gradient, SHAPES[number][0], name)
            expected = jacobian(number, name, at)
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=10 * rtol)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunk", [None, 4])
def test_rows_with_owners(mode: Any, chunk: int | None) -> None:
    at = arrays()
    tensor = compiled(mode=mode, chunk=chunk)(at)
    assert_gradients(tensor, at)
    for number, block in enumerate(tensor):
        for name in ("x", "s"):
            samples = block.gradient(name).samples
            owner = OWNERS[name][number]
            assert samples["sample"].tolist() == owner[owner != NONE].tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunk", [None, 7])
def test_rows_that_may_feed_every_sample(mode: Any, chunk: int | None) -> None:
    at = arrays()
    rows = {**ROWS, "s": Labels.range("row", 4)}
    tensor = _pairs(at, rows, mode, chunk)
    for number, block in enumerate(tensor):
        for name in at:
            gradient, expected = block.gradient(name), jacobian(number, name, at)
            labels = rows[name]
            assert labels is not None
            table = np.asarray(gradient.samples.values)
            pairs = len(block) * len(labels)
            assert (
                table[:, 0].tolist() == np.repeat(range(len(block)), len(labels)).tolist()
            )
            assert table[:, 1:].tolist() == labels.values.tolist() * len(block)
            expected = expected.reshape(pairs, *gradient.shape[1:])
            np.testing.assert_allclose(gradient.values, expected, rtol=1e-10, atol=1e-10)


def _pairs(at: Any, rows: Any, mode: Any, chunk: int | None) -> TensorMap:
    def of(at: Any) -> TensorMap:
        given = {name: Parameter(at[name], rows[name], AXES[name]) for name in at}
        return with_gradients(function, given, mode=mode, chunk=chunk)

    return jax.jit(of)(at)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_one_parameter_with_an_owner_and_one_without(mode: Any) -> None:
    at = arrays()
    tensor = compiled({**OWNERS, "x": None}, mode=mode)(at)
    assert_gradients(tensor, at)
    assert len(tensor[0].gradient("x")) == 20
    assert len(tensor[0].gradient("s")) == 4


def test_what_operations_make_of_the_gradients_is_exact() -> None:
    tensor = compiled()(arrays())
    assert_exact_gradients(lambda t: jm.sin(t) * t, tensor)


def test_single_precision() -> None:
    at = arrays(np.float32)
    for mode in ("reverse", "forward"):
        tensor = compiled(mode=mode)(at)
        assert tensor[0].gradient("x").dtype == np.float32
        assert_gradients(tensor, at, rtol=2e-4)


def test_owners_as_lists_functions_and_arrays_of_numpy() -> None:
    at = arrays()
    expected = compiled()(at)
    lists = {name: [owner.tolist() for owner in each] for name, each in OWNERS.items()}
    by_rows = {4: 0, 3: 1}
    functions = {
        name: (lambda block, name=name: OWNERS[name][by_rows[len(block)]])
        for name in OWNERS
    }
    for owners in (lists, functions):
        found = compiled(owners)(at)
        assert jm.equal(found, expected)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_random_owners(mode: Any, seed: int) -> None:
    """Any numbers of rows and samples, in any order, with rows that feed nothing."""
    rng = np.random.default_rng(seed)
    rows, samples = int(rng.integers(1, 9)), int(rng.integers(1, 7))
    owner = rng.integers(0, samples + 1, rows)
    weights = jnp.asarray(rng.normal(size=(2, 3)))
    x = jnp.asarray(rng.normal(size=(rows, 2)))

    def numbers(x: Any) -> Any:
        return jnp.sin(jax.ops.segment_sum(x @ weights, owner, samples)) ** 2

    def of(x: Any) -> TensorMap:
        axes = Labels.range("s", samples), [], Labels.range("n", 3)
        return TensorMap(Labels.single(), [TensorBlock(numbers(x), *axes)])

    @jax.jit
    def gradients(x: Any) -> TensorMap:
        given = Parameter(
            x, Labels.range("row", rows), [Labels.range("c", 2)],
            owner=np.where(owner < samples, owner, NONE),
        )  # fmt: skip
        return with_gradients(of, {"x": given}, mode=mode, chunk=2)

    gradient = gradients(x)[0].gradient("x")
    found = np.zeros((samples, rows, 2, 3))
    sample, row = np.asarray(gradient.samples.values).T
    found[sample, row] = gradient.values
    assert row.tolist() == np.flatnonzero(owner < samples).tolist()
    expected = jnp.einsum("snrc->srcn", jax.jacfwd(numbers)(x))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_owners_by_labels() -> None:
    """They fit every block, also where some rows have no sample there."""
    rng = np.random.default_rng(0)
    atoms = Labels(["image", "system"], [[0, 7], [0, 3], [1, 7], [0, -2], [1, 3]])
    systems = [Labels(["system"], [[3], [7], [-2]]), Labels(["system"], [[7], [9], [3]])]
    owners = [np.array([1, 0, 1, 2, 0]), np.array([0, 2, 0, NONE, 2])]
    x = jnp.asarray(rng.normal(size=5))

    def of(x: Any) -> TensorMap:
        found = []
        for samples, owner in zip(systems, owners, strict=True):
            to = np.where(owner == NONE, 3, owner)
            values = jax.ops.segment_sum(jnp.sin(x), to, 3)[:, None] ** 2
            found.append(TensorBlock(values, samples, [], Labels.range("n", 1)))
        return TensorMap(Labels.range("k", 2), found)

    def by(owner: Any) -> TensorMap:
        return with_gradients(of, {"x": Parameter(x, atoms, owner=owner)})

    assert_owners(of, {"x": Parameter(x, atoms, owner="system")})
    for names in ("system", ["system"], ("system",)):
        assert jm.equal(by(names), by(owners))


def test_a_block_that_does_not_depend_on_the_parameters() -> None:
    def constant(x: Any) -> TensorMap:
        values = jnp.stack([jnp.sum(x), jnp.ones(())])[:, None]
        n = Labels.range("n", 1)
        blocks = [
            TensorBlock(v, Labels.range("s", 2), [], n) for v in (values, jnp.ones((2, 1)))
        ]
        return TensorMap(Labels.range("k", 2), blocks)

    given = Parameter(jnp.arange(3.0), Labels.range("atom", 3), owner=[0, 0, 0])
    for mode in MODES:  # type: Any
        tensor = with_gradients(constant, {"x": given}, mode=mode)
        assert tensor[0].gradient("x").values.tolist() == [[1.0]] * 3
        assert tensor[1].gradient("x").values.tolist() == [[0.0]] * 3


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("sizes", [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
@pytest.mark.parametrize("owner", [True, False])
def test_nothing_at_all(mode: Any, sizes: tuple[int, ...], owner: bool) -> None:
    samples, rows, properties = sizes

    def of(x: Any) -> TensorMap:
        n, s = Labels.range("n", properties), Labels.range("s", samples)
        values = jnp.zeros((samples, properties)) + jnp.sum(x)
        return TensorMap(Labels.single(), [TensorBlock(values, s, [], n)])

    numbers = [NONE if samples == 0 else 0] * rows
    labels = Labels.range("row", rows)
    given = Parameter(jnp.ones(rows), labels, owner=numbers if owner else None)
    gradient = with_gradients(of, {"x": given}, mode=mode)[0].gradient("x")
    count = rows if owner and samples else samples * rows
    assert gradient.shape == (count, properties)
    assert (
        with_gradients(lambda x: TensorMap(Labels.empty("k"), []), {"x": given}) is not None
    )


def test_functions_with_derivatives_of_their_own() -> None:
    """Those that JAX can only pull back: custom_vjp, and checkpointed ones."""

    @jax.custom_vjp
    def cube(x: Any) -> Any:
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, c: (3 * x**2 * c,))

    @jax.checkpoint
    def inner(x: Any) -> Any:
        return jnp.sin(cube(x))

    def of(x: Any) -> TensorMap:
        values = jax.ops.segment_sum(inner(x), np.array([1, 0, 1]), 2)[:, None]
        n, samples = Labels.range("n", 1), Labels.range("s", 2)
        double = TensorBlock(2 * values, samples, [], n)
        return TensorMap(
            Labels.range("k", 2), [TensorBlock(values, samples, [], n), double]
        )

    x = jnp.array([0.3, 0.5, -0.7])
    given = Parameter(x, Labels.range("atom", 3), owner=[1, 0, 1])
    tensor = with_gradients(of, {"x": given})
    expected = np.cos(x**3) * 3 * x**2
    for factor, block in enumerate(tensor, start=1):
        found = block.gradient("x").values[:, 0]
        np.testing.assert_allclose(found, factor * expected, rtol=1e-12)


# Transformations ------------------------------------------------------------------------


def test_compiled_once_and_called_once_a_trace() -> None:
    calls: list[int] = []

    def counted(x: Any, s: Any) -> TensorMap:
        calls.append(1)
        return function(x, s)

    program = jax.jit(lambda at: with_gradients(counted, parameters(at)))
    for seed in range(3):
        at = arrays(seed=seed)
        tensor = program(at)
        assert_gradients(tensor, at, rtol=1e-9)
    assert len(calls) == 1
    assert (
        tensor[0].gradient("x").samples
        is with_gradients(function, parameters(at))[0].gradient("x").samples
    )
    with_gradients(counted, parameters(at), second=["x/x"], mode="forward", chunk=3)
    assert len(calls) == 2


@pytest.mark.parametrize("owner", [True, False])
def test_mapped_over_a_batch(owner: bool) -> None:
    batch = jax.tree.map(lambda *each: jnp.stack(each), *[arrays(seed=i) for i in range(3)])
    owners = OWNERS if owner else {**OWNERS, "x": None}

    def of(at: Any) -> TensorMap:
        return with_gradients(function, parameters(at, owners), chunk=5)

    together, one = jax.jit(jax.vmap(of))(batch), jax.jit(of)
    for i in range(3):
        at = jax.tree.map(lambda x, i=i: x[i], batch)
        alone = jax.tree.map(lambda x, i=i: x[i], together)
        jm.allclose_raise(alone, one(at), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_training_on_gradient_blocks(mode: Any) -> None:
    """A loss on values and gradients, by the parameters of a model and by the arrays."""
    at = arrays()
    weights = np.random.default_rng(5).normal(size=(5, 3, 2, 3))

    def loss(power: Any, at: Any, chunk: Any = None) -> Any:
        given = parameters(at, names=["x"])
        tensor = with_gradients(scaled_by(at["s"]), given, power, mode=mode, chunk=chunk)
        gradient = tensor[0].gradient("x").values
        return jnp.sum(weights * gradient**2) + jnp.sum(tensor[1].values ** 2)

    def scaled_by(s: Any) -> Any:
        return lambda power, x: scaled(power, x, s)

    def loss_of_arrays(power: Any, at: Any) -> Any:
        each = jax.jacfwd(lambda x: values(0, x, at["s"], power))(at["x"])
        owner = OWNERS["x"][0]
        gradient = jnp.moveaxis(each, 3, 1)[owner, np.arange(5)]
        gradient = jnp.moveaxis(gradient, -1, 1)
        second = values(1, **at, power=power)
        return jnp.sum(weights * gradient**2) + jnp.sum(second**2)

    expected = jax.jit(jax.grad(loss_of_arrays, (0, 1)))(1.3, at)
    for chunk in (None, 3):
        found = jax.jit(jax.grad(partial(loss, chunk=chunk), (0, 1)))(1.3, at)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9),
            found,
            expected,
        )


def test_more_arguments_and_more_results() -> None:
    at = arrays()

    def of(power: Any, x: Any, s: Any) -> Any:
        return scaled(power, x, s), {"power": power * x, "note": "any", "f": jnp.sin}

    tensor, aux = with_gradients(of, parameters(at), 3.0, has_aux=True)
    jm.allclose_raise(tensor, with_gradients(scaled, parameters(at), 3.0), rtol=1e-12)
    assert aux["note"] == "any"
    assert aux["f"] is jnp.sin
    np.testing.assert_array_equal(aux["power"], 3.0 * at["x"])


def test_passes_are_as_few_as_they_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    original = _passes.in_chunks

    def counted(one: Any, count: int, chunk: int | None) -> Any:
        counts.append(count)
        return original(one, count, chunk)

    monkeypatch.setattr(_passes, "in_chunks", counted)
    at = arrays()

    def passes(**options: Any) -> list[int]:
        counts.clear()
        jax.eval_shape(lambda at: with_gradients(function, parameters(at), **options), at)
        return list(counts)

    # Backwards one for each component and property of a block; forwards as many as a
    # sample has rows at most, times the entries of a row.
    assert passes(mode="reverse") == [6, 2]
    assert passes(mode="forward") == [9, 4, 6, 4]
    assert passes() == [6, 2]

    def wide(x: Any, s: Any) -> TensorMap:
        columns = jnp.tile(function(x, s)[0].values, (1, 1, 9))
        n, c = Labels.range("n", 27), Labels.range("c", 2)
        block = TensorBlock(columns, Labels.range("system", 4), [c], n)
        return TensorMap(Labels.single(), [block])

    owners = {name: each[0] for name, each in OWNERS.items()}
    counts.clear()
    jax.eval_shape(lambda at: with_gradients(wide, parameters(at, owners)), at)
    assert counts == [9, 4]


def test_numpy_arrays_are_parameters_too() -> None:
    at = arrays()
    host = {name: np.asarray(array) for name, array in at.items()}
    jm.equal_raise(
        with_gradients(function, parameters(host)), with_gradients(function, parameters(at))
    )


def test_traced_owners_of_static_samples() -> None:
    at = arrays()

    def of(at: Any, owner: Any) -> TensorMap:
        given = Parameter(at["x"], ROWS["x"], AXES["x"], owner)
        return with_gradients(lambda x: function(x, at["s"]), {"x": given})

    owners = [jnp.asarray(owner) for owner in OWNERS["x"]]
    tensor = jax.jit(of)(at, owners)
    assert_gradients(tensor, at)
    assert isinstance(tensor[0].gradient("x").samples, DynamicLabels)
    assert len(tensor[1].gradient("x")) == 5


# Owners that are none -------------------------------------------------------------------


def test_the_check_of_owners_finds_what_is_wrong() -> None:
    at = arrays()
    assert_owners(function, parameters(at))
    assert_owners(function, parameters(at), chunk=3)
    assert_owners(scaled, parameters(at), 2.0)
    wrong = {**OWNERS, "x": [np.array([2, 0, 0, 2, 3]), OWNERS["x"][1]]}
    with pytest.raises(AssertionError, match="row 4 feeds sample 2 and has owner 3"):
        assert_owners(function, parameters(at, wrong))
    assert_owners(function, parameters(at, wrong), atol=100.0)
    none = {**OWNERS, "x": [OWNERS["x"][0], np.array([0, NONE, 2, 2, NONE])]}
    with pytest.raises(AssertionError, match=r"'x', block \(k=1\): row 4 feeds sample 0"):
        assert_owners(function, parameters(at, none))
    assert_owners(function, parameters(at, {**OWNERS, "x": None}))
