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
    with pytest.raises(InvalidError, match="a share of the rows, as"):
        jax.jit(lambda t: jm.slice(t, "samples", [0]))(shares)


ROWS_STAY: dict[str, Callable[[Any], Any]] = {
    "where": lambda t: jm.where(jm.mask(lambda x: x > 1, t), t, 0.0),
    "sum_over_properties": lambda t: jm.sum_over_properties(t, "l"),
    "sum_over_components": jm.sum_over_components,
    "remove_gradients": jm.remove_gradients,
    "map_samples": lambda t: jm.map_samples(lambda x: x[..., :1], t, Labels.range("m", 1)),
    "slice": lambda t: jm.slice(t, "properties", [2, 0]),
    "mean_over_properties": lambda t: jm.mean_over_properties(t, "l"),
    "join": lambda t: jm.join([t, t], "properties", add_dimension="part"),
    "keys_to_properties": lambda t: t.keys_to_properties("k"),
    "rename": lambda t: jm.rename_dimension(t, "samples", "atom", "centre"),
}


def vectors() -> TensorMap:
    """One gradient row of each value row, in order, so that shares fit."""
    samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0], [1, 1]])
    axes = [Labels.range("xyz", 3)], Labels(["l", "n"], [[0, 0], [1, 0], [1, 1]])
    gradient = TensorBlock(
        jnp.arange(72.0).reshape(4, 2, 3, 3),
        Labels.range("sample", 4),
        [Labels.range("direction", 2), *axes[0]],
        axes[1],
    )
    values = jnp.arange(36.0).reshape(4, 3, 3)
    block = TensorBlock(values, samples, *axes, {"strain": gradient})
    return TensorMap(Labels.range("k", 1), [block])


@pytest.mark.parametrize("operation", ROWS_STAY)
def test_shares_are_enough_where_rows_stay(operation: str) -> None:
    """As each of two devices sees it: both halves together are the whole result."""
    apply = ROWS_STAY[operation]
    whole = apply(vectors())
    halves = [
        jax.jit(apply)(jax.tree.map(lambda x, s=s: x[s], vectors()))
        for s in (slice(0, 2), slice(2, 4))
    ]
    assert all(half._layout is whole._layout for half in halves)
    for found, *parts in zip(whole._leaves, *(h._leaves for h in halves), strict=True):
        np.testing.assert_array_equal(found, jnp.concatenate(parts))


ROWS_MEET: dict[str, Callable[[Any], Any]] = {
    "dot": lambda t: jm.dot(t, t),
    "lstsq": lambda t: jm.lstsq(t, t, rcond=None),
    "einsum": lambda t: jm.einsum(
        "s n, m n -> s m", t, jm.rename_dimension(t, "samples", "s", "m")
    ),
    "sum_over_samples": lambda t: jm.sum_over_samples(t, "atom"),
    "split": lambda t: jm.split(t, "samples", [Labels(["system"], [[0]])]),
}


@pytest.mark.parametrize("operation", ROWS_MEET)
def test_shares_are_refused_where_rows_meet(operation: str) -> None:
    """Also where labels of result and operand are equal: the check is not fooled by it."""
    s = Labels.range("s", 3)
    n = s if operation == "lstsq" else Labels.range("n", 3)
    square = TensorMap(Labels.range("k", 1), [TensorBlock(jnp.eye(3), s, [], n)])
    rows = square if operation in ("dot", "lstsq", "einsum") else energies()
    shares = jax.tree.map(lambda x: x[:1], rows)
    with pytest.raises(InvalidError, match="a share of the rows"):
        jax.jit(ROWS_MEET[operation])(shares)
