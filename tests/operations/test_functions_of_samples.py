"""Functions that users give: of every kind, told apart, kept no longer than needed."""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operations.examples import Recipe, random_map
from operations.test_plans_of_operations import compilations, tensor_of

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock
from jaxmeta.core.layouts._memory import Memory
from jaxmeta.core.plans import _functions


class Scale(eqx.Module):
    """A module with one array."""

    factor: jax.Array

    def __call__(self, x: Any) -> Any:
        return self.factor * x

    def square(self, x: Any) -> Any:
        return self(x) ** 2


def scaled(factor: Any, x: Any, shift: Any = 0.0) -> Any:
    return factor * x + shift


class Scaled:
    """Objects that can be called, or have methods; equal ones are not the same."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x: Any) -> Any:
        return self.factor * x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scaled)

    def by(self, more: float, x: Any) -> Any:
        return self.factor * more * x

    def method(self, x: Any) -> Any:
        return self.factor * x

    @classmethod
    def three(cls, x: Any) -> Any:
        return 3.0 * x


class Slotted:
    """Something that no weak reference can be made to."""

    __slots__ = ()

    def __call__(self, x: Any) -> Any:
        return 3.0 * x


KINDS: dict[str, Callable[[], Any]] = {
    "lambda": lambda: lambda x: 3.0 * x,
    "partial with a number": lambda: functools.partial(scaled, 3.0),
    "partial with an array": lambda: functools.partial(scaled, jnp.asarray(3.0)),
    "partial with a numpy scalar": lambda: functools.partial(scaled, np.float64(3.0)),
    "partial with keywords": lambda: functools.partial(scaled, 2.0, shift=0.0),
    "partial of a partial": lambda: functools.partial(functools.partial(scaled, 3.0)),
    "partial of JAX": lambda: jax.tree_util.Partial(scaled, jnp.asarray(3.0)),
    "partial of a method": lambda: functools.partial(Scaled(1.5).by, 2.0),
    "object": lambda: Scaled(3.0),
    "method": lambda: Scaled(3.0).method,
    "class method": lambda: Scaled.three,
    "object with slots": Slotted,
    "compiled": lambda: jax.jit(lambda x: 3.0 * x),
    "module": lambda: eqx.nn.Lambda(lambda x: 3.0 * x),
}


@pytest.mark.parametrize("kind", KINDS)
def test_functions_of_every_kind(kind: str) -> None:
    tensor = random_map(Recipe(rows=(2,)))
    factor = 2.0 if kind == "partial with keywords" else 3.0
    expected = factor * tensor
    made = KINDS[kind]()
    for one in (made, made, KINDS[kind]()):
        assert jm.allclose(jm.map_samples(one, tensor), expected)
    assert jm.allclose(jax.jit(lambda t: jm.map_samples(made, t))(tensor), expected)


def test_methods_of_modules() -> None:
    tensor = random_map(Recipe(rows=(2,)))
    found = jm.map_samples(Scale(jnp.asarray(3.0)).square, tensor)
    np.testing.assert_allclose(found[0].values, 9 * tensor[0].values ** 2, rtol=1e-12)


def test_what_looks_equal_is_told_apart() -> None:
    n, samples = Labels.range("n", 1), Labels.range("s", 1)
    block = TensorBlock(jnp.ones((1, 1)), samples, [], n)

    def of_kind(kind: Any, x: Any) -> Any:
        return x / kind if isinstance(kind, float) else x * (3 if kind is True else 5)

    found = [
        float(jm.map_samples(functools.partial(of_kind, kind), block).values[0, 0])
        for kind in (1, True, 1.0, 0.0, -0.0)
    ]
    assert found == [5.0, 3.0, 1.0, np.inf, -np.inf]
    different = [Scaled(2.0), Scaled(4.0)]
    assert [float(jm.map_samples(s, block).values[0, 0]) for s in different] == [2.0, 4.0]


def test_arrays_that_a_function_closes_over() -> None:
    tensor = random_map(Recipe(rows=(2,)))

    def total(factor: Any) -> Any:
        result = jm.map_samples(lambda x: x * factor, tensor)
        return sum(leaf.sum() for leaf in jax.tree.leaves(result))

    expected = sum(float(leaf.sum()) for leaf in jax.tree.leaves(tensor))
    with jax.checking_leaks():
        for transformed in (jax.grad(total), jax.jit(jax.grad(total)), jax.jit(total)):
            np.testing.assert_allclose(transformed(1.0), expected, rtol=1e-12)
    np.testing.assert_allclose(
        jax.vmap(total)(jnp.array([1.0, 2.0])), [expected, 2 * expected], rtol=1e-12
    )


def test_derivatives_by_the_arrays_of_a_partial() -> None:
    tensor = random_map(Recipe(rows=(2,)))

    def total(factor: Any) -> Any:
        result = jm.map_samples(functools.partial(scaled, factor), tensor)
        return sum(leaf.sum() for leaf in jax.tree.leaves(result))

    expected = sum(float(leaf.sum()) for leaf in jax.tree.leaves(tensor))
    np.testing.assert_allclose(jax.grad(total)(2.0), expected, rtol=1e-12)


class Fresh:
    """A tree of JAX that makes a new method each time it is asked for its parts."""

    def __call__(self, x: Any) -> Any:
        return x

    def method(self, x: Any) -> Any:
        return 3.0 * x


class Holder:
    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, x: Any) -> Any:
        return self.function(x)


jax.tree_util.register_pytree_node(
    Holder,
    lambda holder: ((holder.function.method,), None),
    lambda _, children: Holder(children[0]),
)


def test_parts_that_nobody_else_holds() -> None:
    tensor = random_map(Recipe(rows=(2,)))
    for _ in range(2):
        assert jm.allclose(jm.map_samples(Holder(Fresh()), tensor), 3.0 * tensor)


# Memory ---------------------------------------------------------------------------------


@pytest.mark.long
def test_many_functions_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "LIMIT", 5)
    monkeypatch.setattr(_functions._Compilations, "LIMIT", 6)
    tensor = tensor_of(200, blocks=1).with_info({})
    known = []
    for i in range(20):
        shift = jnp.full(2, float(i))

        def function(x: Any, shift: Any = shift) -> Any:
            return x + shift

        known += [weakref.ref(function), weakref.ref(shift)]
        jm.map_samples(function, tensor)
        assert len(tensor._layout.bare.plans) <= 5
        assert len(_functions._KNOWN) <= 6
    del function, shift
    gc.collect()
    assert [reference() for reference in known] == [None] * 40


def test_functions_seen_while_tracing_are_not_kept() -> None:
    functions = [lambda x: 2.0 * x]
    reference = weakref.ref(functions[0])
    jax.eval_shape(lambda t: jm.map_samples(functions[0], t), tensor_of(210))
    functions.clear()
    gc.collect()
    assert reference() is None


def test_what_is_compiled_goes_with_the_function() -> None:
    tensor = random_map(Recipe(rows=(2,)))
    large = jnp.ones((1000, 2))
    reference = weakref.ref(large)
    function = jax.tree_util.Partial(lambda x, a=large: x + a.sum(0))
    jm.map_samples(function, tensor)
    del large, function
    gc.collect()
    assert reference() is None


def test_many_threads() -> None:
    tensor = random_map(Recipe(rows=(2,)))
    expected = 3.0 * tensor

    def work(i: int) -> bool:
        made = Scale(jnp.asarray(3.0)) if i % 2 else functools.partial(scaled, 3.0)
        return jm.allclose(jm.map_samples(made, tensor), expected)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))


def test_cleared_caches() -> None:
    tensor = random_map(Recipe(rows=(2,)))
    expected = jm.map_samples(jnp.sin, tensor)
    assert len(_functions._KNOWN)
    jm.clear_caches()
    assert len(_functions._KNOWN) == 0
    assert jm.map_samples(jnp.sin, tensor) == expected


MAKERS: dict[str, Callable[[float], Any]] = {
    "function": lambda _: jnp.tanh,
    "module": lambda number: Scale(jnp.asarray(number)),
    "partial": lambda number: functools.partial(scaled, jnp.asarray(number), shift=1.0),
    "method": lambda number: Scale(jnp.asarray(number)).square,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_other_labels_and_other_numbers_compile_nothing(kind: str) -> None:
    make = MAKERS[kind]
    jm.map_samples(make(1.0), tensor_of(300))
    functions = [make(float(i)) for i in (2, 3)]
    tensors = [tensor_of(start) for start in (310, 320)]
    with compilations() as found:
        for function, tensor in zip(functions, tensors, strict=True):
            jax.block_until_ready(jm.map_samples(function, tensor))
    assert found == []


def test_a_plan_is_made_once() -> None:
    tensor = tensor_of(330).with_info({})
    for i in range(4):
        jm.map_samples(Scale(jnp.asarray(float(i))), tensor)
        jm.map_samples(functools.partial(scaled, 2.0), tensor)
    assert len(tensor._layout.bare.plans) == 2


def test_layouts_are_freed_with_their_plans() -> None:
    tensor = tensor_of(340)
    jm.map_samples(jnp.sin, tensor)
    layouts = [weakref.ref(tensor._layout.bare), weakref.ref(tensor[0]._layout)]
    del tensor
    gc.collect()
    assert [reference() for reference in layouts] == [None, None]
