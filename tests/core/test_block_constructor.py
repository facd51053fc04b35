"""What blocks demand of their parts: every rule, and the message that tells it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmeta import DynamicLabels, JaxmetaError, Labels, TensorBlock
from jaxmeta.errors import InvalidError, InvalidTypeError


pytestmark = pytest.mark.usefixtures("wrong_types")

SYSTEMS = Labels("system", [[5], [9]])
M = Labels.range("m", 3)
XYZ = Labels.range("xyz", 3)
N = Labels.range("n", 2)
ROWS = Labels(["sample", "atom"], [[1, -4], [0, 2], [1, 0]])


def block(*parts: Any, gradients: Any = None, **changed: Any) -> TensorBlock:
    """A block with 2 samples, a component and 2 properties, some parts changed."""
    own: dict[str, Any] = {
        "values": jnp.zeros((2, 3, 2)),
        "samples": SYSTEMS,
        "components": [M],
        "properties": N,
    }
    return TensorBlock(*(own | changed).values(), gradients)


def gradient(**changed: Any) -> TensorBlock:
    own: dict[str, Any] = {"values": jnp.zeros((3, 3, 3, 2)), "samples": ROWS}
    return block(**(own | {"components": [XYZ, M]} | changed))


def test_a_good_block() -> None:
    good = block(gradients={"x": gradient(gradients={"y": nested()})})
    assert (good.shape, len(good), good.dtype) == ((2, 3, 2), 2, "float64")
    assert (good.samples, good.components, good.properties) == (SYSTEMS, [M], N)
    assert good.gradient("x").gradient("y").components == [Labels.range("a", 1), XYZ, M]
    assert good.has_gradient("x")
    assert not good.has_gradient("y")
    good.components.append(XYZ)
    assert good.components == [M]


def nested(**changed: Any) -> TensorBlock:
    own: dict[str, Any] = {
        "values": jnp.zeros((1, 1, 3, 3, 2)),
        "samples": Labels(["sample", "cell"], [[2, 0]]),
        "components": [Labels.range("a", 1), XYZ, M],
    }
    return block(**(own | changed))


def test_axes_may_be_empty() -> None:
    nothing = jnp.zeros((0, 3, 0))
    empty = block(values=nothing, samples=Labels.empty("a"), properties=Labels.empty("n"))
    assert empty.shape == (0, 3, 0)
    unnamed = block(samples=Labels([], np.zeros((2, 0), int)))
    assert (len(unnamed), unnamed.samples.names) == (2, [])
    no_rows = gradient(
        values=jnp.zeros((0, 3, 3, 2)), samples=Labels.empty(["sample", "atom"])
    )
    assert len(block(gradients={"x": no_rows}).gradient("x")) == 0


@pytest.mark.parametrize(
    "values", [np.zeros((2, 3, 2), bool), jnp.zeros((2, 3, 2), "int8")]
)
def test_arrays_are_kept_as_they_are(values: Any) -> None:
    assert block(values=values).values is values


def test_only_shapes() -> None:
    shape = jax.ShapeDtypeStruct((2, 3, 2), jnp.float32)
    assert block(values=shape).dtype == "float32"


BLOCKS: dict[str, tuple[Callable[[], Any], type[JaxmetaError], str]] = {
    # values
    "a list": (
        lambda: block(values=[[1.0]]),
        InvalidTypeError,
        r"array of JAX or numpy.*found builtins\.list.*jnp\.asarray",
    ),
    "text": (
        lambda: block(values=np.array(["a"])),
        InvalidTypeError,
        "numbers or bools.*found dtype <U1",
    ),
    "too few axes": (
        lambda: block(values=jnp.zeros((2, 2))),
        InvalidError,
        r"shape \(2, 2\): 2 axes.*labels need 3: samples, component 0, properties",
    ),
    "other samples": (
        lambda: block(values=jnp.zeros((4, 3, 2))),
        InvalidError,
        r"axis 0 \(samples\).*shape \(4, 3, 2\): 4 along.*labels \['system'\] have 2",
    ),
    "another component": (
        lambda: block(values=jnp.zeros((2, 4, 2))),
        InvalidError,
        r"axis 1 \(component 0\).*\['m'\] have 3 entries",
    ),
    "other properties": (
        lambda: block(values=jnp.zeros((2, 3, 1))),
        InvalidError,
        r"axis 2 \(properties\).*1 along this axis.*\['n'\] have 2 entries",
    ),
    "another capacity": (
        lambda: block(samples=DynamicLabels.from_labels(SYSTEMS, 5)),
        InvalidError,
        r"axis 0 \(samples\).*have 5 entries",
    ),
    # labels
    "samples by names": (
        lambda: block(samples=["system"]),
        InvalidTypeError,
        "samples must be Labels or DynamicLabels.*found list",
    ),
    "properties by names": (
        lambda: block(properties="n"),
        InvalidTypeError,
        "properties must be Labels.*found str",
    ),
    "dynamic properties": (
        lambda: block(properties=DynamicLabels.from_labels(N)),
        InvalidTypeError,
        "properties must be Labels.*found DynamicLabels",
    ),
    "components without a list": (
        lambda: block(components=M),
        InvalidTypeError,
        r"must be a list of Labels.*found Labels.*give \[labels\]",
    ),
    "components by number": (lambda: block(components=1), InvalidTypeError, "found int"),
    "components by name": (
        lambda: block(components=["m"]),
        InvalidTypeError,
        "component 0 must be Labels.*found str",
    ),
    "a component of two names": (
        lambda: block(components=[Labels(["a", "b"], [[0, 0], [0, 1], [0, 2]])]),
        InvalidError,
        r"component 0 needs one name.*\['a', 'b'\] with 3 entries",
    ),
    "a component of no entries": (
        lambda: block(values=jnp.zeros((2, 0, 2)), components=[Labels.empty("m")]),
        InvalidError,
        "an entry or more.*with 0 entries",
    ),
    "two components of one name": (
        lambda: block(values=jnp.zeros((2, 3, 3, 2)), components=[M, M]),
        InvalidError,
        r"component 1 needs one name of its own.*after the components \['m'\]",
    ),
    # gradients
    "gradients in a list": (
        lambda: block(gradients=[gradient()]),
        InvalidTypeError,
        "a dictionary of blocks by name.*found list",
    ),
    "a gradient that is an array": (
        lambda: block(gradients={"x": jnp.zeros((3, 3, 3, 2))}),
        InvalidTypeError,
        "gradient 'x' must be a TensorBlock",
    ),
    "a gradient with a number for name": (
        lambda: block(gradients={3: gradient()}),
        InvalidTypeError,
        "name of a gradient must be a string.*found 3, a int",
    ),
    "a gradient without a name": (
        lambda: block(gradients={"": gradient()}),
        InvalidError,
        "'' is not a valid name of a gradient.*not empty",
    ),
    "a gradient with a path for name": (
        lambda: block(gradients={"../x": gradient()}),
        InvalidError,
        "has no slash",
    ),
    "sample in second place": (
        lambda: block(gradients={"x": gradient(samples=ROWS.permute([1, 0]))}),
        InvalidError,
        r"gradient 'x': the first dimension.*'sample'.*found \['atom', 'sample'\]",
    ),
    "samples of no dimensions": (
        lambda: block(gradients={"x": gradient(samples=Labels([], np.zeros((3, 0), int)))}),
        InvalidError,
        r"must be 'sample'.*found \[\]",
    ),
    "labels in place of positions": (
        lambda: block(gradients={"x": gradient(samples=Labels("sample", [[0], [1], [5]]))}),
        InvalidError,
        r"row 2 is \(sample=5\), there are 2 rows.*counts the rows.*not a label",
    ),
    "a negative position": (
        lambda: block(
            gradients={"x": gradient(samples=Labels("sample", [[-1], [1], [0]]))}
        ),
        InvalidError,
        r"row 0 is \(sample=-1\)",
    ),
    "another dtype": (
        lambda: block(gradients={"x": gradient(values=jnp.zeros((3, 3, 3, 2), "float32"))}),
        InvalidTypeError,
        "gradient has float32, the values have float64.*on purpose",
    ),
    "other properties in the gradient": (
        lambda: block(gradients={"x": gradient(properties=Labels("n", [[1], [0]]))}),
        InvalidError,
        "other properties than the values.*exactly the properties",
    ),
    "own components last": (
        lambda: block(gradients={"x": gradient(components=[M, XYZ])}),
        InvalidError,
        r"\['m', 'xyz'\], the values have \['m'\].*its own come first",
    ),
    "components missing": (
        lambda: block(gradients={"x": gradient(values=jnp.zeros((3, 2)), components=[])}),
        InvalidError,
        r"other components.*has \[\], the values have \['m'\]",
    ),
    "components of other entries": (
        lambda: block(
            gradients={"x": gradient(components=[XYZ, Labels("m", [[2], [1], [0]])])}
        ),
        InvalidError,
        "other components than the values",
    ),
    "a position beyond in a nested gradient": (
        lambda: gradient(
            gradients={"y": nested(samples=Labels(["sample", "cell"], [[3, 0]]))}
        ),
        InvalidError,
        r"\(sample=3, cell=0\), there are 3 rows",
    ),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_block_refused(case: str) -> None:
    refused(*BLOCKS[case], "TensorBlock: ")


def refused(
    call: Callable[[], Any], kind: type[JaxmetaError], message: str, start: str
) -> None:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.startswith(start)
    assert re.search(message, text, re.DOTALL), text
