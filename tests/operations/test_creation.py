"""Zeros, ones and random numbers under the labels of another map.

Known deviations from metatensor: `random_uniform_like` takes a key first, and refuses
integers, of which it makes zeros; complex numbers get imaginary parts, which stay zero
there; gradients of gradients are kept, which it refuses; one gradient may be named twice.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import metatensor as mts
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from metatensor_oracle import block_there, map_there
from operations.examples import Recipe, random_map, recipes, share
from operations.peer import assert_agree, assert_blocks_agree

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, PrecisionError
from jaxmeta.operations import _new_arrays


KEY = jax.random.key(7)
BOTH = Recipe(gradients=("positions", "strain"), components=(3,))
LIKE: dict[str, Callable[..., TensorMap]] = {
    "zeros_like": jm.zeros_like,
    "ones_like": jm.ones_like,
    "empty_like": jm.empty_like,
    "random_uniform_like": lambda *a, **k: jm.random_uniform_like(KEY, *a, **k),
}
LIKE_BLOCK: dict[str, Callable[..., TensorBlock]] = {
    "zeros_like_block": jm.zeros_like_block,
    "ones_like_block": jm.ones_like_block,
    "empty_like_block": jm.empty_like_block,
    "random_uniform_like_block": lambda *a, **k: jm.random_uniform_like_block(KEY, *a, **k),
}
CHOICES = [None, [], "strain", ["positions"], ("strain", "positions"), ["strain"] * 2]


@pytest.fixture(params=LIKE)
def like(request: pytest.FixtureRequest) -> Callable[..., TensorMap]:
    return LIKE[request.param]


def plain(values: Any, **gradients: TensorBlock) -> TensorMap:
    """A map of one block without components."""
    samples, properties = (
        Labels.range(n, size) for n, size in zip("sn", values.shape, strict=True)
    )
    block = TensorBlock(values, samples, [], properties, gradients)
    return TensorMap(Labels.single(), [block])


def many(shapes: list[tuple[int, int]], dtype: Any = np.float64) -> TensorMap:
    blocks = [plain(jax.device_put(np.full(shape, 7, dtype)))[0] for shape in shapes]
    return TensorMap(Labels.range("k", len(shapes)), blocks)


def same(actual: Any, expected: Any) -> None:
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a, b)


# Against metatensor ---------------------------------------------------------------------


@share(4)
@given(recipe=recipes())
def test_constants_as_metatensor(recipe: Recipe) -> None:
    tensor = random_map(recipe)
    assert_agree(jm.zeros_like(tensor), mts.zeros_like(map_there(tensor)))
    assert_agree(jm.ones_like(tensor), mts.ones_like(map_there(tensor)))
    assert_agree(jm.empty_like(tensor), mts.zeros_like(map_there(tensor)))


@pytest.mark.parametrize("gradients", CHOICES[:-1])
@pytest.mark.parametrize("name", LIKE)
def test_gradients_chosen_as_metatensor(name: str, gradients: Any) -> None:
    tensor = random_map(BOTH)
    ours = LIKE[name](tensor, gradients)
    peer = {"empty_like": mts.zeros_like}.get(name, getattr(mts, name))
    theirs = peer(map_there(tensor), gradients)
    if name == "random_uniform_like":
        ours, theirs = jm.ones_like(ours), mts.ones_like(theirs)
    assert_agree(ours, theirs)
    block = LIKE_BLOCK[f"{name}_block"](tensor[0], gradients)
    twin = {"empty_like": mts.zeros_like_block}.get(name, getattr(mts, f"{name}_block"))
    there = twin(block_there(tensor[0]), gradients)
    if name == "random_uniform_like":
        block, there = jm.ones_like_block(block), mts.ones_like_block(there)
    assert_blocks_agree(block, there)


# Labels, dtypes, kinds of arrays --------------------------------------------------------


@pytest.mark.parametrize("gradients", CHOICES)
def test_labels_and_info_are_those_of_the_map(like: Any, gradients: Any) -> None:
    tensor = random_map(BOTH)
    names = ["positions", "strain"] if gradients is None else gradients
    dropped = {"positions", "strain"} - set([names] if isinstance(names, str) else names)
    expected = jm.remove_gradients(tensor, sorted(dropped))
    assert jax.tree.structure(like(tensor, gradients)) == jax.tree.structure(expected)


def test_gradients_of_gradients_go_with_theirs(like: Any) -> None:
    tensor = random_map(Recipe(nested=True))
    for gradients in (None, "positions"):
        result = like(tensor, gradients)
        assert jax.tree.structure(result) == jax.tree.structure(tensor)
    filled = jm.ones_like(tensor)[0].gradient("positions").gradient("strain").values
    assert filled.size
    assert (filled == 1).all()


DTYPES = [np.bool_, np.uint8, np.int32, np.float16, ml_dtypes.bfloat16, np.complex64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_kept(dtype: Any) -> None:
    host = plain(np.full((2, 3), 1, dtype))
    for tensor in (host, host.to(arrays="jax")):
        kind = type(tensor[0].values)
        for like, value in ((jm.zeros_like, 0), (jm.ones_like, 1), (jm.empty_like, 0)):
            result = like(tensor)
            assert result.dtype == dtype
            assert type(result[0].values) is kind
            assert (np.asarray(result[0].values) == value).all()
            assert jax.eval_shape(like, tensor).dtype == dtype


def test_shapes_alone_become_arrays(like: Any) -> None:
    tensor = random_map(BOTH)
    shapes = jax.eval_shape(lambda t: t, tensor)
    same(like(shapes), like(tensor))


def test_rows_of_dynamic_samples_stay(like: Any) -> None:
    tensor = jm.pad(random_map(Recipe(rows=(4, 1))), {"samples": 5, "positions": 13})
    result = like(tensor)
    assert jax.tree.structure(result) == jax.tree.structure(tensor)
    for ours, given_ in zip(result, tensor, strict=True):
        assert ours.samples.values is given_.samples.values
        there = given_.gradient("positions").samples.values
        assert ours.gradient("positions").samples.values is there
        assert ours.values is not given_.values
    bare = like(tensor, gradients=[])
    assert bare[0].samples.to_labels() == tensor[0].samples.to_labels()
    jitted = jax.jit(like)(tensor)
    same(jitted, result)


def test_maps_and_blocks_with_nothing_in_them(like: Any) -> None:
    empty = TensorMap(Labels.empty("k"), [])
    assert len(like(empty, "any")) == 0
    assert like(many([(0, 3), (2, 0)]))[1].shape == (2, 0)


# Many arrays ----------------------------------------------------------------------------

# More of one shape than one program makes, few of others, and one that is large.
SHAPES = [(4, 4)] * 35 + [(3, 2)] * 3 + [(2**15, 1)] + [(4, 4)] * 2


@pytest.mark.parametrize("often", [0, _new_arrays.OFTEN])
@pytest.mark.parametrize("value", [0, 1])
def test_every_array_of_many_is_right_and_its_own(
    value: int, often: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_new_arrays, "OFTEN", often)
    result = [jm.zeros_like, jm.ones_like][value](many(SHAPES))
    for block, shape in zip(result, SHAPES, strict=True):
        assert block.shape == shape
        assert (np.asarray(block.values) == value).all()
    addresses = {leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(result)}
    assert len(addresses) == len(SHAPES)


def test_new_arrays_can_be_donated(like: Any) -> None:
    """JAX refuses to take one array twice."""
    new = like(many(SHAPES))
    expected = [np.asarray(leaf) + 1 for leaf in jax.tree.leaves(new)]
    added = jax.jit(lambda t: jax.tree.map(lambda x: x + 1, t), donate_argnums=0)(new)
    for a, b in zip(jax.tree.leaves(added), expected, strict=True):
        np.testing.assert_array_equal(a, b)


DEVICES = """
    import warnings; warnings.simplefilter("error")
    import jax, numpy as np, jaxmeta as jm
    from jax.sharding import NamedSharding, PartitionSpec
    from jaxmeta.operations import _new_arrays

    first, second = jax.devices()
    sharded = NamedSharding(jax.make_mesh((2,), ("x",)), PartitionSpec("x"))
    like = [jm.zeros_like, jm.ones_like, lambda t: jm.random_uniform_like(KEY, t)]
    KEY = jax.random.key(0)
    rows = [4] * 33 + [2] * 3 + [2**16]
    blocks = [jm.block_from_array(np.ones((n, 2), np.float32)) for n in rows]
    host = jm.TensorMap(jm.Labels.range("k", len(rows)), blocks)
    for _new_arrays.OFTEN in (_new_arrays.OFTEN, 0):
        for device in (second, sharded):
            tensor = host.to(device=device)
            for function in like:
                for old, new in zip(tensor, function(tensor)):
                    assert new.values.sharding == old.values.sharding, new.values.sharding
        for function in like:
            for block in function(host.to(arrays="jax")):
                assert not block.values.committed
            with jax.default_device(second):
                for block in function(host.to(arrays="jax")):
                    assert block.values.devices() == {second}
