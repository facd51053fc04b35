"""Blocks and maps as pytrees: any leaves, paths that read as Python, tree functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_block_constructor import block, gradient, nested
from test_map_constructor import tensor

from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap, pad


BLOCK = block(gradients={"positions": gradient(gradients={"cell": nested()})})
MAP = tensor(BLOCK, BLOCK).with_info(unit="eV")
PADDED = pad(MAP, {"samples": 4, "positions": 5, "positions/cell": 1})
EMPTY = TensorMap(Labels.empty("k"), [])
ALL = {"block": BLOCK, "map": MAP, "padded": PADDED, "empty": EMPTY, "plain": block()}


@pytest.fixture(params=ALL.values(), ids=ALL)
def data(request: pytest.FixtureRequest) -> Any:
    return request.param


LEAVES: dict[str, Callable[[Any], Any]] = {
    "object": lambda x: object(),
    "bool": lambda x: True,
    "int": lambda x: 0,
    "text": lambda x: "leaf",
    "shape": lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype),
    "other rank": lambda x: np.zeros(5),
    "numpy": np.asarray,
}


@pytest.mark.parametrize("make", LEAVES.values(), ids=LEAVES)
def test_any_leaves(data: Any, make: Callable[[Any], Any]) -> None:
    leaves, tree = jax.tree.flatten(data)
    made = [make(leaf) for leaf in leaves]
    again = jax.tree.unflatten(tree, made)
    assert type(again) is type(data)
    assert again._layout is data._layout
    assert all(a is b for a, b in zip(jax.tree.leaves(again), made, strict=True))
    assert jax.tree.structure(again) == tree
    # Views of blocks and gradients look at no leaf.
    for part in again if isinstance(again, TensorMap) else [again]:
        assert part.values is part._leaves[0]
        assert [g.samples.names[0] for _, g in part.gradients()] == ["sample"] * len(
            part.gradients_list()
        )


def test_none_takes_leaves_away(data: Any) -> None:
    nothing = jax.tree.map(lambda x: None, data)
    assert jax.tree.leaves(nothing) == []
    assert nothing._layout is data._layout
    back = jax.tree.map(lambda _, x: x, nothing, data, is_leaf=lambda x: x is None)
    assert back == data


def test_as_many_children_with_keys_as_without(data: Any) -> None:
    with_keys = jax.tree_util.tree_flatten_with_path(data)[0]
    assert [leaf for _, leaf in with_keys] == jax.tree.leaves(data)
    assert len(with_keys) == len(data._layout.paths) == len(data._leaves)
    assert len({jax.tree_util.keystr(path) for path, _ in with_keys}) == len(with_keys)


def test_keys_are_of_a_kind_that_other_libraries_know(data: Any) -> None:
    """orbax refuses keys of any kind that is not JAX's."""
    for path, _ in jax.tree_util.tree_leaves_with_path(data):
        assert all(isinstance(key, jax.tree_util.GetAttrKey) for key in path)


def paths(data: Any) -> list[str]:
    return [jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(data)]


def test_paths_read_as_python() -> None:
    keys = Labels(["k", "l"], [[0, 0], [0, -1]])
    two = TensorMap(keys, MAP.blocks())
    own = [
        ".values",
        ".gradient('positions').values",
        ".gradient('positions').gradient('cell').values",
    ]
    assert paths(BLOCK) == own
    assert paths(two) == [f"[k=0, l={v}]{path}" for v in (0, -1) for path in own]
    assert paths({"m": two})[1] == "['m'][k=0, l=0].gradient('positions').values"
    assert paths(PADDED)[:4] == [
        "[k=5].values",
        "[k=5].samples.values",
        "[k=5].gradient('positions').values",
        "[k=5].gradient('positions').samples.values",
    ]
    assert paths(DynamicLabels.from_labels(Labels.range("a", 2))) == [".values"]
    # They are Python: evaluated, they give the leaf.
    for path, leaf in zip(paths(BLOCK), jax.tree.leaves(BLOCK), strict=True):
        assert eval(f"BLOCK{path}") is leaf


def test_messages_name_the_path_of_a_leaf() -> None:
    with pytest.raises(ValueError, match="inconsistent sizes") as caught:
        jax.vmap(lambda t: t)(MAP)
    assert "[k=5].gradient('positions').values" in str(caught.value)
    with pytest.raises(TypeError) as wrong:
        jax.jit(lambda t: t)(jax.tree.map(lambda x: object(), MAP))
    assert "[k=5].values" in str(wrong.value)


