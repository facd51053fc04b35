"""Agreement with metatensor up to the last digits, in values and in every label."""

from __future__ import annotations

from typing import Any

import metatensor as mts
import numpy as np
from metatensor_oracle import block_here, labels_here

from jaxmeta import TensorBlock, TensorMap


def map_here(tensor: mts.TensorMap) -> TensorMap:
    return TensorMap(labels_here(tensor.keys), [block_here(b) for b in tensor.blocks()])


def assert_agree(
    ours: TensorMap, theirs: mts.TensorMap, gradients: bool = True, numbers: str = "all"
) -> None:
    """Same keys, samples, components, properties in the same order, close values.

    `gradients` says whether gradients are looked at; `numbers` which ones: ``"all"``,
    those of the ``"values"`` alone, or ``"none"``.
    """
    _same_labels("keys", ours.keys, theirs.keys)
    for key, block, other in zip(ours.keys, ours, theirs.blocks(), strict=True):
        assert_blocks_agree(block, other, gradients, key.print(), numbers)


def assert_blocks_agree(
    ours: TensorBlock,
    theirs: mts.TensorBlock,
    gradients: bool = True,
    where: str = "",
    numbers: str = "all",
) -> None:
    _same_labels(f"samples of {where}", ours.samples, theirs.samples)
    for own, other in zip(ours.components, theirs.components, strict=True):
        _same_labels(f"components of {where}", own, other)
    _same_labels(f"properties of {where}", ours.properties, theirs.properties)
    assert ours.dtype == theirs.values.dtype, where
    if numbers != "none":
        np.testing.assert_allclose(
            np.asarray(ours.values), theirs.values, rtol=1e-12, atol=1e-12, err_msg=where
        )
    if gradients:
        assert ours.gradients_list() == sorted(theirs.gradients_list()), where
        below = "all" if numbers == "all" else "none"
        for name, gradient in ours.gradients():
            inner = f"gradient {name!r} of {where}"
            assert_blocks_agree(gradient, theirs.gradient(name), True, inner, below)


def _same_labels(where: str, ours: Any, theirs: mts.Labels) -> None:
    assert list(ours.names) == list(theirs.names), where
    np.testing.assert_array_equal(np.asarray(ours.values), theirs.values, err_msg=where)
