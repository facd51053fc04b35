"""repr, str, HTML and trees of anything: they never fail and never look at values."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_block_constructor import block, gradient, nested
from test_map_constructor import tensor

from jaxmeta import DynamicLabels, Labels, LabelsEntry, TensorBlock, TensorMap, pad


DEEP = block(gradients={"x": gradient(gradients={"y": nested()})})
MAP = tensor(DEEP, DEEP).with_info(unit="eV", note="<b>&</b>")
ROOM = {"samples": 3, "x": 4, "x/y": 2}
PLAIN: dict[str, Any] = {
    "labels": Labels(["a", "b"], [[1, -1000], [2, 7]]),
    "many labels": Labels.range("a", 10**5),
    "no entries": Labels.empty(["a", "b"]),
    "no dimensions": Labels([], np.zeros((2, 0), int)),
    "dynamic labels": DynamicLabels.from_labels(Labels.range("a", 3), 5),
    "block": block(),
    "block with gradients": DEEP,
    "gradient": DEEP.gradient("x"),
    "empty block": block(
        values=jnp.zeros((0, 3, 0)), samples=Labels.empty("s"), properties=Labels.empty("n")
    ),
    "dynamic block": pad(DEEP, ROOM),
    "map": MAP,
    "map without blocks": TensorMap(Labels.empty("k"), []),
    "dynamic map": pad(MAP, ROOM),
    "host arrays": MAP.to(arrays="numpy"),
    "many blocks": TensorMap(Labels.range("k", 300), [block()] * 300),
}


@pytest.fixture(params=PLAIN.values(), ids=PLAIN)
def data(request: pytest.FixtureRequest) -> Any:
    return request.param


def shown(data: Any) -> list[str]:
    """Everything that there is to see of an object."""
    texts = [repr(data), str(data), data._repr_html_()]
    if isinstance(data, Labels):
        texts += [data.print(), data.print(max_entries=3, indent=2)]
    if isinstance(data, TensorMap):
        texts += [data.print(), data.print(max_keys=1)]
    if importlib.util.find_spec("treescope") and hasattr(data, "__treescope_repr__"):
        import treescope

        texts.append(treescope.render_to_text(data))
    assert all(isinstance(text, str) and text for text in texts)
    return texts


def test_plain(data: Any) -> None:
    with jax.transfer_guard("disallow"):
        texts = shown(data)
    assert len(texts[0]) < 10**4
    assert len(texts[1]) < 10**4
    assert " object at 0x" not in texts[0]


class Untouchable:
    """An array of which only the shape may be asked."""

    shape = (2, 3, 2)
    dtype = np.dtype("float64")
    ndim = 3
    size = 12
    nbytes = 96

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("__array", "__jax", "addressable", "__dlpack")):
            message = f"the display asked for {name}"
            raise AssertionError(message)
        raise AttributeError(name)

    def __repr__(self) -> str:
        message = "the display printed the values"
        raise AssertionError(message)

    __str__ = __array__ = __iter__ = __getitem__ = __repr__  # type: ignore[assignment]


LEAVES: dict[str, Callable[[Any], Any]] = {
    "untouchable": lambda x: Untouchable(),
    "shapes": lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype),
    "objects": lambda x: object(),
    "None": lambda x: None,
    "bools": lambda x: True,
    "text": lambda x: "x",
    "numbers": lambda x: 1.5,
    "other rank": lambda x: np.zeros(7),
    "scalars": lambda x: jnp.zeros(()),
}


@pytest.mark.parametrize("make", LEAVES.values(), ids=LEAVES)
@pytest.mark.parametrize(
    "name", ["block with gradients", "dynamic block", "map", "dynamic map"]
)
def test_any_leaves(name: str, make: Callable[[Any], Any]) -> None:
    leaves, tree = jax.tree.flatten(PLAIN[name])
    strange = jax.tree.unflatten(tree, [make(leaf) for leaf in leaves])
    shown(strange)
    if not name.startswith("block"):
        for part in strange if isinstance(strange, TensorMap) else [strange]:
            shown(part)
            if name.startswith("dynamic"):
                shown(part.samples)


@pytest.mark.parametrize("transform", [jax.jit, jax.grad, jax.checkpoint, jax.make_jaxpr])
def test_traced(transform: Any) -> None:
    texts: list[str] = []

    def function(data: Any) -> Any:
        texts.extend(shown(data))
        for part in data:
            texts.extend(shown(part))
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(data))

    transform(function)(MAP)
    assert len(texts) > 10
    assert "Tracer" not in texts[0]


def test_traced_dynamic_samples() -> None:
    texts: list[str] = []

    @jax.jit
    def function(data: TensorBlock) -> Any:
        texts.extend(shown(data) + shown(data.samples))
        return data.values

    function(pad(block(), 3))
    assert len(texts) > 5


def test_stacked() -> None:
    stacked = jax.tree.map(lambda x: jnp.stack([x] * 4), MAP)
    texts = shown(stacked)
    assert texts != shown(MAP)  # a leading axis is no secret
    jax.vmap(lambda t: (shown(t), t)[1])(stacked)


def test_deleted_arrays() -> None:
    data = TensorMap(Labels.single(), [block(values=jnp.ones((2, 3, 2)) + 1)])
    data.block(0).values.delete()
    shown(data)
    shown(data.block(0))


def test_content() -> None:
    text = repr(MAP)
    for word in ("TensorMap", "2 blocks", "float64", "k", "5", "unit"):
        assert word in text
    text = repr(DEEP)
    for word in ("TensorBlock", "float64", "(2, 3, 2)", "system", "m", "n", "x"):
        assert word in text
    assert "dynamic" in repr(PLAIN["dynamic labels"]).lower()
    assert repr(MAP.keys[0]) == "LabelsEntry(k=5)"
    assert str(LabelsEntry(["a", "b"], [0, -1])) == "LabelsEntry(a=0, b=-1)"


def test_html_is_escaped_and_bounded() -> None:
    assert "<b>&</b>" not in MAP._repr_html_()
    assert len(PLAIN["many blocks"]._repr_html_()) < 3 * 10**5
    assert len(PLAIN["many labels"]._repr_html_()) < 10**5


def test_number_of_lines() -> None:
    many = PLAIN["many blocks"]
    assert len(str(many).splitlines()) < len(repr(many).splitlines()) < 40
    assert len(many.print().splitlines()) >= 300
    assert len(many.print(max_keys=4).splitlines()) < 15
