"""Arrays without gaps in memory; and the switch for checks that switches nothing."""

from __future__ import annotations

import jax
import metatensor as mts
import numpy as np
import pytest
from metatensor_oracle import block_there
from operations.examples import Recipe, random_map

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidTypeError, NotEqualError


def map_of(values: np.ndarray, gradient: np.ndarray) -> TensorMap:
    """Two blocks, the first of them contiguous, of three samples and two properties."""
    samples, n = Labels.range("s", 3), Labels.range("n", 2)
    rows = Labels("sample", [[0], [2]])
    own = TensorBlock(gradient, rows, [], n)
    blocks = [
        TensorBlock(v, samples, [], n, {"g": g})
        for v, g in [
            (np.ones((3, 2)), TensorBlock(np.ones((2, 2)), rows, [], n)),
            (values, own),
        ]
    ]
    return TensorMap(Labels.range("k", 2), blocks, {"unit": "eV"})


def ramp(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


STORED = {
    "contiguous": (ramp(3, 2), ramp(2, 2), True),
    "transposed": (ramp(2, 3).T, ramp(2, 2), False),
    "every second row": (ramp(6, 2)[::2], ramp(2, 2), False),
    "transposed gradient": (ramp(3, 2), ramp(2, 2).T, False),
    "read only": (np.broadcast_to(ramp(1, 2), (3, 2)), ramp(2, 2), False),
}


@pytest.mark.parametrize("case", STORED)
def test_arrays_of_numpy_are_looked_at(case: str) -> None:
    values, gradient, expected = STORED[case]
    tensor = map_of(values, gradient)
    assert jm.is_contiguous(tensor) is expected
    assert jm.is_contiguous_block(tensor[0]) is True
    assert jm.is_contiguous_block(tensor[1]) is expected
    made = jm.make_contiguous(tensor)
    assert jm.is_contiguous(made)
    assert made == tensor
    assert made.info() == {"unit": "eV"}
    assert isinstance(made[1].values, np.ndarray)
    assert made[0].values is tensor[0].values
    assert (made[1].values is values) is values.flags.c_contiguous
    assert jm.make_contiguous_block(tensor[1]) == tensor[1]
    assert jm.is_contiguous_block(jm.make_contiguous_block(tensor[1]))


def test_as_metatensor() -> None:
    n = Labels.range("n", 2)
    theirs = mts.TensorBlock(
        ramp(2, 3).T,
        mts.Labels.range("s", 3),
        [],
        mts.Labels.range("n", 2),
    )
    ours = TensorBlock(ramp(2, 3).T, Labels.range("s", 3), [], n)
    assert mts.is_contiguous_block(theirs) is jm.is_contiguous_block(ours) is False
    whole = jm.make_contiguous_block(ours)
    assert mts.is_contiguous_block(block_there(whole)) is True


def test_gradients_of_gradients_are_looked_at() -> None:
    tensor = random_map(Recipe(nested=True, density=1.0)).to(arrays="numpy")
    assert jm.is_contiguous(tensor)
    gaps = jax.tree.map(lambda x: x, tensor)
    inner = gaps[0].gradient("positions").gradient("strain")
    turned = inner.with_values(np.asfortranarray(inner.values))
    outer = gaps[0].gradient("positions").with_gradient("strain", turned)
    block = gaps[0].with_gradient("positions", outer)
    assert not jm.is_contiguous_block(block)
    assert jm.is_contiguous_block(jm.make_contiguous_block(block))
    assert jm.make_contiguous_block(block) == tensor[0]


def test_arrays_of_jax_are_contiguous_and_stay() -> None:
    tensor = random_map(Recipe())
    turned = jax.tree.map(lambda x: x.T.T, tensor)
    assert jm.is_contiguous(turned)
    made = jm.make_contiguous(turned)
    leaves = zip(jax.tree.leaves(made), jax.tree.leaves(turned), strict=True)
    assert all(a is b for a, b in leaves)

    @jax.jit
    def under_jit(tensor: TensorMap) -> TensorMap:
        assert jm.is_contiguous(tensor)
        return jm.make_contiguous(tensor)

    assert under_jit(tensor) == tensor
    assert jm.is_contiguous(jax.eval_shape(under_jit, tensor))


@pytest.mark.parametrize("name", ["is_contiguous", "make_contiguous"])
def test_arguments_of_wrong_types(name: str, wrong_types: None) -> None:
    tensor = random_map(Recipe())
    with pytest.raises(
        InvalidTypeError, match=f"^{name}: the argument must be a TensorMap"
    ):
        getattr(jm, name)(tensor[0])
    told = f"^{name}_block: the argument must be a TensorBlock"
    with pytest.raises(InvalidTypeError, match=told):
        getattr(jm, f"{name}_block")(tensor)


def test_checks_can_not_be_switched_off() -> None:
    left, right = random_map(Recipe()), random_map(Recipe(seed=1))

    def checked() -> None:
        assert jm.checks_enabled() is True
        with pytest.raises(NotEqualError):
            left + right

    assert repr(jm.unsafe_disable_checks()) == "checks stay enabled"
    checked()
    with jm.unsafe_disable_checks() as disabled:
        assert isinstance(disabled, jm.unsafe_disable_checks)
        checked()
        with jm.unsafe_enable_checks():
            checked()
    assert repr(jm.unsafe_enable_checks()) == "checks stay enabled"
    checked()


def test_errors_leave_the_context() -> None:
    with pytest.raises(KeyError), jm.unsafe_disable_checks():
        raise KeyError
