"""Losses: what they are, what does not count, and their derivatives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from energies import PARAMETERS, ROOM, changed, energies, part, with_holes

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.learn import huber, mae, mse


DELTA = 0.7
WEIGHTS = {"values": 2.0, "positions": 0.5, "strain": 3.0, "positions/strain": 0.25}
LOSSES: dict[str, tuple[Callable[..., Any], Callable[[np.ndarray], np.ndarray]]] = {
    "mse": (mse, np.square),
    "mae": (mae, np.abs),
    "huber": (
        partial(huber, delta=DELTA),
        lambda e: np.where(np.abs(e) <= DELTA, e**2 / 2, DELTA * (np.abs(e) - DELTA / 2)),
    ),
}
SIZES = np.array([2, 1, 0, 3, 1, 2])


def _pair(rng: np.random.Generator, blocks: int = 2) -> tuple[TensorMap, TensorMap]:
    return energies(rng, blocks=blocks), with_holes(energies(rng, blocks=blocks))


def _by_hand(
    function: Callable[[np.ndarray], np.ndarray],
    prediction: TensorMap,
    target: TensorMap,
    weights: dict[str, float],
    sizes: np.ndarray | None = None,
) -> float:
    total = 0.0
    for parameter, weight in weights.items():
        terms = []
        for block in range(len(target)):
            left, right = (part(one, parameter, block) for one in (prediction, target))
            errors = np.asarray(left.values) - np.asarray(right.values)
            if parameter == "values" and sizes is not None:
                errors = errors[sizes > 0] / sizes[sizes > 0, None]
            terms += [function(e) for e in errors.ravel() if not np.isnan(e)]
        total += weight * float(np.mean(terms))
    return total


@pytest.mark.parametrize("name", LOSSES)
def test_formula(name: str, rng: np.random.Generator) -> None:
    loss, function = LOSSES[name]
    prediction, target = _pair(rng)
    wanted = _by_hand(function, prediction, target, WEIGHTS)
    assert float(loss(prediction, target, WEIGHTS)) == pytest.approx(wanted, rel=1e-13)
    wanted = _by_hand(function, prediction, target, {"values": 1.0})
    assert float(loss(prediction, target)) == pytest.approx(wanted, rel=1e-13)
    wanted = _by_hand(function, prediction, target, WEIGHTS, SIZES)
    found = loss(prediction, target, WEIGHTS, sizes=SIZES)
    assert float(found) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_torch_has_the_same_formula(name: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    there = {
        "mse": torch.nn.functional.mse_loss,
        "mae": torch.nn.functional.l1_loss,
        "huber": partial(torch.nn.functional.huber_loss, delta=DELTA),
    }
    prediction, target = energies(rng), energies(rng)
    for parameter in PARAMETERS:
        arrays = [torch.tensor(part(t, parameter).values) for t in (prediction, target)]
        found = LOSSES[name][0](prediction, target, {parameter: 1.0})
        assert float(found) == pytest.approx(float(there[name](*arrays)), rel=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_padding_never_counts(name: str, rng: np.random.Generator) -> None:
    loss = LOSSES[name][0]
    prediction, target = _pair(rng)
    wanted = float(loss(prediction, target, WEIGHTS, sizes=SIZES))
    # Padding that holds anything: what a model gives for rows that are not there.
    padded, reference = jm.pad(prediction, ROOM), jm.pad(target, ROOM)
    dirty = _dirty_padding(padded)
    sizes = np.append(SIZES, 7)
    for function in (loss, jax.jit(loss)):
        found = function(dirty, reference, WEIGHTS, sizes=sizes)
        assert float(found) == pytest.approx(wanted, rel=1e-13)


def _dirty_padding(tensor: TensorMap) -> TensorMap:
    def change(path: str, values: np.ndarray) -> np.ndarray:
        values = np.array(values)
        used = np.asarray(part(tensor, path).samples.mask)
        values[~used] = np.nan
        return values

    return changed(tensor, change)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_are_those_of_finite_differences(
    name: str, dynamic: bool, rng: np.random.Generator
) -> None:
    prediction, target = _pair(rng, blocks=1)
    sizes = SIZES
    if dynamic:
        prediction, target = _dirty_padding(jm.pad(prediction, ROOM)), jm.pad(target, ROOM)
        sizes = np.append(SIZES, 0)
    floats = [i for i, x in enumerate(prediction._leaves) if x.dtype == np.float64]

    @jax.jit
    def function(leaves: list[Any]) -> Any:
        every = list(prediction._leaves)
        for i, leaf in zip(floats, leaves, strict=True):
            every[i] = leaf
        moved = TensorMap._view(prediction._layout, tuple(every))
        return LOSSES[name][0](moved, target, WEIGHTS, sizes=sizes)

    at = [np.asarray(prediction._leaves[i]) for i in floats]
    derivative = [np.asarray(d) for d in jax.jit(jax.grad(function))(at)]
    assert all(np.isfinite(d).all() for d in derivative)
    for k in range(len(at)):
        for place in list(np.ndindex(at[k].shape))[:12]:
            assert derivative[k][place] == pytest.approx(
                _difference(function, at, k, place), abs=1e-8
            )


def _difference(function: Any, at: list[np.ndarray], k: int, place: Any) -> float:
    step, found = 1e-6, []
    for sign in (1, -1):
        moved = [np.array(x) for x in at]
        moved[k][place] += sign * step
        found.append(float(function(moved)))
    return (found[0] - found[1]) / (2 * step)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("junk", [np.nan, np.inf, 1e300])
def test_what_has_no_reference_changes_nothing_at_all(
    name: str, junk: float, rng: np.random.Generator
) -> None:
    prediction, target = _pair(rng)
    loss = jax.jit(
        jax.value_and_grad(partial(LOSSES[name][0], weights=WEIGHTS), allow_int=True)
    )

    def spoil(path: str, values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(part(target, path).values), junk, values)

    def clear(path: str, values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(part(target, path).values), 0.0, values)

    # The holes are the same in both blocks, so that one function fits both.
    target = TensorMap(target.keys, [target.block_by_id(0)] * 2)
    value, slopes = loss(changed(prediction, spoil), target)
    wanted, wanted_slopes = loss(changed(prediction, clear), target)
    assert float(value) == float(wanted)
    for path, block in itertools.product(PARAMETERS, range(2)):
        found = np.asarray(part(slopes, path, block).values)
        assert np.array_equal(found, part(wanted_slopes, path, block).values)
        holes = np.isnan(part(target, path).values)
        assert holes.any()
        assert (found[holes] == 0).all()


def test_a_prediction_that_is_no_number_is_seen(rng: np.random.Generator) -> None:
    target = energies(rng)
    broken = changed(target, lambda _, values: np.full_like(values, np.nan))
    assert np.isnan(float(mse(broken, target)))


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_to_compare_is_zero(name: str, rng: np.random.Generator) -> None:
    tensor = energies(rng)
    nothing = changed(tensor, lambda _, values: np.full_like(values, np.nan))
    value, slopes = jax.value_and_grad(partial(LOSSES[name][0], weights=WEIGHTS))(
        tensor.to(arrays="jax"), nothing
    )
    assert float(value) == 0.0
    assert all((np.asarray(slope) == 0).all() for slope in jax.tree.leaves(slopes))


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_has_no_slope(name: str, rng: np.random.Generator) -> None:
    tensor = energies(rng).to(arrays="jax")
    slopes = jax.grad(partial(LOSSES[name][0], weights=WEIGHTS))(tensor, tensor)
    assert all((np.asarray(slope) == 0).all() for slope in jax.tree.leaves(slopes))


@pytest.mark.parametrize("atoms", [(), (1,), (0,), (0, 0, 1)])
def test_small_and_empty_structures(atoms: tuple[int, ...], rng: Any) -> None:
    prediction, target = energies(rng, atoms), energies(rng, atoms)
    found = mse(prediction, target, WEIGHTS, sizes=np.array(atoms, np.int64))
    assert np.isfinite(float(found))
    if atoms == (1,):
        wanted = _by_hand(np.square, prediction, target, WEIGHTS)
        assert float(found) == pytest.approx(wanted)


def test_maps_without_blocks() -> None:
    nothing = TensorMap(Labels.empty("k"), [])
    assert float(mse(nothing, nothing)) == 0.0


def test_the_order_of_blocks_is_free(rng: np.random.Generator) -> None:
    prediction, target = _pair(rng, blocks=3)
    other = TensorMap(
        Labels("model", [[2], [0], [1]]), [target.block_by_id(i) for i in (2, 0, 1)]
    )
    wanted = float(mse(prediction, target, WEIGHTS, sizes=SIZES))
    assert float(mse(prediction, other, WEIGHTS, sizes=SIZES)) == pytest.approx(wanted)


def test_it_goes_through_vmap(rng: np.random.Generator) -> None:
    several = [_pair(rng) for _ in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
    found = jax.vmap(partial(mse, weights=WEIGHTS))(*stacked)
    wanted = [float(mse(*pair, WEIGHTS)) for pair in several]
    assert np.allclose(found, wanted, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_dtype_stays(dtype: str, rng: np.random.Generator) -> None:
    prediction, target = _pair(rng)
    wanted = float(mse(prediction, target, WEIGHTS, sizes=SIZES))
    narrow = [t.to(dtype=jnp.dtype(dtype), arrays="jax") for t in (prediction, target)]
    found = mse(*narrow, WEIGHTS, sizes=SIZES)
    assert found.dtype == jnp.dtype(dtype)
    assert float(found) == pytest.approx(wanted, rel=float(4 * jnp.finfo(dtype).eps))


# Weights ---------------------------------------------------------------------------------


def test_weights_may_be_traced(rng: np.random.Generator) -> None:
    prediction, target = _pair(rng)

    @jax.jit
    def function(weight: Any) -> Any:
        return mse(prediction, target, {"values": 1.0, "strain": weight})

    zero, one = float(function(0.0)), float(function(1.0))
    assert zero == pytest.approx(float(mse(prediction, target)))
    assert one - zero == pytest.approx(float(mse(prediction, target, {"strain": 1.0})))


def test_a_parameter_without_weight_may_be_missing(rng: np.random.Generator) -> None:
    target = energies(rng)
    bare = jm.remove_gradients(target)
    assert float(mse(bare, target)) == float(mse(target, bare)) == 0.0
    assert float(mse(bare, target, {"values": 1.0, "positions": 0.0})) == 0.0
    assert float(mse(bare, bare, {"values": 1.0, "anything": 0})) == 0.0


@pytest.mark.parametrize("parameter", PARAMETERS[1:])
def test_a_missing_gradient_is_named(parameter: str, rng: np.random.Generator) -> None:
    target = energies(rng)
    bare = jm.remove_gradients(target)
    with pytest.raises(jm.JaxmetaError, match="the prediction has no gradient") as error:
        mse(bare, target, {parameter: 1.0})
    assert repr(parameter.split("/")[0]) in str(error.value)
    with pytest.raises(KeyError, match=f"the target has no gradient '{parameter}'"):
        mse(target, bare, {parameter: 1.0})


def test_unknown_names_are_told(rng: np.random.Generator) -> None:
    target = energies(rng)
    with pytest.raises(KeyError, match="did you mean 'positions'"):
        mse(target, target, {"position": 1.0})


@pytest.mark.parametrize(
    "weights", [{}, [1.0], 3.0, {"values": "one"}, {"values": -1.0}, {"values": np.nan}]
)
@pytest.mark.usefixtures("wrong_types")
def test_wrong_weights(weights: Any, rng: np.random.Generator) -> None:
    target = energies(rng)
    with pytest.raises(TypeError, match=r"mse: .*weight"):
        mse(target, target, weights)


@pytest.mark.parametrize("delta", [0, 0.0, -1.0, np.inf, np.nan, "1", True])
@pytest.mark.usefixtures("wrong_types")
def test_wrong_delta(delta: Any, rng: np.random.Generator) -> None:
    target = energies(rng)
    with pytest.raises((ValueError, TypeError), match="huber: delta must be"):
        huber(target, target, delta=delta)


# Sizes -----------------------------------------------------------------------------------


def test_sizes_may_be_a_map(rng: np.random.Generator) -> None:
    prediction, target = _pair(rng)
    systems = Labels.range("system", 6)
    block = TensorBlock(SIZES[:, None], systems, [], Labels.single())
    sizes = TensorMap(target.keys, [block, block])
    wanted = float(mse(prediction, target, WEIGHTS, sizes=SIZES))
    assert float(mse(prediction, target, WEIGHTS, sizes=sizes)) == wanted
    padded = [jm.pad(t, ROOM) for t in (prediction, target, sizes)]
    found = jax.jit(mse)(*padded[:2], WEIGHTS, sizes=padded[2])
    assert float(found) == pytest.approx(wanted)


def test_sizes_of_other_samples_are_refused(rng: np.random.Generator) -> None:
    tensor = energies(rng)
    other = Labels("system", [[0], [1], [3], [2], [4], [5]])
    block = TensorBlock(SIZES[:, None], other, [], Labels.single())
    sizes = TensorMap(tensor.keys, [block])
    with pytest.raises(jm.NotEqualError) as error:
        mse(tensor, tensor, sizes=sizes)
    for word in ("sizes=", "(model=0)", "row 2", "(system=2)", "(system=3)", "sort()"):
        assert word in str(error.value)
    padded, pads = jm.pad(tensor, ROOM), jm.pad(sizes, ROOM)
    assert np.isnan(float(mse(padded, padded, sizes=pads)))


@pytest.mark.parametrize("sizes", [np.ones(3), np.ones((6, 1)), ["a"] * 6, 2.0])
def test_wrong_sizes(sizes: Any, rng: np.random.Generator) -> None:
    tensor = energies(rng)
    with pytest.raises(ValueError, match="sizes= must have one number for each sample"):
        mse(tensor, tensor, sizes=sizes)


def test_sizes_with_several_properties_are_refused(rng: np.random.Generator) -> None:
    tensor = energies(rng)
    block = TensorBlock(
        np.ones((6, 2)), Labels.range("system", 6), [], Labels.range("n", 2)
    )
    with pytest.raises(ValueError, match="a size is one number for each sample"):
        mse(tensor, tensor, sizes=TensorMap(tensor.keys, [block]))
