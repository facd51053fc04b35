"""Anything at all for any argument: a result, or an error of jaxmeta, never of Python.

Every exported operation is called with each of its arguments in turn replaced by things
that nobody should give. What comes of it is not looked at, only that no foreign error
comes up from somewhere below, about things that the caller has never heard of.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta import DynamicLabels, JaxmetaError, Labels, TensorBlock, TensorMap


ODD: dict[str, Any] = {
    "a 0-d array": np.array(1),
    "an array": np.zeros(2),
    "an array of JAX": jnp.ones(3),
    "an array of words": np.array("x"),
    "a number": 1.5,
    "a whole number": 7,
    "no number": float("nan"),
    "a bool": True,
    "None": None,
    "a word": "x",
    "bytes": b"x",
    "nothing in a list": [],
    "a list": ["x"],
    "a list of lists": [["x"]],
    "a tuple": (1, 2),
    "a set": {"x"},
    "a dictionary": {"x": 1},
    "an iterator": "an iterator",  # a fresh one each time
    "an object": object(),
    "labels": Labels.range("x", 2),
}

SAMPLES = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
COMPONENTS = [Labels.range("xyz", 3)]
PROPERTIES = Labels(["n", "l"], [[0, 0], [0, 1], [1, 0]])
BLOCK = TensorBlock(jnp.ones((3, 3, 3)), SAMPLES, COMPONENTS, PROPERTIES)
TENSOR = TensorMap(Labels(["k", "q"], [[0, 0]]), [BLOCK], info={"unit": "eV"})
SQUARE = jm.mean_over_components(TENSOR, "xyz")

GOOD: dict[str, Any] = {
    **dict.fromkeys(
        ("tensor", "data", "tensor_1", "tensor_2", "A", "B", "condition"), TENSOR
    ),
    **dict.fromkeys(("block", "block_1", "block_2"), BLOCK),
    **dict.fromkeys(("X", "Y"), SQUARE),
    **dict.fromkeys(("name", "names", "sample_names", "old"), "atom"),
    **dict.fromkeys(("copy", "requires_grad", "descending", "equal_nan"), False),
    **dict.fromkeys(("gradients", "gradient", "remove", "rcond", "driver"), None),
    **dict.fromkeys(("properties", "components"), None),
    **dict.fromkeys(("into", "capacity", "owner"), None),
    **dict.fromkeys(("rtol", "atol"), 1e-3),
    "tensors": [TENSOR, TENSOR],
    "blocks": [BLOCK, BLOCK],
    "axis": "samples",
    "add_dimension": "part",
    "different_keys": "error",
    "component_names": "xyz",
    "property_names": "l",
    "selection": [0],
    "selections": [[0], [1]],
    "keys": TENSOR.keys,
    "key": jax.random.key(0),
    "function": jnp.sin,
    "predicate": lambda x: x > 0,
    "axes": "all",
    "check": "all",
    "check_gradients": True,
    "index": 0,
    "dimensions_indexes": [1, 0],
    "new": "center",
    "values": [1, 2, 3],
    "subscripts": "(system atom) xyz (n l) -> (system atom) (n l)",
    "labels": Labels.range("x", 2),
    "dimension": Labels.range("x", 3),
    "array": np.ones((2, 2)),
}
# Where the usual argument of this name is no good one.
OWN: dict[str, dict[str, Any]] = {
    "append_dimension": {"name": "new"},
    "insert_dimension": {"name": "new"},
    "remove_dimension": {"axis": "keys", "name": "q"},
    "pow": {"B": 2.0},
    "dot": {"B": SQUARE, "A": SQUARE},
    "where": {"condition": jm.mask(lambda x: x > 0, TENSOR)},
    "block_from_array": {
        "sample_names": ["s"],
        "component_names": [],
        "property_names": ["p"],
    },
}

METHODS: dict[str, Callable[[Any], Any]] = {
    "block": TENSOR.block,
    "blocks": TENSOR.blocks,
    "block_by_id": TENSOR.block_by_id,
    "blocks_by_id": TENSOR.blocks_by_id,
    "get_info": TENSOR.get_info,
    "with_info": TENSOR.with_info,
    "TensorMap keys": lambda o: TensorMap(o, [BLOCK]),
    "TensorMap blocks": lambda o: TensorMap(TENSOR.keys, o),
    "TensorMap info": lambda o: TensorMap(TENSOR.keys, [BLOCK], o),
    "keys_to_samples": TENSOR.keys_to_samples,
    "keys_to_samples sort": lambda o: TENSOR.keys_to_samples("k", sort_samples=o),
    "keys_to_samples fill": lambda o: TENSOR.keys_to_samples("k", fill_value=o),
    "keys_to_properties": TENSOR.keys_to_properties,
    "keys_to_properties sort": lambda o: TENSOR.keys_to_properties("k", sort_samples=o),
    "components_to_properties": TENSOR.components_to_properties,
    "sel keys": lambda o: TENSOR.sel(keys=o),
    "sel samples": lambda o: TENSOR.sel(samples=o),
    "sel properties": lambda o: TENSOR.sel(properties=o),
    "copy": lambda o: TENSOR.copy(deep=o),
    "to arrays": lambda o: TENSOR.to(arrays=o),
    "to device": lambda o: TENSOR.to(device=o),
    "to dtype": lambda o: TENSOR.to(dtype=o),
    "plus": lambda o: TENSOR + o,
    "power": lambda o: TENSOR**o,
    "TensorBlock values": lambda o: TensorBlock(o, SAMPLES, COMPONENTS, PROPERTIES),
    "TensorBlock samples": lambda o: TensorBlock(BLOCK.values, o, COMPONENTS, PROPERTIES),
    "TensorBlock components": lambda o: TensorBlock(BLOCK.values, SAMPLES, o, PROPERTIES),
    "TensorBlock properties": lambda o: TensorBlock(BLOCK.values, SAMPLES, COMPONENTS, o),
    "TensorBlock gradients": lambda o: TensorBlock(
        BLOCK.values, SAMPLES, COMPONENTS, PROPERTIES, o
    ),
    "with_gradient name": lambda o: BLOCK.with_gradient(o, BLOCK),
    "with_gradient": lambda o: BLOCK.with_gradient("positions", o),
    "with_values": BLOCK.with_values,
    "gradient": BLOCK.gradient,
    "Labels names": lambda o: Labels(o, [[1]]),
    "Labels values": lambda o: Labels(["a"], o),
    "Labels assume_unique": lambda o: Labels(["a"], [[1]], assume_unique=o),
    "Labels.range name": lambda o: Labels.range(o, 3),
    "Labels.range end": lambda o: Labels.range("a", o),
    "Labels[]": lambda o: SAMPLES[o],
    "Labels.position": SAMPLES.position,
    "Labels.select": SAMPLES.select,
    "Labels.column": SAMPLES.column,
    "Labels.permute": SAMPLES.permute,
    "Labels.remove": SAMPLES.remove,
    "Labels.rename old": lambda o: SAMPLES.rename(o, "new"),
    "Labels.rename new": lambda o: SAMPLES.rename("atom", o),
    "Labels.insert index": lambda o: SAMPLES.insert(o, "new", [1, 2, 3]),
    "Labels.insert name": lambda o: SAMPLES.insert(0, o, [1, 2, 3]),
    "Labels.append values": lambda o: SAMPLES.append("new", o),
    "Labels.union": SAMPLES.union,
    "Labels.difference": SAMPLES.difference,
    "Labels.intersection_and_mapping": SAMPLES.intersection_and_mapping,
    "DynamicLabels names": lambda o: DynamicLabels(o, jnp.ones((2, 1), jnp.int32)),
    "DynamicLabels values": lambda o: DynamicLabels(["a"], o),
    "pad": partial(jm.pad, TENSOR),
    "unpad": jm.unpad,
}


def _exported() -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in vars(jm).items()
        if callable(value)
        and (getattr(value, "__module__", None) or "").startswith("jaxmeta.operations")
    }


def _arguments(name: str) -> dict[str, Any]:
    parameters = inspect.signature(_exported()[name]).parameters
    return {key: {**GOOD, **OWN.get(name, {})}[key] for key in parameters}


def _called(name: str, arguments: dict[str, Any]) -> Any:
    operation = _exported()[name]
    if name != "einsum":
        return operation(**arguments)
    # The only one that takes any number of maps.
    text, tensors, keys = arguments.values()
    return operation(
        text, *(tensors if type(tensors) is tuple else [tensors]), different_keys=keys
    )


def _try(call: Callable[[Any], Any]) -> list[str]:
    """What went wrong in another way than by an error of jaxmeta."""
    foreign = []
    for name, odd in ODD.items():
        try:
            call(iter(["x"]) if name == "an iterator" else odd)
        except JaxmetaError:
            continue
        except Exception as error:
            foreign.append(f"{name}: {type(error).__name__}: {error}")
    return foreign


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize("name", _exported())
def test_operations(name: str) -> None:
    good = _arguments(name)
    _called(name, {**good, "tensors": (TENSOR,)} if name == "einsum" else good)
    for argument in good:
        foreign = _try(lambda odd, a=argument: _called(name, {**good, a: odd}))
        assert foreign == [], argument


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize("method", METHODS)
def test_methods_and_constructors(method: str) -> None:
    assert _try(METHODS[method]) == []
