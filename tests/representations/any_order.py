"""Comparison of maps whose rows come in another order, as featomic's pairs do."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta import TensorMap


def _rows(there: Any, wanted: np.ndarray) -> np.ndarray:
    """Where the rows wanted are; all of them, and no others."""
    table = {tuple(row): i for i, row in enumerate(there.values.tolist())}
    assert len(table) == len(wanted)
    return np.array([table[tuple(row)] for row in wanted.tolist()], int)


def assert_same_rows(found: TensorMap, expected: TensorMap, tolerance: float) -> None:
    """The same keys, and the same rows with the same numbers, in any order."""
    assert found.keys == expected.keys
    for key, block in expected.items():
        mine = found.block(key)
        assert mine.components == block.components
        assert mine.properties == block.properties
        assert mine.samples.names == block.samples.names
        place = _rows(mine.samples, block.samples.values)
        np.testing.assert_allclose(
            np.asarray(mine.values)[place], block.values, rtol=0, atol=tolerance
        )
        for name, gradient in block.gradients():
            own, wanted = mine.gradient(name), np.array(gradient.samples.values)
            wanted[:, 0] = place[wanted[:, 0]]
            rows = _rows(own.samples, wanted)
            np.testing.assert_allclose(
                np.asarray(own.values)[rows], gradient.values, rtol=0, atol=100 * tolerance
            )
