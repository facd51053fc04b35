"""Blocks and maps never change; what would change them names what gives a copy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_block_constructor import block, gradient, nested
from test_map_constructor import tensor

from jaxmeta import Labels, TensorBlock, TensorMap, pad
from jaxmeta.errors import ImmutableError, InvalidError, InvalidTypeError, MissingError


WITH_GRADIENTS = block(gradients={"x": gradient(gradients={"y": nested()})})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: setattr(b, "values", b.values), r"block\.with_values\(new_values\)"),
        (lambda b: setattr(b, "samples", b.samples), r"TensorBlock\(values, samples"),
        (lambda b: setattr(b, "components", []), r"TensorBlock\(values, samples, comp"),
        (lambda b: setattr(b, "properties", b.properties), r"TensorBlock\("),
        (lambda b: b.add_gradient("x", b), r"block\.with_gradient\(parameter, gradient\)"),
        (lambda b: b.add_gradient(parameter="x", gradient=b), "with_gradient"),
    ],
)
def test_blocks(call: Callable[[TensorBlock], Any], message: str) -> None:
    with pytest.raises(ImmutableError) as caught:
        call(WITH_GRADIENTS)
    text = str(caught.value)
    assert "blocks are immutable" in text
    assert re.search(message, text)
    assert isinstance(caught.value, AttributeError)


def test_maps() -> None:
    found = tensor(block(), block())
    with pytest.raises(ImmutableError, match=r"(?s)set_info can not.*tensor\.with_info\("):
        found.set_info("unit", "eV")
    for name in ("keys", "shape", "anything"):
        with pytest.raises(AttributeError):
            setattr(found, name, None)
    with pytest.raises(TypeError):
        found[0] = block()  # type: ignore[index]
    with pytest.raises(TypeError, match="unhashable"):
        hash(found)
    with pytest.raises(TypeError, match="unhashable"):
        hash(block())


def test_with_gradient() -> None:
    plain = block()
    one = plain.with_gradient("x", gradient())
    assert (plain.gradients_list(), one.gradients_list()) == ([], ["x"])
    assert one.values is plain.values
    two = one.with_gradient("b", gradient())
    assert two.gradients_list() == ["b", "x"]
    other = gradient(values=jnp.ones((3, 3, 3, 2)))
    replaced = two.with_gradient("x", other)
    assert replaced.gradient("x") == other
    assert two.gradient("x") == gradient()
    with pytest.raises(InvalidTypeError, match="another dtype"):
        plain.with_gradient("x", gradient(values=jnp.zeros((3, 3, 3, 2), "float32")))
    with pytest.raises(MissingError, match=r"no gradient 'xx'.*\n.*did you mean 'x'"):
        one.gradient("xx")


def test_with_values() -> None:
    ones = WITH_GRADIENTS.with_values(jnp.ones((2, 3, 2)))
    assert ones._layout is WITH_GRADIENTS._layout
    assert (ones.values == 1).all()
    assert ones.gradient("x") == WITH_GRADIENTS.gradient("x")
    assert not WITH_GRADIENTS.values.any()
    with pytest.raises(InvalidError, match="axis 0"):
        WITH_GRADIENTS.with_values(jnp.ones((3, 3, 2)))
    with pytest.raises(InvalidTypeError, match="another dtype"):
        WITH_GRADIENTS.with_values(jnp.ones((2, 3, 2), jnp.float32))


def test_info() -> None:
    plain = tensor(block(), block())
    found = plain.with_info(unit="eV").with_info({"method": "PBE", "unit": "meV"})
    assert plain.info() == {}
    assert found.info() == {"method": "PBE", "unit": "meV"}
    assert (found.get_info("unit"), found.get_info("basis")) == ("meV", None)
    found.info()["unit"] = "changed"
    assert found.get_info("unit") == "meV"
    assert found.with_info()._layout is found._layout
    assert found.with_info(method="").get_info("method") == ""
    assert found.block(0).values is plain.block(0).values


def test_dtype_and_kind_of_arrays() -> None:
    found = tensor(WITH_GRADIENTS, WITH_GRADIENTS).with_info(unit="eV")
    small = found.to(dtype=jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(small)} == {jnp.dtype("float32")}
    assert small._layout is found._layout
    assert (small.dtype, found.dtype) == ("float32", "float64")
    host = small.to(arrays="numpy")
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(host))
    assert (host.device, host.block(0).device) == ("cpu", "cpu")
    back = host.to(arrays="jax", dtype="float64", device=jax.devices()[0])
    assert back == found
    assert back.device == jax.devices()[0]
    assert found.to()._leaves is found._leaves
    assert WITH_GRADIENTS.to(dtype="complex64").gradient("x").dtype == "complex64"


def test_labels_of_dynamic_samples_keep_their_dtype() -> None:
    padded = pad(WITH_GRADIENTS, {"samples": 3, "x": 4, "x/y": 2}).to(dtype="float32")
    dtypes = [leaf.dtype.name for leaf in jax.tree.leaves(padded)]
    assert dtypes == ["float32", "int32"] * 3


def test_refused_conversions(wrong_types: None) -> None:
    complex_block = block(values=jnp.zeros((2, 3, 2), "complex128"))
    with pytest.raises(InvalidError, match=r"(?s)complex values.*asked for float64"):
        complex_block.to(dtype="float64")
    with pytest.raises(InvalidError, match="found 'torch'"):
        complex_block.to(arrays="torch")
    for device in ("cpu", 0):
        with pytest.raises(InvalidTypeError, match=r"(?s)^to: the device.*jax\.devices\("):
            complex_block.to(device=device)
    for dtype in ("no dtype", str, object):
        with pytest.raises(InvalidTypeError, match=r"^to: dtype must be a dtype"):
            complex_block.to(dtype=dtype)
    with pytest.raises(InvalidError, match="numpy arrays live on the host"):
        complex_block.to(arrays="numpy", device=jax.devices()[0])


def test_names_in_maps() -> None:
    found = TensorMap(Labels.single(), [WITH_GRADIENTS])
    assert found.sample_names == ["system"]
    assert found.component_names == ["m"]
    assert found.property_names == ["n"]
    found.sample_names.append("atom")
    assert found.sample_names == ["system"]
