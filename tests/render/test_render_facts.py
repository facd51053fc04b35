"""Facts of arrays and of what stands in their place, without looking at values."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from facts_for_tests import block, labels

from jaxmeta._render.facts import ArrayFacts, all_gradients, block_bytes, own_components


def same(left: ArrayFacts, right: ArrayFacts) -> bool:
    return (left.dtype, left.shape, left.nbytes) == (right.dtype, right.shape, right.nbytes)


FLOAT0 = np.zeros((3,), jax.dtypes.float0)


@pytest.mark.parametrize(
    ("leaf", "facts"),
    [
        (np.zeros((3, 2), np.float32), ArrayFacts("float32", (3, 2), 24)),
        (jnp.zeros((3,), jnp.bfloat16), ArrayFacts("bfloat16", (3,), 6)),
        (jax.ShapeDtypeStruct((0, 4), jnp.int32), ArrayFacts("int32", (0, 4), 0)),
        (np.float64(1.0), ArrayFacts("float64", (), 8)),
        (FLOAT0, ArrayFacts("float0", (3,), 0)),
        (None, ArrayFacts("None")),
        (True, ArrayFacts("bool")),
        (object(), ArrayFacts("object")),
    ],
)
def test_leaves_of_any_kind(leaf: Any, facts: ArrayFacts) -> None:
    assert same(ArrayFacts.of(leaf), facts)


def test_tracers() -> None:
    seen = []

    @jax.jit
    def function(x: jax.Array) -> jax.Array:
        seen.append(ArrayFacts.of(x))
        return x

    function(jnp.zeros((5, 2), jnp.float32))
    assert same(seen[0], ArrayFacts("float32", (5, 2), 40))


def test_symbolic_shapes_have_no_size() -> None:
    (size,) = jax.export.symbolic_shape("b")
    facts = ArrayFacts.of(jax.ShapeDtypeStruct((size, 3), jnp.float32))
    assert facts.nbytes is None
    assert str(facts.shape) == "(b, 3)"
    assert facts.dtype == "float32"


def test_random_keys() -> None:
    assert ArrayFacts.of(jax.random.key(0)).dtype == "key<fry>"
    assert ArrayFacts.of(jax.random.key(0)).shape == ()


def test_values_stay_on_their_device() -> None:
    x = jnp.arange(6.0)
    with jax.transfer_guard("disallow"):
        ArrayFacts.of(x)
    x.delete()  # Reading a deleted array raises; its shape is still known.
    assert ArrayFacts.of(x).shape == (6,)


def test_gradients_of_gradients() -> None:
    xyz, mu = labels("xyz", 3), labels("mu", 5)
    inner = block(labels("sample", 1), (labels("abc", 2), xyz, mu))
    outer = block(labels("sample", 4), (xyz, mu), strain=inner)
    made = block(labels("system", 3), (mu,), positions=outer)
    assert [name for name, _ in all_gradients(made)] == ["positions", "positions/strain"]
    assert own_components(outer, made) == (xyz,)
    assert [c.names for c in own_components(inner, outer)] == [("abc",)]
    assert block_bytes(made) == 4 * 2 * (3 * 5 + 4 * 15 + 1 * 30)
