"""Every module: values by formulas in numpy, and labels."""

from __future__ import annotations

import numpy as np
import pytest
from nn.networks import KEYS, MODULES, in_numpy, module_of, tensor_of

from jaxmeta import Labels


TOLERANCE = {"float64": 1e-12, "float32": 2e-5}


@pytest.mark.parametrize(
    ("components", "dtype"),
    [((), "float64"), ((3,), "float64"), ((2, 3), "float64"), ((3,), "float32")],
)
@pytest.mark.parametrize("name", MODULES)
def test_values(name: str, components: tuple[int, ...], dtype: str) -> None:
    if name == "EquivariantTransformation" and not components:
        pytest.skip("blocks that turn have components")
    tensor = tensor_of(rows=(3, 3, 3), components=components, dtype=dtype, gradients=())
    module = module_of(name, dtype)
    result = module(tensor)
    for key, block in result.items():
        expected = in_numpy(name, module, key, np.asarray(tensor.block(key).values))
        assert block.dtype == np.dtype(dtype)
        scale = np.abs(expected).max(initial=1.0)
        np.testing.assert_allclose(block.values, expected, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("name", MODULES)
def test_labels(name: str) -> None:
    tensor = tensor_of(rows=(3, 3, 3), density=1.0, gradients=("positions", "strain"))
    result = module_of(name)(tensor)
    assert result.keys == KEYS
    assert result.info() == tensor.info()
    assert result.property_names == ["_"]
    for block, given in zip(result, tensor, strict=True):
        assert block.samples == given.samples
        assert block.components == given.components
        assert block.properties == Labels.range("_", block.shape[-1])
        for parameter, gradient in block.gradients():
            like = given.gradient(parameter)
            assert (gradient.samples, gradient.components) == (
                like.samples,
                like.components,
            )
