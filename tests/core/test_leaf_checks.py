"""Arrays that no longer fit their labels are refused by every operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError


def energies() -> TensorMap:
    samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
    block = TensorBlock(jnp.arange(6.0).reshape(3, 2), samples, [], Labels.range("n", 2))
    return TensorMap(Labels.range("k", 1), [block])


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "add": lambda t: t + t,
    "scalar": lambda t: 2 * t,
    "sum": lambda t: jm.sum_over_samples(t, "atom"),
    "slice": lambda t: jm.slice(t, "samples", [0]),
    "join": lambda t: jm.join([t, t], "samples", add_dimension="part"),
    "dot": lambda t: jm.dot(t, t),
    "lstsq": lambda t: jm.lstsq(t, t, rcond=None),
    "keys_to_properties": lambda t: t.keys_to_properties("k"),
}
LEAVES: dict[str, Callable[[Any], Any]] = {
    "stacked": lambda x: jnp.stack([x, x, x]),
    "indexed": lambda x: x[0],
    "cut": lambda x: x[:1],
}


@pytest.mark.parametrize("change", LEAVES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_changed_leaves_are_refused(operation: str, change: str) -> None:
    changed = jax.tree.map(LEAVES[change], energies())
    with pytest.raises(InvalidError, match=r"\[k=0\].values does not fit its labels"):
        OPERATIONS[operation](changed)


def test_one_operand_that_was_cut_is_not_broadcast() -> None:
    whole = energies()
    cut = jax.tree.map(lambda x: x[:1], whole)
    for add in (lambda a, b: a + b, jax.jit(lambda a, b: a + b)):
        with pytest.raises(InvalidError, match=r"shape \(1, 2\), the labels say \(3, 2\)"):
            add(whole, cut)


def test_what_is_no_array_is_refused() -> None:
    nothing = jax.tree.map(lambda _: None, energies())
    leaf = jax.tree.unflatten(jax.tree.structure(energies()), [None])
    assert jax.tree.leaves(nothing) == []
    with pytest.raises(InvalidTypeError, match="is no array"):
        leaf + leaf


def test_stacked_maps_go_through_vmap() -> None:
    stacked = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), energies())
    total = jax.vmap(lambda t: jm.sum_over_samples(t, "atom"))(stacked)
    expected = jm.sum_over_samples(energies(), "atom").block().values
    np.testing.assert_array_equal(total._leaves[0][1], 2 * expected)


def test_shares_of_rows_under_shard_map() -> None:
    mesh = jax.make_mesh((1,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = PartitionSpec("d")
    double = jax.shard_map(lambda t: t + t, mesh=mesh, in_specs=spec, out_specs=spec)
    assert jm.equal(double(energies()), 2 * energies())


def test_a_traced_share_of_the_rows_is_enough_for_elementwise_operations() -> None:
    shares = jax.tree.map(lambda x: jnp.ones((1, 2)), energies())
    doubled = jax.jit(lambda t: t + t)(shares)  # as each of three devices would see it
    assert doubled._leaves[0].shape == (1, 2)
    with pytest.raises(InvalidError, match="does not fit its labels"):
        jax.jit(lambda t: jm.slice(t, "samples", [0]))(shares)
