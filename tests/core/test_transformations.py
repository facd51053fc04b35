"""Maps and blocks through every transformation of JAX, against plain arrays."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import COMPONENTS, Shape, make_tensor

from jaxmeta import Labels, TensorBlock, TensorMap


@pytest.fixture
def tensor(rng: np.random.Generator) -> TensorMap:
    like = Shape(COMPONENTS[:1], ("positions", "strain"), False, "float64")
    return make_tensor(rng, like, ["system", "atom"], 3, same_properties=True)


def squared(tensor: TensorMap) -> Any:
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tensor))


def stacked(tensor: TensorMap, copies: int = 4) -> TensorMap:
    return jax.tree.map(lambda x: jnp.stack([x * i for i in range(copies)]), tensor)


def test_jit_in_and_out(tensor: TensorMap) -> None:
    @jax.jit
    def function(t: TensorMap) -> tuple[TensorMap, dict[str, TensorBlock]]:
        assert t.keys == tensor.keys
        assert t.block(0).samples == tensor.block(0).samples
        assert t.block(0).shape == tensor.block(0).shape
        return 2 * t, {"first": t.block(0)}

    doubled, blocks = function(tensor)
    assert doubled == jax.tree.map(lambda x: 2 * x, tensor)
    assert doubled.info() == {"unit": "eV"}
    assert blocks["first"] == tensor.block(0)


def test_maps_are_made_inside(tensor: TensorMap) -> None:
    @jax.jit
    def function(x: Any) -> TensorMap:
        block = TensorBlock(x, Labels.range("s", 2), [], Labels.range("n", 3))
        other = block.with_values(jnp.exp(x)).with_gradient(
            "x", TensorBlock(x[None, 0], Labels("sample", [[1]]), [], block.properties)
        )
        block = block.with_gradient("x", other.gradient("x"))
        return TensorMap(Labels("k", [[0], [1]]), [block, other])

    found = function(jnp.zeros((2, 3)))
    assert (found.block(k=1).values == 1).all()
    assert found.block(k=0).gradients_list() == ["x"]


def test_gradients_have_the_form_of_the_map(tensor: TensorMap) -> None:
    value, found = jax.value_and_grad(squared)(tensor)
    assert isinstance(found, TensorMap)
    assert found == jax.tree.map(lambda x: 2 * x, tensor)
    assert float(value) == sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(tensor))
    out, moved = jax.jvp(squared, (tensor,), (found,))
    assert (out, moved) == (value, 4 * value)
    assert jax.jit(jax.grad(squared))(tensor) == found
    assert jax.grad(jax.checkpoint(squared))(tensor) == found
    jacobian = jax.jacrev(lambda t: t.block(0).values)(tensor)
    assert jacobian.block(0).values.shape == tensor.block(0).shape * 2


def test_vmap(tensor: TensorMap) -> None:
    batch = stacked(tensor)
    one_by_one = [squared(jax.tree.map(lambda x, i=i: i * x, tensor)) for i in range(4)]
    np.testing.assert_allclose(jax.vmap(squared)(batch), one_by_one)
    axes = jax.tree.map(lambda _: 0, tensor)
    np.testing.assert_allclose(jax.vmap(squared, in_axes=(axes,))(batch), one_by_one)
    outside = jax.vmap(lambda t, c: jax.tree.map(lambda x: c * x, t), in_axes=(None, 0))
    found = outside(tensor, jnp.arange(4.0))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), found, batch))
    again = jax.vmap(lambda t: t, out_axes=1)(batch)
    assert again.block(0).values.shape[1] == 4
    unstacked = jax.tree.map(lambda x: x[3], batch)
    assert unstacked == 3 * tensor


def test_moves_within_vmap(tensor: TensorMap) -> None:
    def move(t: TensorMap) -> TensorMap:
        return t.keys_to_properties("k").components_to_properties("m")

    found = jax.vmap(move)(stacked(tensor))
    assert jax.tree.map(lambda x: x[2], found) == move(2 * tensor)


def test_scan_and_loops(tensor: TensorMap) -> None:
    def step(carry: TensorMap, factor: Any) -> tuple[TensorMap, TensorMap]:
        following = jax.tree.map(lambda x: factor * x, carry)
        return following, following

    last, all_steps = jax.lax.scan(step, tensor, jnp.array([2.0, 3.0]))
    assert last == 6 * tensor
    assert jax.tree.map(lambda x: x[0], all_steps) == 2 * tensor
    doubled = jax.lax.fori_loop(0, 3, lambda _, t: 2 * t, tensor)
    assert doubled == 8 * tensor
    halved = jax.lax.while_loop(lambda t: squared(t) > 1, lambda t: 0.5 * t, tensor)
    assert squared(halved) <= 1


def test_conditions(tensor: TensorMap) -> None:
    @jax.jit
    def function(flag: Any, t: TensorMap) -> TensorMap:
        return jax.lax.cond(flag, lambda t: 2 * t, lambda t: -t, t)

    assert function(True, tensor) == 2 * tensor
    assert function(False, tensor) == -tensor
    chosen = jax.lax.switch(1, [lambda t: t, lambda t: 3 * t], tensor)
    assert chosen == 3 * tensor


def test_shapes_only(tensor: TensorMap) -> None:
    shapes = jax.eval_shape(lambda t: t.keys_to_samples("k"), tensor)
    expected = tensor.keys_to_samples("k")
    assert shapes._layout is expected._layout
    for ours, real in zip(shapes, expected, strict=True):
        assert (ours.shape, ours.dtype) == (real.shape, real.dtype)
    again = jax.eval_shape(lambda t: 2 * t, shapes)
    assert again._layout is expected._layout


def test_custom_derivatives(tensor: TensorMap) -> None:
    @jax.custom_vjp
    def clipped(t: TensorMap) -> TensorMap:
        return t

    clipped.defvjp(lambda t: (t, None), lambda _, g: (jax.tree.map(jnp.sign, g),))
    found = jax.grad(lambda t: squared(clipped(t)))(tensor)
    assert found == jax.tree.map(jnp.sign, tensor)


def test_devices(tensor: TensorMap) -> None:
    device = jax.devices()[0]
    sharding = jax.sharding.SingleDeviceSharding(device)
    for target in (device, sharding):
        moved = jax.device_put(tensor, target)
        assert moved._layout is tensor._layout
        assert moved.device == device
    same = jax.tree.map(lambda _: sharding, tensor)
    assert jax.device_put(tensor, same) == tensor
    assert (
        jax.jit(lambda t: t, in_shardings=sharding, out_shardings=sharding)(tensor)
        == tensor
    )
    assert jax.block_until_ready(tensor) is not None
    assert jax.device_get(tensor) == tensor
    assert isinstance(jax.device_get(tensor).block(0).values, np.ndarray)


def test_meshes(tensor: TensorMap) -> None:
    mesh = jax.make_mesh((1,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("d")
    placed = jax.device_put(tensor, jax.sharding.NamedSharding(mesh, spec))
    assert placed == tensor
    doubled = jax.shard_map(
        lambda t: jax.tree.map(lambda x: 2 * x, t), mesh=mesh, in_specs=spec, out_specs=spec
    )
    assert jax.jit(doubled)(placed) == 2 * tensor


def test_donation() -> None:
    values = jnp.ones((4, 3))
    block = TensorBlock(values, Labels.range("s", 4), [], Labels.range("n", 3))
    function = jax.jit(lambda b: jax.tree.map(lambda x: x + 1, b), donate_argnums=0)
    assert (function(block).values == 2).all()
    assert values.is_deleted()
    assert "deleted" in repr(block) or "TensorBlock" in repr(block)


def test_sorted_out_by_static_arguments(tensor: TensorMap) -> None:
    @partial(jax.jit, static_argnames="name")
    def function(t: TensorMap, name: str) -> TensorMap:
        return t.keys_to_samples(name)

    assert function(tensor, name="k") == tensor.keys_to_samples("k")
    assert function(tensor, name="l") == tensor.keys_to_samples("l")


def test_export(tensor: TensorMap) -> None:
    pytest.importorskip("flatbuffers", reason="jax.export needs flatbuffers")
    from jax import export

    def function(*leaves: Any) -> Any:
        return TensorMap._view(tensor._layout, leaves).keys_to_samples("k")._leaves

    exported = export.export(jax.jit(function))(*tensor._leaves)
    again = export.deserialize(exported.serialize())
    expected = tensor.keys_to_samples("k")
    assert TensorMap._view(expected._layout, tuple(again.call(*tensor._leaves))) == expected
