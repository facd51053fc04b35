"""Explicit gradients are large: blocks are parts of one array, which is not copied."""

from __future__ import annotations

import gc
import itertools

import jax
import numpy as np
import pytest
from representations.featomic_peer import molecules
from representations.real_structures import hypers

from jaxmeta import TensorMap
from jaxmeta.interop.ase import to_systems
from jaxmeta.representations import SoapPowerSpectrum


needs_cpu = pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="other devices have memory of their own"
)


def gradients() -> TensorMap:
    systems = to_systems(molecules())
    return SoapPowerSpectrum(**hypers(3.0, 1, 1)).compute(systems, gradients=["positions"])


@needs_cpu
def test_blocks_are_parts_of_one_array() -> None:
    arrays = [np.asarray(b.gradient("positions").values) for b in gradients().blocks()]
    assert len(arrays) > 5
    ordered = sorted(arrays, key=lambda array: array.ctypes.data)
    for left, right in itertools.pairwise(ordered):
        rows = (right.ctypes.data - left.ctypes.data) / left[0].nbytes
        assert len(left) <= rows < len(left) + 16
        assert rows == int(rows)


def test_a_block_outlives_the_others_and_what_is_donated() -> None:
    found = gradients()
    expected = [np.array(block.gradient("positions").values) for block in found.blocks()]
    kept, given = (found[i].gradient("positions").values for i in (0, 1))
    twice = jax.jit(lambda x: 2 * x, donate_argnums=0)(given)
    del found, given
    gc.collect()
    jax.block_until_ready([np.ones(1000) + jax.numpy.zeros(1000) for _ in range(50)])
    np.testing.assert_array_equal(kept, expected[0])
    np.testing.assert_array_equal(twice, 2 * expected[1])