def test_messages_tell_how_metadata_differ() -> None:
    samples = Labels("system", [[5], [4]])
    deep = block(samples=samples, gradients=dict(BLOCK.gradients()))
    other = tensor(BLOCK, deep).with_info(unit="meV")
    with pytest.raises(ValueError, match=r"node data|pytree") as caught:
        jax.tree.map(lambda a, b: a, MAP, other)
    text = str(caught.value)
    assert "<keys ['k'], 2 blocks: (k=5): samples ['system'] 2, components ['m'] 3" in text
    assert "∂positions (samples ['sample', 'atom'] 3" in text
    assert "info {'unit': 'eV'}" in text
    assert "info {'unit': 'meV'}" in text
    assert " object at 0x" not in text
    with pytest.raises(TypeError, match="carry"):
        jax.lax.scan(lambda carry, _: (other, None), MAP, None, length=1)


def test_messages_tell_when_leaves_are_missing() -> None:
    with pytest.raises(ValueError, match=r"node data|pytree") as caught:
        jax.tree.map(lambda a, b: a, MAP, tensor(block(), block()))
    assert "[k=2].gradient('positions')" in str(caught.value) or "∂positions" in str(
        caught.value
    )


def test_summary_of_many_blocks_is_short() -> None:
    many = TensorMap(Labels.range("k", 500), [BLOCK] * 500)
    assert len(repr(many._layout)) < 800
    assert "498 more" in repr(many._layout)


def test_map_and_reduce() -> None:
    ones = jax.tree.map(jnp.ones_like, MAP)
    both = jax.tree.map(jnp.add, ones, ones)
    assert isinstance(both, TensorMap)
    assert (both.block(k=2).gradient("positions").values == 2).all()
    assert both.info() == {"unit": "eV"}
    assert jax.tree.reduce(lambda n, leaf: n + leaf.size, MAP, 0) == 2 * (12 + 54 + 18)
    assert jax.tree.all(jax.tree.map(lambda x: bool((x == 1).all()), ones))
    outer = jax.tree.structure([0, 0])
    turned = jax.tree.transpose(outer, jax.tree.structure(MAP), [MAP, ones])
    assert jax.tree.structure(turned, is_leaf=lambda x: isinstance(x, list)).num_leaves == 6


def test_equinox() -> None:
    mixed = jax.tree.map(lambda x: x, MAP).to(dtype="int32").block(0)
    arrays, rest = eqx.partition((MAP, mixed), eqx.is_inexact_array)
    assert len(jax.tree.leaves(arrays)) == 6
    assert len(jax.tree.leaves(rest)) == 3
    assert eqx.combine(arrays, rest)[1] == mixed
    changed = eqx.tree_at(lambda t: t.block(k=5).values, MAP, jnp.ones((2, 3, 2)))
    assert (changed.block(k=5).values == 1).all()
    assert changed.block(k=2) == MAP.block(k=2)
    deep = eqx.tree_at(
        lambda t: t[0].gradient("positions").gradient("cell").values,
        MAP,
        replace_fn=jnp.cos,
    )
    assert (deep[0].gradient("positions").gradient("cell").values == 1).all()
    assert eqx.tree_equal(MAP, MAP.copy())

    class Model(eqx.Module):
        weights: TensorMap
        scale: float = eqx.field(static=True)

        def __call__(self, x: TensorBlock) -> Any:
            return self.scale * jnp.sum(self.weights.block(k=5).values * x.values)

    model = Model(jax.tree.map(jnp.ones_like, MAP), 2.0)
    value, grads = eqx.filter_value_and_grad(lambda m, x: m(x))(
        model, block(values=jnp.ones((2, 3, 2)))
    )
    assert value == 24
    assert (grads.weights.block(k=5).values == 2).all()
    assert eqx.filter_jit(lambda m, x: m(x))(model, block()) == 0


def test_optax() -> None:
    optax = pytest.importorskip("optax")
    optimizer = optax.adam(0.1)
    with jax.numpy_dtype_promotion("standard"):  # optax itself mixes dtypes
        state = optimizer.init(MAP)
        updates, _ = optimizer.update(jax.tree.map(jnp.ones_like, MAP), state, MAP)
        moved = optax.apply_updates(MAP, updates)
    assert moved._layout is MAP._layout
    assert (moved.block(0).values < 0).all()