"""


def test_new_arrays_lie_where_those_of_the_map_lie() -> None:
    setting = 'import os; os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + '
    flags = '" --xla_force_host_platform_device_count=2"\n'
    code = setting + flags + textwrap.dedent(DEVICES)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Transformations of JAX -----------------------------------------------------------------


def test_under_jit_and_eval_shape(like: Any) -> None:
    tensor = random_map(BOTH)
    expected = like(tensor, "strain")
    same(jax.jit(lambda t: like(t, "strain"))(tensor), expected)
    same(jax.jit(lambda: like(tensor, "strain"))(), expected)
    shapes = jax.eval_shape(lambda t: like(t, "strain"), tensor)
    assert jax.tree.structure(shapes) == jax.tree.structure(expected)
    assert [(x.shape, x.dtype) for x in jax.tree.leaves(shapes)] == [
        (x.shape, x.dtype) for x in jax.tree.leaves(expected)
    ]


@pytest.mark.parametrize("name", ["ones_like", "random_uniform_like"])
def test_in_batches(name: str) -> None:
    like, tensor = LIKE[name], random_map(Recipe(rows=(4, 4)))
    stacked = jax.tree.map(lambda x: jnp.stack([x, x]), tensor)
    expected = jax.tree.map(lambda x: jnp.stack([x, x]), like(tensor))
    same(jax.vmap(like)(stacked), expected)
    same(jax.lax.scan(lambda carry, t: (carry, like(t)), 0, stacked)[1], expected)


@pytest.mark.parametrize("name", ["ones_like", "random_uniform_like"])
def test_derivatives_are_zero(name: str) -> None:
    like, tensor = LIKE[name], random_map(Recipe(rows=(4, 4)))
    value, tangent = jax.jvp(like, (tensor,), (jm.ones_like(tensor),))
    same(value, like(tensor))
    same(tangent, jm.zeros_like(tensor))

    def total(tensor: TensorMap) -> Any:
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(like(tensor)))

    same(jax.grad(total)(tensor), jm.zeros_like(tensor))


def test_under_jit_no_type_is_weak() -> None:
    weak = plain(jnp.full((1, 2), 3.0))
    assert weak[0].values.weak_type
    for function in (jm.zeros_like, jax.jit(jm.zeros_like)):
        assert not function(weak)[0].values.weak_type


# Random numbers -------------------------------------------------------------------------


def test_numbers_are_uniform_and_differ_in_every_array() -> None:
    values = [np.asarray(b.values) for b in LIKE["random_uniform_like"](many(SHAPES))]
    large = values[38]
    assert large.shape == (2**15, 1)
    counts, _ = np.histogram(large, 16, (0, 1))
    assert large.min() >= 0
    assert large.max() < 1
    assert abs(counts - 2**11).max() < 6 * 2**5.5  # six standard deviations
    numbers = np.concatenate([array.ravel() for array in values])
    assert len(np.unique(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("implementation", "partitionable"),
    [("threefry2x32", True), ("threefry2x32", False), ("rbg", True)],
)
def test_numbers_are_those_of_the_key_folded_with_the_number_of_the_array(
    implementation: str, partitionable: bool
) -> None:
    key = jax.random.key(3, impl=implementation)
    # The last one is small in bytes, and has more numbers than rows drawn together have.
    tensor = many([(4, 4), (4, 4), (2**16 + 1, 1)], np.float16)
    with jax.threefry_partitionable(partitionable):
        found = jm.random_uniform_like(key, tensor)
        for i, block in enumerate(found):
            own = jax.random.fold_in(key, i)
            expected = jax.random.uniform(own, block.shape, np.float16)
            np.testing.assert_array_equal(block.values, expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex128])
def test_numbers_are_the_same_eagerly_and_compiled(dtype: Any) -> None:
    tensor = many([(3, 2), (40, 2**10)], dtype)  # in 16 bytes, the last one is large
    eager = jm.random_uniform_like(KEY, tensor)
    compiled = jax.jit(jm.random_uniform_like)(KEY, tensor)
    same(compiled, eager)
    assert eager.dtype == dtype
    values = np.asarray(eager[1].values)
    for part in (values.real, values.imag) if np.iscomplexobj(values) else (values,):
        assert part.min() >= 0
        assert part.max() < 1
        assert abs(part.astype(np.float64).mean() - 0.5) < 0.01
    if np.iscomplexobj(values):
        both = np.corrcoef(values.real.ravel(), values.imag.ravel())
        assert abs(both[0, 1]) < 0.03  # six standard deviations


def test_a_block_has_the_same_numbers_whichever_gradients_are_wanted() -> None:
    tensor = random_map(BOTH)
    complete = jm.random_uniform_like(KEY, tensor)
    for gradients in CHOICES[1:]:
        some = jm.random_uniform_like(KEY, tensor, gradients)
        for ours, others in zip(some, complete, strict=True):
            np.testing.assert_array_equal(ours.values, others.values)
            for name, gradient in ours.gradients():
                values = others.gradient(name).values
                np.testing.assert_array_equal(gradient.values, values)


def test_one_key_gives_one_map_and_another_key_another() -> None:
    tensor = random_map(BOTH)
    first = jm.random_uniform_like(jax.random.key(1), tensor)
    same(jm.random_uniform_like(jax.random.key(1), tensor), first)
    old = jax.random.PRNGKey(1)
    for key in (old, np.asarray(old)):
        same(jm.random_uniform_like(key, tensor), first)
    second = jm.random_uniform_like(jax.random.key(2), tensor)
    assert not (second[0].values == first[0].values).any()
    tensor = many([(4, 4), (4, 4)])
    keys = jax.random.split(KEY, 2)
    several = jax.vmap(jm.random_uniform_like, in_axes=(0, None))(keys, tensor)
    one_by_one = [jm.random_uniform_like(key, tensor) for key in keys]
    same(several, jax.tree.map(lambda *x: jnp.stack(x), *one_by_one))


def test_random_numbers_for_numpy_arrays_are_arrays_of_jax() -> None:
    tensor = random_map(BOTH)
    result = jm.random_uniform_like(KEY, tensor.to(arrays="numpy"))
    assert isinstance(result[0].values, jax.Array)
    same(result, jm.random_uniform_like(KEY, tensor))


# What is refused ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*LIKE, *LIKE_BLOCK])
def test_unknown_gradients_are_met_with_those_there_are(name: str) -> None:
    tensor = random_map(BOTH)
    call, data = ({**LIKE, **LIKE_BLOCK})[name], tensor
    where = r"block \(center=.*\)"
    if name in LIKE_BLOCK:
        data, where = tensor[0], "the block"
    told = rf"^{name}: {where} has no gradient 'strains'\.\n.*did you mean 'strain'"
    for gradients in ("strains", ["positions", "strains"]):
        with pytest.raises(MissingError, match=told):
            call(data, gradients)


@pytest.mark.parametrize("name", [*LIKE, *LIKE_BLOCK])
def test_arguments_of_wrong_types(name: str, wrong_types: None) -> None:
    tensor = random_map(BOTH)
    call, data, other = ({**LIKE, **LIKE_BLOCK})[name], tensor, tensor[0]
    if name in LIKE_BLOCK:
        data, other = other, data
    with pytest.raises(InvalidTypeError, match=rf"^{name}: the argument must be a Tensor"):
        call(other)
    with pytest.raises(InvalidTypeError, match=rf"^{name}: .* a name, or a list of them"):
        call(data, 5)
    with pytest.raises(InvalidTypeError, match=f"^{name}: the name of a gradient must be"):
        call(data, [5])
    with pytest.raises(InvalidError, match=rf"^{name}: .*\n.*True\n  jax\.grad\(function"):
        call(data, requires_grad=True)
    with pytest.raises(InvalidTypeError, match=rf"^{name}: requires_grad is True or False"):
        call(data, requires_grad="yes")
    assert type(call(data, requires_grad=False)) is type(data)


WRONG_KEYS = {
    "a map": (many([(1, 2)]), "found jaxmeta.core.blocks._map.TensorMap"),
    "a seed": (0, "found builtins.int"),
    "nothing": (None, "found builtins.NoneType"),
    "floats": (np.ones(2), r"of shape \(2,\) and dtype float64"),
    "half a key": (np.ones(1, np.uint32), r"of shape \(1,\) and dtype uint32"),
    "a number": (np.asarray(3, np.uint32), r"of shape \(\) and dtype uint32"),
}


@pytest.mark.parametrize("wrong", WRONG_KEYS)
def test_what_is_no_key(wrong: str, wrong_types: None) -> None:
    key, found = WRONG_KEYS[wrong]
    told = rf"first argument must be a key of .*\n  .*{found}.*\n.*jax\.random\.key\("
    with pytest.raises(InvalidTypeError, match=f"^random_uniform_like: the {told}"):
        jm.random_uniform_like(key, many([(1, 2)]))
    with pytest.raises(InvalidTypeError, match=f"^random_uniform_like_block: the {told}"):
        jm.random_uniform_like_block(key)


def test_several_keys() -> None:
    keys = jax.random.split(KEY, 3)
    with pytest.raises(InvalidError, match=r"one key.*\n.*shape \(3,\)\n.*jax\.vmap"):
        jm.random_uniform_like(keys, many([(1, 2)]))
    with pytest.raises(InvalidError, match=r"one key.*\n.*shape \(3,\)"):
        jm.random_uniform_like(jax.random.key_data(keys), many([(1, 2)]))


@pytest.mark.parametrize("dtype", [np.int32, np.bool_])
def test_no_random_integers(dtype: Any) -> None:
    told = f"^random_uniform_like: the values are {np.dtype(dtype)}, random numbers"
    with pytest.raises(InvalidTypeError, match=told):
        jm.random_uniform_like(KEY, many([(1, 2)], dtype))


def test_arrays_that_lost_their_labels(like: Any) -> None:
    stacked = jax.tree.map(lambda x: jnp.stack([x, x]), many([(1, 2)]))
    with pytest.raises(InvalidError, match="does not fit its labels"):
        like(stacked)


def test_wide_numbers_are_not_narrowed_without_x64() -> None:
    wide = many([(1, 2)])
    with jax.enable_x64(False):
        for tensor in (wide, jax.eval_shape(lambda t: t, wide)):
            with pytest.raises(PrecisionError, match=r"^zeros_like: float64 values"):
                jm.zeros_like(tensor)
        with pytest.raises(PrecisionError, match=r"^random_uniform_like: float64 values"):
            jm.random_uniform_like(KEY, wide.to(arrays="numpy"))
        assert jm.ones_like(wide.to(arrays="numpy")).dtype == np.float64
