"""Metrics: numbers of the host, by block and by gradient."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest
from energies import PARAMETERS, ROOM, changed, energies, part, with_holes

import jaxmeta as jm
from jaxmeta import Labels, TensorMap
from jaxmeta.learn import Errors, mae, metrics, mse, r2, rmse


SIZES = np.array([2, 1, 0, 3, 1, 2])


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[TensorMap, TensorMap]:
    return energies(rng, blocks=2), with_holes(energies(rng, blocks=2))


def _flat(tensor: TensorMap, parameter: str, block: int) -> np.ndarray:
    return np.asarray(part(tensor, parameter, block).values).ravel()


def test_table(pair: tuple[TensorMap, TensorMap]) -> None:
    prediction, target = pair
    table = metrics(prediction, target)
    keys = [f"(model={i})" for i in range(2)]
    assert list(table) == [(key, parameter) for key in keys for parameter in PARAMETERS]
    for (key, parameter), found in table.items():
        block = keys.index(key)
        y = _flat(target, parameter, block)
        known = ~np.isnan(y)
        errors = (_flat(prediction, parameter, block) - y)[known]
        spread = ((y[known] - y[known].mean()) ** 2).sum()
        assert found.count == known.sum() < y.size
        assert found.rmse == pytest.approx(np.sqrt((errors**2).mean()))
        assert found.mae == pytest.approx(np.abs(errors).mean())
        assert found.r2 == pytest.approx(1 - (errors**2).sum() / spread)


def test_overall_numbers_are_those_of_losses(pair: tuple[TensorMap, TensorMap]) -> None:
    prediction, target = pair
    for parameter in PARAMETERS:
        weights = {parameter: 1.0}
        found = rmse(prediction, target, parameter, sizes=SIZES)
        wanted = float(mse(prediction, target, weights, sizes=SIZES))
        assert isinstance(found, float)
        assert found**2 == pytest.approx(wanted)
    wanted = float(mae(prediction, target))
    both = np.concatenate([_flat(prediction, "values", i) for i in range(2)])
    y = np.concatenate([_flat(target, "values", i) for i in range(2)])
    assert wanted == pytest.approx(np.nanmean(np.abs(both - y)))
    assert r2(prediction, target) == pytest.approx(
        1 - np.nansum((both - y) ** 2) / np.nansum((y - np.nanmean(y)) ** 2)
    )


def test_the_order_of_blocks_is_that_of_the_prediction(rng: np.random.Generator) -> None:
    prediction, target = energies(rng, blocks=2), energies(rng, blocks=2)
    other = TensorMap(Labels("model", [[1], [0]]), [target[1], target[0]])
    table, same = metrics(prediction, target), metrics(prediction, other)
    assert list(same.items()) == list(table.items())


def test_padding_does_not_count(pair: tuple[TensorMap, TensorMap]) -> None:
    padded = [jm.pad(t, ROOM) for t in pair]
    sizes = np.append(SIZES, 5)
    assert metrics(*padded, sizes=sizes) == metrics(*pair, sizes=SIZES)


def test_dynamic_samples_that_differ_are_told(rng: np.random.Generator) -> None:
    left = jm.pad(energies(rng, (1, 2)), ROOM)
    right = jm.pad(energies(rng, (1, 1)), ROOM)
    with pytest.raises(jm.NotEqualError) as error:
        rmse(left, right, "positions")
    words = ("rmse", "'positions'", "row 2", "(sample=1, system=1, atom=1)", "padding")
    assert [word for word in words if word not in str(error.value)] == []


def test_nothing_to_compare_is_no_number(rng: np.random.Generator) -> None:
    tensor = energies(rng)
    nothing = changed(tensor, lambda _, values: np.full_like(values, np.nan))
    table = metrics(tensor, nothing)
    assert {found.count for found in table.values()} == {0}
    assert all(math.isnan(found.rmse) for found in table.values())
    assert math.isnan(r2(changed(tensor, lambda _, v: v * 0), 0.0 * tensor))


def test_only_what_both_have_is_in_the_table(rng: np.random.Generator) -> None:
    tensor = energies(rng)
    bare = jm.remove_gradients(tensor)
    assert list(metrics(bare, tensor)) == [("(model=0)", "values")]
    with pytest.raises(KeyError, match="the prediction has no gradient 'strain'"):
        rmse(bare, tensor, "strain")


def test_single_precision_is_summed_in_double(rng: np.random.Generator) -> None:
    tensor = energies(rng).to(dtype="float32", arrays="jax")
    far = tensor + 4096.0
    wanted = (np.asarray(far[0].values, float) - np.asarray(tensor[0].values, float)) ** 2
    assert rmse(far, tensor) == pytest.approx(np.sqrt(wanted.mean()), rel=1e-14)


def test_traced_values_are_refused(rng: np.random.Generator) -> None:
    tensor = energies(rng)
    with pytest.raises(TypeError, match="rmse: the values are traced by JAX"):
        jax.jit(lambda t: rmse(t, t))(tensor)


def test_errors_are_plain_numbers(rng: np.random.Generator) -> None:
    found = metrics(energies(rng), energies(rng))["(model=0)", "values"]
    assert found == Errors(found.rmse, found.mae, found.r2, 6)
    assert all(type(number) is float for number in (found.rmse, found.mae, found.r2))


WITHOUT_X64 = """
import warnings; warnings.simplefilter("error")
import jax, jax.numpy as jnp, numpy as np
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import PrecisionError
from jaxmeta.learn import mse, rmse
assert not jax.config.jax_enable_x64

def tensor(values):
    block = TensorBlock(values, Labels.range("s", 2), [], Labels.range("n", 3))
    return TensorMap(Labels.single(), [block])

wide = tensor(np.full((2, 3), 1 / 3))
try:
    mse(wide, wide)
except PrecisionError as error:
    assert "float64" in str(error) and "jax_enable_x64" in str(error)
else:
    raise AssertionError("not refused")
# Metrics are computed by numpy, which keeps every bit.
assert rmse(wide, tensor(np.full((2, 3), 1 / 3 + 1e-12))) > 9e-13
narrow = tensor(jnp.ones((2, 3)))
sizes = np.array([2, 4])
found = mse(narrow, tensor(jnp.zeros((2, 3))), sizes=sizes)
assert found.dtype == "float32" and float(found) == (1 / 4 + 1 / 16) / 2
nothing = TensorMap(Labels.empty("k"), [])
assert mse(nothing, nothing).dtype == "float32"
"""


def test_without_x64() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WITHOUT_X64)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
